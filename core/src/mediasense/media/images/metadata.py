"""What an image file says besides its pixels: how to turn them, where they were made.

:func:`strip_metadata` writes a copy of the file without any of that. The compressed pixels are
copied as they are, so that they stay the same bit for bit.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mediasense.errors import CorruptMedia, UnsupportedMedia

STRIPPABLE = ("image/jpeg", "image/png", "image/webp")
"""The types of which :func:`strip_metadata` makes a copy."""

MAX_PARTS = 1_000_000
"""Segments or chunks of one file at most: a file of empty ones would take minutes to read."""

_BLOCK = 1024 * 1024
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_GPS = 0x8825
_SHORT, _LONG = 3, 4

# The sections of IPTC, behind `1C 02`, that hold a city, a place in it, a province or a country.
_IPTC_PLACES = tuple(b"\x1c\x02" + bytes([kind]) for kind in (0x5A, 0x5C, 0x5F, 0x64, 0x65))

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", 0xD9, 0xDA
_APP0, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE2, 0xEE, 0xEF, 0xFE
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT pHYs bKGD acTL fcTL fdAT".split()
)
_WEBP_KEPT = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF")
_WEBP_NOTES = 0x08 | 0x04  # of the flags in VP8X: it has EXIF, it has XMP


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What metadata says of a picture.

    Attributes:
        orientation: As EXIF counts: 1 is upright, 5 to 8 lie on their side.
        located: Whether it may name the place where the picture was made.
    """

    orientation: int = 1
    located: bool = False


def read_exif(data: bytes) -> Notes:
    """Read the two facts of EXIF that matter here.

    Whatever is damaged says nothing: readers of images do the same.

    Args:
        data: A TIFF header and what follows, with or without ``Exif`` in front.

    Returns:
        The orientation, and whether there is a GPS directory (Exif 3.0, tags 0x0112 and 0x8825).
    """
    tiff = data.removeprefix(_EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return Notes()
    orientation, located = 1, False
    for tag, kind, place in _entries(tiff, order):
        if tag == _GPS:
            located = True
        if tag == _ORIENTATION and kind in (_SHORT, _LONG):
            value: int = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, place)[
                0
            ]
            orientation = value if 1 <= value <= 8 else 1
    return Notes(orientation=orientation, located=located)


def _entries(tiff: bytes, order: str) -> Iterator[tuple[int, int, int]]:
    """Of the first directory: each tag, its type, and where its value stands."""
    start: int = struct.unpack_from(order + "I", tiff, 4)[0]
    if start + 2 > len(tiff):
        return
    count: int = struct.unpack_from(order + "H", tiff, start)[0]
    for index in range(count):
        entry = start + 2 + 12 * index
        if entry + 12 > len(tiff):
            return
        tag, kind = struct.unpack_from(order + "HH", tiff, entry)
        yield tag, kind, entry + 8


def xmp_names_a_place(data: bytes) -> bool:
    """Whether XMP may say where a picture was made: coordinates, or a place in words."""
    return b"GPS" in data or b"Location" in data


def iptc_names_a_place(data: bytes) -> bool:
    """Whether IPTC has a section for a city, a place in it, a province or a country."""
    return any(section in data for section in _IPTC_PLACES)


def strip_metadata(
    source: BinaryIO, target: BinaryIO, mime_type: str, name: str = "the image"
) -> None:
    """Write a copy of an image without metadata; its compressed pixels stay as they are.

    Left out are EXIF, XMP, IPTC, comments, thumbnails, second images and whatever stands behind
    the end. Kept is what the pixels need to be shown in the right colours. The orientation goes
    too: give only what is upright.

    Args:
        source: Seekable; read from its start, in blocks.
        target: Where the copy goes; seekable.
        mime_type: One of :data:`STRIPPABLE`.
        name: How errors call the image.

    Raises:
        CorruptMedia: The file is truncated or damaged.
        UnsupportedMedia: The type is none of these.
    """
    source.seek(0)
    if mime_type == "image/jpeg":
        whole = _strip_jpeg(source, target)
    elif mime_type == "image/png":
        whole = _strip_png(source, target)
    elif mime_type == "image/webp":
        whole = _strip_webp(source, target)
    else:
        raise UnsupportedMedia(
            f"metadata cannot be removed from {name} without decoding it: it is {mime_type}",
            hint=f"give one of {', '.join(STRIPPABLE)}",
        )
    if not whole:
        raise CorruptMedia(
            f"{name} cannot be read as an image: the file is truncated or damaged",
            hint="open and save it again, or copy it anew",
        )


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> bool:
    while count:
        block = source.read(min(count, _BLOCK))
        if not block:
            return False
        target.write(block)
        count -= len(block)
    return True


