"""Where to look at a recording, decided by the sizes of its packets alone.

Between two key frames the picture stands, except where packets are larger than those of a picture
that stands. Each stretch that stands is looked at once, where that is cheapest: at a key frame in
it, or else just after what led to it, for which all from the key frame before must be decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mediasense.media.packets import Packets

STANDS_SECONDS = 0.8
"""What changes again sooner was on its way to something, or did not last."""

LOOKS_A_SECOND = 4

_NEAREST_KEYS = 0.5
_SETTLED_SECONDS = 0.3
_PATIENCE_SECONDS = 3.0
_ONE_GROUP_SECONDS = 4.0
_FLOOR_GROUPS = 3
# So soon after a key frame encoders make better what it left coarse, at a small part of its bytes.
_REFINING_SECONDS = 0.25
_REFINING_SHARE = 0.01
_FEW_A_SECOND = 5.0
# Where even the smallest packets are such a share of a key frame, sizes tell nothing.
_RESTLESS_SHARE, _RESTLESS_BYTES = 0.04, 256
_EVENT_SECONDS = 1.0
_IRREGULAR = 0.015  # of a second: less than a frame
_COMMON_SHARE = 0.1

# Bytes above those of a still picture, against the bytes that a block of the key frame takes. A
# cursor takes 10 blocks' worth at most, a status text of 80 by 16 pixels 16 or more.
_WEAK = 4.0
_STRONG = 12.0
_LEAST_WEAK, _LEAST_STRONG = 16, 64
# A cursor that moves makes all packets larger: what changes then must stand out, or be large.
_OUTSTANDING, _CERTAIN, _ENDING = 2.5, 4.0, 0.5
_AROUND = 15  # packets, half a second or so


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A moment to look at.

    Attributes:
        time: What is on screen at this second is looked at.
        since, until: As far as the packets tell it stands from and to there.
        event: Whether the packets before it say that more than a cursor changed.
    """

    time: float
    since: float
    until: float
    event: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packets that can be decoded without those before them.

    Attributes:
        first, end: Their numbers; ``end`` is that of the next group's first.
        wants: In order of time; without any nothing is decoded.
        if_differs: What to look at too when the next group begins with another picture.
        dense: Why all of it is looked at, several times a second; ``""`` where it is not.
        sparse: Whether it has few frames a second, each of which may stand long.
    """

    first: int
    end: int
    wants: tuple[Want, ...] = ()
    if_differs: tuple[Want, ...] = ()
    dense: str = ""
    sparse: bool = False


def groups_of(packets: Packets) -> list[Group]:
    """Cut the packets at key frames, those apart which are half a second apart at least."""
    import numpy as np

    keys = np.flatnonzero(packets.keys)
    starts, latest = [0], -np.inf
    if len(keys) and keys[0] == 0:
        latest = packets.times[0]
    for key in keys[keys > 0]:
        if packets.times[key] >= latest + _NEAREST_KEYS:
            starts.append(int(key))
            latest = packets.times[key]
    ends = [*starts[1:], len(packets.times)]
    return [Group(first=a, end=b) for a, b in zip(starts, ends, strict=True)]


def wants_at(packets: Packets, moments: Sequence[float]) -> list[Group]:
    """Look at given moments.

    Args:
        packets: At least one.
        moments: Seconds from the start of the recording, in order.
    """
    groups = groups_of(packets)
    begins = [float(packets.times[g.first]) for g in groups]
    wants: list[list[Want]] = [[] for _ in groups]
    at = 0
    for moment in moments:
        while at + 1 < len(groups) and begins[at + 1] <= moment:
            at += 1
        wants[at].append(Want(time=moment, since=moment, until=moment))
    return [replace(g, wants=tuple(w)) for g, w in zip(groups, wants, strict=True)]


def wants_for_changes(
    packets: Packets, blocks: float, coverage: float, start: float, end: float
) -> list[Group]:
    """Look wherever something may have come to stand.

    Args:
        packets: At least one.
        blocks: How many blocks of 16 x 16 pixels the picture has.
        coverage: Look at least once in so many seconds.
        start: Where the part of the recording begins that is looked at.
        end: Where it ends.
    """
    groups = _within(packets, groups_of(packets), start, end)
    spans = [_Span.of(packets, group) for group in groups]
    usual = _usual_interval(packets)
    planned: list[Group] = []
    before = _Before()
    for at, (group, span) in enumerate(zip(groups, spans, strict=True)):
        near = spans[max(0, at - _FLOOR_GROUPS) : at + _FLOOR_GROUPS + 1]
        floor = min(other.floor for other in near)
        busy = _Busy.of(span, floor, blocks, moving=before.moving)
        final = at + 1 == len(groups)
        regular = not final and span.last_interval >= usual - _IRREGULAR
        planned.append(
            _plan(
                group, span, busy, before, final=final, regular=regular, coverage=coverage,
                alone=len(groups) == 1,
            )
        )  # fmt: skip
        before = _Before.of(span, busy, regular=regular)
    return [_clipped(group, start, end) for group in planned]


def _usual_interval(packets: Packets) -> float:
    """Seconds after which a key frame comes when nothing calls for one sooner.

    That is the longest interval that comes again and again; infinite when none does.
    """
    import numpy as np

    intervals = np.diff(packets.times[packets.keys]).round(2)
    found, counts = np.unique(intervals, return_counts=True)
    common = found[counts >= max(2, _COMMON_SHARE * len(intervals))]
    return float(common[-1]) if len(common) else np.inf


def _within(packets: Packets, groups: list[Group], start: float, end: float) -> list[Group]:
    """The groups that show anything of a part; one at least."""
    begins = [float(packets.times[g.first]) for g in groups]
    kept = [
        group
        for at, group in enumerate(groups)
        if (at == 0 or begins[at] <= end) and (at + 1 == len(groups) or begins[at + 1] > start)
    ]
    return kept or groups[-1:]


def _clipped(group: Group, start: float, end: float) -> Group:
    def clip(wants: tuple[Want, ...]) -> tuple[Want, ...]:
        """Those within, and what is on screen at the start."""
        inside = [w for w in wants if start <= w.time <= end]
        before = [w for w in wants if w.time < start]
        if before and (not inside or inside[0].time > start):
            inside.insert(0, replace(before[-1], time=start))
        return tuple(replace(w, since=max(start, w.since)) for w in inside)

    return replace(group, wants=clip(group.wants), if_differs=clip(group.if_differs))


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The packets of a group in the order in which they are shown."""

    times: NDArray[np.float64]
    sizes: NDArray[np.int64]
    inner_keys: NDArray[np.bool_]
    key_size: int
    end: float
    floor: float

    @classmethod
    def of(cls, packets: Packets, group: Group) -> _Span:
        import numpy as np

        part = slice(group.first, group.end)
        order = np.argsort(packets.times[part], kind="stable")
        times, sizes = packets.times[part][order], packets.sizes[part][order]
        keys = packets.keys[part].copy()
        keys[0] = False
        others = packets.sizes[part][1:][~keys[1:]]
        after = packets.end if group.end == len(packets.times) else packets.times[group.end]
        return cls(
            times=times,
            sizes=np.where(order == 0, 0, sizes),  # the key frame itself is looked at anyway
            inner_keys=keys[order],
            key_size=int(packets.sizes[group.first]),
            end=max(float(after), float(times[-1])),
            floor=float(np.percentile(others, 10)) if len(others) else np.inf,
        )

    @property
    def start(self) -> float:
        return float(self.times[0])

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def last_interval(self) -> float:
        """From the last key frame to that of the next group."""
        last = self.times[self.inner_keys]
        return self.end - (float(last[-1]) if len(last) else self.start)

    @property
    def sparse(self) -> bool:
        return len(self.times) < _FEW_A_SECOND * self.seconds

    def settled(self, run: _Run) -> float:
        """A little after a run of changes."""
        return min(run.end + _SETTLED_SECONDS, float(self.times[-1]))

    def several_a_second(self, start: float, end: float, busy: _Busy) -> Iterator[Want]:
        """What is on screen at the end of each quarter of a second that brought anything."""
        import numpy as np

        low, high = np.searchsorted(self.times, [start, end])
        times = self.times[low : high + 1]
        cells = np.floor(times * LOOKS_A_SECOND)
        lasts = np.flatnonzero(np.append(cells[1:] != cells[:-1], True))
        for index in lasts:
            after = low + index + 1
            until = float(self.times[after]) if after < len(self.times) else self.end
            time = float(times[index])
            event = busy.changes(time - _EVENT_SECONDS, time)
            yield Want(time=time, since=time, until=until, event=event)


