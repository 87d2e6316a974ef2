"""Answers piece by piece, and the ways in which a stream can end."""

import json
import threading
from collections.abc import Iterator

import pytest
from werkzeug import Response

import mediasense
import mediasense_openai_compat as plugin
from mediasense import (
    Answer,
    AudioRequest,
    ConnectionFailed,
    ContentBlocked,
    InvalidAnswer,
    RequestRejected,
    ServerError,
    TextRequest,
    Timeout,
    Usage,
)
from mediasense_openai_compat.presets import PRESETS

EVENTS = "text/event-stream"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.fixture
def stream(ask, service):
    """``stream(body)``: the answer, and the pieces it came in."""

    def get(body: bytes, *, kind: str = EVENTS, preset: str = "openai") -> tuple[Answer, list[str]]:
        service(body, kind=kind)
        pieces: list[str] = []
        request = ask(TextRequest, preset, prompt="why?")
        return plugin.generate(request, pieces.append), pieces

    return get


def test_pieces_arrive_one_by_one_and_the_answer_is_whole(stream, protocol):
    chunk = protocol.chunk
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
    body = protocol.events(chunk(""), chunk("A "), chunk("cat."), chunk(None, "stop"), usage)
    answer, pieces = stream(body)
    assert pieces == ["A ", "cat."]
    assert answer == Answer(
        text="A cat.",
        model="the-model-itself",
        usage=Usage(input_tokens=9, output_tokens=3),
        finish_reason="stop",
    )


@pytest.mark.parametrize("name", PRESETS)
def test_usage_is_asked_for_where_that_is_allowed(name, stream, sent, protocol):
    stream(protocol.events(protocol.chunk("A cat.", "stop")), preset=name)
    body = sent().get_json()
    assert body["stream"] is True
    asked = body.get("stream_options") == {"include_usage": True}
    assert asked == (name != "mistral")


@pytest.fixture
def refuses(httpserver, protocol):
    """``refuses(field)``: a server that takes no request with that field."""

    def make(field: str) -> None:
        def answer(request) -> Response:
            if field in request.get_json():
                said = {"error": {"message": f"unknown {field}"}}
                return Response(json.dumps(said), status=422, content_type="application/json")
            body = protocol.events(protocol.chunk("A cat."), protocol.chunk(None, "stop"))
            return Response(body, content_type=EVENTS)

        httpserver.expect_request("/v1/chat/completions").respond_with_handler(answer)

    return make


def test_a_server_that_refuses_to_tell_the_usage_is_asked_without(ask, httpserver, refuses):
    refuses("stream_options")
    pieces: list[str] = []
    request = ask(TextRequest, "custom", prompt="why?")
    assert plugin.generate(request, pieces.append).text == "A cat."
    assert plugin.generate(request, pieces.append).text == "A cat."
    told = ["stream_options" in sent.get_json() for sent, _ in httpserver.log]
    assert told == [True, False, False]
    assert pieces == ["A cat.", "A cat."]


def test_a_server_that_refuses_anything_else_is_not_asked_for_ever(ask, httpserver, refuses):
    refuses("model")
    with pytest.raises(RequestRejected, match="unknown model"):
        plugin.generate(ask(TextRequest, "custom", prompt="why?"), [].append)
    assert len(httpserver.log) == 2


def test_a_service_that_is_known_to_tell_it_is_asked_once(ask, httpserver, refuses):
    refuses("stream_options")
    with pytest.raises(RequestRejected):
        plugin.generate(ask(TextRequest, "openai", prompt="why?"), [].append)
    assert len(httpserver.log) == 1


def test_usage_beside_the_last_piece_is_read(stream, protocol):
    """As Moonshot sends it: inside the choice."""
    last = protocol.chunk("A cat.", "stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 9, "completion_tokens": 3}
    assert stream(protocol.events(last))[0].usage == Usage(input_tokens=9, output_tokens=3)


def test_any_text_survives(stream, protocol):
    body = protocol.events(protocol.chunk("a\x00b \ud83d", "stop"))
    answer, pieces = stream(body)
    assert answer.text == "a\x00b \ud83d" == pieces[0]


def test_a_stream_that_ends_early_gives_what_came_and_a_warning(stream, protocol):
    answer, _ = stream(protocol.events(protocol.chunk("A c"), done=False))
    assert answer.text == "A c"
    assert answer.warnings == (
        "openai ended the answer without saying that it is whole; it may be cut",
    )
    assert answer.may_be_cut


def test_a_stream_cut_at_its_limit_says_so(stream, protocol):
    answer, _ = stream(protocol.events(protocol.chunk("A c"), protocol.chunk(None, "length")))
    assert answer.finish_reason == "length"


def test_an_error_in_mid_stream_is_an_error(stream, protocol):
    error = {"error": {"message": "upstream broke", "code": 502}}
    with pytest.raises(ServerError, match="upstream broke"):
        stream(protocol.events(protocol.chunk("A "), error))


def test_an_error_without_a_code_in_mid_stream_is_an_error(stream, protocol):
    with pytest.raises(InvalidAnswer, match="upstream broke"):
        stream(protocol.events(protocol.chunk("A "), {"error": {"message": "upstream broke"}}))


def test_an_error_of_another_shape_in_mid_stream_is_an_error(stream, protocol):
    with pytest.raises(InvalidAnswer, match="upstream broke"):
        stream(protocol.events(protocol.chunk("A "), {"detail": "upstream broke"}))


def test_a_refusal_in_pieces_is_an_error(stream, protocol):
    pieces = [protocol.chunk(), protocol.chunk(), protocol.chunk(None, "stop")]
    pieces[0]["choices"][0]["delta"]["refusal"] = "I must "
    pieces[1]["choices"][0]["delta"]["refusal"] = "not"
    with pytest.raises(ContentBlocked, match="I must not"):
        stream(protocol.events(*pieces))


@pytest.mark.parametrize("data", [b"", b"data: [DONE]\n\n", b"<html>hi</html>", b"A cat."])
def test_a_stream_without_pieces_is_an_error(data, stream):
    with pytest.raises(InvalidAnswer, match="no stream of answers; check --base-url"):
        stream(data)


@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"data: [[[\n\n"])
def test_a_broken_piece_is_an_error(data, stream):
    with pytest.raises(InvalidAnswer):
        stream(data)


