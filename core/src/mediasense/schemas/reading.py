"""What people give as a schema, as JSON text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mediasense.errors import UsageError
from mediasense.schemas.checking import MOST_LEVELS, require_schema
from mediasense.schemas.shorthand import parse_shorthand
from mediasense.schemas.strict_json import deeper_than, parse_json

MOST_BYTES = 1_000_000
"""Of a file, or of a text, with a schema."""

_PATH = re.compile(r"\.{0,2}[/\\]|~|[A-Za-z]:[/\\]")
_HINT = "give a JSON Schema, or a short one such as 'title, severity int, steps list'"


def read_schema(value: str | Mapping[str, object] | os.PathLike[str]) -> str:
    """The JSON Schema that is meant, checked, as JSON text.

    Args:
        value: A JSON Schema as a mapping or as JSON text; the short form of one, such as
            ``'title, severity int, steps list'``; or the path of a file, which is no text.

    Raises:
        UsageError: It is none of these; the message says where and why.
    """
    if isinstance(value, os.PathLike):
        return _from_file(Path(value))
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if not isinstance(value, str):
        raise UsageError(f"{type(value).__name__} is no schema", hint=_HINT)
    if value.lstrip()[:1] in ("{", "["):
        return _from_json(value, "the schema")
    if is_file_name(value):
        raise UsageError(
            f"{value[:200]!r} is the name of a file, and no schema", hint="give pathlib.Path of it"
        )
    if not value.strip():
        raise UsageError("the schema is empty", hint=_HINT)
    return dumped(parse_shorthand(value))


def read_schema_file(value: str) -> str:
    """The same for what is written on a command line, where the name of a file is taken too.

    Args:
        value: As for :func:`read_schema`. A file is what ends in ``.json``, or begins with ``./``,
            ``/`` or ``~``, whether it exists or not.

    Raises:
        UsageError: It is none; the message says where and why.
    """
    if value.lstrip()[:1] not in ("{", "[") and is_file_name(value):
        return _from_file(Path(value).expanduser())
    return read_schema(value)


def is_file_name(text: str) -> bool:
    """Whether a text is meant as the name of a file; fields are parted by a comma or a line."""
    if "\n" in text:
        return False
    if _PATH.match(text):
        return True
    return text.lower().endswith(".json") and not re.search(r"[,:]\s|[{}|?]", text)


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        cause = (error.strerror if isinstance(error, OSError) else None) or "no file has that name"
        raise UsageError(
            f"the schema {path} cannot be read: {cause}", hint="check the path, or " + _HINT
        ) from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"the schema {path} is larger than a megabyte", hint=_HINT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"the schema {path} is no text in UTF-8", hint=_HINT) from None
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(text, f"the schema {path}")
    # A short form that is kept in a file reads as it would on the command line.
    try:
        return dumped(parse_shorthand(text))
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=_HINT) from None


def _from_json(text: str, name: str) -> str:
    if len(text) > MOST_BYTES:
        raise UsageError(f"{name} is larger than a megabyte", hint=_HINT)
    try:
        found = parse_json(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name} is no JSON: {error.msg} at line {error.lineno}, {error.colno}", hint=_HINT
        ) from None
    except ValueError as error:
        raise UsageError(f"{name} is no JSON: {error}", hint=_HINT) from None
    if not isinstance(found, dict):
        raise UsageError(f"{name} is no JSON object", hint=_HINT)
    return _from_mapping(found)


def _from_mapping(value: Mapping[str, object]) -> str:
    try:
        text = dumped(dict(value))
    except (TypeError, ValueError, RecursionError):
        raise UsageError("the schema is no JSON object", hint=_HINT) from None
    if deeper_than(json.loads(text), MOST_LEVELS):
        raise UsageError(f"the schema is nested deeper than {MOST_LEVELS} levels", hint=_HINT)
    require_schema(text)
    return text


def dumped(schema: Mapping[str, object]) -> str:
    """A schema as JSON text, with its letters as they are."""
    text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character
        return json.dumps(schema)
    return text
