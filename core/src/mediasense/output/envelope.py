"""The JSON that ``--json`` prints: a stable envelope, documented in ``docs/envelope.md``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from mediasense.types import Analysis, Media

# Raised when a field changes its meaning or goes; new fields do not raise it.
VERSION = 1


def to_json(analysis: Analysis) -> str:
    """The envelope of an answer, as JSON text of several lines."""
    return dumps(
        {
            "version": VERSION,
            "text": analysis.text,
            "data": analysis.data,
            "provider": analysis.provider,
            "model": analysis.model,
            "strategy": analysis.strategy,
            "finish_reason": analysis.finish_reason,
            "usage": asdict(analysis.usage) if analysis.usage else None,
            "media": [media_facts(item) for item in analysis.media],
            "segments": [asdict(segment) for segment in analysis.segments],
            "lines": [asdict(line) for line in analysis.lines],
            "language": analysis.language,
            "warnings": list(analysis.warnings),
            "steps": [asdict(step) for step in analysis.steps],
            "frames": [asdict(frame) for frame in analysis.frames],
            "left_out": [asdict(left) for left in analysis.left_out],
            "timings": {name: round(s, 6) for name, s in asdict(analysis.timings).items()},
        }
    )


def dumps(value: object) -> str:
    """JSON for people and programs: readable where it can be, and valid with any answer in it."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    except ValueError:
        return dumps(_without_strange_numbers(value))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which some models do write
        return json.dumps(value, indent=2)
    return text


def _without_strange_numbers(value: object) -> object:
    """The same, with null where a number is none that JSON has."""
    if isinstance(value, dict):
        return {key: _without_strange_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_strange_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
