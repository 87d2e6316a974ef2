"""From what a service says to what the core takes: pure, without the SDK.

Services differ in what they leave out and in what they add, and a failure may come under status
200: nothing here trusts a field to be there, or to be of its type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mediasense import (
    Answer,
    Connection,
    ContentBlocked,
    InvalidAnswer,
    Modality,
    Model,
    ProviderError,
    Segment,
    Usage,
    error_for_status,
    error_text,
    note_usage,
    one_line,
)

_MOST_CHARACTERS = 16_000_000

_MOST_DOLLARS = 10_000.0
_TICKS_PER_DOLLAR = 10_000_000_000

_FINISHED: Mapping[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}
_BLOCKED = ("content_filter", "sensitive", "safety")

_INPUTS: Mapping[str, Modality] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "text": "text",
    # Mistral's capabilities.
    "vision": "image",
    "audio_transcription": "audio",
    "completion_chat": "text",
    # Moonshot's.
    "supports_image_in": "image",
    "supports_video_in": "video",
}


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer to a chat message while it arrives: chunks go in, an :class:`Answer` comes out.

    An answer that comes whole is a stream of one chunk.

    Attributes:
        connection: Who was asked.
        model: The model that was asked, and then the one that answers.
    """

    connection: Connection
    model: str
    _text: list[str] = field(default_factory=list)
    _size: int = 0
    _refusal: list[str] = field(default_factory=list)
    _finish_reason: str | None = None
    _usage: Usage | None = None
    _cost: float | None = None

    def add(self, chunk: object) -> str:
        """Take a chunk.

        Args:
            chunk: Parsed JSON: an object of the protocol, or whatever came instead.

        Returns:
            The piece of text in it; often empty.

        Raises:
            ProviderError: It is no chunk of an answer.
        """
        reply = _reply(chunk, self.connection, self.model)
        if reply.get("choices") is None and (said := error_text(reply)):
            raise said_error(said, self.connection, self.model)
        choice = _dict(next(iter(_list(reply.get("choices"))), None))
        if error := choice.get("error"):
            raise said_error(error, self.connection, self.model)
        message = _dict(choice.get("delta")) or _dict(choice.get("message"))
        self.model = _str(reply.get("model")) or self.model
        self._finish_reason = _str(choice.get("finish_reason")) or self._finish_reason
        reported = reply.get("usage") or choice.get("usage")
        if (usage := read_usage(reported)) is not None:
            self._usage = usage
            note_usage(usage)
        if (cost := read_cost(reported, self.connection.provider)) is not None:
            self._cost = cost
        self._refusal.append(_str(message.get("refusal")))
        text = _content(message.get("content"))
        self._text.append(text)
        self._size += len(text)
        if self._size > _MOST_CHARACTERS:
            said = f"{self.connection.provider} does not stop answering"
            raise self._billed(InvalidAnswer(said, hint="try again"))
        return text

    def answer(self, *, streamed: bool, warnings: tuple[str, ...] = ()) -> Answer:
        """The whole answer.

        Args:
            streamed: Whether it came in pieces, so that a missing end means it was cut.
            warnings: What is known already.

        Raises:
            ContentBlocked: The model, or a filter, refused.
            InvalidAnswer: There is no text.
        """
        name, text, reason = self.connection.provider, "".join(self._text), self._finish_reason
        if refusal := "".join(self._refusal):
            said = one_line(refusal, *self.connection.secrets)
            said = f"{one_line(self.model)} refused: {said}"
            raise self._billed(ContentBlocked(said, hint="ask otherwise"))
        if reason in _BLOCKED:
            said = f"a filter of {name} stopped the answer"
            raise self._billed(ContentBlocked(said, hint="ask otherwise"))
        finished = _FINISHED.get(reason) if reason else None
        if not text.strip():
            raise self._billed(self._without_text(finished))
        doubts = self._doubts(finished, streamed=streamed)
        return Answer(
            text=text,
            model=self.model,
            usage=self._usage,
            finish_reason=finished,
            warnings=(*warnings, *doubts),
            cost=self._cost,
            may_be_cut=finished is None and bool(doubts),
        )

    def _billed(self, error: ProviderError) -> ProviderError:
        """An error, with what the service bills for an answer that is of no use."""
        error.usage, error.cost, error.model = self._usage, self._cost, self.model
        return error

    def _without_text(self, finished: str | None) -> InvalidAnswer:
        if finished == "length":
            return InvalidAnswer(
                f"{one_line(self.model)} used up its tokens before the answer, on reasoning",
                hint="raise --max-output-tokens, or leave it out",
            )
        return InvalidAnswer(
            f"{self.connection.provider} answered without any text", hint="try again"
        )

    def _doubts(self, finished: str | None, *, streamed: bool) -> tuple[str, ...]:
        name, reason = self.connection.provider, self._finish_reason
        if finished == "length":
            return ("the answer was cut at its limit of tokens; raise --max-output-tokens",)
        if reason is None and streamed:
            return (f"{name} ended the answer without saying that it is whole; it may be cut",)
        if reason is not None and finished is None:
            return (f"{name} ended the answer early ({one_line(reason)}); it may be cut",)
        return ()


