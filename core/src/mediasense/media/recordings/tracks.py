"""The subtitles that a recording carries itself, as plain text."""

from __future__ import annotations

import html
import math
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UnsupportedMedia
from mediasense.media.demuxing import demux
from mediasense.media.recordings import TEXT_CODECS, codec_name, open_recording
from mediasense.types import Segment

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_NAME = "the recording"
_MOST_SEGMENTS = 50_000
_MOST_TEXT = 4_000_000
_LONGEST_TEXT = 4_000
_LONGEST_PACKET = 64 * 1024

# Subtitles that do not say how long they stand are read in about this time.
_USUAL_SECONDS = 5.0
_LONGEST_SECONDS = 3600.0

# One that began this much before the wanted part may still stand in it.
_BEFORE_SECONDS = 60.0
_PROGRESS_SECONDS = 0.2

_ASS_FIELDS = 8
_ASS_BREAK = re.compile(r"\\[Nnh]")
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_SUBRIP_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_DRAWING = re.compile(r"\\p\s*(\d+)")
_TAG = re.compile(r"</?(?:[a-zA-Z][^<>]*|\d[\d:.]*)>")

# What turns the direction of writing can make a line say another thing than it shows.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def read_subtitles(
    source: Path,
    *,
    track: int = 0,
    start: float | None = None,
    end: float | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Segment, ...]:
    """Read a text track of a recording.

    Colours, places, drawings and all other markup are left out; what remains of a subtitle is one
    line. Subtitles that stand at the same time are all kept.

    Args:
        source: The recording.
        track: Which of its subtitle tracks, 0 for the first.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds.
        on_progress: Told how much is done, 0 to 1.

    Returns:
        The subtitles that stand in the wanted part, in order, with their own times. Of an endless
        track the first 50 000.

    Raises:
        UnsupportedMedia: There is no such track, or it holds pictures of text.
        CorruptMedia: The file cannot be read.
    """
    with open_recording(source, _NAME) as container:
        stream = _text_stream(container, track)
        cues = _cues(container, stream, start or 0.0, on_progress)
        last = math.inf if end is None else end
        return tuple(_within(_timed(cues), start or 0.0, last))


@dataclass(frozen=True, slots=True)
class _Cue:
    """A subtitle as it is in the file; one without text ends the one before."""

    start: float
    seconds: float
    text: str


def _text_stream(container: InputContainer, track: int) -> Stream:
    streams = list(container.streams.subtitles)
    if not 0 <= track < len(streams):
        raise UnsupportedMedia(
            f"the recording has {len(streams)} subtitle tracks, and none with the number {track}",
            hint="numbers begin with 0",
        )
    if codec_name(streams[track]) not in TEXT_CODECS:
        raise UnsupportedMedia(
            f"subtitle track {track} is not text", hint="read it in the pictures"
        )
    return streams[track]


def _cues(
    container: InputContainer,
    stream: Stream,
    start: float,
    on_progress: Callable[[float], None] | None,
) -> Iterator[_Cue]:
    """The subtitles of a track from ``start`` on, in the order of the file."""
    import av

    origin = (container.start_time or 0) / 1e6
    total = (container.duration or 0) / 1e6
    codec, told = codec_name(stream) or "", time.monotonic()
    with suppress(av.FFmpegError):  # what was read until then is given
        if start > _BEFORE_SECONDS:
            container.seek(round((start - _BEFORE_SECONDS + origin) * 1e6))
        for packet in demux(container):
            at = _time_of(packet, origin)
            if on_progress is not None and time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                on_progress(min(1.0, max(0.0, at / total)) if total and at is not None else 0.0)
            if packet.stream_index != stream.index or packet.size == 0 or at is None:
                continue
            seconds = float((packet.duration or 0) * packet.time_base)
            yield _Cue(at, seconds, plain_text(bytes(packet)[:_LONGEST_PACKET], codec))


def _time_of(packet: Packet[Stream], origin: float) -> float | None:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else max(0.0, float(ticks * packet.time_base) - origin)


def _timed(cues: Iterator[_Cue]) -> Iterator[Segment]:
    """Subtitles with text; one that does not say how long it stands stands until the next."""
    waiting: _Cue | None = None
    for cue in cues:
        if waiting is not None:
            yield _segment(waiting, min(_USUAL_SECONDS, max(0.0, cue.start - waiting.start)))
            waiting = None
        if cue.text and cue.seconds <= 0:
            waiting = cue
        elif cue.text:
            yield _segment(cue, min(cue.seconds, _LONGEST_SECONDS))
    if waiting is not None:
        yield _segment(waiting, _USUAL_SECONDS)


def _segment(cue: _Cue, seconds: float) -> Segment:
    return Segment(start=round(cue.start, 3), end=round(cue.start + seconds, 3), text=cue.text)


def _within(segments: Iterator[Segment], start: float, end: float) -> list[Segment]:
    kept: list[Segment] = []
    size = 0
    for segment in segments:
        if segment.start >= end + _LONGEST_SECONDS:
            break
        if segment.end > start and segment.start < end:
            kept.append(segment)
            size += len(segment.text)
        if len(kept) >= _MOST_SEGMENTS or size > _MOST_TEXT:
            break
    return sorted(kept, key=lambda segment: (segment.start, segment.end))


def plain_text(data: bytes, codec: str) -> str:
    """What a subtitle says, without how it looks.

    Args:
        data: One packet of a text track.
        codec: FFmpeg's name of what it is.

    Returns:
        One line; ``""`` for a subtitle that says nothing.
    """
    if codec == "mov_text":
        text = _timed_text(data)
    elif codec == "webvtt":
        text = _decoded(_payload(data))
    else:
        text = _decoded(data)
    if codec in ("ass", "ssa"):
        text = _without_fields(text)
    else:
        text = _TAG.sub("", _SUBRIP_OVERRIDE.sub("", text))
    return _clean(html.unescape(text))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _timed_text(data: bytes) -> str:
    """The text of a packet of 3GPP timed text: its length, itself, and boxes about its looks."""
    text = data[2 : 2 + int.from_bytes(data[:2], "big")]
    if text[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return text.decode("utf-16", "replace")
    return _decoded(text)


def _payload(data: bytes) -> bytes:
    """The text of a WebVTT cue: in MP4 it is in a box within a box, elsewhere it is bare."""
    if data[4:8] not in (b"vttc", b"vtte", b"vttx"):
        return data
    found = []
    for _, cue in _boxes(data):
        found += [content for kind, content in _boxes(cue) if kind == b"payl"]
    return b"\n".join(found)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _without_fields(text: str) -> str:
    """The last field of an event of SubStation Alpha, without overrides and drawings."""
    fields = text.split(",", _ASS_FIELDS)
    said, drawing, at = [], False, 0
    body = fields[-1]
    for override in _OVERRIDE.finditer(body):
        if not drawing:
            said.append(body[at : override.start()])
        for level in _DRAWING.findall(override[0]):
            drawing = level.strip("0") != ""
        at = override.end()
    if not drawing:
        said.append(body[at:])
    return _ASS_BREAK.sub(" ", "".join(said))


def _clean(text: str) -> str:
    """One line without anything that cannot be seen or that turns what is seen."""
    kept = (
        " " if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c
        for c in text
        if c not in _TURNING
    )
    return " ".join("".join(kept).split())[:_LONGEST_TEXT]
