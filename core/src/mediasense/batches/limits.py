"""The limits of rate and cost that all workers of a cluster keep to together.

One process, on the node of the batch itself, holds them; the workers ask it before each call.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mediasense.budget import Budget, Room
from mediasense.pacing.lane import LaneState, RateLimit
from mediasense.pacing.lanes import Event, Lanes

_SILENCE = 60.0
"""Seconds without a sign of life after which a worker that gives them is lost."""


class LimitsLost(BaseException):
    """The process that holds the limits is gone, or out of reach.

    No :class:`Exception`: it is not the failure of the one item that met it.
    """


class Adrift(RuntimeError):
    """A worker that reaches the limits no more; most often its own node is what ends."""


class Limits:
    """Holds the limits. It runs in a process of its own, one call after the other.

    Args:
        rates: The user's limits by the name of the provider.
        cost: US dollars that all calls may come to; ``None`` for no limit.
        spent: US dollars spent before.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        rates: Mapping[str, RateLimit],
        cost: float | None,
        spent: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = Lanes(rates, clock=clock)
        self._clock = clock
        self._budget = Budget(cost, spent)
        self._reserved: dict[int, Counter[float]] = {}
        self._signs: dict[int, float] = {}

    def admit(self, lane: str, tokens: int) -> float:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.admit`."""
        return self._lanes.admit(lane, tokens)

    def report(self, lane: str, event: Event) -> None:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.report`."""
        self._lanes.report(lane, event)

    def states(self) -> dict[str, LaneState]:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.states`."""
        return self._lanes.states()

    def spent(self) -> float:
        """US dollars that were spent."""
        return self._budget.spent

    def reserve(self, worker: int, estimate: float) -> Room:
        """Put money aside for a call of a worker."""
        room = self._budget.reserve(estimate)
        if room == "held":
            self._reserved.setdefault(worker, Counter())[estimate] += 1
        return room

    def settle(self, worker: int, reserved: float, cost: float) -> None:
        """Give back what a worker had put aside, and pay."""
        held = self._reserved.get(worker, Counter())
        if held[reserved] > 0:  # else it was lost, as it seemed, and counts as spent already
            held[reserved] -= 1
            self._budget.settle(reserved, cost)

    def live(self, worker: int) -> None:
        """A worker lives; those that said so once, and no more, are lost."""
        now = self._clock()
        self._signs[worker] = now
        for silent in [w for w, sign in self._signs.items() if now - sign > _SILENCE]:
            del self._signs[silent]
            self.lose(silent)

    def lose(self, worker: int) -> None:
        """A worker is lost: what it had put aside may be spent, and counts as spent."""
        for reserved, count in self._reserved.pop(worker, Counter()).items():
            for _ in range(count):
                self._budget.settle(reserved, reserved)


@dataclass(frozen=True, slots=True)
class FarLanes:
    """The lanes of another process.

    Args:
        actor: Where :class:`Limits` are held.
    """

    actor: Any

    def admit(self, lane: str, tokens: int) -> float:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.admit`."""
        return float(_answer(self.actor.admit.remote(lane, tokens)))

    def report(self, lane: str, event: Event) -> None:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.report`."""
        self.actor.report.remote(lane, event)  # in order, and not waited for

    def states(self) -> dict[str, LaneState]:
        """See :meth:`~mediasense.pacing.lanes.LanesLike.states`."""
        found: dict[str, LaneState] = _answer(self.actor.states.remote())
        return found


@dataclass(frozen=True, slots=True)
class FarPurse:
    """The budget of another process.

    Args:
        actor: Where :class:`Limits` are held.
        worker: Who asks.
        limit: US dollars that may be spent; ``None`` for no limit.
    """

    actor: Any
    worker: int
    limit: float | None

    @property
    def spent(self) -> float:
        """US dollars that were spent."""
        return float(_answer(self.actor.spent.remote()))

    def reserve(self, estimate: float, patience: float = 0.0) -> Room:
        """See :meth:`~mediasense.budget.Purse.reserve`."""
        if self.limit is None:
            return "held"
        room: Room = _answer(self.actor.reserve.remote(self.worker, estimate))
        if room == "wait":
            time.sleep(patience)  # here: the process that holds it has others to answer
        return room

    def settle(self, reserved: float, cost: float) -> None:
        """See :meth:`~mediasense.budget.Purse.settle`."""
        if self.limit is not None:
            self.actor.settle.remote(self.worker, reserved, cost)


class Gate:
    """Lets so many through at once; how many may change meanwhile.

    Args:
        width: How many.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._inside = 0
        self._changed = threading.Condition()

    def resize(self, width: int) -> None:
        """Let more or fewer through from now on."""
        with self._changed:
            self._width = width
            self._changed.notify_all()

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._inside < self._width)
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()


def _answer(reference: Any) -> Any:
    import importlib

    ray: Any = importlib.import_module("ray")
    errors: Any = importlib.import_module("ray.exceptions")
    try:
        return ray.get(reference)
    except errors.RayTaskError:
        raise
    except errors.RayError as error:
        raise LimitsLost("the limits of the batch are out of reach") from error