def read_transcript(
    parsed: object, connection: Connection, *, model: str, warnings: tuple[str, ...] = ()
) -> Answer:
    """The answer of the transcription endpoint.

    Args:
        parsed: Parsed JSON, or text: several servers answer with text that holds JSON.
        connection: Who was asked.
        model: The model that was asked.
        warnings: What is known already.

    Raises:
        ProviderError: There is no transcript in it.
    """
    parsed = _unwrapped(parsed)
    if isinstance(parsed, str) and not _is_markup(parsed):
        parsed = {"text": parsed}
    reply = _reply(parsed, connection, model)
    text = reply.get("text")
    model = _str(reply.get("model")) or model
    usage = read_usage(reply.get("usage"))
    cost = read_cost(reply.get("usage"), connection.provider)
    if not isinstance(text, str):
        error = said_error(error_text(reply) or "no transcript", connection, model)
        error.usage, error.cost, error.model = usage, cost, model
        raise error
    return Answer(
        text=text.strip(),
        model=model,
        usage=usage,
        segments=tuple(s for item in _list(reply.get("segments")) if (s := _segment(item))),
        language=_language(reply),
        warnings=warnings if text.strip() else (*warnings, "no speech was found"),
        cost=cost,
    )


def read_models(parsed: object, connection: Connection) -> tuple[Model, ...]:
    """The answer of a listing of models.

    Raises:
        ProviderError: It is no listing.
    """
    rows = _unwrapped(parsed)
    if not isinstance(rows, list):
        reply = _reply(rows, connection, None)
        rows = reply.get("data", reply.get("models"))
        if not isinstance(rows, list):
            raise said_error(error_text(reply) or "no list of models", connection, None)
    return tuple(model for row in rows if (model := _model(_dict(row))))


def read_usage(reported: object) -> Usage | None:
    """What the service counted; ``None`` when it says nothing."""
    usage = _dict(reported)
    into = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
    reasoning = _count(out.get("reasoning_tokens"))
    read = Usage(
        input_tokens=_first_count(usage, "prompt_tokens", "input_tokens"),
        output_tokens=_output_tokens(usage, reasoning),
        reasoning_tokens=reasoning,
        cached_tokens=_count(into.get("cached_tokens")),
        cache_write_tokens=_count(into.get("cache_write_tokens")),
        image_tokens=_count(into.get("image_tokens")),
        video_tokens=_count(into.get("video_tokens")),
        audio_tokens=_count(into.get("audio_tokens")),
        seconds=_number(usage.get("seconds", usage.get("prompt_audio_seconds"))),
    )
    return read if read != Usage() else None


def read_cost(reported: object, provider: str) -> float | None:
    """US dollars that the service says it charged; ``None`` when it does not say.

    Three of them tell: OpenRouter in its credits, which are dollars, and what it has others charge
    to a key of the user's own beside that (openrouter.ai/docs/use-cases/usage-accounting); xAI in
    ticks (docs.x.ai/developers/cost-tracking); Perplexity in dollars (its OpenAPI, ``Cost``). What
    another service means by a field of the same name, nobody knows.

    Args:
        reported: The usage it reports.
        provider: Who reports it.
    """
    usage = _dict(reported)
    match provider:
        case "openrouter":
            dollars = _number(usage.get("cost"))
            if usage.get("is_byok") is True:
                elsewhere = _number(_dict(usage.get("cost_details")).get("upstream_inference_cost"))
                known = dollars is not None and elsewhere is not None
                dollars = (dollars or 0.0) + (elsewhere or 0.0) if known else None
        case "grok":
            ticks = _number(usage.get("cost_in_usd_ticks"))
            dollars = None if ticks is None else ticks / _TICKS_PER_DOLLAR
        case "perplexity":
            dollars = _number(_dict(usage.get("cost")).get("total_cost"))
        case _:
            dollars = None
    return dollars if dollars is not None and dollars <= _MOST_DOLLARS else None


