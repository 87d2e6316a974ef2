"""Each way to fail has its class, and no way to fail shows the key."""

from __future__ import annotations

import inspect
import json
import logging
import socket
import threading
import traceback
from dataclasses import replace

import httpx2
import pytest
from google.auth import exceptions as auth
from google.genai import errors
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response

import mediasense_gemini_native as plugin
from mediasense import (
    AuthenticationError,
    Connection,
    ConnectionFailed,
    CorruptMedia,
    ImageRequest,
    InvalidAnswer,
    Media,
    MediasenseError,
    ModelsRequest,
    PermissionDenied,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
    ServerError,
    TextRequest,
    Timeout,
    UnknownModel,
)
from mediasense_gemini_native.failures import translate


def problem(code: int, message: str = "no", **details) -> str:
    error = {"code": code, "message": message, "status": "STATUS", **details}
    return json.dumps({"error": error})


@pytest.fixture
def ask(gemini):
    def go(**options):
        request = TextRequest(provider=gemini, prompt="hello", **{"retries": 0, **options})
        return plugin.generate(request, None)

    return go


# --- statuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RequestRejected),
        (401, AuthenticationError),
        (403, PermissionDenied),
        (404, UnknownModel),
        (408, Timeout),
        (413, RequestTooLarge),
        (422, RequestRejected),
        (429, RateLimited),
        (500, ServerError),
        (503, ProviderUnavailable),
        (504, Timeout),
        (529, ProviderUnavailable),
    ],
)
def test_a_status_has_its_class(google, ask, status, expected):
    google.answers(problem(status, "what the service says"), status=status)
    with pytest.raises(MediasenseError, match="what the service says") as caught:
        ask()
    assert type(caught.value) is expected
    assert caught.value.status == status


@pytest.mark.parametrize("body", ["<html>\n<b>down</b></html>", "", "[]", "3", '["a", "b"]'])
def test_a_status_needs_no_body(google, ask, body):
    google.answers(body, status=500)
    with pytest.raises(ServerError) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_wrong_key_is_named_though_google_calls_it_a_bad_request(google, ask):
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    google.answers(problem(400, "API key not valid.", details=[reason]), status=400)
    with pytest.raises(AuthenticationError, match="check GEMINI_API_KEY") as caught:
        ask()
    assert caught.value.status == 400


def test_an_unknown_model_is_named(google, ask):
    google.answers(problem(404), status=404)
    with pytest.raises(UnknownModel, match="'gemini-none' may not exist"):
        ask(model="gemini-none")


def test_a_failing_listing_has_its_class(google, gemini):
    google.answers(problem(401), status=401)
    with pytest.raises(AuthenticationError):
        plugin.list_models(ModelsRequest(provider=gemini, retries=0))


@pytest.mark.parametrize(
    ("header", "detail", "expected"),
    [
        ("30", None, 30.0),
        (None, "37.5s", 37.5),
        ("5", "37s", 5.0),
        (None, None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, None),
        (None, 37, None),
    ],
)
def test_how_long_to_wait_is_told(google, ask, header, detail, expected):
    """In the header, or as Google does it: in a detail of its own."""
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": detail}
    google.answers(
        problem(429, details=[wait] if detail else []),
        status=429,
        headers={"Retry-After": header} if header else None,
    )
    with pytest.raises(RateLimited) as caught:
        ask()
    assert caught.value.retry_after == expected


def test_a_success_that_is_not_200_is_no_answer(google, ask):
    google.answers("", status=204)
    with pytest.raises(InvalidAnswer, match="204"):
        ask()


# --- retries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_can_pass_is_tried_again(google, ask, status):
    google.answers(Response(problem(status), status), google.reply())
    assert ask(retries=1).text == "hello"
    assert len(google.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_cannot_pass_is_not(google, ask, status):
    google.answers(problem(status), status=status)
    with pytest.raises(MediasenseError):
        ask(retries=2)
    assert len(google.requests) == 1


def test_retries_end(google, ask):
    google.answers(problem(503), status=503)
    with pytest.raises(ProviderUnavailable):
        ask(retries=1)
    assert len(google.requests) == 2


def test_media_is_whole_in_every_attempt(google, gemini, image):
    google.answers(Response("{}", 503), google.reply())
    plugin.analyze_image(
        ImageRequest(provider=gemini, images=(image,), prompt="what?", retries=1), None
    )
    first, second = google.requests
    assert first.get_data() == second.get_data()
    assert len(second.get_data()) > len(image.data or b"")


# --- the connection ------------------------------------------------------------------------------


def test_a_refused_connection(gemini):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = replace(gemini, base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectionFailed, match="cannot connect to gemini"):
        plugin.generate(TextRequest(provider=nobody, prompt="hello", retries=0), None)


def test_an_answer_that_does_not_come(gemini, raw_server):
    slow = replace(gemini, base_url=raw_server(delay=5).url)
    with pytest.raises(Timeout):
        plugin.generate(TextRequest(provider=slow, prompt="x", retries=0, timeout=0.2), None)


def test_a_reset_connection(gemini, raw_server):
    broken = replace(gemini, base_url=raw_server(b"HTTP/1.1 200 OK\r\n", reset=True).url)
    with pytest.raises(ConnectionFailed):
        plugin.generate(TextRequest(provider=broken, prompt="hello", retries=0), None)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 smtp ready\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
)
def test_garbage(gemini, raw_server, answer):
    strange = replace(gemini, base_url=raw_server(answer).url)
    with pytest.raises(ConnectionFailed):
        plugin.generate(TextRequest(provider=strange, prompt="hello", retries=0), None)


