"""What several calls come to; one that is unknown makes a sum of dollars or tokens unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from mediasense.types import Answer, Usage


def tokens_of(answers: Sequence[Answer]) -> int | None:
    """Input tokens of all that were made; ``None`` when one did not report them."""
    made = [answer for answer in answers if not answer.cached]
    counts = [answer.usage.input_tokens if answer.usage else None for answer in made]
    return None if None in counts else sum(count or 0 for count in counts)


def cost_of(answers: Sequence[Answer]) -> float | None:
    """US dollars of all; ``None`` when one is not known."""
    costs = [answer.cost for answer in answers]
    return None if None in costs else sum((cost or 0.0 for cost in costs), 0.0)


def usage_of(answers: Sequence[Answer]) -> Usage | None:
    """All that was reported for calls that were made; a count that nobody reported is unknown."""
    if answers and all(answer.cached for answer in answers):
        return Usage(input_tokens=0, output_tokens=0)
    reported = [answer.usage for answer in answers if answer.usage and not answer.cached]
    if not reported:
        return None
    sums: dict[str, Any] = {}
    for item in fields(Usage):
        known = [count for usage in reported if (count := getattr(usage, item.name)) is not None]
        sums[item.name] = sum(known) if known else None
    return Usage(**sums)
