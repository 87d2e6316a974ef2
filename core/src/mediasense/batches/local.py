"""The engine of this machine: threads, with limits of rate and cost that all of them share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from mediasense.batches.items import Item, Keep, Outcome
from mediasense.batches.run import Engine, Setting
from mediasense.batches.threads import Threads
from mediasense.batches.work import Worker
from mediasense.budget import Purse
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.pacing.circuit import OPENS_AFTER
from mediasense.pacing.lane import LaneState
from mediasense.pacing.lanes import Lanes, LanesLike
from mediasense.pacing.pacer import Pacer
from mediasense.store.cache import Cache
from mediasense.store.history import History
from mediasense.store.later import LaterCache, LaterHistory
from mediasense.types import Question

_JOBS_OF_AN_ITEM = 8
"""Calls of one item at once; the gate keeps those of all items together to the jobs."""


class LocalEngine(Threads):
    """Threads whose waiting calls end when the batch is stopped."""

    def __init__(
        self,
        worker: Worker,
        lanes: LanesLike,
        jobs: int,
        *,
        ready: bool,
        ends: Callable[[Outcome], bool],
    ) -> None:
        super().__init__(worker.answer, jobs, ready=ready, ends=ends)
        self._desk = worker.dispatcher.desk
        self._lanes = lanes

    @property
    def waiting(self) -> str:
        """Why calls are not made now, in words; ``""`` when they are."""
        return waiting_words(self._lanes.states())

    def run(self, items: Iterator[Item], keep: Keep) -> Iterator[Outcome]:
        """See :meth:`Threads.run`; at the end all is written that is kept."""
        try:
            yield from super().run(items, keep)
        finally:
            write_all(self._desk)

    def stop(self) -> None:
        """Take no more items, and wait for no provider that does not take calls now."""
        super().stop()
        wait_for_nobody(self._desk)


def wait_for_nobody(desk: Desk) -> None:
    """End all waiting for providers that do not take calls now."""
    if desk.pacer is not None:
        desk.pacer.stop()


def write_all(desk: Desk) -> None:
    """Wait until all is written that is kept."""
    for store in (desk.cache, desk.history):
        if isinstance(store, LaterCache | LaterHistory):
            store.close()


def waiting_words(states: Mapping[str, LaneState]) -> str:
    """Which providers are not asked now, and why."""
    return "; ".join(
        f"{name.partition(' ')[0]} {state.why}: {state.pause:.0f} s"
        for name, state in states.items()
        if state.why and state.pause >= 1
    )


def worker_of(
    dispatcher: Dispatcher,
    question: Question,
    *,
    jobs: int,
    lanes: LanesLike,
    budget: Purse,
) -> Worker:
    """Who answers items in this process.

    Args:
        dispatcher: Asks.
        question: What is asked.
        jobs: How many calls are under way at once here.
        lanes: The limits of rate.
        budget: The limit of cost.
    """
    # So often that a service which is down is found to be, by one job alone: then it is waited for.
    attempts = max(OPENS_AFTER, question.retries + 1) if question.retries else 1
    shared = dispatcher.desk
    desk = replace(
        shared,
        budget=budget,
        pacer=Pacer(lanes, attempts=attempts),
        gate=threading.BoundedSemaphore(jobs),
        cache=LaterCache(shared.cache) if isinstance(shared.cache, Cache) else None,
        history=LaterHistory(shared.history) if isinstance(shared.history, History) else None,
    )
    # The pacer tries again, for all at once and in the open.
    asked = replace(question, retries=0, jobs=min(jobs, _JOBS_OF_AN_ITEM))
    return Worker(dispatcher=replace(dispatcher, desk=desk), question=asked)


def local_engine(
    dispatcher: Dispatcher, question: Question, setting: Setting
) -> Callable[[Purse], Engine]:
    """Makes the engine, once it is known what may be spent."""
    lanes = Lanes(setting.limits)

    def make(budget: Purse) -> Engine:
        worker = worker_of(dispatcher, question, jobs=setting.jobs, lanes=lanes, budget=budget)
        return LocalEngine(worker, lanes, setting.jobs, ready=setting.ready, ends=ends)

    def ends(outcome: Outcome) -> bool:
        return outcome.given_back or (outcome.failure is not None and setting.on_error == "stop")

    return make
