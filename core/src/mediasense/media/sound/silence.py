"""Pauses in sound: where nobody speaks, whatever the microphone hisses.

Sound is judged in frames of 20 ms by how loud they are. What counts as silence follows the
recording: a little above its own noise, well below its speech. Levels are all that is kept, so
that hours need no more memory than minutes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.media.sound.resampling import RATE, WIDTH
from mediasense.media.sound.samples import Progress, Span, open_sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Levels = NDArray[np.float32]
    Marks = NDArray[np.bool_]

FRAME_SAMPLES = RATE // 50
FRAME_SECONDS = 0.02

_FRAME_BYTES = FRAME_SAMPLES * WIDTH
_FULL_SCALE = 32768.0
_LOWEST = -96  # dB below full scale: less than 16 bits can hold

# Decibels below full scale, or between two levels.
_NOTHING = -60.0  # quieter than this is silence in any recording
_QUIET = -50.0  # and than this in one with speech of usual loudness,
_BELOW_LOUD = 30.0  # that is, with speech so far above
_ABOVE_NOISE = 6.0
_APART = 10.0  # speech is this far above noise, or there is no telling them apart
_STEADY = 6.0  # sound that varies less than this is a hum or a hiss,
_STEADY_QUIET = -40.0  # when it is quieter than this
_DIGITAL = -80.0  # silence that a machine made says nothing about the noise of the room

_MEMORY_SECONDS = 300.0
_FORGET_LOUD = 0.005  # dB a second: an hour's pause does not turn its own hiss into speech
_AHEAD_FRAMES = 500
_STEP_FRAMES = 50

_MOST_PAUSES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A stretch without speech.

    Attributes:
        start: Seconds from the start of the recording to its beginning.
        end: The same to its end.
    """

    start: float
    end: float


def find_pauses(
    source: Path,
    *,
    start: float | None = None,
    end: float | None = None,
    least: float = 0.5,
    on_progress: Progress | None = None,
) -> tuple[Pause, ...]:
    """Find where nobody speaks in a recording.

    Args:
        source: A local file.
        start: Where to begin, in seconds from the start of the recording.
        end: Where to stop, in the same seconds.
        least: How many seconds a pause lasts at least.
        on_progress: Told the share that is done, 0 to 1.

    Returns:
        Pauses in the order of time; of more than 10,000, the longest. Time before the sound begins
        is none.

    Raises:
        MediaNotFound: The file cannot be read.
        UnsupportedMedia: It holds no sound that can be decoded.
        CorruptMedia: Nothing of it can be decoded.
    """
    with open_sound(source, start=start, end=end, on_progress=on_progress) as sound:
        found = (pause for pause in _pauses(sound.spans()) if pause.end - pause.start >= least)
        longest = heapq.nlargest(_MOST_PAUSES, found, key=lambda pause: pause.end - pause.start)
    return tuple(sorted(longest, key=lambda pause: pause.start))


def _pauses(spans: Iterator[Span]) -> Iterator[Pause]:
    """All pauses; where the recording itself has a gap is silence too."""
    since: int | None = None
    at: int | None = None
    for run in marked_runs(spans):
        if at is not None and run.span.first > at and since is None:
            since = at
        if run.silent and since is None:
            since = run.span.first
        elif not run.silent and since is not None:
            yield Pause(start=since / RATE, end=run.span.first / RATE)
            since = None
        at = run.span.after
    if since is not None and at is not None:
        yield Pause(start=since / RATE, end=at / RATE)


@dataclass(frozen=True, slots=True)
class Run:
    """Samples next to each other that are all silent, or all not.

    Attributes:
        span: The samples: whole frames, but for the last before a gap and the very last.
        silent: Which of the two.
    """

    span: Span
    silent: bool


def marked_runs(spans: Iterator[Span]) -> Iterator[Run]:
    """Give the same samples, some seconds later, split by whether they are silent.

    Runs that are alike may follow each other; nothing is lost, and nothing changes its place.
    """
    listener = _Listener()
    for span in spans:
        yield from listener.hear(span)
    yield from listener.finish()


class _Listener:
    """Holds samples until it can be told whether they are silent."""

    def __init__(self) -> None:
        self._marker = Marker()
        self._held = bytearray()
        self._judged = 0  # bytes of these whose level was taken
        self._first = 0

    def hear(self, span: Span) -> Iterator[Run]:
        if span.first != self._first + len(self._held) // WIDTH:
            yield from self.finish()
            self._first = span.first
        self._held += span.pcm
        until = len(self._held) // _FRAME_BYTES * _FRAME_BYTES
        found = levels(bytes(self._held[self._judged : until]))
        self._judged = until
        yield from self._give(self._marker.hear(found))

    def finish(self) -> Iterator[Run]:
        rest = bytes(self._held[self._judged :])
        self._judged = len(self._held)
        yield from self._give(self._marker.hear(levels(rest)))
        yield from self._give(self._marker.finish())

    def _give(self, marks: Marks) -> Iterator[Run]:
        for stretch in alike(marks):
            size = stretch.frames * _FRAME_BYTES  # a last frame may be short: a slice is clipped
            span = Span(self._first, bytes(self._held[:size]))
            del self._held[:size]
            self._judged -= len(span.pcm)
            self._first = span.after
            yield Run(span, stretch.silent)


