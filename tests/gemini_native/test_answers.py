"""From what Google writes to an answer, or to the error that says why there is none."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mediasense_gemini_native as plugin
from mediasense import (
    Answer,
    AudioRequest,
    ContentBlocked,
    ImageRequest,
    InvalidAnswer,
    MediasenseError,
    ProviderError,
    RateLimited,
    TextRequest,
    Usage,
)


@pytest.fixture
def ask(gemini):
    """Ask a question, streamed when there is somebody to stream to."""

    def go(on_text=None, **options):
        return plugin.generate(TextRequest(provider=gemini, prompt="hello", **options), on_text)

    return go


def test_the_text_is_that_of_all_parts_but_thoughts(google, ask):
    reply = google.reply()
    reply["candidates"][0]["content"]["parts"] = [
        {"text": "let me think", "thought": True},
        {"text": "one "},
        {"text": "two"},
    ]
    google.answers(reply)
    assert ask() == Answer(text="one two", model="gemini-3.1-flash-lite-002", finish_reason="stop")


def test_the_model_is_the_one_asked_where_the_answer_does_not_say(google, ask):
    reply = google.reply()
    del reply["modelVersion"]
    google.answers(reply)
    assert ask(model="gemini-x").model == "gemini-x"


def test_what_was_counted_is_reported(google, ask):
    counted = {
        "promptTokenCount": 300,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 100,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 10},
            {"modality": "VIDEO", "tokenCount": 250},
            {"modality": "AUDIO", "tokenCount": 40},
        ],
    }
    google.answers(google.reply(usageMetadata=counted))
    assert ask().usage == Usage(
        input_tokens=300,
        output_tokens=25,
        reasoning_tokens=5,
        cached_tokens=100,
        video_tokens=250,
        audio_tokens=40,
    )


def test_what_was_not_counted_is_not_reported(google, ask):
    google.answers(google.reply(usageMetadata={"promptTokenCount": 3}))
    assert ask().usage == Usage(input_tokens=3)


def test_no_count_is_no_usage(google, ask):
    google.answers()
    assert ask().usage is None


# --- why there is no answer ----------------------------------------------------------------------


def test_a_blocked_prompt_is_named(google, ask):
    google.answers({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    with pytest.raises(ContentBlocked, match="blocked the prompt: PROHIBITED_CONTENT"):
        ask()


@pytest.mark.parametrize("text", [None, "half an ans"])
@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"]
)
def test_a_filtered_answer_is_named(google, ask, reason, text):
    google.answers(google.reply(text, reason))
    with pytest.raises(ContentBlocked, match=reason):
        ask()


def test_the_limit_of_tokens_is_named(google, ask):
    google.answers(google.reply("half an ans", "MAX_TOKENS"))
    answer = ask()
    assert answer.text == "half an ans"
    assert answer.finish_reason == "length"
    assert "cut short" in answer.warnings[0]


def test_a_limit_that_leaves_no_text_is_named_too(google, ask):
    """A model that thinks may spend all of it on thoughts."""
    google.answers(google.reply(None, "MAX_TOKENS"))
    assert ask().finish_reason == "length"


def test_a_continuation_is_not_paid_for_unasked(google, ask):
    reply = google.reply("half", "CONTINUATION")
    reply["candidates"][0]["continuationToken"] = "bW9yZQ=="
    google.answers(reply)
    assert ask().finish_reason == "length"
    assert len(google.requests) == 1


def test_another_reason_is_told_with_the_text_there_is(google, ask):
    google.answers(google.reply("half", "OTHER"))
    answer = ask()
    assert (answer.text, answer.finish_reason) == ("half", None)
    assert "OTHER" in answer.warnings[0]


@pytest.mark.parametrize("reason", ["OTHER", "MALFORMED_FUNCTION_CALL", "STOP"])
def test_no_text_is_no_answer(google, ask, reason):
    google.answers(google.reply(None, reason))
    with pytest.raises(InvalidAnswer, match=reason):
        ask()


COUNTED = {"promptTokenCount": 300, "candidatesTokenCount": 20, "thoughtsTokenCount": 5}
BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}}


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", None])
def test_an_unusable_answer_tells_what_was_billed(google, ask, reason):
    google.answers(google.reply(None, reason, usageMetadata=COUNTED))
    with pytest.raises(ProviderError) as caught:
        ask()
    assert caught.value.usage == Usage(input_tokens=300, output_tokens=25, reasoning_tokens=5)
    assert caught.value.model == "gemini-3.1-flash-lite-002"


@pytest.mark.parametrize("body", [BLOCKED, {"candidates": []}])
def test_a_reply_without_an_answer_tells_what_was_billed(google, ask, body):
    google.answers({**body, "usageMetadata": {"promptTokenCount": 300}})
    with pytest.raises(ProviderError) as caught:
        ask(model="gemini-x")
    assert (caught.value.usage, caught.value.model) == (Usage(input_tokens=300), "gemini-x")


@pytest.mark.parametrize("body", [BLOCKED, {"candidates": []}])
def test_a_reply_that_counts_nothing_was_billed_for_nothing_known(google, ask, body):
    google.answers(body)
    with pytest.raises(ProviderError) as caught:
        ask()
    assert caught.value.usage is None


def test_a_stream_that_is_blocked_tells_what_was_billed(google, ask):
    end = google.reply(None, "SAFETY", usageMetadata=COUNTED)
    google.answers(google.events(google.reply("one ", None), end))
    with pytest.raises(ContentBlocked) as caught:
        ask(ignore)
    assert caught.value.usage == Usage(input_tokens=300, output_tokens=25, reasoning_tokens=5)


@pytest.mark.filterwarnings("ignore:NEW_REASON is not a valid FinishReason")
def test_a_reason_of_tomorrow_is_told(google, ask):
    google.answers(google.reply("half", "NEW_REASON"))
    assert "NEW_REASON" in ask().warnings[0]


def test_silence_is_a_true_transcript(google, gemini, sound):
    google.answers(google.reply(None, "STOP"))
    answer = plugin.analyze_audio(AudioRequest(provider=gemini, audio=sound), None)
    assert answer.text == ""


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        '"text"',
        "<html>login</html>",
        '{"candidates": []}',
        '{"candidates": "none"}',
        '{"candidates": [{"content": {"parts": [{"text": {}}]}}]}',
        '{"candidates": [',
    ],
)
def test_what_is_no_answer_is_said_to_be_none(google, ask, body):
    google.answers(body)
    with pytest.raises(InvalidAnswer):
        ask()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["candidates", "content", "parts", "text", "finishReason", "usageMetadata",
                 "promptTokenCount", "promptTokensDetails", "modality", "promptFeedback",
                 "blockReason", "error", "code", "message", "details", "modelVersion"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.* is not a valid")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=_JSON, streamed=st.booleans(), status=st.sampled_from([200, 400, 503]))
def test_whatever_comes_is_an_answer_or_an_error_of_ours(google, ask, body, streamed, status):
    google.server.clear()
    text = json.dumps(body)
    google.answers(f"data: {text}\n\n" if streamed and status == 200 else text, status=status)
    try:
        answer = ask(ignore if streamed else None, retries=0)
    except MediasenseError:
        return
    assert isinstance(answer, Answer)


def ignore(text: str) -> None:
    assert isinstance(text, str)


# --- streams -------------------------------------------------------------------------------------


def test_pieces_arrive_and_the_whole_is_returned(google, ask):
    google.answers(
        google.events(
            google.reply("one ", None),
            google.reply("two", None),
            google.reply(None, "STOP", usageMetadata={"promptTokenCount": 3}),
        )
    )
    pieces: list[str] = []
    answer = ask(pieces.append)
    assert pieces == ["one ", "two"]
    assert answer == Answer(
        text="one two",
        model="gemini-3.1-flash-lite-002",
        finish_reason="stop",
        usage=Usage(input_tokens=3),
    )
    assert google.request.full_path.endswith(":streamGenerateContent?alt=sse")


def test_media_is_streamed_to_a_streamed_call(google, gemini, image):
    google.answers(google.events(google.reply()))
    request = ImageRequest(provider=gemini, images=(image,), prompt="what?")
    plugin.analyze_image(request, ignore)
    assert google.request.content_length == len(google.request.get_data())
    assert "mediasense" not in google.request.get_data(as_text=True)


def test_a_cut_stream_is_an_answer_with_a_warning(google, ask):
    google.answers(google.events(google.reply("one ", None)))
    answer = ask(ignore)
    assert (answer.text, answer.finish_reason) == ("one ", None)
    assert "may be cut short" in answer.warnings[0]
    assert answer.may_be_cut


def test_a_stream_without_a_piece_is_no_answer(google, ask):
    google.answers("\n")
    with pytest.raises(InvalidAnswer):
        ask(ignore)


def test_a_page_in_place_of_a_stream_is_no_answer(google, ask):
    google.answers("<html>login</html>")
    with pytest.raises(InvalidAnswer):
        ask(ignore)


def test_a_block_within_a_stream_is_named(google, ask):
    google.answers(google.events(google.reply("one ", None), google.reply(None, "SAFETY")))
    with pytest.raises(ContentBlocked, match="SAFETY"):
        ask(ignore)


def test_an_error_within_a_stream_has_its_class(google, ask):
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    google.answers(google.events(google.reply("one ", None), error))
    with pytest.raises(RateLimited, match="slow down"):
        ask(ignore)


def test_an_error_of_the_listener_is_its_own(google, ask):
    def fail(text: str) -> None:
        raise KeyError(text)

    google.answers(google.events(google.reply("one ", None)))
    with pytest.raises(KeyError):
        ask(fail)


def test_a_stream_that_is_left_is_closed_at_once(google, gemini):
    """Else the service goes on writing, and its connection is never used again."""
    chunk = google.events(google.reply("one ", None)).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    closed = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head + chunk)
            while connection.recv(65536):
                pass
            closed.set()

    def fail(text: str) -> None:
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        request = TextRequest(provider=replace(gemini, base_url=url), prompt="hello")
        with pytest.raises(KeyboardInterrupt) as caught:
            plugin.generate(request, fail)
        assert closed.wait(2)
    assert caught.value is not None
