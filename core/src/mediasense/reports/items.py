"""The items of a batch as its results tell of them: their names, and those of their pages."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mediasense.batches.records import Result, result_of_line
from mediasense.errors import StoreError
from mediasense.media.inspecting import display_name
from mediasense.media.source import is_link
from mediasense.reports.sources import Sources, names_of

PAGES = "pages"
"""The folder of the items' pages."""

_UNSAFE = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True, kw_only=True)
class Totals:
    """What all items come to.

    Attributes:
        answered: How many have an answer.
        failed: How many have none.
        unreadable: How many lines tell of no item.
        unpriced: Of how many answers nobody knows the cost.
        cost: US dollars of the others.
        seconds: How long all took, one after the other.
    """

    answered: int = 0
    failed: int = 0
    unreadable: int = 0
    unpriced: int = 0
    cost: float = 0.0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Count an item."""
        self.seconds += result.seconds
        if result.analysis is None:
            self.failed += 1
            return
        self.answered += 1
        if result.analysis.cost is None:
            self.unpriced += 1
        else:
            self.cost += result.analysis.cost


def read_lines(results: Path) -> Iterator[str]:
    """The lines of a results file.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with results.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError as error:
        raise StoreError(
            f"the results in {display_name(results)} cannot be read: {error.strerror or error}",
            hint="give the same command again",
        ) from None


def read_result(line: str) -> Result | None:
    """The item that a line tells of; ``None`` where it tells of none."""
    try:
        return result_of_line(line)
    except (ValueError, RecursionError, AttributeError):
        return None


def page_name(result: Result) -> str:
    """The name of an item's page: a few letters of what it is about, and a hash of its id."""
    digest = hashlib.sha256(result.id.encode("utf-8", "replace")).hexdigest()[:12]
    stem = Path(names_in(result)[0].replace("\0", "")).stem if names_in(result) else ""
    letters = _UNSAFE.sub("-", stem.lower())[:40].strip("-")
    return f"{letters}-{digest}.html" if letters else f"{digest}.html"


def names_in(result: Result) -> tuple[str, ...]:
    """What an item is about, as it was given."""
    return (result.source,) if isinstance(result.source, str) else result.source


def without_folders(result: Result, words: str) -> str:
    """Words about an item without the folders that it is in."""
    for name in names_in(result):
        if Path(name).is_absolute():
            words = words.replace(name, Path(name).name)
    return words


def shown_name(result: Result) -> str:
    """What an item is called: as it was given where that says nothing of the machine."""
    names = names_in(result)
    if all(not is_link(name) and not Path(name).is_absolute() for name in names):
        return ", ".join(names) or result.id
    page = Path(os.curdir)
    return names_of(Sources(names, (), page).shown) or result.id
