"""The application: its commands, its one error boundary, its plugins."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mediasense import runtime
from mediasense.cli import ask, listings
from mediasense.errors import MediasenseError, PluginError


class ErrorBoundary(TyperGroup):
    """Turns known errors into one line and an exit code; others keep their traceback."""

    def invoke(self, ctx: Any) -> Any:  # typer brings its own click, whose types are private
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MediasenseError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        finally:
            _warn_of_failures()


def _warn_of_failures() -> None:
    for failure in runtime.plugins().failures:
        typer.echo(
            f"warning: plugin {failure.entry_point} failed to load: {failure.cause}; "
            "type: mediasense plugins",
            err=True,
        )


def build() -> typer.Typer:
    """Make the application, with the commands of the plugins."""
    app = typer.Typer(
        cls=ErrorBoundary,
        help="Turn any image, video or sound into text, with any provider.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for command in (ask.image, ask.video, ask.audio):
        app.command(rich_help_panel="Ask")(command)
    for command in (listings.providers, listings.models, listings.plugins):
        app.command(rich_help_panel="Look around")(command)
    _add_plugin_commands(app)
    return app


def _add_plugin_commands(app: typer.Typer) -> None:
    try:
        plugins = runtime.plugins()
    except MediasenseError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    for implementation in plugins.manager.hook.register_commands.get_hookimpls():
        before = list(app.registered_commands)
        try:
            implementation.function(*[app for _ in implementation.argnames])
            _require_new_names(app, before)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            app.registered_commands[:] = before
            plugins.fail(implementation.plugin_name, error)


def _require_new_names(app: typer.Typer, before: list[Any]) -> None:
    taken = {_name(command) for command in before}
    for command in app.registered_commands[len(before) :]:
        if _name(command) in taken:
            raise PluginError(
                f"there is already a command {_name(command)!r}", hint="give it another name"
            )


def _name(command: Any) -> str:
    return str(command.name or command.callback.__name__.replace("_", "-"))


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
