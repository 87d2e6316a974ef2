"""Small files that are read again only when they have changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from mediasense.errors import ConfigError

Read = TypeVar("Read")

_MOST = 64
"""Files that are remembered."""


class Fresh(Generic[Read]):
    """What was read out of files, for as long as they stay as they are.

    Args:
        read: Makes it of the bytes of a file, given its path and what the system says of it.
        most: Bytes that a file may have.
    """

    def __init__(self, read: Callable[[Path, os.stat_result, bytes], Read], *, most: int) -> None:
        self._read = read
        self._most = most
        self._known: dict[Path, tuple[tuple[int, ...], Read]] = {}

    def of(self, path: Path) -> Read | None:
        """What is in a file; ``None`` where there is none.

        Raises:
            ConfigError: It is no file, cannot be read or is too large.
        """
        try:
            now = _stamp(path.stat())
            known = self._known.get(path)
            if known is not None and known[0] == now:
                return known[1]
            found, data = _bytes(path, self._most)
        except FileNotFoundError:
            return None
        except OSError as error:
            said = error.strerror or str(error)
            raise ConfigError(f"{path} cannot be read: {said}", hint="check the file") from None
        read = self._read(path, found, data)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[path] = (_stamp(found), read)
        return read


def _bytes(path: Path, most: int) -> tuple[os.stat_result, bytes]:
    # What is opened is what is looked at; a pipe is not waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} is not a file", hint="check the path")
        data = file.read(most + 1)
    if len(data) > most:
        raise ConfigError(f"{path} is larger than {most // 1024} KiB", hint="shorten it")
    return found, data


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
