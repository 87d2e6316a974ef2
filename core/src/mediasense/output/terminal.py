"""Writing to a terminal or a pipe, whatever an answer holds."""

from __future__ import annotations

from typing import TextIO


def write(stream: TextIO, text: str) -> None:
    """Write an answer, or a piece of one.

    On a terminal, control characters of an answer are left out: they could move the cursor, change
    the title or worse. In a pipe they are kept. What the stream cannot encode becomes ``?``.
    """
    if stream.isatty():
        text = "".join(c for c in text if c.isprintable() or c in "\n\t")
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
