"""What the tools take, with bounds; the descriptions are written for the model that calls them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mediasense import UsageError, one_line

MOST_IMAGES = 16
MOST_KEY_FRAMES = 24
_MOST_SECONDS = 1_000_000.0


def _text(value: object) -> object:
    """JSON text of what was sent as JSON: some agents send a schema as an object."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _parsed(value: object) -> object:
    """A list that was sent as JSON text; some agents do that."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


Letters = Annotated[str, Field(min_length=1, max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)]

Question = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=20_000,
        description="What you want to know. The more exact the question, the better the answer.",
    ),
]
Task = Annotated[
    Name | None,
    Field(description="A ready question by its name instead of your own; see list_tasks."),
]
Schema = Annotated[
    Annotated[str, Field(min_length=1, max_length=50_000), BeforeValidator(_text)] | None,
    Field(
        description="Have the answer as JSON: a JSON Schema as JSON text, or in short the names "
        "of its fields with their types, such as 'title, severity int, steps list'."
    ),
]
Provider = Annotated[
    Name | None, Field(description="Who is asked; see list_providers. Best left out.")
]
Model = Annotated[Name | None, Field(description="A model of that provider. Best left out.")]
Start = Annotated[Seconds | None, Field(description="Begin at this second of the recording.")]
End = Annotated[Seconds | None, Field(description="Stop at this second of the recording.")]


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False)


class _AboutOne(Arguments):
    path: Annotated[
        Letters,
        Field(description="The file: a path in a folder that may be read, or a link if allowed."),
    ]


class LookArguments(_AboutOne):
    """Of ``look_at_image``."""

    also: Annotated[
        tuple[Letters, ...],
        Field(
            max_length=MOST_IMAGES - 1,
            description="Further images for the same question, such as to compare them.",
        ),
        BeforeValidator(_parsed),
    ] = ()
    question: Question = None
    task: Task = None
    shape: Annotated[Schema, Field(alias="schema")] = None
    provider: Provider = None
    model: Model = None


class WatchArguments(_AboutOne):
    """Of ``watch_video``."""

    question: Question = None
    task: Task = None
    start: Start = None
    end: End = None
    frames: Annotated[
        Annotated[int, Field(ge=1, le=500)] | None,
        Field(description="Look at so many frames at most. Best left out."),
    ] = None
    key_frames: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_KEY_FRAMES,
            description="Return up to so many key frames as images, for you to see yourself.",
        ),
    ] = 0
    shape: Annotated[Schema, Field(alias="schema")] = None
    provider: Provider = None
    model: Model = None


class ListenArguments(_AboutOne):
    """Of ``listen_to_sound``."""

    question: Question = None
    task: Task = None
    start: Start = None
    end: End = None
    language: Annotated[
        Annotated[str, Field(min_length=2, max_length=35)] | None,
        Field(description="The language spoken as an ISO 639-1 code such as 'en', if known."),
    ] = None
    times: Annotated[
        bool,
        Field(description="Whether you need to know when each thing is said."),
    ] = False
    shape: Annotated[Schema, Field(alias="schema")] = None
    provider: Provider = None
    model: Model = None


class KeyFrameArguments(_AboutOne):
    """Of ``get_key_frames``."""

    start: Start = None
    end: End = None
    most: Annotated[
        int, Field(ge=1, le=MOST_KEY_FRAMES, description="Return so many images at most.")
    ] = 6
    max_side: Annotated[
        int, Field(ge=64, le=1568, description="Pixels of the longer side of an image at most.")
    ] = 768


class ProviderArguments(Arguments):
    """Of ``list_providers``."""


class TaskArguments(Arguments):
    """Of ``list_tasks``."""


class PlanArguments(_AboutOne):
    """Of ``plan``."""

    also: Annotated[
        tuple[Letters, ...],
        Field(max_length=MOST_IMAGES - 1, description="Further images for the same question."),
        BeforeValidator(_parsed),
    ] = ()
    question: Question = None
    task: Task = None
    kind: Annotated[
        Literal["image", "video", "audio"] | None,
        Field(description="What it is to be taken for, such as 'audio' for the sound of a video."),
    ] = None
    start: Start = None
    end: End = None
    provider: Provider = None
    model: Model = None


Given = TypeVar("Given", bound=Arguments)


def read(kind: type[Given], arguments: dict[str, Any]) -> Given:
    """Check the arguments of a call.

    Args:
        kind: What the tool takes.
        arguments: What was sent.

    Raises:
        UsageError: They do not fit; it says which, and nothing of what was sent.
    """
    try:
        return kind.model_validate(arguments)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_context=False)
        ]
        told = one_line("; ".join(dict.fromkeys(wrong)), limit=600)
        raise UsageError(told, hint="see the tool's input schema") from None


def input_schema(kind: type[Arguments]) -> dict[str, Any]:
    """The JSON Schema of what a tool takes, as plain as hosts and models like it.

    An argument that may be left out is left out, and not null: so ``null`` is not offered, though
    it is accepted.
    """
    schema = kind.model_json_schema(by_alias=True)
    properties = {name: _plain(found) for name, found in schema.get("properties", {}).items()}
    plain: dict[str, Any] = {"type": "object", "properties": properties}
    if schema.get("required"):
        plain["required"] = schema["required"]
    return {**plain, "additionalProperties": False}


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name not in ("title", "anyOf")}
    if kept.get("default", ...) is None:
        del kept["default"]
    others = [choice for choice in found.get("anyOf", []) if choice != {"type": "null"}]
    return {**others[0], **kept} if others else kept
