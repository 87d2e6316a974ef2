"""What calls cost, and the limit of it: never passed, and honest about what is not known."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    Answer,
    AudioRequest,
    Media,
    Provider,
    TextRequest,
    Usage,
    UsageError,
    VideoRequest,
)
from mediasense.budget import Budget, Room
from mediasense.errors import (
    BudgetExceeded,
    ConnectionFailed,
    ContentBlocked,
    InvalidAnswer,
    ProviderError,
    RequestTooLarge,
    Timeout,
)
from mediasense.ledger import Ledger, Spent
from mediasense.planning.prices import NO_PRICES
from mediasense.prices import KeptPrices

ACME = Provider(name="acme", description="d", base_url="https://api.acme.example/v1")
OPENAI = Provider(
    name="openai",
    description="d",
    base_url="https://api.openai.com/v1",
    hosts=("api.openai.com",),
)
PATIENCE = 20.0


def ask(provider: Provider = ACME, model: str | None = "eye", **fields) -> TextRequest:
    return TextRequest(provider=provider, model=model, prompt="why?", **fields)


def said(cost: float | None = None, **fields) -> Answer:
    return Answer(text="because", model=fields.pop("model", "eye-1"), cost=cost, **fields)


@dataclass
class Flat:
    """A price list on which a call could cost ``most``, and what was counted costs ``each``."""

    most: float | None = 1.0
    each: float | None = None
    asked: list = field(default_factory=list)

    def price(self, *_args, **_more):
        raise AssertionError("plans ask for this, and calls do not")

    def charge(self, provider, model, usage, *, asked=None, with_sound=False):
        self.asked.append((provider, model, usage, asked, with_sound))
        return self.most if asked is None else self.each


@dataclass
class Writing:
    """A price list that has a price of its own for what is written into a cache."""

    plain: float
    written: float | None

    def price(self, *_args, **_more):
        raise AssertionError("plans ask for this, and calls do not")

    def charge(self, _provider, _model, usage, **_more):
        return self.plain if usage.cache_write_tokens is None else self.written


def spend(ledger: Ledger, cost: float | None, request: TextRequest | None = None) -> Answer:
    with ledger.paying(request or ask()) as entry:
        return entry.answered(said(cost))


# --- what is counted -----------------------------------------------------------------------------


def test_what_the_service_says_it_charged_comes_first():
    ledger = Ledger(Flat(each=0.5))
    assert spend(ledger, 0.25).cost == 0.25
    assert ledger.spent == Spent(calls=1, cost=0.25)


def test_where_it_says_nothing_the_price_list_does():
    usage = Usage(input_tokens=9, output_tokens=3)
    prices = Flat(each=0.5)
    ledger = Ledger(prices)
    with ledger.paying(ask()) as entry:
        answer = entry.answered(said(usage=usage))
    assert answer.cost == 0.5
    assert prices.asked == [(ACME, "eye-1", usage, "eye", False)]
    assert ledger.spent == Spent(calls=1, cost=0.5, input_tokens=9, output_tokens=3)


def test_an_unknown_cost_is_unknown_and_not_zero():
    ledger = Ledger(Flat(each=None))
    assert spend(ledger, None).cost is None
    assert ledger.spent == Spent(calls=1, unpriced=1)


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf, 1e300, 10**400, True, "0.1", [0.1]])
def test_a_cost_that_cannot_be_is_not_believed(cost):
    ledger = Ledger(Flat(each=0.5))
    assert spend(ledger, cost).cost == 0.5
    assert ledger.spent.cost == 0.5


@pytest.mark.parametrize("tokens", [-1, 10**30, 1.5, math.nan, "7", None])
def test_a_count_that_cannot_be_is_not_added_up(tokens):
    ledger = Ledger(Flat(each=0.5))
    for counted in (tokens, 3):
        with ledger.paying(ask()) as entry:
            entry.answered(said(usage=Usage(input_tokens=counted, output_tokens=counted)))
    assert ledger.spent == Spent(calls=2, cost=1.0, input_tokens=3, output_tokens=3)


def test_what_was_spent_is_told_by_provider():
    ledger = Ledger(Flat())
    other = Provider(name="other", description="d")
    spend(ledger, 0.25)
    spend(ledger, 0.5)
    spend(ledger, 2.0, ask(other))
    assert ledger.spent_by() == {"acme": Spent(calls=2, cost=0.75), "other": Spent(calls=1, cost=2)}
    assert ledger.spent == Spent(calls=3, cost=2.75)


def test_an_answer_stays_what_it_was():
    answer = said(0.25, usage=Usage(seconds=3.0), warnings=("w",))
    with Ledger(Flat()).paying(ask()) as entry:
        assert entry.answered(answer) == answer


def test_a_call_at_another_address_has_the_prices_of_that_address():
    prices = Flat()
    url = "https://proxy.acme.example"
    spend(Ledger(prices), None, ask(OPENAI, access=Access(base_url=url)))
    provider = prices.asked[0][0]
    assert (provider.base_url, provider.hosts) == (url, ())
    proxied = ask(OPENAI, "gpt-4o", access=Access(base_url=url))
    with Ledger(KeptPrices()).paying(proxied) as entry:
        told = said(model="gpt-4o", usage=Usage(input_tokens=1, output_tokens=1))
        assert entry.answered(told).cost is None


def test_the_price_list_is_told_when_sound_was_sent():
    sound = Media(modality="audio", mime_type="audio/wav", data=b"", seconds=1.0)
    film = Media(modality="video", mime_type="video/mp4", data=b"", seconds=1.0, has_sound=True)
    silent = Media(modality="video", mime_type="video/mp4", data=b"", seconds=1.0, has_sound=False)
    prices = Flat()
    for request in (
        AudioRequest(provider=ACME, model="ear", audio=sound),
        VideoRequest(provider=ACME, model="eye", video=film),
        VideoRequest(provider=ACME, model="eye", video=silent),
        ask(),
    ):
        spend(Ledger(prices), None, request)
    assert [with_sound for *_, with_sound in prices.asked] == [True, True, False, False]


# --- what fails, and was billed ------------------------------------------------------------------

BILLED = Usage(input_tokens=9, output_tokens=3)


def fail(ledger: Ledger, error: BaseException, request: TextRequest | None = None) -> None:
    """Make a call that fails in that way."""
    with pytest.raises(type(error)) as caught, ledger.paying(request or ask()):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("kind", [InvalidAnswer, ContentBlocked, RequestTooLarge])
def test_a_failure_that_was_billed_is_counted_like_an_answer(kind):
    prices = Flat(each=0.5)
    ledger = Ledger(prices)
    fail(ledger, kind("no", usage=BILLED, model="eye-1"))
    assert prices.asked == [(ACME, "eye-1", BILLED, "eye", False)]
    assert ledger.spent == Spent(calls=1, cost=0.5, input_tokens=9, output_tokens=3)


def test_what_the_service_says_a_failure_cost_comes_first():
    ledger = Ledger(Flat(each=0.5))
    fail(ledger, InvalidAnswer("no", usage=BILLED, cost=0.25))
    assert ledger.spent == Spent(calls=1, cost=0.25, input_tokens=9, output_tokens=3)


def test_a_failure_may_tell_its_cost_and_no_counts():
    ledger = Ledger(Flat())
    fail(ledger, InvalidAnswer("no", cost=0.25))
    assert ledger.spent == Spent(calls=1, cost=0.25)


def test_the_model_of_a_billed_failure_is_the_one_asked_where_it_names_none():
    prices = Flat(each=0.5)
    fail(Ledger(prices), InvalidAnswer("no", usage=BILLED))
    assert [model for _, model, *_ in prices.asked] == ["eye"]


def test_a_billed_failure_leaves_no_room_for_the_next_call():
    budget = Budget(0.15)
    ledger = Ledger(Flat(most=0.1, each=0.1), budget)
    fail(ledger, InvalidAnswer("no", usage=BILLED, model="eye-1"))
    assert (budget.reserved, budget.spent) == (0.0, 0.1)
    with pytest.raises(BudgetExceeded, match=r"\$0\.1000 of --max-cost 0\.15 are spent"):
        spend(ledger, 0.1)


def test_a_billed_failure_of_unknown_cost_uses_up_what_it_could_have_cost():
    budget = Budget(1.0)
    ledger = Ledger(Flat(most=0.1, each=None), budget)
    fail(ledger, InvalidAnswer("no", usage=BILLED))
    assert (budget.reserved, budget.spent) == (0.0, 0.1)
    assert ledger.spent == Spent(calls=1, unpriced=1, input_tokens=9, output_tokens=3)


@pytest.mark.parametrize("usage", [None, Usage(), "9 tokens"])
@pytest.mark.parametrize("kind", [InvalidAnswer, ContentBlocked, ConnectionFailed, RequestTooLarge])
def test_a_failure_that_counted_nothing_costs_nothing(kind, usage):
    budget = Budget(1.0)
    ledger = Ledger(Flat(), budget)
    fail(ledger, kind("no", usage=usage))
    assert (budget.reserved, budget.spent, ledger.spent) == (0.0, 0.0, Spent())


def test_a_call_that_is_not_answered_in_time_may_have_cost_all_it_could():
    budget = Budget(1.0)
    ledger = Ledger(Flat(most=0.75), budget)
    fail(ledger, Timeout("late"))
    assert (budget.reserved, budget.spent, ledger.spent) == (0.0, 0.75, Spent())
    assert ledger.owed == 0.75


@pytest.mark.parametrize("error", [Timeout("late"), InvalidAnswer("no", usage=BILLED, cost=0.5)])
def test_the_failure_of_another_call_is_not_paid_again(error):
    """While a service is down, calls that are not made get copies of its last failure."""
    budget = Budget(1.0)
    ledger = Ledger(Flat(), budget)
    fail(ledger, copy.copy(error))
    assert (budget.reserved, budget.spent, ledger.spent) == (0.0, 0.0, Spent())


def test_a_failure_after_an_answer_is_not_counted_beside_it():
    budget = Budget(1.0)
    ledger = Ledger(Flat(), budget)

    def answer_and_fail() -> None:
        with ledger.paying(ask()) as entry:
            entry.answered(said(0.25))
            raise InvalidAnswer("no", usage=BILLED, cost=0.25)

    with pytest.raises(InvalidAnswer):
        answer_and_fail()
    assert (budget.spent, ledger.spent) == (0.25, Spent(calls=1, cost=0.25))


def test_a_copy_of_a_failure_tells_what_it_tells():
    error = RequestTooLarge("big", hint="cut", status=413, usage=BILLED, refusal="size")
    error.others = (ProviderError("b"),)
    twin = copy.copy(error)
    assert type(twin) is RequestTooLarge
    assert (str(twin), twin.args) == (str(error), error.args)
    assert vars(twin) == {**vars(error), "repeated": True}
    assert not error.repeated


# --- the limit -----------------------------------------------------------------------------------


def test_the_call_that_could_pass_the_limit_is_not_made():
    ledger = Ledger(Flat(most=0.1), Budget(0.35))
    for _ in range(3):
        spend(ledger, 0.1)
    with pytest.raises(BudgetExceeded) as caught, ledger.paying(ask()):
        pytest.fail("it was made")
    assert caught.value.message == (
        "the next call to acme eye could cost up to $0.1000, "
        "and $0.3000 of --max-cost 0.35 are spent"
    )
    assert "raise --max-cost" in caught.value.hint
    assert ledger.spent.calls == 3


def test_a_limit_may_be_reached_to_the_cent():
    ledger = Ledger(Flat(most=0.1), Budget(0.3))
    for _ in range(3):
        spend(ledger, 0.1)
    assert ledger.spent.calls == 3


def test_small_amounts_are_told_too():
    with pytest.raises(BudgetExceeded, match=r"\$0\.00001200"):
        spend(Ledger(Flat(most=0.000012), Budget(0.00001)), 0.0)


def test_what_was_spent_before_counts():
    ledger = Ledger(Flat(most=0.1), Budget(1.0, spent=0.95))
    with pytest.raises(BudgetExceeded, match=r"\$0\.9500 of --max-cost 1 are spent"):
        spend(ledger, 0.1)
    assert ledger.spent == Spent()


def test_with_an_unknown_price_a_limit_cannot_be_kept():
    ledger = Ledger(NO_PRICES, Budget(5.0))
    with pytest.raises(BudgetExceeded, match="what acme eye costs is not known") as caught:
        spend(ledger, 0.1)
    assert "leave out --max-cost" in caught.value.hint
    with pytest.raises(BudgetExceeded, match="what acme costs is not known"):
        spend(ledger, 0.1, ask(model=None))


def test_without_a_limit_nothing_is_estimated():
    prices = Flat()
    with Ledger(prices).paying(ask()):
        pass
    assert prices.asked == []


def test_what_costs_nothing_passes_no_limit():
    free = Provider(name="here", description="d", kind="device")
    ledger = Ledger(KeptPrices(), Budget(1.0, spent=2.0))
    assert spend(ledger, None, ask(free)).cost == 0.0
    assert spend(Ledger(KeptPrices(), Budget(0.0)), None, ask(free)).cost == 0.0


def test_a_limit_of_nothing_pays_for_nothing():
    with pytest.raises(BudgetExceeded):
        spend(Ledger(KeptPrices(), Budget(0.0)), None, ask(OPENAI, "gpt-4o"))


def test_a_call_that_costs_more_than_it_could_is_counted_and_ends_it():
    ledger = Ledger(Flat(most=0.1), Budget(1.0))
    spend(ledger, 3.0)
    assert ledger.spent.cost == 3.0
    with pytest.raises(BudgetExceeded, match=r"\$3\.0000 of --max-cost 1 are spent"):
        spend(ledger, 0.1)


def test_an_answer_whose_cost_is_unknown_uses_up_what_it_could_have_cost():
    budget = Budget(0.25)
    ledger = Ledger(Flat(most=0.1, each=None), budget)
    spend(ledger, None)
    spend(ledger, None)
    assert budget.spent == pytest.approx(0.2)
    assert ledger.spent == Spent(calls=2, unpriced=2)
    with pytest.raises(BudgetExceeded):
        spend(ledger, None)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_call_that_fails_gives_its_money_back(failure):
    budget = Budget(1.0)
    reserved = []

    def fail() -> None:
        with Ledger(Flat(), budget).paying(ask()):
            reserved.append(budget.reserved)
            raise failure

    with pytest.raises(failure):
        fail()
    assert reserved == [1.0]
    assert (budget.reserved, budget.spent) == (0.0, 0.0)


def test_what_fails_after_its_answer_was_paid():
    budget = Budget(1.0)

    def fail() -> None:
        with Ledger(Flat(), budget).paying(ask()) as entry:
            entry.answered(said(0.25))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (budget.reserved, budget.spent) == (0.0, 0.25)


@pytest.mark.parametrize("limit", [-1.0, math.nan, math.inf])
def test_a_limit_that_is_no_amount_is_refused(limit):
    with pytest.raises(UsageError, match="--max-cost"):
        Budget(limit)


def test_known_models_are_held_to_a_limit_by_their_real_prices():
    """A million tokens of answer of gpt-4o are 10 dollars (openai.com/api/pricing, 2025)."""
    request = ask(OPENAI, "gpt-4o", max_output_tokens=100_000)
    spend(Ledger(KeptPrices(), Budget(1.01)), 0.5, request)
    with pytest.raises(BudgetExceeded, match=r"openai gpt-4o could cost up to \$1\.00"):
        spend(Ledger(KeptPrices(), Budget(0.99)), 0.5, request)


# --- many at once --------------------------------------------------------------------------------


def test_what_is_sent_may_be_written_into_a_cache_that_costs_more():
    with pytest.raises(BudgetExceeded, match=r"could cost up to \$1\.2500"):
        spend(Ledger(Writing(plain=1.0, written=1.25), Budget(1.2)), 0.0)


@pytest.mark.parametrize("written", [None, 0.0, 0.5])
def test_the_limit_holds_where_a_cache_is_cheap_or_has_no_price(written):
    with pytest.raises(BudgetExceeded, match=r"could cost up to \$1\.0000"):
        spend(Ledger(Writing(plain=1.0, written=written), Budget(0.9)), 0.0)


def test_known_models_are_held_to_what_their_caches_cost():
    request = ask(OPENAI, "gpt-6-luna", max_output_tokens=1)
    request = replace(request, prompt="x" * 3_000_000)
    with pytest.raises(BudgetExceeded, match=r"could cost up to \$0\.25"):
        spend(Ledger(KeptPrices(), Budget(0.24)), 0.0, request)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call gives or raises, all of them under way together."""
    results: list[object] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            results[index] = calls[index]()
        except Exception as error:  # noqa: BLE001
            results[index] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it waits forever"
    return results


