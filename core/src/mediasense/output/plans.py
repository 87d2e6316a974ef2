"""A plan for people, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mediasense.envelope import dumps, media_facts
from mediasense.output.tables import print_table
from mediasense.output.terminal import answers, write
from mediasense.steps import Step, clock, size

if TYPE_CHECKING:
    from mediasense.run import Planned
    from mediasense.types import Media

# Raised when a field changes its meaning or goes; new fields do not raise it.
VERSION = 1


def plan_json(planned: Planned) -> str:
    """The plan as JSON text of several lines."""
    plan = planned.plan
    whole: dict[str, Any] = {
        "version": VERSION,
        "provider": planned.provider.name,
        "strategy": plan.strategy,
        "media": [media_facts(item) for item in planned.media],
        "steps": [asdict(step) for step in plan.steps],
        "left_out": [asdict(left) for left in plan.left_out],
        "warnings": list(plan.warnings),
        "estimate": {"tokens": plan.tokens, "cost": plan.cost},
    }
    return dumps(whole)


def print_plan(planned: Planned) -> None:
    """The plan as a table on stdout, with what it is about above and what is left out below."""
    plan = planned.plan
    lines = [f"{item.name or item.uri}: {media_words(item)}" for item in planned.media]
    write(answers(), "\n".join([*lines, f"strategy: {plan.strategy}", "", ""]))
    print_table(
        ("step", "what", "who", "calls", "images", "sent", "tokens", "cost"),
        [_row(step, planned.media[0]) for step in plan.steps],
    )
    below = [f"left out: {left.words}" for left in plan.left_out]
    below += [f"note: {warning}" for warning in plan.warnings]
    below.append(f"estimate: {_tokens(plan.tokens)} input tokens, {_cost(plan.cost)}")
    write(answers(), "\n" + "\n".join(below) + "\n")


def media_words(media: Media, *, sound: str = "sound", silence: str = "no sound") -> str:
    """What is known of a file, in one line.

    Args:
        media: The file.
        sound: What a video with sound is said to have.
        silence: The same of one without.
    """
    facts = [media.mime_type or media.modality]
    if media.width and media.height:
        facts.append(f"{media.width} x {media.height}")
    if media.seconds is not None:
        facts.append(clock(media.seconds))
    if media.modality == "video" and media.has_sound is not None:
        facts.append(sound if media.has_sound else silence)
    if media.size is not None:
        facts.append(size(media.size))
    return ", ".join(facts)


def _row(step: Step, media: Media) -> tuple[str, ...]:
    who = f"{step.provider} {step.model or ''}".strip() if step.provider else "this machine"
    return (
        step.action,
        step.words + _span(step, media),
        who,
        str(step.calls) if step.calls else "",
        str(step.images) if step.images is not None else "",
        f"up to {size(step.bytes)}" if step.bytes else "",
        _tokens(step.tokens) if step.calls and not _by_the_second(step) else "",
        _cost(step.cost) if step.calls else "",
    )


def _by_the_second(step: Step) -> bool:
    """Whether a call is paid for by the second, so that nobody counts tokens."""
    return step.tokens is None and step.cost is not None


def _span(step: Step, media: Media) -> str:
    """Which seconds it covers, where that is not the whole recording."""
    if step.start is None or step.end is None or (not step.start and step.end == media.seconds):
        return ""
    return f" ({clock(step.start)} to {clock(step.end)})"


def _tokens(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"about {tokens}"


def _cost(cost: float | None) -> str:
    if cost is None:
        return "unknown cost"
    return "nothing" if cost == 0 else f"about ${cost:.4f}" if cost < 1 else f"about ${cost:.2f}"
