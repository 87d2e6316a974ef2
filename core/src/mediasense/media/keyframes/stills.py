"""Frames of a recording as JPEG files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.media.decoding import upright
from mediasense.media.images.picture_files import encode_within, write_new

if TYPE_CHECKING:
    import av

_QUALITY = 87
_NARROWEST, _WIDEST = 0.25, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StillSize:
    """What a picture must fit into: pixels, upright, and bytes."""

    width: int
    height: int
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A picture that was written."""

    path: Path
    size: int
    width: int
    height: int


class StillWriter:
    """Writes pictures while the next ones are decoded."""

    def __init__(self, pool: ThreadPoolExecutor, folder: Path, limit: StillSize) -> None:
        self._pool = pool
        self._folder = folder
        self._limit = limit
        self._latest: Future[Still] | None = None

    def write(self, frame: av.VideoFrame) -> Future[Still]:
        """Write a frame soon. No more than one waits: decoded frames are large.

        Raises:
            MediaTooLarge: The one before it does not fit.
        """
        if self._latest is not None:
            self._latest.result()
        self._latest = self._pool.submit(write_still, frame, self._folder, self._limit)
        return self._latest


@contextmanager
def still_writer(folder: Path, limit: StillSize) -> Iterator[StillWriter]:
    """What writes pictures beside everything else; all are written at the end.

    Args:
        folder: Where they go.
        limit: What each must fit into.
    """
    with ThreadPoolExecutor(1) as pool:
        yield StillWriter(pool, folder, limit)


def write_still(frame: av.VideoFrame, folder: Path, limit: StillSize) -> Still:
    """Write a frame as JPEG, upright, never larger than it is.

    Args:
        frame: Decoded.
        folder: Where it goes, under a neutral name.
        limit: What it must fit into.

    Raises:
        MediaTooLarge: Not a single pixel fits into the bytes.
    """
    from PIL import Image

    width, height = _fitting(frame, limit)
    # Converted and scaled at once, from the colours the decoder gives.
    rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    picture = Image.fromarray(upright(frame, rgb))
    buffer = io.BytesIO()
    # Recordings hold colour at half the resolution: nothing is gained by keeping more.
    picture.save(buffer, "JPEG", quality=_QUALITY, subsampling=2)
    data = buffer.getvalue()
    size = picture.size
    if limit.max_bytes is not None and len(data) > limit.max_bytes:
        encoded = encode_within(picture, "image/jpeg", limit.max_bytes)
        data, size = encoded.data, (encoded.width, encoded.height)
    path = write_new(folder, "image/jpeg", data)
    return Still(path=path, size=len(data), width=size[0], height=size[1])


def _fitting(frame: av.VideoFrame, limit: StillSize) -> tuple[int, int]:
    """Width and height as they are stored, before the frame is turned upright."""
    width, height = float(frame.width), float(frame.height)
    sideways = round(frame.rotation / 90) % 2 == 1
    room = (limit.height, limit.width) if sideways else (limit.width, limit.height)
    scale = min(1.0, room[0] / width, room[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
