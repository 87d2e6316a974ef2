"""Prices: from the list that others keep; what is not known is never free."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Provider, Usage
from mediasense.planning.prices import NO_PRICES
from mediasense.prices import KeptPrices

OPENAI = "https://api.openai.com/v1"
GROQ = "https://api.groq.com/openai/v1"
GOOGLE = "https://generativelanguage.googleapis.com"
MISTRAL = "https://api.mistral.ai/v1"
HERE = "http://localhost:11434/v1"


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
    counted = Usage(input_tokens=1, output_tokens=1)
    assert NO_PRICES.charge(at(OPENAI), "gpt-4o", counted) is None


def test_nothing_is_asked_over_the_network(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert tokens(at(OPENAI), "gpt-4o") is not None


def test_the_list_is_not_loaded_before_a_price_is_asked_for():
    code = "import sys, mediasense.prices; print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- what a service says it counted --------------------------------------------------------------


def charge(url: str, model: str | None, asked: str | None = None, **counts) -> float | None:
    sound = counts.pop("with_sound", False)
    return KeptPrices().charge(at(url), model, Usage(**counts), asked=asked, with_sound=sound)


def unit(url: str, model: str, key: str) -> float:
    """Dollars of one token, or of one second, from the library's own table."""
    _, found = get_snapshot().find_provider_model(model, None, None, url)
    prices = calc_price(Counted(input_tokens=1), model, provider_api_url=url).model_price
    price = getattr(prices, key)
    assert found is not None
    return float(getattr(price, "base", price)) / (3600 if key.endswith("hours") else 1_000_000)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI, "gpt-4o"),
        (OPENAI, "gpt-6-luna"),
        (GOOGLE, "gemini-2.5-flash"),
        (MISTRAL, "mistral-small-latest"),
    ],
)
def test_tokens_in_and_out_are_paid_for(url, model):
    said = charge(url, model, input_tokens=1000, output_tokens=200, reasoning_tokens=150)
    wanted = 1000 * unit(url, model, "input_mtok") + 200 * unit(url, model, "output_mtok")
    assert said == pytest.approx(wanted)


def test_cached_tokens_have_their_own_price():
    said = charge(OPENAI, "gpt-4o", input_tokens=1000, output_tokens=0, cached_tokens=400)
    plain, cached = unit(OPENAI, "gpt-4o", "input_mtok"), unit(OPENAI, "gpt-4o", "cache_read_mtok")
    assert said == pytest.approx(600 * plain + 400 * cached)
    assert said < charge(OPENAI, "gpt-4o", input_tokens=1000, output_tokens=0)


def test_tokens_that_are_written_into_a_cache_have_their_own_price():
    model = "gpt-6-luna"
    counts = {"input_tokens": 1000, "output_tokens": 0, "cached_tokens": 300}
    said = charge(OPENAI, model, **counts, cache_write_tokens=500)
    wanted = (
        200 * unit(OPENAI, model, "input_mtok")
        + 300 * unit(OPENAI, model, "cache_read_mtok")
        + 500 * unit(OPENAI, model, "cache_write_mtok")
    )
    assert said == pytest.approx(wanted)
    assert said > charge(OPENAI, model, **counts)


def test_where_writing_into_a_cache_has_no_price_it_costs_nothing_more():
    counts = {"input_tokens": 1000, "output_tokens": 0}
    plain = charge(OPENAI, "gpt-4o", **counts)
    assert charge(OPENAI, "gpt-4o", **counts, cache_write_tokens=500) == plain


def test_more_read_and_written_than_there_was_has_an_unknown_price():
    counts = {"input_tokens": 1000, "output_tokens": 0, "cached_tokens": 600}
    assert charge(OPENAI, "gpt-6-luna", **counts, cache_write_tokens=600) is None


