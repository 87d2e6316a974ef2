"""What is checked, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "failed"]
"""``note``: it is as it may be, and worth knowing; ``warning``: something may go wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one thing.

    Attributes:
        group: What it belongs to, such as ``keys``.
        name: What it is.
        status: How it is.
        detail: In a few words.
        hint: What to type or do, or ``""``.
    """

    group: str
    name: str
    status: Status
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at.

    Attributes:
        group, name: As in :class:`Finding`, for a check that cannot even be made.
        run: Makes it.
    """

    group: str
    name: str
    run: Callable[[], Iterable[Finding]]
