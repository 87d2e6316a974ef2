"""What a call cost, for plugins that count: the same that the core counts."""

from __future__ import annotations

import pytest

import mediasense
from mediasense import (
    Answer,
    ImageRequest,
    InvalidAnswer,
    Provider,
    ProviderUnavailable,
    Timeout,
    Usage,
    call_cost,
)
from mediasense.ledger import Ledger
from mediasense.prices import KeptPrices

OPENAI = Provider(name="openai", description="", base_url="https://api.openai.com/v1")
USED = Usage(input_tokens=1_000_000, output_tokens=0)


@pytest.fixture
def request_(image):
    return ImageRequest(provider=OPENAI, model="gpt-4o", images=(image,), prompt="what?")


def answer(**changes) -> Answer:
    return Answer(**{"text": "a cat", "model": "gpt-4o", "usage": USED, **changes})


def test_what_the_service_says_counts(request_):
    assert call_cost(request_, answer(cost=0.25)) == 0.25


def test_else_what_the_price_list_says_of_the_usage(request_):
    assert call_cost(request_, answer()) == pytest.approx(2.5)


@pytest.mark.parametrize("said", [answer(), answer(cost=0.1), answer(usage=None)])
def test_it_is_what_the_core_fills_in(request_, said):
    ledger = Ledger(KeptPrices())
    with ledger.paying(request_) as entry:
        assert entry.answered(said).cost == call_cost(request_, said)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), 1e9, True])
def test_a_cost_that_is_none_is_not_believed(request_, cost):
    assert call_cost(request_, answer(cost=cost, usage=None)) is None


def test_of_a_model_that_nobody_knows_it_is_unknown(request_):
    import dataclasses

    unknown = dataclasses.replace(request_, model="acme-eye")
    assert call_cost(unknown, answer(model="acme-eye")) is None


def test_a_failure_that_was_billed_cost_what_was_billed(request_):
    assert call_cost(request_, InvalidAnswer("no", cost=0.5)) == 0.5
    assert call_cost(request_, InvalidAnswer("no", usage=USED)) == pytest.approx(2.5)


def test_a_failure_that_was_not_cost_nothing(request_):
    assert call_cost(request_, ProviderUnavailable("no")) == 0.0


def test_of_an_answer_that_did_not_come_in_time_nobody_knows(request_):
    assert call_cost(request_, Timeout("no")) is None


def test_the_failure_of_another_call_cost_nothing_again(request_):
    import copy

    assert call_cost(request_, copy.copy(InvalidAnswer("no", cost=0.5))) == 0.0
    assert call_cost(request_, copy.copy(Timeout("no"))) == 0.0


def test_it_is_public():
    assert "call_cost" in mediasense.__all__