def test_sound_has_its_own_price():
    said = charge(GOOGLE, "gemini-2.5-flash", input_tokens=1000, output_tokens=0, audio_tokens=300)
    plain = unit(GOOGLE, "gemini-2.5-flash", "input_mtok")
    sound = unit(GOOGLE, "gemini-2.5-flash", "input_audio_mtok")
    assert said == pytest.approx(700 * plain + 300 * sound)
    assert sound > plain


@pytest.mark.parametrize(("cached", "both"), [(700, 0), (900, 200), (1000, 300)])
def test_as_little_sound_as_possible_is_taken_for_cached(cached, both):
    model = "gemini-2.5-flash"
    said = charge(
        GOOGLE, model, input_tokens=1000, output_tokens=0, audio_tokens=300, cached_tokens=cached
    )
    wanted = (
        (700 - (cached - both)) * unit(GOOGLE, model, "input_mtok")
        + (cached - both) * unit(GOOGLE, model, "cache_read_mtok")
        + (300 - both) * unit(GOOGLE, model, "input_audio_mtok")
        + both * unit(GOOGLE, model, "cache_audio_read_mtok")
    )
    assert said == pytest.approx(wanted)


def test_what_is_cheaper_than_sound_is_taken_for_cached_first():
    model = "gpt-realtime"
    counts = {"input_tokens": 1000, "output_tokens": 0, "image_tokens": 100, "audio_tokens": 100}
    wanted = (
        800 * unit(OPENAI, model, "cache_read_mtok")
        + 50 * unit(OPENAI, model, "cache_image_read_mtok")
        + 50 * unit(OPENAI, model, "input_image_mtok")
        + 100 * unit(OPENAI, model, "input_audio_mtok")
    )
    assert charge(OPENAI, model, **counts, cached_tokens=850) == pytest.approx(wanted)


def test_sound_that_the_service_does_not_tell_apart_has_an_unknown_price():
    tokens = {"input_tokens": 1000, "output_tokens": 0}
    assert charge(GOOGLE, "gemini-2.5-flash", **tokens, with_sound=True) is None
    assert charge(GOOGLE, "gemini-2.5-flash", **tokens, video_tokens=900, with_sound=True) > 0
    assert charge(OPENAI, "gpt-4o", **tokens, with_sound=True) > 0


def test_seconds_of_speech_are_paid_for():
    said = charge(OPENAI, "whisper-1", seconds=90.0)
    assert said == pytest.approx(90 * unit(OPENAI, "whisper-1", "audio_hours"))


def test_what_is_paid_by_time_is_not_paid_for_by_token_as_well():
    told = charge(MISTRAL, "voxtral-mini-latest", seconds=60.0, input_tokens=9, output_tokens=9)
    assert told == charge(MISTRAL, "voxtral-mini-latest", seconds=60.0)


def test_what_is_paid_by_time_and_by_token_needs_both():
    tokens = {"input_tokens": 9, "output_tokens": 9}
    assert charge(MISTRAL, "voxtral-small-latest", **tokens) is None
    assert charge(MISTRAL, "voxtral-small-latest", seconds=60.0) is None
    assert charge(MISTRAL, "voxtral-small-latest", seconds=60.0, **tokens) > 0


def test_a_price_for_every_request_counts():
    model, url = "sonar-pro", "https://api.perplexity.ai"
    said = charge(url, model, input_tokens=0, output_tokens=0)
    prices = calc_price(Counted(input_tokens=0), model, provider_api_url=url).model_price
    assert said == pytest.approx(float(prices.requests_kcount) / 1000)


