"""The application: its commands, its one error boundary, its plugins."""

import functools
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from mediasense import runtime
from mediasense.cli import look_for_garbage
from mediasense.cli.common import be_quiet, be_verbose, equip, tidy_help
from mediasense.cli.completion import plugin_names
from mediasense.cli.usage import no_command, understood
from mediasense.errors import ConfigError, MediasenseError, PluginError
from mediasense.output.terminal import answers, answers_alone, choose_level, say, write

if TYPE_CHECKING:
    from mediasense.plugins import Plugins
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
        self._failures_told = False
        for name, command in self.commands.items():
            for leaf in _leaves(command):
                leaf.callback = _alone(leaf.callback)
                if name not in _MENDS:
                    leaf.callback = self._sound(leaf.callback)
            equip(self, command)
        tidy_help(self)

    def make_context(self, *given: Any, **options: Any) -> Any:  # typer's own click is private
        """Read the root options; ``--help`` already asks for the commands of plugins."""
        runtime.choose(runtime.PluginChoice())
        choose_level("normal")
        try:
            return super().make_context(*given, **options)
        except MediasenseError as error:
            sys.exit(_told(error))
        except TyperException as error:
            sys.exit(_told_usage(error))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, of the core or of a plugin."""
        self._ask_plugins(cmd_name)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        self._ask_plugins()
        return super().list_commands(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; where there is none, a plugin that failed may have been to add it."""
        self._ask_plugins(args[0])
        if ctx.resilient_parsing:  # a completion: nobody is to be told anything
            return super().resolve_command(ctx, args)
        if args[0] not in self.commands:
            self._require_sound()
            raise no_command(args[0], self.commands)
        if args[0] not in _SHOWS_FAILURES:
            ctx.call_on_close(self._warn_of_failures)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and say on stderr of which plugins it has no commands."""
        super().format_help(ctx, formatter)
        self._warn_of_failures(so_far=True)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads has had enough
            raise typer.Exit(_READ_NO_FURTHER) from None
        except MediasenseError as error:
            raise typer.Exit(_told(error)) from None
        except TyperException as error:
            raise typer.Exit(_told_usage(error)) from None

    def _ask_plugins(self, wanted: str | None = None) -> None:
        if self._plugins_asked:
            return
        self._plugins_asked = True
        with answers_alone():
            found = self._found(wanted)
            if found is None:
                return
            for implementation in reversed(found.manager.hook.register_commands.get_hookimpls()):
                name = implementation.plugin_name
                try:
                    commands = found.add_commands(name, partial(_commands, implementation))
                    self._require_new_names(commands)
                except (Exception, SystemExit) as error:  # noqa: BLE001  it is the plugin's own
                    found.fail_commands(name, error)
                    continue
                self.commands.update(commands)
                for command in commands.values():
                    equip(self, command)
                for leaf in [leaf for command in commands.values() for leaf in _leaves(command)]:
                    leaf.callback = self._sound(leaf.callback)
        look_for_garbage()

    def _found(self, wanted: str | None) -> "Plugins | None":
        """What is loaded; nothing where the config file is broken, and that is to be looked at."""
        try:
            return runtime.plugins()
        except ConfigError as error:
            if wanted is not None and wanted not in _MENDS_CONFIG:
                raise
            self._failures_told = True
            if wanted is None:  # all there are, for the help
                say("warning", str(error))
            return None

    def _sound(self, callback: Any) -> Any:
        """The same command, which runs when the plugins that have to be are sound."""

        @functools.wraps(callback)
        def run(*given: Any, **options: Any) -> Any:
            self._require_sound()
            return callback(*given, **options)

        return run

    def _require_sound(self) -> None:
        try:
            runtime.require_sound_plugins()
        except PluginError:
            self._failures_told = True
            raise

    def _warn_of_failures(self, *, so_far: bool = False) -> None:
        if self._failures_told:
            return
        self._failures_told = True
        found = runtime.plugins()
        for failure in found.failures_so_far if so_far else found.failures:
            say("warning", f"{failure}; type: mediasense plugins")
        for unknown in runtime.unknown_disabled():
            if unknown.near is not None:  # another may well be installed elsewhere
                say("warning", str(unknown.error))

    def _require_new_names(self, commands: Mapping[str, Any]) -> None:
        for name in commands:
            if name in self.commands or name in _OFFERED:
                raise PluginError(
                    f"there is already a command {name!r}", hint="give it another name"
                )


_SHOWS_FAILURES = ("plugins",)
_READ_NO_FURTHER = 141
"""What a shell reports of a program that ends because nobody reads on: 128 and SIGPIPE."""
_MENDS = ("plugins", "config", "doctor", "init", "keys")
"""With these one looks at what is wrong, and mends it; they ask no provider for an answer."""
_MENDS_CONFIG = ("config", "doctor")
"""The same for a config file that cannot be read."""


def _commands(implementation: Any) -> Mapping[str, Any]:
    """What a plugin adds, ready to be run: in an application of its own, so nothing else comes."""
    own = typer.Typer(rich_markup_mode="rich")
    named = {"app": own} if "app" in implementation.kwargnames else {}
    implementation.function(*[own for _ in implementation.argnames], **named)
    return get_group(own).commands


def _leaves(command: Any) -> Iterator[Any]:
    """The commands that do something: this one, or those of the group that it is."""
    if not isinstance(command, TyperGroup):
        yield command
        return
    for inner in command.commands.values():
        yield from _leaves(inner)


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


def _told_usage(error: TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        write(answers(), error.format_message().lstrip("\n") + "\n")  # all else is written
    else:
        say("error", str(understood(error)))
    return error.exit_code


@dataclass(frozen=True, slots=True)
class _Offered:
    """A command of the core.

    Attributes:
        module: Where it is, in this package.
        attribute: What it is called there: a function, or an application with commands in it.
        panel: Under which heading the help shows it.
    """

    module: str
    attribute: str
    panel: str

    def add_to(self, app: typer.Typer, name: str) -> None:
        """Load it, and make it a command."""
        found = getattr(import_module(f"mediasense.cli.{self.module}"), self.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, rich_help_panel=self.panel)
        else:
            app.command(name, rich_help_panel=self.panel)(found)


_OFFERED = {
    "image": _Offered("ask", "image", "Ask"),
    "video": _Offered("ask", "video", "Ask"),
    "audio": _Offered("ask", "audio", "Ask"),
    "plan": _Offered("ask", "plan", "Ask"),
    "batch": _Offered("batch", "batch", "Ask"),
    "tasks": _Offered("tasks", "tasks_app", "Ask"),
    "providers": _Offered("providers", "providers_app", "Look around"),
    "models": _Offered("providers", "models", "Look around"),
    "plugins": _Offered("plugins", "plugins_app", "Look around"),
    "init": _Offered("init", "init", "Set up"),
    "keys": _Offered("keys", "keys_app", "Set up"),
    "config": _Offered("settings", "config_app", "Set up"),
    "doctor": _Offered("doctor", "doctor", "Set up"),
    "new-plugin": _Offered("new_plugin", "new_plugin", "Write a plugin"),
    "history": _Offered("history", "history_app", "What is kept"),
    "cache": _Offered("cache", "cache_app", "What is kept"),
}


def build(first: str | None = None) -> typer.Typer:
    """Make the application; it finds the commands of plugins by itself.

    Args:
        first: The first word that was typed. Where it names a command, no other one is loaded,
            which takes a quarter of a short run.
    """
    app = typer.Typer(
        cls=ErrorBoundary,
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    wanted = (first,) if first in _OFFERED else tuple(_OFFERED)
    for name in wanted:
        _OFFERED[name].add_to(app, name)
    return app


_HELP = """Turn images, videos and sound into text, through the provider you choose.

