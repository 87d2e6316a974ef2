"""From a file to checked :class:`~mediasense.types.Media`: what it is, and whether it is whole.

JPEG and PNG, which is nearly every image, are read by their structure, here. Everything else is
looked at by a decoder, in a process of its own.
"""

from __future__ import annotations

import codecs
import io
import os
import shlex
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mediasense.errors import CorruptMedia, MediaNotFound, UnsupportedMedia
from mediasense.media.images import inspect_image, inspect_image_file
from mediasense.media.sniff import HEAD_BYTES, modality_of, sniff
from mediasense.media.workspace import Workspace
from mediasense.types import ImageFacts, Media

SMALL = 4 * 1024 * 1024
"""Bytes: up to here a file is read once, checked and sent from memory."""

_BY_STRUCTURE = ("image/jpeg", "image/png")
_NOTHING = "give an image, a video or a sound"


def display_name(path: Path) -> str:
    """A path that can be printed anywhere: one line, and no bytes that are not text."""
    try:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # not a name that any file can have
        text = ascii(str(path))[1:-1]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def inspect_file(path: Path, name: str, workspace: Workspace) -> Media:
    """Look at a file.

    Args:
        path: Where it is.
        name: How errors call it.
        workspace: Where decoders work.

    Raises:
        MediaNotFound: There is no such file, or it cannot be read.
        UnsupportedMedia: It is no image, video or sound.
        CorruptMedia: It is empty, truncated or damaged.
        MediaTooLarge: It has more pixels than anybody takes.
    """
    with _open_regular(path, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size > SMALL:
            return _inspect(file, file.read(HEAD_BYTES), name, size, path, workspace)
        data = file.read(size)
    return inspect_bytes(data, name, workspace, path=path)


def read_small(path: Path, size: int) -> bytes | None:
    """A file up to :data:`SMALL` that is no pipe: read once, checked and sent from memory.

    Of its calls to the system each lets other threads go first, so there are no more than it takes.

    Args:
        path: Where it is.
        size: How long it is.

    Returns:
        Its bytes; ``None`` where it cannot be read, or is longer or shorter now.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        return None
    try:
        data = os.read(file, size + 1)
    except OSError:
        return None
    finally:
        os.close(file)
    return data if len(data) == size else None


def inspect_bytes(
    data: bytes, name: str, workspace: Workspace, *, path: Path | None = None
) -> Media:
    """Look at bytes, which may be those of a file; otherwise as :func:`inspect_file`."""
    if not data:
        raise CorruptMedia(f"{name} is empty", hint=_NOTHING)
    media = _inspect(io.BytesIO(data), data[:HEAD_BYTES], name, len(data), path, workspace)
    return replace(media, data=data, path=path)


def _inspect(
    file: BinaryIO, head: bytes, name: str, size: int, path: Path | None, workspace: Workspace
) -> Media:
    mime_type = sniff(head)
    modality = modality_of(mime_type) if mime_type else None
    if mime_type and modality is None:
        raise _no_media(name, mime_type)
    if mime_type and modality == "image":
        image = _image_facts(file, mime_type, name, path, workspace)
        return Media(
            modality="image",
            mime_type=mime_type,
            name=name,
            path=path,
            size=size,
            width=image.width,
            height=image.height,
            facts=image,
        )
    return _recording(file, head, mime_type, name, size, path, workspace)


def _image_facts(
    file: BinaryIO, mime_type: str, name: str, path: Path | None, workspace: Workspace
) -> ImageFacts:
    if mime_type in _BY_STRUCTURE:
        return inspect_image(file, mime_type, name)
    work = partial(
        inspect_image_file,
        source=path or workspace.keep(file),
        mime_type=mime_type,
        name=name,
    )
    return workspace.decode(work, "looking at the image")


def _recording(
    file: BinaryIO,
    head: bytes,
    mime_type: str | None,
    name: str,
    size: int,
    path: Path | None,
    workspace: Workspace,
) -> Media:
    from mediasense.media.recordings import inspect_recording

    work = partial(
        inspect_recording, source=path or workspace.keep(file), name=name, mime_type=mime_type
    )
    try:
        found = workspace.decode(work, "looking at the recording")
    except (CorruptMedia, UnsupportedMedia) as error:
        what = _text_or_binary(head)
        if mime_type is None and (what == "text" or isinstance(error, CorruptMedia)):
            raise _no_media(name, what) from None
        raise
    facts = found.facts
    if mime_type in ("audio/wav", "video/x-msvideo") and not facts.damage:
        facts = replace(facts, damage=_riff_damage(head, size))
    return Media(
        modality="video" if facts.has_pictures else "audio",
        mime_type=found.mime_type,
        name=name,
        path=path,
        size=size,
        width=facts.width,
        height=facts.height,
        seconds=facts.seconds,
        has_sound=facts.has_sound,
        facts=facts,
    )


def _riff_damage(head: bytes, size: int) -> str:
    """A RIFF file states its size; FFmpeg plays what there is and says nothing."""
    stated = int.from_bytes(head[4:8], "little")
    streamed = stated in (0, 0xFFFFFFFF)
    if streamed or stated + 8 <= size + 1:
        return ""
    return f"it breaks off after {size} of {stated + 8} bytes"


def _open_regular(path: Path, name: str) -> BinaryIO:
    try:
        # Looked at before it is opened: opening a pipe would wait for its other end.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                raise MediaNotFound(
                    f"{name} is a folder, not a file",
                    hint=f"for all files in it, type: mediasense batch {shlex.quote(name)}",
                )
            raise MediaNotFound(
                f"{name} is a device, a pipe or a socket, not a file",
                hint="give a file, or - for stdin",
            )
        return path.open("rb")
    except FileNotFoundError:
        raise MediaNotFound(f"there is no file {name}", hint="check the path") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "not a path"
        raise MediaNotFound(f"{name} cannot be read: {cause}", hint="check the path") from None


def _text_or_binary(head: bytes) -> str:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last letter may be cut
    except UnicodeDecodeError:
        return "unknown data"
    return "unknown data" if b"\0" in head else "text"


def _no_media(name: str, what: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"{name} is {what}, not an image, a video or a sound", hint="give a media file"
    )
