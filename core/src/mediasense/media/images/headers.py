"""JPEG and PNG files read by their structure, without decoding a pixel."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import BinaryIO

from mediasense.media.images.metadata import (
    MAX_PARTS,
    Notes,
    iptc_names_a_place,
    read_exif,
    xmp_names_a_place,
)
from mediasense.types import ImageFacts

_BLOCK = 1024 * 1024
_TAIL = 4096
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
# Start of frame: all of C0 to CF but the tables C4, C8 and CC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _APP13 = 0xE1, 0xED
_XMP = (b"http://ns.adobe.com/xap/1.0/", b"http://ns.adobe.com/xmp/extension/")

_PNG_HEADER = 8
_PNG_PIXELS = (b"IDAT", b"fdAT")
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Gray, RGB and palette; the two other colour types have transparency.
_PNG_OPAQUE = (0, 2, 3)


def read_jpeg(file: BinaryIO) -> ImageFacts | None:
    """Say what the segments before the pixels say, if an end marker follows them.

    Inside a scan 0xFF is always followed by 0x00 or a restart marker, so the first ``FF D9`` there
    is the end. Phones append data behind it, so the end of the file says nothing.

    Returns:
        The facts, as the picture is shown; ``None`` of a file that is truncated or damaged.
    """
    facts = None
    notes: Notes | None = None
    located = False
    file.seek(2)
    for _ in range(MAX_PARTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        if head[1] == 0xFF:  # a fill byte
            file.seek(-3, io.SEEK_CUR)
            continue
        if head[1] == _JPEG_SCAN:
            break
        length = max(0, int.from_bytes(head[2:4], "big") - 2)
        if head[1] in _JPEG_FRAMES:
            facts = _jpeg_frame(file.read(length))
        elif head[1] in (_APP1, _APP13):
            data = file.read(length)
            # Of several, the first says how to turn the picture, and any may name a place.
            notes = notes or (read_exif(data) if data.startswith(b"Exif\0\0") else None)
            located = located or _names_a_place(head[1], data)
        else:
            file.seek(length, io.SEEK_CUR)
    else:
        return None
    if facts is None or not facts.width or not facts.height or not _has_end(file, file.tell()):
        return None
    return _as_shown(facts, notes or Notes(), located=located)


def _jpeg_frame(frame: bytes) -> ImageFacts | None:
    if len(frame) < 6:
        return None
    depth, height, width, components = struct.unpack_from(">BHHB", frame)
    # Four components are CMYK, which services show in odd colours.
    return ImageFacts(width=width, height=height, plain=depth == 8 and components in (1, 3))


def _names_a_place(marker: int, data: bytes) -> bool:
    if marker == _APP13:
        return iptc_names_a_place(data)
    if data.startswith(_XMP):
        return xmp_names_a_place(data)
    return read_exif(data).located


def _as_shown(facts: ImageFacts, notes: Notes, *, located: bool) -> ImageFacts:
    """The facts of pixels as they are stored, turned to how they are shown."""
    turned = notes.orientation >= 5
    return replace(
        facts,
        width=facts.height if turned else facts.width,
        height=facts.width if turned else facts.height,
        upright=notes.orientation == 1,
        located=located or notes.located,
    )


def _has_end(file: BinaryIO, scan: int) -> bool:
    """Whether an end marker stands after the start of the scan; it is nearly always the last."""
    file.seek(max(scan, file.seek(0, io.SEEK_END) - _TAIL))
    if _JPEG_END in file.read(_TAIL):
        return True
    file.seek(scan)
    last = b""
    while block := file.read(_BLOCK):
        if _JPEG_END in last + block:
            return True
        last = block[-1:]
    return False


def read_png(file: BinaryIO) -> ImageFacts | None:
    """Say what the chunks say, if every one up to the last has the checksum it claims.

    Returns:
        The facts, as the picture is shown; ``None`` of a file that is truncated or damaged.
    """
    png = _Png()
    file.seek(_PNG_HEADER)
    for _ in range(MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return None
        data = _png_chunk(file, head[4:], int.from_bytes(head[:4], "big"))
        if data is None or not png.take(head[4:], data):
            return None
        if head[4:] == b"IEND":
            return png.facts()
    return None


def _png_chunk(file: BinaryIO, kind: bytes, length: int) -> bytes | None:
    """The start of a chunk's data, if its checksum is right; of pixels nothing is kept."""
    kept = b""
    check = zlib.crc32(kind)
    while length:
        block = file.read(min(length, _BLOCK))
        if not block:
            return None
        if not kept and kind not in _PNG_PIXELS:
            kept = block
        check = zlib.crc32(block, check)
        length -= len(block)
    return kept if file.read(4) == check.to_bytes(4, "big") else None


class _Png:
    """What the chunks of a PNG file said up to now."""

    def __init__(self) -> None:
        self._header: ImageFacts | None = None
        self._notes = Notes()
        self._located = False
        self._clear = False
        self._pixels = False
        self._stated_frames = 0
        self._frames = 0

    def take(self, kind: bytes, data: bytes) -> bool:
        """Note a chunk; whether it may stand here."""
        if self._header is None:
            self._header = _png_header(kind, data)
            return self._header is not None
        if kind == b"IDAT":
            self._pixels = True
        elif kind == b"tRNS":
            self._clear = True
        elif kind == b"eXIf":
            self._notes = read_exif(data)
        elif kind in _PNG_TEXTS:
            self._located = self._located or _text_names_a_place(data)
        elif kind == b"acTL" and not self._pixels:
            self._stated_frames = int.from_bytes(data[:4], "big")
        elif kind == b"fcTL":
            self._frames += 1
        return True

    def facts(self) -> ImageFacts | None:
        """All in all; ``None`` of a file without pixels."""
        facts = self._header
        if facts is None or not self._pixels or not facts.width or not facts.height:
            return None
        facts = replace(
            facts,
            frames=max(1, min(self._stated_frames, self._frames)),
            plain=facts.plain and not self._clear,
        )
        return _as_shown(facts, self._notes, located=self._located)


def _png_header(kind: bytes, data: bytes) -> ImageFacts | None:
    if kind != b"IHDR" or len(data) != 13:
        return None
    width, height, depth, colour = struct.unpack_from(">IIBB", data)
    return ImageFacts(width=width, height=height, plain=depth <= 8 and colour in _PNG_OPAQUE)


def _text_names_a_place(data: bytes) -> bool:
    """Whether a text may say where: XMP, or metadata that was packed whole into a text.

    ImageMagick packs EXIF and IPTC into ``Raw profile type`` texts. What is packed is not unpacked
    here, and is taken to name a place.
    """
    keyword, _, text = data.partition(b"\0")
    if keyword.startswith(b"Raw profile type"):
        return True
    if keyword != b"XML:com.adobe.xmp":
        return False
    return text[:1] == b"\x01" or xmp_names_a_place(text)