@dataclass(frozen=True, slots=True)
class _Run:
    """Larger packets, none of them long after the one before."""

    start: float
    end: float

    @property
    def long(self) -> bool:
        return self.end - self.start > _PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class _Busy:
    """Where packets are larger than those of a still picture, and much larger."""

    floor: float
    weak: list[_Run]
    strong: list[_Run]

    @classmethod
    def of(cls, span: _Span, floor: float, blocks: float, *, moving: bool) -> _Busy:
        above = span.sizes - min(floor, 1e18)
        a_block = span.key_size / blocks
        least = max(_LEAST_STRONG, _STRONG * a_block)
        outstanding = (above > _OUTSTANDING * _around(above)) | (above > _CERTAIN * least)
        strong = ((above > least) & outstanding) | span.inner_keys
        weak = (above > max(_LEAST_WEAK, _WEAK * a_block)) | strong
        refined = (span.times < span.start + _REFINING_SECONDS) & ~span.inner_keys
        if not moving and above[refined].sum() < _REFINING_SHARE * span.key_size:
            strong &= ~refined
            weak &= ~refined
        # What begins strong ends with what still stands out: the last letters of a line.
        ending = (above > _ENDING * least) & outstanding & weak
        began = span.times[strong]
        runs = [
            run
            for run in _runs(span.times[strong | ending])
            if ((began >= run.start) & (began <= run.end)).any()
        ]
        return cls(floor, _runs(span.times[weak]), runs)

    def changes(self, start: float, end: float) -> bool:
        """Whether anything changes much in these seconds."""
        return any(start <= run.end and run.start <= end for run in self.strong)


