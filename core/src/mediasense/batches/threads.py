"""Items at once on this machine: threads that take one after the other."""

from __future__ import annotations

import operator
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from mediasense.batches.items import Item, Keep, Outcome
from mediasense.turns import apart, turn

_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """What a thread does for the batch itself failed."""

    error: BaseException


_GATHERING = 0.005
"""Seconds: whoever reads the results is woken for some at once, and not for each."""

_ENDED = object()
"""All threads are done, and all outcomes are told."""


class Threads:
    """Works on items in threads, which never keep a program from ending.

    Args:
        answer: What is done about one.
        jobs: How many at once.
        ready: Whether the next item is never long in coming: then a thread goes on with the next as
            long as it waits for nobody, and it is not another one's turn after each.
        ends: Whether no more are to be taken after this one. Those who keep it say so too, but a
            moment later.
    """

    def __init__(
        self,
        answer: Callable[[Item], Outcome],
        jobs: int,
        *,
        ready: bool = False,
        ends: Callable[[Outcome], bool] = operator.attrgetter("given_back"),
    ) -> None:
        self._answer = answer
        self._jobs = jobs
        self._ready = ready
        self._ends = ends
        self._left = False
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._running = 0
        self._working = jobs
        self._stopped = threading.Event()
        # Whoever reads the results slowly keeps the rest from being asked about; what is answered
        # is kept all the same.
        self._room = threading.Semaphore(3 * jobs)
        self._said: queue.SimpleQueue[object] = queue.SimpleQueue()

    @property
    def running(self) -> int:
        """How many items are under way."""
        return self._running

    def stop(self) -> None:
        """Take no more items; what is under way is waited for."""
        self._stopped.set()

    def run(self, items: Iterator[Item], keep: Keep) -> Iterator[Outcome]:
        """Ask about items, taking them only as fast as they are worked off.

        Args:
            items: What is asked about.
            keep: Called with each outcome as soon as it is known, in any thread of this process.

        Yields:
            The outcomes, once they are kept.

        Raises:
            BaseException: Whatever ``items`` or ``keep`` raised.
        """
        for _ in range(self._jobs):
            threading.Thread(target=self._work, args=(items, keep), daemon=True).start()
        failed: BaseException | None = None
        try:
            while (said := self._next_said()) is not _ENDED:
                if isinstance(said, _Broken):
                    failed = failed or said.error
                elif isinstance(said, Outcome):
                    self._room.release()
                    yield said
        finally:
            self.stop()
            self._room.release(self._jobs)
        if failed is not None:
            raise failed

    def _next_said(self) -> object:
        if self._said.empty():
            time.sleep(_GATHERING)
        while True:
            try:
                return self._said.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._leave():
                    self._said.put(_ENDED)

    def _leave(self) -> bool:
        """Once no more is taken and all is answered, leave a thread that waits for the list.

        The next line of a pipe may be hours away.
        """
        with self._counting:
            self._left = self._left or (self._stopped.is_set() and not self._running)
            return self._left

    def _work(self, items: Iterator[Item], keep: Keep) -> None:
        try:
            with turn() if self._ready else nullcontext():
                while (item := self._next(items)) is not None:
                    try:
                        self._do(item, keep)
                    finally:
                        self._count(-1)
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            # What is under way can be answered all the same.
            self._stopped.set()
            self._said.put(_Broken(error))
        with self._counting:
            self._working -= 1
            last = not self._working
        if last:
            self._said.put(_ENDED)

    def _do(self, item: Item, keep: Keep) -> None:
        with turn():
            outcome = self._answer(item)
            if self._ends(outcome):
                self.stop()
            # Before the next is asked about: of those that are lost when the program is killed
            # there are no more than jobs.
            keep((outcome,))
        self._said.put(outcome)

    def _next(self, items: Iterator[Item]) -> Item | None:
        if not self._room.acquire(blocking=False):
            with apart():
                self._room.acquire()
        with self._taking:
            item = None if self._stopped.is_set() else next(items, None)
            if item is None:
                return None
            with self._counting:
                if self._left:
                    return None
                self._running += 1
        return item

    def _count(self, change: int) -> None:
        with self._counting:
            self._running += change
