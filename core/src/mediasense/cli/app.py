"""The application: its commands, its one error boundary, its plugins."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mediasense import runtime
from mediasense.cli import ask, batch
from mediasense.cli.cache import cache_app
from mediasense.cli.history import history_app
from mediasense.cli.plugins import plugins_app
from mediasense.cli.providers import models, providers_app
from mediasense.errors import MediasenseError, PluginError
from mediasense.output.terminal import say


class ErrorBoundary(TyperGroup):
    """Turns known errors into one line and an exit code; others keep their traceback."""

    def invoke(self, ctx: Any) -> Any:  # typer brings its own click, whose types are private
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MediasenseError as error:
            if isinstance(error, PluginError) and error.__cause__ is not None:
                # A plugin's own mistake: its author needs the whole story.
                traceback.print_exception(error.__cause__)
            say("error", str(error))
            raise typer.Exit(error.exit_code) from None
        finally:
            _warn_of_failures()


def _warn_of_failures() -> None:
    for failure in runtime.plugins().failures:
        say(
            "warning",
            f"plugin {failure.entry_point} failed to load: {failure.cause}; "
            "type: mediasense plugins",
        )


def build() -> typer.Typer:
    """Make the application, with the commands of the plugins."""
    app = typer.Typer(
        cls=ErrorBoundary,
        help="Turn images, videos and sound into text, through the provider you choose.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for command in (ask.image, ask.video, ask.audio, ask.plan, batch.batch):
        app.command(rich_help_panel="Ask")(command)
    for name, group in (("providers", providers_app), ("plugins", plugins_app)):
        app.add_typer(group, name=name, rich_help_panel="Look around")
    app.command(rich_help_panel="Look around")(models)
    for name, group in (("history", history_app), ("cache", cache_app)):
        app.add_typer(group, name=name, rich_help_panel="What is kept")
    _add_plugin_commands(app)
    return app


def _add_plugin_commands(app: typer.Typer) -> None:
    try:
        plugins = runtime.plugins()
    except MediasenseError as error:
        say("error", str(error))
        sys.exit(error.exit_code)
    for implementation in plugins.manager.hook.register_commands.get_hookimpls():
        # Of its own, so that nothing but commands comes over, and those only when all is well.
        own = typer.Typer()
        try:
            implementation.function(*[own for _ in implementation.argnames])
            _require_new_names(app, own)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            plugins.fail(implementation.plugin_name, error)
            continue
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups


def _require_new_names(app: typer.Typer, added: typer.Typer) -> None:
    for name in _names(added):
        if name in _names(app):
            raise PluginError(f"there is already a command {name!r}", hint="give it another name")


def _names(app: typer.Typer) -> list[str]:
    commands = [c.name or _dashed(c.callback) for c in app.registered_commands]
    return [*commands, *(str(group.name) for group in app.registered_groups)]


def _dashed(callback: Any) -> str:
    return str(callback.__name__).replace("_", "-")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mediasense {version('mediasense')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version
