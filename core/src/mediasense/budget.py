"""A limit of cost, shared by all who spend of it."""

from __future__ import annotations

import math
import threading
from typing import Literal, Protocol

from mediasense.errors import UsageError

_PARTS = 1_000_000_000_000

Room = Literal["held", "wait", "none"]
"""Whether a call may be made: it is paid for, or others must end first, or it never may."""


class Purse(Protocol):
    """A limit of cost, and what of it is left; :class:`Budget` is the one of this process."""

    @property
    def limit(self) -> float | None:
        """US dollars that may be spent; ``None`` for no limit."""

    @property
    def spent(self) -> float:
        """US dollars that were spent."""

    def reserve(self, estimate: float, patience: float = 0.0) -> Room:
        """Put money aside for a call.

        Args:
            estimate: US dollars that it could cost.
            patience: Seconds to wait for others to settle: ``wait`` is said no sooner, for it is
                asked again at once.
        """

    def settle(self, reserved: float, cost: float) -> None:
        """Give back what was put aside, and pay.

        Args:
            reserved: What was reserved.
            cost: US dollars that the call came to.
        """


class Budget:
    """A limit of cost that any number of threads share. All numbers are plain, in US dollars.

    Sums are kept in whole parts of a dollar, so that three times 0.1 is no more than 0.3.

    Args:
        limit: What may be spent; ``None`` for no limit.
        spent: What was spent before.

    Raises:
        UsageError: The limit is no amount of money.
    """

    def __init__(self, limit: float | None = None, spent: float = 0.0) -> None:
        if limit is not None and not 0 <= limit < math.inf:
            raise UsageError(
                f"a limit of cost of {limit:g} is no amount of dollars",
                hint="give --max-cost DOLLARS",
            )
        self._limit = limit
        self._spent = _parts(spent)
        self._reserved = 0
        self._settled = threading.Condition()

    @property
    def limit(self) -> float | None:
        """US dollars that may be spent; ``None`` for no limit."""
        return self._limit

    @property
    def spent(self) -> float:
        """US dollars that were spent, before and since."""
        with self._settled:
            return self._spent / _PARTS

    @property
    def reserved(self) -> float:
        """US dollars that calls under way could cost."""
        with self._settled:
            return self._reserved / _PARTS

    def reserve(self, estimate: float, patience: float = 0.0) -> Room:
        """See :meth:`Purse.reserve`."""
        with self._settled:
            room = self._room(_parts(estimate))
            if room == "wait" and patience > 0 and self._settled.wait(patience):
                room = self._room(_parts(estimate))
            if room == "held":
                self._reserved += _parts(estimate)
            return room

    def settle(self, reserved: float, cost: float) -> None:
        """See :meth:`Purse.settle`."""
        with self._settled:
            self._reserved -= _parts(reserved)
            self._spent += _parts(cost)
            self._settled.notify_all()

    def _room(self, parts: int) -> Room:
        # What costs nothing passes no limit, not even one that is passed already.
        if self._limit is None or parts == 0:
            return "held"
        left = _parts(self._limit) - self._spent - parts
        if left >= self._reserved:
            return "held"
        return "wait" if left >= 0 else "none"


def _parts(dollars: float) -> int:
    return round(dollars * _PARTS)
