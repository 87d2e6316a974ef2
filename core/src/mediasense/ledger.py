"""What calls cost, and the limit that they must not pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What calls came to.

    Attributes:
        calls: How many were answered by a provider.
        cost: US dollars of those whose cost is known.
        unpriced: Calls whose cost is not known.
        input_tokens, output_tokens: Of those that reported them.
    """

    calls: int = 0
    cost: float = 0.0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            calls=self.calls + other.calls,
            cost=self.cost + other.cost,
            unpriced=self.unpriced + other.unpriced,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )
