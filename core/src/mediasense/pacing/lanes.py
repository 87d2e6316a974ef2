"""All lanes of a batch, for all its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from mediasense.pacing.lane import Lane, LaneState, RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """How a call ended.

    Attributes:
        kind: ``answered``; ``refused``: too many (429); ``failed``: down, out of reach or too slow;
            ``released``: it came to nothing for reasons of its own.
        reserved: The tokens it was admitted with.
        used: The tokens it really used; ``None`` when that is not known.
        retry_after: Seconds the service asked to wait.
        alive: Of one released: whether the service answered.
        took: Seconds it was under way.
    """

    kind: Literal["answered", "refused", "failed", "released"]
    reserved: int
    used: int | None = None
    retry_after: float | None = None
    alive: bool = False
    took: float = 0.0


class LanesLike(Protocol):
    """Lanes here, or in another process: everything that goes in and out is plain data."""

    def admit(self, lane: str, tokens: int) -> float:
        """Ask to make a call: 0, or the seconds to wait before asking again."""

    def report(self, lane: str, event: Event) -> None:
        """Say how a call that was admitted ended."""

    def states(self) -> dict[str, LaneState]:
        """How each lane stands that was ever asked for."""


class Lanes:
    """The lanes of one process, safe for all its threads.

    Args:
        limits: The user's limits by the name of the provider; ``""`` is for all others. A provider
            at two addresses has its limit at each.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        limits: Mapping[str, RateLimit] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = dict(limits or {})
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}

    def admit(self, lane: str, tokens: int) -> float:
        """Ask to make a call.

        Args:
            lane: ``provider`` or ``provider https://host``.
            tokens: What it will use, as far as it can be told.

        Returns:
            0 when it may go, and has to be reported; else the seconds to wait before asking again.
        """
        with self._lock:
            return self._lane(lane).admit(self._clock(), tokens)

    def report(self, lane: str, event: Event) -> None:
        """Say how a call that was admitted ended."""
        with self._lock:
            _report(self._lane(lane), self._clock(), event)

    def states(self) -> dict[str, LaneState]:
        """How each lane stands that was ever asked for."""
        with self._lock:
            now = self._clock()
            return {name: lane.state(now) for name, lane in self._lanes.items()}

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            provider = name.partition(" ")[0]
            limit = self._limits.get(provider) or self._limits.get("") or RateLimit()
            self._lanes[name] = Lane(limit)
        return self._lanes[name]


def _report(lane: Lane, now: float, event: Event) -> None:
    took = event.took
    if event.kind == "answered":
        lane.answered(now, event.reserved, event.used, took=took)
    elif event.kind == "refused":
        lane.refused(now, event.retry_after, event.reserved, took=took)
    elif event.kind == "failed":
        lane.failed(now, event.reserved, retry_after=event.retry_after, took=took)
    else:
        lane.released(now, event.reserved, alive=event.alive, took=took)
