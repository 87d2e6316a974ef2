"""Pictures into files of at most so many bytes."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from mediasense.errors import MediaTooLarge

if TYPE_CHECKING:
    from PIL import Image

EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
"""Of the types that are made here."""

_BEST_QUALITY = 90
_QUALITIES = (_BEST_QUALITY, 80, 70, 55)
_PNG_QUALITIES = (_BEST_QUALITY, 80)  # all colours, and a palette
_PNG_COLOURS = 256
_OUT_OF_REACH = 4  # times what lower quality alone saves, about
_SMALLER = 0.9  # of the side, at least so much each time that the bytes are too many
_MOST_SMALLER = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A picture as the bytes of a file."""

    data: bytes
    width: int
    height: int


def encode_within(picture: Image.Image, mime_type: str, max_bytes: int | None) -> Encoded:
    """Encode a picture in at most so many bytes: of lower quality first, then smaller.

    Args:
        picture: Gray or RGB.
        mime_type: One of :data:`mediasense.media.images.fitting.MADE`.
        max_bytes: ``None`` is no limit.

    Raises:
        MediaTooLarge: Not even a single pixel fits.
    """
    steps: tuple[int, ...] = _PNG_QUALITIES if mime_type == "image/png" else _QUALITIES
    qualities = steps
    while True:
        for quality in qualities:
            data = _encode(picture, mime_type, quality)
            if max_bytes is None or len(data) <= max_bytes:
                return Encoded(data=data, width=picture.width, height=picture.height)
            if len(data) > _OUT_OF_REACH * max_bytes:
                break
        if picture.size == (1, 1):
            raise MediaTooLarge(
                f"no image has as few as {max_bytes} bytes", hint="use another --provider"
            )
        picture = _shrunk(picture, len(data), max_bytes or len(data))
        qualities = steps[1:]  # what is made smaller need not be of the best quality


def write_new(folder: Path, mime_type: str, data: bytes) -> Path:
    """Write a file of a neutral name that nothing else in the folder has."""
    handle, path = mkstemp(suffix=EXTENSIONS[mime_type], prefix="image-", dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return Path(path)


def _encode(picture: Image.Image, mime_type: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    if mime_type == "image/png":
        if quality < _BEST_QUALITY:
            picture = picture.quantize(_PNG_COLOURS)
        picture.save(buffer, "PNG")
    elif mime_type == "image/webp":
        picture.save(buffer, "WEBP", quality=quality)
    else:
        # Full colour resolution while there is room: halved, coloured text is smeared.
        sampling = 0 if quality == _BEST_QUALITY else 2
        picture.save(buffer, "JPEG", quality=quality, subsampling=sampling)
    return buffer.getvalue()


def _shrunk(picture: Image.Image, size: int, max_bytes: int) -> Image.Image:
    from PIL.Image import Resampling

    factor = min(_SMALLER, max(_MOST_SMALLER, sqrt(max_bytes / size) * 0.95))
    width, height = (max(1, int(side * factor)) for side in picture.size)
    return picture.resize((width, height), Resampling.BICUBIC, reducing_gap=2.0)