# --- JPEG ----------------------------------------------------------------------------------------


def _strip_jpeg(source: BinaryIO, target: BinaryIO) -> bool:
    """Copy the segments that are needed; whether there was an end. There may be many scans."""
    if source.read(2) != _JPEG_START:
        return False
    target.write(_JPEG_START)
    scanned = False
    for _ in range(MAX_PARTS):
        marker = _next_marker(source)
        if marker == _JPEG_END:
            target.write(bytes([0xFF, _JPEG_END]))
            return scanned
        length = int.from_bytes(source.read(2), "big") - 2
        if marker is None or length < 0:
            return False
        data = source.read(length)
        if len(data) < length:
            return False
        _write_segment(target, marker, data)
        if marker == _JPEG_SCAN:
            scanned = True
            if not _copy_scan(source, target):
                return False
    return False


def _next_marker(source: BinaryIO) -> int | None:
    """The marker that stands here; any number of fill bytes may stand before it."""
    if source.read(1) != b"\xff":
        return None
    for _ in range(MAX_PARTS):
        byte = source.read(1)
        if byte != b"\xff":
            return byte[0] if byte else None
    return None


def _write_segment(target: BinaryIO, marker: int, data: bytes) -> None:
    kept = _kept_segment(marker, data)
    if kept is not None:
        target.write(struct.pack(">BBH", 0xFF, marker, len(kept) + 2) + kept)


def _kept_segment(marker: int, data: bytes) -> bytes | None:
    """What of a segment stays; ``None`` for nothing."""
    if marker == _APP0:  # JFIF, without its thumbnail
        return data[:12] + b"\0\0" if data.startswith(b"JFIF\0") and len(data) >= 14 else None
    if marker == _APP2:
        return data if data.startswith(b"ICC_PROFILE\0") else None
    if marker == _APP14:
        return data if data.startswith(b"Adobe") else None
    if marker == _COMMENT or _APP0 < marker <= _APP15:
        return None
    return data


def _copy_scan(source: BinaryIO, target: BinaryIO) -> bool:
    """Copy compressed pixels up to the next marker, and stop before it."""
    while block := source.read(_BLOCK):
        found = _JPEG_MARKER.search(block)
        if found is not None:
            target.write(block[: found.start()])
            source.seek(found.start() - len(block), io.SEEK_CUR)
            return True
        # A marker may lie across the edge of two blocks.
        edge = block.endswith(b"\xff") and len(block) > 1
        target.write(block[:-1] if edge else block)
        if edge:
            source.seek(-1, io.SEEK_CUR)
    return False


# --- PNG -----------------------------------------------------------------------------------------


def _strip_png(source: BinaryIO, target: BinaryIO) -> bool:
    if source.read(8) != _PNG_START:
        return False
    target.write(_PNG_START)
    for _ in range(MAX_PARTS):
        head = source.read(8)
        if len(head) < 8:
            return False
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        # A capital letter says that no reader can do without the chunk.
        if kind[:1].isupper() or kind in _PNG_KEPT:
            target.write(head)
            if not _copy(source, target, length + 4):
                return False
        else:
            source.seek(length + 4, io.SEEK_CUR)
        if kind == b"IEND":
            return True
    return False


# --- WebP ----------------------------------------------------------------------------------------


def _strip_webp(source: BinaryIO, target: BinaryIO) -> bool:
    head = source.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WEBP":
        return False
    end = 8 + int.from_bytes(head[4:8], "little")
    start = target.tell()
    target.write(head)
    has_picture = False
    for _ in range(MAX_PARTS):
        if source.tell() + 8 > end:
            break
        chunk = source.read(8)
        if len(chunk) < 8:
            return False
        kind, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        padded = length + length % 2
        if kind not in _WEBP_KEPT:
            source.seek(padded, io.SEEK_CUR)
            continue
        has_picture = has_picture or kind in (b"VP8 ", b"VP8L", b"ANMF")
        target.write(chunk)
        if kind == b"VP8X" and length:
            flags = source.read(1)
            target.write(bytes([flags[0] & ~_WEBP_NOTES]) if flags else b"")
            padded -= 1
        if not _copy(source, target, padded):
            return False
    size = target.tell() - start
    target.seek(start + 4)
    target.write((size - 8).to_bytes(4, "little"))
    target.seek(0, io.SEEK_END)
    return has_picture
