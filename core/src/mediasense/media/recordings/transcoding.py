"""Encode a part of a recording again, smaller: H.264 pictures and one channel of sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense.errors import CorruptMedia, UnsupportedMedia
from mediasense.media.demuxing import demux
from mediasense.media.recordings import open_recording, picture_stream, sound_stream
from mediasense.media.recordings.copying import go_before

if TYPE_CHECKING:
    import av
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

SOUND_BIT_RATE = 48_000
"""Bits a second of speech in one channel of AAC; clear at this, and not a tenth of the pictures."""

_SOUND_RATE = 24_000
_THREADS = 2
_QUALITY = "23"
KEY_SECONDS = 20
"""A key frame at least so often."""

SOUND_PACKETS = 24_000 / 1024
"""Packets of sound a second."""

_TICK = Fraction(1, 1000)
_NAME = "the recording"
_JUMP_SECONDS = 1.0

# Sound that is out of step by less is left as it is.
_STEP_SECONDS = 0.1

# The sound of the last pictures may come this much later in the file.
_APART_SECONDS = 10.0

# Most encoders refer to every second picture: with twice as many as wanted the rest is not missed.
_SKIP_FROM = 2.0

_RGB = 0
_BT709 = 1
_LIMITED_RANGE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a part is encoded.

    Attributes:
        start, end: Seconds of the recording.
        width, height: Pixels of the recording, upright.
        max_side: Pixels of the longer side, at most.
        fps: Pictures a second, at most.
        sound: Whether it has sound, too.
        bit_rate: Bits a second of the pictures that are never exceeded; ``None`` for no limit.
        buffer_seconds: For how long the pictures may have more than that.
        max_bytes: Where to give up.
    """

    start: float
    end: float
    width: int
    height: int
    max_side: int
    fps: float
    sound: bool
    bit_rate: int | None
    buffer_seconds: float
    max_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """What came of it.

    Attributes:
        end: The second of the recording at which the file ends, or at which it was given up.
        width, height: Pixels.
        fits: Whether it was not given up for its size.
    """

    end: float
    width: int
    height: int
    fits: bool


def encode(
    source: Path,
    target: Path,
    encoding: Encoding,
    on_seconds: Callable[[float], None],
    options: dict[str, str],
) -> Encoded:
    """Encode a part of a recording into an MP4.

    Args:
        source: The recording.
        target: The file to write.
        encoding: How.
        on_seconds: Told often which second of the recording was reached.
        options: For FFmpeg's MP4 writer.

    Raises:
        CorruptMedia: No picture of it can be decoded.
        UnsupportedMedia: It has no pictures.
    """
    import av

    with (
        open_recording(source, _NAME) as container,
        av.open(str(target), "w", format="mp4", container_options=options) as file,
    ):
        job = _Job(container, file, encoding)
        for seconds in job.run():
            on_seconds(seconds)
        return job.result()


