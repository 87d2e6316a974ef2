"""What becomes of what a service says, as it should be and as it is."""

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mediasense_openai_compat as plugin
from mediasense import (
    Answer,
    AudioRequest,
    Connection,
    ContentBlocked,
    InvalidAnswer,
    Model,
    ModelsRequest,
    ProviderError,
    RateLimited,
    RequestRejected,
    Segment,
    ServerError,
    TextRequest,
    UnsupportedModality,
    Usage,
    UsageError,
)
from mediasense_openai_compat.answers import (
    Reply,
    read_cost,
    read_models,
    read_transcript,
    read_usage,
)

CONNECTION = Connection(provider="openai", base_url="https://api.openai.com/v1", key="sk-secret")


@pytest.fixture
def answer(ask, service):
    """``answer(body)``: what becomes of a body of the service."""

    def get(body: object, *, kind: str = "application/json", **fields: object) -> Answer:
        service(body, kind=kind)
        return plugin.generate(ask(TextRequest, prompt="why?", **fields), None)

    return get


# --- chat ----------------------------------------------------------------------------------------


def test_an_answer_is_text_model_usage_and_reason(answer, protocol):
    assert answer(protocol.completion()) == Answer(
        text="A cat.",
        model="the-model-itself",
        usage=Usage(input_tokens=9, output_tokens=3),
        finish_reason="stop",
    )


def test_text_may_come_in_parts(answer, protocol):
    """Mistral's thinking models answer so."""
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "A "}]
    body = protocol.completion(content=[*parts, {"type": "text", "text": "cat."}])
    assert answer(body).text == "A cat."


def test_the_model_is_the_one_asked_when_the_service_names_none(answer, protocol):
    body = protocol.completion()
    del body["model"]
    assert answer(body).model == "m"


def test_json_under_another_content_type_is_understood(answer, protocol):
    assert answer(protocol.completion(), kind="text/plain").text == "A cat."


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d pair", "line\u2028break", "\x1b[31mred"])
def test_any_text_survives(text, answer, protocol):
    assert answer(protocol.completion(content=text)).text == text


def test_an_answer_cut_at_its_limit_says_so(answer, protocol):
    cut = answer(protocol.completion("length"))
    assert cut.finish_reason == "length"
    assert "cut at its limit of tokens" in cut.warnings[0]


def test_an_answer_that_ended_for_another_reason_says_so(answer, protocol):
    assert "(network_error)" in answer(protocol.completion("network_error")).warnings[0]


def test_a_budget_spent_on_reasoning_is_named(answer, protocol):
    with pytest.raises(InvalidAnswer, match="on reasoning; raise --max-output-tokens"):
        answer(protocol.completion("length", content=""))


def test_a_refusal_is_an_error(answer, protocol):
    with pytest.raises(ContentBlocked, match="refused: I must not"):
        answer(protocol.completion(content=None, refusal="I must not"))


@pytest.mark.parametrize("reason", ["content_filter", "sensitive"])
def test_a_filtered_answer_is_an_error(reason, answer, protocol):
    with pytest.raises(ContentBlocked, match="filter of openai"):
        answer(protocol.completion(reason))


UNUSABLE = [
    ("length", {"content": ""}),
    ("stop", {"content": None, "refusal": "I must not"}),
    ("content_filter", {}),
    ("stop", {"content": ""}),
]


@pytest.mark.parametrize(("reason", "message"), UNUSABLE)
def test_an_unusable_answer_tells_what_was_billed(reason, message, ask, service, protocol):
    body = protocol.completion(reason, **message)
    body["usage"]["cost"] = 0.0125
    service(body)
    with pytest.raises(ProviderError) as raised:
        plugin.generate(ask(TextRequest, "openrouter", prompt="why?"), None)
    error = raised.value
    assert error.usage == Usage(input_tokens=9, output_tokens=3)
    assert (error.cost, error.model) == (0.0125, "the-model-itself")


@pytest.mark.parametrize(("reason", "message"), UNUSABLE)
def test_an_unusable_answer_without_usage_was_billed_for_nothing_known(
    reason, message, answer, protocol
):
    body = protocol.completion(reason, **message)
    del body["usage"]
    with pytest.raises(ProviderError) as raised:
        answer(body)
    assert (raised.value.usage, raised.value.cost) == (None, None)


def test_a_stream_without_text_tells_what_was_billed(ask, service, protocol):
    end = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
    body = protocol.events(protocol.chunk(None, "length"), end)
    service(body, kind="text/event-stream")
    with pytest.raises(InvalidAnswer) as raised:
        plugin.generate(ask(TextRequest, prompt="why?"), lambda _: None)
    assert raised.value.usage == Usage(input_tokens=9, output_tokens=3)


def test_a_transcription_without_a_transcript_tells_what_was_billed():
    router = Connection(provider="openrouter", base_url="https://openrouter.ai/api/v1")
    with pytest.raises(InvalidAnswer, match="no transcript") as raised:
        read_transcript({"usage": {"seconds": 9.2, "cost": 0.0005}}, router, model="m")
    error = raised.value
    assert (error.usage, error.cost, error.model) == (Usage(seconds=9.2), 0.0005, "m")


@pytest.mark.parametrize("content", ["", None, " \n", []])
def test_an_answer_without_text_is_an_error(content, answer, protocol):
    with pytest.raises(InvalidAnswer, match="without any text"):
        answer(protocol.completion(content=content))


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": None}, [], "text", 7, None, {"choices": [None]}]
)
def test_json_that_is_no_answer_is_an_error(body, answer):
    with pytest.raises(InvalidAnswer):
        answer(body)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/plain"])
