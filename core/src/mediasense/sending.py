"""How much of a request was sent: told by what reads its body, to whoever shows it.

What belongs to a call is kept in a context variable, so plugins are handed nothing and threads do
not meet. Several calls of one question may be under way at once; they are told of as one.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from mediasense.names import OnProgress

_EVERY_SECONDS = 0.1
"""How often it is told at most: a body is read in very many blocks."""

_WAITING = "waiting for the answer"

FIGURES = " · "
"""What stands between the words for what is done and their figures, which change meanwhile."""


class Transfer:
    """The words for how much of something has come or gone.

    Args:
        words: What is done.
        clock: Tells the time, in seconds.
    """

    def __init__(self, words: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._words = words
        self._clock = clock
        self._began = clock()
        self._told = float("-inf")

    def is_due(self) -> bool:
        """Whether it is time to tell of it again."""
        now = self._clock()
        if now - self._told < _EVERY_SECONDS:
            return False
        self._told = now
        return True

    def told(self, done: int, whole: int | None) -> str:
        """The words, with figures.

        Args:
            done: Bytes so far.
            whole: Bytes in all; ``None`` when it is not known.
        """
        figures = f"{_megabytes(done)} MB"
        if whole:
            figures = f"{_megabytes(done)} of {_megabytes(whole)} MB"
        seconds = self._clock() - self._began
        rate = f"{FIGURES}{_megabytes(round(done / seconds))} MB/s" if seconds >= 1 else ""
        return f"{self._words}{FIGURES}{figures}{rate}"


class Sending:
    """What the calls of one question send, together.

    Args:
        report: Told of it.
        clock: Tells the time, in seconds.
    """

    def __init__(self, report: OnProgress, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._bodies: dict[object, _Sent] = {}
        self._transfer: Transfer | None = None
        self._told = False

    @contextmanager
    def to(self, name: str) -> Iterator[None]:
        """While this is open, what this thread reads of request bodies is being sent.

        Args:
            name: Who gets it.
        """
        call = _Call(self, name)
        token = _current.set(call)
        try:
            yield
        finally:
            _current.reset(token)
            with self._lock:  # what a broken connection did not take is not waited for
                for body, sent in list(self._bodies.items()):
                    if sent.call is call and sent.done < sent.whole:
                        del self._bodies[body]

    def read(self, call: _Call, body: object, done: int, whole: int) -> None:
        """Told that so many bytes of a body are read: those before the last block are sent."""
        with self._lock:
            words, share = self._standing(call, body, done, whole)
        if words:
            self._report(words, share)

    def _standing(
        self, call: _Call, body: object, done: int, whole: int
    ) -> tuple[str, float | None]:
        """What is to be told now; nothing where it was told just before."""
        if self._transfer is None:
            self._transfer = Transfer(f"sending to {call.name}", self._clock)
        self._bodies[body] = _Sent(call, done, whole)
        sent = sum(each.done for each in self._bodies.values())
        total = sum(each.whole for each in self._bodies.values())
        if sent < total:
            if not self._transfer.is_due():
                return "", None
            self._told = True
            return self._transfer.told(sent, total), sent / total
        told, self._told = self._told, False
        self._bodies.clear()
        self._transfer = None
        return (_WAITING if told else ""), None


class _Call:
    """One call that is under way."""

    __slots__ = ("name", "sending")

    def __init__(self, sending: Sending, name: str) -> None:
        self.sending = sending
        self.name = name


@dataclass(frozen=True, slots=True)
class _Sent:
    """How much of one body is sent, for which call."""

    call: _Call
    done: int
    whole: int


_current: ContextVar[_Call | None] = ContextVar("sending", default=None)


def sent(body: object, done: int, whole: int) -> None:
    """Tell that so much of a body is sent, if it is, and somebody wants to know.

    Args:
        body: Which; the same object each time.
        done: Bytes so far.
        whole: Bytes in all.
    """
    if (call := _current.get()) is not None:
        call.sending.read(call, body, done, whole)


def open_to_send(path: Path) -> BinaryIO:
    """Open a file for reading; where it is being sent, what is read of it is told.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """
    return path.open("rb") if _current.get() is None else _Watched(path)


class _Watched(io.BufferedReader):
    """A file that is sent as it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._whole = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and tell how far."""
        block = super().read(size)
        sent(self, self.tell(), self._whole)
        return block

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """As :meth:`read`."""
        count = super().readinto(buffer)
        sent(self, self.tell(), self._whole)
        return count


@contextmanager
def untold() -> Iterator[None]:
    """While this is open, what is read is told by somebody else."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def _megabytes(count: int) -> str:
    number = count / 1e6
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"
