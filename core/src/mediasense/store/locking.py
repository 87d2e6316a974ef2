"""One process at a time, with a lock that the system lets go of however the process ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from mediasense.errors import StoreError, UsageError
from mediasense.private import make_folder

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FAR = 1 << 30
"""Where Windows locks a byte: behind all that is read, because a locked byte cannot be read."""


class Lock:
    """A file that one process at a time holds locked.

    The lock is the system's: after ``kill -9`` it is free, whatever the file says.

    Args:
        path: The file; made, and removed when the lock is released.
        name: What the process that holds it works on, for errors.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self._name = name
        self._file: int | None = None

    def take(self) -> None:
        """Lock it.

        Raises:
            UsageError: Another process holds it, or another lock of this one.
            StoreError: The file cannot be made or locked.
        """
        while self._file is None:
            try:
                make_folder(self._path.parent)
                file = os.open(self._path, _FLAGS, 0o600)
            except OSError as error:
                raise self._unusable(error) from None
            try:
                self._take(file)
            finally:
                if self._file is None:
                    os.close(file)

    def _take(self, file: int) -> None:
        try:
            if not _lock(file):
                raise self._held(file)
            # Its last holder may have removed it after it was opened here: then that lock is on
            # a file that nobody else can find.
            if os.path.samestat(os.fstat(file), self._path.stat()):
                os.ftruncate(file, 0)
                os.write(file, b"%d" % os.getpid())
                self._file = file
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(error) from None

    def _held(self, file: int) -> UsageError:
        holder = os.read(file, 20)
        by = f" (process {holder.decode()})" if holder.isdigit() else ""
        return UsageError(
            f"another mediasense works on {self._name}{by}",
            hint="wait until it is done, or give another --out",
        )

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._path} cannot be made and locked: {error.strerror}",
            hint="give an --out in a folder of your own, on a disk of this machine",
        )

    def release(self) -> None:
        """Let go of it."""
        file, self._file = self._file, None
        if file is None:
            return
        if sys.platform != "win32":
            with suppress(OSError):
                self._path.unlink()
        os.close(file)


if sys.platform == "win32":

    def _lock(file: int) -> bool:
        import msvcrt

        try:
            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True

else:

    def _lock(file: int) -> bool:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
