"""What a worker on a node does: as :mod:`mediasense.batches.work`, with limits from afar."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from mediasense.batches.items import Failure, Item, Outcome
from mediasense.batches.limits import Adrift, FarLanes, FarPurse, Gate, LimitsLost
from mediasense.config import Config
from mediasense.types import Question

if TYPE_CHECKING:
    from mediasense.batches.work import Worker
    from mediasense.store.history import Entry
    from mediasense.store.later import LaterHistory

_OF_THE_NODE = (
    "ConfigError",
    "MediaNotFound",
    "MissingCredentials",
    "NoPlugins",
    "PluginError",
    "StoreError",
    "UnknownProvider",
)
"""Failures that may be other ones, or none, on another node."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a worker sends back.

    Attributes:
        outcome: What became of the item; without its sources, which are where it came from.
        entries: What the history is to be told.
    """

    outcome: Outcome
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeErrand:
    """What a worker needs to begin. It travels; keys do not: they are looked up on the node.

    Attributes:
        question: What is asked.
        config: The user's settings, where the batch was started.
        jobs: How many items are under way at once, on all nodes together.
        folder: Where relative paths begin.
        limits: Where the limits are held.
        max_cost: US dollars that may be spent.
        history: Whether it is wanted for the history what was asked and answered.
    """

    question: Question
    config: Config
    jobs: int
    folder: str
    limits: Any
    max_cost: float | None
    history: bool

    def begin(self, worker: int, where: str) -> NodeHand:
        """Begin, in the process of the worker.

        Args:
            worker: Its number.
            where: The name of its node, for people.
        """
        from mediasense import runtime
        from mediasense.batches.local import worker_of

        with suppress(OSError):  # then nothing relative is found, and the failure names the node
            os.chdir(self.folder)
        notes = _Notes() if self.history else None
        gate = Gate(self.jobs)
        here = runtime.dispatcher()
        desk = replace(here.desk, history=None)
        plugins = here.plugins.with_endpoints(self.config.endpoints)
        dispatcher = replace(here, plugins=plugins, config=self.config, desk=desk)
        made = worker_of(
            dispatcher,
            self.question,
            jobs=self.jobs,
            lanes=FarLanes(self.limits),
            budget=FarPurse(self.limits, worker, self.max_cost),
        )
        desk = replace(made.dispatcher.desk, gate=gate, history=cast("LaterHistory | None", notes))
        made = replace(made, dispatcher=replace(made.dispatcher, desk=desk))
        return NodeHand(made, gate, notes, where)


class NodeHand:
    """Answers items on a node."""

    def __init__(self, worker: Worker, gate: Gate, notes: _Notes | None, where: str) -> None:
        self._worker = worker
        self._gate = gate
        self._notes = notes
        self._where = where

    def answer(self, item: Item) -> Answered:
        """Ask about an item.

        Raises:
            Adrift: This worker is no use any more.
        """
        try:
            outcome = self._worker.answer(item)
        except LimitsLost as error:
            raise Adrift(str(error)) from None
        outcome = replace(outcome, item=replace(item, sources=()), failure=self._named(outcome))
        return Answered(outcome, self._notes.taken() if self._notes is not None else ())

    def stop(self) -> None:
        """Wait for no provider that does not take calls now."""
        from mediasense.batches.local import wait_for_nobody

        wait_for_nobody(self._worker.dispatcher.desk)

    def finish(self) -> None:
        """Write all that is kept here."""
        from mediasense.batches.local import write_all

        write_all(self._worker.dispatcher.desk)

    def share(self, calls: int) -> None:
        """Have so many calls under way at once at most."""
        self._gate.resize(calls)

    def _named(self, outcome: Outcome) -> Failure | None:
        """The failure, which names the node where it may have to do with it."""
        failure = outcome.failure
        if failure is None or failure.kind not in _OF_THE_NODE:
            return failure
        return replace(failure, message=f"on {self._where}: {failure.message}")


class _Notes:
    """Takes the place of the history on a node: what it is told is kept where the batch is."""

    problem: str | None = None

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def add(self, entry: Entry) -> None:
        self._of_thread.entries = (*getattr(self._of_thread, "entries", ()), entry)

    def taken(self) -> tuple[Entry, ...]:
        entries: tuple[Entry, ...] = getattr(self._of_thread, "entries", ())
        self._of_thread.entries = ()
        return entries
