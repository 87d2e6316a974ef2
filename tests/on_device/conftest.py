"""Pictures with text on them, recordings of such pictures, and requests about both."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import mediasense_on_device
from mediasense import Box, ImageRequest, Media, Provider, TextLine, VideoRequest

PAGE = (640, 360)


def page(
    *texts: tuple[int, int, str],
    size: tuple[int, int] = PAGE,
    print_size: int = 18,
    paper: str = "white",
    ink: str = "black",
) -> Image.Image:
    """A picture with texts at places."""
    picture = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(print_size)
    for left, top, text in texts:
        pen.text((left, top), text, font=font, fill=ink)
    return picture


def line(
    text: str,
    left: int = 0,
    top: int = 0,
    width: int = 100,
    height: int = 20,
    *,
    start: float | None = None,
    end: float | None = None,
    confidence: float = 1.0,
) -> TextLine:
    """A line of text as it is read."""
    box = Box(left=left, top=top, right=left + width, bottom=top + height)
    return TextLine(text=text, confidence=confidence, box=box, start=start, end=end)


def media(picture: Image.Image, kind: str = "PNG", timestamp: float | None = None, **save) -> Media:
    """A picture as a file in memory."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **save)
    data = buffer.getvalue()
    return Media(
        modality="image",
        mime_type=f"image/{kind.lower()}",
        data=data,
        size=len(data),
        width=picture.width,
        height=picture.height,
        timestamp=timestamp,
    )


def record(
    path: Path,
    shots: Iterable[tuple[float, Image.Image]],
    seconds: float,
    *,
    fps: int = 10,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    container: str | None = None,
) -> Media:
    """A recording that shows each picture from its second on."""
    pictures = dict(shots)
    first = next(iter(pictures.values()))
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *first.size, pixels
        stream.bit_rate = 4_000_000
        for number in range(round(seconds * fps)):
            since = max(second for second in pictures if second <= number / fps)
            frame = av.VideoFrame.from_image(pictures[since])
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Media(
        modality="video",
        mime_type="video/mp4",
        path=path,
        size=path.stat().st_size,
        seconds=seconds,
        has_sound=False,
    )


@pytest.fixture
def provider() -> Provider:
    (only,) = mediasense_on_device.capabilities()
    return only


@pytest.fixture
def read(provider) -> Callable:
    """Ask the hook about images, or about a video."""

    def ask(*about: Media, **options):
        if about[0].modality == "video":
            request = VideoRequest(provider=provider, video=about[0], **options)
            return mediasense_on_device.analyze_video(request=request)
        request = ImageRequest(provider=provider, images=about, **options)
        return mediasense_on_device.analyze_image(request=request)

    return ask


def array(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))
