"""Decoding just so much of a recording as the looks at it need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from mediasense.errors import CorruptMedia
from mediasense.media.changes import changed_blocks, is_more_than_a_cursor
from mediasense.media.decoding import HINT, small_luma
from mediasense.media.keyframes.looks import Group, Want
from mediasense.media.keyframes.packets import Packets, picture_packets
from mediasense.media.keyframes.stretches import looked_at_anyway, where_it_changed

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    _Packet = av.Packet[VideoStream]

# A group held until it is known whether it must be decoded; a larger one is decoded at once.
_HELD_BYTES = 64 * 1024 * 1024
# Key frames that are decoded together: enough for a few processors, and little memory.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen at a moment. It holds the decoded picture: keep few at a time.

    Attributes:
        want: The moment.
        luma: As in :class:`mediasense.media.frames.Frame`.
        frame: The decoded picture.
    """

    want: Want
    luma: NDArray[np.uint8]
    frame: av.VideoFrame


@dataclass(slots=True, eq=False, kw_only=True)
class _Held:
    """A group of which what may be needed was read.

    Attributes:
        group: It.
        anyway: Whether it is looked at in any case.
        only_key: Whether its key frame is all that it is looked at for.
        compared: Whether its key frame tells something of the groups before it.
        packets: From its key frame on.
        needed: How many packets to decode for what is wanted in any case.
        rest: Further packets that are needed, read while they are decoded.
        key: Its key frame, once it was looked at; ``None`` too where that cannot be decoded.
        last: The last look at it.
    """

    group: Group
    anyway: bool
    only_key: bool
    compared: bool
    packets: list[_Packet]
    needed: int
    rest: Iterator[_Packet]
    key: Look | None = None
    last: Look | None = None

    def forget(self) -> None:
        """Let its pictures go."""
        self.key = self.last = None


