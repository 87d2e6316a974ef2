"""How an answer was made, step by step, for whoever wants each step said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense.output.money import dollars
from mediasense.output.terminal import is_said, say
from mediasense.steps import Step, size

if TYPE_CHECKING:
    from mediasense.types import Analysis


def tell_steps(analysis: Analysis) -> None:
    """Say what was done: with what, who was asked, what was sent, and what it cost.

    Args:
        analysis: The answer; nothing of its text is said.
    """
    if not is_said("step"):
        return
    for step in analysis.steps:
        say("step", _told(step, cached=analysis.cached))
    took = analysis.timings
    if analysis.cached:
        say("step", f"{took.total:.2f} s in all: the whole answer was kept, and nobody was asked")
        return
    say(
        "step",
        f"{took.total:.2f} s in all: {took.provider:.2f} s waiting for providers, "
        f"{took.prepare:.2f} s for all else",
    )


def _told(step: Step, *, cached: bool) -> str:
    if step.provider is None:
        return f"{step.action}: {step.words}"
    facts = [f"{step.provider} {step.model or ''}".strip(), step.words]
    if step.calls > 1:
        facts.append(f"{step.calls} calls")
    if step.bytes:
        facts.append(f"{size(step.bytes)} of media")
    if step.tokens is not None:
        facts.append(f"{step.tokens:,} tokens in")
    if cached or (step.cached and step.cached == step.calls):
        facts.append("from the cache")
    else:
        if step.cached:
            facts.append(f"{step.cached} from the cache")
        facts.append("unknown cost" if step.cost is None else f"it cost {dollars(step.cost)}")
    return f"{step.action}: {', '.join(facts)}"
