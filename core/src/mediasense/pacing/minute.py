"""What was sent in the last minute, in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

SPAN = 61.0
"""Seconds until a cell of one second lies wholly outside any window of 60."""


@dataclass(slots=True)
class _Cell:
    second: int
    requests: int = 0
    refused: int = 0
    tokens: int = 0


class Minute:
    """Requests and tokens by the second they were sent in: at most 62 cells, however many calls."""

    def __init__(self) -> None:
        self._cells: deque[_Cell] = deque()
        self._requests = 0
        self._refused = 0
        self._tokens = 0

    def add(self, now: float, *, requests: int = 0, tokens: int = 0) -> None:
        """Count what is sent now."""
        cell = self._newest(now)
        cell.requests += requests
        cell.tokens += tokens
        self._requests += requests
        self._tokens += tokens

    def correct(self, sent: float, *, unused: int = 0, refused: int = 0) -> None:
        """Correct what was counted for a call.

        Args:
            sent: When it was sent: its tokens are given back to that second. Given back to a later
                one they would be missed as soon as the true second is forgotten.
            unused: Tokens that were counted and not used.
            refused: 1 where the service did not take it; it stays counted as sent.
        """
        cell = next((c for c in self._cells if c.second == math.floor(sent)), None)
        if cell is None:
            return
        unused = min(unused, cell.tokens)
        cell.tokens -= unused
        cell.refused += refused
        self._tokens -= unused
        self._refused += refused

    def wait(self, now: float, tokens: int, *, most_requests: float, most_tokens: float) -> float:
        """Seconds until one more request of so many tokens is within the limits.

        A request that is above a limit by itself goes when there was no other for a minute.
        """
        self._forget(now)
        requests, used = self._requests, self._tokens

        def fits() -> bool:
            return (not requests or requests + 1 <= most_requests) and (
                not used or used + tokens <= most_tokens
            )

        if fits():
            return 0.0
        for cell in self._cells:
            requests -= cell.requests
            used -= cell.tokens
            if fits():
                return cell.second + SPAN - now
        return 0.0

    def taken_per_minute(self, now: float) -> float:
        """The rate of the requests that were not refused; of all of them, where all were."""
        self._forget(now)
        if not self._cells:
            return 0.0
        seconds = min(60.0, max(1.0, now - self._cells[0].second))
        return (self._requests - self._refused or self._requests) * 60.0 / seconds

    def taken(self, since: float, until: float) -> int:
        """How many that were sent in the whole seconds between were not refused."""
        first, end = math.floor(since) + 1, math.floor(until)
        return sum(c.requests - c.refused for c in self._cells if first <= c.second < end)

    def _newest(self, now: float) -> _Cell:
        self._forget(now)
        second = math.floor(now)
        if not self._cells or self._cells[-1].second < second:
            self._cells.append(_Cell(second))
        return self._cells[-1]

    def _forget(self, now: float) -> None:
        while self._cells and self._cells[0].second + SPAN <= now:
            cell = self._cells.popleft()
            self._requests -= cell.requests
            self._refused -= cell.refused
            self._tokens -= cell.tokens
