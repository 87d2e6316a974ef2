"""JSON Schemas as strict decoding wants them.

That every object names all that it may hold, and all of it is required, is what
``to_strict_json_schema`` of the SDK makes of a schema (``openai.lib._pydantic`` of openai 3.57.0,
read 2026-11). That the root is an object without alternatives, and which keywords and formats are
known, is not in the SDK and not verified: what goes beyond it is sent without ``strict``.
"""

from __future__ import annotations

from typing import Any

_KNOWN = frozenset(
    (
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    )
)
_FORMATS = frozenset(
    ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid")
)
_REMARKS = frozenset(("$comment", "$schema", "default", "deprecated", "examples", "title"))
"""Keywords that change nothing of what fits, and that are refused, or not known."""


def strict_version(schema: object) -> dict[str, Any] | None:
    """A schema that strict decoding takes, and whose answers all fit the one that is given.

    What may be left out or null is made null instead, and objects that do not say so are closed.

    Returns:
        The schema; ``None`` where there is none, and it can only be asked for.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return None
    try:
        return _strict(schema)
    except (_Lenient, TypeError):  # what is no schema may hold anything
        return None


class _Lenient(Exception):
    """A schema that strict decoding does not take."""


def _strict(schema: object) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise _Lenient
    made = {name: value for name, value in schema.items() if name not in _REMARKS}
    if not made.keys() <= _KNOWN or made.get("format", "date") not in _FORMATS:
        raise _Lenient
    if "$ref" in made:
        made = {"$ref": made["$ref"], **({"$defs": made["$defs"]} if "$defs" in made else {})}
    elif "type" not in made and "anyOf" not in made:
        raise _Lenient
    if "properties" in made or _is(made, "object"):
        made |= _closed(made)
    if "items" in made:
        made["items"] = _strict(made["items"])
    elif _is(made, "array"):
        raise _Lenient
    if "anyOf" in made:
        made["anyOf"] = [_strict(one) for one in _list(made["anyOf"])]
    if "$defs" in made:
        made["$defs"] = {name: _strict(one) for name, one in _dict(made["$defs"]).items()}
    return made


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """What an object holds, all of it required."""
    properties, required = _dict(schema.get("properties")), _list(schema.get("required", []))
    if schema.get("additionalProperties", False) is not False or not set(required) <= {*properties}:
        raise _Lenient
    optional = [name for name in properties if name not in required]
    if not all(_may_be_null(properties[name]) for name in optional):
        raise _Lenient  # to require it would have the model invent it
    return {
        "properties": {name: _strict(one) for name, one in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _may_be_null(schema: object) -> bool:
    if not isinstance(schema, dict):
        return False
    others = schema.get("anyOf")
    if isinstance(others, list) and any(_may_be_null(one) for one in others):
        return True
    return _is(schema, "null") and ("enum" not in schema or None in schema["enum"])


def _is(schema: dict[str, Any], kind: str) -> bool:
    told = schema.get("type")
    return told == kind or (isinstance(told, list) and kind in told)


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Lenient
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _Lenient
    return value
