"""From what the SDK returns to an answer, or to the error that says why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mediasense import (
    Answer,
    ContentBlocked,
    InvalidAnswer,
    OnText,
    ProviderError,
    TextRequest,
    Usage,
    note_usage,
    one_line,
)

if TYPE_CHECKING:
    from google.genai import types

# google-genai 3.4.0, types.FinishReason: those by which a filter stops the model.
_REFUSALS = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "PUP_LIMITED_DISABLED",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
_LENGTH = frozenset({"CONTINUATION", "MAX_TOKENS"})
_OTHER_WORDS = "change the prompt or the media, or use another --provider"


@dataclass(slots=True)
class _Reply:
    """What the chunks of one reply say together."""

    texts: list[str] = field(default_factory=list)
    candidates: int = 0
    model: str | None = None
    usage: types.GenerateContentResponseUsageMetadata | None = None
    finish: str | None = None
    finish_message: str | None = None
    blocked: str | None = None

    def add(self, chunk: types.GenerateContentResponse) -> str:
        """Take a chunk in, and return its text."""
        self.model = chunk.model_version or self.model
        if chunk.usage_metadata is not None:
            self.usage = chunk.usage_metadata
            if (usage := _usage(self.usage)) is not None:
                note_usage(usage)
        if (feedback := chunk.prompt_feedback) and feedback.block_reason:
            said = feedback.block_reason_message
            self.blocked = feedback.block_reason.value + (f": {said}" if said else "")
        if not chunk.candidates:
            return ""
        candidate = chunk.candidates[0]
        self.candidates += 1
        if candidate.finish_reason is not None:
            self.finish = candidate.finish_reason.value
        self.finish_message = candidate.finish_message or self.finish_message
        text = _text(candidate)
        self.texts.append(text)
        return text


def read(
    chunks: Iterable[types.GenerateContentResponse], request: TextRequest, on_text: OnText | None
) -> Answer:
    """Read a reply, whole or as it arrives.

    Args:
        chunks: The reply, in one piece or many.
        request: What was asked.
        on_text: Called with each piece of text.

    Raises:
        ContentBlocked: The prompt or the answer was filtered.
        InvalidAnswer: There is nothing in it.
    """
    reply = _Reply()
    for chunk in chunks:
        text = reply.add(chunk)
        if text and on_text is not None:
            on_text(text)
    _require_answer(reply, request)
    return Answer(
        text="".join(reply.texts),
        model=reply.model or request.model or "",
        usage=_usage(reply.usage),
        finish_reason=_finish_reason(reply.finish),
        warnings=_warnings(reply, request.provider.name),
        may_be_cut=_finish_reason(reply.finish) is None,
    )


def _text(candidate: types.Candidate) -> str:
    parts = (candidate.content and candidate.content.parts) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _require_answer(reply: _Reply, request: TextRequest) -> None:
    if error := _failure(reply, request):
        error.usage, error.model = _usage(reply.usage), reply.model or request.model
        raise error


def _failure(reply: _Reply, request: TextRequest) -> ProviderError | None:
    """Why there is no answer."""
    name = request.provider.name
    if reply.blocked is not None:
        return ContentBlocked(
            f"{name} blocked the prompt: {one_line(reply.blocked)}", hint=_OTHER_WORDS
        )
    if reply.finish in _REFUSALS:
        return ContentBlocked(f"{name} stopped the answer: {_why(reply)}", hint=_OTHER_WORDS)
    if not reply.candidates:
        return InvalidAnswer(
            f"{name} answered with nothing in it", hint="try again, or check --base-url"
        )
    # Silence is a true transcript.
    silent = request.prompt is None and reply.finish == "STOP"
    if not any(reply.texts) and reply.finish not in _LENGTH and not silent:
        return InvalidAnswer(f"{name} answered without text: {_why(reply)}", hint="try again")
    return None


def _why(reply: _Reply) -> str:
    reason = reply.finish or "no reason is given"
    return one_line(f"{reason}: {reply.finish_message}" if reply.finish_message else reason)


def _finish_reason(finish: str | None) -> Literal["stop", "length"] | None:
    if finish in _LENGTH:
        return "length"
    return "stop" if finish == "STOP" else None


def _warnings(reply: _Reply, provider: str) -> tuple[str, ...]:
    if reply.finish == "STOP":
        return ()
    if reply.finish in _LENGTH:
        return (f"{provider} reached the limit of output tokens: the answer is cut short.",)
    if reply.finish is None:
        return (f"{provider} did not say that it had finished: the answer may be cut short.",)
    return (f"{provider} stopped early ({_why(reply)}): the answer may be cut short.",)


def _usage(counted: types.GenerateContentResponseUsageMetadata | None) -> Usage | None:
    if counted is None:
        return None
    by_modality = counted.prompt_tokens_details
    return Usage(
        input_tokens=counted.prompt_token_count,
        output_tokens=_sum(counted.candidates_token_count, counted.thoughts_token_count),
        reasoning_tokens=counted.thoughts_token_count,
        cached_tokens=counted.cached_content_token_count,
        image_tokens=_of(by_modality, "IMAGE"),
        video_tokens=_of(by_modality, "VIDEO"),
        audio_tokens=_of(by_modality, "AUDIO"),
    )


def _of(details: list[types.ModalityTokenCount] | None, modality: str) -> int | None:
    return _sum(*(row.token_count for row in details or () if row.modality == modality))


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
