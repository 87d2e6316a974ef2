"""Writes that nobody waits for: done on one thread, many in one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from mediasense.store.cache import Cache, CacheEntry, Kind
from mediasense.turns import turn

if TYPE_CHECKING:
    from mediasense.store.history import Entry, History

Thing = TypeVar("Thing")

_AT_ONCE = 64


class Later(Generic[Thing]):
    """Takes things from any thread and has them written by one.

    Args:
        write: Writes some at once; it raises nothing.
    """

    def __init__(self, write: Callable[[Sequence[Thing]], None]) -> None:
        self._write = write
        self._waiting: queue.SimpleQueue[tuple[Thing] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, thing: Thing) -> None:
        """Hand something in; once it is closed, it is written at once."""
        with self._lock:
            if not self._closed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, daemon=True)
                    self._thread.start()
                self._waiting.put((thing,))
                return
        self._write((thing,))

    def close(self) -> None:
        """Wait until all that was handed in is written."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        ended = False
        while not ended:
            found = [self._waiting.get()]
            while len(found) < _AT_ONCE and not self._waiting.empty():
                found.append(self._waiting.get())
            ended = None in found
            things = [one[0] for one in found if one is not None]
            if things:
                with turn():
                    self._write(things)


class LaterCache:
    """A cache whose whole answers are written a moment later; they are found meanwhile.

    Answers to single calls are written at once: until the whole answer is there, nothing else knows
    that they were paid for.

    Args:
        cache: Where they are written.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._unwritten: dict[str, str] = {}
        self._later = Later(self._write)

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; ``None`` while it can."""
        return self._cache.problem

    def get(self, key: str) -> str | None:
        """See :meth:`Cache.get`."""
        return self._unwritten.get(key) or self._cache.get(key)

    def put(self, key: str, kind: Kind, value: str, *, provider: str) -> None:
        """See :meth:`Cache.put`."""
        entry = CacheEntry(key=key, kind=kind, value=value, provider=provider)
        if kind == "call":
            self._cache.put_all((entry,))
            return
        self._unwritten[key] = value
        self._later.add(entry)

    def close(self) -> None:
        """Wait until all is written."""
        self._later.close()

    def _write(self, entries: Sequence[CacheEntry]) -> None:
        self._cache.put_all(entries)
        for entry in entries:
            self._unwritten.pop(entry.key, None)


class LaterHistory:
    """A history that is written a moment later.

    Args:
        history: Where it is written.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._later = Later(history.add_all)

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; ``None`` while it can."""
        return self._history.problem

    def add(self, entry: Entry) -> None:
        """See :meth:`History.add`."""
        self._later.add(entry)

    def close(self) -> None:
        """Wait until all is written."""
        self._later.close()
