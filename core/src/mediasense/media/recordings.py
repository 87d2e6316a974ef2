"""Videos and sounds: what is in a container, and whether it is whole.

FFmpeg's libraries read many kinds of file that name *other* files and addresses (playlists,
concatenation scripts). Only containers that hold their own data are opened here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mediasense.errors import CorruptMedia, UnsupportedMedia

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

_CONTAINERS = (
    "3g2,3gp,aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,m4a,matroska,mj2,mov,mp3,mp4,mpeg,"
    "mpegts,ogg,rm,w64,wav,webm,wv"
)
_OPEN_SECONDS = 20.0

# A container may round its length up by about a frame of sound and one of video.
_SLACK_SECONDS = 0.3
_TAIL_SECONDS = 1.0
_TAIL_BYTES = 64 * 1024 * 1024
_FIRST_PACKETS = 200

# The containers that state their length; of others FFmpeg guesses it from the bit rate.
_STATES_LENGTH = ("aiff", "asf", "avi", "caf", "flac", "flv", "matroska", "mov", "ogg", "wav")

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
        seconds: Its length; ``None`` when the container does not say.
        width, height: Of the picture in pixels; ``None`` without one.
        has_pictures: Whether it has a picture track; the cover of a song is none.
        has_sound: Whether it has a sound track.
    """

    mime_type: str
    seconds: float | None
    width: int | None
    height: int | None
    has_pictures: bool
    has_sound: bool


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
            # FFmpeg is never given a name: it takes "12:30.mp4" for a protocol, and "file:a" for a.
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
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
        except av.FFmpegError as error:
            raise _unreadable(name, error) from None


def inspect_recording(
    source: Path | BinaryIO, name: str, *, mime_type: str | None = None
) -> Recording:
    """Read what a container holds, and make sure that it is whole.

    Args:
        source: A local file, or a seekable stream.
        name: How errors call it.
        mime_type: What its first bytes say, where they say something.

    Raises:
        UnsupportedMedia: It is no video or sound.
        CorruptMedia: It is truncated or damaged.
    """
    with open_recording(source, name) as container:
        pictures = next((s for s in container.streams.video if not _is_cover(s)), None)
        sound = next(iter(container.streams.audio), None)
        if pictures is None and sound is None:
            raise UnsupportedMedia(
                f"{name} has neither pictures nor sound", hint="give an image, a video or a sound"
            )
        first = pictures or sound
        assert first is not None
        if not _decodes(container, first):
            raise _corrupt(name, "its first frames cannot be decoded")
        seconds = container.duration / 1e6 if container.duration else None
        container_name = container.format.name.partition(",")[0]
        if seconds is not None and container_name in _STATES_LENGTH:
            _require_end(container, seconds, name)
        found = mime_type or _BY_CONTAINER.get(container_name, f"video/{container_name}")
        return Recording(
            mime_type=_as_pictures(found) if pictures else _as_sound(found),
            seconds=seconds,
            width=pictures.width if pictures else None,
            height=pictures.height if pictures else None,
            has_pictures=pictures is not None,
            has_sound=sound is not None,
        )


def _tolerant(version: str) -> dict[str, Any]:
    """Before PyAV 19, tags that are not UTF-8 made opening fail unless told otherwise."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _decodes(container: InputContainer, stream: Stream) -> bool:
    """Whether a frame can be decoded near the start."""
    import av

    for count, packet in enumerate(container.demux(stream)):
        try:
            if packet.decode():
                return True
        except av.FFmpegError:
            continue
        if count >= _FIRST_PACKETS:
            break
    return False


def _require_end(container: InputContainer, seconds: float, name: str) -> None:
    """Make sure that there is data up to the length the container states."""
    import av

    end, read = -math.inf, 0
    start = (container.start_time or 0) / 1e6
    try:
        container.seek(int((start + max(0.0, seconds - _TAIL_SECONDS)) * 1e6))
        for packet in container.demux():
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            read += packet.size
            if end - start >= seconds - _SLACK_SECONDS or read > _TAIL_BYTES:
                return
    except av.FFmpegError:
        pass
    held = max(0.0, end - start)
    raise _corrupt(name, f"it should last {seconds:.1f} s and ends near {held:.1f} s")


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
