"""What every command has: ``--quiet`` and ``--verbose``, and examples at the end of its help."""

import copy
import inspect
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

from mediasense.errors import UsageError
from mediasense.output.colour import allows_colour
from mediasense.output.terminal import Level, answers, choose_level, level

_SHARED = ("quiet", "verbose")
_EXAMPLE = "mediasense "
HEADING = "Examples:"


def be_quiet(wanted: bool) -> None:
    """Say nothing but errors, where that is wanted."""
    _choose("quiet", wanted)


def be_verbose(wanted: bool) -> None:
    """Say each step, where that is wanted."""
    _choose("verbose", wanted)


def _choose(wished: Level, wanted: bool) -> None:
    if not wanted:
        return
    if level() not in ("normal", wished):
        raise UsageError("--quiet and --verbose exclude each other", hint="leave one out")
    choose_level(wished)


def equip(root: TyperGroup, command: Any) -> None:
    """Give a command, and all that are in it, what every command has.

    Args:
        root: Whose ``--quiet`` and ``--verbose`` they share, so that these are understood wherever
            people type them.
        command: The command, which may be a group.
    """
    for inner in getattr(command, "commands", {}).values():
        equip(root, inner)
    if not isinstance(command, TyperGroup):
        taken = {opt for param in command.params for opt in param.opts}
        command.params += [_copied(shared, taken) for shared in _shared(root, taken)]
    tidy_help(command)


def _shared(root: TyperGroup, taken: set[str]) -> Iterator[Any]:
    for param in root.params:
        if param.name in _SHARED and f"--{param.name}" not in taken:
            yield param


def _copied(shared: Any, taken: set[str]) -> Any:
    own = copy.copy(shared)
    own.opts = [opt for opt in shared.opts if opt not in taken]
    own.expose_value = False  # the command itself knows nothing of it
    return own


def tidy_help(command: Any) -> None:
    """Show a command's examples at the end of its help, each on one line, and flags without a type.

    Examples are the paragraphs of its docstring of which every line is a command. A group that has
    none shows the first one of each of its commands.
    """
    words, examples = [], []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines = paragraph.splitlines()
        if lines and all(line.startswith(_EXAMPLE) for line in lines):
            examples += lines
        else:
            words.append(" ".join(lines))  # typer would break the line where the source does
    command.help = "\n\n".join(words)
    if not examples:
        inner = getattr(command, "commands", {}).values()
        examples = [first for each in inner for first in _first(each)]
    command.examples = tuple(examples)
    shown = command.format_help

    def format_help(ctx: Any, formatter: Any) -> None:
        _colour_help()
        for param in command.get_params(ctx):
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""  # typer would name a type where nothing is to be typed
        shown(ctx, formatter)
        if found := examples_of(command):
            formatter.write("\n".join((f" {HEADING}", *(f"   {line}" for line in found))) + "\n")

    command.format_help = format_help


def examples_of(command: Any) -> tuple[str, ...]:
    """The examples of a command, as one types them."""
    return getattr(command, "examples", ())


def _first(command: Any) -> tuple[str, ...]:
    return examples_of(command)[:1] if not command.hidden else ()


def _colour_help() -> None:
    """Let typer colour the help where colour may be: it would listen to other variables."""
    from typer import rich_utils

    coloured = allows_colour(answers())
    rich_utils.COLOR_SYSTEM = "auto" if coloured else None
    rich_utils.FORCE_TERMINAL = coloured or answers().isatty()
