"""How a picture is cut for finding lines: the detector sees at most 2000 pixels to a side.

Lines are found in a smaller picture where that is enough, and always read from the full one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from mediasense import Box

LONGEST = 2000
"""Pixels of a tile's longer side: with 2000 a screenshot at twice the density costs half as much as
whole, and its text is found as well."""

_SHORTEST = 1125
"""A picture longer than 16:9 is not shrunk for its length, it is cut: a page shot from top to
bottom would shrink to nothing."""

_OVERLAP = 128
"""Lines on a cut are whole in one of its two tiles, if they are no higher than this."""

_SMALL = 13
_COMFORTABLE = 18
"""Heights of found lines, with their margin: below the first, other lines were not found at all."""


def first_scale(width: int, height: int) -> float:
    """How far to shrink a picture of unknown content; 1 for not at all."""
    return min(1.0, max(LONGEST / max(width, height), _SHORTEST / min(width, height)))


def better_scale(scale: float, heights: Sequence[float]) -> float:
    """The scale that suits lines of these heights (in pixels of the full picture).

    A 4K screen that is not magnified has text that is too small at the first scale.
    """
    if not heights or median(heights) * scale >= _SMALL:
        return scale
    return min(1.0, _COMFORTABLE / median(heights))


def tiles(width: int, height: int) -> list[Box]:
    """Cut a picture into overlapping tiles that the detector takes."""
    return [
        Box(left=left, top=top, right=right, bottom=bottom)
        for top, bottom in _spans(height)
        for left, right in _spans(width)
    ]


def _spans(length: int) -> Iterator[tuple[int, int]]:
    count = 1 if length <= LONGEST else -(-(length - _OVERLAP) // (LONGEST - _OVERLAP))
    step = (length - _OVERLAP) / count
    for index in range(count):
        yield round(index * step), min(length, round((index + 1) * step) + _OVERLAP)
