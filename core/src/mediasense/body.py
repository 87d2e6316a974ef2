"""Request bodies with media in them, made block by block.

JSON carries media as base64. Building that with ``json.dumps`` holds the file four times in
memory; a :class:`Body` holds one block of it, and small bodies are joined once, as bytes.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediasense.errors import CorruptMedia
from mediasense.sending import sent, untold
from mediasense.types import Media

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A multiple of three, so that blocks of base64 join without padding between them.
_BLOCK = 3 * 128 * 1024

# Up to here a body is joined in memory: one write to the socket instead of many.
_JOIN_BELOW = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Base64:
    """Stands in a JSON payload for the base64 of a media's bytes.

    Attributes:
        media: Local media; its bytes are read when the body is.
        prefix: Text before the base64, such as ``data:image/png;base64,``.
    """

    media: Media
    prefix: str = ""

    @classmethod
    def data_uri(cls, media: Media) -> Base64:
        """The media as a ``data:`` URI."""
        return cls(media, f"data:{media.mime_type};base64,")


class Body(io.RawIOBase):
    """A request body as a file: it can be read, measured and read again for a retry."""

    def __init__(self, parts: tuple[bytes | Media, ...]) -> None:
        self._parts = parts
        self._size = sum(
            len(part) if isinstance(part, bytes) else _base64_size(part) for part in parts
        )
        self._position = 0
        self._blocks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")

    def __len__(self) -> int:
        return self._size

    def content(self) -> bytes | Body:
        """The body as bytes when it is small, and else itself, to be read as a file."""
        if self._size <= _JOIN_BELOW:
            return b"".join(self._encode())
        return self

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read again."""
        return True

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to the start or the end; base64 of a stream has no cheap middle."""
        target = offset + (0, self._position, self._size)[whence]
        if target == self._position:
            return target
        if target not in (0, self._size):
            raise io.UnsupportedOperation("a body can be read from its start only")
        self._close_blocks()
        self._position = target
        return target

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read the next bytes."""
        view = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = memoryview(self._next_block())
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._position += count
        sent(self, self._position, self._size)
        return count

    def close(self) -> None:
        """Close the file that is open, if one is."""
        self._close_blocks()
        super().close()

    def _next_block(self) -> bytes:
        if self._position >= self._size:
            return b""
        if self._blocks is None:
            self._blocks = self._encode()
        block = next(self._blocks, b"")
        if not block:
            raise CorruptMedia("a file became shorter while it was sent", hint="try again")
        return block

    def _close_blocks(self) -> None:
        self._blocks = None
        self._rest = memoryview(b"")

    def _encode(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                if part:
                    yield part
            elif part.data is not None:
                view = memoryview(part.data)
                for start in range(0, len(view), _BLOCK):
                    yield _base64(view[start : start + _BLOCK])
            else:
                with untold():
                    opened = part.open()
                with opened as file:
                    while block := file.read(_BLOCK):
                        yield _base64(block)


def json_body(payload: object) -> Body:
    """A payload as JSON, with :class:`Base64` values anywhere in it.

    Args:
        payload: What ``json.dumps`` takes, and :class:`Base64`.

    Returns:
        The body, to be sent as ``application/json``.
    """
    slots: dict[str, Media] = {}

    def stand_in(value: object) -> str:
        if not isinstance(value, Base64):
            raise TypeError(f"{type(value).__name__} has no JSON form")
        slot = new_slot()
        slots[slot] = value.media
        return value.prefix + slot

    text = json.dumps(payload, default=stand_in, ensure_ascii=True, separators=(",", ":"))
    return splice(text.encode("ascii"), slots)


def new_slot() -> str:
    """A text that stands for a media until :func:`splice`: unguessable, so no prompt holds it.

    Only letters and digits, so every encoder of JSON leaves it as it is.
    """
    return f"mediasense{os.urandom(16).hex()}"


def splice(document: bytes, slots: Mapping[str, Media]) -> Body:
    """Put media, as base64, where their slots stand in a document.

    Args:
        document: Encoded JSON with each slot in it, once.
        slots: The media for each slot.

    Returns:
        The whole body.
    """
    parts: list[bytes | Media] = []
    found = sorted((document.index(slot.encode()), slot) for slot in slots)
    position = 0
    for start, slot in found:
        parts += [document[position:start], slots[slot]]
        position = start + len(slot)
    parts.append(document[position:])
    return Body(tuple(parts))


def _base64(block: bytes | memoryview) -> bytes:
    # By the vectors of the processor: the standard library takes forty times as long.
    from pybase64 import b64encode

    return b64encode(block)


def _base64_size(media: Media) -> int:
    size = len(media.data) if media.data is not None else media.size
    if size is None:
        raise ValueError("a URI has no bytes to send")
    return (size + 2) // 3 * 4