def test_a_page_under_status_200_is_an_error(kind, answer):
    with pytest.raises(InvalidAnswer, match="check --base-url"):
        answer(b"<!DOCTYPE html><html>welcome</html>", kind=kind)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b'{"choices":', b"[" * 100_000, b"1" * 5000]
)
def test_broken_json_under_status_200_is_an_error(data, answer):
    with pytest.raises(InvalidAnswer):
        answer(data)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "upstream is busy", "code": 429}, RateLimited),
        ({"message": "upstream is busy", "code": "502"}, ServerError),
        ({"message": "upstream is busy"}, InvalidAnswer),
        ("upstream is busy", InvalidAnswer),
    ],
)
def test_an_error_under_status_200_is_an_error(error, expected, answer):
    with pytest.raises(expected, match="upstream is busy") as raised:
        answer({"error": error})
    assert type(raised.value) is expected


def test_an_error_inside_a_choice_is_an_error(answer, protocol):
    body = protocol.completion("error", content="")
    body["choices"][0]["error"] = {"code": 502, "message": "upstream broke"}
    with pytest.raises(ServerError, match="upstream broke"):
        answer(body)


def test_an_error_without_its_field_is_an_error(answer):
    with pytest.raises(InvalidAnswer, match="no such model"):
        answer({"object": "error", "message": "no such model"})


def test_an_error_that_repeats_the_key_does_not_show_it(answer, protocol):
    with pytest.raises(ProviderError) as raised:
        answer({"error": {"message": f"bad key {protocol.KEY}"}})
    assert protocol.KEY not in str(raised.value)


# --- usage ---------------------------------------------------------------------------------------


def test_usage_is_read_in_full():
    reported = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {
            "cached_tokens": 10,
            "cache_write_tokens": 20,
            "image_tokens": 60,
            "video_tokens": 5,
            "audio_tokens": 4,
        },
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    assert read_usage(reported) == Usage(
        input_tokens=100,
        output_tokens=50,
        reasoning_tokens=30,
        cached_tokens=10,
        cache_write_tokens=20,
        image_tokens=60,
        video_tokens=5,
        audio_tokens=4,
    )


def test_reasoning_counted_beside_the_answer_is_added_to_it():
    """As xAI does; its total tells."""
    reported = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 40,
        "completion_tokens_details": {"reasoning_tokens": 25},
    }
    assert read_usage(reported) == Usage(input_tokens=10, output_tokens=30, reasoning_tokens=25)


