"""The JSON in an answer, whatever a model writes around it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from mediasense.errors import one_line
from mediasense.schemas.strict_json import decoder, parse_json

MOST_LETTERS = 8_000_000
"""Of an answer; a longer one is not looked through."""
_MOST_VALUES = 5
"""Of the JSON values in an answer, so many are looked at."""
_MOST_TRIES = 200

_FENCED = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)\s*```", re.DOTALL)
_OPENS = re.compile(r"[{\[]")
_THOUGHT = "</think>"

Misfits = Callable[[object], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read in an answer.

    Attributes:
        data: What fits; ``None`` also where nothing does.
        misfits: Where and why it does not fit; ``()`` when it does.
        is_json: Whether there was any JSON in it.
    """

    data: object = None
    misfits: tuple[str, ...] = ()
    is_json: bool = True


def read_answer(text: str, misfits: Misfits) -> Reading:
    """Find the JSON in an answer: all of it, what stands in a fence, or the first that fits.

    A part of JSON that is broken, or cut short, is never taken for the whole.

    Args:
        text: The answer.
        misfits: Says what is wrong with data; nothing when it fits.
    """
    if len(text) > MOST_LETTERS:
        return Reading(misfits=(f"it is longer than {MOST_LETTERS} characters",), is_json=False)
    # Some servers hand on what a model thinks before it answers.
    text = text.rpartition(_THOUGHT)[2].strip()
    values, problem = _values(text)
    first: Reading | None = None
    for value in values:
        found = misfits(value)
        if not found:
            return Reading(data=value)
        first = first or Reading(misfits=found)
    return first or Reading(misfits=(f"it is no JSON: {problem}",), is_json=False)


def _values(text: str) -> tuple[list[object], str]:
    """The JSON values in a text, the likeliest first, and why there is none, or no more."""
    if not text:
        return [], "it is empty"
    try:
        return [parse_json(text)], ""
    except ValueError as error:
        problem = _told(error)
    fenced = _FENCED.fullmatch(text)
    if fenced is not None:
        try:
            return [parse_json(fenced[1])], ""
        except ValueError as error:
            problem = _told(error)
    values, within = _values_within(text)
    return values, within or problem


def _values_within(text: str) -> tuple[list[object], str]:
    values: list[object] = []
    at = 0
    for _ in range(_MOST_TRIES):
        opens = _OPENS.search(text, at)
        if opens is None or len(values) == _MOST_VALUES:
            break
        try:
            value, at = decoder.raw_decode(text, opens.start())
        except json.JSONDecodeError as error:
            if text[opens.end() : error.pos].strip():
                return values, _told(error)  # what follows is within it
            at = opens.end()  # a brace of prose
        except (ValueError, RecursionError) as error:
            return values, _told(error)
        else:
            values.append(value)
    return values, ""


def _told(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return one_line(str(error), limit=120)
