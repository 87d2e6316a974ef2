"""Whether a text is a JSON Schema, and whether data fits one."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from mediasense.errors import UsageError, one_line
from mediasense.schemas.references import endless_reference, lost_reference
from mediasense.schemas.strict_json import deeper_than

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

MOST_LEVELS = 64
"""Of objects and lists within each other in a schema."""
MOST_DATA_LEVELS = 100
"""The same of an answer."""
MOST_MISFITS = 5
_MOST_LETTERS = 240
_HINT = "mend the schema"


def require_schema(text: str | None) -> None:
    """Refuse what is no JSON Schema, or one that cannot be held to.

    Raises:
        UsageError: It is none, refers to something that is not in it, or to itself without end;
            the message says where.
    """
    if text is not None:
        _require_schema(text)


@lru_cache(maxsize=64)
def _require_schema(text: str) -> None:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError("the schema is no JSON", hint=_HINT) from None
    if deeper_than(schema, MOST_LEVELS):
        raise UsageError(f"the schema is nested deeper than {MOST_LEVELS} levels", hint=_HINT)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UsageError(
            f"the schema is no JSON Schema: {one_line(error.message)} (at {error.json_path})",
            hint=_HINT,
        ) from None
    if (lost := lost_reference(schema)) is not None:
        raise UsageError(
            f"the schema refers to {one_line(lost, limit=80)}, which is not in it",
            hint="put it under $defs; nothing is fetched",
        )
    if (endless := endless_reference(schema)) is not None:
        raise UsageError(
            f"the schema refers to itself without end at {one_line(endless, limit=80)}", hint=_HINT
        )


def first_misfit(data: object, schema: str) -> str | None:
    """Where and why data does not fit a schema; ``None`` when it fits."""
    return next(iter(misfits(data, schema)), None)


def misfits(data: object, schema: str) -> tuple[str, ...]:
    """Where and why data does not fit a schema, the first few; ``()`` when it fits.

    It may take for ever with some schemas: see :func:`is_quick`.

    Args:
        data: What JSON makes of an answer.
        schema: A JSON Schema as JSON text. ``format`` is a hint, as it says itself; ``date`` alone
            is held to.
    """
    from referencing.exceptions import Unresolvable

    if deeper_than(data, MOST_DATA_LEVELS):
        return (f"it is nested deeper than {MOST_DATA_LEVELS} levels (at $)",)
    try:
        found = list(islice(_validator(schema).iter_errors(data), MOST_MISFITS))
    except Unresolvable as unresolved:
        return (f"its reference {one_line(unresolved.ref, limit=80)} leads nowhere",)
    except RecursionError:
        return ("its schema refers to itself without end",)
    return tuple(map(_told, found))


def misfits_of(*, text: str, schema: str) -> tuple[str, ...]:
    """The same of data as JSON text; for another process, which can be ended."""
    return misfits(json.loads(text), schema)


@lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry

    # An empty registry: a reference to another document is not fetched.
    return Draft202012Validator(
        json.loads(schema), registry=Registry(), format_checker=FormatChecker(formats=("date",))
    )


def _told(error: object) -> str:
    from jsonschema import ValidationError
    from jsonschema.exceptions import best_match

    assert isinstance(error, ValidationError)
    # Of several that could fit, the one that fits best says why it does not.
    closest = best_match([error]) or error
    where = one_line(closest.json_path, limit=120)
    return f"{one_line(closest.message, limit=_MOST_LETTERS)} (at {where})"