def fitted(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size in which a picture is encoded: even sides, not larger than it is."""
    scale = min(1.0, max_side / max(width, height))
    return _even(width * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


@dataclass(slots=True)
class _Shown:
    """A decoded picture, and the second since which it is seen."""

    since: float
    frame: av.VideoFrame


class _Job:
    """One recording on its way into one file."""

    def __init__(
        self, container: InputContainer, file: OutputContainer, encoding: Encoding
    ) -> None:
        self._container = container
        self._encoding = encoding
        self._pictures = picture_stream(container)
        self._heard = sound_stream(container) if encoding.sound else None
        if self._pictures is None or self._pictures.codec_context is None:
            raise UnsupportedMedia("the recording holds no pictures", hint="give a video")
        self._origin = (container.start_time or 0) / 1e6
        self._screen = _Screen(file, self._pictures, encoding)
        self._sound = _Sound(file, encoding) if _is_decodable(self._heard) else None
        self._clocks: dict[int, _Clock] = {}
        self._over: set[int] = set()
        self._reached = encoding.start

    def run(self) -> Iterator[float]:
        """Encode; gives the second reached, often."""
        import av

        self._prepare()
        with suppress(av.FFmpegError):  # what there is until then is encoded
            go_before(self._container, self._pictures, self._encoding.start)
            for packet in demux(self._container, self._streams()):
                over = self._take(packet)
                yield self._reached
                if over or not self.fits:
                    break
        if not self._screen.pictures:
            raise CorruptMedia("no picture of the recording can be decoded", hint="play it")
        end = min(self._encoding.end, max(self._reached, self._screen.last_end))
        self._screen.finish(end)
        if self._sound is not None:
            self._sound.finish()
        self._reached = end

    @property
    def fits(self) -> bool:
        most = self._encoding.max_bytes
        return most is None or self._screen.bytes + (self._sound.bytes if self._sound else 0) < most

    def result(self) -> Encoded:
        return Encoded(
            end=self._reached,
            width=self._screen.width,
            height=self._screen.height,
            fits=self.fits,
        )

    def _streams(self) -> list[Stream]:
        assert self._pictures is not None
        if self._sound is None or self._heard is None:
            return [self._pictures]
        return [self._pictures, self._heard]

    def _prepare(self) -> None:
        assert self._pictures is not None
        self._pictures.thread_type = "AUTO"
        self._pictures.codec_context.thread_count = _THREADS
        if float(self._pictures.average_rate or 0) >= _SKIP_FROM * self._encoding.fps:
            self._pictures.codec_context.skip_frame = "NONREF"

    def _take(self, packet: Packet[Stream]) -> bool:
        """Decode and encode one packet; true when the end is reached."""
        import av

        clock = self._clocks.setdefault(packet.stream_index, _Clock(packet.stream, self._origin))
        if packet.stream_index in self._over:
            told = packet.dts if packet.dts is not None else packet.pts
            passed = 0.0 if told is None else float(told * packet.time_base) - self._origin
            return passed > self._encoding.end + _APART_SECONDS
        with suppress(av.FFmpegError):  # a damaged packet: the picture before it stands
            for frame in packet.decode():
                self._show_or_hear(frame, clock.seconds(frame))
                if clock.latest >= self._encoding.end:
                    self._over.add(packet.stream_index)
                    break
        return len(self._over) == len(self._streams())

    def _show_or_hear(self, frame: Any, seconds: float) -> None:
        import av

        if seconds >= self._encoding.end:
            self._reached = self._encoding.end
        elif isinstance(frame, av.VideoFrame):
            self._reached = max(self._reached, seconds)
            self._screen.show(_Shown(seconds, frame))
        elif isinstance(frame, av.AudioFrame) and self._sound is not None:
            self._sound.hear(frame, seconds)
            self._reached = max(self._reached, seconds + frame.samples / frame.sample_rate)


class _Clock:
    """Seconds of the recording for the frames of a track, whatever its timestamps are like."""

    def __init__(self, stream: Stream, origin: float) -> None:
        self._origin = origin
        rate = getattr(stream, "average_rate", None)
        self._usual = 1 / float(rate) if rate else 0.04
        self._latest: float | None = None

    @property
    def latest(self) -> float:
        return self._latest or 0.0

    def seconds(self, frame: Any) -> float:
        expected = 0.0 if self._latest is None else self._latest + self._usual
        seconds = expected if frame.pts is None else frame.time - self._origin
        if self._latest is not None and seconds < self._latest - _JUMP_SECONDS:
            self._origin -= expected - seconds  # joined recordings start again from 0
            seconds = expected
        self._latest = max(seconds, self._latest or 0.0)
        return seconds


class _Screen:
    """Encodes what is seen: at most so many pictures a second, each from when it appeared."""

    def __init__(self, file: OutputContainer, source: VideoStream, encoding: Encoding) -> None:
        from av.video.reformatter import VideoReformatter

        self._file = file
        self._source = source
        self._encoding = encoding
        self._shrinker: VideoReformatter = VideoReformatter()
        self._track: VideoStream | None = None
        self._current: _Shown | None = None
        self._cut = encoding.start
        self._last_tick = -1
        self.pictures = 0
        self.bytes = 0
        self.width = self.height = 0
        self.last_end = 0.0
        # Added at once: tracks must all be known before the first packet is written.
        self._add_track()

    def show(self, following: _Shown) -> None:
        """Take the next picture; the one before is encoded if it was on screen at a cut."""
        current = self._current
        if current is not None and following.since > self._cut:
            self._encode(current, current.since)
            steps = math.ceil((following.since - self._encoding.start) * self._encoding.fps)
            self._cut = self._encoding.start + steps / self._encoding.fps
        self._current = following
        self.pictures += 1
        self.last_end = following.since + 1 / float(self._source.average_rate or 25)

    def finish(self, end: float) -> None:
        """Encode the last picture, which stands until the end."""
        current = self._current
        if current is not None:
            self._encode(current, current.since)
            held = end - 1 / self._encoding.fps
            if held > current.since + 1 / self._encoding.fps:
                self._encode(current, held)
        assert self._track is not None
        self._mux(self._track.encode(None))

    def _add_track(self) -> None:
        encoding = self._encoding
        context = self._source.codec_context
        options = {
            "preset": "veryfast",
            "crf": _QUALITY,
            "g": str(round(KEY_SECONDS * encoding.fps)),
            "threads": str(_THREADS),
        }
        if encoding.bit_rate is not None:
            options["maxrate"] = str(encoding.bit_rate)
            options["bufsize"] = str(round(encoding.bit_rate * encoding.buffer_seconds))
        rate = Fraction(encoding.fps).limit_denominator(1000)
        track = self._file.add_stream("libx264", rate=rate, options=options)
        self.width, self.height = fitted(encoding.width, encoding.height, encoding.max_side)
        track.width, track.height = self.width, self.height
        track.pix_fmt = "yuv420p"
        made = track.codec_context
        made.time_base = _TICK
        made.color_range = _LIMITED_RANGE
        is_rgb = context.colorspace == _RGB
        made.colorspace = _BT709 if is_rgb else context.colorspace
        made.color_primaries = context.color_primaries
        made.color_trc = context.color_trc
        self._to_colorspace = "ITU709" if is_rgb else None
        self._track = track

    def _encode(self, shown: _Shown, since: float) -> None:
        from av.video.frame import PictureType

        tick = max(self._last_tick + 1, round((since - self._encoding.start) / _TICK), 0)
        frame = self._picture(shown.frame)
        frame.pts, frame.time_base = tick, _TICK
        frame.pict_type = PictureType.NONE  # else the encoder repeats the source's key frames
        self._last_tick = tick
        assert self._track is not None
        self._mux(self._track.encode(frame))

    def _picture(self, frame: av.VideoFrame) -> av.VideoFrame:
        import av
        import numpy as np

        turns = round(frame.rotation / 90) % 4
        width, height = (self.width, self.height)[:: -1 if turns % 2 else 1]
        small = self._shrinker.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            dst_colorspace=self._to_colorspace,  # type: ignore[arg-type]
            dst_color_range="MPEG",
            threads=_THREADS,
        )
        if turns == 0:
            return small
        pixels = small.to_ndarray().reshape(-1)
        luma, chroma = width * height, width * height // 4
        planes = (
            pixels[:luma].reshape(height, width),
            pixels[luma : luma + chroma].reshape(height // 2, width // 2),
            pixels[luma + chroma :].reshape(height // 2, width // 2),
        )
        turned = np.concatenate([np.rot90(plane, turns).reshape(-1) for plane in planes])
        rows = turned.reshape(self.height * 3 // 2, self.width)
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format="yuv420p")

    def _mux(self, packets: list[Packet[Any]]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._file.mux(packets)


class _Sound:
    """Encodes what is heard, in one channel and in step with the pictures."""

    def __init__(self, file: OutputContainer, encoding: Encoding) -> None:
        self._file = file
        self._encoding = encoding
        self._track: AudioStream = file.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        self._track.codec_context.bit_rate = SOUND_BIT_RATE
        self._resampler: AudioResampler | None = None
        self._samples = 0
        self._early = 0
        self.bytes = 0

    def hear(self, frame: av.AudioFrame, seconds: float) -> None:
        """Take the next piece of sound; gaps become silence, and what was heard is left out."""
        lasting = frame.samples / frame.sample_rate
        if seconds + lasting <= self._encoding.start or seconds >= self._encoding.end:
            return
        behind = seconds - self._encoding.start - self._samples / _SOUND_RATE
        if behind < -max(_STEP_SECONDS, lasting):
            return
        if self._samples == 0 and behind < 0:
            self._early = round(-behind * _SOUND_RATE)
        if behind > _STEP_SECONDS:
            self._be_silent(round(behind * _SOUND_RATE))
        frame.pts = None
        try:
            heard = self._resample(frame)
        except ValueError:  # the sound has another form from here on
            self._resampler = None
            heard = self._resample(frame)
        for piece in heard:
            self._encode(piece)

    def finish(self) -> None:
        """Encode what is left."""
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                self._encode(piece)
        self._mux(self._track.encode(None))

    def _resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        import av

        if self._resampler is None:
            self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=_SOUND_RATE)
        return self._resampler.resample(frame)

    def _be_silent(self, samples: int) -> None:
        import numpy as np

        while samples > 0:
            count = min(samples, _SOUND_RATE)
            self._encode(_sound_frame(np.zeros((1, count), np.float32)))
            samples -= count

    def _encode(self, frame: av.AudioFrame) -> None:
        if self._early:
            skipped = min(self._early, frame.samples)
            self._early -= skipped
            if skipped == frame.samples:
                return
            frame = _sound_frame(frame.to_ndarray()[:, skipped:])
        frame.pts, frame.time_base = self._samples, Fraction(1, _SOUND_RATE)
        self._samples += frame.samples
        self._mux(self._track.encode(frame))

    def _mux(self, packets: list[Packet[Any]]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._file.mux(packets)


def _sound_frame(samples: NDArray[Any]) -> av.AudioFrame:
    import av
    import numpy as np

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="mono")
    frame.sample_rate = _SOUND_RATE
    return frame


def _is_decodable(stream: AudioStream | None) -> bool:
    return stream is not None and stream.codec_context is not None
