"""What the tools tell as structured data: the envelope of an answer, and listings, trimmed.

Fields have the names and meanings of ``docs/envelope.md``. What a model has no use for, or what
could flood it, is left out: the places of single letters and words, and the steps of the work.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Structured data that a tool tells."""

    model_config = ConfigDict(extra="forbid")


class SegmentTold(Record):
    """A stretch of speech."""

    start: float = Field(description="Seconds from the start of the recording.")
    end: float
    text: str
    speaker: str | None = None


class FrameTold(Record):
    """A frame of a recording that the model looked at, or that is returned."""

    timestamp: float = Field(description="Seconds from the start of the recording.")
    reason: str


class LeftOutTold(Record):
    """Something of the media that nobody saw or heard, and why."""

    words: str
    start: float | None = None
    end: float | None = None


class MediaTold(Record):
    """What was looked at."""

    source: str | None = None
    modality: str
    mime_type: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


class UsageTold(Record):
    """What the service counted; null is not reported."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None


class AnswerTold(Record):
    """An answer, and how it was made."""

    text: str = Field(description="The answer.")
    data: Any = Field(default=None, description="The answer as data, where a schema was given.")
    provider: str
    model: str
    strategy: str
    finish_reason: str | None = None
    cached: bool = Field(description="Whether it was given before, and kept.")
    cost: float | None = Field(default=None, description="US dollars; null is not known.")
    usage: UsageTold | None = None
    language: str | None = None
    warnings: list[str] = Field(description="What to know about this answer.")
    left_out: list[LeftOutTold] = Field(description="What nobody saw or heard, and why.")
    segments: list[SegmentTold] = Field(description="What is said, and when.")
    segments_left_out: int = Field(
        default=0, description="How many further segments there are; ask for a part."
    )
    frames: list[FrameTold] = Field(description="The frames that the model was shown.")
    media: list[MediaTold]
    key_frames: list[FrameTold] = Field(
        default=[], description="The images returned beside the answer, in their order."
    )


class KeyFramesTold(Record):
    """The images that are returned, in their order."""

    key_frames: list[FrameTold]


class ProviderTold(Record):
    """Somebody who can answer."""

    name: str
    description: str
    kind: str = Field(description="service, server (run by the user) or device (this machine).")
    takes: list[str]
    default_model: str | None = None
    key: str = Field(description="found, missing, optional, ambient or not needed.")
    key_names: list[str] = Field(description="The variables in which a key is looked for.")


class ProvidersTold(Record):
    """Who can answer."""

    providers: list[ProviderTold]


class StepTold(Record):
    """One thing that would be done."""

    action: str
    words: str
    provider: str | None = None
    model: str | None = None
    calls: int = 0
    images: int | None = None
    tokens: int | None = None
    cost: float | None = None


class PlanTold(Record):
    """How a question would be answered."""

    provider: str
    strategy: str
    media: list[MediaTold]
    steps: list[StepTold]
    left_out: list[LeftOutTold]
    warnings: list[str]
    tokens: int | None = Field(default=None, description="Input tokens, about; null is unknown.")
    cost: float | None = Field(default=None, description="US dollars, about; null is unknown.")


class TaskTold(Record):
    """A ready question."""

    name: str
    description: str
    takes: list[str]


class TasksTold(Record):
    """The ready questions."""

    tasks: list[TaskTold]


def output_schema(kind: type[Record]) -> dict[str, Any]:
    """The JSON Schema of what a tool tells."""
    return kind.model_json_schema(mode="serialization")


def told(record: Record) -> dict[str, Any]:
    """A record as plain data that can be sent, whatever is in it."""
    plain = _sendable(record.model_dump(mode="python"))
    assert isinstance(plain, dict)
    return plain


def sendable(text: str) -> str:
    """A text that can be sent: some models write half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _sendable(value: object) -> object:
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, dict):
        return {sendable(str(name)): _sendable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in value]
    return value
