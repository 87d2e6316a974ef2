"""Which of the pictures that are worth keeping are kept, when there may only be so many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

FrameReason = Literal["first", "last", "new screen", "change", "coverage", "asked"]

_WORTH: dict[FrameReason, float] = {
    "first": 5, "last": 5, "asked": 1, "new screen": 4, "change": 1, "coverage": 0.3
}  # fmt: skip
_LONG_SECONDS = 10.0
_CROWDED = 0.3

_Kept = TypeVar("_Kept")


@dataclass(slots=True, kw_only=True)
class Candidate(Generic[_Kept]):
    """A picture that was kept.

    Attributes:
        timestamp: Since when it is on screen, in seconds.
        reason: Why it was kept.
        share: Which part of the picture differs from the one kept before, 0 to 1.
        stood: Seconds until the next one, as far as is known.
        returned: Whether it was seen before.
        kept: What was made of it.
    """

    timestamp: float
    reason: FrameReason
    share: float
    kept: _Kept
    stood: float = 0.0
    returned: bool = False


def within_budget(candidates: list[Candidate[_Kept]], most: int) -> list[Candidate[_Kept]]:
    """The candidates most worth keeping: the first, the last, new screens, then large changes.

    One that stands next to a chosen one counts less, so that the choice covers the whole span.

    Args:
        candidates: In order of time.
        most: How many to choose at most; at least 1.

    Returns:
        In order of time. Of one only, the first.
    """
    if len(candidates) <= most:
        return list(candidates)
    if most == 1:
        return candidates[:1]
    times = [candidate.timestamp for candidate in candidates]
    apart = max((times[-1] - times[0]) / most, 1e-9)
    worth = [_worth(candidate) for candidate in candidates]
    chosen = {0, len(candidates) - 1}
    nearest = [min(time - times[0], times[-1] - time) for time in times]
    while len(chosen) < most:
        best = max(
            (at for at in range(len(candidates)) if at not in chosen),
            key=lambda at: (
                worth[at] * (_CROWDED + (1 - _CROWDED) * min(1.0, nearest[at] / apart)),
                -at,
            ),
        )
        chosen.add(best)
        nearest = [
            min(gap, abs(time - times[best])) for gap, time in zip(nearest, times, strict=True)
        ]
    return [candidates[at] for at in sorted(chosen)]


def _worth(candidate: Candidate[_Kept]) -> float:
    lasting = 0.5 + min(candidate.stood, _LONG_SECONDS) / _LONG_SECONDS
    again = 0.3 if candidate.returned else 1.0
    return _WORTH[candidate.reason] * (0.5 + candidate.share) * lasting * again


def evenly(start: float, end: float, every: float, most: int) -> list[float]:
    """Moments at regular distances, the first at ``start``.

    Args:
        start: Where to begin, in seconds.
        end: Where to stop.
        every: Seconds between two; larger where there would be more than ``most``.
        most: At least 1.
    """
    count = int(min(1e9, max(0.0, end - start) / every)) + 1
    if count <= most:
        return [start + n * every for n in range(count)]
    if most == 1:
        return [start]
    return [start + n * (end - start) / (most - 1) for n in range(most)]
