"""The packets of a container, also where a track turns up that was not there at its start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

OneStream = TypeVar("OneStream", "AudioStream", "VideoStream")

_MOST_STRANGE = 10_000
"""Packets of unknown tracks, one after another, before the rest is given up."""


@overload
def demux(container: InputContainer, stream: OneStream, /) -> Iterator[Packet[OneStream]]: ...


@overload
def demux(
    container: InputContainer, streams: list[Stream] | Stream | None = None, /
) -> Iterator[Packet[Stream]]: ...


def demux(container: InputContainer, *streams: Any) -> Iterator[Any]:
    """The packets, in the order of the file; those of tracks that turn up late are left out.

    PyAV (18.1) keeps a list of the tracks that were there at the start, and raises ``IndexError``
    at a packet of another one, as there may be in damaged FLV and MPEG-TS.

    Args:
        container: Where they are.
        streams: Of which tracks, as for ``demux``.

    Raises:
        av.FFmpegError: It cannot be read on.
    """
    strange = 0
    while strange < _MOST_STRANGE:
        try:
            for packet in container.demux(*streams):
                strange = 0
                yield packet
        except IndexError:
            strange += 1
        else:
            return
