"""What the history is told of a question: its answer or failure, and what it cost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mediasense.envelope import dumps_line, to_plain
from mediasense.errors import MediasenseError
from mediasense.ledger import Ledger, Spent
from mediasense.media.inspecting import display_name
from mediasense.media.source import Source, plain_path
from mediasense.store.history import Entry, PaidCall
from mediasense.types import Analysis, Question


def entry_of(
    sources: Sequence[Source], question: Question, ledger: Ledger, end: Analysis | MediasenseError
) -> Entry:
    """The entry for a question.

    Args:
        sources: What it was about.
        question: What was asked.
        ledger: What its calls came to.
        end: The answer, or why there is none.
    """
    calls = tuple(
        call
        for provider, spent in ledger.spent_by().items()
        for call in _paid(provider, end, spent)
    )
    if isinstance(end, MediasenseError):
        return Entry(
            sources=tuple(map(_shown, sources)),
            modality="",
            prompt=question.prompt,
            text="",
            provider=question.provider or "",
            model=question.model or "",
            strategy="",
            calls=calls,
            failure=str(end),
        )
    return Entry(
        sources=tuple(item.name or "the data" for item in end.media),
        modality=end.media[0].modality,
        prompt=question.prompt,
        text=end.text,
        provider=end.provider,
        model=end.model,
        strategy=end.strategy,
        cached=end.cached,
        envelope=dumps_line(to_plain(end)),
        calls=calls,
    )


def _paid(provider: str, end: Analysis | MediasenseError, spent: Spent) -> list[PaidCall]:
    """The calls to one provider: one with all that is known, the others of unknown cost."""
    model = end.model if isinstance(end, Analysis) and end.provider == provider else ""
    priced = PaidCall(
        provider=provider,
        model=model,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost=spent.cost,
    )
    unknown = PaidCall(provider=provider, model=model)
    if spent.calls == spent.unpriced:
        return [
            PaidCall(
                provider=provider,
                model=model,
                input_tokens=spent.input_tokens,
                output_tokens=spent.output_tokens,
            ),
            *[unknown] * (spent.calls - 1),
        ]
    free = PaidCall(provider=provider, model=model, cost=0.0)
    others = [free] * (spent.calls - spent.unpriced - 1)
    return [priced, *others, *[unknown] * spent.unpriced]


def _shown(source: Source) -> str:
    path = plain_path(source)
    if path is not None:
        return display_name(path)
    return "the data" if isinstance(source, bytes) else display_name(Path(os.fsdecode(source)))
