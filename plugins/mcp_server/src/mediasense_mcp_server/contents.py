"""What the tools hand back: words first, then images, and the same as structured data."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from mediasense import Analysis, KeyFrame, MediasenseError, one_line
from mediasense_mcp_server import records
from mediasense_mcp_server.records import Record, sendable, told

if TYPE_CHECKING:
    from mediasense import LeftOut, Media, Planned, ProviderStatus, Task

MOST_LETTERS = 100_000
MOST_SEGMENTS = 400
_MOST_WARNINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a call of a tool.

    Attributes:
        record: As structured data.
        blocks: For the model.
        cost: US dollars that it came to; ``None`` is unknown.
    """

    record: Record
    blocks: tuple[ContentBlock, ...]
    cost: float | None = 0.0

    @property
    def result(self) -> CallToolResult:
        """What is sent."""
        return CallToolResult(content=list(self.blocks), structured_content=told(self.record))


def refusal(error: MediasenseError) -> CallToolResult:
    """A known failure, in the words of its class: what happened, and the next thing to do."""
    return failure(one_line(str(error), limit=2000))


def failure(words: str) -> CallToolResult:
    """A failure that the model reads."""
    return CallToolResult(content=[_text(words)], is_error=True)


def of_answer(
    analysis: Analysis, pictures: Sequence[KeyFrame] = (), *, times: bool = False
) -> Outcome:
    """An answer, and the key frames that were asked for with it."""
    text, cut = _bounded(analysis.text)
    warnings = [*analysis.warnings[:_MOST_WARNINGS], *cut]
    answer = records.AnswerTold(
        text=text,
        data=analysis.data,
        provider=analysis.provider,
        model=analysis.model,
        strategy=analysis.strategy,
        finish_reason=analysis.finish_reason,
        cached=analysis.cached,
        cost=analysis.cost,
        usage=_usage(analysis),
        language=analysis.language,
        warnings=warnings,
        left_out=_left_out(analysis.left_out),
        segments=[
            records.SegmentTold(start=s.start, end=s.end, text=s.text, speaker=s.speaker)
            for s in analysis.segments[:MOST_SEGMENTS]
        ],
        segments_left_out=max(0, len(analysis.segments) - MOST_SEGMENTS),
        frames=[records.FrameTold(timestamp=f.timestamp, reason=f.reason) for f in analysis.frames],
        media=_media(analysis.media),
        key_frames=_frames(pictures),
    )
    shown = _timed(answer) if times and answer.segments else text
    blocks = (_text(shown or "(no text)"), _text(_made(analysis, warnings)))
    return Outcome(record=answer, blocks=(*blocks, *_images(pictures)), cost=analysis.cost)


def of_key_frames(pictures: Sequence[KeyFrame]) -> Outcome:
    """Key frames as images, each after its time."""
    heading = _text(f"{len(pictures)} key frame{'' if len(pictures) == 1 else 's'}")
    record = records.KeyFramesTold(key_frames=_frames(pictures))
    return Outcome(record=record, blocks=(heading, *_images(pictures)))


def of_providers(found: Sequence[ProviderStatus]) -> Outcome:
    """Who can answer."""
    providers = [
        records.ProviderTold(
            name=one.name,
            description=one.description,
            kind=one.kind,
            takes=list(one.modalities),
            default_model=one.default_model,
            key=one.key,
            key_names=list(one.key_names),
        )
        for one in found
    ]
    lines = [
        f"{one.name}: takes {', '.join(one.takes) or 'text only'}; {_key(one)}" for one in providers
    ]
    words = "\n".join(lines) or "nobody: no provider is installed where this server runs"
    return Outcome(record=records.ProvidersTold(providers=providers), blocks=(_text(words),))


def of_tasks(found: Sequence[Task]) -> Outcome:
    """The ready questions."""
    tasks = [
        records.TaskTold(name=one.name, description=one.description, takes=list(one.modalities))
        for one in found
    ]
    lines = [f"{one.name} (of {', '.join(one.takes)}): {one.description}" for one in tasks]
    words = "\n".join(lines) or "there are none"
    return Outcome(record=records.TasksTold(tasks=tasks), blocks=(_text(words),))


