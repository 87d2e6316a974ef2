"""From what the user names to checked :class:`~mediasense.types.Media`."""

from __future__ import annotations

import io
import mimetypes
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mediasense.errors import (
    CorruptMedia,
    MediaNotFound,
    UnsupportedMedia,
    UsageError,
)
from mediasense.media.images import inspect_image
from mediasense.media.recordings import inspect_recording
from mediasense.media.sniff import HEAD_BYTES, modality_of, registered, sniff
from mediasense.names import MediaModality
from mediasense.types import Media

Source = str | os.PathLike[str] | bytes

# Up to here a file is read once, checked and sent from memory.
_KEEP_BELOW = 4 * 1024 * 1024

_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")
_YOUTUBE_HOSTS = ("youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be")


def resolve(source: Source, expected: MediaModality | None = None) -> Media:
    """Look at what the user named.

    Args:
        source: A path, a URI, or the bytes themselves.
        expected: The kind of media the user asked for; ``None`` takes what it is.

    Returns:
        The media. Of a local file everything is checked that can be without a provider; of a URI
        nothing is, since only the provider reads it.

    Raises:
        MediaNotFound: No such file, or one that cannot be read.
        UnsupportedMedia: It is no image, video or sound.
        CorruptMedia: It is empty, truncated or damaged.
        MediaTooLarge: It has more pixels than anybody takes.
        UsageError: It is of another kind than expected.
    """
    if isinstance(source, bytes):
        return _expect(_inspect_bytes(source, "the data"), expected, "the data")
    text = os.fspath(source)
    if isinstance(source, str) and (scheme := _URI.match(text)):
        return _uri(text, scheme[1].lower(), expected)
    path = Path(text)
    name = display_name(path)
    return _expect(_inspect_file(path, name), expected, name)


def display_name(path: Path) -> str:
    """A path that can be printed anywhere: one line, and no bytes that are not text."""
    try:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # not a name that any file can have
        text = ascii(str(path))[1:-1]
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def uri_kind(uri: str) -> str:
    """The scheme of a URI, or ``youtube`` for a link to YouTube."""
    scheme, _, rest = uri.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    if scheme.lower() == "https" and host.lower() in _YOUTUBE_HOSTS:
        return "youtube"
    return scheme.lower()


def _inspect_file(path: Path, name: str) -> Media:
    with _open_regular(path, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise CorruptMedia(f"{name} is empty", hint="give an image, a video or a sound")
        if size <= _KEEP_BELOW:
            data = file.read(size)
            return replace(_inspect(io.BytesIO(data), data, name, len(data), path), data=data)
        return _inspect(file, file.read(HEAD_BYTES), name, size, path)


def _inspect_bytes(data: bytes, name: str) -> Media:
    if not data:
        raise CorruptMedia(f"{name} is empty", hint="give an image, a video or a sound")
    return replace(_inspect(io.BytesIO(data), data, name, len(data), None), data=data)


def _inspect(file: BinaryIO, head: bytes, name: str, size: int, path: Path | None) -> Media:
    mime_type = sniff(head[:HEAD_BYTES])
    modality = modality_of(mime_type) if mime_type else None
    if mime_type and modality is None:
        raise _no_media(name, mime_type)
    if mime_type and modality == "image":
        image = inspect_image(file, mime_type, name)
        return Media(
            modality="image",
            mime_type=mime_type,
            path=path,
            size=size,
            width=image.width,
            height=image.height,
        )
    if mime_type in ("audio/wav", "video/x-msvideo"):
        _require_riff(head, size, name)
    file.seek(0)
    try:
        found = inspect_recording(file, name, mime_type=mime_type)
    except CorruptMedia:
        if mime_type is None:
            raise _no_media(name, _text_or_binary(head)) from None
        raise
    return Media(
        modality="video" if found.has_pictures else "audio",
        mime_type=found.mime_type,
        path=path,
        size=size,
        width=found.width,
        height=found.height,
        seconds=found.seconds,
        has_sound=found.has_sound,
    )


def _require_riff(head: bytes, size: int, name: str) -> None:
    """A RIFF file states its size; FFmpeg plays what there is and says nothing."""
    stated = int.from_bytes(head[4:8], "little")
    streamed = stated in (0, 0xFFFFFFFF)
    if not streamed and stated + 8 > size + 1:
        raise CorruptMedia(
            f"{name} is truncated: {size} of {stated + 8} bytes", hint="copy or export it again"
        )


def _open_regular(path: Path, name: str) -> BinaryIO:
    try:
        # Looked at before it is opened: opening a pipe would wait for its other end.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
            raise MediaNotFound(f"{name} is {kind}, not a file", hint="give a file")
        return path.open("rb")
    except FileNotFoundError:
        raise MediaNotFound(f"there is no file {name}", hint="check the path") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "not a path"
        raise MediaNotFound(f"{name} cannot be read: {cause}", hint="check the path") from None


def _expect(media: Media, expected: MediaModality | None, name: str) -> Media:
    if expected is None or media.modality == expected:
        return media
    if expected == "audio" and media.modality == "video" and media.has_sound:
        return replace(media, modality="audio")
    if expected == "audio" and media.modality == "video":
        raise UnsupportedMedia(f"{name} is a video without sound", hint="give a sound")
    if expected == "video" and media.modality == "audio":
        raise UnsupportedMedia(
            f"{name} has sound and no pictures", hint="type: mediasense audio FILE"
        )
    article = "an" if media.modality[0] in "ai" else "a"
    raise UsageError(
        f"{name} is {article} {media.modality}, not {expected}",
        hint=f"type: mediasense {media.modality} FILE",
    )


def _uri(uri: str, scheme: str, expected: MediaModality | None) -> Media:
    if scheme == "file":
        raise UsageError("file:// is not read", hint="give the plain path")
    guessed, _ = mimetypes.guess_type(re.split(r"[?#]", uri, maxsplit=1)[0])
    guessed = registered(guessed) if guessed else None
    by_name = modality_of(guessed) if guessed else None
    if uri_kind(uri) == "youtube":
        by_name, guessed = "video", None
    modality = expected or by_name
    if modality is None:
        raise UsageError(
            f"{uri} does not say what it is",
            hint="type: mediasense image, video or audio with it",
        )
    mime_type = guessed if guessed and by_name == modality else ""
    return Media(modality=modality, mime_type=mime_type, uri=uri)


def _text_or_binary(head: bytes) -> str:
    return "text" if b"\0" not in head and head.isascii() else "unknown data"


def _no_media(name: str, what: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"{name} is {what}, not an image, a video or a sound", hint="give a media file"
    )