def said_error(said: object, connection: Connection, model: str | None) -> ProviderError:
    """The error for what a service says under status 200, or in the middle of a stream.

    Args:
        said: Its error object, or its words.
        connection: Who was asked.
        model: The model that was asked.
    """
    detail = one_line(error_text(said), *connection.secrets)
    if (status := _status(said)) is not None:
        return error_for_status(
            status,
            detail,
            provider=connection.provider,
            model=model,
            credential=connection.source,
        )
    return InvalidAnswer(
        f"{connection.provider} answered with an error: {detail or 'it does not say which'}",
        hint="try again, or check --model and --base-url",
    )


def _reply(parsed: object, connection: Connection, model: str | None) -> Mapping[str, object]:
    """The object a service answered with; its errors, and anything else, are raised."""
    parsed = _unwrapped(parsed)
    if not isinstance(parsed, dict):
        what = "a page or a text" if isinstance(parsed, str) else type(parsed).__name__
        raise InvalidAnswer(
            f"{connection.provider} answered with {what}, not with an object of JSON",
            hint="check --base-url",
        )
    if error := parsed.get("error"):
        raise said_error(error, connection, model)
    return parsed


def _unwrapped(parsed: object) -> object:
    """The JSON inside a text, where there is any."""
    if isinstance(parsed, str):
        try:
            inner = json.loads(parsed)
        except (ValueError, RecursionError):
            return parsed
        return inner if isinstance(inner, dict | list) else parsed
    return parsed


def _is_markup(text: str) -> bool:
    return text.lstrip()[:9].lower().startswith(("<!doctype", "<html", "<head", "<?xml"))


def _content(content: object) -> str:
    """The text of a message, which may be a list of parts."""
    if isinstance(content, list):
        return "".join(_str(_dict(part).get("text")) for part in content)
    return _str(content)


def _segment(item: object) -> Segment | None:
    row = _dict(item)
    start, end = _number(row.get("start")), _number(row.get("end"))
    if start is None or end is None:
        return None
    return Segment(
        start=start,
        end=end,
        text=_str(row.get("text")).strip(),
        speaker=_str(row.get("speaker")) or _str(row.get("speaker_id")) or None,
        confidence=_confidence(row.get("avg_logprob")),
    )


def _confidence(logarithm: object) -> float | None:
    """The likelihood of an average token, of its logarithm (OpenAI's API description, 2026-11)."""
    if isinstance(logarithm, bool) or not isinstance(logarithm, int | float):
        return None
    return math.exp(logarithm) if -math.inf < logarithm <= 0 else None


def _language(reply: Mapping[str, object]) -> str | None:
    if language := _str(reply.get("language")):
        return language
    # gpt-transcribe lists what it heard; one language is the language.
    heard = [_str(_dict(item).get("code")) for item in _list(reply.get("languages"))]
    return heard[0] or None if len(heard) == 1 else None


def _model(row: Mapping[str, object]) -> Model | None:
    name = _str(row.get("id")) or _str(row.get("name"))
    if not name:
        return None
    return Model(
        name=name,
        modalities=_modalities(row),
        retires=_str(row.get("shutdown_date")) or None,
    )


def _modalities(row: Mapping[str, object]) -> tuple[Modality, ...] | None:
    """What a model takes, in whichever way its service tells it."""
    listed = _dict(row.get("architecture")).get("input_modalities", row.get("input_modalities"))
    flags = _dict(row.get("capabilities")) or row
    told = _list(listed) or [name for name in _INPUTS if flags.get(name) is True]
    named = {_INPUTS[name] for name in told if isinstance(name, str) and name in _INPUTS}
    return tuple(name for name in dict.fromkeys(_INPUTS.values()) if name in named) or None


def _output_tokens(usage: Mapping[str, object], reasoning: int | None) -> int | None:
    count = _first_count(usage, "completion_tokens", "output_tokens")
    total = _count(usage.get("total_tokens"))
    into = _first_count(usage, "prompt_tokens", "input_tokens")
    # xAI counts reasoning beside the answer, not in it; its total shows that.
    beside = (into or 0) + (count or 0) + (reasoning or 0)
    if reasoning and count is not None and total == beside:
        return count + reasoning
    return count


def _details(usage: Mapping[str, object], *names: str) -> Mapping[str, object]:
    return next((_dict(usage[name]) for name in names if usage.get(name)), {})


def _first_count(usage: Mapping[str, object], *names: str) -> int | None:
    return next((_count(usage[name]) for name in names if name in usage), None)


def _status(said: object) -> int | None:
    """The HTTP status an error object names as its code, if it does."""
    code = _dict(said).get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
