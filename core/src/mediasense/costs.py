"""What a call cost, for plugins that count or write it down."""

from __future__ import annotations

from mediasense.errors import ProviderError, Timeout
from mediasense.ledger import billed, charged
from mediasense.prices import KeptPrices
from mediasense.types import Answer, Request


def call_cost(request: Request, outcome: Answer | ProviderError) -> float | None:
    """US dollars that one call cost, as the core counts it.

    A wrapper sees the answer before the core has filled in what it cost. The price list takes a
    quarter of a second to load, once in a process.

    Args:
        request: What was asked, as a hook is given it.
        outcome: What came of it.

    Returns:
        What the service says, else what the kept price list says of its usage. A failure that was
        not billed cost nothing. ``None`` is unknown: no price, no usage, or no answer in time, for
        the service may have worked on it.
    """
    if isinstance(outcome, Answer):
        return charged(request, outcome, KeptPrices())
    answer = None if outcome.repeated else billed(request, outcome)
    if answer is not None:
        return charged(request, answer, KeptPrices())
    return None if isinstance(outcome, Timeout) and not outcome.repeated else 0.0
