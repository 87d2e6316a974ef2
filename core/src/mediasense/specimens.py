"""Tiny pictures, sounds and a video of known content, made on the spot to try a provider with."""

from __future__ import annotations

import array
import functools
import io
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mediasense.types import Media

if TYPE_CHECKING:
    from mediasense.media.sound.encoders import EncodedFormat

Colour = Literal["green", "purple"]

# Neither is what a model says that sees nothing and guesses.
_COLOURS: dict[Colour, tuple[int, int, int]] = {"green": (0, 150, 30), "purple": (128, 0, 160)}
_PICTURES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
_SOUNDS: dict[str, EncodedFormat] = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "opus",
}
_RATE = 16_000
_SECONDS_OF_SOUND = 0.5
_SIDE_OF_VIDEO = 128
_FRAMES = 10
_QUALITY = "23"

PICTURE_TYPES = tuple(_PICTURES)
SOUND_TYPES = tuple(_SOUNDS)
VIDEO_TYPE = "video/mp4"


@functools.cache
def picture(mime_type: str, *, side: int, colour: Colour) -> Media:
    """A square of one colour.

    Args:
        mime_type: One of ``PICTURE_TYPES``.
        side: Pixels.
        colour: What colour it has.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (side, side), _COLOURS[colour]).save(buffer, _PICTURES[mime_type])
    data = buffer.getvalue()
    return Media(
        modality="image", mime_type=mime_type, data=data, size=len(data), width=side, height=side
    )


@functools.cache
def sound(mime_type: str) -> Media:
    """Half a second of a tone that swells, at 16 kHz.

    Args:
        mime_type: One of ``SOUND_TYPES``.
    """
    from mediasense.media.sound.encoders import open_encoder

    with tempfile.TemporaryDirectory() as folder:
        encoder = open_encoder(Path(folder) / "sound", _SOUNDS[mime_type])
        encoder.add(_tone())
        encoder.close()
        data = encoder.path.read_bytes()
    return Media(
        modality="audio",
        mime_type=mime_type,
        data=data,
        size=len(data),
        seconds=_SECONDS_OF_SOUND,
    )


@functools.cache
def video(colour: Colour) -> Media:
    """A second of one colour, in H.264 without sound."""
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=_FRAMES, options={"crf": _QUALITY})
        stream.width = stream.height = _SIDE_OF_VIDEO
        stream.pix_fmt = "yuv420p"
        square = np.full((_SIDE_OF_VIDEO, _SIDE_OF_VIDEO, 3), _COLOURS[colour], np.uint8)
        for _ in range(_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(square, format="rgb24")))
        container.mux(stream.encode())
    data = buffer.getvalue()
    return Media(
        modality="video",
        mime_type=VIDEO_TYPE,
        data=data,
        size=len(data),
        width=_SIDE_OF_VIDEO,
        height=_SIDE_OF_VIDEO,
        seconds=1.0,
        has_sound=False,
    )


def _tone() -> bytes:
    count = int(_RATE * _SECONDS_OF_SOUND)
    swell = (math.sin(math.pi * i / count) for i in range(count))
    wave = (math.sin(2 * math.pi * 440 * i / _RATE) for i in range(count))
    samples = [int(12_000 * loud * value) for loud, value in zip(swell, wave, strict=True)]
    return array.array("h", samples).tobytes()
