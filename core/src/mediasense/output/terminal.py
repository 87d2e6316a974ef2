"""Writing to a terminal or a pipe, whatever an answer holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from mediasense.errors import MediasenseError, one_line

_STDOUT, _STDERR = 1, 2
_kept_apart: list[TextIO] = []


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
            _put_back(another)


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


def _put_back(kept: TextIO) -> None:
    with suppress(OSError, ValueError):  # whoever reads has gone, or the disk is full: it was told
        kept.flush()
    with suppress(OSError):
        os.dup2(kept.fileno(), _STDOUT)
    with suppress(OSError, ValueError):
        kept.close()


def say(kind: str, text: str) -> None:
    """Write a note, a warning or an error on stderr: one printable line, whoever wrote it."""
    stream = sys.stderr
    line = one_line(f"{kind}: {text}", limit=2000)
    encoding = stream.encoding or "utf-8"
    stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def write(stream: TextIO, text: str) -> None:
    """Write an answer, or a piece of one.

    On a terminal, control characters of an answer are left out: they could move the cursor, change
    the title or worse. In a pipe they are kept. What the stream cannot encode becomes ``?``.

    Raises:
        MediasenseError: It cannot be written: the disk is full.
    """
    if stream.isatty():
        text = "".join(c for c in text if c.isprintable() or c in "\n\t")
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
