"""An item as text, so that one that failed can be asked about again without its list."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

from mediasense.batches.items import Item
from mediasense.errors import StoreError
from mediasense.media.source import Source, is_data_uri
from mediasense.names import MODALITIES, MediaModality


def encode_item(item: Item) -> str | None:
    """An item as JSON text, in ASCII; ``None`` when media would have to be kept.

    Paths are kept as they are given: relative ones mean the folder the batch is started in.
    """
    sources = []
    for source in item.sources:
        if isinstance(source, bytes) or is_data_uri(source):
            return None
        sources.append(source if isinstance(source, str) else {"path": os.fspath(source)})
    data: dict[str, object] = {"id": item.id, "sources": sources}
    for field in fields(Item):
        value = getattr(item, field.name)
        if field.name not in data and value != field.default:
            data[field.name] = value
    return json.dumps(data)


def decode_item(text: str) -> Item:
    """The item that :func:`encode_item` kept.

    Raises:
        StoreError: The text is none of an item.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise _unreadable()
    return Item(
        id=data["id"],
        sources=_sources(data.get("sources")),
        prompt=_text(data, "prompt"),
        task=_text(data, "task"),
        modality=_modality(data),
        json_schema=_text(data, "json_schema"),
        start=_number(data, "start"),
        end=_number(data, "end"),
        language=_text(data, "language"),
        row=_row(data),
        problem=_text(data, "problem") or "",
    )


def _sources(found: object) -> tuple[Source, ...]:
    if not isinstance(found, list):
        raise _unreadable()
    return tuple(map(_source, found))


def _source(found: object) -> Source:
    if isinstance(found, dict) and isinstance(found.get("path"), str):
        return Path(found["path"])
    if isinstance(found, str):
        return found
    raise _unreadable()


def _text(data: dict[str, object], name: str) -> str | None:
    value = data.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _unreadable()


def _modality(data: dict[str, object]) -> MediaModality | None:
    value = _text(data, "modality")
    if value is None or value in MODALITIES:
        return value
    raise _unreadable()


def _number(data: dict[str, object], name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _unreadable()


def _row(data: dict[str, object]) -> int | None:
    value = _number(data, "row")
    if value is None or isinstance(value, int):
        return value
    raise _unreadable()


def _unreadable() -> StoreError:
    return StoreError(
        "the journal holds an item that cannot be read", hint="give the list of the batch again"
    )