def of_plan(planned: Planned) -> Outcome:
    """How a question would be answered."""
    plan = planned.plan
    record = records.PlanTold(
        provider=planned.provider.name,
        strategy=plan.strategy,
        media=_media(planned.media),
        steps=[
            records.StepTold(
                action=step.action,
                words=step.words,
                provider=step.provider,
                model=step.model,
                calls=step.calls,
                images=step.images,
                tokens=step.tokens,
                cost=step.cost,
            )
            for step in plan.steps
        ],
        left_out=_left_out(plan.left_out),
        warnings=list(plan.warnings[:_MOST_WARNINGS]),
        tokens=plan.tokens,
        cost=plan.cost,
    )
    lines = [f"{planned.provider.name} would answer ({plan.strategy})"]
    lines += [_step(step) for step in record.steps]
    lines += [f"left out: {left.words}" for left in record.left_out]
    lines += [f"warning: {warning}" for warning in record.warnings]
    lines.append(f"it costs {_dollars(record.cost)}, about" if record.cost else _free(record.cost))
    return Outcome(record=record, blocks=(_text("\n".join(lines)),))


# --- words ---------------------------------------------------------------------------------------


def _text(words: str) -> TextContent:
    return TextContent(type="text", text=sendable(words))


def _bounded(text: str) -> tuple[str, list[str]]:
    if len(text) <= MOST_LETTERS:
        return text, []
    cut = f"the answer has {len(text)} characters; all but the first {MOST_LETTERS} are left out"
    return text[:MOST_LETTERS], [cut]


def _timed(answer: records.AnswerTold) -> str:
    """What is said, a line for each segment with its seconds."""
    lines = [
        f"[{s.start:.1f}-{s.end:.1f}] {f'{s.speaker}: ' if s.speaker else ''}{s.text.strip()}"
        for s in answer.segments
    ]
    if answer.segments_left_out:
        lines.append(f"({answer.segments_left_out} further segments; ask for a part)")
    return "\n".join(lines)


def _made(analysis: Analysis, warnings: Sequence[str]) -> str:
    """How an answer was made, in a few lines."""
    by = f"answered by {analysis.provider} {analysis.model}".rstrip()
    facts = [by, "kept from before" if analysis.cached else "", _free(analysis.cost)]
    if analysis.frames:
        facts.append(f"{len(analysis.frames)} frames were looked at")
    if analysis.finish_reason == "length":
        facts.append("it was cut short by a limit")
    return "\n".join([", ".join(filter(None, facts)), *(f"warning: {w}" for w in warnings)])


def _step(step: records.StepTold) -> str:
    who = f"{step.provider} {step.model or ''}".strip() if step.provider else "this machine"
    calls = f", {step.calls} call{'' if step.calls == 1 else 's'}" if step.calls else ""
    return f"- {step.action}: {step.words} ({who}{calls})"


def _key(one: records.ProviderTold) -> str:
    match one.key:
        case "found":
            return "ready"
        case "not needed" | "optional":
            return "needs no key"
        case "ambient":
            return "may find credentials by itself"
        case _:
            return f"its key is missing ({' or '.join(one.key_names)})"


def _free(cost: float | None) -> str:
    if cost is None:
        return "cost unknown"
    return f"cost {_dollars(cost)}" if cost else "cost nothing"


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if amount >= 0.0001 else f"${amount:.8f}"


# --- parts of records ----------------------------------------------------------------------------


def _images(pictures: Sequence[KeyFrame]) -> list[ContentBlock]:
    """Each picture after the words for when it is on screen."""
    blocks: list[ContentBlock] = []
    for number, picture in enumerate(pictures, 1):
        data = base64.b64encode(picture.image.read()).decode("ascii")
        when = f"key frame {number} at {picture.timestamp:.1f} s ({picture.reason})"
        image = ImageContent(type="image", data=data, mime_type=picture.image.mime_type)
        blocks += [_text(when), image]
    return blocks


def _frames(pictures: Sequence[KeyFrame]) -> list[records.FrameTold]:
    return [
        records.FrameTold(timestamp=round(picture.timestamp, 3), reason=picture.reason)
        for picture in pictures
    ]


def _media(media: Sequence[Media]) -> list[records.MediaTold]:
    return [
        records.MediaTold(
            source=item.name or item.uri,
            modality=item.modality,
            mime_type=item.mime_type or None,
            width=item.width,
            height=item.height,
            seconds=item.seconds,
        )
        for item in media
    ]


def _left_out(found: Sequence[LeftOut]) -> list[records.LeftOutTold]:
    return [records.LeftOutTold(words=one.words, start=one.start, end=one.end) for one in found]


def _usage(analysis: Analysis) -> records.UsageTold | None:
    usage = analysis.usage
    if usage is None:
        return None
    return records.UsageTold(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, seconds=usage.seconds
    )
