"""How far a recording can be played, whatever its container says.

A length is looked for at the end of the file, never by reading it all: one seek for a whole file,
some twenty for one that breaks off.
"""

from __future__ import annotations

import io
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from mediasense.media.demuxing import demux

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

# A container may round its length up by about a frame of sound and one of video.
_SLACK_SECONDS = 0.3
_TAIL_SECONDS = 1.0
_TAIL_BYTES = 64 * 1024 * 1024
_MEASURE_SECONDS = 10.0
_PROBES = 40

# A subtitle may claim to stand for hours.
_LONGEST_PACKET = 60.0

# Containers without a length, of packets that say how long they are.
_COUNTED = ("aac", "ac3", "amr", "eac3", "mp3")
_COUNTED_BYTES = 64 * 1024 * 1024

# Nothing with pictures has fewer bits a second; timestamps that jump look like that.
_LEAST_BIT_RATE = 16_000

_CLUSTER = b"\x1f\x43\xb6\x75"
_IN_CLUSTER = b"\xe7\xbf\xec\xa7\xab\xa3\xa0"
_HEAD_BYTES = 16 * 1024 * 1024
_FIRST_TAIL_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a recording can be played.

    Attributes:
        seconds: Its length; ``None`` when that cannot be found out.
        damage: What is wrong with its end; ``""`` for a whole one.
    """

    seconds: float | None
    damage: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """Where the packets that were read end, and whether there are no more."""

    end: float | None
    to_the_last: bool


def measure(container: InputContainer, *, states_length: bool) -> Extent:
    """Find how far an open recording can be played.

    Args:
        container: The recording; its position moves.
        states_length: Whether a container of this kind holds its length. Of others FFmpeg has it
            from the last timestamps, or guesses it from the bit rate.
    """
    stated = container.duration / 1e6 if container.duration else None
    kind = container.format.name.partition(",")[0]
    if kind in _COUNTED and container.size <= _COUNTED_BYTES:
        return Extent(seconds=counted_seconds(container) or stated)
    if stated is None:
        return Extent(seconds=_read_from(container, None, math.inf).end)
    if states_length:
        return _checked(container, stated)
    if container.streams.video and container.size * 8 / stated < _LEAST_BIT_RATE:
        return Extent(seconds=counted_seconds(container) or stated)
    return Extent(seconds=stated)


def judge(stated: float | None, end: float | None) -> Extent:
    """Compare the length a container states with where its packets end, both in seconds."""
    if stated is None or end is None or end >= stated - _SLACK_SECONDS:
        return Extent(seconds=end if stated is None else stated)
    return Extent(
        seconds=end, damage=f"it should last {stated:.1f} s and breaks off near {end:.1f} s"
    )


def counted_seconds(container: InputContainer) -> float | None:
    """Add up how long the packets last, from the start to as far as may be read in a moment."""
    import av

    lasting: dict[int, float] = {}
    read, limit = 0, time.monotonic() + _MEASURE_SECONDS
    with suppress(av.FFmpegError):
        _go_to(container, 0.0)
        for packet in demux(container, _heard_and_seen(container)):
            if packet.duration and packet.time_base:
                seconds = float(packet.duration * packet.time_base)
                lasting[packet.stream_index] = lasting.get(packet.stream_index, 0.0) + seconds
            read += packet.size
            if read > 4 * _COUNTED_BYTES or time.monotonic() > limit:
                return None
    return max(lasting.values(), default=None)


def last_end(container: InputContainer, origin: float) -> float | None:
    """Where the packets from here on end, in seconds after ``origin``."""
    return _read_from(container, None, math.inf, origin).end


def matroska_end(file: BinaryIO, head: bytes, tail_bytes: int) -> BinaryIO | None:
    """A short Matroska file: the beginning of this one, and what fits of its end.

    FFmpeg reads a whole Matroska file to seek in one without an index: what a browser records has
    none, and neither has one that was cut.

    Args:
        file: The file.
        head: What :func:`matroska_head` gave.
        tail_bytes: How much of its end to look at.

    Returns:
        A stream to open as a recording; ``None`` when no cluster begins in the end.
    """
    size = file.seek(0, io.SEEK_END)
    first = max(len(head), size - tail_bytes)
    file.seek(first)
    at = _cluster(file.read(min(tail_bytes, size - first)))
    return None if at is None else _Spliced(file, head, first + at)  # type: ignore[return-value]


def matroska_head(file: BinaryIO) -> bytes | None:
    """What a Matroska file has before its first cluster; ``None`` when that is not found."""
    file.seek(0)
    data = file.read(_FIRST_TAIL_BYTES)
    at = _cluster(data)
    if at is None:
        data += file.read(_HEAD_BYTES - len(data))
        at = _cluster(data)
    return None if at is None else data[:at]


def matroska_tails(size: int) -> tuple[int, ...]:
    """How many bytes of the end to look at, one try after another."""
    tries = [_FIRST_TAIL_BYTES]
    while tries[-1] < min(size, _TAIL_BYTES):
        tries.append(tries[-1] * 4)
    return tuple(tries)


def _cluster(data: bytes) -> int | None:
    """Where a cluster begins: its mark, its size, and something that clusters begin with."""
    at = data.find(_CLUSTER)
    while at >= 0:
        length = 9 - data[at + 4].bit_length() if at + 4 < len(data) else 9
        following = at + 4 + length
        if length < 9 and following < len(data) and data[following] in _IN_CLUSTER:
            return at
        at = data.find(_CLUSTER, at + 1)
    return None


class _Spliced(io.RawIOBase):
    """Some bytes, followed by a file from somewhere on."""

    def __init__(self, file: BinaryIO, head: bytes, start: int) -> None:
        self._file = file
        self._head = head
        self._start = start
        self._size = len(head) + file.seek(0, io.SEEK_END) - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        count = self._size if size is None or size < 0 else size
        if self._at < len(self._head):
            data = self._head[self._at : self._at + count]
        else:
            self._file.seek(self._start + self._at - len(self._head))
            data = self._file.read(count)
        self._at += len(data)
        return data


def _checked(container: InputContainer, stated: float) -> Extent:
    """Make sure that there is data up to the stated length, or find where it breaks off."""
    limit = time.monotonic() + _MEASURE_SECONDS
    read = _read_from(container, max(0.0, stated - _TAIL_SECONDS), stated - _SLACK_SECONDS)
    if read.end is not None and not read.to_the_last:
        return Extent(seconds=stated)
    if read.end is not None:
        return judge(stated, read.end)
    held, broken = 0.0, stated
    for _ in range(_PROBES):
        if broken - held < _SLACK_SECONDS or time.monotonic() > limit:
            break
        middle = (held + broken) / 2
        if _read_from(container, middle, -math.inf).end is None:
            broken = middle
        else:
            held = middle
    return judge(stated, _read_from(container, held, math.inf).end or held)


def _read_from(
    container: InputContainer, start: float | None, enough: float, origin: float | None = None
) -> _Read:
    """Read packets from a moment on until one ends at ``enough``, or as many as is reasonable."""
    import av

    begin = (container.start_time or 0) / 1e6 if origin is None else origin
    end, read = -math.inf, 0
    limit = time.monotonic() + _MEASURE_SECONDS
    try:
        if start is not None:
            _go_to(container, start)
        for packet in demux(container):
            end = max(end, _packet_end(packet) - begin)
            read += packet.size
            if end >= enough or read > _TAIL_BYTES or time.monotonic() > limit:
                return _Read(None if end == -math.inf else max(0.0, end), to_the_last=False)
    except av.FFmpegError:
        pass
    return _Read(None if end == -math.inf else max(0.0, end), to_the_last=True)


def _packet_end(packet: Packet[Stream]) -> float:
    """Where a packet ends, in the seconds of its container."""
    time_of = packet.pts if packet.pts is not None else packet.dts
    if time_of is None or not packet.time_base or packet.stream.type in ("data", "attachment"):
        return -math.inf
    lasting = min(float((packet.duration or 0) * packet.time_base), _LONGEST_PACKET)
    return float(time_of * packet.time_base) + max(0.0, lasting)


def _go_to(container: InputContainer, seconds: float) -> None:
    container.seek(int(seconds * 1e6) + (container.start_time or 0))


def _heard_and_seen(container: InputContainer) -> list[Stream]:
    return [*container.streams.video, *container.streams.audio]
