"""One provider at one address: when the next call may go. Pure: time is passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mediasense.errors import UsageError
from mediasense.pacing.circuit import Circuit
from mediasense.pacing.minute import SPAN, Minute
from mediasense.pacing.pace import BURST, STEADY, Learned, Spacing

LONGEST_RETRY_AFTER = 600.0
"""Seconds a service is obeyed for; it may say anything."""

_LONGEST_PAUSE = 60.0
_LONGEST_TURN = 5.0
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_SPREAD = 0.02
_LATE = 0.001
_CAREFUL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What a service takes, or what the user wants it to be asked at most.

    Attributes:
        requests: Per minute; ``None`` when no limit is known.
        tokens: Per minute, of input and output; ``None`` when no limit is known.

    Raises:
        UsageError: A limit is not a number above 0.
    """

    requests: float | None = None
    tokens: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("requests", self.requests), ("tokens", self.tokens)):
            if limit is not None and not 0 < limit < math.inf:
                raise UsageError(
                    f"{limit:g} {name} per minute is no limit", hint="give a number above 0"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """How a lane stands.

    Attributes:
        pause: Seconds until a call may go; 0 when it may, or when one is finding out.
        why: Why there is a pause, or why there was one that no answer has followed yet.
        requests_per_minute: The present limit, the user's or a learned one; ``None`` without one.
        running: Calls under way.
        failures: How many calls failed in a row.
        silent: Seconds since the service last answered a call, if only to reject it; a 429 does
            not count. Infinite when it never did.
    """

    pause: float
    why: Literal["", "rate limited", "down"]
    requests_per_minute: float | None
    running: int
    failures: int
    silent: float


def bounded(retry_after: float | None) -> float:
    """The seconds to wait that a service asked for: 0 when it asked for none that make sense."""
    if retry_after is None or not retry_after > 0:
        return 0.0
    return min(retry_after, LONGEST_RETRY_AFTER)


class Lane:
    """The limits, pauses and learned rate of one lane.

    In no window of 60 seconds are there more requests or reserved tokens than the user's limit (one
    request that is above it by itself goes alone), and they go at even distances, with a burst of
    at most 3 seconds' worth after a rest. A request without any limit is free.

    How long a call took tells what is news from what was under way already: of 64 calls that are
    refused at the same time, one lowers the rate.

    Args:
        limit: The user's own limit, which is never passed.
    """

    def __init__(self, limit: RateLimit = RateLimit()) -> None:
        self._limit = limit
        self._minute = Minute()
        self._requests = Spacing()
        self._tokens = Spacing()
        self._learned = Learned()
        self._circuit = Circuit()
        self._running = 0
        self._paused = -math.inf
        self._refused_at = -math.inf
        self._refusals = 0
        self._answered_at = -math.inf
        self._turns = -math.inf
        self._waits = 0

    def admit(self, now: float, tokens: int) -> float:
        """Ask to make a call.

        Args:
            now: Seconds; they never go back.
            tokens: What the call will use, input and output, as far as it can be told.

        Returns:
            0 when it may go; then it is counted as under way, and has to be reported. Else the
            seconds to wait before asking again: different ones for everybody who waits.
        """
        tokens = max(0, tokens)
        wait = self._wait(now, tokens)
        if wait > 0:
            return self._turn(now, wait, tokens)
        self._running += 1
        self._minute.add(now, requests=1, tokens=tokens)
        self._requests.take(now, self._distance(now))
        self._tokens.take(now, min(SPAN, self._seconds(tokens)))
        self._circuit.go(now)
        return 0.0

    def answered(self, now: float, reserved: int, used: int | None, *, took: float = 0.0) -> None:
        """The call was answered.

        Args:
            now: Seconds.
            reserved: The tokens it was admitted with.
            used: The tokens it really used; ``None`` when the service did not say.
            took: Seconds since it was sent.
        """
        sent = self._ended(now, took)
        self._alive(now, sent)
        reserved = max(0, reserved)
        if used is None:
            return
        more = max(0, used) - reserved
        if more > 0:
            self._minute.add(now, tokens=more)
            self._tokens.take(now, min(SPAN, self._seconds(more)))
        else:
            self._give_back(sent, -more)

    def refused(
        self, now: float, retry_after: float | None, reserved: int, *, took: float = 0.0
    ) -> None:
        """The service refused the call: too many (429).

        Everything pauses until it may be asked again, then goes on slower than before. Where
        nothing was taken since the last refusal the pause was too short, which says nothing of the
        rate: then the pause grows.

        Args:
            now: Seconds.
            reserved: The tokens it was admitted with.
            took: Seconds since it was sent.
            retry_after: Seconds the service asked to wait, whatever it said.
        """
        sent = self._ended(now, took)
        self._circuit.answered(now)
        self._minute.correct(sent, refused=1)
        self._give_back(sent, max(0, reserved))
        pause = bounded(retry_after)
        if sent >= self._refused_at:
            # Of calls that take long no answer tells that they were taken; a refusal comes at once.
            if not self._refusals or self._minute.taken(self._refused_at, now - 1.0):
                self._refusals = 0
                self._learned.cut(now, self._minute.taken_per_minute(now))
            if self._refusals or not pause:
                pause = max(pause, min(_LONGEST_PAUSE, 2.0 ** min(self._refusals, 10)))
            self._refusals += 1
            self._refused_at = now
        self._pause(now + pause)

    def failed(
        self,
        now: float,
        reserved: int,  # noqa: ARG002  kept: a call that timed out may have used its tokens
        *,
        retry_after: float | None = None,
        took: float = 0.0,
    ) -> None:
        """The service is down, out of reach, or did not answer in time.

        Five in a row, and everything pauses; then one call finds out, after 1 s, 2 s ... 60 s.

        Args:
            now: Seconds.
            reserved: The tokens it was admitted with.
            took: Seconds since it was sent.
            retry_after: Seconds the service asked to wait, where it could.
        """
        sent = self._ended(now, took)
        self._circuit.failed(now, sent, bounded(retry_after))

    def released(
        self, now: float, reserved: int, *, alive: bool = False, took: float = 0.0
    ) -> None:
        """The call came to nothing for reasons of its own, or was never made.

        It stays counted as a request; its tokens are given back.

        Args:
            now: Seconds.
            reserved: The tokens it was admitted with.
            took: Seconds since it was sent.
            alive: Whether the service answered, such as with 400: a sign of life.
        """
        sent = self._ended(now, took)
        self._give_back(sent, max(0, reserved))
        if alive:
            self._alive(now, sent)
        else:
            self._circuit.unknown(sent)

    def state(self, now: float) -> LaneState:
        """How the lane stands."""
        down = self._circuit.open
        limited = now < self._paused or self._refusals > 0
        return LaneState(
            pause=max(0.0, self._paused - now, self._circuit.until - now if down else 0.0),
            why="down" if down else "rate limited" if limited else "",
            requests_per_minute=self._rate(now),
            running=self._running,
            failures=self._circuit.failures,
            silent=now - self._answered_at,
        )

    def _wait(self, now: float, tokens: int) -> float:
        wait = max(self._paused - now, self._circuit.wait(now))
        if self._rate(now) is not None:
            wait = max(wait, self._requests.earliest(self._burst(now)) - now)
        if self._limit.tokens is not None:
            wait = max(wait, self._tokens.earliest(BURST) - now)
        if self._limit.requests is not None or self._limit.tokens is not None:
            within = self._minute.wait(
                now,
                tokens,
                most_requests=self._limit.requests or math.inf,
                most_tokens=self._limit.tokens or math.inf,
            )
            wait = max(wait, within)
        return wait

    def _turn(self, now: float, wait: float, tokens: int) -> float:
        """When to ask again, behind those who wait already.

        Nothing is booked for them, so that whoever never comes back holds up nobody. Those for whom
        there is no turn in the next seconds ask again in any of them: by then the lane may be
        faster, and they do not come all at once.
        """
        self._waits += 1
        turn = max(self._turns, now + wait)
        if turn > now + wait + _LONGEST_TURN:
            return wait + _LATE + _LONGEST_TURN * (self._waits * _GOLDEN % 1.0)
        self._turns = turn + max(_SPREAD, self._distance(now), self._seconds(tokens))
        return turn - now + _LATE

    def _rate(self, now: float) -> float | None:
        known = [r for r in (self._limit.requests, self._learned.rate(now)) if r is not None]
        return min(known, default=None)

    def _burst(self, now: float) -> float:
        return BURST if self._learned.rate(now) is None else STEADY

    def _distance(self, now: float) -> float:
        """Seconds between two calls.

        A minute is taken for 61 s, as it is where calls are counted: then it is the distance that
        holds them up, and not the end of a full minute.
        """
        rate = self._rate(now)
        distance = SPAN / rate if rate is not None else 0.0
        return max(distance, _CAREFUL) if self._refusals > 1 else distance

    def _seconds(self, tokens: int) -> float:
        return tokens * SPAN / self._limit.tokens if self._limit.tokens is not None else 0.0

    def _ended(self, now: float, took: float) -> float:
        """One call less is under way: when it was sent."""
        self._running = max(0, self._running - 1)
        return now - took if took > 0 else now

    def _alive(self, now: float, sent: float) -> None:
        self._circuit.answered(now)
        self._answered_at = now
        if sent >= self._refused_at:
            self._refusals = 0

    def _give_back(self, sent: float, tokens: int) -> None:
        self._minute.correct(sent, unused=tokens)
        self._tokens.give_back(min(SPAN, self._seconds(tokens)))

    def _pause(self, until: float) -> None:
        self._paused = max(self._paused, until)
        self._learned.hold(self._paused)
        self._requests.hold(self._paused, self._burst(self._paused))
