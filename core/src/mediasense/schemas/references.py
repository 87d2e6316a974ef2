"""What a JSON Schema refers to, and how much work it makes; found without any data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

# Keywords whose schemas are about the same data, not about a part of it.
_ONE = ("not", "if", "then", "else")
_SEVERAL = ("allOf", "anyOf", "oneOf")
_NAMED = ("dependentSchemas",)

_SLOW = frozenset(
    (
        "$dynamicRef",
        "pattern",
        "patternProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    )
)
"""Keywords that may take time that grows faster than the data does."""

_MOST_PARTS = 5000


def lost_reference(schema: object) -> str | None:
    """The first reference that leads to nothing in the schema; ``None`` when all are found.

    Those to a name (``$anchor``, ``$id``) are not followed here.
    """
    named = any("$id" in part or "$anchor" in part for part in _parts(schema))
    for part in _parts(schema):
        reference = part.get("$ref")
        if not isinstance(reference, str) or _target(schema, reference) is not None:
            continue
        if reference.startswith("#/") or not named:
            return reference
    return None


def endless_reference(schema: object) -> str | None:
    """A reference that leads back to itself before anything of the data is looked at."""
    sound: set[int] = set()
    for part in _parts(schema):
        try:
            reference = _loop(schema, part, (), sound)
        except RecursionError:  # it ends, but nobody could follow it
            reference = str(part.get("$ref"))
        if reference is not None:
            return reference
    return None


@lru_cache(maxsize=64)
def is_quick(schema: str) -> bool:
    """Whether any answer is checked against a schema in a time that its length bounds.

    Args:
        schema: As JSON text. Regular expressions, and references in circles, may take for ever.
    """
    whole = json.loads(schema)
    if any(not _SLOW.isdisjoint(part) for part in _parts(whole)):
        return False
    try:
        return _count(whole, whole, (), {}) <= _MOST_PARTS
    except RecursionError:
        return False


@lru_cache(maxsize=64)
def is_object(schema: str) -> bool:
    """Whether services enforce such a schema: its answer is an object, and it says so at its root.

    That is the one shape that they are taken to enforce; none is known to refuse it. Any other is
    asked for in the prompt.
    """
    whole = json.loads(schema)
    if not isinstance(whole, dict):
        return False
    if "type" in whole:
        plain = whole["type"] == "object"
        return plain and not any(word in whole for word in (*_SEVERAL, "not", "enum"))
    return not any(word in whole for word in (*_SEVERAL, "not", "enum", "const", "$ref"))


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema; also those that only look like schemas."""
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left += part.values()
        elif isinstance(part, list):
            left += part


def _target(schema: object, reference: str) -> object | None:
    """What a reference within the document leads to."""
    if reference == "#":
        return schema
    if not reference.startswith("#/"):
        return None
    found = schema
    for step in unquote(reference[2:]).split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and len(name) <= len(str(len(found))):
            if int(name) >= len(found):
                return None
            found = found[int(name)]
        else:
            return None
    return found


def _beside(part: Mapping[str, Any]) -> Iterator[object]:
    """The schemas in a schema that are about the same data."""
    yield from (part[word] for word in _ONE if word in part)
    for word in _SEVERAL:
        if isinstance(part.get(word), list):
            yield from part[word]
    for word in _NAMED:
        if isinstance(part.get(word), dict):
            yield from part[word].values()


def _loop(schema: object, part: object, path: tuple[int, ...], sound: set[int]) -> str | None:
    if not isinstance(part, dict) or id(part) in sound:
        return None
    reference = part.get("$ref")
    target = _target(schema, reference) if isinstance(reference, str) else None
    path = (*path, id(part))
    for other in (target, *_beside(part)):
        if id(other) in path:
            return reference if isinstance(reference, str) else "#"
        if (found := _loop(schema, other, path, sound)) is not None:
            return found
    sound.add(id(part))
    return None


def _count(schema: object, part: object, path: tuple[int, ...], known: dict[int, int]) -> int:
    """Objects that a schema comes to when its references are written out; too many in a circle."""
    if isinstance(part, list):
        return sum(_count(schema, item, path, known) for item in part)
    if not isinstance(part, dict):
        return 0
    if id(part) in path:
        return _MOST_PARTS + 1
    if id(part) not in known:
        path = (*path, id(part))
        inner = [value for name, value in part.items() if name not in ("$defs", "definitions")]
        if isinstance(part.get("$ref"), str):
            inner.append(_target(schema, part["$ref"]))
        known[id(part)] = 1 + sum(_count(schema, value, path, known) for value in inner)
    return known[id(part)]
