"""What goes into calls: records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mediasense.steps import FrameUsed, LeftOut, Step
from mediasense.types import Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What goes into one call.

    Attributes:
        media: The images in order, or the one video or sound.
        notes: What each image is, in words; ``""`` for an image that is simply one.
        start, end: Which seconds of the recording it covers; ``None`` for images.
        fresh: Whether it shows something else than the part before it.
    """

    media: tuple[Media, ...] = ()
    notes: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    fresh: bool = True

    def halves(self) -> tuple[Part, Part]:
        """The same images in two parts."""
        half = -(-len(self.media) // 2)
        notes = self.notes if self.start is not None else numbered(self.notes)
        second = self.media[half].timestamp
        middle = self.start if second is None else second
        return (
            replace(self, media=self.media[:half], notes=notes[:half], end=middle),
            replace(self, media=self.media[half:], notes=notes[half:], start=middle),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that is asked about.

    Attributes:
        parts: One for each call.
        steps: What was done to make them.
        frames: The frames that are in them.
        left_out: What is in none.
        warnings: What else to know.
    """

    parts: tuple[Part, ...]
    steps: tuple[Step, ...] = ()
    frames: tuple[FrameUsed, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def numbered(notes: Sequence[str]) -> tuple[str, ...]:
    """Notes that say which image each is, for images that are not all in one call."""
    count = len(notes)
    return tuple(note or f"number {n} of {count}" for n, note in enumerate(notes, 1))
