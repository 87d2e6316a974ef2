"""Decoding just so much of a recording as the looks at it need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from mediasense.errors import CorruptMedia
from mediasense.media.changes import changed_blocks, is_more_than_a_cursor
from mediasense.media.decoding import HINT, small_luma
from mediasense.media.looks import Group, Want
from mediasense.media.packets import Packets, picture_packets

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    _Packet = av.Packet[VideoStream]

# A group held until it is known whether it must be decoded; a larger one is decoded at once.
_HELD_BYTES = 64 * 1024 * 1024


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
        """Look wherever the groups want it, each moment once."""
        numbered = enumerate(self._all_packets())
        unsure: Group | None = None
        held: list[_Packet] = []
        latest: Look | None = None
        for group in map(self._bounded, (group for group in groups if group.wants)):
            members = _members(numbered, group.first, self._stop(group, group.if_differs))
            head = next(members, None)
            if head is None:
                return
            self._alive(group.first / len(self._packets.times))
            if unsure is not None and latest is not None and self._is_new(head, latest):
                yield from self._run(held, unsure, unsure.if_differs[1:])
            packets: Iterable[_Packet] = chain([head], members)
            unsure, held = None, []
            if group.if_differs:
                unsure, held = group, list(packets)
                packets = held[: self._stop(group, ()) - group.first + 1]
            for latest in self._run(packets, group, group.wants):
                yield latest

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
        needed = np.flatnonzero(self._packets.times[group.first : group.end] <= latest)
        return group.first + (int(needed[-1]) if len(needed) else 0)

    def _run(
        self, packets: Iterable[_Packet], group: Group, wants: tuple[Want, ...]
    ) -> Iterator[Look]:
        """Decode packets that begin with a key frame, and look at what is on screen when."""
        self._stream.codec_context.skip_frame = "DEFAULT" if group.sparse else "NONREF"
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

        context = self._stream.codec_context
        if context.is_open:
            context.flush_buffers()
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

    def _look(self, want: Want, frame: av.VideoFrame) -> Look:
        return Look(want, small_luma(frame, self._shrinker), frame)

    def _is_new(self, key: _Packet, latest: Look) -> bool:
        """Whether a key frame shows another screen; also when it cannot be decoded."""
        import av

        context = self._stream.codec_context
        context.flush_buffers()
        try:
            frames = [*context.decode(key), *context.decode(None)]
        except av.FFmpegError:
            return True
        self.decoded += len(frames)
        if not frames:
            return True
        blocks = changed_blocks(latest.luma, small_luma(frames[0], self._shrinker))
        return is_more_than_a_cursor(blocks)


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
