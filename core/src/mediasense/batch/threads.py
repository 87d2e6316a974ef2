"""Items at once on this machine: threads that take one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mediasense.batch.items import Item, Outcome

_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A thread is done: there are no more items, or what it did for the batch itself failed."""

    error: BaseException | None = None


class Threads:
    """Works on items in threads, which never keep a program from ending.

    Args:
        answer: What is done about one.
        jobs: How many at once.
    """

    def __init__(self, answer: Callable[[Item], Outcome], jobs: int) -> None:
        self._answer = answer
        self._jobs = jobs
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._running = 0
        self._stopped = threading.Event()
        # Bounded: who reads the results slowly keeps the rest from being asked about, not from
        # being kept.
        self._said: queue.Queue[Outcome | _Ended] = queue.Queue(2 * jobs)

    @property
    def running(self) -> int:
        """How many items are under way."""
        return self._running

    def stop(self) -> None:
        """Take no more items; what is under way is waited for."""
        self._stopped.set()

    def run(self, items: Iterator[Item], keep: Callable[[Outcome], None]) -> Iterator[Outcome]:
        """Ask about items, taking them only as fast as they are worked off.

        Args:
            items: What is asked about.
            keep: Called for each outcome as soon as it is known, in any thread.

        Yields:
            The outcomes, in the order in which they are known.

        Raises:
            BaseException: Whatever ``items`` or ``keep`` raised.
        """
        for _ in range(self._jobs):
            threading.Thread(target=self._work, args=(items, keep), daemon=True).start()
        failed: BaseException | None = None
        left = self._jobs
        try:
            while left:
                try:
                    said = self._said.get(timeout=_PATIENCE)
                except queue.Empty:
                    continue
                if isinstance(said, Outcome):
                    yield said
                    continue
                left -= 1
                failed = failed or said.error
        finally:
            self.stop()
        if failed is not None:
            raise failed

    def _work(self, items: Iterator[Item], keep: Callable[[Outcome], None]) -> None:
        ended = _Ended()
        try:
            while (item := self._next(items)) is not None:
                try:
                    outcome = self._answer(item)
                    keep(outcome)
                finally:
                    self._count(-1)
                self._said.put(outcome)
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            self.stop()
            ended = _Ended(error)
        self._said.put(ended)

    def _next(self, items: Iterator[Item]) -> Item | None:
        with self._taking:
            item = None if self._stopped.is_set() else next(items, None)
        if item is not None:
            self._count(1)
        return item

    def _count(self, change: int) -> None:
        with self._counting:
            self._running += change
