"""What goes into the journal of a batch, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mediasense.ledger import Spent

Claim = Literal["new", "again", "done", "failed", "repeated", "skipped"]
"""What is to be done about an item.

``new`` and ``again`` are to be asked about, the others are not:

* ``new``: it was never asked about.
* ``again``: it was under way when an earlier run ended, or it failed and failed items are retried.
* ``done``, ``failed``: it was finished in an earlier run.
* ``repeated``: it came before in this run.
* ``skipped``: it was never asked about, and only what failed or was interrupted is retried.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What earlier runs left.

    Attributes:
        done: Items that are answered.
        failed: Items that failed.
        interrupted: Items that were under way when a run ended, and have not been claimed since;
            one that was being retried is counted in ``failed`` too.
        spent: What all runs came to.
    """

    done: int
    failed: int
    interrupted: int
    spent: Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An item that came to its end.

    Attributes:
        id: Which one.
        line: Its line of the results file, without the newline.
        failed: Whether it has no answer.
        passing: Of a failure: whether the same question may be answered later.
        again: Of a failure: the item as JSON text; ``None`` when it cannot be kept.
        spent: What its calls came to.
    """

    id: str
    line: str
    failed: bool = False
    passing: bool = False
    again: str | None = None
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """An item that failed: ``id``, ``line``, ``again`` and ``passing`` as in :class:`Finished`."""

    id: str
    line: str
    again: str | None
    passing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLine:
    """An answered line, and at which byte of the results file it starts."""

    start: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a batch is.

    Attributes:
        answered: Items that are answered.
        failed: Items that failed, also while they are retried.
        under_way: Items that were claimed in this run and are not finished.
        interrupted: As in :class:`Earlier`.
    """

    answered: int
    failed: int
    under_way: int
    interrupted: int


def line_bytes(line: str) -> bytes:
    """A line as the results file holds it.

    A half of a surrogate pair, which UTF-8 cannot hold, becomes the escape that JSON has for it.
    """
    return line.encode("utf-8", "backslashreplace") + b"\n"
