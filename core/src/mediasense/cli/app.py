"""The application: its commands, its one error boundary, its plugins."""

import functools
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from mediasense import runtime
from mediasense.cli import ask, batch, look_for_garbage
from mediasense.cli.cache import cache_app
from mediasense.cli.history import history_app
from mediasense.cli.new_plugin import new_plugin
from mediasense.cli.plugins import plugins_app
from mediasense.cli.providers import models, providers_app
from mediasense.errors import MediasenseError, PluginError
from mediasense.output.terminal import answers_alone, say

if TYPE_CHECKING:
    from mediasense.tracing import Traced


class ErrorBoundary(TyperGroup):
    """Turns known errors into one line and an exit code; others keep their traceback.

    The commands of plugins are looked for when the first command is: the root options, which say
    what plugins there are, have been read by then. What anybody prints while a command of the core
    runs is no answer: only what the command writes as one reaches stdout.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._plugins_asked = False
        for command in _leaves(self):
            command.callback = _alone(command.callback)

    def make_context(self, *given: Any, **options: Any) -> Any:  # typer's own click is private
        """Read the root options; ``--help`` already asks for the commands of plugins."""
        runtime.choose(runtime.PluginChoice())
        try:
            return super().make_context(*given, **options)
        except MediasenseError as error:
            sys.exit(_told(error))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, of the core or of a plugin."""
        self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        self._ask_plugins()
        return super().list_commands(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, and see to it that the plugins it needs are sound."""
        self._ask_plugins()
        if args[0] not in _SHOWS_FAILURES:
            runtime.require_sound_plugins()
            ctx.call_on_close(_warn_of_failures)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MediasenseError as error:
            raise typer.Exit(_told(error)) from None

    def _ask_plugins(self) -> None:
        if self._plugins_asked:
            return
        self._plugins_asked = True
        with answers_alone():
            found = runtime.plugins()
            for implementation in reversed(found.manager.hook.register_commands.get_hookimpls()):
                name = implementation.plugin_name
                try:
                    commands = found.add_commands(name, partial(_commands, implementation))
                    self._require_new_names(commands)
                except (Exception, SystemExit) as error:  # noqa: BLE001  it is the plugin's own
                    found.fail(name, error)
                    continue
                self.commands.update(commands)
        look_for_garbage()

    def _require_new_names(self, commands: Mapping[str, Any]) -> None:
        for name in commands:
            if name in self.commands:
                raise PluginError(
                    f"there is already a command {name!r}", hint="give it another name"
                )


_SHOWS_FAILURES = ("plugins",)


def _commands(implementation: Any) -> Mapping[str, Any]:
    """What a plugin adds, ready to be run: in an application of its own, so nothing else comes."""
    own = typer.Typer(rich_markup_mode="rich")
    named = {"app": own} if "app" in implementation.kwargnames else {}
    implementation.function(*[own for _ in implementation.argnames], **named)
    return get_group(own).commands


def _leaves(group: TyperGroup) -> Iterator[Any]:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _leaves(command)
        else:
            yield command


def _alone(callback: Any) -> Any:
    @functools.wraps(callback)
    def run(*given: Any, **options: Any) -> Any:
        with answers_alone():
            return callback(*given, **options)

    return run


def _told(error: MediasenseError) -> int:
    if isinstance(error, PluginError) and error.__cause__ is not None:
        # A plugin's own mistake: its author needs the whole story.
        traceback.print_exception(error.__cause__)
    say("error", str(error))
    return error.exit_code


def _warn_of_failures() -> None:
    for failure in runtime.plugins().failures:
        say(
            "warning",
            f"plugin {failure.entry_point} failed to load: {failure.cause}; "
            "type: mediasense plugins",
        )


def build() -> typer.Typer:
    """Make the application; it finds the commands of plugins by itself."""
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
    app.command("new-plugin", rich_help_panel="Write a plugin")(new_plugin)
    for name, group in (("history", history_app), ("cache", cache_app)):
        app.add_typer(group, name=name, rich_help_panel="What is kept")
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mediasense {version('mediasense')}")
        raise typer.Exit


def _choose_plugins(named: list[str] | None) -> None:
    runtime.choose(replace(runtime.choice(), plugins=tuple(named or ())))


def _leave_out(names: list[str] | None) -> None:
    runtime.choose(replace(runtime.choice(), disabled=tuple(names or ())))


def _be_strict(wanted: bool) -> None:
    runtime.choose(replace(runtime.choice(), strict=wanted))


def _trace(wanted: bool) -> None:
    runtime.choose(replace(runtime.choice(), on_trace=_say_trace if wanted else None))


def _say_trace(traced: "Traced") -> None:
    say("trace", str(traced))


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--plugin",
            metavar="FILE|MODULE",
            callback=_choose_plugins,
            is_eager=True,
            help="Load a plugin besides those installed; may be repeated.",
        ),
    ] = None,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--no-plugin",
            metavar="NAME",
            callback=_leave_out,
            is_eager=True,
            help="Leave a plugin out: it is not even imported; may be repeated.",
        ),
    ] = None,
    strict_plugins: Annotated[
        bool,
        typer.Option(
            "--strict-plugins",
            callback=_be_strict,
            is_eager=True,
            help="Take anything that is wrong with any plugin for an error.",
        ),
    ] = False,
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            callback=_trace,
            is_eager=True,
            help="Tell on stderr which hooks are called, and how long each takes.",
        ),
    ] = False,
) -> None:
    del version, plugin, no_plugin, strict_plugins, trace
