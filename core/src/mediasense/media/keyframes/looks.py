"""Where to look at a recording, decided by the sizes of its packets alone.

Between two key frames the picture stands, except where packets are larger than those of a picture
that stands. Each stretch that stands is looked at once, where that is cheapest: at a key frame in
it, or else just after what led to it, for which all from the key frame before must be decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediasense.media.keyframes.spans import SETTLED_SECONDS, Busy, Run, Span

if TYPE_CHECKING:
    from mediasense.media.keyframes.packets import Packets

LOOKS_A_SECOND = 4

_NEAREST_KEYS = 0.5
_CLOSE_PICTURES = 5
_ONE_GROUP_SECONDS = 4.0
_FLOOR_GROUPS = 3
# Where even the smallest packets are such a share of a key frame, sizes tell nothing.
_RESTLESS_SHARE, _RESTLESS_BYTES = 0.04, 256
_EVENT_SECONDS = 1.0
_IRREGULAR = 0.015  # of a second: less than a frame
_COMMON_SHARE = 0.1


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
        quiet: Whether nothing in it says that the next key frame shows anything else.
        dense: Why all of it is looked at, several times a second; ``""`` where it is not.
        sparse: Whether each frame counts: there are few in a second, or as many are wanted.
    """

    first: int
    end: int
    wants: tuple[Want, ...] = ()
    if_differs: tuple[Want, ...] = ()
    quiet: bool = False
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
    # Where they are close, each picture counts, also those that others do not need.
    apart = (moments[-1] - moments[0]) / max(1, len(moments) - 1) if moments else math.inf
    length = float(packets.times.max() - packets.times.min())
    each = apart * len(packets.times) < _CLOSE_PICTURES * length
    begins = [float(packets.times[g.first]) for g in groups]
    wants: list[list[Want]] = [[] for _ in groups]
    at = 0
    for moment in moments:
        while at + 1 < len(groups) and begins[at + 1] <= moment:
            at += 1
        wants[at].append(Want(time=moment, since=moment, until=moment))
    return [replace(g, wants=tuple(w), sparse=each) for g, w in zip(groups, wants, strict=True)]


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
    spans = [Span.of(packets, group.first, group.end) for group in groups]
    usual = _usual_interval(packets)
    planned: list[Group] = []
    before = _Before()
    for at, (group, span) in enumerate(zip(groups, spans, strict=True)):
        near = spans[max(0, at - _FLOOR_GROUPS) : at + _FLOOR_GROUPS + 1]
        floor = min(other.floor for other in near)
        busy = Busy.of(span, floor, blocks, moving=before.moving)
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

    whole = not group.wants or start <= group.wants[0].time
    return replace(
        group,
        wants=clip(group.wants),
        if_differs=clip(group.if_differs),
        quiet=group.quiet and whole,
    )


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
    def of(cls, span: Span, busy: Busy, *, regular: bool) -> _Before:
        moving = any(span.end - run.end < SETTLED_SECONDS for run in busy.weak[-1:])
        told = regular and not moving and busy.strong
        return cls(
            since=busy.strong[-1].end if told else None,
            event=bool(busy.strong) or not regular,
            moving=moving,
        )


def _plan(
    group: Group,
    span: Span,
    busy: Busy,
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
    quiet = regular and not busy.strong
    if span.seconds <= _NEAREST_KEYS * 1.5 and not final:
        return replace(group, wants=(first,), quiet=quiet)
    if dense := _why_dense(span, busy.floor, alone=alone):
        first = replace(first, until=first.time)
        wants = _in_order([first, *_several_a_second(span, Run(span.start, span.end), busy)])
        return replace(group, wants=wants, dense=dense, sparse=span.sparse)
    all_strong = _after(span, busy.strong, event=True)
    all_any = _after(span, busy.weak, event=False)
    inside = [
        want for run in busy.strong if run.long for want in _several_a_second(span, run, busy)
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
    spare = all_any[:-1] if quiet else []
    return replace(
        group,
        wants=wants,
        if_differs=_in_order([first, *spare]) if spare else (),
        quiet=quiet and len(wants) == 1,
    )


def _why_dense(span: Span, floor: float, *, alone: bool) -> str:
    """Why packets do not tell enough of where to look; ``""`` when they do."""
    if span.sparse:
        return "there are few in a second"
    if alone and span.seconds > _ONE_GROUP_SECONDS:
        return "the recording has one key frame only"
    if math.inf > floor > max(_RESTLESS_BYTES, _RESTLESS_SHARE * span.key_size):
        return "the picture never rests"
    return ""


def _after(span: Span, runs: list[Run], *, event: bool) -> list[Want]:
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


def _several_a_second(span: Span, run: Run, busy: Busy) -> Iterator[Want]:
    """What is on screen at the end of each quarter of a second that brought anything."""
    import numpy as np

    low, high = np.searchsorted(span.times, [run.start, run.end])
    times = span.times[low : high + 1]
    cells = np.floor(times * LOOKS_A_SECOND)
    lasts = np.flatnonzero(np.append(cells[1:] != cells[:-1], True))
    for index in lasts:
        after = low + index + 1
        until = float(span.times[after]) if after < len(span.times) else span.end
        time = float(times[index])
        event = busy.changes(time - _EVENT_SECONDS, time)
        yield Want(time=time, since=time, until=until, event=event)


def _in_order(wants: Sequence[Want]) -> tuple[Want, ...]:
    """In order of time, one for each moment: that which knows more."""
    best: dict[float, Want] = {}
    for want in wants:
        known = best.get(want.time, want)
        longer = max(known, want, key=lambda w: w.until - w.since)
        best[want.time] = replace(longer, event=known.event or want.event)
    return tuple(best[time] for time in sorted(best))