def _around(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """The middle one of the sizes before each, or of those after it if that is larger."""
    import numpy as np

    padded = np.pad(sizes, _AROUND, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _AROUND)
    middles = np.median(windows, axis=1)
    around: NDArray[np.float64] = np.maximum(
        middles[: len(sizes)], middles[_AROUND + 1 : _AROUND + 1 + len(sizes)]
    )
    return around


@dataclass(frozen=True, slots=True)
class _Before:
    """How a group ended.

    Attributes:
        since: Since when what stands at its end stands, if the next key frame shows just that.
        event: Whether anything changed in it.
        moving: Whether it ended in the midst of a change.
    """

    since: float | None = None
    event: bool = False
    moving: bool = False

    @classmethod
    def of(cls, span: _Span, busy: _Busy, *, regular: bool) -> _Before:
        moving = any(span.end - run.end < _SETTLED_SECONDS for run in busy.weak[-1:])
        told = regular and not moving and busy.strong
        return cls(
            since=busy.strong[-1].end if told else None,
            event=bool(busy.strong) or not regular,
            moving=moving,
        )


def _runs(times: NDArray[np.float64]) -> list[_Run]:
    import numpy as np

    if not len(times):
        return []
    gaps = np.flatnonzero(np.diff(times) > STANDS_SECONDS)
    starts = times[np.append(0, gaps + 1)]
    ends = times[np.append(gaps, len(times) - 1)]
    return [_Run(float(a), float(b)) for a, b in zip(starts, ends, strict=True)]


def _plan(
    group: Group,
    span: _Span,
    busy: _Busy,
    before: _Before,
    *,
    final: bool,
    regular: bool,
    coverage: float,
    alone: bool,
) -> Group:
    """What to look at in one group."""
    first = Want(
        time=span.start,
        since=span.start if before.since is None else before.since,
        until=busy.strong[0].start if busy.strong else span.end,
        event=before.event,
    )
    if span.seconds <= _NEAREST_KEYS * 1.5 and not final:
        return replace(group, wants=(first,))
    if dense := _why_dense(span, busy.floor, alone=alone):
        first = replace(first, until=first.time)
        wants = _in_order([first, *span.several_a_second(span.start, span.end, busy)])
        return replace(group, wants=wants, dense=dense, sparse=span.sparse)
    all_strong = _after(span, busy.strong, event=True)
    all_any = _after(span, busy.weak, event=False)
    inside = [
        want
        for run in busy.strong
        if run.long
        for want in span.several_a_second(run.start, run.end, busy)
    ]
    covering = [
        Want(time=span.start + n * coverage, since=span.start, until=span.end)
        for n in range(1, min(1000, int(span.seconds / coverage)) + 1)
    ]
    if final:
        last = float(span.times[-1])
        shown = Want(time=last, since=all_any[-1].since if all_any else span.start, until=span.end)
        wants = _in_order([first, *all_strong, *all_any, *inside, *covering, shown])
        return replace(group, wants=wants)
    # The last stretch goes on into the next group, whose key frame shows it: unless that key frame
    # comes early, which says that the encoder saw a new scene there.
    needed = all_strong[:-1] if regular else all_strong
    reach = max([w.time for w in (*needed, *inside, *covering)], default=span.start)
    among = [w for w in all_any if w.time <= reach]
    wants = _in_order([first, *needed, *among, *inside, *covering])
    spare: list[Want] = []
    if not busy.strong:
        spare = all_any[:-1] if regular else []
    return replace(group, wants=wants, if_differs=_in_order([first, *spare]) if spare else ())


def _why_dense(span: _Span, floor: float, *, alone: bool) -> str:
    """Why packets do not tell enough of where to look; ``""`` when they do."""
    if span.sparse:
        return "there are few in a second"
    if alone and span.seconds > _ONE_GROUP_SECONDS:
        return "the recording has one key frame only"
    if math.inf > floor > max(_RESTLESS_BYTES, _RESTLESS_SHARE * span.key_size):
        return "the picture never rests"
    return ""


def _after(span: _Span, runs: list[_Run], *, event: bool) -> list[Want]:
    """A look after each run: there it stands until the next, or until the group ends."""
    return [
        Want(
            time=span.settled(run),
            since=run.end,
            until=runs[at + 1].start if at + 1 < len(runs) else span.end,
            event=event,
        )
        for at, run in enumerate(runs)
    ]


def _in_order(wants: Sequence[Want]) -> tuple[Want, ...]:
    """In order of time, one for each moment: that which knows more."""
    best: dict[float, Want] = {}
    for want in wants:
        known = best.get(want.time, want)
        longer = max(known, want, key=lambda w: w.until - w.since)
        best[want.time] = replace(longer, event=known.event or want.event)
    return tuple(best[time] for time in sorted(best))
