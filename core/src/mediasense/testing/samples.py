"""Media of any type and size, made on the spot.

Made once in a process: 24 providers that take the same types are shown the same files.
"""

from __future__ import annotations

import functools
import io
import random
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasense.names import MediaModality
from mediasense.testing.registry import Unproved
from mediasense.types import Media

FILE_NAME = "canary-holiday-of-anna"
"""What the user called the file; it must never be sent."""

WIDTH, HEIGHT, SECONDS, RATE, FPS = 48, 32, 1.0, 8000, 5

_PICTURES = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Container:
    """How FFmpeg writes a type: the container, and the codecs that go into it."""

    format: str
    video: str = ""
    audio: str = ""
    rate: int = 16000


_SOUNDS = {
    "audio/aac": _Container(format="adts", audio="aac"),
    "audio/aiff": _Container(format="aiff", audio="pcm_s16be"),
    "audio/flac": _Container(format="flac", audio="flac"),
    "audio/m4a": _Container(format="ipod", audio="aac"),
    "audio/mp4": _Container(format="ipod", audio="aac"),
    "audio/mp3": _Container(format="mp3", audio="libmp3lame"),
    "audio/mpeg": _Container(format="mp3", audio="libmp3lame"),
    "audio/mpga": _Container(format="mp3", audio="libmp3lame"),
    "audio/ogg": _Container(format="ogg", audio="libopus", rate=48000),
    "audio/opus": _Container(format="ogg", audio="libopus", rate=48000),
    "audio/webm": _Container(format="webm", audio="libopus", rate=48000),
    "audio/x-m4a": _Container(format="ipod", audio="aac"),
    "video/mp4": _Container(format="mp4", audio="aac"),
    "video/webm": _Container(format="webm", audio="libopus", rate=48000),
}
_VIDEOS = {
    "video/3gpp": _Container(format="3gp", video="libx264", audio="aac"),
    "video/mp4": _Container(format="mp4", video="libx264", audio="aac"),
    "video/mpeg": _Container(format="mpeg", video="mpeg1video", audio="mp2", rate=44100),
    "video/quicktime": _Container(format="mov", video="libx264", audio="aac"),
    "video/webm": _Container(format="webm", video="libvpx", audio="libopus", rate=48000),
    "video/wmv": _Container(format="asf", video="wmv2", audio="libmp3lame", rate=44100),
    "video/x-flv": _Container(format="flv", video="flv", audio="aac"),
    "video/x-matroska": _Container(format="matroska", video="libx264", audio="aac"),
    "video/x-ms-wmv": _Container(format="asf", video="wmv2", audio="libmp3lame", rate=44100),
    "video/x-msvideo": _Container(format="avi", video="mpeg4", audio="mp2", rate=44100),
}
_FRAME_RATE_OF_MPEG = 25


def sample(
    modality: MediaModality,
    mime_type: str,
    folder: Path,
    *,
    variant: int = 0,
    size: int | None = None,
) -> Media:
    """A file of a type, under a name that tells too much.

    Args:
        modality: What it is sent as; a ``video/mp4`` may be sound alone.
        mime_type: Its type.
        folder: Where it is written.
        variant: Files of different numbers have different bytes.
        size: Its bytes exactly.

    Raises:
        Unproved: It cannot be made here.
    """
    data = encoded(modality, mime_type, variant)
    if size is not None:
        if size < len(data):
            raise Unproved(f"no {mime_type} as small as {size} bytes can be made here")
        data += b"\0" * (size - len(data))
    extension = mime_type.partition("/")[2].removeprefix("x-")
    path = folder / f"{FILE_NAME}-{modality}-{variant}-{len(data)}.{extension}"
    if not path.exists():
        path.write_bytes(data)
    pictures = modality != "audio"
    return Media(
        modality=modality,
        mime_type=mime_type,
        path=path,
        size=len(data),
        width=WIDTH if pictures else None,
        height=HEIGHT if pictures else None,
        seconds=None if modality == "image" else SECONDS,
        has_sound=True if modality == "video" else None,
        name=path.name,
    )


@functools.cache
def encoded(modality: MediaModality, mime_type: str, variant: int = 0) -> bytes:
    """The bytes of a file of a type.

    Raises:
        Unproved: There is no encoder for it here.
    """
    if mime_type == "audio/wav":
        return _wav(variant)
    kind = _PICTURES.get(mime_type) if modality == "image" else None
    container = {"audio": _SOUNDS, "video": _VIDEOS}.get(modality, {}).get(mime_type)
    try:
        if kind is not None:
            return _picture(kind, variant)
        if container is not None:
            return _recording(container, variant)
    except Exception as error:  # noqa: BLE001  whatever this build of the library lacks
        raise Unproved(f"no {mime_type} can be made here ({type(error).__name__})") from None
    raise Unproved(f"no {mime_type} can be made here")


def _noise(variant: int, size: int) -> bytes:
    return random.Random(f"mediasense {variant}").randbytes(size)  # noqa: S311  no secret


def _picture(kind: str, variant: int) -> bytes:
    from PIL import Image

    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    picture = Image.frombytes("RGB", (WIDTH, HEIGHT), _noise(variant, WIDTH * HEIGHT * 3))
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def _wav(variant: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(RATE)
        out.writeframes(_noise(variant, int(RATE * SECONDS)))
    return buffer.getvalue()


def _recording(kind: _Container, variant: int) -> bytes:
    import av
    import numpy as np

    buffer = io.BytesIO()
    noise = np.random.default_rng(variant)
    rate = _FRAME_RATE_OF_MPEG if kind.format == "mpeg" else FPS
    with av.open(buffer, "w", format=kind.format) as container:
        picture: Any = container.add_stream(kind.video, rate=rate) if kind.video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound: Any = None
        if kind.audio:
            sound = container.add_stream(kind.audio, rate=kind.rate, layout="mono")
        if picture is not None:
            for _ in range(int(SECONDS * rate)):
                pixels = noise.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
                shown = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(picture.encode(shown))
            container.mux(picture.encode())
        if sound is not None:
            samples = noise.integers(-9000, 9000, (1, int(kind.rate * SECONDS)), np.int16)
            heard = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            heard.sample_rate = kind.rate
            container.mux(sound.encode(heard))
            container.mux(sound.encode())
    return buffer.getvalue()
