"""A line of the results file, and the result that Python users get of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mediasense.batches.items import Failure, Outcome
from mediasense.envelope import dumps_line, from_plain
from mediasense.media.source import Source, is_link, source_name
from mediasense.types import Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one item.

    Attributes:
        id: The same for the same item in every run.
        source: What it was about, as it was given; several in a tuple, bytes as ``the data``.
        analysis: The answer; ``None`` when it failed.
        failure: Why there is none.
        seconds: How long it took.
        row: Which row of a manifest.
        earlier: Whether an earlier run came to it.
    """

    id: str
    source: str | tuple[str, ...]
    analysis: Analysis | None
    failure: Failure | None
    seconds: float
    row: int | None = None
    earlier: bool = False


def line_of(outcome: Outcome) -> str:
    """What became of an item, as one line of JSON."""
    item, failure = outcome.item, outcome.failure
    names = [_shown(source) for source in item.sources]
    line: dict[str, Any] = {
        "id": item.id,
        "source": names[0] if len(names) == 1 else names,
        "row": item.row,
        "status": "failed" if outcome.answer is None else "answered",
        "answer": outcome.answer,
        "error": asdict(failure) if failure is not None else None,
        "seconds": round(outcome.seconds, 6),
    }
    if item.row is None:
        del line["row"]
    return dumps_line(line)


def result_of(outcome: Outcome) -> Result:
    """What became of an item, for Python."""
    names = tuple(_shown(source) for source in outcome.item.sources)
    return Result(
        id=outcome.item.id,
        source=names[0] if len(names) == 1 else names,
        analysis=None if outcome.answer is None else from_plain(outcome.answer),
        failure=outcome.failure,
        seconds=outcome.seconds,
        row=outcome.item.row,
    )


def result_of_line(text: str) -> Result:
    """The result that a line tells of.

    Raises:
        ValueError: It is none.
    """
    line = json.loads(text)
    try:
        return _result(line)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no line of results: {error}") from None


def _result(line: Mapping[str, Any]) -> Result:
    source, answer, error = line["source"], line["answer"], line["error"]
    return Result(
        id=line["id"],
        source=source if isinstance(source, str) else tuple(source),
        analysis=None if answer is None else from_plain(answer),
        failure=None if error is None else Failure(**error),
        seconds=line["seconds"],
        row=line.get("row"),
        earlier=True,
    )


def _shown(source: Source) -> str:
    """A source as it was given, fit for JSON."""
    link = isinstance(source, str) and is_link(source)
    return str(source) if link else source_name(source)