@pytest.mark.parametrize(
    ("url", "model", "counts"),
    [
        (OPENAI, "gpt-4o", {}),
        (OPENAI, "gpt-4o", {"input_tokens": 5}),
        (OPENAI, "gpt-4o", {"output_tokens": 5}),
        (OPENAI, "gpt-4o", {"seconds": 5.0}),
        (OPENAI, "whisper-1", {"input_tokens": 5, "output_tokens": 5}),
        # Embeddings have no price for an answer.
        (OPENAI, "text-embedding-3-small", {"input_tokens": 5, "output_tokens": 5}),
        # Pictures made, letters spoken, pages read, searches made: nobody counted them.
        (OPENAI, "tts-1", {"input_tokens": 5, "output_tokens": 5}),
        (MISTRAL, "mistral-ocr-latest", {"input_tokens": 5, "output_tokens": 5}),
        (
            "https://api.perplexity.ai",
            "sonar-deep-research",
            {"input_tokens": 5, "output_tokens": 5},
        ),
        # Listed, and without any price.
        (
            "https://openrouter.ai/api/v1",
            "google/gemma-3-27b-it:free",
            {"input_tokens": 5, "output_tokens": 5},
        ),
    ],
)
def test_a_count_without_a_price_is_unknown_and_not_free(url, model, counts):
    assert charge(url, model, **counts) is None


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 10, "output_tokens": 1, "cached_tokens": 11},
        {"input_tokens": -10, "output_tokens": 1},
        {"input_tokens": float("nan"), "output_tokens": 1},
        {"input_tokens": float("inf"), "output_tokens": 1},
        {"input_tokens": 10**400, "output_tokens": 1},
    ],
)
def test_counts_that_cannot_be_are_unknown(counts):
    assert charge(OPENAI, "gpt-4o", **counts) is None


def test_without_usage_the_cost_is_unknown():
    assert KeptPrices().charge(at(OPENAI), "gpt-4o", None) is None


@pytest.mark.parametrize(
    ("url", "answered", "listed"),
    [
        (OPENAI, "gpt-4o-2024-08-06", "gpt-4o"),
        (OPENAI, "gpt-4o-2024-08-06".upper(), "gpt-4o"),
        (GOOGLE, "models/gemini-2.5-flash", "gemini-2.5-flash"),
        (GOOGLE, "publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"),
    ],
)
def test_models_are_known_as_services_name_them(url, answered, listed):
    tokens = {"input_tokens": 1000, "output_tokens": 10}
    assert charge(url, answered, **tokens) == charge(url, listed, **tokens) is not None


def test_a_path_that_the_list_knows_stays_a_path():
    url, model = "https://api.fireworks.ai/inference/v1", "accounts/fireworks/models/glm-5p3-flash"
    said = charge(url, model, input_tokens=1000, output_tokens=0)
    assert said == pytest.approx(1000 * unit(url, model, "input_mtok"))


def test_a_router_is_asked_for_its_own_price_of_a_model():
    router = "https://openrouter.ai/api/v1"
    said = charge(router, "google/gemini-2.5-flash", input_tokens=1000, output_tokens=0)
    assert said == pytest.approx(1000 * unit(router, "google/gemini-2.5-flash", "input_mtok"))


def test_where_the_answering_model_is_not_known_the_asked_one_counts():
    tokens = {"input_tokens": 1000, "output_tokens": 10}
    assert charge(GOOGLE, "gemini-2.5-flash-001", **tokens) is None
    known = charge(GOOGLE, "gemini-2.5-flash-001", asked="gemini-2.5-flash", **tokens)
    assert known == charge(GOOGLE, "gemini-2.5-flash", **tokens)
    both = charge(GOOGLE, "gemini-2.5-flash", asked="gemini-2.5-flash-lite", **tokens)
    assert both == charge(GOOGLE, "gemini-2.5-flash", **tokens)


def test_a_name_that_is_no_name_is_unknown():
    assert charge(OPENAI, "gpt-4o" * 1_000_000, input_tokens=1, output_tokens=1) is None
    assert charge(OPENAI, "", input_tokens=1, output_tokens=1) is None


# --- what costs nothing --------------------------------------------------------------------------


def test_on_this_device_nothing_is_paid():
    device = at(None, kind="device")
    assert KeptPrices().charge(device, "eye", None) == 0.0
    assert KeptPrices().charge(device, None, Usage(input_tokens=5)) == 0.0
    assert tokens(device, "eye", None) == 0.0


