"""What the history holds, and how it stands in its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediasense.ledger import Spent

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What the calls to one provider came to.

    Attributes:
        provider: Who was asked.
        spent: As the ledger counts it.
    """

    provider: str
    spent: Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One question, and what came of it.

    Attributes:
        sources: What it was about, by the names that people know.
        modality: Of what kind that is.
        prompt: What was asked; ``None`` for what is asked by default.
        text: The answer; for a failure, what came of it before it was cut short.
        provider, model: Who answered.
        strategy: How the media were presented.
        envelope: The whole answer as JSON text; ``""`` for a failure.
        paid: What was spent on it, by provider.
        failure: Why there is no answer, as a sentence; ``""`` for an answer.
    """

    sources: tuple[str, ...]
    modality: str
    prompt: str | None
    text: str
    provider: str
    model: str
    strategy: str
    envelope: str = ""
    paid: tuple[Paid, ...] = ()
    failure: str = ""

    @property
    def spent(self) -> Spent:
        """What was spent on it, all providers together."""
        return sum((paid.spent for paid in self.paid), Spent())


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
        spent: What all calls came to, also those of questions that failed.
    """

    name: str
    answers: int
    spent: Spent


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


def paid_json(paid: Sequence[Paid]) -> str:
    """What was spent, as it is kept."""
    return json.dumps([[one.provider, *counts_of(one.spent)] for one in paid])


def counts_of(spent: Spent) -> tuple[float, ...]:
    """What was spent, as numbers: ``astuple`` takes ten times as long."""
    return spent.calls, spent.cost, spent.unpriced, spent.input_tokens, spent.output_tokens


def spent_of(counts: Sequence[Any]) -> Spent:
    """What :func:`counts_of` was given."""
    calls, cost, unpriced, into, out = counts
    return Spent(calls=calls, cost=cost, unpriced=unpriced, input_tokens=into, output_tokens=out)


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
        envelope=told(row["envelope"]),
        paid=tuple(
            Paid(provider=provider, spent=spent_of(counts))
            for provider, *counts in json.loads(row["paid"])
        ),
        failure=told(row["failure"]),
    )