@pytest.mark.parametrize("data", [b"data: 7\n\n", b"data: {}\n\n", b'data: "text"\n\n'])
def test_pieces_that_are_none_are_an_error(data, stream):
    with pytest.raises(InvalidAnswer):
        stream(data)


def test_a_server_that_does_not_stream_is_understood(stream, protocol):
    body = json.dumps(protocol.completion()).encode()
    answer, pieces = stream(body, kind="application/json; charset=utf-8")
    assert (answer.text, pieces) == ("A cat.", ["A cat."])
    assert answer.warnings == ()


def test_a_page_instead_of_a_stream_is_an_error(stream):
    with pytest.raises(InvalidAnswer, match="check --base-url"):
        stream(b"<html>hi</html>", kind="text/html")


def test_groq_answers_whole_when_a_schema_is_asked_for(ask, service, sent, protocol):
    """It takes a schema or streams, not both."""
    service(protocol.completion(content='{"a": 1}'))
    pieces: list[str] = []
    request = ask(TextRequest, "groq", prompt="why?", json_schema='{"type": "object"}')
    plugin.generate(request, pieces.append)
    assert "stream" not in sent().get_json()
    assert pieces == ['{"a": 1}']


def test_a_transcript_arrives_as_one_piece(ask, service, sound):
    service({"text": "hello"}, path="/audio/transcriptions")
    pieces: list[str] = []
    plugin.analyze_audio(ask(AudioRequest, audio=sound), pieces.append)
    assert pieces == ["hello"]


def test_a_connection_that_breaks_in_mid_stream_is_an_error(raw_server, direct, protocol):
    piece = protocol.events(protocol.chunk("A "), done=False)
    server = raw_server(HEAD + b"Content-Length: 5000\r\n\r\n" + piece)
    with pytest.raises(ConnectionFailed, match="or it broke"):
        plugin.generate(direct(server.url), lambda _: None)


def test_a_connection_reset_in_mid_stream_is_an_error(raw_server, direct, protocol):
    piece = protocol.events(protocol.chunk("A "), done=False)
    server = raw_server(HEAD + b"Content-Length: 5000\r\n\r\n" + piece, reset=True)
    with pytest.raises(ConnectionFailed):
        plugin.generate(direct(server.url), lambda _: None)


def test_a_whole_answer_that_breaks_off_is_an_error(raw_server, direct):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    with pytest.raises(ConnectionFailed):
        plugin.generate(direct(raw_server(head).url), lambda _: None)


def test_a_stream_that_stalls_is_a_timeout(httpserver, ask, protocol):
    stop = threading.Event()

    def stalling(_: object) -> Iterator[bytes]:
        yield protocol.events(protocol.chunk("A "), done=False)
        stop.wait(10)

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(
        lambda request: Response(stalling(request), content_type=EVENTS)
    )
    pieces: list[str] = []
    with pytest.raises(Timeout, match="raise --timeout"):
        plugin.generate(ask(TextRequest, prompt="why?", timeout=0.3), pieces.append)
    stop.set()
    assert pieces == ["A "]


def test_an_error_of_whoever_takes_the_pieces_stays_theirs(ask, service, protocol):
    """Even one of a class that services cause too."""
    service(protocol.events(protocol.chunk("A "), protocol.chunk("cat.", "stop")), kind=EVENTS)

    def broken(_: str) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        plugin.generate(ask(TextRequest, prompt="why?"), broken)


def test_ctrl_c_between_pieces_is_not_swallowed(ask, service, protocol):
    service(protocol.events(protocol.chunk("A "), protocol.chunk("cat.", "stop")), kind=EVENTS)

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plugin.generate(ask(TextRequest, prompt="why?"), interrupted)


def test_leaving_a_stream_wakes_a_call_that_waits_for_its_answer(
    httpserver, monkeypatch, protocol, image
):
    asked, gone = threading.Event(), threading.Event()

    def silent(_: object) -> Iterator[bytes]:
        try:
            yield protocol.events(protocol.chunk("A "), done=False)
            asked.set()
            while not gone.wait(0.02):
                yield b": nothing yet\n\n"  # a comment, by which it is noticed who has gone
        except GeneratorExit:
            gone.set()
            raise

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(
        lambda request: Response(silent(request), content_type=EVENTS)
    )
    with mediasense.stream(
        image.data, "why?", base_url=httpserver.url_for("/v1"), model="m"
    ) as stream:
        assert next(stream) == "A "
    assert gone.wait(20)