def test_a_stream_that_breaks(gemini, raw_server):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b'data: {"candidates": [{"content": {"parts": [{"text": "one"}]}}]}\n\n'
    broken = raw_server(head + b"%x\r\n%s\r\n" % (len(piece), piece))
    pieces: list[str] = []
    with pytest.raises(ConnectionFailed):
        plugin.generate(
            TextRequest(provider=replace(gemini, base_url=broken.url), prompt="x", retries=0),
            pieces.append,
        )
    assert pieces == ["one"]


def test_an_encoding_that_is_none(gemini, raw_server):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    strange = replace(gemini, base_url=raw_server(head).url)
    with pytest.raises(InvalidAnswer):
        plugin.generate(TextRequest(provider=strange, prompt="hello", retries=0), None)


def test_a_file_that_shrinks_while_it_waits(gemini, google, tmp_path):
    path = tmp_path / "shrinking.png"
    path.write_bytes(b"1234")
    image = Media(modality="image", mime_type="image/png", path=path, size=9)
    google.answers()
    with pytest.raises(CorruptMedia, match="changed"):
        plugin.analyze_image(ImageRequest(provider=gemini, images=(image,), prompt="x"), None)


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_redirect_is_not_followed(google, gemini, raw_server, status, streamed, image):
    """Neither the key nor the media goes to another host."""
    other = raw_server()
    google.answers("", status=status, headers={"Location": f"{other.url}/v1beta/x"})
    request = ImageRequest(provider=gemini, images=(image,), prompt="what?", retries=0)
    with pytest.raises(RequestRejected) as caught:
        plugin.analyze_image(request, print if streamed else None)
    assert caught.value.status == status
    assert other.received == []


# --- keys ----------------------------------------------------------------------------------------


def test_the_key_is_not_shown_when_the_service_repeats_it(google, ask, caplog):
    google.answers(problem(400, f"bad key: {google.KEY}"), status=400)
    with caplog.at_level(logging.DEBUG), pytest.raises(RequestRejected) as caught:
        ask()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert google.KEY not in shown
    assert "[key]" in shown
    assert google.KEY not in caplog.text


def test_the_key_is_in_no_log_of_a_call_that_works(google, ask, caplog):
    google.answers()
    with caplog.at_level(logging.DEBUG):
        ask(model="gemini-logged")
    assert "gemini-logged" in caplog.text
    assert google.KEY not in caplog.text


# --- the map is whole ----------------------------------------------------------------------------


def _classes(module) -> list[type[Exception]]:
    """Every error of a module; those that are its own and not warnings."""
    found = [value for _, value in inspect.getmembers(module, inspect.isclass)]
    return [
        kind
        for kind in found
        if issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__.startswith(("google.", "httpx2"))
    ]


def _instance(kind: type[Exception]) -> Exception:
    if issubclass(kind, errors.APIError):
        return kind(400, {"error": {"message": "no"}})
    if issubclass(kind, httpx2.HTTPStatusError):
        request = httpx2.Request("GET", "http://127.0.0.1/")
        return kind("no", request=request, response=httpx2.Response(500, request=request))
    try:
        return kind("no")
    except TypeError:
        return kind()


@pytest.mark.parametrize(
    "kind", [kind for module in (errors, auth, httpx2) for kind in _classes(module)]
)
def test_every_error_of_the_sdk_has_its_class(kind):
    connection = Connection(provider="gemini", base_url="https://example.org")
    assert isinstance(translate(_instance(kind), connection, "m"), MediasenseError)


def test_an_error_of_nobody_is_left_alone():
    connection = Connection(provider="gemini", base_url="https://example.org")
    assert translate(ZeroDivisionError(), connection, "m") is None


@given(
    details=st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "details", "reason", "retryDelay", "message", "code"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=10,
    )
)
def test_whatever_stands_in_an_error_it_is_an_error_of_ours(details):
    connection = Connection(provider="gemini", base_url="https://example.org", key="k")
    error = errors.ClientError(429, details)
    assert isinstance(translate(error, connection, None), RateLimited)


def test_threads_get_their_own_errors(google, gemini):
    google.answers(problem(404), status=404)
    caught: list[str] = []

    def ask(number: int) -> None:
        try:
            plugin.generate(
                TextRequest(provider=gemini, model=f"m-{number}", prompt="x", retries=0), None
            )
        except UnknownModel as error:
            caught.append(error.hint.split("'")[1])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(caught) == [f"m-{number}" for number in range(8)]
