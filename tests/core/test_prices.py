"""Prices: from the list that others keep; what is not known is never free."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from mediasense import Provider
from mediasense.planning.prices import NO_PRICES
from mediasense.prices import KeptPrices

OPENAI = "https://api.openai.com/v1"
GROQ = "https://api.groq.com/openai/v1"


def at(url: str | None, **takes) -> Provider:
    return Provider(name="acme", description="d", base_url=url, **takes)


def tokens(provider: Provider, model: str | None, count: int | None = 1000, out: int | None = 0):
    return KeptPrices().price(provider, model, input_tokens=count, output_tokens=out, seconds=None)


def seconds(provider: Provider, model: str | None, count: float = 3600.0):
    return KeptPrices().price(provider, model, input_tokens=None, output_tokens=None, seconds=count)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI, "gpt-4o"),
        (GROQ, "llama-3.3-70b-versatile"),
        ("https://generativelanguage.googleapis.com", "gemini-2.5-flash"),
        ("https://api.mistral.ai/v1", "mistral-small-latest"),
        ("https://api.x.ai/v1", "grok-4"),
    ],
)
def test_tokens_of_a_known_model_have_a_price(url, model):
    assert 0 < tokens(at(url), model) < 1


def test_more_tokens_cost_more():
    assert tokens(at(OPENAI), "gpt-4o", 10_000) == pytest.approx(
        10 * tokens(at(OPENAI), "gpt-4o", 1000)
    )
    assert tokens(at(OPENAI), "gpt-4o", 1000, 1000) > tokens(at(OPENAI), "gpt-4o", 1000)


def test_the_price_is_in_dollars():
    """2.50 dollars for a million input tokens (openai.com/api/pricing, 2025)."""
    assert tokens(at(OPENAI), "gpt-4o", 1_000_000) == pytest.approx(2.5)


@pytest.mark.parametrize(("url", "model"), [(OPENAI, "whisper-1"), (GROQ, "whisper-large-v3")])
def test_an_hour_of_speech_has_a_price(url, model):
    hour = seconds(at(url), model)
    assert 0 < hour < 1
    assert seconds(at(url), model, 1800.0) == pytest.approx(hour / 2)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        (at(OPENAI), "no-such-model"),
        (at(OPENAI), None),
        (at("https://models.acme.example/v1"), "gpt-4o"),
        (at(None), "gpt-4o"),
        (at(OPENAI, kind="server"), "gpt-4o"),
    ],
)
def test_what_is_not_in_the_list_is_unknown(provider, model):
    assert tokens(provider, model) is None
    assert seconds(provider, model) is None


def test_tokens_of_a_model_that_is_paid_by_the_hour_are_unknown():
    assert tokens(at(OPENAI), "whisper-1") is None


def test_seconds_of_a_model_that_is_paid_by_tokens_are_unknown():
    assert seconds(at(OPENAI), "gpt-4o") is None
    assert seconds(at(OPENAI), "gpt-4o-transcribe") is None


@pytest.mark.parametrize(("count", "out"), [(None, 5), (5, None), (None, None)])
def test_an_unknown_count_has_an_unknown_price(count, out):
    assert tokens(at(OPENAI), "gpt-4o", count, out) is None


def test_a_provider_without_a_base_url_is_known_by_its_hosts():
    provider = at(None, hosts=("api.openai.com",))
    assert tokens(provider, "gpt-4o") == tokens(at(OPENAI), "gpt-4o")


def test_without_a_list_every_price_is_unknown():
    price = NO_PRICES.price(at(OPENAI), "gpt-4o", input_tokens=1, output_tokens=1, seconds=None)
    assert price is None


def test_nothing_is_asked_over_the_network(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert tokens(at(OPENAI), "gpt-4o") is not None


def test_the_list_is_not_loaded_before_a_price_is_asked_for():
    code = "import sys, mediasense.prices; print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
