"""Videos and sounds: what is in a container, and how far it can be played.

FFmpeg's libraries read many kinds of file that name *other* files and addresses (playlists,
concatenation scripts). Only containers that hold their own data are opened here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from mediasense.errors import CorruptMedia, MediaError, UnsupportedMedia
from mediasense.media.demuxing import demux
from mediasense.media.recordings.extents import (
    Extent,
    judge,
    last_end,
    matroska_end,
    matroska_head,
    matroska_tails,
    measure,
)
from mediasense.types import RecordingFacts, SubtitleTrack

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.frame import Frame
    from av.stream import Stream
    from av.video.stream import VideoStream

_Track = TypeVar("_Track", bound="Stream")

TEXT_CODECS = ("ass", "mov_text", "ssa", "srt", "subrip", "text", "webvtt")
"""FFmpeg's names of the subtitles that are text; those of discs and broadcasts are pictures."""

_CONTAINERS = (
    "3g2,3gp,aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,m4a,matroska,mj2,mov,mp3,mp4,mpeg,"
    "mpegts,ogg,rm,w64,wav,webm,wv"
)

# A broadcast that was cut may begin ten seconds before its first whole picture.
_FIRST_PACKETS = 600
_FIRST_BYTES = 64 * 1024 * 1024

# The containers that state their length; of others FFmpeg guesses it from the bit rate.
_STATES_LENGTH = ("aiff", "asf", "avi", "caf", "flac", "flv", "matroska", "mov", "ogg", "wav")

_MOST_TRACKS = 64
_HIGHEST_RATE = 1000

# Keys of places in MP4, QuickTime, Matroska and 3GPP, and the tracks of action cameras.
_PLACE_KEY = re.compile(r"locat|gps|6709|\xa9xyz|latitude|longitude|geo", re.IGNORECASE)
_PLACE_MARKS = ("camm", "gopro met", "gpmd", "gps", "location")

_BY_CONTAINER = {
    "aac": "audio/aac",
    "ac3": "audio/ac3",
    "amr": "audio/amr",
    "au": "audio/basic",
    "avi": "video/x-msvideo",
    "asf": "video/x-ms-asf",
    "caf": "audio/x-caf",
    "eac3": "audio/eac3",
    "flac": "audio/flac",
    "flv": "video/x-flv",
    "matroska": "video/x-matroska",
    "mov": "video/mp4",
    "mp3": "audio/mpeg",
    "mpeg": "video/mpeg",
    "mpegts": "video/mp2t",
    "ogg": "video/ogg",
    "wav": "audio/wav",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a container holds.

    Attributes:
        mime_type: By container and contents: an MP4 without pictures is ``audio/mp4``.
        facts: Everything else.
    """

    mime_type: str
    facts: RecordingFacts


@contextmanager
def open_recording(source: Path | BinaryIO, name: str) -> Iterator[InputContainer]:
    """Open a container that comes from outside.

    Args:
        source: A local file, or a seekable stream.
        name: How errors call it.

    Yields:
        The open container of PyAV.

    Raises:
        UnsupportedMedia: It is no container of video or sound, or one that names other files.
        CorruptMedia: It is one, and is damaged; also raised for damage met while it is open.
    """
    import av

    with ExitStack() as stack:
        try:
            file = stack.enter_context(_Nameless(source)) if isinstance(source, Path) else source
            container = av.open(
                file,
                # Not `options`: those reach the codecs too, and PyAV 16 and 17 crash on MPEG-PS.
                container_options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"},
                **_tolerant(av.__version__),
            )
            stack.enter_context(container)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _unreadable(name, error) from None
        try:
            yield container
        except MemoryError:  # it is one of FFmpeg's errors too
            raise
        except av.FFmpegError as error:
            raise _unreadable(name, error) from None


class _Nameless(io.BufferedReader):
    """An open file that tells PyAV no name, which FFmpeg would read.

    It takes "12:30.mp4" for a protocol, "file:a" for a, and "a.png" for a picture.
    """

    name = ""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))


def inspect_recording(
    source: Path | BinaryIO, name: str, *, mime_type: str | None = None
) -> Recording:
    """Read what a container holds, and how far it can be played.

    A recording that breaks off is no error: what there is of it can be used, and
    ``facts.damage`` says what is wrong.

    Args:
        source: A local file, or a seekable stream.
        name: How errors call it.
        mime_type: What its first bytes say, where they say something.

    Raises:
        UnsupportedMedia: It is no video or sound, or names other files.
        CorruptMedia: Nothing of it can be played.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_open(source, name)) if isinstance(source, Path) else source
        with open_recording(file, name) as container:
            opened = _Opened(container, name)
            kind = container.format.name.partition(",")[0]
            stated = container.duration / 1e6 if container.duration else None
            origin = (container.start_time or 0) / 1e6
            extent = None
            if kind != "matroska":
                extent = measure(container, states_length=kind in _STATES_LENGTH)
            found = mime_type or _BY_CONTAINER.get(kind, f"video/{kind}")
        end = _matroska_last(file, name, origin) if extent is None else None
        if end is not None:
            extent = judge(stated, end)
        if extent is None:
            with open_recording(_rewound(file), name) as container:
                extent = measure(container, states_length=True)
    facts = opened.facts(extent)
    return Recording(
        mime_type=_as_pictures(found) if facts.has_pictures else _as_sound(found), facts=facts
    )


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The pictures that are seen: the default track, or the first; the cover of a song is none."""
    return _preferred([s for s in container.streams.video if not _is_cover(s)])


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The sound that is heard: the default track, or the first."""
    return _preferred(list(container.streams.audio))


