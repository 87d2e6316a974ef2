"""What a check is, and the ways in which one can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mediasense.testing.subject import Subject

Needs = Literal["nothing", "wire", "device", "either"]
Prove = Callable[["Subject"], None]

_MARK = "_mediasense_check"


class Unproved(Exception):
    """It could be neither proved nor refuted, and why."""


class NotDeclared(Exception):
    """The provider does not claim it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that holds for every good plugin.

    Attributes:
        name: Of its function.
        topic: The row of the table it belongs to.
        needs: What must be there: ``nothing`` but the plugin, the ``wire`` of a service that is
            reached over HTTP, a ``device``, or ``either`` of the two.
        prove: Raises AssertionError with a sentence that says what to mend, :class:`Unproved` or
            :class:`NotDeclared`.
        words: What holds, in a sentence.
    """

    name: str
    topic: str
    needs: Needs
    prove: Prove
    words: str


def check(topic: str, *, needs: Needs = "wire") -> Callable[[Prove], Prove]:
    """Mark a function as a check; its docstring says what holds."""

    def mark(prove: Prove) -> Prove:
        words = (prove.__doc__ or "").strip().partition("\n")[0]
        found = Check(name=prove.__name__, topic=topic, needs=needs, prove=prove, words=words)
        setattr(prove, _MARK, found)
        return prove

    return mark


def checks_of(module: object) -> tuple[Check, ...]:
    """The checks of a module, in the order in which they stand there."""
    own = [
        item for item in vars(module).values() if getattr(item, "__module__", "") == _name(module)
    ]
    return tuple(getattr(item, _MARK) for item in own if hasattr(item, _MARK))


def _name(module: object) -> str:
    return str(getattr(module, "__name__", ""))


def require(holds: object, sentence: str) -> None:
    """Fail with a sentence unless something holds; ``assert`` would be silent under ``-O``."""
    if not holds:
        raise AssertionError(sentence)
