"""Read the packets of a recording in step, and write them into MP4 files as they are."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.media.demuxing import demux
from mediasense.media.recordings import codec_name, picture_stream, sound_stream

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

MP4_OPTIONS = {"movflags": "+faststart", "fflags": "+bitexact"}
"""The index first, so that a service can begin before it has all; no name of the program."""

_GENERATE_PTS = 1
_JUMP_SECONDS = 1.0

# No codec keeps more pictures back.
_MOST_WAITING = 32
_LONGEST_PICTURE = 3 * 3600.0
_SEEK_BACK = (0.0, 5.0, 30.0, 180.0)


@dataclass(frozen=True, slots=True)
class Part:
    """The seconds of the recording that are wanted."""

    first: float
    last: float


@dataclass(slots=True)
class Piece:
    """A packet whose timestamps count from the start of the recording and only go on."""

    packet: Packet[Stream]
    is_picture: bool
    group: int
    begins_group: bool
    leads: bool
    start: float
    end: float


class Reader:
    """The packets of a part of a recording, the same ones each time they are read."""

    def __init__(self, container: InputContainer, part: Part) -> None:
        self._container = container
        self._part = part
        self._pictures = picture_stream(container)
        self._sound = sound_stream(container)
        self._origin = (container.start_time or 0) / 1e6
        self.damage = ""
        container.flags |= _GENERATE_PTS  # AVI has only the order of decoding

    @property
    def streams(self) -> list[Stream]:
        """The pictures that are seen and the sound that is heard."""
        return [s for s in (self._pictures, self._sound) if s is not None]

    def pieces(self) -> Iterator[Piece]:
        """The packets, in the order of the file; ``damage`` says why there are no more."""
        import av

        try:
            go_before(self._container, self._pictures, self._part.first)
            yield from self._read()
        except av.FFmpegError as error:
            self.damage = f"it cannot be read to its end: {error.strerror}"

    def _read(self) -> Iterator[Piece]:
        over: set[int] = set()
        held: list[Piece] = []
        group, key = -1, 0.0
        # Fractions would take half of the time that copying takes.
        ticks = {s.index: float(s.time_base or 0) for s in self.streams}
        picture_index = -1 if self._pictures is None else self._pictures.index
        for packet in self._in_order():
            is_picture = packet.stream_index == picture_index
            tick = ticks[packet.stream_index]
            start, decoded = (packet.pts or 0) * tick, (packet.dts or 0) * tick
            if (decoded if is_picture else start) >= self._part.last:
                over.add(packet.stream_index)
                if len(over) == len(self.streams):
                    return
            if packet.stream_index in over:
                continue
            begins = is_picture and packet.is_keyframe
            if begins:
                group, key = group + 1, start
            if is_picture and group < 0:  # nothing shows it without the key frame before
                continue
            end = start + max(0, packet.duration or 0) * tick
            piece = Piece(packet, is_picture, group, begins, is_picture and start < key, start, end)
            if is_picture and start >= self._part.last:
                held.append(piece)  # needed only by pictures that are shown before it
                continue
            if is_picture and held:
                yield from held
                held.clear()
            yield piece

    def _in_order(self) -> Iterator[Packet[Stream]]:
        """The packets with both timestamps, each track in the order of decoding."""
        clocks = {s.index: _Clock(s, self._origin) for s in self.streams}
        for packet in demux(self._container, self.streams):
            if packet.size:
                yield from clocks[packet.stream_index].take(packet)
        for clock in clocks.values():
            yield from clock.rest()


def go_before(container: InputContainer, pictures: Stream | None, seconds: float) -> None:
    """Go to a key frame at or before a second: not all containers find the right one.

    Args:
        container: The recording.
        pictures: Its pictures.
        seconds: From the start of the recording.
    """
    import av

    origin = (container.start_time or 0) / 1e6
    if seconds <= 0:
        return
    for back in _SEEK_BACK:
        target = round((max(0.0, seconds - back) + origin) * 1e6)
        with suppress(av.FFmpegError):
            container.seek(target)
            if _first_key(container, pictures) - origin <= seconds + 0.001:
                container.seek(target)
                return
    with suppress(av.FFmpegError):
        container.seek(round(origin * 1e6))


def _first_key(container: InputContainer, pictures: Stream | None) -> float:
    for packet in demux(container, pictures):
        if packet.is_keyframe and packet.size:
            told = packet.pts if packet.pts is not None else packet.dts
            return float((told or 0) * packet.time_base)
    return math.inf


class _Clock:
    """Makes the timestamps of a track count from the recording's start, and only go on."""

    def __init__(self, stream: Stream, origin: float) -> None:
        self._tick = float(stream.time_base or 0)
        self._shift = -round(origin / self._tick) if self._tick else 0
        self._waiting: list[Packet[Stream]] = []
        self._last: int | None = None
        self._lasting = 0

    def take(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        """Set a packet's timestamps; gives those that are ready."""
        if not self._tick or (packet.pts is None and packet.dts is None and self._last is None):
            return []
        if packet.dts is None and self._last is None and len(self._waiting) < _MOST_WAITING:
            # Matroska has no times of decoding: those of the first pictures follow from the next.
            self._waiting.append(packet)
            return []
        ready = self._release(packet.dts if packet.dts is not None else packet.pts)
        self._set(packet)
        return [*ready, packet]

    def rest(self) -> list[Packet[Stream]]:
        """What still waits at the end of the recording."""
        return self._release(min((p.pts for p in self._waiting if p.pts is not None), default=0))

    def _release(self, following: int | None) -> list[Packet[Stream]]:
        """Let those that wait be decoded one after another, before ``following``."""
        ready, self._waiting = self._waiting, []
        for index, packet in enumerate(ready):
            step = max(1, packet.duration or 0)
            packet.dts = (following or 0) - step * (len(ready) - index)
            self._set(packet)
        return ready

    def _set(self, packet: Packet[Stream]) -> None:
        expected = (self._last or 0) + max(1, self._lasting)
        pts = None if packet.pts is None else packet.pts + self._shift
        if packet.dts is not None:
            dts = packet.dts + self._shift
        else:
            dts = expected if pts is None else min(expected, pts)
        pts = dts if pts is None else pts
        if self._last is not None and dts < self._last - _JUMP_SECONDS / self._tick:
            # Joined recordings start again from 0.
            self._shift += expected - dts
            dts, pts = expected, pts + expected - dts
        if self._last is not None:
            dts = max(dts, self._last + 1)
        packet.dts, packet.pts = dts, max(pts, dts)
        self._last, self._lasting = dts, packet.duration or 0


class Writer:
    """One MP4 that is being written.

    The last picture is held back: how long it stands is not known before the next.
    """

    def __init__(self, folder: Path, streams: list[Stream], start: float) -> None:
        import av

        self.path = new_file(folder)
        self._end = start
        self._held: Piece | None = None
        self._file: OutputContainer = av.open(
            str(self.path), "w", format="mp4", container_options=MP4_OPTIONS
        )
        self._shifts = {s.index: round(start / (s.time_base or 1)) for s in streams}
        self._tracks: dict[int, Stream] = {}
        for stream in streams:
            track = self._file.add_stream_from_template(stream, opaque=True)
            if codec_name(stream) == "hevc":
                track.codec_context.codec_tag = "hvc1"  # the one that Apple's players take
            self._tracks[stream.index] = track

    def add(self, piece: Piece) -> None:
        """Write a packet, or the picture before it."""
        if piece.is_picture:
            piece, self._held = self._held, piece  # type: ignore[assignment]
        if piece is not None:
            self._mux(piece)

    def close(self, until: float) -> float:
        """Finish the file; gives the second of the recording at which it ends."""
        if self._held is not None:
            held = self._held
            if held.end < until <= held.start + _LONGEST_PICTURE and until > self._end:
                held.packet.duration = round((until - held.start) / held.packet.time_base)
                held.end = until
            self._mux(held)
        self._file.close()
        return self._end

    def discard(self) -> None:
        """Leave nothing of the file."""
        with suppress(Exception):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _mux(self, piece: Piece) -> None:
        packet = piece.packet
        shift = self._shifts[packet.stream_index]
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = self._tracks[packet.stream_index]
        self._end = max(self._end, piece.end)
        self._file.mux(packet)


def new_file(folder: Path) -> Path:
    """An empty file with a name that nothing else has."""
    descriptor, name = tempfile.mkstemp(prefix="clip-", suffix=".mp4", dir=folder)
    os.close(descriptor)
    return Path(name)