mediasense image shot.png "what is the error?"
mediasense video clip.mp4 "when does the error appear?" --provider gemini
mediasense audio talk.wav --provider groq
mediasense batch photos/ --prompt "what is wrong here?" --out faults.jsonl
mediasense providers
"""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mediasense {version('mediasense')}")
        raise typer.Exit


def _choose_plugins(named: list[str] | None) -> None:
    runtime.choose(replace(runtime.choice(), plugins=tuple(named or ())))


def _leave_out(names: list[str] | None) -> None:
    runtime.choose(replace(runtime.choice(), disabled=tuple(names or ())))


def _name_env_files(paths: list[Path] | None) -> None:
    if paths or runtime.choice().env_files:
        runtime.choose(replace(runtime.choice(), env_files=tuple(paths or ())))


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
            autocompletion=plugin_names,
            callback=_leave_out,
            is_eager=True,
            help="Leave a plugin out: it is not even imported; may be repeated.",
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--env-file",
            metavar="FILE",
            callback=_name_env_files,
            is_eager=True,
            exists=True,
            dir_okay=False,
            help="Look for keys in this .env file too; may be repeated.",
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
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=be_quiet,
            is_eager=True,
            help="Say nothing but errors: no notes, no warnings, no progress.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=be_verbose,
            is_eager=True,
            help="Say each step as it is done: how long it took, who was asked, what was sent.",
        ),
    ] = False,
) -> None:
    del version, plugin, no_plugin, env_file, strict_plugins, trace, quiet, verbose