def codec_name(stream: Stream | None) -> str | None:
    """FFmpeg's name of what a track is encoded with; ``None`` for one it does not know."""
    if stream is None or stream.codec_context is None:
        return None
    return stream.codec_context.codec.canonical_name


class _Opened:
    """What an open container tells at once. Its first frames are decoded to know it."""

    def __init__(self, container: InputContainer, name: str) -> None:
        self._container = container
        pictures, sound = picture_stream(container), sound_stream(container)
        if pictures is None and sound is None:
            raise UnsupportedMedia(
                f"{name} has neither pictures nor sound", hint="give an image, a video or a sound"
            )
        first = _first_frame(container, pictures) if pictures else None
        self._damage = ""
        if first is None and pictures is not None and sound is not None:
            self._damage = "its pictures cannot be decoded"
            with suppress(OSError):
                container.seek(0)
        if first is None and (sound is None or _first_frame(container, sound) is None):
            raise _corrupt(name, "its first frames cannot be decoded")
        seen = pictures if first is not None else None
        self._facts = RecordingFacts(
            seconds=None,
            width=_side(first, 0),
            height=_side(first, 1),
            has_pictures=seen is not None,
            has_sound=sound is not None,
            fps=_rate(seen),
            video_codec=codec_name(seen),
            audio_codec=codec_name(sound),
            sound_tracks=len(container.streams.audio),
            subtitles=_text_tracks(container),
            located=_is_located(container),
        )

    def facts(self, extent: Extent) -> RecordingFacts:
        """All facts, now that the length is known."""
        damage = "; ".join(part for part in (self._damage, extent.damage) if part)
        return replace(self._facts, seconds=extent.seconds, damage=damage)


def _open(source: Path, name: str) -> BinaryIO:
    try:
        return source.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _matroska_last(file: BinaryIO, name: str, origin: float) -> float | None:
    """Where the last packets of a Matroska file end, in seconds from its start."""
    head = matroska_head(file)
    if head is None:
        return None
    for tail_bytes in matroska_tails(file.seek(0, io.SEEK_END)):
        short = matroska_end(file, head, tail_bytes)
        if short is None:
            continue
        with suppress(MediaError), open_recording(short, name) as container:
            end = last_end(container, origin)
            if end is not None:
                return end
    return None


def _tolerant(version: str) -> dict[str, Any]:
    """Before PyAV 19, tags that are not UTF-8 made opening fail unless told otherwise."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _first_frame(container: InputContainer, stream: Stream) -> Frame | None:
    """The first frame that can be decoded, if there is one near the start."""
    import av

    read = count = 0
    with suppress(av.FFmpegError):
        for packet in demux(container):
            read += packet.size
            if packet.stream_index == stream.index and stream.codec_context is not None:
                count += 1
                with suppress(av.FFmpegError):
                    for frame in packet.decode():
                        return frame  # type: ignore[return-value]
            if count >= _FIRST_PACKETS or read > _FIRST_BYTES:
                break
    return None


def _side(frame: Frame | None, axis: int) -> int | None:
    """The width or height of a picture as it is shown."""
    import av

    if not isinstance(frame, av.VideoFrame):
        return None
    turned = round(frame.rotation / 90) % 2
    return (frame.width, frame.height)[axis ^ turned]


def _rate(stream: VideoStream | None) -> float | None:
    """Pictures a second; nobody makes more than a thousand."""
    for rate in (stream.average_rate, stream.guessed_rate) if stream is not None else ():
        if rate and 0 < rate <= _HIGHEST_RATE:
            return float(rate)
    return None


def _text_tracks(container: InputContainer) -> tuple[SubtitleTrack, ...]:
    tracks = list(container.streams.subtitles)[:_MOST_TRACKS]
    return tuple(
        SubtitleTrack(index=index, language=_language(stream))
        for index, stream in enumerate(tracks)
        if codec_name(stream) in TEXT_CODECS
    )


def _language(stream: Stream) -> str | None:
    language = stream.metadata.get("language", "")
    known = language != "und" and re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", language)
    return language if known else None


def _is_located(container: InputContainer) -> bool:
    """Whether a place is named in the metadata, or followed in a track of its own."""
    streams = list(container.streams)
    if any(_is_place_track(stream) for stream in streams):
        return True
    named = [container.metadata, *(stream.metadata for stream in streams)]
    return any(_PLACE_KEY.search(key) for metadata in named for key in metadata)


def _is_place_track(stream: Stream) -> bool:
    if stream.type != "data":
        return False
    said = f"{stream.metadata.get('handler_name', '')} {stream.name or ''}".lower()
    return any(mark in said for mark in _PLACE_MARKS)


def _preferred(streams: list[_Track]) -> _Track | None:
    """The track a player takes: the default one, or else the first."""
    default = (s for s in streams if s.disposition & s.disposition.default)
    return next(default, streams[0] if streams else None)


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def _as_pictures(mime_type: str) -> str:
    kind, _, subtype = mime_type.partition("/")
    return f"video/{subtype}" if kind == "audio" else mime_type


def _as_sound(mime_type: str) -> str:
    kind, _, subtype = mime_type.partition("/")
    return f"audio/{'mp4' if subtype == 'quicktime' else subtype}" if kind == "video" else mime_type


def _unreadable(name: str, error: Exception) -> UnsupportedMedia | CorruptMedia:
    import av

    if isinstance(error, av.InvalidDataError | av.EOFError):
        return _corrupt(name, "no video or sound can be read from it")
    cause = getattr(error, "strerror", None) or str(error)
    return UnsupportedMedia(
        f"{name} cannot be opened as video or sound ({cause})",
        hint="give an image, a video or a sound",
    )


def _corrupt(name: str, cause: str) -> CorruptMedia:
    return CorruptMedia(f"{name} is truncated or damaged: {cause}", hint="copy or export it again")
