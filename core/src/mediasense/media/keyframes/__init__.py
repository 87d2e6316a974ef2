"""The key frames of a recording: each screen once, and none that is not worth paying for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UsageError
from mediasense.media.decoding import picture_track
from mediasense.media.keyframes.budget import Candidate, FrameReason, evenly, within_budget
from mediasense.media.keyframes.choosing import Chooser
from mediasense.media.keyframes.looks import Group, wants_at, wants_for_changes
from mediasense.media.keyframes.packets import Packets, read_packets
from mediasense.media.keyframes.stills import Still, StillSize, StillWriter, still_writer
from mediasense.media.keyframes.watching import Look, Watcher, nothing_decodes
from mediasense.media.recordings import open_recording

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["ChosenFrame", "FrameReason", "KeyFrames", "choose_key_frames", "frames_at"]

_COVERAGE_SECONDS = 30.0
_READING = 0.1  # of the progress
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFrame:
    """A picture of a recording.

    Attributes:
        timestamp: Seconds from the start of the recording since when it is on screen.
        reason: Why it was chosen: ``first`` and ``last`` of what was watched, a ``new screen``, a
            smaller ``change``, for even ``coverage``, or ``asked`` for.
        path: A JPEG.
        size: Its bytes.
        width, height: Its pixels, upright.
    """

    timestamp: float
    reason: FrameReason
    path: Path
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrames:
    """What was chosen of a recording.

    Attributes:
        frames: In order of time.
        worthwhile: How many deserved to be kept, or were asked for, before they were thinned;
            ``len(frames)`` at least.
        method: How they were found, in a few words.
        end: The second up to which the recording was watched.
        damage: What is wrong where it breaks off; ``""`` for one that is whole.
    """

    frames: tuple[ChosenFrame, ...]
    worthwhile: int
    method: str
    end: float
    damage: str = ""


def choose_key_frames(
    source: Path,
    folder: Path,
    *,
    most: int,
    every: float | None = None,
    start: float | None = None,
    end: float | None = None,
    max_width: int = 1920,
    max_height: int = 1920,
    max_bytes: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> KeyFrames:
    """Choose the pictures of a recording that show all there is to see.

    A picture is chosen when it differs from the one chosen before by more than a cursor, a caret
    or a spinner, and stands for about a second. A screen that comes back is chosen again only when
    it stands longer each time: 1, 4, 16 seconds. Fades and scrolling are waited for; of what never
    rests, a picture is chosen each 3 seconds. What was chosen last is chosen again after 30 seconds
    (or the span divided by ``most``, if that is longer), and the last picture of all always is: as
    the one chosen before it, if that shows the same and is no older than 10 seconds.

    Packets are read without decoding them: their sizes say where the picture changes. Decoded are
    key frames, and what follows them up to where something stands that no key frame shows. Where
    nothing changes by the sizes, that is one key frame in 8 seconds, unless two of them differ.

    Args:
        source: The recording.
        folder: Where the pictures go; it exists.
        most: How many pictures at most; 1 or more.
        every: Instead of choosing: one each so many seconds; thinned evenly to ``most``.
        start: Where to begin, in seconds from the start of the recording.
        end: Where to stop, in the same seconds.
        max_width: Wider pictures are scaled down to fit, as they are seen.
        max_height: Higher ones too.
        max_bytes: Of each picture, for which its quality, then its size is lowered.
        on_progress: Told the share of the work that is done, 0 to 1.

    Returns:
        One picture at least. Of a damaged recording, what can be decoded.

    Raises:
        UsageError: ``most``, ``every``, a limit or the part is not above 0.
        UnsupportedMedia: The file holds no moving pictures, or names other files.
        CorruptMedia: None of its pictures can be decoded.
        MediaTooLarge: Its pictures, or their number, are larger than anything taken, or no picture
            fits into ``max_bytes``.
    """
    _require_sense(most, every, start, end, max_width, max_height)
    size = StillSize(width=max_width, height=max_height, max_bytes=max_bytes)
    report = on_progress or _ignore
    with open_recording(source, str(source)) as container:
        stream = picture_track(container)
        packets = read_packets(container, stream, lambda: report(0.0))
        blocks = max(1.0, stream.codec_context.width * stream.codec_context.height / 256)
    if not len(packets.times):
        raise nothing_decodes(packets.damage)
    part = _Part.of(packets, start, end)
    with open_recording(source, str(source)) as container, still_writer(folder, size) as writer:
        watching = _Watching(container, packets, part, writer, report)
        if every is not None:
            return watching.regularly(every, most)
        return watching.changes(most, blocks)


def frames_at(
    source: Path,
    folder: Path,
    *,
    moments: tuple[float, ...],
    max_width: int = 1920,
    max_height: int = 1920,
    max_bytes: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> KeyFrames:
    """Give what a recording shows at given moments.

    Args:
        source: The recording.
        folder: Where the pictures go; it exists.
        moments: Seconds from the start of the recording, in order; one at least.
        max_width: As for :func:`choose_key_frames`.
        max_height: As there.
        max_bytes: As there.
        on_progress: As there.

    Returns:
        One picture for each moment; of moments that show the same picture, for the first of them.
        Of a damaged recording, what can be decoded.

    Raises:
        UsageError: There is no moment, or a limit is not above 0.
        UnsupportedMedia, CorruptMedia, MediaTooLarge: As for :func:`choose_key_frames`.
    """
    _require_sense(len(moments), None, moments[0] if moments else None, None, max_width, max_height)
    size = StillSize(width=max_width, height=max_height, max_bytes=max_bytes)
    report = on_progress or _ignore
    with open_recording(source, str(source)) as container:
        packets = read_packets(container, picture_track(container), lambda: report(0.0))
    if not len(packets.times):
        raise nothing_decodes(packets.damage)
    part = _Part.of(packets, moments[0], moments[-1])
    with open_recording(source, str(source)) as container, still_writer(folder, size) as writer:
        return _Watching(container, packets, part, writer, report).at(moments)


def _ignore(_: float) -> None:
    pass


def _require_sense(
    most: int,
    every: float | None,
    start: float | None,
    end: float | None,
    max_width: int,
    max_height: int,
) -> None:
    if min(most, max_width, max_height) < 1:
        raise UsageError("frames, and their pixels, must be 1 or more", hint="raise the limit")
    if every is not None and not 0 < every < math.inf:
        raise UsageError(f"frames cannot be {every} seconds apart", hint="give seconds above 0")
    begins = start or 0.0
    if not math.isfinite(begins) or (end is not None and not end >= begins):
        raise UsageError("the part of the recording ends before it starts", hint="check the times")


@dataclass(frozen=True, slots=True)
class _Part:
    """Seconds of a recording."""

    start: float
    end: float

    @classmethod
    def of(cls, packets: Packets, start: float | None, end: float | None) -> _Part:
        last = float(packets.times.max())
        first = max(0.0, start or 0.0)
        return cls(first, max(first, last if end is None else min(end, last)))


class _Watching:
    """One pass over a recording."""

    def __init__(
        self,
        container: InputContainer,
        packets: Packets,
        part: _Part,
        writer: StillWriter,
        report: Callable[[float], None],
    ) -> None:
        self._packets = packets
        self._part = part
        self._writer = writer
        self._report = report
        self._watcher = Watcher(
            container, packets, lambda share: report(_READING + (1 - _READING) * share)
        )

    def regularly(self, every: float, most: int) -> KeyFrames:
        """One picture each so many seconds."""
        moments = evenly(self._part.start, self._part.end, every, most)
        frames = self._asked(moments)
        worthwhile = len(frames)
        if len(moments) == most:
            worthwhile = max(worthwhile, self._shown_regularly(every))
        return self._result(frames, worthwhile, "at regular times")

    def at(self, moments: Sequence[float]) -> KeyFrames:
        """One picture for each moment."""
        frames = self._asked(moments)
        return self._result(frames, len(frames), "at given times")

    def _asked(self, moments: Sequence[float]) -> list[ChosenFrame]:
        groups = wants_at(self._packets, moments)
        written = [(look.want.time, self._write(look)) for look in self._watcher.looks(groups)]
        return [_key_frame(time, "asked", still.result()) for time, still in written]

    def _shown_regularly(self, every: float) -> int:
        """How many pictures are on screen at one of the regular times, however many those are."""
        import numpy as np

        part = self._part
        count = int(min(1e9, (part.end - part.start) / every)) + 1
        with np.errstate(all="ignore"):
            before = np.ceil((np.sort(self._packets.times) - part.start - _ROUNDING) / every)
        moments = np.append(np.clip(before, 0, count), count)
        return int(np.count_nonzero(np.diff(moments)))

    def changes(self, most: int, blocks: float) -> KeyFrames:
        """Whatever is new."""
        part = self._part
        coverage = max(_COVERAGE_SECONDS, (part.end - part.start) / most)
        groups = wants_for_changes(self._packets, blocks, coverage, part.start, part.end)
        chooser: Chooser[Look, Future[Still]] = Chooser(
            keep=self._write, coverage=coverage, most=most, drop=_remove
        )
        for look in self._watcher.looks(groups):
            chooser.see(look)
        if not chooser.candidates:
            raise nothing_decodes(self._watcher.damage)
        chooser.finish()
        chosen = within_budget(chooser.candidates, most)
        _remove_others(chooser.candidates, chosen)
        frames = [_key_frame(c.timestamp, c.reason, c.kept.result()) for c in chosen]
        return self._result(frames, chooser.worthwhile, _method(groups))

    def _write(self, look: Look) -> Future[Still]:
        return self._writer.write(look.frame)

    def _result(self, frames: list[ChosenFrame], worthwhile: int, method: str) -> KeyFrames:
        if not frames:
            raise nothing_decodes(self._watcher.damage)
        self._report(1.0)
        return KeyFrames(
            frames=tuple(frames),
            worthwhile=worthwhile,
            method=method,
            end=min(self._part.end, self._packets.end),
            damage=self._watcher.damage,
        )


def _remove(still: Future[Still]) -> None:
    still.result().path.unlink(missing_ok=True)


def _remove_others(
    all_of_them: list[Candidate[Future[Still]]], chosen: list[Candidate[Future[Still]]]
) -> None:
    stay = {id(candidate) for candidate in chosen}
    for candidate in all_of_them:
        if id(candidate) not in stay:
            _remove(candidate.kept)


def _key_frame(timestamp: float, reason: FrameReason, still: Still) -> ChosenFrame:
    return ChosenFrame(
        timestamp=timestamp,
        reason=reason,
        path=still.path,
        size=still.size,
        width=still.width,
        height=still.height,
    )


def _method(groups: list[Group]) -> str:
    """How most of the recording was looked at."""
    packets: dict[str, int] = {}
    for group in groups:
        packets[group.dense] = packets.get(group.dense, 0) + group.end - group.first
    reason = max(packets, key=packets.__getitem__, default="")
    found = f"every frame, as {reason}" if reason else "key frames and outstanding packets"
    return f"found in {found}"