class Watched(Budget):
    """A budget that tells when somebody has to wait."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.waiting = threading.Event()

    def reserve(self, estimate: float, patience: float = 0.0) -> Room:
        room = super().reserve(estimate)
        if room != "wait":
            return room
        self.waiting.set()
        return super().reserve(estimate, patience)


def test_a_call_waits_for_others_and_goes_on_when_they_were_cheap():
    budget = Watched(1.0)
    ledger = Ledger(Flat(most=0.75), budget)

    def first() -> Answer:
        with ledger.paying(ask()) as entry:
            assert budget.waiting.wait(PATIENCE)
            return entry.answered(said(0.25))

    def second() -> Answer:
        while budget.reserved == 0:
            threading.Event().wait(0.001)
        return spend(ledger, 0.5)

    assert [answer.cost for answer in at_once(first, second)] == [0.25, 0.5]
    assert (budget.reserved, budget.spent) == (0.0, 0.75)


def test_a_call_that_waited_is_refused_when_the_others_were_dear():
    budget = Watched(1.0)
    ledger = Ledger(Flat(most=0.75), budget)

    def first() -> Answer:
        with ledger.paying(ask()) as entry:
            assert budget.waiting.wait(PATIENCE)
            return entry.answered(said(0.5))

    def second() -> Answer:
        while budget.reserved == 0:
            threading.Event().wait(0.001)
        return spend(ledger, 0.5)

    answered, refused = at_once(first, second)
    assert answered.cost == 0.5
    assert isinstance(refused, BudgetExceeded)
    assert (budget.reserved, budget.spent) == (0.0, 0.5)


def test_who_waits_is_woken_as_soon_as_another_settles():
    budget = Watched(1.0)
    assert budget.reserve(0.75) == "held"

    def settle() -> None:
        assert budget.waiting.wait(PATIENCE)
        budget.settle(0.75, 0.25)

    # Far longer than it is waited for.
    assert at_once(lambda: budget.reserve(0.5, 10 * PATIENCE), settle)[0] == "held"


@settings(deadline=None, max_examples=30)
@given(
    limit=st.integers(0, 2000),
    calls=st.lists(
        st.tuples(st.integers(0, 500), st.floats(0, 1), st.booleans()), min_size=1, max_size=40
    ),
    ledgers=st.integers(1, 3),
)
def test_a_shared_limit_is_never_passed_and_nothing_stays_reserved(limit, calls, ledgers):
    """Where no call costs more than it could."""
    limit = limit / 1000
    budget = Budget(limit)
    over: list[float] = []

    def one(number: int, most: float, cost: float, fails: bool) -> Callable[[], object]:
        ledger = books[number % ledgers]

        def call() -> None:
            request = ask(model=f"{most}")
            with ledger.paying(request) as entry:
                if budget.spent + budget.reserved > limit + 2e-12:
                    over.append(budget.spent + budget.reserved)
                if fails:
                    raise RuntimeError
                entry.answered(said(most * cost))

        return call

    class ByName(Flat):
        def charge(self, _provider, model, _usage, **_more):
            return float(model)

    books = [Ledger(ByName(), budget) for _ in range(ledgers)]
    at_once(*(one(n, most / 1000, cost, fails) for n, (most, cost, fails) in enumerate(calls)))
    assert over == []
    assert budget.reserved == 0.0
    assert budget.spent <= limit
    assert sum(book.spent.cost for book in books) == pytest.approx(budget.spent, abs=1e-9)


def test_the_limit_does_not_stop_too_early():
    """64 at once, each put aside at ten times what it costs: all the same 90 of 100 are made."""
    budget = Budget(1.0)
    ledger = Ledger(Flat(most=0.1), budget)
    results = at_once(*[lambda: spend(ledger, 0.01)] * 64, *[lambda: spend(ledger, 0.01)] * 64)
    made = [result for result in results if isinstance(result, Answer)]
    refused = [result for result in results if isinstance(result, BudgetExceeded)]
    assert len(made) == 91
    assert len(refused) == 37
    assert budget.spent == pytest.approx(0.91)


def test_another_keeper_of_the_limit_may_be_given():
    """One that lives elsewhere: it only ever sees plain numbers, and never waits itself."""

    class Elsewhere:
        limit = 1.0
        spent = 0.0

        def __init__(self):
            self.told: list[tuple] = []
            self.rooms: list[Room] = ["wait", "wait", "held", "none"]

        def reserve(self, estimate, _patience=0.0):
            self.told.append(("reserve", estimate))
            return self.rooms.pop(0)

        def settle(self, reserved, cost):
            self.told.append(("settle", reserved, cost))

    purse = Elsewhere()
    ledger = Ledger(Flat(most=0.5), purse)
    spend(ledger, 0.25)
    with pytest.raises(BudgetExceeded):
        spend(ledger, 0.25)
    assert purse.told == [("reserve", 0.5)] * 3 + [("settle", 0.5, 0.25), ("reserve", 0.5)]
