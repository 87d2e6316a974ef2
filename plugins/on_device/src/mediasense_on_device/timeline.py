"""From the screens of a recording to its lines of text, each with when it was seen.

Of each screen only what changed is read; a line that nothing touched stays as it was read. A line
that is read again where it was, or that was scrolled to another place, is one line.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from statistics import median
from typing import TYPE_CHECKING

from mediasense import Box, TextLine
from mediasense_on_device.boxes import (
    area,
    around,
    distance,
    gap_across,
    grouped,
    grown,
    height,
    in_line,
    moved,
    overlap,
    same_place,
    same_row,
    shared,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mediasense_on_device.engine import Reading
    from mediasense_on_device.screens import Screen

    Picture = NDArray[np.uint8]

_MARGIN = 16
"""Pixels around what changed: the detector must see where a line ends."""

_POINTER = 40
"""Pixels: no pointer is higher, with its margin."""

_BLINK = 1.5
"""Seconds for which a line may be hidden, by the pointer say, and still be the same line."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """A line in view: as it was when it came, and where it is now."""

    line: TextLine
    place: Box


class Timeline:
    """Reads one screen after the other and keeps what was read.

    Args:
        read: Reads an RGB picture.

    Attributes:
        unread: Where something looked like text and could not be read.
    """

    def __init__(self, read: Callable[[Picture], Reading]) -> None:
        self._read = read
        self._canvas: Picture
        self._in_view: list[_Sight] = []
        self._gone: list[TextLine] = []
        self.unread: list[Box] = []

    def show(self, screen: Screen) -> None:
        """Read what is new on the next screen."""
        self._paint(screen)
        parts = whole_lines(screen.regions, [sight.place for sight in self._in_view])
        stale = [s for s in self._in_view if any(overlap(s.place, part) for part in parts)]
        self._in_view = [sight for sight in self._in_view if sight not in stale]
        for part in parts:
            fresh = self._recognise(self._lines_in(part, screen.size), stale)
            self._in_view += [_arrived(line, screen) for line in fresh]
        for sight in stale:
            self._end(sight, _middle(screen.changes_in(sight.place), screen.time))

    def stop(self, time: float) -> list[TextLine]:
        """Give all lines of the recording, which ends now, in the order in which they came."""
        for sight in self._in_view:
            self._end(sight, time)
        self._in_view = []
        return without_blinks(self._gone)

    def _recognise(self, lines: list[TextLine], stale: list[_Sight]) -> list[TextLine]:
        """Take lines that were seen before from the stale ones; give those that were not."""
        fresh = []
        for line in lines:
            former = _former(line, stale)
            if former is None:
                fresh.append(line)
            else:
                stale.remove(former)
                self._in_view.append(_Sight(_clearer(former.line, line), line.box))
        return fresh

    def _end(self, sight: _Sight, time: float) -> None:
        start = sight.line.start or 0.0
        self._gone.append(replace(sight.line, start=start, end=max(start, time)))

    def _paint(self, screen: Screen) -> None:
        import numpy as np
        from PIL import Image

        for patch in screen.patches:
            part = np.asarray(Image.open(io.BytesIO(patch.jpeg)))
            box = patch.box
            if box == screen.size:
                self._canvas = part.copy()
            else:
                self._canvas[box.top : box.bottom, box.left : box.right] = part

    def _lines_in(self, part: Box, size: Box) -> list[TextLine]:
        """Read a part of the screen, without the ends of other lines that reach into its margin."""
        view = grown(part, _MARGIN, size)
        reading = self._read(self._canvas[view.top : view.bottom, view.left : view.right])
        for box in (moved(box, view.left, view.top) for box in reading.unread):
            if overlap(box, part) and not any(same_place(box, known) for known in self.unread):
                self.unread.append(box)
        lines = [replace(line, box=moved(line.box, view.left, view.top)) for line in reading.lines]
        return [
            line
            for line in lines
            if overlap(line.box, part)
            and not self._is_known(line.box)
            and not _is_pointer(line, lines)
        ]

    def _is_known(self, box: Box) -> bool:
        return any(shared(box, sight.place) > 0.5 * area(box) for sight in self._in_view)


def _arrived(line: TextLine, screen: Screen) -> _Sight:
    start = max(screen.changes_in(line.box), default=screen.time)
    return _Sight(replace(line, start=start), line.box)


def _is_pointer(line: TextLine, lines: Sequence[TextLine]) -> bool:
    """Whether a line is one small letter by itself: so the mouse pointer is read."""
    high = height(line.box)
    return (
        len(line.text) == 1
        and high <= _POINTER
        and not any(
            other is not line
            and same_row(line.box, other.box)
            and gap_across(line.box, other.box) <= 10 * high
            for other in lines
        )
    )


def _middle(times: list[float], otherwise: float) -> float:
    return median(times) if times else otherwise


def whole_lines(regions: Sequence[Box], lines: Sequence[Box]) -> list[Box]:
    """Regions grown until they cut no line; those that meet are one."""
    parts = list(regions)
    while True:
        larger = [
            around([part, *(line for line in lines if overlap(part, line))]) for part in parts
        ]
        apart = [around(meeting) for meeting in grouped(larger, overlap)]
        if apart == parts:
            return parts
        parts = apart


def without_blinks(lines: Sequence[TextLine]) -> list[TextLine]:
    """Make one of lines that were hidden for a moment, and leave out what was misread meanwhile.

    Args:
        lines: Each with start and end.

    Returns:
        Lines in the order of their starts.
    """
    spans: list[TextLine] = []
    for line in sorted(lines, key=begin):
        former = next((i for i, span in enumerate(spans) if _is_again(span, line)), None)
        if former is None:
            spans.append(line)
        else:
            end = max(finish(spans[former]), finish(line))
            spans[former] = replace(_clearer(spans[former], line), end=end)
    return [span for span in spans if not any(_is_misread(span, other) for other in spans)]


def without_typing(lines: Sequence[TextLine]) -> list[TextLine]:
    """Leave out the lines that grew into longer ones, letter by letter."""
    return [line for line in lines if not any(_grew_into(line, longer) for longer in lines)]


def _former(line: TextLine, sights: Sequence[_Sight]) -> _Sight | None:
    """The nearest of these with the same text, where it was or scrolled from there."""
    same = [
        sight
        for sight in sights
        if in_line(sight.place, line.box) and same_text(sight.line.text, line.text)
    ]
    return min(same, key=lambda sight: distance(sight.place, line.box), default=None)


def _clearer(first: TextLine, second: TextLine) -> TextLine:
    """The first line, with the text that was read with more confidence."""
    if second.confidence <= first.confidence:
        return first
    return replace(first, text=second.text, confidence=second.confidence)


def _is_again(span: TextLine, line: TextLine) -> bool:
    hidden = begin(line) - finish(span)
    return (
        -_BLINK / 3 <= hidden <= _BLINK
        and same_place(span.box, line.box)
        and same_text(span.text, line.text)
    )


def _is_misread(blink: TextLine, span: TextLine) -> bool:
    """Whether a line stood for a moment where a similar one was before and after."""
    return (
        begin(span) < begin(blink)
        and finish(blink) < finish(span)
        and finish(blink) - begin(blink) <= _BLINK
        and shared(blink.box, span.box) > 0.5 * area(blink.box)
        and likeness(blink.text, span.text) >= 0.6
    )


def _grew_into(line: TextLine, longer: TextLine) -> bool:
    # The last letter may have been the caret.
    begun = _plain(line.text)[:-1]
    return (
        abs(begin(longer) - finish(line)) <= _BLINK
        and begin(line) < begin(longer)
        and len(line.text) < len(longer.text)
        and same_row(line.box, longer.box)
        and in_line(line.box, longer.box)
        and _plain(longer.text).startswith(begun)
    )


def same_text(one: str, other: str) -> bool:
    """Whether two readings are the same but for spaces and letters that look alike."""
    return _plain(one) == _plain(other)


def likeness(part: str, whole: str) -> float:
    """How much of one text is found, in the same order, in another: 0 to 1."""
    one, other = _plain(part), _plain(whole)
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(1, len(one))


_LOOKALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "…": "..."})


def _plain(text: str) -> str:
    return "".join(text.casefold().split()).translate(_LOOKALIKES)


def begin(line: TextLine) -> float:
    """When a line came, in seconds."""
    return line.start or 0.0


def finish(line: TextLine) -> float:
    """When a line went, in seconds."""
    return line.end or 0.0
