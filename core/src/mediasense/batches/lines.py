"""Lines of a stream from outside, none of which is kept when it is too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from mediasense.errors import UsageError

LINE_BYTES = 1_000_000
TOO_LONG = "longer than 1 MB"

_BOM = b"\xef\xbb\xbf"


def read_lines(stream: BinaryIO, *, name: str, most: int = LINE_BYTES) -> Iterator[bytes | None]:
    """Read a stream line by line.

    Args:
        stream: Where from; a byte order mark at its start is dropped.
        name: How errors call it.
        most: Bytes of a line at most, its end included.

    Yields:
        Each line with its end; ``None`` for one that is too long.

    Raises:
        UsageError: The stream breaks.
    """
    mark = _BOM
    while line := _read(stream, most + 1, name):
        line = line.removeprefix(mark)
        mark = b""
        if len(line) <= most:
            yield line
        else:
            while line and not line.endswith(b"\n"):
                line = _read(stream, most, name)
            yield None


def _read(stream: BinaryIO, most: int, name: str) -> bytes:
    try:
        return stream.readline(most)
    except OSError as error:
        cause = error.strerror or "it is damaged"
        raise UsageError(f"{name} cannot be read: {cause}", hint="check the file") from None