@pytest.mark.parametrize("reported", [None, {}, [], "many", {"prompt_tokens": None}])
def test_usage_that_is_not_reported_is_unknown(reported):
    assert read_usage(reported) is None


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"type": "duration", "seconds": 9}, Usage(seconds=9.0)),
        (
            {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 101,
                "input_token_details": {"audio_tokens": 4},
            },
            Usage(input_tokens=14, output_tokens=101, audio_tokens=4),
        ),
        (
            {"prompt_audio_seconds": 12, "prompt_tokens": 3, "completion_tokens": 9},
            Usage(input_tokens=3, output_tokens=9, seconds=12.0),
        ),
    ],
    ids=["by the second", "by the token", "mistral"],
)
def test_usage_of_transcriptions_is_read(reported, expected):
    assert read_usage(reported) == expected


# --- transcripts ---------------------------------------------------------------------------------


@pytest.fixture
def transcript(ask, service, sound):
    """``transcript(body)``: what becomes of a body of the transcription endpoint."""

    def get(body: object, *, kind: str = "application/json") -> Answer:
        service(body, kind=kind, path="/audio/transcriptions")
        return plugin.analyze_audio(ask(AudioRequest, "groq", audio=sound), None)

    return get


def test_a_transcript_has_segments_language_and_usage(transcript):
    body = {
        "text": " Hello there. ",
        "language": "english",
        "duration": 2.5,
        "segments": [
            {"id": 0, "start": 0.0, "end": 1.5, "text": " Hello", "avg_logprob": -0.2},
            {"id": 1, "start": 1.5, "end": 2.5, "text": " there.", "speaker": "A"},
        ],
        "usage": {"type": "duration", "seconds": 3},
    }
    assert transcript(body) == Answer(
        text="Hello there.",
        model="m",
        language="english",
        segments=(
            Segment(start=0.0, end=1.5, text="Hello", confidence=math.exp(-0.2)),
            Segment(start=1.5, end=2.5, text="there.", speaker="A"),
        ),
        usage=Usage(seconds=3.0),
    )


def test_the_likelihood_of_its_tokens_is_the_confidence_of_a_segment(transcript):
    row = {"start": 0, "end": 1, "text": "x"}
    rows = [{**row, "avg_logprob": p} for p in (0, -0.5, 1, -1e400, True, "no", None)]
    found = transcript(json.dumps({"text": "x", "segments": rows}).encode()).segments
    assert [s.confidence for s in found] == [1.0, math.exp(-0.5), None, None, None, None, None]


def test_the_one_language_heard_is_the_language(transcript):
    assert transcript({"text": "hallo", "languages": [{"code": "de"}]}).language == "de"


@pytest.mark.parametrize("heard", [[], [{"code": "de"}, {"code": "fr"}], None, [None]])
def test_no_or_several_languages_are_no_language(heard, transcript):
    assert transcript({"text": "hallo", "languages": heard}).language is None


def test_segments_that_make_no_sense_are_left_out(transcript):
    segments = [
        None,
        7,
        {"start": "a", "end": 1},
        {"start": 0},
        {"start": 0, "end": 1, "text": "x"},
    ]
    body = json.dumps({"text": "x", "segments": [*segments, {"start": 0, "end": float("nan")}]})
    assert transcript(body.encode()).segments == (Segment(start=0.0, end=1.0, text="x"),)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"hello", "text/plain"),
        (b'"hello"', "application/json"),
        (b'{"text": "hello"}', "text/plain"),
        (b'"{\\"text\\": \\"hello\\"}"', "application/json"),
    ],
    ids=["text", "json text", "json as text", "json in json text"],
)
def test_a_transcript_may_be_a_text_with_or_without_json_in_it(data, kind, transcript):
    assert transcript(data, kind=kind).text == "hello"


def test_silence_is_an_empty_transcript_and_a_warning(transcript):
    silent = transcript({"text": " "})
    assert (silent.text, silent.warnings) == ("", ("no speech was found",))


@pytest.mark.parametrize("body", [{}, {"text": None}, [], 7, b"<html>hi</html>", b""])
def test_what_is_no_transcript_is_an_error(body, transcript):
    with pytest.raises(InvalidAnswer):
        transcript(body)


def test_a_page_instead_of_a_transcript_is_an_error(transcript):
    with pytest.raises(InvalidAnswer, match="check --base-url"):
        transcript(b"<!doctype html><p>welcome", kind="text/html")


