"""How what was read is told: text that reads well, and what to know about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from mediasense import Answer, ImageRequest, Media, TextLine, TextRequest, VideoRequest
from mediasense_on_device import layout
from mediasense_on_device.provider import MODEL, SCRIPTS
from mediasense_on_device.timeline import begin, finish, without_typing

if TYPE_CHECKING:
    from mediasense_on_device.engine import Reading

_TOGETHER = 0.5
"""Seconds: lines that come no further apart came together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What came of watching a recording.

    Attributes:
        lines: With the seconds of their start and end.
        unread: How many regions looked like text and could not be read.
        start: When the watching began, in seconds.
        end: When it ended.
        screens: How many different screens there were.
        left_out: How many of these were too many to read.
        damage: What is wrong with the recording, or ``""``.
    """

    lines: Sequence[TextLine]
    unread: int
    start: float
    end: float
    screens: int
    left_out: int
    damage: str


def about_images(request: ImageRequest, readings: Sequence[Reading]) -> Answer:
    """Tell what stands in images; of several, under a heading for each."""
    several = len(request.images) > 1
    lines = [
        replace(line, image=number if several else None, start=image.timestamp, end=image.timestamp)
        for number, (image, reading) in enumerate(zip(request.images, readings, strict=True), 1)
        for line in layout.in_order(reading.lines)
    ]
    texts = [layout.text(reading.lines) for reading in readings]
    if not any(texts):
        text = _nothing(len(texts), "image")
    elif len(texts) == 1:
        text = texts[0]
    else:
        text = "\n\n".join(map(_under_heading, range(1, len(texts) + 1), request.images, texts))
    return _answer(request, text, lines, sum(len(reading.unread) for reading in readings), [])


def about_video(request: VideoRequest, watched: Watched) -> Answer:
    """Tell what stood on screen, and when."""
    text = timetable(watched.lines, watched.start, watched.end)
    warnings = []
    if watched.left_out:
        warnings.append(
            f"{watched.left_out} of {watched.screens} screens, those that stood shortest, were not"
            " read: there are too many. Ask for a shorter part to have more of it read."
        )
    if watched.damage:
        warnings.append(f"{watched.damage[0].upper()}{watched.damage[1:]}.")
    return _answer(
        request,
        text or _nothing(watched.screens, "screen"),
        [line for group in _groups(watched.lines, watched.start, watched.end) for line in group],
        watched.unread,
        warnings,
    )


def timetable(lines: Sequence[TextLine], start: float, end: float) -> str:
    """Lines with their times, as text: what stands there all the time first, then as it comes.

    What is typed is told once, when it is whole.
    """
    lasting, *coming = _groups(without_typing(lines), start, end)
    paragraphs = (_entries(lasting), [entry for group in coming for entry in _entries(group)])
    return "\n\n".join("\n".join(entries) for entries in paragraphs if entries)


def _groups(lines: Sequence[TextLine], start: float, end: float) -> list[list[TextLine]]:
    """The lines that stand there from start to end, then those that came together."""
    lasting: list[TextLine] = []
    groups: list[list[TextLine]] = []
    for line in sorted(lines, key=begin):
        if begin(line) - start <= _TOGETHER and end - finish(line) <= _TOGETHER:
            lasting.append(line)
        elif groups and begin(line) - begin(groups[-1][0]) <= _TOGETHER:
            groups[-1].append(line)
        else:
            groups.append([line])
    return [layout.in_order(group) for group in (lasting, *groups)]


def _entries(group: Sequence[TextLine]) -> list[str]:
    """One for each row; for each part of it, if the parts of a row go at different times."""
    rows = (row for block in layout.blocks(group) for row in block)
    parts = ((label, list(cells)) for row in rows for label, cells in groupby(row, _label))
    return [f"{label}  {layout.joined(cells)}" for label, cells in parts]


def _label(line: TextLine) -> str:
    first, last = clock(begin(line)), clock(finish(line))
    return first if first == last else f"{first}–{last}"


def _under_heading(number: int, image: Media, text: str) -> str:
    heading = f"Image {number}" if image.timestamp is None else clock(image.timestamp)
    return f"{heading}\n\n{text or 'No readable text found.'}"


def _nothing(count: int, what: str) -> str:
    return f"No readable text found in {count} {what}{'' if count == 1 else 's'}."


def clock(seconds: float) -> str:
    """Seconds as people write them: 0:07, 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def _answer(
    request: TextRequest, text: str, lines: Sequence[TextLine], unread: int, warnings: list[str]
) -> Answer:
    if unread:
        regions = "1 region" if unread == 1 else f"{unread} regions"
        warnings = [
            f"{regions} looked like text but could not be read; on_device reads {SCRIPTS} script.",
            *warnings,
        ]
    if request.prompt is not None:
        warnings = ["on_device reads text and does not reason: the prompt was not used.", *warnings]
    return Answer(
        text=text,
        model=MODEL,
        finish_reason="stop",
        lines=tuple(lines),
        warnings=tuple(warnings),
    )
