"""Files and folders that are their owner's alone from the first byte, whatever the umask."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 10.0
"""Seconds to wait for another thread or process."""

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite adds to a file's name for those beside it."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, for the owner alone; those that are there stay as is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # whatever the umask took


def make_file(path: Path) -> None:
    """Make an empty file for the owner alone; its log gets the same mode from SQLite.

    A file that is there is never opened here: closing it would end all locks that this process
    has on it (https://www.sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        OSError: It cannot be made.
        ValueError: What is there is not a file of this user.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _check_file(path)
        return
    os.fchmod(handle, 0o600)  # whatever the umask took
    os.close(handle)


def _check_file(path: Path) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise ValueError("it belongs to another user")


def keep_private(path: Path) -> None:
    """Take from others what they may do with a file, and with those SQLite keeps beside it."""
    for file in (path, *(path.with_name(path.name + suffix) for suffix in BESIDE)):
        with suppress(FileNotFoundError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def replace_file(path: Path, data: bytes) -> None:
    """Put a new file in the place of the old one, whole or not at all.

    A file that is made is its owner's alone; one that is replaced keeps its owner and its mode.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            with suppress(FileNotFoundError):
                _take_over(file.fileno(), path.stat())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _take_over(handle: int, old: os.stat_result) -> None:
    """Give a new file the owner and the mode of the old one."""
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def identity(path: Path) -> tuple[int, int] | None:
    """What tells the file at a path from another that took its place; ``None`` without one."""
    try:
        found = os.stat(path)  # noqa: PTH116 (twice as fast, and done for every transaction)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others from opening or replacing files of a folder; a lock of the folder needs no file.

    Where a disk has no such locks, or somebody else keeps it, it goes on after a while without:
    SQLite's own locks still hold.
    """
    handle: int | None = None
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if handle is not None:
            _lock(handle)
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def _lock(handle: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            return
        else:
            return
