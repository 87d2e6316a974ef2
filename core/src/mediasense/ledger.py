"""What calls come to, each held to the limit of cost before it is made."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediasense.budget import Budget, Purse
from mediasense.errors import BudgetExceeded, ProviderError, Timeout
from mediasense.estimates import most_tokens
from mediasense.names import OnText
from mediasense.providers import Provider
from mediasense.types import Answer, AudioRequest, Request, Usage, VideoRequest

if TYPE_CHECKING:
    from mediasense.planning.prices import Prices

_MOST_COST = 10_000.0
"""US dollars: a call that is said to have cost more is not believed."""
_MOST_TOKENS = 1_000_000_000
"""Of one call: a count above is not believed."""
_PATIENCE = 0.2
"""Seconds of waiting in one piece, so that Ctrl-C is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What calls came to.

    Attributes:
        calls: How many were answered by a provider, or billed although the answer is of no use or
            not whole.
        cost: US dollars of those whose cost is known.
        unpriced: Calls whose cost is not known.
        input_tokens, output_tokens: Of those that reported them.
    """

    calls: int = 0
    cost: float = 0.0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            calls=self.calls + other.calls,
            cost=self.cost + other.cost,
            unpriced=self.unpriced + other.unpriced,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class Ledger:
    """Counts what calls come to, and lets none be made that could pass the limit.

    Safe for many threads. A call must not be made inside another: both would wait for each other.

    Args:
        prices: What calls cost.
        budget: What they may come to; several ledgers may share one. ``None`` sets no limit.
    """

    def __init__(self, prices: Prices, budget: Purse | None = None) -> None:
        self._prices = prices
        self._budget = budget or Budget()
        self._lock = threading.Lock()
        self._spent: dict[str, Spent] = {}
        self._owed = 0.0

    @property
    def owed(self) -> float:
        """US dollars that the calls counted here came to, or may have come to under a limit."""
        with self._lock:
            return self._owed

    @property
    def spent(self) -> Spent:
        """What the calls counted here came to, without what others spent of the same budget."""
        return sum(self.spent_by().values(), Spent())

    def spent_by(self) -> Mapping[str, Spent]:
        """What they came to, by the name of the provider."""
        with self._lock:
            return dict(self._spent)

    @contextmanager
    def paying(self, request: Request) -> Iterator[Entry]:
        """Hold the money for one call while it is made.

        Where others have put aside what it could cost, it waits for them to settle. A call that
        fails costs nothing, but for two: one whose error says what was billed counts like one that
        was answered; and one that was not answered in time uses up what it could have cost, for the
        service may have worked on it. What that came to nobody says, so it is not in :attr:`spent`.

        A call that ends after the first piece of its answer counts too, whether it fails or is
        stopped: the service has worked on it. What it cost is known as far as the service had told
        by then; see :func:`note_usage`.

        Args:
            request: What is asked, prepared.

        Yields:
            Where to hand the answer in.

        Raises:
            BudgetExceeded: It could pass the limit, or nobody knows whether it could.
        """
        entry = Entry(self, request, self._reserved(request))
        token = _mine.set(entry)
        try:
            yield entry
        except ProviderError as error:
            entry.failed(error)
            raise
        except BaseException:  # it was stopped: by Ctrl-C, or by whoever takes the pieces
            entry.stopped()
            raise
        finally:
            _mine.reset(token)
            self._budget.settle(entry.reserved, entry.owed)
            with self._lock:
                self._owed += entry.owed

    def _reserved(self, request: Request) -> float:
        if self._budget.limit is None:
            return 0.0
        most = self._most(request)
        if most is None:
            raise BudgetExceeded(
                f"what {_named(request)} costs is not known, so --max-cost cannot be kept",
                hint="leave out --max-cost, or name a --model whose price is known",
            )
        while (room := self._budget.reserve(most, _PATIENCE)) == "wait":
            pass
        if room == "none":
            raise BudgetExceeded(
                f"the next call to {_named(request)} could cost up to {_dollars(most)}, and "
                f"{_dollars(self._budget.spent)} of --max-cost {self._budget.limit:g} are spent",
                hint="raise --max-cost to go on",
            )
        return most

    def _most(self, request: Request) -> float | None:
        """US dollars that a call could cost.

        Some services write into their cache what they are sent, unasked, and charge more for it.
        """
        most = most_tokens(request)
        usage = Usage(
            input_tokens=most.input_tokens,
            output_tokens=most.output_tokens,
            audio_tokens=most.audio_tokens,
            seconds=most.seconds,
        )
        written = replace(usage, cache_write_tokens=most.input_tokens - most.audio_tokens)
        charge, paid = self._prices.charge, _paid(request)
        plain = charge(paid, request.model, usage)
        return None if plain is None else max(plain, charge(paid, request.model, written) or 0.0)

    def _count(self, request: Request, answer: Answer) -> None:
        usage, name = answer.usage or Usage(), request.provider.name
        one = Spent(
            calls=1,
            cost=answer.cost or 0.0,
            unpriced=int(answer.cost is None),
            input_tokens=_counted(usage.input_tokens),
            output_tokens=_counted(usage.output_tokens),
        )
        with self._lock:
            self._spent[name] = self._spent.get(name, Spent()) + one


class Entry:
    """One call in a :class:`Ledger`.

    Attributes:
        reserved: US dollars that it could cost.
        owed: US dollars that it did. An answer whose cost is not known counts as what it could.
    """

    __slots__ = ("_begun", "_counted", "_ledger", "_noted", "_request", "owed", "reserved")

    def __init__(self, ledger: Ledger, request: Request, reserved: float) -> None:
        self._ledger = ledger
        self._request = request
        self.reserved = reserved
        self.owed = 0.0
        self._begun = False
        self._counted = False
        self._noted: Usage | None = None

    def note(self, usage: Usage) -> None:
        """Take what the service has counted so far, in place of what it had counted before."""
        self._noted = usage

    def listening(self, on_text: OnText | None) -> OnText | None:
        """The same listener, from which is known whether an answer has begun.

        Args:
            on_text: Takes the pieces; ``None`` where nobody does.
        """
        if on_text is None:
            return None

        def hear(text: str) -> None:
            self._begun = True
            on_text(text)

        return hear

    def answered(self, answer: Answer) -> Answer:
        """Count an answer.

        Returns:
            It, with what it cost: what the service says, else what the price list says.
        """
        cost = charged(self._request, answer, self._ledger._prices)
        answer = replace(answer, cost=cost)
        self.owed += self.reserved if cost is None else cost
        self._ledger._count(self._request, answer)
        self._counted = True
        return answer

    def failed(self, error: ProviderError) -> None:
        """Count a failure, as far as it was billed, or may have been.

        Args:
            error: Of this call; a copy of another's costs nothing again.
        """
        if error.repeated or self._counted:
            return
        if (answer := billed(self._request, error)) is not None:
            self.answered(answer)
        elif self._begun:
            self.stopped()
        elif isinstance(error, Timeout):
            self.owed += self.reserved

    def stopped(self) -> None:
        """Count a call that ended early, where its answer had begun."""
        if self._begun and not self._counted:
            model = self._request.model or ""
            self.answered(Answer(text="", model=model, usage=self._noted))


_mine: ContextVar[Entry | None] = ContextVar("entry", default=None)


def note_usage(usage: Usage) -> None:
    """Say what a service has counted so far, while its answer is still being written.

    For plugins whose service tells it beside the pieces: it counts where the answer never becomes
    whole, because it broke off or nobody wanted the rest. Of a whole one ``Answer.usage`` counts.

    Args:
        usage: What it has counted of this call by now.
    """
    entry = _mine.get()
    if entry is not None:
        entry.note(usage)


def charged(request: Request, answer: Answer, prices: Prices) -> float | None:
    """US dollars that a call cost: what the service says, else what the price list says."""
    if (said := _believed(answer.cost)) is not None:
        return said
    return _believed(
        prices.charge(
            _paid(request),
            answer.model,
            answer.usage,
            asked=request.model,
            with_sound=_with_sound(request),
        )
    )


def billed(request: Request, error: ProviderError) -> Answer | None:
    """The answer of no use that a failure says was billed; ``None`` where it says nothing."""
    usage = error.usage if isinstance(error.usage, Usage) and error.usage != Usage() else None
    if usage is None and error.cost is None:
        return None
    model = error.model or request.model or ""
    return Answer(text="", model=model, usage=usage, cost=error.cost)


def _paid(request: Request) -> Provider:
    """Who is paid: known by the address that is really asked."""
    if request.access.base_url is None:
        return request.provider
    return replace(request.provider, base_url=request.access.base_url, hosts=())


def _with_sound(request: Request) -> bool:
    if isinstance(request, VideoRequest):
        return request.video.has_sound is not False
    return isinstance(request, AudioRequest)


def _believed(cost: object) -> float | None:
    """An amount of money; plugins hand on whatever services say."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if 0 <= cost <= _MOST_COST else None


def _counted(tokens: object) -> int:
    """Tokens that can be added up; plugins hand on whatever services say."""
    return tokens if isinstance(tokens, int) and 0 <= tokens <= _MOST_TOKENS else 0


def _named(request: Request) -> str:
    return f"{request.provider.name} {request.model or ''}".rstrip()


def _dollars(amount: float) -> str:
    if amount == 0 or amount >= 0.001:
        return f"${amount:.4f}"
    return f"${amount:.8f}"
