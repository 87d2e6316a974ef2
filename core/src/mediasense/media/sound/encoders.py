"""Files of sound: 16 kHz mono samples in, a file of known size out.

Each encoder can say beforehand how large its file may become at most. Services count bytes, so a
piece is ended before it could be too large, not after.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, cast

from mediasense.media.sound.resampling import RATE, WIDTH

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

EncodedFormat = Literal["wav", "flac", "mp3", "opus", "m4a"]

_WAV_HEADER = 44
_WAV_LARGEST = (1 << 32) - 1 - _WAV_HEADER


class Encoder(Protocol):
    """Writes one file."""

    path: Path
    mime_type: str

    def add(self, pcm: bytes) -> None:
        """Write samples."""

    def bound(self, samples: int) -> int:
        """The most bytes the file may have, if that many samples more are written."""

    def fits(self, samples: int, size: int) -> bool:
        """Whether the file surely keeps within a size, if that many samples more are written."""

    def close(self) -> int:
        """End the file; give its size."""

    def abandon(self) -> None:
        """Remove what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """How to encode a format.

    Attributes:
        codec, container, suffix, mime_type: What it is called by FFmpeg, in names and in requests.
        samples: In a packet.
        most: Bytes a packet may have.
        around: Bytes the container adds to a packet.
        header: Bytes the container adds to the file.
        extra: Packets at the ends: the encoder's delay, and the last that is not full.
        bit_rate: Bits a second; 0 for a codec without loss.
        options: Of the encoder.
        muxing: Options of the container.
    """

    codec: str
    container: str
    suffix: str
    mime_type: str
    samples: int
    most: int
    around: int
    header: int
    extra: int
    bit_rate: int = 0
    options: dict[str, str] = field(default_factory=dict)
    muxing: dict[str, str] = field(default_factory=dict)


_RECIPES = {
    "flac": _Recipe(
        codec="flac",
        container="flac",
        suffix="flac",
        mime_type="audio/flac",
        samples=4096,
        # What cannot be compressed is kept as it is, behind a header of at most 18 bytes.
        most=4096 * WIDTH + 32,
        around=0,
        header=8192 + 512,  # padding for tags, which FFmpeg always writes
        extra=1,
        options={"frame_size": "4096"},  # a third faster than the usual 1152, and no larger
    ),
    "mp3": _Recipe(
        codec="libmp3lame",
        container="mp3",
        suffix="mp3",
        mime_type="audio/mpeg",
        samples=576,
        most=216,  # 48 kb/s, constant
        around=0,
        header=2048,
        extra=4,
        bit_rate=48_000,
        options={"compression_level": "7"},
        muxing={"id3v2_version": "0"},
    ),
    "opus": _Recipe(
        codec="libopus",
        container="ogg",
        suffix="ogg",
        mime_type="audio/ogg",
        samples=960,
        most=1276,  # what libopus puts in a packet at most; 180 is usual
        around=4,
        header=1024,
        extra=2,
        bit_rate=24_000,
        # For speech, at a third of the usual effort: five times as fast.
        options={
            "application": "voip",
            "frame_duration": "60",
            "vbr": "constrained",
            "compression_level": "1",
        },
    ),
    "m4a": _Recipe(
        codec="aac",
        container="ipod",
        suffix="m4a",
        mime_type="audio/mp4",
        samples=1024,
        most=768,  # the format allows 6,144 bits for a channel
        around=8,
        header=4096,
        extra=3,
        bit_rate=48_000,
        options={"aac_coder": "fast"},
        muxing={"movflags": "+faststart"},
    ),
}


def open_encoder(path: Path, form: EncodedFormat) -> Encoder:
    """Begin a file; the suffix is added to the path."""
    if form == "wav":
        return _WavEncoder(path.with_suffix(".wav"))
    return _CodecEncoder(path.with_suffix(f".{_RECIPES[form].suffix}"), _RECIPES[form])