def levels(pcm: bytes | bytearray | memoryview) -> Levels:
    """How loud each frame is, in decibels below full scale; a rest shorter than a frame counts.

    What a cheap sound card adds to every sample is no sound: the mean of a frame is taken off.
    """
    import numpy as np

    samples = np.frombuffer(pcm, np.int16)
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = samples[:whole].reshape(-1, FRAME_SAMPLES).astype(np.float32)
    power = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES - frames.mean(axis=1) ** 2
    if whole < len(samples):
        power = np.append(power, samples[whole:].astype(np.float32).var())
    floor = 10.0 ** (_LOWEST / 10)
    found: Levels = (10 * np.log10(np.maximum(power / _FULL_SCALE**2, floor))).astype(np.float32)
    return found


class Threshold:
    """Below which level a recording is silent, from what was heard of it so far."""

    def __init__(self) -> None:
        import numpy as np

        self._counts = np.zeros(1 - _LOWEST)
        self._loud = float(_LOWEST)

    def hear(self, found: Levels) -> None:
        """Take levels into account; those of five minutes ago count for a third."""
        import numpy as np

        seconds = len(found) * FRAME_SECONDS
        self._counts *= np.exp(-seconds / _MEMORY_SECONDS)
        bins = np.clip(np.rint(found).astype(np.int64) - _LOWEST, 0, -_LOWEST)
        self._counts += np.bincount(bins, minlength=len(self._counts))
        self._loud = max(self._percentile(0.99), self._loud - _FORGET_LOUD * seconds)

    def level(self) -> float:
        """The level in decibels below full scale."""
        noise, loud = self._percentile(0.05), self._loud
        if loud < _STEADY_QUIET and loud - noise < _STEADY:
            return max(_NOTHING, loud + _ABOVE_NOISE)
        absolute = min(_QUIET, loud - _BELOW_LOUD)
        relative = min(noise + _ABOVE_NOISE, loud - _APART)
        return max(_NOTHING, absolute, relative)

    def _percentile(self, share: float) -> float:
        import numpy as np

        counts = self._counts[int(_DIGITAL) - _LOWEST :]
        total = counts.sum()
        if total <= 0:
            return float(_LOWEST)
        return float(np.searchsorted(np.cumsum(counts), share * total)) + _DIGITAL


class Marker:
    """Marks frames as silent or not, some seconds after they were heard."""

    def __init__(self) -> None:
        import numpy as np

        self._threshold = Threshold()
        self._waiting = np.empty(0, np.float32)

    def hear(self, found: Levels) -> Marks:
        """Take the levels of the next frames; give the marks of the next that can be told."""
        import numpy as np

        marks = [np.empty(0, np.bool_)]
        for at in range(0, len(found), _STEP_FRAMES):
            step = found[at : at + _STEP_FRAMES]
            self._threshold.hear(step)
            self._waiting = np.append(self._waiting, step)
            marks.append(self._mark(len(self._waiting) - _AHEAD_FRAMES))
        return np.concatenate(marks)

    def finish(self) -> Marks:
        """Give the marks of all that is left."""
        return self._mark(len(self._waiting))

    def _mark(self, count: int) -> Marks:
        ready, self._waiting = self._waiting[: max(0, count)], self._waiting[max(0, count) :]
        marks: Marks = ready < self._threshold.level()
        return marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Marks next to each other that are the same.

    Attributes:
        first: The number of the first.
        frames: How many.
        silent: What they say.
    """

    first: int
    frames: int
    silent: bool


def alike(marks: Marks) -> Iterator[Alike]:
    """Join marks that are the same."""
    import numpy as np

    if not len(marks):
        return
    changes = [0, *(np.flatnonzero(marks[1:] != marks[:-1]) + 1).tolist(), len(marks)]
    for at, after in pairwise(changes):
        yield Alike(first=at, frames=after - at, silent=bool(marks[at]))


def best_cut(pcm: bytes | bytearray | memoryview) -> int:
    """Where to cut sound so that it hurts least: the middle of its longest pause.

    Without a pause it is the quietest tenth of a second, the last of several.

    Args:
        pcm: Samples; at least one.

    Returns:
        The number of the sample to cut before; above 0 and at most as many as there are.
    """
    found = levels(pcm)
    count = len(pcm) // WIDTH
    threshold = Threshold()
    threshold.hear(found)
    silent = [run for run in alike(found < threshold.level()) if run.silent]
    if silent:
        run = max(silent, key=lambda run: (run.frames, run.first))
        middle = run.first + run.frames / 2
    else:
        middle = _quietest(found)
    return min(count, max(1, round(middle * FRAME_SAMPLES)))


def _quietest(found: Levels) -> float:
    """The middle of the five frames with the least power."""
    import numpy as np

    width = min(5, len(found))
    power = np.convolve(10.0 ** (found / 10), np.ones(width), "valid")
    last = len(power) - 1 - int(np.argmin(power[::-1]))
    return last + width / 2
