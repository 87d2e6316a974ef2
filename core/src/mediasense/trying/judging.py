"""What an answer, or a failure, shows of what was tried."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from mediasense.errors import (
    ContentBlocked,
    InvalidAnswer,
    MediasenseError,
    PermissionDenied,
    ProviderError,
    RequestRejected,
    ServerError,
    UnsupportedMedia,
    UnsupportedModality,
    one_line,
)
from mediasense.schemas import first_misfit
from mediasense.specimens import Colour
from mediasense.trying.records import Attempt, What
from mediasense.types import Answer

FEW_CHARACTERS = 400
_TOKENS_OF_FEW = 64
_NOT_ABOUT_THE_REQUEST = (402, 407)
_OF_THE_REQUEST = (500, 501)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
        "required": ["numbers"],
        "additionalProperties": False,
    }
)
_DENIES = re.compile(
    r"(?:can(?:no|')?t|unable to|not able to|do(?:n't| not)|did(?:n't| not)|no|without)\s+"
    r"(?:\w+\s+){0,3}?(?:see|hear|view|listen|images?|pictures?|audio|sounds?|videos?|attachments?)",
    re.IGNORECASE,
)


TAKEN = Attempt(modality="text", what="question", outcome="taken")
IGNORED = replace(TAKEN, outcome="ignored")


def names_colours(colours: tuple[Colour, ...], answer: Answer) -> Attempt:
    """Whether the answer names the colours that were shown."""
    said = answer.text.lower()
    if all(colour in said for colour in colours):
        return TAKEN
    things = "pictures" if len(colours) > 1 else "picture"
    return replace(
        TAKEN,
        doubt=f"it answered, but did not name the colour of the {things}: does the model see?",
    )


def listens(answer: Answer) -> Attempt:
    """Whether the answer is of somebody who hears."""
    if _DENIES.search(answer.text) is None:
        return TAKEN
    return replace(TAKEN, doubt="it answered that it hears nothing: does the model hear?")


def fits(answer: Answer) -> Attempt:
    """Whether the answer is JSON that fits the schema."""
    try:
        misfit = first_misfit(json.loads(answer.text), SCHEMA)
    except (ValueError, RecursionError):
        misfit = "the answer is no JSON"
    return TAKEN if misfit is None else replace(IGNORED, detail=one_line(misfit, limit=100))


def is_short(answer: Answer) -> Attempt:
    """Whether the answer was kept to its limit of length."""
    if answer.finish_reason == "length" or len(answer.text) <= FEW_CHARACTERS:
        return TAKEN
    return replace(IGNORED, detail="the answer is longer than was asked for")


def failed(error: MediasenseError, what: What, *, answered: bool) -> Attempt:
    """The attempt that failed.

    Args:
        error: How.
        what: What was tried.
        answered: Whether the provider has answered anything yet.

    Raises:
        MediasenseError: The same error, where it says nothing about what was tried.
    """
    status = error.status if isinstance(error, ProviderError) else None
    if _says_nothing(error, status, answered=answered):
        raise error
    if what == "max_output_tokens" and _used_up(error):
        return TAKEN
    refused = isinstance(error, _REFUSALS)
    return replace(
        TAKEN, outcome="refused" if refused else "failed", detail=error.message, status=status
    )


def _says_nothing(error: MediasenseError, status: int | None, *, answered: bool) -> bool:
    if isinstance(error, PermissionDenied):
        return not answered  # once something is allowed, this very thing is not
    if isinstance(error, ServerError):
        return status not in _OF_THE_REQUEST  # many fail so over media they do not know
    if isinstance(error, RequestRejected):
        return status is not None and (status < 400 or status in _NOT_ABOUT_THE_REQUEST)
    return not isinstance(error, (*_REFUSALS, ContentBlocked, InvalidAnswer))


def _used_up(error: MediasenseError) -> bool:
    """Whether a model that thinks was stopped by the limit before it said a word."""
    usage = error.usage if isinstance(error, InvalidAnswer) else None
    tokens = usage.output_tokens if usage else None
    return tokens is not None and 0 < tokens <= _TOKENS_OF_FEW


_REFUSALS = (PermissionDenied, RequestRejected, UnsupportedMedia, UnsupportedModality)
