"""What is done about one item, on whatever machine."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace

from mediasense.batches.items import STOPPED, Failure, Item, Outcome
from mediasense.dispatch import Dispatcher
from mediasense.envelope import to_plain
from mediasense.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConfigError,
    InvalidAnswer,
    MediasenseError,
    MissingCredentials,
    NoPlugins,
    OutOfService,
    PermissionDenied,
    PluginError,
    ProviderConflict,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    StoreError,
    Timeout,
    UnknownProvider,
    UsageError,
)
from mediasense.fallback import PAYMENT_REQUIRED
from mediasense.ledger import Ledger
from mediasense.pacing.pacer import Stopped
from mediasense.turns import turn
from mediasense.types import Question

_PASSING = (InvalidAnswer, ProviderUnavailable, RateLimited, Timeout)
_STOPPING = (
    AuthenticationError,
    BudgetExceeded,
    ConfigError,
    MissingCredentials,
    NoPlugins,
    OutOfService,
    ProviderConflict,
    RateLimited,
    StoreError,
    UnknownProvider,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Answers items.

    Attributes:
        dispatcher: Asks.
        question: What is asked, where an item says nothing of its own.
    """

    dispatcher: Dispatcher
    question: Question

    def answer(self, item: Item) -> Outcome:
        """Ask about an item; whatever goes wrong becomes its failure."""
        with turn():
            return self._outcome(item)

    def _outcome(self, item: Item) -> Outcome:
        started = time.perf_counter()
        ledger = self.dispatcher.desk.ledger(self.question)
        answer, failure = None, None
        try:
            answer = self._answer(item, ledger)
        except MediasenseError as error:
            failure = failure_of(error)
        except Stopped as error:
            failure = Failure(
                kind=STOPPED, message=str(error), exit_code=130, passing=True, stopping=True
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001  it never takes the others down
            failure = Failure(
                kind=type(error).__name__,
                message=f"mediasense failed: {type(error).__name__}: {error}",
                exit_code=1,
                trace=traceback.format_exc(),
            )
        return Outcome(
            item=item,
            answer=answer,
            failure=failure,
            spent=ledger.spent,
            seconds=time.perf_counter() - started,
        )

    def _answer(self, item: Item, ledger: Ledger) -> dict[str, object]:
        if item.problem:
            raise UsageError(item.problem, hint="mend it, and give the same command again")
        analysis = self.dispatcher.analyze(
            item.sources, _about(self.question, item), expected=item.modality, ledger=ledger
        )
        return to_plain(analysis)


def _about(question: Question, item: Item) -> Question:
    """The question, with what the item says of its own."""
    own = {
        name: value
        for name in ("prompt", "task", "json_schema", "start", "end", "language")
        if (value := getattr(item, name)) is not None
    }
    return replace(question, **own) if own else question


def failure_of(error: MediasenseError) -> Failure:
    """What is kept of an error, and what it means for the rest of the batch."""
    causes = (error, *error.others)
    # What caused any other is told in its words, and is nobody's mistake.
    broken = error.__cause__ if isinstance(error, PluginError) else None
    return Failure(
        kind=type(error).__name__,
        message=str(error),
        exit_code=error.exit_code,
        passing=any(isinstance(cause, _PASSING) for cause in causes),
        stopping=all(map(_stops, causes)),
        trace="".join(traceback.format_exception(broken)) if broken is not None else "",
    )


def _stops(error: MediasenseError) -> bool:
    """Whether every other item would fail in the same way; a 403 may be about this one alone.

    Limits of rate are waited for: what is left of them here is a quota that is used up.
    """
    if isinstance(error, PermissionDenied):
        return False
    unpaid = isinstance(error, ProviderError) and error.status == PAYMENT_REQUIRED
    return unpaid or isinstance(error, _STOPPING)
