"""Amounts of money, for people."""

from __future__ import annotations


def cost_words(cost: float, *, calls: int, unpriced: int) -> str:
    """What calls cost: an unknown cost is said to be, and is no zero.

    Args:
        cost: US dollars of those whose cost is known.
        calls: How many there are.
        unpriced: Of how many nobody knows the cost.
    """
    if not unpriced:
        return dollars(cost)
    if unpriced == calls:
        return "unknown"
    return f"{dollars(cost)} and {call_words(unpriced)} of unknown cost"


def call_words(count: int) -> str:
    """A number of calls."""
    return "1 call" if count == 1 else f"{count:,} calls"


def dollars(amount: float) -> str:
    """An amount of US dollars."""
    if not amount:
        return "nothing"
    return f"${amount:,.4f}" if amount >= 0.0001 else "below $0.0001"