# --- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "a", "shutdown_date": "2027-01-14"}, Model(name="a", retires="2027-01-14")),
        ({"id": "a", "shutdown_date": None}, Model(name="a")),
        (
            {"id": "a", "architecture": {"input_modalities": ["text", "file", "image", "video"]}},
            Model(name="a", modalities=("image", "video", "text")),
        ),
        (
            {"id": "a", "input_modalities": ["text", "image"]},
            Model(name="a", modalities=("image", "text")),
        ),
        (
            {"id": "a", "capabilities": {"vision": True, "completion_chat": True, "audio": False}},
            Model(name="a", modalities=("image", "text")),
        ),
        (
            {"id": "a", "supports_image_in": True, "supports_video_in": False},
            Model(name="a", modalities=("image",)),
        ),
    ],
    ids=["openai", "plain", "openrouter", "xai", "mistral", "moonshot"],
)
def test_a_listing_is_read_in_each_services_own_way(row, expected):
    assert read_models({"data": [row]}, CONNECTION) == (expected,)


@pytest.mark.parametrize(
    "listing", [[{"id": "a"}], {"data": [{"id": "a"}]}, {"models": [{"id": "a"}]}]
)
def test_a_listing_may_have_any_of_its_known_shapes(listing):
    assert read_models(listing, CONNECTION) == (Model(name="a"),)


@pytest.mark.parametrize("listing", [{}, "<html>", None, {"data": 7}])
def test_what_is_no_listing_is_an_error(listing):
    with pytest.raises(InvalidAnswer):
        read_models(listing, CONNECTION)


def test_a_service_without_a_listing_says_so(ask):
    with pytest.raises(
        UnsupportedModality, match=r"Z\.ai documents no list of models; give --model"
    ):
        plugin.list_models(ask(ModelsRequest, "zai"))


# --- the model when none is named ----------------------------------------------------------------


def test_the_first_model_of_the_server_answers_when_none_is_named(ask, service, sent, protocol):
    service({"data": [{"id": "first"}, {"id": "second"}]}, path="/models")
    service(protocol.completion())
    answer = plugin.generate(ask(TextRequest, "vllm", prompt="why?", model=None), None)
    assert sent().get_json()["model"] == "first"
    assert answer.warnings == (
        "no model was named: first, the first that the server lists, answered",
    )


def test_the_first_model_writes_speech_down_when_none_is_named(ask, service, sound):
    service({"data": [{"id": "first"}]}, path="/models")
    service({"text": "hello"}, path="/audio/transcriptions")
    answer = plugin.analyze_audio(ask(AudioRequest, "custom", audio=sound, model=None), None)
    assert (answer.model, len(answer.warnings)) == ("first", 1)


def test_the_server_is_asked_for_its_models_once(ask, service, httpserver, protocol):
    service({"data": [{"id": "first"}]}, path="/models")
    service(protocol.completion())
    request = ask(TextRequest, "vllm", prompt="why?", model=None)
    plugin.generate(request, None)
    plugin.generate(request, None)
    assert [seen.path for seen, _ in httpserver.log].count("/v1/models") == 1


def test_a_server_without_models_needs_one_named(ask, service):
    service({"data": []}, path="/models")
    with pytest.raises(RequestRejected, match="custom lists no models; give --model"):
        plugin.generate(ask(TextRequest, "custom", prompt="why?", model=None), None)


def test_azure_needs_the_name_of_a_deployment(ask, httpserver):
    with pytest.raises(UsageError, match="one of your deployments; give --model"):
        plugin.generate(ask(TextRequest, "azure", prompt="why?", model=None), None)
    assert not httpserver.log


