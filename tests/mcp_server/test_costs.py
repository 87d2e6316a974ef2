"""What calls may cost, each and together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from mediasense import (
    AuthenticationError,
    BudgetExceeded,
    MediasenseError,
    RateLimited,
    Timeout,
)
from mediasense_mcp_server.purse import Purse

from .conftest import words


async def pay(purse: Purse, cost: float | None = None, error: BaseException | None = None):
    async with purse.holding() as held:
        if error is not None:
            raise error
        held.cost = cost
        return held.limit


def test_without_limits_there_is_none():
    assert asyncio.run(pay(Purse(), 100.0)) is None


def test_each_call_may_spend_its_limit_or_what_is_left():
    async def spend():
        purse = Purse(1.0, 1.5)
        return [await pay(purse, 0.75), await pay(purse, 0.0)]

    assert asyncio.run(spend()) == [1.0, 0.75]


def test_when_all_is_spent_no_call_is_made():
    async def spend():
        purse = Purse(1.0, 1.0)
        await pay(purse, 1.0)
        await pay(purse, 0.0)

    with pytest.raises(BudgetExceeded, match="--max-cost-total"):
        asyncio.run(spend())


@pytest.mark.parametrize(
    ("cost", "error", "left"),
    [
        (None, None, 1.0),
        (None, Timeout("no answer"), 1.0),
        (None, asyncio.CancelledError(), 1.0),
        (None, AuthenticationError("no"), 2.0),
        (None, BudgetExceeded("its price is not known"), 2.0),
        (0.5, None, 1.5),
    ],
)
def test_what_nobody_tells_the_cost_of_counts_as_what_it_could_be(cost, error, left):
    async def spend():
        purse = Purse(1.0, 2.0)
        with suppress(Timeout, AuthenticationError, BudgetExceeded, asyncio.CancelledError):
            await pay(purse, cost, error)
        for expected in (min(1.0, left), left - min(1.0, left)):
            if expected:
                assert await pay(purse, expected) == expected
        with pytest.raises(BudgetExceeded):
            await pay(purse)

    asyncio.run(spend())


def limited(*, spent: float | None, others: tuple[MediasenseError, ...] = ()) -> MediasenseError:
    error = RateLimited("too many calls")
    error.spent, error.others = spent, others
    return error


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (limited(spent=0.0), 2.0),
        (limited(spent=0.75), 1.25),
        (limited(spent=None), 1.0),
        (limited(spent=0.0, others=(Timeout("no answer"),)), 1.0),
    ],
)
def test_what_calls_came_to_before_one_that_failed_counts(error, left):
    async def spend():
        purse = Purse(1.0, 2.0)
        with suppress(RateLimited):
            await pay(purse, error=error)
        limits = [await pay(purse, 1.0)]
        if left > 1.0:
            limits.append(await pay(purse, 0.0))
        return limits

    limits = asyncio.run(spend())
    assert limits == ([1.0, left - 1.0] if left > 1.0 else [left])


def test_calls_at_once_do_not_spend_the_same_money_twice():
    async def spend():
        purse, inside = Purse(1.0, 2.0), []

        async def call():
            async with purse.holding() as held:
                inside.append(held.limit)
                await asyncio.sleep(0.01)
                assert sum(inside) <= 2.0
                held.cost = 1.0

        return await asyncio.gather(*(call() for _ in range(5)), return_exceptions=True)

    ended = asyncio.run(spend())
    assert ended.count(None) == 2
    assert sum(isinstance(one, BudgetExceeded) for one in ended) == 3


def test_a_call_of_unknown_price_is_not_made_under_a_limit(place):
    with place.agent("--max-cost", "1") as agent:
        result = agent.call("look_at_image", path="shot.png", question="?")
        assert result.is_error
        assert "is not known" in words(result)
        assert not agent.call("get_key_frames", path="clip.mp4").is_error


def test_a_limit_for_all_needs_one_for_each(place):
    process = place.start("--max-cost-total", "1")
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "add --max-cost" in told
