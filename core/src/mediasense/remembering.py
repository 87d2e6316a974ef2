"""What the history is told of a question: its answer or failure, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from mediasense.envelope import dumps_line, to_plain
from mediasense.errors import MediasenseError
from mediasense.ledger import Ledger
from mediasense.media.source import Source, source_name
from mediasense.store.history import Entry, Paid
from mediasense.tasks import Task
from mediasense.types import Analysis, Question


def entry_of(
    sources: Sequence[Source],
    question: Question,
    ledger: Ledger,
    end: Analysis | MediasenseError,
    shown: str = "",
) -> Entry:
    """The entry for a question.

    Args:
        sources: What it was about.
        question: What was asked.
        ledger: What its calls came to.
        end: The answer, or why there is none.
        shown: Of an answer that was cut short: what came of it.
    """
    paid = tuple(
        Paid(provider=provider, spent=spent) for provider, spent in ledger.spent_by().items()
    )
    if isinstance(end, MediasenseError):
        return Entry(
            sources=tuple(map(source_name, sources)),
            modality="",
            prompt=_asked(question),
            text=shown,
            provider=question.provider or "",
            model=question.model or "",
            strategy="",
            paid=paid,
            failure=str(end),
        )
    return Entry(
        sources=tuple(item.name or "the data" for item in end.media),
        modality=end.media[0].modality,
        prompt=_asked(question),
        text=end.text,
        provider=end.provider,
        model=end.model,
        strategy=end.strategy,
        envelope=dumps_line(to_plain(end)),
        paid=paid,
    )


def _asked(question: Question) -> str | None:
    """What the user asked: of a task its name, and what was added to it."""
    task = question.task.name if isinstance(question.task, Task) else question.task
    if task is None:
        return question.prompt
    return f"task {task}: {question.prompt}" if question.prompt is not None else f"task {task}"
