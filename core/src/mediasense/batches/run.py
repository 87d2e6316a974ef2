"""A batch on its way: many items, each asked about once, whatever happens meanwhile."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, cast

from mediasense.batches.identity import described, fingerprint
from mediasense.batches.items import STOPPED, Failure, Item, Keep, Outcome
from mediasense.batches.kept import decode_item, encode_item
from mediasense.batches.records import Result, line_of, result_of, result_of_line
from mediasense.batches.results import Results
from mediasense.budget import Budget
from mediasense.errors import UsageError
from mediasense.ledger import Spent
from mediasense.names import OnError
from mediasense.pacing.lane import RateLimit
from mediasense.store.journal import Claim, Earlier, FailedItem, Finished, Journal
from mediasense.types import Question

MAX_JOBS = 1000
_CLAIMED_AT_ONCE = 64
_PAUSES = (10.0, 60.0)
"""Seconds before what failed is tried again, once more and once more."""
_PASSED_OVER = {"done": "earlier", "failed": "left_failed", "repeated": "repeated"}
"""What is claimed in vain, and how it is counted."""
_COUNTED = ("answered", "cached", "failed", "clashes", *_PASSED_OVER.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a batch is run; only ``endpoint`` shapes an answer.

    Attributes:
        out: The results file; its journal lies beside it. ``None`` keeps neither.
        jobs: How many items are under way at once.
        on_error: ``skip`` keeps a failure and goes on, ``stop`` ends the batch after the first,
            ``retry`` tries what may pass twice more when all else is done.
        retry_failed: Ask only about what failed, or was cut short, in an earlier run.
        limits: Requests and tokens a minute by the name of the provider; ``""`` is any other.
        engine: Who does the work: threads of this machine, or a Ray cluster.
        address: Of the cluster; ``None`` is the one this machine is part of.
        pauses: Seconds before each further try of what failed.
        ready: Whether the list is there already; of one that is still being written the next item
            may be long in coming.
        endpoint: Where the endpoint of the config file is that is asked; ``""`` for any other
            provider. With another address it is another batch.
    """

    out: Path | None = None
    jobs: int = 8
    on_error: OnError = "skip"
    retry_failed: bool = False
    limits: Mapping[str, RateLimit] = field(default_factory=dict)
    engine: Literal["threads", "ray"] = "threads"
    address: str | None = None
    pauses: tuple[float, ...] = _PAUSES
    ready: bool = True
    endpoint: str = ""


class Engine(Protocol):
    """Who does the work."""

    @property
    def running(self) -> int:
        """How many items are under way."""

    @property
    def waiting(self) -> str:
        """Why calls are not made now, in words; ``""`` when they are."""

    def run(self, items: Iterator[Item], keep: Keep) -> Iterator[Outcome]:
        """Ask about items, taking them only as fast as they are worked off.

        Args:
            items: What is asked about.
            keep: Called with outcomes as soon as they are known, in any thread of this process.
        """

    def stop(self) -> None:
        """Take no more items; what is under way is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a batch is.

    Attributes:
        answered, cached, failed: Items of this run; of those answered, how many from the cache.
        earlier: Items that earlier runs answered.
        left_failed: Items that failed in an earlier run and are left so.
        repeated: Items that came before in the list, and are the same.
        clashes: Rows left out, since the id that the user gave them came before.
        interrupted: Items that were under way when an earlier run was killed.
        running: Items under way.
        seconds: Since the run began.
        spent: What the calls of all runs came to.
        waiting: Why calls are not made now, in words; ``""`` when they are.
    """

    answered: int
    cached: int
    failed: int
    earlier: int
    left_failed: int
    repeated: int
    clashes: int = 0
    interrupted: int
    running: int
    seconds: float
    spent: Spent
    waiting: str

    @property
    def done(self) -> int:
        """Items that this run is through with, in one way or another."""
        return (
            self.answered
            + self.failed
            + self.earlier
            + self.left_failed
            + self.repeated
            + self.clashes
        )

    @property
    def rate(self) -> float:
        """Items a second."""
        return (self.answered + self.failed) / self.seconds if self.seconds else 0.0


