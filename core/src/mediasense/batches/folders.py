"""The media files in folders, one folder after the other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mediasense.batches.patterns import EVERYTHING, Pattern, Places
from mediasense.media.inspecting import display_name
from mediasense.media.sniff import HEAD_BYTES, modality_of, sniff

# Opening a pipe that was put in the place of a file does not wait for its other end.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# What the decoder takes and `sniff` does not name: Core Audio, Sony Wave64, WavPack, RealMedia,
# Sun audio, AC-3, and MPEG sound with a checksum, of layer II or of version 2.5.
_MARKS = (
    *(b"caff", b"riff\x2e\x91\xcf\x11", b"wvpk", b".RMF", b".snd", b"\x0b\x77"),
    *(b"\xff\xfa", b"\xff\xfc", b"\xff\xfd", b"\xff\xe3"),
)
# Of MP4 and QuickTime `sniff` names a few brands; cameras and streams write many others, or none.
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_RAW_PHOTOGRAPH = b"ftypcrx "
_TS_SYNC = 0x47
_TS_PACKETS = ((0, 188), (4, 192))  # ISO/IEC 13818-1; with the times that camcorders put before


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a name on the command line leads to.

    Attributes:
        path: The file or folder.
        left_out: Whether it is passed over: no image, video or sound, or no plain file.
        problem: Why it cannot be looked into.
    """

    path: str
    left_out: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    folder: str
    pattern: Pattern
    places: Places


def walk(folder: str, pattern: Pattern = EVERYTHING) -> Iterator[Found]:
    """Find the files in a folder and the folders below it that a pattern matches.

    Where the pattern says nothing of names, a file is taken when it begins as an image, a video
    or a sound does; otherwise it is taken for its name. A folder that the pattern matches is
    walked as a whole. Links to folders are followed only where the pattern has a name for them,
    so a loop of links ends.

    Args:
        folder: Where to begin; ``""`` is the current one.
        pattern: What is sought below it.

    Yields:
        The files of each folder by name, then those of the folders in it.
    """
    waiting = [_Waiting(folder, pattern, pattern.start)]
    while waiting:
        here = waiting.pop()
        try:
            entries = _entries(here.folder)
        except (OSError, ValueError) as error:
            yield _unreadable(here.folder, error)
            continue
        folders: list[_Waiting] = []
        for entry in entries:
            inner = _inner(here, entry)
            if inner is not None:
                folders.append(inner)
            elif here.pattern.end in here.pattern.after(here.places, entry.name):
                taken = _is_taken(entry, here.pattern)
                yield Found(path=_path(here.folder, entry), left_out=not taken)
        waiting += reversed(folders)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder or ".") as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _path(folder: str, entry: os.DirEntry[str]) -> str:
    return entry.path if folder else entry.name  # "a.png", where that would say "./a.png"


def _inner(here: _Waiting, entry: os.DirEntry[str]) -> _Waiting | None:
    """How the walk goes on in an entry; ``None`` when it does not."""
    if not _is_folder(entry):
        return None
    link = entry.is_symlink()
    pattern = here.pattern
    places = pattern.after(here.places, entry.name, may_stay=not link)
    path = _path(here.folder, entry)
    if pattern.end in places and not link:
        return _Waiting(path, EVERYTHING, EVERYTHING.start)
    return _Waiting(path, pattern, places) if places - {pattern.end} else None


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder, or a link to one, that can be looked at."""
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_taken(entry: os.DirEntry[str], pattern: Pattern) -> bool:
    try:
        if not entry.is_file():
            return False
    except OSError:
        return False
    return not pattern.takes_any_name or _begins_as_media(entry.path)


def _begins_as_media(path: str) -> bool:
    """Also of a file that cannot be read: it fails where the user sees it."""
    try:
        file = os.open(path, _OPEN_FLAGS)
    except OSError:
        return True
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and is_media(os.read(file, HEAD_BYTES))
    except OSError:
        return True
    finally:
        os.close(file)


def is_media(head: bytes) -> bool:
    """Whether a file that starts with ``head`` looks like an image, a video or a sound."""
    if head.startswith(_RAW_PHOTOGRAPH, 4):  # it says it is an MP4 too
        return False
    mime_type = sniff(head)
    if mime_type is not None:
        return modality_of(mime_type) is not None
    return head.startswith(_MARKS) or head.startswith(_BOXES, 4) or _is_transport_stream(head)


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > first + 2 * step
        and all(head[first + number * step] == _TS_SYNC for number in range(3))
        for first, step in _TS_PACKETS
    )


def _unreadable(folder: str, error: OSError | ValueError) -> Found:
    cause = getattr(error, "strerror", None) or "not a path"
    shown = display_name(Path(folder))
    return Found(path=folder, problem=f"the folder {shown} cannot be read: {cause}")
