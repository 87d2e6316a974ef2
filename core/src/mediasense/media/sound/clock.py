"""Where sound stands in a recording, by its timestamps and by what was heard."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from mediasense.media.demuxing import demux

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_GAP = 0.1  # seconds
_JUMP = -1.0
_LONGEST_GAP_SECONDS = 600.0  # where the length of the recording is not known
_LONGEST_SECONDS = 48 * 3600.0
_SLACK_SECONDS = 1.0
_PREROLL_SECONDS = 1.0

# The containers that state their length; of others FFmpeg guesses it from the bit rate.
_STATES_LENGTH = frozenset(
    ("aiff", "asf", "avi", "caf", "flac", "flv", "matroska", "mov", "ogg", "w64", "wav")
)


class SoundClock:
    """Seconds from the start of a recording, whatever its timestamps are like.

    Attributes:
        at: Where the next sound stands, if it follows without a gap; ``None`` before the first.
        began: Where the sound before that began.
        length: How long the recording may be at most, as far as it says; else infinite.
        stated: How long the sound should be, where the container really says.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self.at: float | None = None
        self.began = 0.0
        self._container, self._stream = container, stream
        self._origin = (container.start_time or 0) / 1_000_000
        self._unit = float(stream.time_base or 0)
        self.length = (container.duration or 0) / 1_000_000 or math.inf
        self.stated = self._stated(container, stream)

    def _stated(self, container: InputContainer, stream: AudioStream) -> float | None:
        if container.format.name.partition(",")[0] not in _STATES_LENGTH:
            return None
        if stream.duration:
            return (
                (stream.start_time or 0) * self._unit
                - self._origin
                + (stream.duration * self._unit)
            )
        return self.length if len(container.streams) == 1 and math.isfinite(self.length) else None

    def seek(self, start: float) -> None:
        """Go a little before ``start``; where that cannot be done, all before it is decoded."""
        import av

        if start <= _PREROLL_SECONDS:
            return
        target = start - _PREROLL_SECONDS + self._origin
        with suppress(av.FFmpegError):
            self._container.seek(round(target * 1_000_000))
            # Some formats have no index: who lands behind the start, or nowhere, begins at 0.
            packet = next(demux(self._container, self._stream), None)
            told = None if packet is None else packet.pts
            early = told is not None and told * self._unit - self._origin <= start
            self._container.seek(round((target if early else self._origin) * 1_000_000))

    def step(self, pts: int | None, seconds: float) -> float:
        """Move over what has this timestamp and lasts so long.

        Cheap clocks drift by milliseconds: only 0.1 s or more is a gap. A jump back, as in joined
        recordings, or one further ahead than can be, starts the count anew.

        Returns:
            How many seconds are missing before it.
        """
        at = self.at
        if pts is not None and at is not None:
            missing = pts * self._unit - self._origin - at
            missing = 0.0 if _JUMP < missing < _GAP else self._missing(at, missing)
        else:
            missing = 0.0
            at = self._first(pts) if at is None else at
        self.began = at + missing
        self.at = self.began + seconds
        return missing

    def follow(self, pts: int | None, seconds: float) -> float:
        """The same for packets, whose lengths are rounded: their timestamps are believed."""
        if pts is not None and self.at is not None:
            told = pts * self._unit - self._origin
            if _JUMP < told - self.at < _GAP:
                self.began, self.at = told, told + seconds
                return 0.0
        return self.step(pts, seconds)

    def _missing(self, at: float, missing: float) -> float:
        """A gap that can be, or none."""
        if missing < 0 or at + missing > self._end(at):
            self._origin += missing
            return 0.0
        return missing

    def _first(self, pts: int | None) -> float:
        if pts is None:
            return 0.0
        told = pts * self._unit - self._origin
        if _JUMP < told < self._end(0.0):
            return told
        self._origin += told
        return 0.0

    def over(self, end: float) -> bool:
        """Whether what comes next is behind ``end``, or behind the end of all recordings."""
        return self.at is not None and self.at >= min(end, _LONGEST_SECONDS)

    def _end(self, at: float) -> float:
        """Behind this no timestamp is believed."""
        known = self.length if math.isfinite(self.length) else at + _LONGEST_GAP_SECONDS
        return min(_LONGEST_SECONDS, known + _SLACK_SECONDS)
