"""The analysis that users get: the answer, checked, and how it was made."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from mediasense.errors import InvalidAnswer, one_line
from mediasense.execution import Done
from mediasense.providers import Provider
from mediasense.run import Planned
from mediasense.schemas import first_misfit
from mediasense.sums import cost_of, usage_of
from mediasense.types import Analysis, Answer, Question, RecordingFacts, Timings


def make_analysis(
    done: Done,
    planned: Planned,
    question: Question,
    *,
    answers: Sequence[Answer],
    timings: Timings,
) -> Analysis:
    """Put together what users get.

    Args:
        done: What came of the plan.
        planned: What it was made of.
        question: What was asked.
        answers: Of all calls, also of those of a plan that was given up: all are paid for.
        timings: How long it took.

    Raises:
        InvalidAnswer: A schema was asked for, and the answer does not fit it.
    """
    last = done.answer
    transcript = done.heard.transcript if done.heard else None
    damage = [
        f"{item.name}: {item.facts.damage}"
        for item in planned.media
        if isinstance(item.facts, RecordingFacts) and item.facts.damage
    ]
    segments = last.segments if last else ()
    if transcript is not None:
        segments = transcript.segments if transcript.timed or question.timed else ()
    provider = planned.provider
    if planned.plan.asking is None and planned.plan.listening and planned.plan.listening.call:
        provider = planned.plan.listening.call.provider
    return Analysis(
        text=done.text,
        provider=provider.name,
        model=last.model if last else "",
        strategy=done.strategy,
        timings=timings,
        media=tuple(replace(item, data=None) for item in planned.media),
        usage=usage_of(answers),
        data=_data(done.text, question, provider),
        finish_reason=last.finish_reason if last else None,
        segments=segments,
        lines=last.lines if last else (),
        language=next((a.language for a in done.answers if a.language), None),
        warnings=tuple(dict.fromkeys((*damage, *done.warnings))),
        steps=done.steps,
        frames=done.frames,
        left_out=done.left_out,
        cost=cost_of(answers),
    )


def _data(text: str, question: Question, provider: Provider) -> object:
    """The parsed answer, when a schema was asked for; it fits the schema."""
    if question.json_schema is None:
        return None
    try:
        data: object = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidAnswer(
            f"{provider.name} was asked for JSON and answered with something else: "
            f"{one_line(text, limit=80) or 'nothing'}",
            hint="try again, or another --model",
        ) from None
    if misfit := first_misfit(data, question.json_schema):
        raise InvalidAnswer(
            f"the answer of {provider.name} does not fit the schema: {one_line(misfit)}",
            hint="try again, or another --model",
        )
    return data


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
