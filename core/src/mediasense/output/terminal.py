"""Writing to a terminal or a pipe, whatever an answer holds."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from mediasense.errors import MediasenseError, one_line


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
