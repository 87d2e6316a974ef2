"""What the history holds, and how it stands in its file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCall:
    """One call to a provider.

    Attributes:
        provider, model: Who was asked.
        input_tokens, output_tokens: As reported; ``None`` is unknown.
        cost: US dollars; ``None`` is unknown, never zero.
    """

    provider: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One question, and what came of it.

    Attributes:
        sources: What it was about, by the names that people know.
        modality: Of what kind that is.
        prompt: What was asked; ``None`` for what is asked by default.
        text: The answer; ``""`` for a failure.
        provider, model: Who answered.
        strategy: How the media were presented.
        cached: Whether the answer was a kept one.
        envelope: The whole answer as JSON text; ``""`` for a failure.
        calls: Those that were made for it; none for a kept answer.
        failure: Why there is no answer, as a sentence; ``""`` for an answer.
    """

    sources: tuple[str, ...]
    modality: str
    prompt: str | None
    text: str
    provider: str
    model: str
    strategy: str
    cached: bool = False
    envelope: str = ""
    calls: tuple[PaidCall, ...] = ()
    failure: str = ""

    @property
    def cost(self) -> float:
        """US dollars of the calls whose cost is known."""
        return sum((call.cost for call in self.calls if call.cost is not None), 0.0)

    @property
    def unpriced(self) -> int:
        """How many calls are of unknown cost."""
        return sum(call.cost is None for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past(Entry):
    """An entry of the history.

    Attributes:
        number: What people call it by; never given twice.
        at: When it was added, in seconds since 1970.
    """

    number: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentOn:
    """What was spent on one provider, or on one day.

    Attributes:
        name: The provider, or the local date as ``2026-11-24``.
        answers: How many answers came of it.
        cached: How many of those were kept ones.
        calls: How many calls were made, also those of questions that failed.
        input_tokens, output_tokens: Of the calls that reported them.
        cost: US dollars, of the calls whose cost is known.
        unpriced: How many calls are of unknown cost.
    """

    name: str
    answers: int = 0
    cached: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0


def known(cost: float | None) -> float | None:
    """A cost that can be added up; a number that is none is unknown."""
    return cost if cost is not None and math.isfinite(cost) else None


def kept(text: str | None) -> str | bytes | None:
    """A text as SQLite can hold it: with half a surrogate pair, which models do write, as bytes."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def told(value: Any) -> Any:
    """The text that :func:`kept` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def calls_json(calls: Sequence[PaidCall]) -> str:
    """Calls as they are kept."""
    return json.dumps(
        [[c.provider, c.model, c.input_tokens, c.output_tokens, known(c.cost)] for c in calls]
    )


def past_of(row: sqlite3.Row) -> Past:
    """An entry from its row."""
    return Past(
        number=row["number"],
        at=row["at"],
        sources=tuple(json.loads(row["sources"])),
        modality=row["modality"],
        prompt=told(row["prompt"]),
        text=told(row["text"]),
        provider=told(row["provider"]),
        model=told(row["model"]),
        strategy=row["strategy"],
        cached=bool(row["cached"]),
        envelope=told(row["envelope"]),
        calls=tuple(
            PaidCall(provider=c[0], model=c[1], input_tokens=c[2], output_tokens=c[3], cost=c[4])
            for c in json.loads(row["calls"])
        ),
        failure=told(row["failure"]),
    )