class Batch:
    """Many questions, an iterator of their results.

    What an earlier run with the same results file answered comes first, then what is new, in the
    order in which it is known.

    Args:
        items: What is asked about; taken only as fast as it is worked off.
        question: What is asked.
        setting: How.
        engine: Makes who does the work, given what may be spent.

    Attributes:
        problem: Why it ended before the list did; ``None`` when it did not.
        earlier: What earlier runs left; ``None`` before it begins.
    """

    def __init__(
        self,
        items: Iterator[Item],
        question: Question,
        setting: Setting,
        engine: Callable[[Budget], Engine],
    ) -> None:
        if not 1 <= setting.jobs <= MAX_JOBS:
            raise UsageError(f"{setting.jobs} jobs are not 1 to {MAX_JOBS}", hint="give --jobs N")
        self._items = items
        self._question = question
        self._setting = setting
        self._make_engine = engine
        # No more than that: what is claimed when it is killed counts as under way.
        self._at_once = min(_CLAIMED_AT_ONCE, setting.jobs) if setting.ready else 1
        self._engine: Engine | None = None
        self._claimed: dict[str, Item] = {}
        self._bad_rows: dict[int, list[str]] = {}
        self._again = False
        self._counted = dict.fromkeys(_COUNTED, 0)
        self._spent = Spent()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._stopping = threading.Event()
        self._over = False
        self.problem: Failure | None = None
        self.earlier: Earlier | None = None

    def __iter__(self) -> Iterator[Result]:
        """The results, those of earlier runs first."""
        with self._session() as earlier:
            if self._setting.out is not None:
                yield from map(result_of_line, islice(self._journal.lines(), earlier.done))
            yield from map(result_of, self._outcomes())

    def outcomes(self) -> Iterator[Outcome]:
        """What becomes of the items of this run, as it is known; it is kept by then.

        Raises:
            UsageError: The results file belongs to another batch, or another process works on it.
            StoreError: Something cannot be kept.
        """
        with self._session():
            yield from self._outcomes()

    def stop(self) -> None:
        """Take no more items, and wait for nobody but those who are asked already."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.stop()

    def standing(self) -> Standing:
        """How far it is."""
        with self._lock:
            counted, spent = dict(self._counted), self._spent
        return Standing(
            **counted,
            interrupted=self.earlier.interrupted if self.earlier else 0,
            running=self._engine.running if self._engine else 0,
            seconds=(self._ended or time.monotonic()) - self._started,
            spent=spent,
            waiting=self._engine.waiting if self._engine else "",
        )

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped from outside."""
        return self._stopping.is_set() and self.problem is None

    # --- one run -----------------------------------------------------------------------------

    @contextmanager
    def _session(self) -> Iterator[Earlier]:
        """Everything that is open while it runs."""
        setting, question = self._setting, self._question
        if setting.retry_failed and setting.out is None:
            raise UsageError(
                "what failed is known from the results file", hint="add --out to --retry-failed"
            )
        folder = None
        if setting.out is None:
            folder = Path(tempfile.mkdtemp(prefix="mediasense-"))
        place = setting.out or cast("Path", folder) / "results"
        self._journal = Journal(place.with_name(f"{place.name}.journal"))
        if setting.retry_failed and not self._journal.exists():
            raise UsageError(
                f"{place} has no earlier run in which something could have failed",
                hint="leave out --retry-failed",
            )
        self._results = Results(setting.out, self._journal)
        self._started = time.monotonic()
        try:
            self.earlier = self._journal.open(
                fingerprint(question, setting.endpoint), described(question, setting.endpoint)
            )
            try:
                self._spent = self.earlier.spent
                self._look_at_bad_rows()
                self._results.restore()
                yield self.earlier
            finally:
                self._end()
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.stop()
        self._ended = time.monotonic()
        with self._keeping:
            self._over = True
            try:
                self._journal.released(tuple(self._claimed))
                with self._lock:
                    # Also what is in the list no longer, or was tried again in vain.
                    left = self._journal.counts().failed - self._counted["failed"]
                    self._counted["left_failed"] = max(0, left)
                self._results.close()
            finally:
                self._journal.close()

    def _outcomes(self) -> Iterator[Outcome]:
        yield from self._asked(self._new())
        if self._setting.on_error != "retry":
            return
        self._again = True
        for pause in self._setting.pauses:
            nothing = next(self._failed_again(), None) is None
            if nothing or self.problem is not None or self._stopping.wait(pause):
                break
            yield from self._asked(map(_item_of, self._failed_again()))
        yield from map(_outcome_of, self._failed_again())

    def _asked(self, items: Iterator[Item]) -> Iterator[Outcome]:
        """Have items asked about; of those that are tried again nothing is told yet."""
        budget = Budget(self._question.max_cost, self._spent.cost)
        self._engine = self._make_engine(budget)
        if self._stopping.is_set():
            self._engine.stop()
        for outcome in self._engine.run(items, self._keep):
            if self._setting.on_error != "retry" or self._is_settled(outcome):
                yield outcome

    def _is_settled(self, outcome: Outcome) -> bool:
        """Whether nothing else can come of an item in this run."""
        if outcome.failure is None:
            return True
        if outcome.given_back:
            return not self._again
        return not outcome.failure.passing or encode_item(outcome.item) is None

    def _new(self) -> Iterator[Item]:
        """The items that are to be asked about, claimed."""
        for chunk in _chunks(self._items, self._at_once):
            with self._keeping:
                if self._over:
                    return
                claims = self._claims(chunk)
                self._claimed = {
                    item.id: item
                    for item, claim in zip(chunk, claims, strict=True)
                    if claim in ("new", "again")
                }
            with self._lock:
                for item, claim in zip(chunk, claims, strict=True):
                    if claim == "repeated" and item.named:
                        self._counted["clashes"] += 1
                    elif claim in _PASSED_OVER:
                        self._counted[_PASSED_OVER[claim]] += 1
            for one in tuple(self._claimed):
                if self._stopping.is_set() or self._over:
                    return
                yield self._claimed.pop(one)

    def _claims(self, chunk: Sequence[Item]) -> Sequence[Claim]:
        """Claim items; a row that was mended goes by another id than the failure it was."""
        retry_failed = self._setting.retry_failed
        claims = self._journal.claim([item.id for item in chunk], retry_failed=retry_failed)
        if not self._bad_rows:
            return claims
        return [self._claim_mended(item, claim) for item, claim in zip(chunk, claims, strict=True)]

    def _claim_mended(self, item: Item, claim: Claim) -> Claim:
        bad = self._bad_rows.get(item.row or 0, [])
        if item.id in bad:
            bad.remove(item.id)  # it was met, and is as bad as before
        if claim != "skipped" or not bad:
            return claim
        self._journal.forget(bad.pop(0))
        return self._journal.claim([item.id])[0]

    def _look_at_bad_rows(self) -> None:
        """Rows that could not be used are looked at anew.

        Where only failures are asked about, each is kept until its row was met.
        """
        for failed in self._journal.failures():
            item = None if failed.again is None else decode_item(failed.again)
            if item is None or not item.problem:
                continue
            if not self._setting.retry_failed:
                self._journal.forget(failed.id)
            elif item.row is not None:
                self._bad_rows.setdefault(item.row, []).append(failed.id)

    def _failed_again(self) -> Iterator[FailedItem]:
        """What failed, and may pass when it is tried again."""
        for failed in self._journal.failures():
            if failed.passing and failed.again is not None:
                yield failed

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what became of items, in the journal and in the results file."""
        given_back = [outcome for outcome in outcomes if outcome.given_back]
        finished = [_finished(outcome) for outcome in outcomes if not outcome.given_back]
        with self._keeping:
            if self._over:
                return
            if finished:
                self._results.add_all(finished)
            for outcome in given_back:
                self._journal.released((outcome.item.id,))
                self._journal.pay(outcome.spent)
        for outcome in outcomes:
            self._count(outcome)
            if outcome.failure is not None:
                self._heed(outcome.failure)

    def _heed(self, failure: Failure) -> None:
        """End the batch where a failure is one of all items, or where any failure is to end it."""
        if failure.kind == STOPPED or not (failure.stopping or self._setting.on_error == "stop"):
            return
        with self._lock:
            self.problem = self.problem or failure
        self.stop()

    def _count(self, outcome: Outcome) -> None:
        counted = self._counted
        with self._lock:
            self._spent += outcome.spent
            if outcome.answer is not None:
                counted["answered"] += 1
                counted["cached"] += bool(outcome.answer["cached"])
                if self._again:  # it had failed, in this run or in an earlier one
                    before = "failed" if counted["failed"] else "left_failed"
                    counted[before] = max(0, counted[before] - 1)
            elif not outcome.given_back and not self._again:
                counted["failed"] += 1


def _chunks(items: Iterator[Item], at_once: int) -> Iterator[tuple[Item, ...]]:
    """Some items at once; where the list breaks, those before the break come first."""
    broken: Exception | None = None
    while broken is None:
        chunk = []
        try:
            for item in islice(items, at_once):
                chunk.append(item)  # noqa: PERF402  those before an exception count
        except Exception as error:  # noqa: BLE001  it is raised below
            broken = error
        if chunk:
            yield tuple(chunk)
        elif broken is None:
            return
    raise broken


def _item_of(failed: FailedItem) -> Item:
    assert failed.again is not None
    return decode_item(failed.again)


def _outcome_of(failed: FailedItem) -> Outcome:
    """What became of an item, once more; what it cost is counted already."""
    line = json.loads(failed.line)
    return Outcome(
        item=_item_of(failed),
        answer=None,
        failure=Failure(**line["error"]),
        spent=Spent(),
        seconds=line["seconds"],
    )


def _finished(outcome: Outcome) -> Finished:
    failure = outcome.failure
    return Finished(
        id=outcome.item.id,
        line=line_of(outcome),
        failed=failure is not None,
        passing=failure is not None and failure.passing,
        again=encode_item(outcome.item) if failure is not None else None,
        spent=outcome.spent,
    )
