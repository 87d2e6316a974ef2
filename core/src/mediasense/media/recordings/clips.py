"""Parts of a recording as files of their own: copied as they are, or encoded smaller."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mediasense.errors import CorruptMedia, MediaTooLarge, UnsupportedMedia, UsageError
from mediasense.media.recordings import (
    inspect_recording,
    open_recording,
)
from mediasense.media.recordings.copying import MP4_OPTIONS, Part, Piece, Reader, Writer, new_file
from mediasense.media.recordings.cuts import FILE_BYTES, PACKET_BYTES, Groups, choose_cuts
from mediasense.media.recordings.transcoding import (
    KEY_SECONDS,
    SOUND_BIT_RATE,
    SOUND_PACKETS,
    Encoded,
    Encoding,
    encode,
    fitted,
)
from mediasense.types import RecordingFacts

MIME_TYPE = "video/mp4"

_PICTURES = ("av1", "h264", "hevc", "mpeg4", "vp9")
_SOUNDS = ("aac", "ac3", "mp3", "opus")

_NAME = "the recording"
_PROGRESS_SECONDS = 0.2
_ATTEMPTS = 3
_SMALLER = 0.75
_BUFFER_SECONDS = 20.0
_LEAST_BIT_RATE = 4_000
_LEAST_SIDE = 160
_LONGEST_RECORDING = 3600.0
_WHOLE_PICTURE = 0.06
_CHANGE = 0.0009


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A part of a recording in a file of its own, whose timestamps start at 0.

    Attributes:
        path, mime_type, size: The file.
        start, end: What it holds, in seconds of the recording.
        width, height: Pixels, upright.
    """

    path: Path
    mime_type: str
    size: int
    start: float
    end: float
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """The parts of a recording, in order and without gaps.

    Attributes:
        clips: The parts.
        damage: What could not be read of the recording; ``""`` for a whole one.
    """

    clips: tuple[Clip, ...]
    damage: str = ""


def can_copy(facts: RecordingFacts) -> bool:
    """Whether the packets of a recording can be put into an MP4 as they are."""
    sound = not facts.has_sound or facts.audio_codec in _SOUNDS
    return facts.has_pictures and facts.video_codec in _PICTURES and sound


def copy_clips(
    source: Path,
    folder: Path,
    *,
    max_bytes: int | None,
    max_seconds: float | None,
    most: int | None = None,
    start: float | None = None,
    end: float | None = None,
    pauses: tuple[float, ...] = (),
    on_progress: Callable[[float], None] | None = None,
) -> Clips:
    """Cut a recording into MP4 files without encoding it again.

    The pictures and the sound that is heard are copied; subtitles, other tracks and all metadata,
    the place among them, are left out. Cuts are made at key frames: of those that keep a part
    within its limits one near a pause is taken, or one with a new scene, or the last.

    Args:
        source: The recording.
        folder: Where the files are put.
        max_bytes: Of each file.
        max_seconds: Of each part.
        most: How many parts at most; ``None`` is any number.
        start: Where to begin, in seconds; moves back to the key frame before it.
        end: Where to stop, in seconds; the last picture may stand a little longer.
        pauses: Seconds at which nobody speaks.
        on_progress: Told how much is done, 0 to 1.

    Returns:
        The files. Every second is in one of them.

    Raises:
        UnsupportedMedia: What it is encoded with cannot be put into an MP4.
        MediaTooLarge: It has no key frame where one is needed to stay within a limit, or would be
            cut into more parts than ``most``.
        CorruptMedia: Nothing of it can be read.
        UsageError: It ends before ``start``.
    """
    facts = inspect_recording(source, _NAME).facts
    if not can_copy(facts):
        raise UnsupportedMedia(
            f"a recording with {facts.video_codec or 'no pictures'} and "
            f"{facts.audio_codec or 'no sound'} cannot be copied into an MP4",
            hint="encode it again",
        )
    part = _part(facts, start, end)
    progress = _Progress(on_progress, min(part.last, facts.seconds or math.inf) - part.first)
    groups: Groups | None = None
    if max_bytes is not None or max_seconds is not None or part.first > 0:
        groups = _survey(source, part, facts.seconds, progress)
    plan = _plan(groups, part, max_bytes, max_seconds, pauses)
    if most is not None and len(plan.groups) > most:
        raise MediaTooLarge(
            f"the recording would be cut at its key frames into {len(plan.groups)} clips, not "
            f"{most}",
            hint="ask about a shorter part of it, with --start and --end",
        )
    progress.next_half(only=groups is None)
    return _Copy(folder, facts, part, plan, max_bytes).run(source, progress)


