"""JSON as it is written down: what has two meanings, or none, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 308
"""Of a whole number: with more it could not be compared with any other number."""


def parse_json(text: str) -> object:
    """Read JSON from outside.

    Refused are ``NaN`` and ``Infinity``, numbers beyond what a double holds, and a key that stands
    twice in one object. Line breaks within a text are taken: models do write them.

    Raises:
        ValueError: It is none; the message says why.
    """
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def deeper_than(data: object, most: int) -> bool:
    """Whether JSON data is nested deeper; without recursion, which is what it guards."""
    level = [data]
    for _ in range(most):
        nested = (part for part in level if isinstance(part, dict | list | tuple))
        level = [
            inner
            for part in nested
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return False
    return any(isinstance(part, dict | list | tuple) for part in level)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice[:80]!r} stands twice in one object")
    return made


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _whole(text: str) -> int:
    return int(text) if len(text) <= _MOST_DIGITS else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number that JSON can hold")


decoder = json.JSONDecoder(
    object_pairs_hook=_once,
    parse_float=_finite,
    parse_int=_whole,
    parse_constant=_no_number,
    strict=False,
)
"""Decodes as :func:`parse_json` does, also from the middle of a text."""
