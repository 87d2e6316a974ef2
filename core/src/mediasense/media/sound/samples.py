"""The samples of a recording: 16,000 a second, mono, 16 bit, each at its true time.

Whatever comes in (rates, channels, depths, planar or not) comes out the same, a few seconds at a
time. Where the timestamps of the recording skip, there is silence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from mediasense.errors import CorruptMedia, MediaNotFound, UnsupportedMedia
from mediasense.media.demuxing import demux
from mediasense.media.recordings import open_recording
from mediasense.media.sound.clock import SoundClock
from mediasense.media.sound.resampling import RATE, WIDTH, Resampler

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

Progress = Callable[[float], None]

_SLACK_SECONDS = 1.0
_TELL_SECONDS = 0.2
_SILENCE = bytes(4 * RATE * WIDTH)
_LONGEST_SILENCE = 10

_HINT = "play it to see whether it is damaged"


@contextmanager
def open_sound(
    source: Path,
    *,
    track: int | None = None,
    start: float | None = None,
    end: float | None = None,
    on_progress: Progress | None = None,
) -> Iterator[SoundTrack]:
    """Open the sound of a recording; what else is in it is not read where the format allows.

    Args:
        source: A local file.
        track: Which of its sound tracks, counted from 0; by default the default or first one.
        start: Where to begin, in seconds from the start of the recording.
        end: Where to stop, in the same seconds.
        on_progress: Told the share that is done, 0 to 1; called while the file is read.

    Raises:
        MediaNotFound: The file cannot be read.
        UnsupportedMedia: It holds no sound, not that track, or none that can be decoded.
        CorruptMedia: It is damaged from its start.
    """
    first, last = _span(start, end)
    try:
        file = source.open("rb", buffering=0)
    except OSError as error:
        raise MediaNotFound(f"{source} cannot be read: {error.strerror}") from None
    with file:
        watched = _Watched(file, source.stat().st_size, on_progress)
        with open_recording(cast(BinaryIO, watched), str(source)) as container:
            stream = _chosen(container, track, str(source))
            _skip_others(container, stream)
            sound = SoundTrack(container, stream, first, last, watched)
            if container.format.name == "wav":
                sound.note_short_riff(source)
            yield sound


def _span(start: float | None, end: float | None) -> tuple[float, float]:
    first = start or 0.0
    last = math.inf if end is None else end
    if not 0 <= first < last:
        raise ValueError(f"no span of a recording: from {start} to {end} s")
    return first, last


def _chosen(container: InputContainer, track: int | None, name: str) -> AudioStream:
    tracks = container.streams.audio
    if not tracks:
        raise UnsupportedMedia(f"{name} has no sound", hint="give a recording with sound")
    if track is not None and not 0 <= track < len(tracks):
        raise UnsupportedMedia(
            f"{name} has no sound track {track}", hint=f"it has {len(tracks)}, counted from 0"
        )
    marked = (s for s in tracks if s.disposition & s.disposition.default)
    stream = tracks[track] if track is not None else next(marked, tracks[0])
    if cast("object", stream.codec_context) is None:
        raise UnsupportedMedia(f"the sound of {name} cannot be decoded", hint="convert it to WAV")
    return stream


def _skip_others(container: InputContainer, stream: AudioStream) -> None:
    """Let the demuxer pass over pictures; for MP4 they are then not even read."""
    try:
        from av.stream import Discard
    except ImportError:  # before PyAV 17
        return
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


class _Watched:
    """A file that says how far it was read: a long search in it is no standstill."""

    def __init__(self, file: BinaryIO, size: int, on_progress: Progress | None) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._read = file.read
        self._size = max(1, size)
        self._on_progress = on_progress
        self._told = 0.0
        self._next = 0.0

    def read(self, size: int) -> bytes:
        if self._on_progress is not None and time.monotonic() >= self._next:
            self.report(self._told)
        return self._read(size)

    def report(self, share: float | None = None) -> None:
        """Tell the share that is done, never less than before; without one, what was read."""
        if self._on_progress is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + _TELL_SECONDS
        reached = self.tell() / self._size if share is None else share
        self._told = max(self._told, min(1.0, reached))
        self._on_progress(self._told)


@dataclass(frozen=True, slots=True)
class Span:
    """Samples next to each other.

    Attributes:
        first: The number of the first, counted from the start of the recording.
        pcm: The samples.
    """

    first: int
    pcm: bytes

    @property
    def after(self) -> int:
        """The number of the sample that comes next."""
        return self.first + len(self.pcm) // WIDTH

    def within(self, start: int, end: float) -> Span:
        """The part between two samples; empty where there is none."""
        skip = max(0, start - self.first)
        stop = len(self.pcm) // WIDTH if self.after <= end else max(0, int(end) - self.first)
        if not skip and self.after <= end:
            return self
        return Span(self.first + skip, self.pcm[skip * WIDTH : stop * WIDTH])


class SoundTrack:
    """A sound track of an open recording.

    Attributes:
        stream: The track.
        start, end: Which part of the recording is asked for, in seconds.
        seconds: How long the part is that was given so far, with what was left out of it.
        damage: What could not be read, so far; ``""`` when nothing is wrong.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        start: float,
        end: float,
        watched: _Watched,
    ) -> None:
        self.stream = stream
        self.start, self.end = start, end
        self.seconds = 0.0
        self.damage = ""
        self.clock = SoundClock(container, stream)
        self._container = container
        self._watched = watched
        self._at = 0  # the sample that comes next

    def spans(self) -> Iterator[Span]:
        """Give the samples, some seconds at a time.

        They follow each other without a gap, but for gaps in the recording of more than 10 s: a
        small file can claim days of them.

        Raises:
            CorruptMedia: Nothing could be decoded, and something should have been.
            UnsupportedMedia: It has channels that cannot be mixed.
        """
        start, end = round(self.start * RATE), self.end
        end = end if math.isinf(end) else round(end * RATE)
        first: int | None = None
        for span in self._placed():
            kept = span.within(start, end)
            if kept.pcm:
                first = kept.first if first is None else first
                self.seconds = (kept.after - first) / RATE
                yield kept
            self.report()
            if span.after >= end:
                return
        self._check_end()

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """Give the packets of the track, undecoded, from ``start`` on.

        What cannot be read is noted as damage.
        """
        import av

        self.clock.seek(self.start)
        try:
            yield from demux(self._container, self.stream)
        except av.FFmpegError as error:
            self.note(str(error.strerror))

    def note(self, damage: str) -> None:
        """Remember the first thing that is wrong."""
        self.damage = self.damage or f"some of its sound cannot be read: {damage}"

    def note_short_riff(self, source: Path) -> None:
        """Note that a WAV is shorter than its header says, which FFmpeg takes for its length."""
        with source.open("rb") as file:
            head = file.read(8)
        stated = int.from_bytes(head[4:], "little") + 8
        size = source.stat().st_size
        # What was written to a pipe states the most that 32 bits can hold.
        if head[:4] == b"RIFF" and size < stated - 1 < 0xFFFFFF00:
            self.note(f"it should have {stated} bytes and has {size}")

    def report(self) -> None:
        """Tell how much is done."""
        last = min(self.end, self.clock.length)
        done = ((self.clock.at or 0.0) - self.start) / max(1e-3, last - self.start)
        self._watched.report(max(0.0, done) if math.isfinite(last) else None)

    def require_end(self) -> None:
        """Note as damage that the sound ends before the container says."""
        reached, stated = self.clock.at or 0.0, self.clock.stated
        if stated is not None and self.start < reached < min(stated, self.end) - _SLACK_SECONDS:
            self.note(f"it should last {stated:.1f} s and ends at {reached:.1f} s")

    def _placed(self) -> Iterator[Span]:
        """All that is decoded, with silence where the timestamps skip."""
        resampler, clock = Resampler(), self.clock
        push, step = resampler.push, clock.step
        began = False
        for frame in self._frames():
            gap = step(frame.pts, frame.samples / frame.sample_rate)
            if gap or not began:
                yield from self._number(resampler.flush())
                yield from self._number(self._missing(began=began))
                began = True
            if push(frame):
                yield from self._number(resampler.ready())
                if clock.over(self.end):
                    break
        yield from self._number(resampler.flush())

    def _number(self, blocks: Iterator[bytes]) -> Iterator[Span]:
        for block in blocks:
            span = Span(self._at, block)
            self._at = span.after
            yield span

    def _missing(self, *, began: bool) -> Iterator[bytes]:
        """Silence up to where sound goes on; a long one is passed over, as that at the start is."""
        there = round(self.clock.began * RATE)
        if not began or there - self._at > _LONGEST_SILENCE * RATE:
            self._at = there
        left = (there - self._at) * WIDTH
        while left > 0:
            block = _SILENCE[:left]
            left -= len(block)
            yield block

    def _frames(self) -> Iterator[av.AudioFrame]:
        import av

        decode = self.stream.codec_context.decode
        for packet in self.packets():
            try:
                frames = decode(packet)
            except (av.FFmpegError, ValueError) as error:
                self.note(getattr(error, "strerror", None) or str(error))
                continue
            for frame in frames:
                if frame.samples > 0 and frame.sample_rate > 0:
                    yield frame

    def _check_end(self) -> None:
        self.require_end()
        if self.damage and self.clock.at is None:
            raise CorruptMedia(f"the recording cannot be heard: {self.damage}", hint=_HINT)
