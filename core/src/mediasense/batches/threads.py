"""Items at once on this machine: threads that take one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mediasense.batches.items import Item, Keep, Outcome
from mediasense.store.later import Later

_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """An outcome, and a lock that is let go once it is kept; ``None`` where nobody waits for it."""

    outcome: Outcome
    kept: threading.Lock | None


@dataclass(frozen=True, slots=True)
class _Broken:
    """What a thread does for the batch itself failed."""

    error: BaseException


_ENDED = object()
"""All threads are done, and all outcomes are told."""


def _stops(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.stopping


class Threads:
    """Works on items in threads, which never keep a program from ending.

    Args:
        answer: What is done about one.
        jobs: How many at once.
        ends: Whether no more are to be taken after this one. Those who keep it say so too, but a
            moment later.
    """

    def __init__(
        self,
        answer: Callable[[Item], Outcome],
        jobs: int,
        *,
        ends: Callable[[Outcome], bool] = _stops,
    ) -> None:
        self._answer = answer
        self._jobs = jobs
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
            keep: Called with outcomes as soon as they are known, on one thread of this process.

        Yields:
            The outcomes, once they are kept.

        Raises:
            BaseException: Whatever ``items`` or ``keep`` raised.
        """
        keeper = Later(partial(self._keep, keep))
        for _ in range(self._jobs):
            threading.Thread(target=self._work, args=(items, keeper), daemon=True).start()
        failed: BaseException | None = None
        try:
            while (said := self._next_said(keeper)) is not _ENDED:
                if isinstance(said, _Broken):
                    failed = failed or said.error
                elif isinstance(said, Outcome):
                    self._room.release()
                    yield said
        finally:
            self.stop()
            self._room.release(self._jobs)
            keeper.close()
        if failed is not None:
            raise failed

    def _next_said(self, keeper: Later[_Answered]) -> object:
        while True:
            try:
                return self._said.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._leave():
                    keeper.close()
                    self._said.put(_ENDED)

    def _leave(self) -> bool:
        """Once no more is taken and all is answered, leave a thread that waits for the list.

        The next line of a pipe may be hours away.
        """
        with self._counting:
            self._left = self._left or (self._stopped.is_set() and not self._running)
            return self._left

    def _work(self, items: Iterator[Item], keeper: Later[_Answered]) -> None:
        kept = threading.Lock()
        kept.acquire()
        try:
            while (item := self._next(items)) is not None:
                try:
                    outcome = self._answer(item)
                    if self._ends(outcome):
                        self.stop()
                    paid = bool(outcome.spent.calls)
                    keeper.add(_Answered(outcome, kept if paid else None))
                    if paid:
                        # Before the next is asked about: of those that are lost when the program
                        # is killed there are no more than jobs.
                        kept.acquire()
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
            keeper.close()
            self._said.put(_ENDED)

    def _keep(self, keep: Keep, answered: Sequence[_Answered]) -> None:
        outcomes = [one.outcome for one in answered]
        try:
            keep(outcomes)
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            self.stop()
            self._said.put(_Broken(error))
        else:
            for outcome in outcomes:
                self._said.put(outcome)
        for one in answered:
            if one.kept is not None:
                one.kept.release()

    def _next(self, items: Iterator[Item]) -> Item | None:
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
