"""Items on their way to the workers of a cluster, and outcomes on their way back."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mediasense.batches.crew import Crew, Flight, Worker, said
from mediasense.batches.items import Failure, Item, Keep, Outcome
from mediasense.batches.local import waiting_words
from mediasense.batches.nodes import Cluster
from mediasense.errors import MediasenseError
from mediasense.ledger import Spent

if TYPE_CHECKING:
    from mediasense.store.history import Entry

LOSSES = 3
"""Workers that an item may be lost with: then it is taken for what ends them."""
SUSPECT = LOSSES - 1
"""Losses after which an item is given out alone, so that no other is lost with it."""
_LOOK = 1.0
"""Seconds between looks at which nodes there are."""
_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """The end of the outcomes, or why they end early."""

    error: BaseException | None = None


class Flow:
    """Items in, outcomes out. One thread takes items, one gives them out and gets them back.

    Args:
        keep: Called with outcomes as soon as they are known.
        note: Called with what the history is to be told.
        limits: The process that holds the limits.
        jobs: How many items are under way at once.
        stopped: Set when no more items are to be taken.
    """

    def __init__(
        self,
        keep: Keep,
        note: Callable[[Sequence[Entry]], object],
        limits: Any,
        *,
        jobs: int,
        stopped: threading.Event,
    ) -> None:
        self._keep = keep
        self._note = note
        self._limits = limits
        self._held_up = ""
        self._asked_limits = False
        self._stopped = stopped
        self._closed = threading.Event()
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome | _Ended] = queue.SimpleQueue()
        self._places = threading.Semaphore(jobs)
        # Whoever takes outcomes slowly is not buried in them.
        self._room = threading.Semaphore(2 * jobs)
        self._waiting: deque[Flight] = deque()
        self._suspects: deque[Flight] = deque()
        self._under_way: set[Flight] = set()
        self._known: list[Outcome] = []
        self._entries: list[Entry] = []
        self._exhausted = False
        self._failure: BaseException | None = None
        self._loop_thread: threading.Thread | None = None

    @property
    def running(self) -> int:
        """How many items are with workers now."""
        return len(self._under_way)

    @property
    def waiting(self) -> str:
        """Why calls are not made now, in words; ``""`` when they are."""
        return self._crew.waiting or self._held_up

    def post(self, event: Callable[[], None]) -> None:
        """Have a function called by the loop."""
        self._events.put(event)

    def start(self, items: Iterator[Item], cluster: Cluster, crew: Crew) -> None:
        """Begin."""
        self._cluster, self._crew = cluster, crew
        threading.Thread(target=self._take, args=(items,), daemon=True).start()
        self._loop_thread = threading.Thread(target=self._run, daemon=True)
        self._loop_thread.start()

    def outcomes(self) -> Iterator[Outcome]:
        """What became of the items, until there are no more.

        Raises:
            BaseException: Whatever the list, the keeping or the cluster failed with.
        """
        while True:
            try:
                found = self._outcomes.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            if isinstance(found, _Ended):
                if found.error is not None:
                    raise found.error
                return
            yield found
            self._room.release()

    def stop(self) -> None:
        """Give out no more; what is under way is waited for, unless it waits for a provider."""
        self.post(self._stop)

    def close(self) -> None:
        """End it, with whatever is under way."""
        self._closed.set()
        self._stopped.set()
        self.post(lambda: None)
        self._places.release()
        self._room.release()
        if self._loop_thread is not None:
            self._loop_thread.join()

    # --- the thread that takes items

    def _take(self, items: Iterator[Item]) -> None:
        try:
            while True:
                self._places.acquire()
                self._room.acquire()
                if self._stopped.is_set():
                    break
                item = next(items, None)
                if item is None:
                    break
                self.post(partial(self._taken, item))
        except BaseException as error:  # noqa: BLE001  it is raised where outcomes are waited for
            self.post(partial(self._fail, error))
        self.post(self._no_more)

    # --- the thread that gives them out

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            looked = 0.0
            while not self._over():
                if time.monotonic() - looked >= _LOOK:
                    self._crew.hire()
                    self._ask_limits()
                    looked = time.monotonic()
                self._react()
                self._tell()
                self._give_out()
            if not self._closed.is_set():
                self._crew.finish()
        except BaseException as failure:  # noqa: BLE001  it is raised where outcomes are waited for
            error = failure
        try:
            self._crew.dismiss()
        except Exception as failure:  # noqa: BLE001  the batch is over, and Ray ends them as well
            error = error or None if self._closed.is_set() else error or failure
        self._outcomes.put(_Ended(error))

    def _over(self) -> bool:
        if self._failure is not None:
            raise self._failure
        if self._closed.is_set():
            return True
        if self._stopped.is_set():
            self._waiting = deque(flight for flight in self._waiting if flight.losses)
        elif not self._exhausted:
            return False
        return not (self._waiting or self._suspects or self._under_way)

    def _react(self) -> None:
        """Wait for something to happen, and take what has happened besides."""
        try:
            self._events.get(timeout=_LOOK)()
            while True:
                self._events.get_nowait()()
        except queue.Empty:
            return

    def _give_out(self) -> None:
        while self._suspects:
            worker = self._crew.hermit()
            if worker is None:
                break
            self._give(self._suspects.popleft(), worker)
        while self._waiting:
            worker = self._crew.free()
            if worker is None:
                break
            self._give(self._waiting.popleft(), worker)

    def _give(self, flight: Flight, worker: Worker) -> None:
        flight.worker = worker
        worker.flights.add(flight)
        self._under_way.add(flight)
        reference = worker.actor.answer.remote(flight.item)
        reference.future().add_done_callback(
            lambda future: self.post(partial(self._came, flight, worker, future))
        )

    def _ask_limits(self) -> None:
        if not self._asked_limits:
            self._asked_limits = True
            self._limits.states.remote().future().add_done_callback(
                lambda future: self.post(partial(self._limits_said, future))
            )

    def _limits_said(self, future: Any) -> None:
        self._asked_limits = False
        if (error := future.exception()) is not None:
            raise MediasenseError(
                f"the process that holds the limits of the batch is gone: {said(error)}",
                hint="the same command goes on where this one ended",
            )
        self._held_up = waiting_words(future.result())

    def _stop(self) -> None:
        self._crew.stop()

    def _taken(self, item: Item) -> None:
        self._waiting.append(Flight(item=item, began=time.monotonic()))

    def _no_more(self) -> None:
        self._exhausted = True

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _came(self, flight: Flight, worker: Worker, future: Any) -> None:
        self._under_way.discard(flight)
        worker.flights.discard(flight)
        error = future.exception()
        if error is not None and self._cluster.is_loss(error):
            self._lost(flight, worker, error)
            return
        worker.alone = False
        if error is not None:
            self._fail(getattr(error, "cause", error))
            return
        answered = future.result()
        self._entries += answered.entries
        self._known.append(replace(answered.outcome, item=flight.item))

    def _lost(self, flight: Flight, worker: Worker, error: BaseException) -> None:
        self._crew.lose(worker, error)
        flight.losses += 1
        if flight.losses >= LOSSES:
            self._known.append(_given_up(flight, worker))
        elif flight.losses >= SUSPECT:
            self._suspects.append(flight)
        else:
            self._waiting.appendleft(flight)

    def _tell(self) -> None:
        """Keep what has become known, and let it be seen."""
        if self._entries:
            self._note(self._entries)
            self._entries = []
        if self._known:
            known, self._known = self._known, []
            self._keep(known)
            for outcome in known:
                self._outcomes.put(outcome)
                self._places.release()


def _given_up(flight: Flight, worker: Worker) -> Outcome:
    lost = f"the worker that had it was lost {flight.losses} times, at last on {worker.where}"
    failure = Failure(
        kind="WorkerLost",
        message=f"{lost}; look for it in Ray's logs, or ask about it on one machine",
        exit_code=1,
        passing=False,
    )
    return Outcome(
        item=flight.item,
        answer=None,
        failure=failure,
        spent=Spent(),
        seconds=time.monotonic() - flight.began,
    )