# --- anything at all -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("choices", "message", "delta", "content", "text", "usage", "error", "data", "segments"),
    *("model", "refusal", "finish_reason", "id", "language", "code", "start", "end"),
)
NEAR_JSON = st.recursive(
    JSON,
    lambda inner: (
        st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4) | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except ProviderError as error:
        return str(error)
    return ""


@given(st.lists(NEAR_JSON, max_size=3), st.booleans())
def test_any_chunks_make_an_answer_or_an_error(chunks, streamed):
    def read() -> None:
        reply = Reply(connection=CONNECTION, model="m")
        for item in chunks:
            reply.add(item)
        assert reply.answer(streamed=streamed).text.strip()

    assert error_of(read).isprintable()


@given(NEAR_JSON)
def test_any_json_makes_a_transcript_or_an_error(parsed):
    assert error_of(lambda: read_transcript(parsed, CONNECTION, model="m")).isprintable()


@given(NEAR_JSON)
def test_any_json_makes_a_listing_or_an_error(parsed):
    assert error_of(lambda: read_models(parsed, CONNECTION)).isprintable()


@given(NEAR_JSON)
def test_any_json_makes_counts_that_are_counts(parsed):
    usage = read_usage(parsed)
    assert usage is None or all(
        getattr(usage, name) is None or getattr(usage, name) >= 0 for name in usage.__slots__
    )


# --- what it cost --------------------------------------------------------------------------------

REPORTS = [
    # The examples of their own documentation.
    ("openrouter", {"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 0.95),
    ("openrouter", {"cost": 0.95, "is_byok": False, "cost_details": {}}, 0.95),
    ("grok", {"cost_in_usd_ticks": 37756000}, 0.0037756),
    ("perplexity", {"cost": {"input_tokens_cost": 0.001, "total_cost": 0.006}}, 0.006),
]


@pytest.mark.parametrize(("provider", "reported", "dollars"), REPORTS)
def test_some_services_say_what_they_charged(provider, reported, dollars):
    assert read_cost(reported, provider) == pytest.approx(dollars)


def test_a_key_of_the_users_own_is_charged_beside_the_router():
    reported = {"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 10}}
    assert read_cost(reported, "openrouter") == 10.5
    assert read_cost({"cost": 0.5, "is_byok": True}, "openrouter") is None


@pytest.mark.parametrize("provider", ["openai", "litellm", "custom", "deepinfra"])
@pytest.mark.parametrize("reported", [reported for _, reported, _ in REPORTS])
def test_what_other_services_mean_by_it_is_not_known(provider, reported):
    assert read_cost(reported, provider) is None


@pytest.mark.parametrize(
    "value",
    [-1, -0.5, math.nan, math.inf, 1e300, 10**400, "0.1", True, None, [], {}, {"total_cost": "1"}],
)
def test_a_cost_that_cannot_be_is_none(value):
    assert read_cost({"cost": value}, "openrouter") is None
    assert read_cost({"cost": {"total_cost": value}}, "perplexity") is None
    assert read_cost({"cost": value}, "perplexity") is None
    ticks = value * 10_000_000_000 if isinstance(value, int | float) and value != True else value  # noqa: E712
    assert read_cost({"cost_in_usd_ticks": ticks}, "grok") is None


@pytest.mark.parametrize("reported", [None, [], "usage", 3, {}])
def test_without_a_report_the_cost_is_not_known(reported):
    for provider in ("openrouter", "grok", "perplexity"):
        assert read_cost(reported, provider) is None


def test_an_answer_carries_what_the_service_charged(ask, service, protocol):
    body = protocol.completion()
    body["usage"]["cost"] = 0.0125
    service(body)
    request = ask(TextRequest, "openrouter", prompt="why?")
    assert plugin.generate(request, None).cost == 0.0125


def test_a_streamed_answer_carries_it_too():
    router = Connection(provider="openrouter", base_url="https://openrouter.ai/api/v1")
    reply = Reply(connection=router, model="m")
    reply.add({"choices": [{"delta": {"content": "A cat."}, "finish_reason": "stop"}]})
    reply.add({"choices": [], "usage": {"prompt_tokens": 1, "cost": 0.25}})
    assert reply.answer(streamed=True).cost == 0.25


def test_a_transcript_carries_it_too():
    router = Connection(provider="openrouter", base_url="https://openrouter.ai/api/v1")
    said = {"text": "hello", "usage": {"seconds": 9.2, "cost": 0.0005}}
    assert read_transcript(said, router, model="m").cost == 0.0005
    assert read_transcript(said, CONNECTION, model="m").cost is None