@pytest.mark.parametrize(
    "url", [HERE, "http://127.0.0.1:8000", "http://127.8.8.8/v1", "http://[::1]:8080/v1"]
)
def test_a_server_here_that_runs_its_models_costs_nothing(url):
    server = at(url, kind="server", relayed_models=())
    assert KeptPrices().charge(server, "gemma4", None) == 0.0
    assert KeptPrices().charge(server, None, None) == 0.0


@pytest.mark.parametrize(
    "server",
    [
        at(HERE, kind="server"),
        at("http://192.168.1.5:8000/v1", kind="server", relayed_models=()),
        at("https://gpu.acme.example/v1", kind="server", relayed_models=()),
        at("http://localhost.acme.example", kind="server", relayed_models=()),
        at("http://[::1", kind="server", relayed_models=()),
        at(None, kind="server", relayed_models=()),
        at(HERE, relayed_models=()),
    ],
)
def test_what_another_server_costs_is_unknown(server):
    assert KeptPrices().charge(server, "gemma4", Usage(input_tokens=1, output_tokens=1)) is None


def test_models_that_a_server_passes_on_are_not_free():
    ollama = at(HERE, kind="server", relayed_models=("*-cloud", "*:cloud"))
    counted = Usage(input_tokens=1, output_tokens=1)
    assert KeptPrices().charge(ollama, "gemma4", counted) == 0.0
    assert KeptPrices().charge(ollama, "gpt-oss:120b-cloud", counted) is None
    assert KeptPrices().charge(ollama, "GPT-OSS:120b-Cloud", counted) is None
    assert KeptPrices().charge(ollama, "glm-5:cloud", counted) is None
    assert KeptPrices().charge(ollama, "gpt-oss:120b", counted, asked="gpt-oss:120b-cloud") is None
    assert KeptPrices().charge(ollama, None, counted) is None


# --- for every model there is --------------------------------------------------------------------

SELLERS = [
    at(url)
    for url in (
        OPENAI,
        GROQ,
        GOOGLE,
        MISTRAL,
        "https://openrouter.ai/api/v1",
        "https://api.x.ai/v1",
        "https://api.deepseek.com",
        "https://api.fireworks.ai/inference/v1",
    )
]
COUNTS = st.none() | st.integers(0, 2_000_000)


@st.composite
def sold(draw):
    provider = draw(st.sampled_from(SELLERS))
    seller = get_snapshot().find_provider(None, None, provider.base_url)
    return provider, draw(st.sampled_from(sorted(model.id for model in seller.models)))


@settings(deadline=None, max_examples=200)
@given(
    sold(),
    st.builds(
        Usage,
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cached_tokens=COUNTS,
        cache_write_tokens=COUNTS,
        audio_tokens=COUNTS,
        image_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        seconds=st.none() | st.floats(0, 1e6),
    ),
)
def test_every_cost_is_an_amount_or_unknown(seller, usage):
    provider, model = seller
    cost = KeptPrices().charge(provider, model, usage)
    assert cost is None or 0 <= cost < 1_000_000


@settings(deadline=None, max_examples=200)
@given(sold(), st.integers(0, 500_000), st.integers(0, 500_000))
def test_plain_tokens_cost_what_the_library_says(seller, into, out):
    provider, model = seller
    cost = KeptPrices().charge(provider, model, Usage(input_tokens=into, output_tokens=out))
    if cost is not None:
        said = calc_price(
            Counted(input_tokens=into, output_tokens=out),
            model,
            provider_api_url=provider.base_url,
        )
        assert Decimal(repr(cost)) == pytest.approx(said.total_price)
        assert cost > 0 or into + out == 0 or said.total_price == 0


def test_threads_may_ask_at_once():
    found: list[float | None] = []

    def ask():
        found.extend(
            charge(OPENAI, "gpt-4o", input_tokens=count, output_tokens=1) for count in range(100)
        )

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 800
    assert len(set(found)) == 100
