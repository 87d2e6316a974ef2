"""Patterns of paths, such as ``recordings/**/*.mp4``."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass

_MAGIC = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"

Places = frozenset[int]
"""Up to which parts of a pattern the path so far may have come."""


def is_pattern(text: str) -> bool:
    """Whether a path is a pattern, unless there is a file of that very name."""
    return _MAGIC.search(text) is not None


@dataclass(frozen=True, slots=True)
class Pattern:
    """What paths below a folder must be like.

    Files that begin with a dot are matched only where the pattern has the dot too.

    Attributes:
        parts: One for each folder and for the name; ``**`` is any number of folders.
    """

    parts: tuple[str, ...]

    @property
    def takes_any_name(self) -> bool:
        """Whether it says nothing about the files it wants."""
        return self.parts[-1] == "*"

    @property
    def end(self) -> int:
        """The place of a path that is matched as a whole."""
        return len(self.parts)

    @property
    def start(self) -> Places:
        """The places before the first name."""
        return self._with_any_depth(0)

    def after(self, places: Places, name: str, *, may_stay: bool = True) -> Places:
        """The places behind one more name; none when the path is not matched.

        Args:
            places: Those before it.
            name: Of a folder or a file.
            may_stay: Whether ``**`` may take it.
        """
        found: set[int] = set()
        hidden = name.startswith(".")
        for place in places - {self.end}:
            part = self.parts[place]
            if part == _ANY_DEPTH:
                if may_stay and not hidden:
                    found |= self._with_any_depth(place)
            elif hidden <= part.startswith(".") and fnmatch.fnmatch(name, part):
                found |= self._with_any_depth(place + 1)
        return frozenset(found)

    def _with_any_depth(self, place: int) -> Places:
        last = place
        while last < self.end and self.parts[last] == _ANY_DEPTH:
            last += 1
        return frozenset(range(place, last + 1))


EVERYTHING = Pattern((_ANY_DEPTH, "*"))


def split_pattern(text: str) -> tuple[str, Pattern]:
    """Cut a pattern into the folder where it begins and the rest.

    Args:
        text: The pattern.

    Returns:
        The folder, ``""`` for the current one; and what is sought below it.
    """
    names = text.replace(os.sep, "/").split("/")
    first = next(number for number, name in enumerate(names) if is_pattern(name))
    folder = "/".join(names[:first]) or ("/" if first else "")
    parts = [name for name in names[first:] if name not in ("", ".")]
    if parts[-1] == _ANY_DEPTH:
        parts.append("*")
    return folder, Pattern(tuple(parts))
