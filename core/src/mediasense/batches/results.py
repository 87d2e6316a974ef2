"""The results file of a batch: what the journal holds, as lines.

The answered lines stand in the order in which they were committed. Once a run ends, a line for
each failed item stands behind them. So the file can be checked and mended at its end alone.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mediasense.errors import MediasenseError, StoreError, UsageError
from mediasense.store.journal import Finished, Journal, line_bytes

_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
_NEW = os.O_CREAT | os.O_EXCL
_BYTES_AT_ONCE = 1 << 18


class Results:
    """The results file. Safe for many threads; the journal's lock keeps other processes out.

    Args:
        path: The file; ``None`` for none at all.
        journal: What it shows; opened before :meth:`restore`, but not before this is made.

    Raises:
        UsageError: There is a file of somebody else, or none can be there.
    """

    def __init__(self, path: Path | None, journal: Journal) -> None:
        self._path = None if path is None else path.absolute()
        self._journal = journal
        self._file: int | None = None
        self._end = 0
        self._lock = threading.Lock()
        if self._path is not None:
            # Before a journal is made beside what is no results file.
            check_place(self._path)
            if self._path.exists() and self._path.stat().st_size and not journal.exists():
                raise _without_journal(self._path)

    def restore(self) -> None:
        """At the start of a run: make the file hold the answered lines and nothing else.

        What is behind them is cut off: failures, a half-written line. What is missing is written
        again. A file that ends otherwise than the journal tells is made anew; only its end is
        looked at, so a change further up that moves nothing stays.

        Raises:
            UsageError: There is a file of somebody else, or none can be there.
            StoreError: It cannot be written.
        """
        if self._path is None:
            return
        check_place(self._path)
        with self._lock, _told(self._path):
            self._file = self._open(self._path)
            end = self._trusted(self._file)
            if end is None:
                self._make_anew(self._path)
            else:
                self._end = end
                os.ftruncate(self._file, end)
                self._catch_up()

    def add(self, finished: Finished) -> None:
        """Keep one item; see :meth:`add_all`."""
        self.add_all((finished,))

    def add_all(self, finished: Sequence[Finished]) -> None:
        """Keep items in the journal, then show them in the file.

        Raises:
            ValueError: A line is more than one line.
            StoreError: They cannot be kept, or are kept and cannot be written: the next lines that
                can be, or the next run, write them.
        """
        with self._lock:
            starts = self._journal.finish_all(finished)
            lines = [one.line for one, start in zip(finished, starts, strict=True) if start >= 0]
            if self._path is None or self._file is None or not lines:
                return
            with _told(self._path):
                if next(start for start in starts if start >= 0) == self._end:
                    self._append_all(lines)
                else:
                    self._catch_up()

    def close(self) -> None:
        """At the end of a run: write a line for each item that failed.

        Raises:
            StoreError: They cannot be written.
        """
        with self._lock:
            if self._path is None or self._file is None:
                return
            try:
                with _told(self._path):
                    self._catch_up()
                    self._append_all(failure.line for failure in self._journal.failures())
                    os.fsync(self._file)
            finally:
                self._let_go()

    def _open(self, path: Path) -> int:
        try:
            file = os.open(path, _FLAGS | _NEW, 0o600)
        except FileExistsError:
            file = os.open(path, _FLAGS)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise _no_file(path)
            if found.st_size and not self._journal.has_file():
                raise _without_journal(path)
            self._journal.begin_file()
        except BaseException:
            os.close(file)
            raise
        return file

    def _trusted(self, file: int) -> int | None:
        """Up to which byte the file holds answered lines; ``None`` when it is not the journal's."""
        last = self._journal.last_line(os.fstat(file).st_size)
        if last is None:
            return 0
        # With the newline of the line before it.
        start = max(0, last.start - 1)
        expected = (b"\n" if last.start else b"") + line_bytes(last.line)
        os.lseek(file, start, os.SEEK_SET)
        return start + len(expected) if _read(file, len(expected)) == expected else None

    def _make_anew(self, path: Path) -> None:
        """Whoever reads meanwhile sees the old file or the new one, whole."""
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        self._let_go()
        self._file, self._end = os.open(beside, _FLAGS | _NEW, 0o600), 0
        try:
            self._catch_up()
            os.fsync(self._file)
            self._let_go()
            beside.replace(path)
        except BaseException:
            self._let_go()
            beside.unlink(missing_ok=True)
            raise
        self._file = os.open(path, _FLAGS)

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _catch_up(self) -> None:
        """Write what is answered and not in the file yet."""
        self._append_all(self._journal.lines(self._end))

    def _append_all(self, lines: Iterable[str]) -> None:
        block = bytearray()
        for line in lines:
            block += line_bytes(line)
            if len(block) >= _BYTES_AT_ONCE:
                self._append(bytes(block))
                block.clear()
        self._append(bytes(block))

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        # What a write left behind that failed half way is written over.
        os.lseek(self._file, self._end, os.SEEK_SET)
        try:
            written = os.write(self._file, data)
            while written < len(data):
                written += os.write(self._file, data[written:])
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._end += len(data)


def check_place(path: Path) -> None:
    """See that a results file is, or can be, at a path; without touching anything.

    Raises:
        UsageError: There is something else, or its folder is missing.
    """
    if path.parent == Path("/dev") or path.is_relative_to("/dev/fd"):
        raise _no_file(path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UsageError(
                f"there is no folder {path.parent}", hint=f"type: mkdir -p {path.parent}"
            ) from None
        return
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    if stat.S_ISLNK(mode):
        raise UsageError(
            f"{path} is a symbolic link", hint=f"give the file itself: --out {path.resolve()}"
        )
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder", hint=f"give a file: --out {path / 'results.jsonl'}")
    if not stat.S_ISREG(mode):
        raise _no_file(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError | ValueError) -> MediasenseError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return StoreError(
            f"{path} cannot be written: {os.strerror(number)}",
            hint="make room and give the same command again: it goes on from here",
        )
    said = getattr(error, "strerror", None) or error
    return UsageError(f"{path} cannot be written: {said}", hint="give another --out")


def _no_file(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no file that can be gone on with",
        hint="leave out --out to write to standard output",
    )


def _without_journal(path: Path) -> UsageError:
    return UsageError(f"{path} exists and has no journal", hint="give another --out, or remove it")


def _read(file: int, size: int) -> bytes:
    """So many bytes from here, or what there is."""
    data = b""
    while len(data) < size and (block := os.read(file, size - len(data))):
        data += block
    return data
