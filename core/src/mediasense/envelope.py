"""An answer as plain data and as JSON: the stable envelope of ``docs/envelope.md``, there and back.

What ``--json`` prints, what a batch writes and what the cache keeps are the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from mediasense.steps import FrameUsed, LeftOut, Step
from mediasense.types import Analysis, Box, Media, Segment, TextLine, Timings, Usage, Word

# Raised when a field changes its meaning or goes; new fields do not raise it.
VERSION = 1

Record = TypeVar("Record")


def to_plain(analysis: Analysis) -> dict[str, Any]:
    """The envelope of an answer, as what ``json.dumps`` takes."""
    return {
        "version": VERSION,
        "text": analysis.text,
        "data": _plain_data(analysis.data),
        "provider": analysis.provider,
        "model": analysis.model,
        "strategy": analysis.strategy,
        "finish_reason": analysis.finish_reason,
        "usage": _plain(analysis.usage) if analysis.usage else None,
        "cost": analysis.cost,
        "cached": analysis.cached,
        "media": [media_facts(item) for item in analysis.media],
        "segments": [
            {**_plain(segment), "words": [_plain(word) for word in segment.words]}
            for segment in analysis.segments
        ],
        "lines": [{**_plain(line), "box": _plain(line.box)} for line in analysis.lines],
        "language": analysis.language,
        "warnings": list(analysis.warnings),
        "steps": [_plain(step) for step in analysis.steps],
        "frames": [_plain(frame) for frame in analysis.frames],
        "left_out": [_plain(left) for left in analysis.left_out],
        "timings": {name: round(s, 6) for name, s in _plain(analysis.timings).items()},
    }


def to_json(analysis: Analysis) -> str:
    """The envelope of an answer, as JSON text of several lines."""
    return dumps(to_plain(analysis))


def from_plain(envelope: Mapping[str, Any]) -> Analysis:
    """The answer that an envelope holds; the media in it are facts without their bytes.

    Args:
        envelope: What :func:`to_plain` made, perhaps in another version of this program.

    Raises:
        ValueError: It is no envelope, or one of another version.
    """
    try:
        if envelope["version"] != VERSION:
            raise ValueError(f"an envelope of version {envelope['version']}")
        media = [_media(facts) for facts in envelope["media"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no envelope of an answer: {error}") from None
    return record_of(Analysis, {**envelope, "media": media})


def record_of(kind: type[Record], found: object) -> Record:
    """A record read from plain data; fields that are missing have their defaults.

    Args:
        kind: The dataclass it is one of.
        found: What JSON makes of such a record.

    Raises:
        ValueError: It is none: a field has a value of another type, or a needed one is missing.
    """
    reader: Callable[[object], Record] = _reader(cast("Hashable", kind))
    return reader(found)


def dumps(value: object) -> str:
    """JSON for people and programs: readable where it can be, and valid with any answer in it."""
    return _dumps(value, indent=2)


def dumps_line(value: object) -> str:
    """The same in one line."""
    return _dumps(value, indent=None)


def _dumps(value: object, *, indent: int | None) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return _dumps(_without_strange_numbers(value), indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which some models do write
        return json.dumps(value, indent=indent)
    return text


def media_facts(media: Media) -> dict[str, object]:
    """What is told of a file that was looked at."""
    return {
        "source": media.name or media.uri,
        "modality": media.modality,
        "mime_type": media.mime_type or None,
        "size": media.size,
        "width": media.width,
        "height": media.height,
        "seconds": media.seconds,
        "has_sound": media.has_sound,
    }


def _media(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`Media` that :func:`media_facts` told."""
    return {
        "modality": facts["modality"],
        "mime_type": facts["mime_type"] or "",
        "size": facts["size"],
        "width": facts["width"],
        "height": facts["height"],
        "seconds": facts["seconds"],
        "has_sound": facts["has_sound"],
        "name": facts["source"] or "",
    }


_NAMES: dict[type[Any], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Box, FrameUsed, LeftOut, Segment, Step, TextLine, Timings, Usage, Word)
}


def _plain_data(data: object) -> object:
    """What was asked for by a schema; an instance of a user's class as what JSON made it of."""
    dump = getattr(data, "model_dump", None)
    return dump(mode="json", by_alias=True) if callable(dump) else data


def _plain(record: Any) -> dict[str, Any]:
    """A record of plain values; ``dataclasses.asdict`` copies them all, and takes ten times."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


# --- reading: what is kept in a file may have been written by anybody -----------------------------


@cache
def _reader(hint: Any) -> Callable[[object], Any]:
    """What reads a value of a type; it raises :class:`ValueError` for one of another type."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _record_reader(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return partial(_read_tuple, _reader(inner[0]))
    if origin in (Union, UnionType) and len(inner) == 2 and inner[1] is NoneType:
        return partial(_read_optional, _reader(inner[0]))
    return partial(_read_plain, _kinds(hint))


def _kinds(hint: Any) -> tuple[type, ...]:
    # Words may be newer ones than are known here, and services write 1.0 for 1.
    if get_origin(hint) is Literal:
        return (str,)
    if hint in (int, float):
        return (int, float)
    return (hint,) if isinstance(hint, type) else ()


def _read_plain(kinds: tuple[type, ...], value: object) -> object:
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds[0] in (int, float)):
        raise ValueError(f"{value!r:.40} is no {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def _read_optional(reader: Callable[[object], Any], value: object) -> Any:
    return None if value is None else reader(value)


def _read_tuple(reader: Callable[[object], Any], value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r:.40} is no list")
    return tuple(map(reader, value))


def _record_reader(kind: type[Any]) -> Callable[[object], Any]:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}

    def read(found: object) -> Any:
        if not isinstance(found, Mapping):
            raise ValueError(f"{found!r:.40} is no {kind.__name__}")
        known = {name: reader(found[name]) for name, reader in readers.items() if name in found}
        try:
            return kind(**known)
        except TypeError as error:
            raise ValueError(f"no {kind.__name__}: {error}") from None

    return read


def _without_strange_numbers(value: object) -> object:
    """The same, with null where a number is none that JSON has."""
    if isinstance(value, dict):
        return {key: _without_strange_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_strange_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
