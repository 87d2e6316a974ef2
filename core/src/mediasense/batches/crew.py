"""The workers of a batch on a cluster: who is ready, who has what, and who has to be replaced."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from mediasense.batches.errands import Answered
from mediasense.batches.items import Item
from mediasense.batches.nodes import (
    Cluster,
    Node,
    Sight,
    process_class,
    require_same,
    versions_here,
)
from mediasense.errors import MediasenseError, one_line

THREADS = 32
"""Calls that one Python process has under way before another process makes things faster."""
MOST_THREADS = 128
"""Items that one process has at once: each has a thread of its own."""
_FINISHING = 10.0
"""Seconds for workers to write what they keep."""
_SPARE_THREADS = 2
"""To be told something while all the others are busy."""
PATIENCE = 60.0
"""Seconds without any worker after which a batch ends."""


class Hand(Protocol):
    """What answers items in a worker."""

    def answer(self, item: Item) -> Answered:
        """Ask about an item."""

    def stop(self) -> None:
        """Wait for no provider that does not take calls now."""

    def finish(self) -> None:
        """Write all that is kept there."""

    def share(self, calls: int) -> None:
        """Have so many calls under way at once at most."""


class Errand(Protocol):
    """What a worker needs to begin. It travels, so it is plain data."""

    def begin(self, worker: int, where: str) -> Hand:
        """Begin, in the process of the worker.

        Args:
            worker: Its number.
            where: The name of its node, for people.
        """


Post = Callable[[Callable[[], None]], None]
"""Has a function called by the loop of the engine."""


@dataclass(eq=False, slots=True)
class Flight:
    """An item on its way.

    Attributes:
        item: Which one.
        began: When it was first given out, on the clock of ``time.monotonic``.
        losses: How many workers were lost that had it.
        worker: Who has it now.
    """

    item: Item
    began: float
    losses: int = 0
    worker: Worker | None = None


@dataclass(eq=False, slots=True)
class Worker:
    """A process on a node, as seen from here.

    Attributes:
        number: Which one; no two have the same.
        actor: Ray's handle.
        node: Its node, where that was chosen here.
        threads: How many items it takes at once.
        where: The name of its node, for people; known once it runs.
        ready: Whether it takes items.
        alone: Whether it takes one item alone.
        flights: What it has.
    """

    number: int
    actor: Any
    node: str | None
    threads: int
    where: str = "a node"
    ready: bool = False
    alone: bool = False
    flights: set[Flight] = field(default_factory=set)


class Crew:
    """The workers of a batch.

    Args:
        cluster: Where they are.
        errand: What they do.
        jobs: How many items are under way at once, in all of them.
        workers: How many there are; ``None`` for as many as fit the jobs on every node.
        post: Has a function called by the loop of the engine: everything else here is called by
            that loop too, so nothing is locked.
        on_loss: Called with the number of a worker that is given up.
        patience: Seconds without any worker after which :meth:`hire` gives up.
    """

    def __init__(
        self,
        cluster: Cluster,
        errand: Errand,
        *,
        jobs: int,
        workers: int | None,
        post: Post,
        on_loss: Callable[[int], None],
        patience: float = PATIENCE,
    ) -> None:
        self._cluster = cluster
        self._errand = errand
        self._jobs = jobs
        self._wanted = workers
        self._post = post
        self._on_loss = on_loss
        self._patience = patience
        self._kind = process_class()
        self._workers: list[Worker] = []
        self._numbers = itertools.count(1)
        self._unfit: set[str] = set()
        self._began = False
        self._problem = ""
        self._failure: MediasenseError | None = None
        self._last_ready = time.monotonic()

    @property
    def waiting(self) -> str:
        """Why nobody works yet, in words; ``""`` when somebody does."""
        idle = not self._workers or self._ready_ones()
        return "" if idle else f"{len(self._workers)} workers start"

    def hire(self) -> None:
        """Start the workers that are missing: at first, after a loss, and on new nodes.

        Raises:
            MediasenseError: There has been none for too long, or the first cannot work.
        """
        if self._failure is not None:
            raise self._failure
        for node, threads in self._places():
            actor = self._cluster.start(self._kind, node=node, threads=threads + _SPARE_THREADS)
            number = next(self._numbers)
            worker = Worker(number=number, actor=actor, node=node, threads=threads)
            self._workers.append(worker)
            self._follow(worker, actor.look.remote(), partial(self._seen, worker))
        if self._ready_ones():
            self._last_ready = time.monotonic()
        elif time.monotonic() - self._last_ready > self._patience:
            raise self._nobody()

    def free(self) -> Worker | None:
        """Whoever can take one more item, the one that has the fewest."""
        ready = [w for w in self._workers if w.ready and not w.alone and len(w.flights) < w.threads]
        return min(ready, key=lambda w: len(w.flights), default=None)

    def hermit(self) -> Worker | None:
        """Somebody who has nothing else to do, for an item that may be what ends workers."""
        alone = next((w for w in self._workers if w.alone), None) or self.free()
        if alone is None:
            return None
        alone.alone = True
        return alone if not alone.flights else None

    def lose(self, worker: Worker, error: BaseException) -> None:
        """Give a worker up; what it has comes back item by item."""
        self._problem = f"{worker.where}: {said(error)}"
        if worker in self._workers:
            self._workers.remove(worker)
            # It may live on behind a broken line, and would go on paying for calls.
            self._cluster.end(worker.actor)
            self._on_loss(worker.number)
            self._share()

    def stop(self) -> None:
        """Have them wait for no provider that does not take calls now."""
        for worker in self._ready_ones():
            worker.actor.stop.remote()

    def finish(self) -> None:
        """Have them write what they keep, before they are dismissed."""
        asked = [worker.actor.finish.remote() for worker in self._ready_ones()]
        self._cluster.wait(asked, _FINISHING)

    def dismiss(self) -> None:
        """End them all, with whatever they have under way."""
        for worker in self._workers:
            self._cluster.end(worker.actor)
        self._workers.clear()

    def _places(self) -> Iterator[tuple[str | None, int]]:
        """Where workers are missing, and how many calls each is to take at once."""
        nodes = [node for node in self._cluster.nodes() if node.id not in self._unfit]
        if self._wanted is not None or not nodes:
            wanted = self._wanted or 1
            threads = min(self._jobs, MOST_THREADS)
            yield from [(None, threads)] * (wanted - len(self._workers))
            return
        for node in nodes:
            here = sum(worker.node == node.id for worker in self._workers)
            count = self._count(node, len(nodes))
            yield from [(node.id, min(self._jobs, MOST_THREADS))] * (count - here)

    def _count(self, node: Node, nodes: int) -> int:
        return min(node.processors, math.ceil(self._jobs / nodes / THREADS))

    def _seen(self, worker: Worker, seen: tuple[str, str, dict[str, str]]) -> None:
        sight = Sight(node=seen[0], where=seen[1], versions=seen[2])
        worker.where = sight.where
        try:
            require_same(sight, versions_here())
        except MediasenseError as error:
            self._unfit_for_work(worker, sight.node, error)
            return
        begun = worker.actor.begin.remote(self._errand, worker.number)
        self._follow(worker, begun, lambda _: self._ready(worker))

    def _ready(self, worker: Worker) -> None:
        if worker in self._workers:
            worker.ready = self._began = True
            self._last_ready = time.monotonic()
            self._share()

    def _share(self) -> None:
        """Have no more calls under way in all workers together than there are jobs."""
        ready = self._ready_ones()
        for worker in ready:
            worker.actor.share.remote(math.ceil(self._jobs / len(ready)))

    def _ready_ones(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready]

    def _follow(self, worker: Worker, reference: Any, then: Callable[[Any], None]) -> None:
        def done(future: Any) -> None:
            self._post(lambda: self._came(worker, future, then))

        reference.future().add_done_callback(done)

    def _came(self, worker: Worker, future: Any, then: Callable[[Any], None]) -> None:
        error = future.exception()
        if error is None:
            then(future.result())
        elif self._cluster.is_loss(error):
            self.lose(worker, error)
        else:
            cause = getattr(error, "cause", error)
            if not isinstance(cause, MediasenseError):
                cause = MediasenseError(f"no worker could begin on {worker.where}: {said(cause)}")
            self._unfit_for_work(worker, worker.node, cause)

    def _unfit_for_work(self, worker: Worker, node: str | None, error: MediasenseError) -> None:
        """A batch does not begin with a node that cannot work; one that comes later is left out."""
        self.lose(worker, error)
        if node is not None:
            self._unfit.add(node)
        if not self._began:
            self._failure = error

    def _nobody(self) -> MediasenseError:
        starting = len(self._workers)
        why = f"the last was lost on {self._problem}" if self._problem else "there is none"
        if starting:
            why = f"{starting} wait for a free processor" + (f"; {why}" if self._problem else "")
        return MediasenseError(
            f"no worker could be had on the Ray cluster in {self._patience:g} s: {why}",
            hint="see what is free: ray status; the same command goes on where this one ended",
        )


def said(error: BaseException) -> str:
    """An error in one line; Ray's take many."""
    lines = str(error).strip().splitlines() or [""]
    return one_line(f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__)
