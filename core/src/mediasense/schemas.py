"""JSON Schemas of answers: whether they are any, and whether an answer fits."""

from __future__ import annotations

import json

from mediasense.errors import UsageError


def require_schema(text: str | None) -> None:
    """Refuse what is no JSON Schema.

    Raises:
        UsageError: It is not; the message says where.
    """
    if text is None:
        return
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError as error:
        raise UsageError(
            f"the schema is no JSON Schema: {error.message} (at {error.json_path})",
            hint="mend the schema",
        ) from None


def first_misfit(data: object, schema: str) -> str | None:
    """Where and why data does not fit a schema; ``None`` when it fits."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # An empty registry: a reference to another document is not fetched.
    validator = Draft202012Validator(json.loads(schema), registry=Registry())
    try:
        error = next(iter(validator.iter_errors(data)), None)
    except Unresolvable as unresolved:
        return f"its reference {unresolved.ref} leads nowhere"
    return None if error is None else f"{error.message} (at {error.json_path})"