class Watcher:
    """Looks at a recording, in order of time.

    Attributes:
        damage: What could not be decoded; ``""`` while all could.
        decoded: How many frames were decoded.
    """

    def __init__(
        self, container: InputContainer, packets: Packets, alive: Callable[[float], None]
    ) -> None:
        from av.video.reformatter import VideoReformatter

        from mediasense.media.decoding import picture_track

        self._container = container
        self._packets = packets
        self._alive = alive
        self._stream = picture_track(container)
        # Before it opens: the filter is left out only where no other frame builds on it.
        self._stream.codec_context.options = {"skip_loop_filter": "noref"}
        self._shrinker = VideoReformatter()
        self.damage = packets.damage
        self.decoded = 0

    def looks(self, groups: list[Group]) -> Iterator[Look]:
        """Look wherever the groups want it, each moment once.

        Key frames within a quiet stretch are passed over, unless its ends differ.
        """
        before: _Held | None = None
        passed: list[_Held] = []
        for batch in self._batches(groups):
            self._alive(batch[0].group.first / len(self._packets.times))
            self._look_at_keys([h for h in batch if h.anyway and (h.only_key or h.compared)])
            for held in batch:
                if not held.anyway:
                    passed.append(held)
                    continue
                yield from self._up_to(before, passed, held)
                before, passed = held, []
        if passed:  # the file ends sooner than it did
            self._look_at_keys(passed[-1:])
            yield from self._up_to(before, passed[:-1], passed[-1])

    def _batches(self, groups: list[Group]) -> Iterator[list[_Held]]:
        """Groups whose key frames are looked at together; one that is decoded on ends a batch."""
        wanted = [self._bounded(group) for group in groups if group.wants]
        numbered = enumerate(self._all_packets())
        batch: list[_Held] = []
        previous: _Held | None = None
        size = 0
        for group, anyway in zip(wanted, looked_at_anyway(wanted, self._packets), strict=True):
            held = self._read(numbered, group, anyway or size > _HELD_BYTES, previous)
            if held is None:
                break
            batch.append(held)
            previous = held
            size += sum(packet.size for packet in held.packets)
            full = size > _HELD_BYTES or sum(h.anyway for h in batch) >= _AT_ONCE
            if full or not held.only_key:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _read(
        self,
        numbered: Iterator[tuple[int, _Packet]],
        group: Group,
        anyway: bool,
        previous: _Held | None,
    ) -> _Held | None:
        needed = self._stop(group, ())
        members = _members(numbered, group.first, self._stop(group, group.if_differs))
        head = next(members, None)
        if head is None:
            return None
        return _Held(
            group=group,
            anyway=anyway,
            only_key=needed == group.first,
            compared=previous is not None
            and (not previous.anyway or bool(previous.group.if_differs)),
            packets=[head, *(members if group.if_differs else ())],
            needed=needed - group.first + 1,
            rest=members,
        )

    def _up_to(self, before: _Held | None, passed: list[_Held], held: _Held) -> Iterator[Look]:
        """What came between two groups, and all that is wanted of the second."""
        if before is not None:
            yield from self._between(before, passed, held)
            before.forget()
        if not held.only_key:
            packets = chain(held.packets[: held.needed], held.rest)
            for look in self._run(packets, held.group, held.group.wants):
                held.last = look
                yield look
        elif held.key is not None:
            held.last = held.key
            yield held.key

    def _between(self, before: _Held, passed: list[_Held], after: _Held) -> Iterator[Look]:
        """What stands between two groups, where they differ."""
        latest = before
        found = where_it_changed(before, passed, after, self._looked_at, _differ)
        for held in chain(found, [after]):
            further = latest.group.if_differs[1:]
            if further and _differ(latest, held):
                yield from self._run(latest.packets, latest.group, further)
            latest.forget()
            if held is not after and held.key is not None:
                yield held.key
            latest = held

    def _looked_at(self, held: _Held) -> _Held:
        self._look_at_keys([held])
        held.last = held.key
        return held

    def _look_at_keys(self, several: list[_Held]) -> None:
        """Decode key frames by themselves, at once if that can be: it uses all processors."""
        moments = {held.packets[0].pts for held in several}
        frames: dict[int | None, av.VideoFrame] = {}
        if len(several) > 1 and len(moments) == len(several) and None not in moments:
            frames = {frame.pts: frame for frame in self._together([h.packets[0] for h in several])}
        for held in several:
            frame = frames.pop(held.packets[0].pts, None) or self._alone(held)
            if frame is not None:
                self.decoded += 1
                held.key = self._look(held.group.wants[0], frame)

    def _together(self, keys: list[_Packet]) -> Iterator[av.VideoFrame]:
        """Key frames that need nothing that is between them; not all, where a decoder fails."""
        import av

        context = self._fresh(sparse=False)
        with suppress(av.FFmpegError):
            for packet in (*keys, None):
                yield from context.decode(packet)

    def _alone(self, held: _Held) -> av.VideoFrame | None:
        frames = [frame for _, frame in self._decode(held.packets[:1], held.group)]
        return frames[-1] if frames else None

    def _bounded(self, group: Group) -> Group:
        """A group too large to be held until it is known whether it is needed is looked at."""
        reach = self._stop(group, group.if_differs) + 1
        if not group.if_differs or self._packets.sizes[group.first : reach].sum() <= _HELD_BYTES:
            return group
        return replace(group, wants=group.if_differs, if_differs=())

    def _all_packets(self) -> Iterator[_Packet]:
        """Those that were counted: what broke off then is not read again."""
        import av

        try:
            yield from islice(
                picture_packets(self._container, self._stream), len(self._packets.times)
            )
        except av.FFmpegError as error:
            self.damage = self.damage or str(error.strerror)

    def _stop(self, group: Group, further: tuple[Want, ...]) -> int:
        """The number of the last packet that is needed to see what is wanted."""
        import numpy as np

        latest = max(want.time for want in (*group.wants, *further))
        times = self._packets.times[group.first : group.end]
        # What is shown before the key frame is stored after it, and belongs to the group before.
        needed = np.flatnonzero((times <= latest) & (times >= times[0]))
        return group.first + (int(needed[-1]) if len(needed) else 0)

    def _run(
        self, packets: Iterable[_Packet], group: Group, wants: tuple[Want, ...]
    ) -> Iterator[Look]:
        """Decode packets that begin with a key frame, and look at what is on screen when."""
        left = list(reversed(wants))
        current: av.VideoFrame | None = None
        for time, frame in self._decode(packets, group):
            while current is not None and left and left[-1].time < time:
                yield self._look(left.pop(), current)
                while left and left[-1].time < time:
                    left.pop()  # what is on screen then was just given
            current = frame
        if current is not None and left:
            yield self._look(left[-1], current)

    def _decode(
        self, packets: Iterable[_Packet], group: Group
    ) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames, and when each is shown."""
        import av

        context = self._fresh(sparse=group.sparse)
        shown: dict[int, float] = {}
        time = float(self._packets.times[group.first])
        for number, packet in enumerate(chain(packets, [None]), group.first):
            if packet is not None and packet.pts is not None:
                shown[packet.pts] = float(self._packets.times[number])
            try:
                frames = context.decode(packet)
            except av.FFmpegError as error:
                self.damage = self.damage or str(error.strerror)
                continue
            for frame in frames:
                self.decoded += 1
                if self.decoded % 25 == 0:
                    self._alive(number / max(1, len(self._packets.times)))
                fallback = float(self._packets.times[min(number, group.end - 1)])
                told = fallback if frame.pts is None else shown.pop(frame.pts, fallback)
                time = max(time, told)
                yield time, frame

    def _fresh(self, *, sparse: bool) -> VideoCodecContext:
        """The decoder, ready for a key frame."""
        context = self._stream.codec_context
        if context.is_open:
            context.flush_buffers()
        context.skip_frame = "DEFAULT" if sparse else "NONREF"
        return context

    def _look(self, want: Want, frame: av.VideoFrame) -> Look:
        return Look(want, small_luma(frame, self._shrinker), frame)


def _differ(before: _Held, after: _Held) -> bool:
    """Whether a key frame shows another screen than what was seen before; or is broken."""
    if before.last is None or after.key is None:
        return True
    return is_more_than_a_cursor(changed_blocks(before.last.luma, after.key.luma))


def _members(numbered: Iterator[tuple[int, _Packet]], first: int, last: int) -> Iterator[_Packet]:
    """The packets of these numbers; what comes before is passed over."""
    for number, packet in numbered:
        if number >= first:
            yield packet
        if number >= last:
            return


def nothing_decodes(damage: str) -> CorruptMedia:
    """The error for a recording of which no frame can be decoded."""
    return CorruptMedia(
        f"no picture of the recording can be decoded: {damage or 'it holds no frame'}", hint=HINT
    )
