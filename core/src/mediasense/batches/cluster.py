"""The engine that has a Ray cluster do the work: the same batch, the same journal, more machines.

The journal, the list and the results stay in this process. Workers on the nodes are given one item
after the other; when one is lost, others get what it had.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense.batches.crew import PATIENCE, Crew, Errand
from mediasense.batches.flow import Flow
from mediasense.batches.items import Item, Keep, Outcome
from mediasense.batches.nodes import Cluster
from mediasense.types import Question

if TYPE_CHECKING:
    from mediasense.batches.run import Setting
    from mediasense.budget import Purse
    from mediasense.dispatch import Dispatcher
    from mediasense.store.history import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the workers of a batch are sent out with.

    Attributes:
        errand: What they do.
        limits: The process that holds the :class:`~mediasense.batches.limits.Limits`.
        note: Called with what the history is to be told.
    """

    errand: Errand
    limits: Any
    note: Callable[[Sequence[Entry]], object]


class RayEngine:
    """Has workers on a Ray cluster answer items.

    Args:
        prepare: Makes ready what the workers do, once the cluster is reached.
        jobs: How many items are under way at once, on all nodes together.
        address: As for :class:`~mediasense.batches.nodes.Cluster`.
        workers: How many processes; ``None`` for what fits the jobs on every node.
        patience: Seconds without any worker after which the batch ends.
    """

    def __init__(
        self,
        prepare: Callable[[Cluster], Prepared],
        *,
        jobs: int,
        address: str | None = None,
        workers: int | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._prepare = prepare
        self._jobs = jobs
        self._address = address
        self._workers = workers
        self._patience = patience
        self._flow: Flow | None = None
        self._stopped = threading.Event()

    def run(self, items: Iterator[Item], keep: Keep) -> Iterator[Outcome]:
        """Ask about items, taking them only as fast as they are worked off.

        Args:
            items: What is asked about.
            keep: Called with outcomes as soon as they are known, on one thread of this process.

        Yields:
            The outcomes, once they are kept.

        Raises:
            MediasenseError: There is no cluster, no worker, or a node that cannot work.
            BaseException: Whatever ``items`` or ``keep`` raised.
        """
        cluster = Cluster(self._address)
        try:
            prepared = self._prepare(cluster)
            flow = Flow(
                keep, prepared.note, prepared.limits, jobs=self._jobs, stopped=self._stopped
            )
            crew = Crew(
                cluster,
                prepared.errand,
                jobs=self._jobs,
                workers=self._workers,
                post=flow.post,
                on_loss=prepared.limits.lose.remote,
                patience=self._patience,
            )
            self._flow = flow
            try:
                flow.start(items, cluster, crew)
                yield from flow.outcomes()
            finally:
                flow.close()
        finally:
            cluster.close()

    def stop(self) -> None:
        """Take no more items, and wait for no provider that does not take calls now."""
        self._stopped.set()
        if self._flow is not None:
            self._flow.stop()

    @property
    def running(self) -> int:
        """How many items are with workers now."""
        return self._flow.running if self._flow is not None else 0

    @property
    def waiting(self) -> str:
        """Why calls are not made now, in words; ``""`` when they are."""
        return self._flow.waiting if self._flow is not None else ""


def ray_engine(
    dispatcher: Dispatcher, question: Question, setting: Setting
) -> Callable[[Purse], RayEngine]:
    """Makes the engine, once it is known what may be spent.

    Args:
        dispatcher: That of this process: its settings hold on the nodes, and its history is told.
        question: What is asked.
        setting: How.
    """

    def make(budget: Purse) -> RayEngine:
        def prepare(cluster: Cluster) -> Prepared:
            return _prepared(cluster, dispatcher, question, setting, budget)

        return RayEngine(prepare, jobs=setting.jobs, address=setting.address)

    return make


def _prepared(
    cluster: Cluster,
    dispatcher: Dispatcher,
    question: Question,
    setting: Setting,
    budget: Purse,
) -> Prepared:
    from mediasense.batches.errands import NodeErrand
    from mediasense.batches.limits import Limits

    limits: Any = cluster.start_here(Limits, dict(setting.limits), budget.limit, budget.spent)
    errand = NodeErrand(
        question=question,
        config=dispatcher.config,
        jobs=setting.jobs,
        folder=str(Path.cwd()),
        limits=limits,
        max_cost=budget.limit,
        history=dispatcher.desk.history is not None,
    )
    return Prepared(
        errand=errand,
        limits=limits,
        note=_noting(dispatcher.desk.history),
    )


def _noting(history: object) -> Callable[[Sequence[Entry]], object]:
    from mediasense.store.history import History

    return history.add_all if isinstance(history, History) else lambda _: None
