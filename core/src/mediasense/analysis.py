"""The analysis that users get: the answer, checked, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mediasense.execution import Done
from mediasense.run import Planned
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
        data=done.data,
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
