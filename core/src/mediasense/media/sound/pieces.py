"""Pieces of sound: files, and which true time stands where in them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from mediasense.media.sound.resampling import RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a recording that stands in a piece without a gap.

    Attributes:
        start: Seconds from the start of the recording to its beginning.
        end: The same to its end.
        offset: Seconds from the start of the piece to its beginning.
    """

    start: float
    end: float
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPiece:
    """A file with sound of a recording.

    Attributes:
        path: Where it is.
        mime_type: Such as ``audio/flac``.
        size: Bytes.
        seconds: How long it plays.
        stretches: Which parts of the recording it holds, in order; at least one.
    """

    path: Path
    mime_type: str
    size: int
    seconds: float
    stretches: tuple[Stretch, ...]

    @property
    def start(self) -> float:
        """Seconds from the start of the recording to where the piece begins."""
        return self.stretches[0].start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording to where the piece ends."""
        return self.stretches[-1].end

    def true_time(self, seconds: float) -> float:
        """From a time in the piece to the time in the recording; never runs backwards.

        Args:
            seconds: From the start of the piece. Times outside it are taken as its ends.
        """
        index = bisect_right(self.stretches, seconds, key=lambda stretch: stretch.offset) - 1
        stretch = self.stretches[max(0, index)]
        return min(stretch.end, stretch.start + max(0.0, seconds - stretch.offset))


class Timeline:
    """Which true positions the samples of a piece have.

    Neighbours are joined: a piece without gaps has one stretch.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._spans: list[tuple[int, int]] = []  # true first, count

    def add(self, first: int, count: int) -> None:
        """Append samples."""
        self.samples += count
        if self._spans:
            before, held = self._spans[-1]
            if before + held == first:
                self._spans[-1] = (before, held + count)
                return
        self._spans.append((first, count))

    def split(self, samples: int) -> Timeline:
        """Keep that many samples; give a timeline of the others."""
        rest, at = Timeline(), 0
        spans, self._spans, self.samples = self._spans, [], 0
        for first, count in spans:
            here = min(count, max(0, samples - at))
            if here:
                self.add(first, here)
            if here < count:
                rest.add(first + here, count - here)
            at += count
        return rest

    def stretches(self) -> tuple[Stretch, ...]:
        """The same in seconds."""
        found, at = [], 0
        for first, count in self._spans:
            found.append(Stretch(start=first / RATE, end=(first + count) / RATE, offset=at / RATE))
            at += count
        return tuple(found)
