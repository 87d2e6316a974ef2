"""What the calls of a session may cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mediasense import (
    AuthenticationError,
    BudgetExceeded,
    ConfigError,
    ConnectionFailed,
    Forbidden,
    MediaError,
    MediasenseError,
    MissingCredentials,
    PluginError,
    RateLimited,
    RequestRejected,
    UnknownProvider,
    UnsafeEndpoint,
    UnsupportedModality,
    UsageError,
)

_UNBILLED = (
    AuthenticationError,
    BudgetExceeded,
    ConfigError,
    ConnectionFailed,
    Forbidden,
    MediaError,
    MissingCredentials,
    PluginError,
    RateLimited,
    RequestRejected,
    UnknownProvider,
    UnsafeEndpoint,
    UnsupportedModality,
    UsageError,
)
"""Failures for which no service charges; calls that were made before them are another matter."""


@dataclass(slots=True)
class Held:
    """Money put aside for one call.

    Attributes:
        limit: US dollars that the call may come to; ``None`` for no limit.
        cost: US dollars that it came to, once that is known.
    """

    limit: float | None
    cost: float | None = None


class Purse:
    """A limit of cost for each call, and one for all calls of a session together.

    Nobody may ever say what a call that failed or was cancelled has cost. So it counts as what it
    was allowed, unless it failed in a way for which no service charges; then it counts as what the
    calls before came to, such as those about earlier parts of a video.

    Args:
        each: US dollars; ``None`` for no limit.
        total: US dollars; ``None`` for no limit. It needs ``each``.
    """

    def __init__(self, each: float | None = None, total: float | None = None) -> None:
        if total is not None and each is None:
            raise ValueError("a limit for all calls needs a limit for each")
        self._each = each
        self._total = total
        self._spent = 0.0
        self._held = 0.0
        self._settled = asyncio.Event()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[Held]:
        """Put money aside while a call is made; it waits where others hold what is left.

        Raises:
            BudgetExceeded: The session has spent what it may.
        """
        if self._total is None or self._each is None:
            yield Held(self._each)
            return
        limit = await self._reserved(self._each, self._total)
        held, paid = Held(limit), limit
        try:
            yield held
            paid = limit if held.cost is None else held.cost
        except MediasenseError as error:
            paid = _cost_of(error, limit)
            raise
        finally:
            self._settle(limit, paid)

    async def _reserved(self, each: float, total: float) -> float:
        while (left := total - self._spent) > 0:
            limit = min(each, left)
            if self._held + limit <= left:
                self._held += limit
                return limit
            await self._settled.wait()
        raise BudgetExceeded(
            f"${self._spent:.4f} of the ${total:g} that this session may cost are spent, or set "
            "aside for calls whose cost nobody told",
            hint="the user may start the server anew with a higher --max-cost-total",
        )

    def _settle(self, limit: float, paid: float) -> None:
        self._held = max(0.0, self._held - limit)
        self._spent += paid
        self._settled.set()
        self._settled = asyncio.Event()


def _cost_of(error: MediasenseError, limit: float) -> float:
    """US dollars that a call which failed may have come to."""
    ended = (error, *error.others)
    if error.spent is None or not all(isinstance(one, _UNBILLED) for one in ended):
        return limit
    return min(error.spent, limit)
