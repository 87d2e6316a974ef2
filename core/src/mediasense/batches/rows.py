"""One row of a manifest as an item: everything in it is checked here."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NoReturn

from mediasense.batches.ids import item_id
from mediasense.batches.items import Item
from mediasense.batches.tally import Tally
from mediasense.errors import UsageError
from mediasense.media.source import Source
from mediasense.names import MODALITIES, MediaModality
from mediasense.schemas.reading import dumped, is_file_name
from mediasense.schemas.shorthand import parse_shorthand
from mediasense.schemas.strict_json import deeper_than

FIELDS = frozenset(
    ("source", "id", "prompt", "task", "schema", "modality", "start", "end", "language")
)
"""What a row may say; of these only ``source`` must be there."""

_LONGEST_ID = 200
_DEEPEST_SCHEMA = 64
_ONE_SOURCE = (str, bytes, bytearray, memoryview)
_NO_SOURCE = "source is neither a text nor a list of texts"


class BadRow(Exception):
    """Why a row is none; caught where rows are read."""


def row_item(row: Mapping[str, object], number: int, tally: Tally, *, what: str = "row") -> Item:
    """Make the item of a row.

    Fields that are ``None`` or ``""`` count as left out.

    Args:
        row: Its fields.
        number: Which one it is, from 1.
        tally: Where fields are noted that mean nothing.
        what: What the list calls its entries.

    Returns:
        The item; one with a problem when the row cannot be used.
    """
    if not row.keys() <= FIELDS:
        tally.note_unused(row.keys() - FIELDS)
    try:
        return _item(row, number)
    except BadRow as error:
        return problem_item(number, str(error), what=what)


def problem_item(number: int, cause: str, *, what: str = "row") -> Item:
    """The item of a row that cannot be used: it fails, and says which row and why."""
    problem = f"{what} {number}: {cause}"
    return Item(id=f"{what}-{number}", sources=(), row=number, problem=problem)


def parse_json(text: str) -> object:
    """Read JSON from outside.

    Raises:
        BadRow: It is none, or is nested too deeply.
    """
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        raise BadRow(f"no JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:  # a constant of JavaScript, or thousands of digits
        raise BadRow(f"no JSON: {str(error).partition(';')[0]}") from None
    except RecursionError:
        raise BadRow("its JSON is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def _item(row: Mapping[str, object], number: int) -> Item:
    sources = _sources(_field(row, "source"))
    schema = _schema(_field(row, "schema"))
    start, end = _seconds(row, "start"), _seconds(row, "end")
    if end is not None and end <= (start or 0.0):
        raise BadRow("start is not before end")
    prompt, language = _text(row, "prompt"), _text(row, "language")
    task = _text(row, "task")
    modality = _modality(row)
    own = _own_id(_field(row, "id"))
    facts = {
        "prompt": prompt,
        "task": task,
        "schema": json.loads(schema) if schema and not own else None,
        "modality": modality,
        "start": start,
        "end": end,
        "language": language,
    }
    said = {name: value for name, value in facts.items() if value is not None}
    return Item(
        id=own or item_id(sources, said),
        sources=sources,
        prompt=prompt,
        task=task,
        modality=modality,
        json_schema=schema,
        start=start,
        end=end,
        language=language,
        row=number,
        named=own is not None,
    )


def _field(row: Mapping[str, object], name: str) -> object:
    value = row.get(name)
    return None if isinstance(value, str) and not value else value


def _sources(value: object) -> tuple[Source, ...]:
    if value is None:
        raise BadRow("no source")
    sources = sources_of(value)
    if not sources:
        raise BadRow("no source")
    return sources


def sources_of(value: object) -> tuple[Source, ...]:
    """Check one source, or several in a sequence.

    Raises:
        BadRow: It is none, or one of them is none.
    """
    if isinstance(value, Sequence) and not isinstance(value, _ONE_SOURCE):
        return tuple(map(source_of, value))
    return (source_of(value),)


def source_of(value: object) -> Source:
    """Check one source.

    Raises:
        BadRow: It is none.
    """
    if isinstance(value, str):
        if value == "-":
            raise BadRow("standard input is no source in a list")
        if not value:
            raise BadRow("no source")
        return value
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        return os.fsdecode(path) if isinstance(path, bytes) else value
    raise BadRow(_NO_SOURCE)


def _text(row: Mapping[str, object], field: str) -> str | None:
    value = _field(row, field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRow(f"{field} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{field} holds half a character") from None
    return value


def _modality(row: Mapping[str, object]) -> MediaModality | None:
    value = _field(row, "modality")
    if value is None:
        return None
    for modality in MODALITIES:
        if modality == value:
            return modality
    raise BadRow(f"modality is none of {', '.join(MODALITIES)}")


def _seconds(row: Mapping[str, object], field: str) -> float | None:
    value = _field(row, field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadRow(f"{field} is no number of seconds")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise BadRow(f"{field} is no number of seconds")
    return seconds + 0.0  # -0.0 is the same second as 0.0


def _own_id(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow("id is neither a text nor a whole number")
    try:
        text = str(value)
    except ValueError:  # thousands of digits
        text = "0" * (_LONGEST_ID + 1)
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise BadRow(f"id is longer than {_LONGEST_ID} characters, or cannot be printed")
    return text


def _schema(value: object) -> str | None:
    if value is None:
        return None
    schema = _parsed_schema(value) if isinstance(value, str) else value
    if not isinstance(schema, Mapping):
        raise BadRow("schema is no JSON object")
    try:
        text = dumped(dict(schema))
    except (TypeError, ValueError, RecursionError):
        raise BadRow("schema is no JSON object") from None
    if deeper_than(dict(schema), _DEEPEST_SCHEMA):
        raise BadRow("schema is nested too deeply")
    return text


def _parsed_schema(text: str) -> object:
    if text.lstrip()[:1] not in ("{", "["):
        return _short_schema(text)
    try:
        return parse_json(text)
    except BadRow as error:
        raise BadRow(f"schema is {error}") from None


def _short_schema(text: str) -> object:
    """The schema of a short form; what lies in a file is not read because a list says so."""
    if is_file_name(text):
        raise BadRow("schema is the name of a file: a row holds the schema itself")
    try:
        return parse_shorthand(text)
    except UsageError as error:
        raise BadRow(error.message) from None
