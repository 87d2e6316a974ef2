"""What listings of what is there have in common."""

from dataclasses import dataclass
from typing import Annotated

import typer

from mediasense.errors import NoPlugins
from mediasense.known import PACKAGES
from mediasense.output.terminal import answers, write


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingOptions:
    """How a listing is printed."""

    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


def nothing_installed() -> NoPlugins:
    """Say what could be installed; the error that nothing is."""
    typer.echo("packages that can be installed:", err=True)
    for package, offered in PACKAGES.items():
        typer.echo(f"  {package:<26} {', '.join(offered)}", err=True)
    return NoPlugins(
        "no provider plugin is installed",
        hint=f"type: pip install {next(iter(PACKAGES))} (it needs no key)",
    )


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    from mediasense.envelope import dumps

    write(answers(), dumps(value) + "\n")
