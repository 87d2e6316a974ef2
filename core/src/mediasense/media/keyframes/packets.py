"""The packets of a recording: how large each is, and when it is shown. Reading them is nearly free.

A packet far larger than its neighbours holds a change of the picture; where all are small, the
picture stands still. So the sizes say where to decode.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediasense.errors import MediaTooLarge
from mediasense.media.decoding import Clock
from mediasense.media.demuxing import demux

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# Two days at 60 a second: 170 MB of numbers.
_MOST = 10_000_000
_ALIVE_EVERY = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """All packets of the picture track, in the order of the file.

    Attributes:
        times: Seconds from the start of the recording to when each is shown.
        sizes: Bytes.
        keys: Whether decoding can begin there.
        end: Second at which the last one goes.
        damage: Why there are no more, when that was an error; else ``""``.
    """

    times: NDArray[np.float64]
    sizes: NDArray[np.int64]
    keys: NDArray[np.bool_]
    end: float
    damage: str


def picture_packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[av.Packet[VideoStream]]:
    """The packets that hold something: counted alike each time that the file is read."""
    for packet in demux(container, stream):
        if packet.size:
            yield packet


def read_packets(
    container: InputContainer, stream: VideoStream, alive: Callable[[], None]
) -> Packets:
    """Read the packets without decoding any.

    Args:
        container: Just opened.
        stream: Of its pictures.
        alive: Called now and then.

    Raises:
        MediaTooLarge: There are more than ten million.
    """
    import av
    import numpy as np

    times, sizes, keys = array("d"), array("q"), array("b")
    clock, damage, last = _PacketClock(container, stream), "", 0.0
    try:
        for packet in picture_packets(container, stream):
            if len(times) >= _MOST:
                raise MediaTooLarge("the recording has too many frames", hint="cut it first")
            if len(times) % _ALIVE_EVERY == 0:
                alive()
            times.append(clock.shown(packet))
            sizes.append(packet.size)
            keys.append(packet.is_keyframe)
            last = max(last, times[-1] + clock.lasts(packet))
    except av.FFmpegError as error:
        damage = str(error.strerror)
    return Packets(
        times=np.array(times),
        sizes=np.array(sizes),
        keys=np.array(keys, np.bool_),
        end=last,
        damage=damage,
    )


class _PacketClock:
    """When packets are shown, which is not the order in which they are stored."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._clock = Clock(container, stream)
        self._base = float(stream.time_base or 1)
        self._usual = 1 / float(stream.average_rate or 25)

    def shown(self, packet: av.Packet[VideoStream]) -> float:
        self._clock.packets += 1
        if packet.pts is not None and packet.dts is None:
            # Out of order perhaps, which is no sign of another recording that was joined.
            return self._clock.since_start(packet.pts * self._base)
        moment = self._clock.moment(packet.dts * self._base if packet.dts is not None else None)
        if packet.pts is None or packet.dts is None:
            return moment
        # The clock never gives less than 0; a packet stored before the start is shown after it.
        ahead = max(0.0, (packet.pts - packet.dts) * self._base)
        return max(0.0, moment + min(0.0, self._clock.told) + ahead)

    def lasts(self, packet: av.Packet[VideoStream]) -> float:
        told = packet.duration * self._base if packet.duration else 0.0
        return told if 0 < told < math.inf else self._usual
