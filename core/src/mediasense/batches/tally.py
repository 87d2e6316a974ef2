"""What was passed over while items were found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_MOST_NAMES = 20
_LONGEST_NAME = 40


@dataclass(slots=True)
class Tally:
    """What was passed over; it grows while the items are taken, and is whole when they end.

    Attributes:
        left_out: How many files of folders are no image, video or sound, or no plain file.
        unused: Names in manifests that mean nothing here, each once, fit to be printed.
    """

    left_out: int = 0
    unused: list[str] = field(default_factory=list)

    def note_unused(self, names: Iterable[object]) -> None:
        """Remember names that mean nothing; the first few, since they come from outside."""
        for name in sorted(map(_printable, names)):
            if name and name not in self.unused and len(self.unused) < _MOST_NAMES:
                self.unused.append(name)


def _printable(name: object) -> str:
    text = str(name).strip()
    text = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
