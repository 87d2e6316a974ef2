"""Answers that were given: about the whole or about parts, and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mediasense.filling import Filled
from mediasense.parts import Part
from mediasense.steps import clock
from mediasense.types import Answer, TextLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer.

    Attributes:
        answer: What was answered.
        filled: The same in the form that is wanted, where this is the whole answer.
    """

    answer: Answer
    filled: Filled | None = None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """It, after those that did not fit."""
        return (*(self.filled.others if self.filled else ()), self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Given):
    """A part and the answer about it."""

    part: Part


def heading(part: Part, number: int) -> str:
    """What stands above the answer about a part."""
    if part.start is None or part.end is None:
        return f"Part {number}"
    return f"{clock(part.start)} to {clock(part.end)}"


def put_together(headings: Sequence[str], asked: Sequence[Asked]) -> Answer:
    """The answers about parts one after the other, where nobody could make one of them."""
    texts = [
        f"{heading}\n\n{one.answer.text}" for heading, one in zip(headings, asked, strict=True)
    ]
    last = asked[-1].answer
    lines: list[TextLine] = []
    before = 0
    for one in asked:
        lines += [replace(line, image=before + (line.image or 1)) for line in one.answer.lines]
        before += len(one.part.media)
    return replace(last, text="\n\n".join(texts), lines=tuple(lines), usage=None, warnings=())
