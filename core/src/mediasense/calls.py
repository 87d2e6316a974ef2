"""The calls of one question: kept answers first, then what stands around every call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mediasense.connection import base_url_of
from mediasense.errors import MediasenseError
from mediasense.estimates import most_tokens
from mediasense.ledger import Ledger
from mediasense.names import OnText
from mediasense.turns import apart
from mediasense.types import Answer, Request

if TYPE_CHECKING:
    from mediasense.memory import Memory
    from mediasense.pacing.pacer import Pacer

Make = Callable[[Request, OnText | None], Answer]
Prepare = Callable[[Request], Request]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Makes calls.

    Attributes:
        prepare: Makes of a request what the house wants, or refuses it.
        make: Makes one for real.
        ledger: What they come to, and must not pass.
        memory: What was answered before; ``None`` where nothing is kept.
        pacer: Keeps to rate limits, and waits for providers that are down; ``None`` for neither.
        gate: Lets so many calls through at once, whoever makes them.
        hopeful: Whether another provider may stand in for one that is down.
    """

    prepare: Prepare
    make: Make
    ledger: Ledger
    memory: Memory | None = None
    pacer: Pacer | None = None
    gate: AbstractContextManager[object] = field(default_factory=nullcontext)
    hopeful: bool = False

    def call(self, request: Request, on_text: OnText | None, *, keep: bool) -> Answer:
        """Make one call, or give the answer it had.

        Args:
            request: What to ask.
            on_text: Called with the pieces of the answer.
            keep: Whether the answer is worth keeping by itself.

        Raises:
            BudgetExceeded: It could cost more than is allowed.
            MediasenseError: Of the class that fits the failure.
        """
        memory = self.memory if keep else None
        seen = memory.look_into(request) if memory else None
        if memory is None or seen is None:
            return self._made(request, on_text)
        kept = memory.recall_call(seen)
        if kept is not None:
            if on_text is not None:
                on_text(kept.text)
            return kept
        answer = self._made(request, on_text)
        memory.keep_call(seen, request, answer)
        return answer

    def _made(self, request: Request, on_text: OnText | None) -> Answer:
        # First: what a rule forbids neither waits for its turn nor counts against the budget.
        request = self.prepare(request)
        with apart(), self.ledger.paying(request) as entry, self.gate:
            answer = entry.answered(self._paced(request, entry.listening(on_text)))
        # A plugin that says so would have its tokens left out.
        return replace(answer, cached=False) if answer.cached else answer

    def _paced(self, request: Request, on_text: OnText | None) -> Answer:
        if self.pacer is None:
            return self.make(request, on_text)
        return self.pacer.call(
            lane_of(request),
            most_tokens(request).input_tokens,
            lambda: self.make(request, on_text),
            used=_tokens,
            hopeful=self.hopeful,
        )


def lane_of(request: Request) -> str:
    """What rate limits and outages belong to: a provider at an address."""
    try:
        url = base_url_of(request.provider, request.access)
    except MediasenseError:  # a rule of the house may mend it, or it fails where it is used
        url = ""
    return f"{request.provider.name} {url}".strip()


def _tokens(answer: Answer) -> int | None:
    usage = answer.usage
    if usage is None or usage.input_tokens is None:
        return None
    return usage.input_tokens + (usage.output_tokens or 0)
