"""The distance between calls, and the rate that a service turned out to take."""

from __future__ import annotations

BURST = 3.0
"""Seconds' worth of calls that may go at once after a time of rest: 5 % of a minute."""

STEADY = 0.05
"""The same for a service that has refused calls: it may take no bursts at all."""

_LONGEST = 61.0
_DECREASE = 0.7
_RECOVERY = 60.0
_FORGOTTEN = 600.0
_SATURATED = 0.75


class Spacing:
    """Calls at even distances (the generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self) -> None:
        self._next = 0.0

    def earliest(self, burst: float) -> float:
        """When the next call may go, with so many seconds' worth at once."""
        return self._next - burst

    def take(self, now: float, seconds: float) -> None:
        """A call goes that takes the place of so many seconds."""
        after = max(self._next, now) + seconds
        # However much a service says was used: what is over a minute ago is over.
        self._next = min(after, now + BURST + max(seconds, _LONGEST))

    def give_back(self, seconds: float) -> None:
        """A call took the place of fewer seconds than was thought."""
        self._next -= seconds

    def hold(self, until: float, burst: float) -> None:
        """Nothing before ``until``, and no burst then."""
        self._next = max(self._next, until + burst)


class Learned:
    """The rate a service takes, as far as its refusals tell.

    After a refusal it is 0.7 of what was being done, in a minute it climbs back to that, stays
    about there, and only then climbs faster and faster to find out whether more is possible by now.
    That is the curve and the factor of CUBIC (RFC 9438), with a minute for its ``K``: near a limit
    that is known it is slow, so few calls are refused, and a limit that was raised is soon found.
    """

    def __init__(self) -> None:
        self._ceiling: float | None = None
        self._since = 0.0

    def cut(self, now: float, taken: float) -> None:
        """A call was refused.

        Args:
            now: When, in seconds.
            taken: Requests per minute that were being done.
        """
        present = self.rate(now)
        # Of a rate that was used up about, the mean of a minute lags behind.
        saturated = present is not None and taken >= _SATURATED * present
        self._ceiling = present if saturated else taken if present is None else min(present, taken)
        self._since = now

    def hold(self, until: float) -> None:
        """Climb from ``until`` on, not before."""
        self._since = max(self._since, until)

    def rate(self, now: float) -> float | None:
        """Requests per minute; ``None`` when none was refused, or not for ten minutes."""
        elapsed = max(0.0, now - self._since)
        if self._ceiling is None or elapsed > _FORGOTTEN:
            return None
        away = (elapsed - _RECOVERY) / _RECOVERY
        return max(1.0, self._ceiling * (1.0 + (1.0 - _DECREASE) * away**3))
