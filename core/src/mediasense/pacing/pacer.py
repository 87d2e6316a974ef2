"""A call, made when its lane lets it, and made again when its failure can pass."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mediasense.errors import (
    ContentBlocked,
    OutOfService,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Timeout,
)
from mediasense.pacing.lane import LaneState, bounded
from mediasense.pacing.lanes import Event, LanesLike
from mediasense.pacing.quotas import passes

Result = TypeVar("Result")

_SHORT = 2.0
"""Seconds a hopeful call waits for a lane that pauses."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 60.0


class Stopped(Exception):
    """The batch was stopped while a call waited; the question was not answered, and did not fail.

    No :class:`~mediasense.errors.MediasenseError`: nothing went wrong that anybody should be told.
    """


@dataclass(slots=True)
class _Call:
    """What became of one call so far."""

    lane: str
    tokens: int
    hopeful: bool
    since: float
    tries: int = 0
    burnt: int = 0
    refused_since: float | None = None


class Pacer:
    """Makes calls, within the limits of their lanes, and again where that may help.

    Args:
        lanes: Whom to ask, shared by all workers.
        attempts: How often a call is made that fails while its service is up.
        patience: Seconds a call waits for a service that does not take or answer anything.
        sleep: Waits; by default until :meth:`stop` at most.
        clock: Seconds that never go back.
        chance: A number from 0 up to 1.
    """

    def __init__(
        self,
        lanes: LanesLike,
        *,
        attempts: int = 5,
        patience: float = 900.0,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._lanes = lanes
        self._attempts = attempts
        self._patience = patience
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait
        self._clock = clock
        self._chance = chance
        self._last: dict[str, ProviderError] = {}

    def stop(self) -> None:
        """End all waiting, now and later: whoever waits gets :class:`Stopped`."""
        self._stopping.set()

    def call(
        self,
        lane: str,
        tokens: int,
        make: Callable[[], Result],
        *,
        used: Callable[[Result], int | None],
        hopeful: bool = False,
    ) -> Result:
        """Make a call when its lane lets it.

        A call that is refused (429) waits and is made again: more than ``attempts`` times and for
        ``patience`` seconds. One that fails because the service does (5xx, no connection, no answer
        in time) is made again up to ``attempts`` times; but while the service is down it is not:
        everybody waits, until there was no sign of life for ``patience`` seconds.

        Args:
            lane: ``provider`` or ``provider https://host``.
            tokens: What it will use, as far as it can be told.
            make: Makes it, once: without retries of its own.
            used: The tokens a result used, where it says.
            hopeful: Somebody else may answer: wait no longer than 2 s for a lane that pauses, and
                try again once only.

        Raises:
            Stopped: :meth:`stop` was called.
            ProviderError: The last failure, or the last one of the lane.
            BaseException: Whatever else ``make`` raises, at once.
        """
        call = _Call(lane=lane, tokens=tokens, hopeful=hopeful, since=self._clock())
        while True:
            self._wait_for_turn(call)
            try:
                return self._make(call, make, used)
            except (RateLimited, ProviderUnavailable, Timeout) as error:
                # A copy has no traceback, which would keep the media of the call in memory.
                self._last[lane] = copy.copy(error)
                call.tries += 1
                self._rest(self._pause_after(call, error))

    def _make(
        self, call: _Call, make: Callable[[], Result], used: Callable[[Result], int | None]
    ) -> Result:
        began = self._clock()
        try:
            result = make()
        except BaseException as error:
            took = self._clock() - began
            self._lanes.report(call.lane, _event(error, call.tokens, took))
            raise
        took = self._clock() - began
        spent = None
        try:
            spent = used(result)
        finally:
            answered = Event(kind="answered", reserved=call.tokens, used=spent, took=took)
            self._lanes.report(call.lane, answered)
        return result

    def _wait_for_turn(self, call: _Call) -> None:
        began = self._clock()
        self._rest(0.0)
        while (wait := self._lanes.admit(call.lane, call.tokens)) > 0:
            self._give_up_waiting(call, self._clock() - began)
            self._rest(wait)

    def _give_up_waiting(self, call: _Call, waited: float) -> None:
        """Raise the failure of the lane where it was waited for long enough.

        Waiting for one's turn, under a limit, is no failure, however long it takes.
        """
        impatient = self._clock() - call.since >= self._patience
        if not (impatient or call.hopeful):
            return
        state = self._lanes.states().get(call.lane)
        if state is None or not state.why:
            return
        hopeless = call.hopeful and (state.pause > _SHORT or waited > _SHORT)
        if hopeless:
            raise self._failure(call.lane, state)
        if impatient and state.silent >= self._patience:
            last = self._failure(call.lane, state)
            raise OutOfService(
                f"{last.message}; nothing else came of it for {self._patience / 60:.0f} minutes",
                hint="give the same command again later",
                status=last.status,
            )

    def _failure(self, lane: str, state: LaneState) -> ProviderError:
        """Why a lane pauses: the last failure, which another process may have had."""
        if last := self._last.get(lane):
            return copy.copy(last)  # one for each: several threads would add to one traceback
        if state.why == "down":
            return ProviderUnavailable(f"{lane} is down", hint="go on later")
        return RateLimited(f"{lane} refuses calls (429)", hint="go on later, or check the quota")

    def _pause_after(self, call: _Call, error: ProviderError) -> float:
        """Seconds to wait before the call is made again.

        Raises:
            ProviderError: It is not made again.
        """
        if isinstance(error, RateLimited):
            return self._after_refusal(call, error)
        if _may_be_its_own(error) or not self._is_down(call.lane):
            call.burnt += 1
        if call.burnt >= self._attempts or (call.hopeful and call.tries > 1):
            raise error
        return max(self._backoff(call.tries), bounded(error.retry_after))

    def _after_refusal(self, call: _Call, error: RateLimited) -> float:
        if not passes(error) or (call.hopeful and call.tries > 1):
            raise error
        now = self._clock()
        if call.refused_since is None:
            call.refused_since = now
        asked = error.retry_after or 0.0
        too_long = now - call.refused_since + max(0.0, asked) > self._patience
        # At a low rate many workers wait long for each turn: that is not the service's refusing.
        if asked > self._patience or (too_long and call.tries > self._attempts):
            raise RateLimited(
                error.message,
                hint="go on later, or check the quota",
                status=error.status,
                retry_after=error.retry_after,
            ) from error
        # What the service asked for is waited for by the whole lane.
        return 0.0 if bounded(error.retry_after) else self._backoff(call.tries)

    def _is_down(self, lane: str) -> bool:
        state = self._lanes.states().get(lane)
        return state is not None and state.why == "down"

    def _backoff(self, tries: int) -> float:
        """Full jitter: anything from 0 up to a bound that doubles."""
        return self._chance() * min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(tries - 1, 10))

    def _rest(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
        if self._stopping.is_set():
            raise Stopped("the batch was stopped")


def _event(error: BaseException, reserved: int, took: float) -> Event:
    """What a failure says of the lane."""
    if isinstance(error, RateLimited) and passes(error):
        return Event(kind="refused", reserved=reserved, retry_after=error.retry_after, took=took)
    if isinstance(error, ProviderUnavailable | Timeout):
        return Event(kind="failed", reserved=reserved, retry_after=error.retry_after, took=took)
    answered = isinstance(error, ContentBlocked) or (
        isinstance(error, ProviderError) and error.status is not None
    )
    return Event(kind="released", reserved=reserved, alive=answered, took=took)


def _may_be_its_own(error: ProviderError) -> bool:
    """Whether this question alone may be what makes the service fail.

    With one worker nothing else tells such a question from a service that is down; it must not be
    waited for as long.
    """
    return isinstance(error, Timeout) or error.status == 500