def encoded_bytes(seconds: float, width: int, height: int, fps: float, sound: bool) -> int:
    """Say with how few bytes a screen recording stays legible.

    An estimate: a whole picture every 20 seconds with 0.06 bytes a pixel, and 0.0009 for each
    picture in between. Of a page of small text that scrolls every 2.5 seconds, at 1280 x 720 and
    10 pictures a second, this is 13 kB a second: all of it could be read then, and hardly a line
    with half as much. A screen on which one types needs less, a film more to be sharp.

    Args:
        seconds: How long it is.
        width: Pixels, as it is encoded.
        height: Pixels, as it is encoded.
        fps: Pictures a second.
        sound: Whether it has sound.
    """
    whole = width * height * _WHOLE_PICTURE * (1 + seconds / KEY_SECONDS)
    changes = width * height * _CHANGE * fps * seconds
    heard = _sound_bytes(seconds) if sound else 0
    return FILE_BYTES + round(whole + changes + PACKET_BYTES * fps * seconds) + heard


def encode_clip(
    source: Path,
    folder: Path,
    *,
    max_bytes: int | None,
    max_side: int = 1280,
    fps: float = 10.0,
    start: float | None = None,
    end: float | None = None,
    sound: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> Clip:
    """Encode a recording, or a part of it, again and smaller: H.264 and AAC in an MP4.

    It is upright, has even sides, 8 bits a colour and one channel of sound. Pictures keep the time
    at which they appeared. It is as good as its contents need, and where that is too large, as
    ``max_bytes`` allows.

    Args:
        source: The recording.
        folder: Where the file is put.
        max_bytes: Of the file.
        max_side: Pixels of its longer side, at most.
        fps: Pictures a second, at most.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds.
        sound: Whether to keep the sound.
        on_progress: Told how much is done, 0 to 1.

    Raises:
        UnsupportedMedia: It has no pictures.
        MediaTooLarge: It is too long for so few bytes.
        CorruptMedia: Nothing of it can be decoded.
        UsageError: It ends before ``start``.
    """
    facts = inspect_recording(source, _NAME).facts
    if facts.width is None or facts.height is None:
        raise UnsupportedMedia("the recording has no pictures", hint="give a video")
    part = _part(facts, start, end)
    last = min(part.last, facts.seconds or _LONGEST_RECORDING)
    wanted = Encoding(
        start=part.first,
        end=part.last,
        width=facts.width,
        height=facts.height,
        max_side=max_side,
        fps=min(fps, facts.fps or fps),
        sound=sound and facts.has_sound,
        bit_rate=None,
        buffer_seconds=0.0,
        max_bytes=max_bytes,
    )
    progress = _Progress(on_progress, last - part.first)
    progress.next_half(only=True)
    path = new_file(folder)
    try:
        for attempt in range(_ATTEMPTS):
            encoding = _limited(wanted, max_bytes, last - part.first, attempt)
            made = encode(
                source, path, encoding, lambda s: progress.tell(s - part.first), MP4_OPTIONS
            )
            size = path.stat().st_size
            if made.fits and (max_bytes is None or size <= max_bytes):
                return _encoded_clip(path, size, part.first, made)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    raise _too_small(max_bytes)


def _encoded_clip(path: Path, size: int, start: float, made: Encoded) -> Clip:
    return Clip(
        path=path,
        mime_type=MIME_TYPE,
        size=size,
        start=start,
        end=made.end,
        width=made.width,
        height=made.height,
    )


def _limited(encoding: Encoding, max_bytes: int | None, seconds: float, attempt: int) -> Encoding:
    """The same with a bit rate that keeps the file within ``max_bytes``; smaller on each try."""
    if max_bytes is None:
        return encoding
    sound = _sound_bytes(seconds) if encoding.sound else 0
    index = FILE_BYTES + PACKET_BYTES * (encoding.fps * seconds + 2)
    pictures = (max_bytes - sound - index) * 8 * _SMALLER**attempt
    buffer = min(_BUFFER_SECONDS, max(1.0, seconds / 8))
    bit_rate = int(pictures / (seconds + buffer))
    if bit_rate < _LEAST_BIT_RATE:
        raise _too_small(max_bytes)
    side = encoding.max_side
    if attempt:
        width, height = fitted(encoding.width, encoding.height, side)
        side = max(_LEAST_SIDE, round(max(width, height) * _SMALLER**attempt))
    return replace(encoding, bit_rate=bit_rate, buffer_seconds=buffer, max_side=side)


def _sound_bytes(seconds: float) -> int:
    """What the sound needs at most, with its index: the encoder keeps to its rate within 5 %."""
    packets = seconds * SOUND_PACKETS + 4
    return round(seconds * SOUND_BIT_RATE / 8 * 1.05 + packets * PACKET_BYTES / 2)


def _too_small(max_bytes: int | None) -> MediaTooLarge:
    return MediaTooLarge(
        f"the recording is too long to be encoded in {max_bytes} bytes",
        hint="ask about a part of it, with --start and --end",
    )


def _part(facts: RecordingFacts, start: float | None, end: float | None) -> Part:
    part = Part(start or 0.0, math.inf if end is None else end)
    if part.first > 0 and facts.seconds is not None and part.first >= facts.seconds:
        raise UsageError(
            f"the recording ends at {facts.seconds:.1f} s, before {part.first:.1f} s",
            hint="give an earlier start",
        )
    return part


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which groups begin a clip, and at which second."""

    groups: tuple[int, ...]
    starts: tuple[float, ...]


def _plan(
    groups: Groups | None,
    part: Part,
    max_bytes: int | None,
    max_seconds: float | None,
    pauses: tuple[float, ...],
) -> _Plan:
    if groups is None:
        return _Plan((0,), (0.0,))
    if not groups.starts:
        raise CorruptMedia("the recording holds no picture that can be copied", hint="play it")
    first = max(0, bisect_right(groups.starts, part.first) - 1)
    if first == 0 and part.first <= 0:
        # What is heard before the first whole picture of a broadcast belongs to the first clip.
        groups.starts[0] = min(0.0, groups.starts[0])
    cuts = choose_cuts(
        groups, first=first, max_bytes=max_bytes, max_seconds=max_seconds, pauses=pauses
    )
    chosen = (first, *cuts)
    return _Plan(chosen, tuple(max(0.0, groups.starts[group]) for group in chosen))


def _survey(source: Path, part: Part, seconds: float | None, progress: _Progress) -> Groups:
    groups = Groups()
    with open_recording(source, _NAME) as container:
        for piece in Reader(container, part).pieces():
            progress.tell(piece.start - part.first)
            size = piece.packet.size
            if piece.is_picture:
                groups.add_picture(
                    start=piece.start, end=piece.end, size=size, begins_group=piece.begins_group
                )
            else:
                groups.add_sound(start=piece.start, end=piece.end, size=size)
    # The last picture is made to stand until the end.
    groups.end = max(groups.end, min(part.last, seconds or 0.0))
    return groups


class _Progress:
    """Tells of progress a few times a second; each half of the work counts one half."""

    def __init__(self, on_progress: Callable[[float], None] | None, seconds: float) -> None:
        self._on_progress = on_progress
        self._seconds = seconds if 0 < seconds < math.inf else 3600.0
        self._base, self._share = 0.0, 0.5
        self._told = self._done = 0.0

    def next_half(self, *, only: bool) -> None:
        self._base, self._share = (0.0, 1.0) if only else (0.5, 0.5)

    def tell(self, seconds: float) -> None:
        if self._on_progress is not None and time.monotonic() - self._told > _PROGRESS_SECONDS:
            self._told = time.monotonic()
            done = self._base + self._share * min(1.0, max(0.0, seconds / self._seconds))
            self._done = max(self._done, done)
            self._on_progress(self._done)


class _Copy:
    """Writes the packets of a recording into the clips they belong to."""

    def __init__(
        self,
        folder: Path,
        facts: RecordingFacts,
        part: Part,
        plan: _Plan,
        max_bytes: int | None,
    ) -> None:
        self._folder = folder
        self._facts = facts
        self._part = part
        self._plan = plan
        self._max_bytes = max_bytes
        self._open: dict[int, Writer] = {}
        self._reached: dict[int, int] = {}
        self._made: list[Clip] = []

    def run(self, source: Path, progress: _Progress) -> Clips:
        try:
            with open_recording(source, _NAME) as container:
                reader = Reader(container, self._part)
                self._write(reader, progress)
        except BaseException:
            self._discard()
            raise
        if not self._made:
            raise CorruptMedia("the recording holds nothing that can be copied", hint="play it")
        clips = tuple(sorted(self._made, key=lambda clip: clip.start))
        return Clips(clips=clips, damage=self._facts.damage or reader.damage)

    def _write(self, reader: Reader, progress: _Progress) -> None:
        import av

        try:
            for piece in reader.pieces():
                progress.tell(piece.start - self._part.first)
                self._place(reader, piece)
            for rest in sorted(self._open):
                self._close(rest)
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise CorruptMedia(
                f"the recording cannot be copied into an MP4: {error}", hint="encode it again"
            ) from None

    def _place(self, reader: Reader, piece: Piece) -> None:
        index = self._clip_of(piece)
        if index is None:
            return
        self._reached = self._reached or dict.fromkeys([s.index for s in reader.streams], 0)
        self._reached[piece.packet.stream_index] = index
        if index not in self._open:
            self._open[index] = Writer(self._folder, reader.streams, self._plan.starts[index])
        self._open[index].add(piece)
        for done in [i for i in self._open if i < min(self._reached.values())]:
            self._close(done)

    def _clip_of(self, piece: Piece) -> int | None:
        if piece.is_picture:
            index = bisect_right(self._plan.groups, piece.group) - 1
            first = index >= 0 and piece.group == self._plan.groups[index]
            # Pictures shown before the key frame they follow need the clip before, too.
            return None if index < 0 or (first and piece.leads) else index
        index = bisect_right(self._plan.starts, piece.start + 1e-6) - 1
        return max(0, index) if self._part.first <= 0 or index >= 0 else None

    def _close(self, index: int) -> None:
        starts = self._plan.starts
        last = index + 1 == len(starts)
        until = min(self._part.last, self._facts.seconds or 0.0) if last else starts[index + 1]
        writer = self._open[index]
        held = writer.close(until)
        del self._open[index]
        size = writer.path.stat().st_size
        self._made.append(
            Clip(
                path=writer.path,
                mime_type=MIME_TYPE,
                size=size,
                start=starts[index],
                end=held if last else starts[index + 1],
                width=self._facts.width,
                height=self._facts.height,
            )
        )
        if self._max_bytes is not None and size > self._max_bytes:
            raise MediaTooLarge(
                f"a part of the recording has {size} bytes, more than {self._max_bytes}",
                hint="encode it again",
            )

    def _discard(self) -> None:
        for writer in self._open.values():
            writer.discard()
        for path in [clip.path for clip in self._made]:
            path.unlink(missing_ok=True)
