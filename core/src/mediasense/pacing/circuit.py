"""Whether a service is up."""

from __future__ import annotations

import math

OPENS_AFTER = 5
"""Failures in a row. One question that makes a service fail is tried five times by itself."""

LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 1.0
_PROBE_PATIENCE = 60.0
_LOOKS_AGAIN = 1.0


class Circuit:
    """Open after a few failures in a row; then one call at a time finds out, at growing distances.

    Attributes:
        open: Whether the service is taken to be down.
        failures: How many there were in a row.
        until: When the next call may find out, while it is open.
    """

    def __init__(self) -> None:
        self.open = False
        self.failures = 0
        self.until = -math.inf
        self._changed = -math.inf
        self._pause = _FIRST_PAUSE
        self._probe: float | None = None

    def wait(self, now: float) -> float:
        """Seconds before one may ask again; 0 when a call may go."""
        if not self.open:
            return 0.0
        if now < self.until:
            return self.until - now
        # The worker that was to find out may be gone: the next is let through after a while.
        if self._probe is not None and now < self._probe + _PROBE_PATIENCE:
            return _LOOKS_AGAIN
        return 0.0

    def go(self, now: float) -> None:
        """A call goes."""
        if self.open:
            self._probe = now

    def failed(self, now: float, sent: float, retry_after: float) -> None:
        """A call failed.

        Args:
            now: When.
            sent: When it had been sent. What was sent before the circuit last opened or closed
                tells nothing new: of 64 calls under way all fail at once.
            retry_after: Seconds the service asked to wait, or 0.
        """
        if sent < self._changed:
            return
        self.failures += 1
        if self.open:
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        elif self.failures >= OPENS_AFTER:
            self.open, self._changed, self._pause = True, now, _FIRST_PAUSE
        else:
            return
        self._probe = None
        self.until = now + max(self._pause, retry_after)

    def unknown(self, sent: float) -> None:
        """A call ended and told nothing of the service: the next one may find out."""
        if sent >= self._changed:
            self._probe = None

    def answered(self, now: float) -> None:
        """The service answered, whatever it said."""
        self.failures = 0
        if self.open:
            self.open, self._changed, self._probe = False, now, None
