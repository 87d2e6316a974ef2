"""Still images: their size, and whether the file is whole.

JPEG and PNG, which is nearly every image, are checked by their structure, which costs a
twentieth of decoding them; the rarer formats are decoded.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from mediasense.errors import CorruptMedia, MediaTooLarge

MAX_SIDE = 32_767
MAX_PIXELS = 150_000_000

_BLOCK = 1024 * 1024
_PNG_HEADER = 8
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA


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
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            _refuse_giants(width, height, name)
            if mime_type == "image/jpeg":
                whole = _is_whole_jpeg(file)
            elif mime_type == "image/png":
                whole = _is_whole_png(file)
            else:
                picture.load()
                whole = True
    except MediaTooLarge:
        raise
    except Image.DecompressionBombError:
        raise MediaTooLarge(
            f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels",
            hint="scale it down first",
        ) from None
    except UnidentifiedImageError:
        if mime_type in ("image/heic", "image/vnd.ms-photo", "image/jpx"):
            return ImageFacts(width=None, height=None)
        raise _corrupt(name, "no picture in it") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, zlib.error) as error:
        raise _corrupt(name, str(error)) from None
    if not whole:
        raise _corrupt(name, "the file is truncated or damaged")
    return ImageFacts(width=width, height=height)


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


def _is_whole_jpeg(file: BinaryIO) -> bool:
    """Whether an end marker follows the start of the scan.

    Inside a scan 0xFF is always followed by 0x00 or a restart marker, so the first ``FF D9`` there
    is the end. Phones append data behind it, so the end of the file says nothing.
    """
    file.seek(2)
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return False
        if head[1] == 0xFF:  # a fill byte
            file.seek(-3, io.SEEK_CUR)
            continue
        if head[1] == _JPEG_SCAN:
            break
        file.seek(int.from_bytes(head[2:4], "big") - 2, io.SEEK_CUR)
    last = b""
    while block := file.read(_BLOCK):
        if _JPEG_END in last + block[:1] or _JPEG_END in block:
            return True
        last = block[-1:]
    return False


def _is_whole_png(file: BinaryIO) -> bool:
    """Whether every chunk up to the last has the checksum it claims."""
    file.seek(_PNG_HEADER)
    while True:
        head = file.read(8)
        if len(head) < 8:
            return False
        left = int.from_bytes(head[:4], "big")
        checksum = zlib.crc32(head[4:])
        while left:
            block = file.read(min(left, _BLOCK))
            if not block:
                return False
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
        if file.read(4) != checksum.to_bytes(4, "big"):
            return False
        if head[4:] == b"IEND":
            return True