def fitting_samples(form: EncodedFormat, size: int) -> int:
    """How many samples a file of that size holds at least; 0 when it is too small for any."""
    if form == "wav":
        return max(0, min(size - _WAV_HEADER, _WAV_LARGEST) // WIDTH)
    recipe = _RECIPES[form]
    packets = (size - recipe.header) // (recipe.most + recipe.around) - recipe.extra
    return max(0, packets) * recipe.samples


class _WavEncoder:
    """Written by hand: a header with true sizes, which some services insist on, and the samples."""

    mime_type = "audio/wav"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0
        self._file = path.open("xb")
        self._file.write(self._header())

    def add(self, pcm: bytes) -> None:
        self._file.write(pcm)
        self._written += len(pcm)

    def bound(self, samples: int) -> int:
        return _WAV_HEADER + self._written + samples * WIDTH

    def fits(self, samples: int, size: int) -> bool:
        return self.bound(samples) <= size

    def close(self) -> int:
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()
        return _WAV_HEADER + self._written

    def abandon(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _header(self) -> bytes:
        riff = struct.pack("<4sI4s", b"RIFF", _WAV_HEADER - 8 + self._written, b"WAVE")
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * WIDTH, WIDTH, 8 * WIDTH)
        return riff + form + struct.pack("<4sI", b"data", self._written)


class _CodecEncoder:
    """Encoded and muxed by FFmpeg, without anything of the source but its samples."""

    def __init__(self, path: Path, recipe: _Recipe) -> None:
        self.path, self.mime_type = path, recipe.mime_type
        self._recipe = recipe
        self._samples = 0
        self._packets = 0
        self._bytes = 0
        self._file = path.open("xb")
        try:
            self._container = open_output(self._file, path, recipe.container, recipe.muxing)
            self._stream = cast(
                "AudioStream",
                self._container.add_stream(recipe.codec, rate=RATE, options=dict(recipe.options)),
            )
            self._stream.codec_context.layout = "mono"
            if recipe.codec in ("flac", "libopus"):
                self._stream.codec_context.format = "s16"
            if recipe.bit_rate:
                self._stream.codec_context.bit_rate = recipe.bit_rate
        except BaseException:
            self.abandon()
            raise

    def add(self, pcm: bytes) -> None:
        import av

        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // WIDTH)
        frame.planes[0].update(pcm)
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, RATE)
        self._samples += frame.samples
        self._write(frame)

    def bound(self, samples: int) -> int:
        recipe = self._recipe
        packets = (self._samples + samples) // recipe.samples + recipe.extra
        pending = max(0, packets - self._packets)
        return recipe.header + self._bytes + pending * recipe.most + packets * recipe.around

    def fits(self, samples: int, size: int) -> bool:
        return self.bound(samples) <= size

    def close(self) -> int:
        self._write(None)
        self._container.close()
        self._file.close()
        return self.path.stat().st_size

    def abandon(self) -> None:
        with suppress(Exception):  # whatever it was that went wrong before
            self._container.close()
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _write(self, frame: av.AudioFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # In this order: a bound asked for in between, by another thread, counts it twice.
            self._bytes += packet.size
            self._packets += 1
            self._container.mux_one(packet)


def open_output(
    file: BinaryIO, path: Path, container: str, muxing: dict[str, str]
) -> OutputContainer:
    """Open a container to write; FFmpeg is given no name, and no traces of it are left.

    Args:
        file: Where to write.
        path: The same file: to move an index to its front, it is read while it is written.
        container: FFmpeg's name of the format.
        muxing: Its options.
    """
    import av

    def reopen(_url: str, _flags: int, _options: dict[str, str]) -> BinaryIO:
        file.flush()
        return path.open("rb")

    return av.open(
        file,
        "w",
        format=container,
        # Unless told, each packet is written at once: a call of Python for some hundred bytes.
        container_options={"fflags": "+bitexact", "flush_packets": "0", **muxing},
        io_open=reopen,
    )
