"""An answer as plain data and as JSON: the stable envelope of ``docs/envelope.md``, there and back.

What ``--json`` prints, what a batch writes and what the cache keeps are the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from mediasense.steps import FrameUsed, LeftOut, Step
from mediasense.types import Analysis, Box, Media, Segment, TextLine, Timings, Usage

# Raised when a field changes its meaning or goes; new fields do not raise it.
VERSION = 1

Record = TypeVar("Record")


def to_plain(analysis: Analysis) -> dict[str, Any]:
    """The envelope of an answer, as what ``json.dumps`` takes."""
    return {
        "version": VERSION,
        "text": analysis.text,
        "data": analysis.data,
        "provider": analysis.provider,
        "model": analysis.model,
        "strategy": analysis.strategy,
        "finish_reason": analysis.finish_reason,
        "usage": _plain(analysis.usage) if analysis.usage else None,
        "cost": analysis.cost,
        "cached": analysis.cached,
        "media": [media_facts(item) for item in analysis.media],
        "segments": [_plain(segment) for segment in analysis.segments],
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
        usage = envelope["usage"]
        return Analysis(
            text=envelope["text"],
            provider=envelope["provider"],
            model=envelope["model"],
            strategy=envelope["strategy"],
            timings=_record(Timings, envelope["timings"]),
            media=tuple(_media(facts) for facts in envelope["media"]),
            usage=_record(Usage, usage) if usage else None,
            data=envelope["data"],
            finish_reason=envelope["finish_reason"],
            segments=tuple(_record(Segment, item) for item in envelope["segments"]),
            lines=tuple(
                _record(TextLine, {**item, "box": _record(Box, item["box"])})
                for item in envelope["lines"]
            ),
            language=envelope["language"],
            warnings=tuple(envelope["warnings"]),
            steps=tuple(_with_channels(Step, item) for item in envelope["steps"]),
            frames=tuple(_record(FrameUsed, item) for item in envelope["frames"]),
            left_out=tuple(_with_channels(LeftOut, item) for item in envelope["left_out"]),
            cost=envelope["cost"],
            cached=envelope["cached"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no envelope of an answer: {error}") from None


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


def _media(facts: Mapping[str, Any]) -> Media:
    return Media(
        modality=facts["modality"],
        mime_type=facts["mime_type"] or "",
        size=facts["size"],
        width=facts["width"],
        height=facts["height"],
        seconds=facts["seconds"],
        has_sound=facts["has_sound"],
        name=facts["source"] or "",
    )


_NAMES: dict[type[Any], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Box, FrameUsed, LeftOut, Segment, Step, TextLine, Timings, Usage)
}


def _plain(record: Any) -> dict[str, Any]:
    """A record of plain values; ``dataclasses.asdict`` copies them all, and takes ten times."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def _record(kind: type[Record], found: Mapping[str, Any]) -> Record:
    """A record of a kind; fields that are new since then have their defaults."""
    return kind(**{name: found[name] for name in _NAMES[kind] if name in found})


def _with_channels(kind: type[Record], found: Mapping[str, Any]) -> Record:
    return _record(kind, {**found, "channels": tuple(found["channels"])})


def _without_strange_numbers(value: object) -> object:
    """The same, with null where a number is none that JSON has."""
    if isinstance(value, dict):
        return {key: _without_strange_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_strange_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
