"""``mediasense plugins check``: prove that a plugin does what it declares."""

from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.cli.completion import plugin_names
from mediasense.cli.listings import ListingOptions, print_json
from mediasense.cli.options import spread
from mediasense.errors import PluginError
from mediasense.output.colour import console
from mediasense.output.terminal import answers, write

if TYPE_CHECKING:
    from mediasense.testing import Report


@spread
def check(
    listing: ListingOptions,
    plugin: Annotated[
        str,
        typer.Argument(
            autocompletion=plugin_names, help="A plugin that is installed, its module, or a file."
        ),
    ],
    service: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE|FILE",
            help="Where SERVICE stands, the other end of its wire; by default what comes with it.",
        ),
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", "-p", help="Only this provider of the plugin; again for more."),
    ] = None,
) -> None:
    """Prove that a plugin does what it declares, against a server on this machine.

    mediasense plugins check acme
    mediasense plugins check ./acme.py --service ./acme_service.py
    """
    from mediasense.testing import Report, run_checks
    from mediasense.testing.sources import plugin_named, script_in

    named = plugin_named(plugin, runtime.named_plugins())
    script = script_in(service) if service is not None else None
    report = Report(results=run_checks(named, script, tuple(provider) if provider else None))
    if listing.as_json:
        print_json({"plugin": named, "checks": report.json()})
    else:
        _show(report)
    if report.failed:
        checks = "check" if len(report.failed) == 1 else "checks"
        raise PluginError(
            f"{plugin}: {len(report.failed)} {checks} failed",
            hint="mend what the sentences above say",
        )


def _show(report: "Report") -> None:
    """The table, in colours and as wide as the terminal, or plain in a pipe."""
    stream = answers()
    if not stream.isatty():
        write(stream, "".join(f"{line}\n" for line in report.lines()))
        return
    from rich.text import Text

    screen = console(stream)
    for line in report.lines(width=screen.width, colour=True):
        screen.print(Text.from_ansi(line), soft_wrap=True)
