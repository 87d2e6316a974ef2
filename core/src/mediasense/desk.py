"""What stands around every question of a program, and is shared by all of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediasense.budget import Budget, Purse
from mediasense.ledger import Ledger
from mediasense.planning.prices import NO_PRICES, Prices
from mediasense.types import Question

if TYPE_CHECKING:
    from mediasense.pacing.pacer import Pacer
    from mediasense.store.cache import Cache
    from mediasense.store.history import History
    from mediasense.store.later import LaterCache, LaterHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is shared.

    Attributes:
        prices: What calls cost.
        budget: What calls may come to, all questions together; ``None`` leaves it to each question.
        cache: Where answers are kept; ``None`` keeps none.
        history: Where it is written down what was asked and answered; ``None`` writes nothing.
        pacer: Keeps to rate limits, and waits for providers that are down; ``None`` for neither.
        gate: Lets so many calls through at once, whoever makes them.
    """

    prices: Prices = NO_PRICES
    budget: Purse | None = None
    cache: Cache | LaterCache | None = None
    history: History | LaterHistory | None = None
    pacer: Pacer | None = None
    gate: AbstractContextManager[object] = field(default_factory=nullcontext)

    def ledger(self, question: Question) -> Ledger:
        """What the calls of one question are counted in."""
        return Ledger(self.prices, self.budget or Budget(question.max_cost))
