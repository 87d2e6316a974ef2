"""How loud a recording is over time, for a drawing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mediasense.media.sound.samples import open_sound
from mediasense.media.sound.silence import FRAME_SAMPLES, levels

_MOST_BINS = 20_000
_QUIETEST = -60.0
"""Decibels below full scale that are drawn as nothing."""


def loudness(
    source: Path, *, points: int, on_progress: Callable[[float], None] | None = None
) -> tuple[float, ...]:
    """Say how loud a recording is, at even distances.

    Args:
        source: A local file.
        points: How many values at most; above 0.
        on_progress: Told the share that is done, 0 to 1.

    Returns:
        From 0, which is silence, to 1, full scale: the loudest of each stretch. Empty where there
        is no sound at all.

    Raises:
        UnsupportedMedia: It holds no sound that can be decoded.
        CorruptMedia: Nothing of it can be decoded.
    """
    loudest: dict[int, float] = {}
    per_bin = 1
    with open_sound(source, on_progress=on_progress) as track:
        for span in track.spans():
            first = span.first // FRAME_SAMPLES
            for at, level in enumerate(levels(span.pcm).tolist(), first):
                number = at // per_bin
                loudest[number] = max(loudest.get(number, _QUIETEST), level)
            while len(loudest) > _MOST_BINS:
                loudest, per_bin = _halved(loudest), per_bin * 2
    if not loudest:
        return ()
    count = max(loudest) + 1
    drawn = [0.0] * min(points, count)
    for number, level in loudest.items():
        place = number * len(drawn) // count
        drawn[place] = max(drawn[place], round(min(1.0, 1 - level / _QUIETEST), 3))
    return tuple(drawn)


def _halved(loudest: dict[int, float]) -> dict[int, float]:
    """The same in bins of twice the length."""
    found: dict[int, float] = {}
    for number, level in loudest.items():
        found[number // 2] = max(found.get(number // 2, _QUIETEST), level)
    return found
