"""Writing to a terminal or a pipe, whatever an answer holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Literal, TextIO

from mediasense.errors import MediasenseError, one_line
from mediasense.output.colour import allows_colour

Level = Literal["quiet", "normal", "verbose"]
"""How much is said on stderr: errors alone; notes and warnings too; each step too."""

GiveWay = Callable[[], AbstractContextManager[None]]
"""Leaves a terminal to another line meanwhile."""

_STDOUT, _STDERR = 1, 2
_kept_apart: list[TextIO] = []
_unfinished: list[tuple[TextIO, GiveWay]] = []
_level: list[Level] = ["normal"]

_SAID_ANYWAY = ("error", "failed", "trace")
"""What went wrong, and what was asked for by an option of its own."""
_STYLES = {
    "error": "1;31",
    "failed": "31",
    "warning": "33",
    "note": "2",
    "step": "2",
    "trace": "2",
}
"""How the first word of a line looks, as SGR (ECMA-48, 8.3.117): red, yellow, dim."""


def level() -> Level:
    """How much is said on stderr."""
    return _level[0]


def choose_level(level: Level) -> None:
    """Choose how much is said on stderr; the command line does, for its process."""
    _level[0] = level


def is_said(kind: str) -> bool:
    """Whether a line of this kind is said at the chosen level."""
    if kind in _SAID_ANYWAY:
        return True
    return level() == "verbose" if kind == "step" else level() != "quiet"


def answers() -> TextIO:
    """Where the answer goes: standard output, also while all else that is printed does not."""
    return _kept_apart[0] if _kept_apart else sys.stdout


@contextmanager
def answers_alone() -> Iterator[None]:
    """Keep standard output for answers: what anything else prints meanwhile goes to stderr.

    That is what a plugin prints, a library, or a program that they start.
    """
    stdout = sys.stdout
    if _kept_apart or stdout is None:
        yield
        return
    another = _another_way(stdout)
    stand_in = sys.stderr
    _kept_apart.append(another or stdout)
    sys.stdout = stand_in
    try:
        yield
    finally:
        _kept_apart.clear()
        if sys.stdout is stand_in:
            sys.stdout = stdout
        if another is not None:
            _put_back(another, stdout)


def _another_way(stdout: TextIO) -> TextIO | None:
    """Another way to what standard output is, whose own number then leads to standard error."""
    try:
        if stdout.fileno() != _STDOUT:
            return None
        stdout.flush()
        os.fstat(_STDERR)
        kept = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    except (OSError, ValueError):  # a stand-in of a test or of another program, or a closed one
        return None
    return os.fdopen(kept, "w", encoding=stdout.encoding, errors=stdout.errors)


def _put_back(kept: TextIO, stdout: TextIO) -> None:
    with suppress(OSError, ValueError):  # whoever reads has gone, or the disk is full: it was told
        kept.flush()
    # What was printed past the stand-in still lies there, and would come behind the answer.
    for printed in (stdout, sys.__stdout__):
        with suppress(OSError, ValueError, AttributeError):
            printed.flush()  # type: ignore[union-attr]
    with suppress(OSError):
        os.dup2(kept.fileno(), _STDOUT)
    with suppress(OSError, ValueError):
        kept.close()


def say(kind: str, text: str) -> None:
    """Write a note, a warning or an error on stderr: one printable line, whoever wrote it.

    What is said depends on the chosen level; see :func:`is_said`. On a terminal its first word is
    coloured.
    """
    if not is_said(kind):
        return
    stream = sys.stderr
    encoding = stream.encoding or "utf-8"
    line = said(kind, text).encode(encoding, "replace").decode(encoding)
    if allows_colour(stream):
        line = styled(line)
    with _making_way(stream):
        stream.write(line + "\n")
        stream.flush()


def give_way(stream: TextIO, way: GiveWay) -> None:
    """Have what is shown on a stream, and is not finished, give way to what is said beside it.

    Args:
        stream: Where it is shown; the last one alone is known.
        way: How it gives way.
    """
    _unfinished[:] = [(stream, way)]


def _making_way(stream: TextIO) -> AbstractContextManager[None]:
    for shown, way in _unfinished:
        if _same_terminal(shown, stream):
            return way()
    return nullcontext()


def _same_terminal(one: TextIO, other: TextIO) -> bool:
    try:
        if not (one.isatty() and other.isatty()):
            return False
        return os.fstat(one.fileno()).st_rdev == os.fstat(other.fileno()).st_rdev
    except (OSError, ValueError):  # it is closed, or a stand-in
        return False


def said(kind: str, text: str) -> str:
    """What is said, as one printable line without colour."""
    return one_line(f"{kind}: {text}", limit=2000)


def styled(line: str) -> str:
    """A line of :func:`said` with its first word in colour, for a terminal that shows it."""
    kind, mark, rest = line.partition(":")
    style = _STYLES.get(kind)
    return line if style is None else f"\x1b[{style}m{kind}{mark}\x1b[0m{rest}"


def write(stream: TextIO, text: str) -> None:
    """Write an answer, or a piece of one.

    On a terminal, control characters of an answer are left out: they could move the cursor, change
    the title or worse. In a pipe they are kept. What the stream cannot encode becomes ``?``.

    Raises:
        MediasenseError: It cannot be written: the disk is full.
    """
    put(stream, printable(text) if stream.isatty() else text)


def printable(text: str) -> str:
    """A text without what could move the cursor of a terminal; any kind of space becomes one."""
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    return " " if character > "\x9f" and character.isspace() else ""


def put(stream: TextIO, text: str) -> None:
    """Write text as it is, also what moves the cursor; otherwise as :func:`write`.

    Raises:
        MediasenseError: It cannot be written.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:  # whoever reads has had enough
        raise
    except OSError as error:
        _forget(stream)
        raise MediasenseError(
            f"the answer cannot be written: {error.strerror}", hint="check where it goes"
        ) from None


def _forget(stream: TextIO) -> None:
    """Let go of what could not be written: Python would try once more at its end, and fail then."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
