"""Still images: their size, and whether the file is whole.

JPEG and PNG, which is nearly every image, are read by their structure: that costs a twentieth of
decoding them, and Pillow need not be loaded. The rarer formats are decoded.
"""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from mediasense.errors import CorruptMedia, MediaTooLarge

MAX_SIDE = 32_767
MAX_PIXELS = 150_000_000

_BLOCK = 1024 * 1024
_TAIL = 4096
_PNG_HEADER = 8
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
# Start of frame: all of C0 to CF but the tables C4, C8 and CC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_UNREADABLE_HERE = ("image/heic", "image/vnd.ms-photo", "image/jpx")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """Width and height in pixels; ``None`` for formats that cannot be opened here."""

    width: int | None
    height: int | None


def inspect_image(file: BinaryIO, mime_type: str, name: str) -> ImageFacts:
    """Read the size of an image and make sure that its file is whole.

    Args:
        file: Seekable; read from its start, in blocks.
        mime_type: What :func:`mediasense.media.sniff.sniff` found.
        name: How errors call the image.

    Raises:
        CorruptMedia: The file is truncated or damaged.
        MediaTooLarge: More pixels than any provider takes; a decompression bomb is one of these.
    """
    file.seek(0)
    if mime_type == "image/jpeg":
        facts = _read_jpeg(file)
    elif mime_type == "image/png":
        facts = _read_png(file)
    elif mime_type in _UNREADABLE_HERE:
        facts = ImageFacts(width=None, height=None)
    elif mime_type == "image/gif" and not _ends_as_gif(file):
        facts = None
    else:
        facts = _decode(file, name)
    if facts is None:
        raise _corrupt(name, "the file is truncated or damaged")
    if facts.width is not None and facts.height is not None:
        _refuse_giants(facts.width, facts.height, name)
    return facts


def _decode(file: BinaryIO, name: str) -> ImageFacts:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # What Pillow warns of, large pictures and odd tags, is judged here.
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                _refuse_giants(*picture.size, name)
                picture.load()
                return ImageFacts(width=picture.width, height=picture.height)
    except Image.DecompressionBombError:
        raise MediaTooLarge(
            f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels",
            hint="scale it down first",
        ) from None
    except UnidentifiedImageError:
        raise _corrupt(name, "there is no picture in it") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise _corrupt(name, str(error)) from None


def _refuse_giants(width: int, height: int, name: str) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MediaTooLarge(
            f"{name} is {width} x {height} pixels; at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are taken",
            hint="scale it down or cut it first",
        )


def _corrupt(name: str, cause: str) -> CorruptMedia:
    return CorruptMedia(
        f"{name} cannot be read as an image: {cause}",
        hint="open and save it again, or copy it anew",
    )


def _read_jpeg(file: BinaryIO) -> ImageFacts | None:
    """The size in the frame header, if an end marker follows the start of the scan.

    Inside a scan 0xFF is always followed by 0x00 or a restart marker, so the first ``FF D9`` there
    is the end. Phones append data behind it, so the end of the file says nothing.
    """
    facts = None
    file.seek(2)
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        if head[1] == 0xFF:  # a fill byte
            file.seek(-3, io.SEEK_CUR)
            continue
        if head[1] == _JPEG_SCAN:
            break
        segment = int.from_bytes(head[2:4], "big") - 2
        if head[1] in _JPEG_FRAMES:
            frame = file.read(5)
            facts = ImageFacts(
                width=int.from_bytes(frame[3:5], "big"), height=int.from_bytes(frame[1:3], "big")
            )
            segment -= len(frame)
        file.seek(segment, io.SEEK_CUR)
    if facts is None or not facts.width or not facts.height:
        return None
    return facts if _has_end(file, file.tell()) else None


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


def _ends_as_gif(file: BinaryIO) -> bool:
    """Whether the last byte is the trailer; some writers pad with zeros behind it."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL))
    ends = file.read(_TAIL).rstrip(b"\0").endswith(b";")
    file.seek(0)
    return ends


def _read_png(file: BinaryIO) -> ImageFacts | None:
    """The size in the first chunk, if every chunk up to the last has the checksum it claims."""
    facts = None
    has_data = False
    file.seek(_PNG_HEADER)
    while True:
        head = file.read(8)
        if len(head) < 8:
            return None
        left = int.from_bytes(head[:4], "big")
        if facts is None:
            size = file.read(8)
            if head[4:] != b"IHDR" or left != 13 or len(size) < 8:
                return None
            facts = ImageFacts(
                width=int.from_bytes(size[:4], "big"), height=int.from_bytes(size[4:], "big")
            )
            file.seek(-8, io.SEEK_CUR)
        checksum = zlib.crc32(head[4:])
        while left:
            block = file.read(min(left, _BLOCK))
            if not block:
                return None
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
        if file.read(4) != checksum.to_bytes(4, "big"):
            return None
        has_data = has_data or head[4:] == b"IDAT"
        if head[4:] == b"IEND":
            return facts if has_data and facts.width and facts.height else None
