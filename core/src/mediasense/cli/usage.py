"""What is typed wrong, in words for whoever types it, and what to type instead."""

import difflib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mediasense.cli.common import examples_of
from mediasense.errors import MediasenseError, UsageError

_THEIR_WORDS = (("Value error, ", ""), ("Input should be ", "it has to be "))
_EXAMPLE = "what is the error?"
_DETAIL = ", unable to parse"


def no_command(typed: str, commands: Iterable[str]) -> MediasenseError:
    """The error for a first word that is no command: media, a typing error, or neither.

    Args:
        typed: The word.
        commands: Which commands there are.
    """
    given = shlex.quote(typed)
    path = Path(typed)
    if _exists(path):
        if path.is_dir():
            return UsageError(
                f"{typed} is a folder, and no command", hint=f"type: mediasense batch {given}"
            )
        kind = _kind(path) or "image, video or audio"
        return UsageError(
            f"{typed} is a file, and no command", hint=f"type: mediasense {kind} {given}"
        )
    if "://" in typed:
        return UsageError(
            "a link is no command", hint=f"type: mediasense image, video or audio {given}"
        )
    near = difflib.get_close_matches(typed, list(commands), 1)
    said = f"there is no command {typed!r}"
    if near:
        return UsageError(said, hint=f"did you mean: mediasense {near[0]}?")
    if "." in typed or os.sep in typed:
        return UsageError(f"{said}, and no file of that name", hint="type: mediasense --help")
    return UsageError(said, hint="type: mediasense --help")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def _kind(path: Path) -> str | None:
    """Which command takes a file, by its first bytes; ``None`` where they do not say."""
    from mediasense.media.sniff import HEAD_BYTES, modality_of, sniff

    try:
        with path.open("rb") as file:
            mime_type = sniff(file.read(HEAD_BYTES))
    except OSError:
        return None
    return modality_of(mime_type) if mime_type else None


def understood(error: Any) -> MediasenseError:
    """The error of ours for one that typer found in what was typed.

    Args:
        error: Of typer's own click, which is private: known by the names of its classes.
    """
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "mediasense"
    more = f"type: {command} --help"
    kind = type(error).__name__
    if kind == "NoSuchOption":
        name = error.option_name
        near = sorted(error.possibilities or ())
        hint = f"did you mean {' or '.join(near)}?" if near else more
        return UsageError(f"{command} has no option {name}", hint=hint)
    if kind == "MissingParameter" and error.param is not None:
        return UsageError(f"{_name(error.param)} is missing", hint=_how(ctx, more))
    if kind == "BadParameter" and error.param is not None:
        said = str(error.message).partition(_DETAIL)[0]
        for theirs, ours in _THEIR_WORDS:
            said = said.replace(theirs, ours)
        return UsageError(f"{_name(error.param)}: {said.rstrip('.')}", hint=more)
    said = error.format_message().rstrip(".")
    if said.startswith("Got unexpected extra argument"):
        extra = said.partition("(s) ")[2].strip("()") or said.partition("argument ")[2].strip("()")
        return UsageError(
            f"{command} does not know what to do with: {extra}",
            hint=f'put what you ask in quotes: "{_EXAMPLE}"' if _asks(ctx) else more,
        )
    said = said.replace("No such command", f"{command} has no command")
    return UsageError(said[:1].lower() + said[1:], hint=more)


def _asks(ctx: Any) -> bool:
    return any(param.name == "prompt" for param in ctx.command.params)


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar or param.name).strip("[].").upper()
    return str(max(param.opts, key=len))


def _how(ctx: Any, more: str) -> str:
    found = examples_of(ctx.command)
    return f"type, for example: {found[0]}" if found else more
