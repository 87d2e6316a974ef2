"""Where a recording is cut: at which key frames, so that no part is too long or too large."""

from __future__ import annotations

import statistics
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field

from mediasense.errors import MediaTooLarge

FILE_BYTES = 4096
"""What an MP4 has besides its packets and its index, at most; measured 1.3 kB with two tracks."""

PACKET_BYTES = 40
"""What the index of an MP4 has for a packet, at most: size, time, shift, chunk, key frame."""

_NEAR_SECONDS = 0.5
_EARLY = 0.9
_LARGE = 1.8
_NEIGHBOURS = 2
_SHORTEST_PART = 0.5
_MOST_PARTS = 1000


@dataclass(slots=True)
class Groups:
    """The groups of pictures of a recording, and its sound.

    A group begins with a key frame: a part of a recording that begins with one can be played.

    Attributes:
        starts: Seconds at which the groups are first shown.
        key_bytes: Sizes of their key frames.
        picture_bytes: What the groups before each have, and what all have.
        sound_starts: Seconds at which the packets of sound begin.
        sound_bytes: What the packets before each have, and what all have.
        longest_sound: Seconds that one packet of sound lasts, at most.
        end: Seconds at which pictures and sound are over.
    """

    starts: array[float] = field(default_factory=lambda: array("d"))
    key_bytes: array[int] = field(default_factory=lambda: array("q"))
    picture_bytes: array[int] = field(default_factory=lambda: array("q", [0]))
    sound_starts: array[float] = field(default_factory=lambda: array("d"))
    sound_bytes: array[int] = field(default_factory=lambda: array("q", [0]))
    longest_sound: float = 0.0
    end: float = 0.0

    def add_picture(self, *, start: float, end: float, size: int, begins_group: bool) -> None:
        """Count a picture, in the order of decoding."""
        if begins_group:
            self.starts.append(start)
            self.key_bytes.append(size)
            self.picture_bytes.append(self.picture_bytes[-1])
        self.picture_bytes[-1] += size + PACKET_BYTES
        self.end = max(self.end, end)

    def add_sound(self, *, start: float, end: float, size: int) -> None:
        """Count a packet of sound, in the order of time."""
        self.sound_starts.append(start)
        self.sound_bytes.append(self.sound_bytes[-1] + size + PACKET_BYTES)
        self.longest_sound = max(self.longest_sound, end - start)
        self.end = max(self.end, end)

    def seconds(self, first: int, after: int) -> float:
        """How long a file with some of the groups may last: its last sound may run over."""
        if after == len(self.starts):
            return self.end - self.starts[first]
        return self.starts[after] - self.starts[first] + self.longest_sound

    def bytes(self, first: int, after: int) -> int:
        """How large a file with some of the groups may be."""
        pictures = self.picture_bytes[after] - self.picture_bytes[first]
        begin = bisect_left(self.sound_starts, self.starts[first]) if first else 0
        last = after == len(self.starts)
        end = len(self.sound_starts)
        if not last:
            end = bisect_left(self.sound_starts, self.starts[after])
        return FILE_BYTES + pictures + self.sound_bytes[end] - self.sound_bytes[begin]

    def is_scene(self, group: int) -> bool:
        """Whether a group begins with a new scene.

        An encoder puts a key frame there before it is due; one that makes key frames at regular
        intervals only makes a large one.
        """
        if 0 < group < len(self.starts) and self._usual > 0:
            passed = self.starts[group] - self.starts[group - 1]
            if passed < _EARLY * self._usual:
                return True
        around = [
            self.key_bytes[other]
            for other in range(group - _NEIGHBOURS, group + _NEIGHBOURS + 1)
            if other != group and 0 <= other < len(self.key_bytes)
        ]
        return bool(around) and self.key_bytes[group] > _LARGE * statistics.median(around)

    @property
    def _usual(self) -> float:
        if not self._interval and len(self.starts) > 2:
            pairs = zip(self.starts, self.starts[1:], strict=False)
            self._interval.append(statistics.median(after - before for before, after in pairs))
        return self._interval[0] if self._interval else 0.0

    _interval: list[float] = field(default_factory=list, repr=False)


def choose_cuts(
    groups: Groups,
    *,
    first: int = 0,
    max_bytes: int | None = None,
    max_seconds: float | None = None,
    pauses: tuple[float, ...] = (),
) -> tuple[int, ...]:
    """Choose the groups with which a new part begins.

    Each part is as long as its limits allow, or up to half of that shorter where that lets it end
    in a pause or, where there is none, with a scene.

    Args:
        groups: The whole recording.
        first: The group with which the first part begins.
        max_bytes: Of a file with one part.
        max_seconds: Of one part.
        pauses: Seconds at which nobody speaks.

    Returns:
        The groups, in order, without ``first``.

    Raises:
        MediaTooLarge: One group alone is over a limit, or there would be too many parts.
    """
    quiet = sorted(pauses)
    cuts: list[int] = []
    begin, count = first, len(groups.starts)
    while not _fits(groups, begin, count, max_bytes, max_seconds):
        last = _last_that_fits(groups, begin, max_bytes, max_seconds)
        if last == begin:
            raise _too_large(groups, begin)
        begin = _best(groups, begin, last, quiet)
        cuts.append(begin)
        if len(cuts) >= _MOST_PARTS:
            raise MediaTooLarge(
                f"the recording would be cut into more than {_MOST_PARTS} parts",
                hint="ask about a part of it, with --start and --end",
            )
    return tuple(cuts)


def _fits(
    groups: Groups, begin: int, after: int, max_bytes: int | None, max_seconds: float | None
) -> bool:
    return (max_bytes is None or groups.bytes(begin, after) <= max_bytes) and (
        max_seconds is None or groups.seconds(begin, after) <= max_seconds
    )


def _last_that_fits(
    groups: Groups, begin: int, max_bytes: int | None, max_seconds: float | None
) -> int:
    """The last group before which the part may end; ``begin`` when there is none."""
    fits, exceeds = begin, len(groups.starts)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if _fits(groups, begin, middle, max_bytes, max_seconds):
            fits = middle
        else:
            exceeds = middle
    return fits


def _best(groups: Groups, begin: int, last: int, pauses: list[float]) -> int:
    reach = groups.starts[last] - groups.starts[begin]
    earliest = groups.starts[begin] + _SHORTEST_PART * reach
    candidates = [
        group for group in range(last, begin, -1) if groups.starts[group] >= earliest
    ] or [last]
    for group in candidates:
        if _is_near(groups.starts[group], pauses):
            return group
    return next((group for group in candidates if groups.is_scene(group)), last)


def _is_near(seconds: float, pauses: list[float]) -> bool:
    following = bisect_left(pauses, seconds - _NEAR_SECONDS)
    return following < len(pauses) and pauses[following] <= seconds + _NEAR_SECONDS


def _too_large(groups: Groups, begin: int) -> MediaTooLarge:
    after = begin + 1
    return MediaTooLarge(
        f"the recording cannot be cut small enough: from {groups.starts[begin]:.1f} s on it has "
        f"{groups.bytes(begin, after)} bytes and {groups.seconds(begin, after):.1f} s without a "
        "key frame",
        hint="encode it again with more key frames",
    )
