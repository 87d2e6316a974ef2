"""One question of a batch, and what became of it. Plain records: they cross between machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mediasense.ledger import Spent
from mediasense.media.source import Source
from mediasense.names import MediaModality

STOPPED = "Stopped"
"""The kind of a failure that is none: the item was given back, since the batch was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question about one video, one sound, or one or more images.

    Attributes:
        id: The same for the same item in every run.
        sources: Paths, links or bytes; several are images that are asked about together.
        prompt: The question; ``None`` for that of the batch.
        task: The name of a task; ``None`` for that of the batch.
        modality: What the sources must be; ``None`` takes them for what they are.
        json_schema: The schema of the answer, as JSON text; ``None`` for that of the batch.
        start, end: The part of the recording, in seconds; ``None`` for that of the batch.
        language: The language spoken; ``None`` for that of the batch.
        row: Which row of a manifest, from 1.
        named: Whether the id is the user's own, which nothing keeps from coming twice.
        problem: Why it cannot be asked about at all; it fails with this.
    """

    id: str
    sources: tuple[Source, ...]
    prompt: str | None = None
    task: str | None = None
    modality: MediaModality | None = None
    json_schema: str | None = None
    start: float | None = None
    end: float | None = None
    language: str | None = None
    row: int | None = None
    named: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an item has no answer.

    Attributes:
        kind: The class of the error, such as ``RateLimited``.
        message: In one line, with the next thing to type.
        exit_code: That of the error.
        passing: Whether the same question may be answered later.
        stopping: Whether every other item would fail in the same way.
        trace: Of a mistake in this program or in a plugin: where it happened.
    """

    kind: str
    message: str
    exit_code: int
    passing: bool = False
    stopping: bool = False
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an item.

    Attributes:
        item: Which one.
        answer: The envelope of the answer, as plain data; ``None`` when there is none.
        failure: Why there is none.
        spent: What its calls came to, also those of a failed one.
        seconds: How long it took.
    """

    item: Item
    answer: Mapping[str, object] | None
    failure: Failure | None
    spent: Spent
    seconds: float

    @property
    def given_back(self) -> bool:
        """Whether the item is still to be asked about: what failed was not its own."""
        return self.failure is not None and self.failure.stopping


Keep = Callable[[Sequence[Outcome]], None]
"""Keeps outcomes; called as soon as they are known."""
