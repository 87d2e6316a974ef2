"""JSON over HTTP: a real client against real, and really broken, servers on this machine."""

from __future__ import annotations

import base64
import gzip
import json
import string
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug import Response

import mediasense.http
from mediasense import (
    AuthenticationError,
    Base64,
    ConnectionFailed,
    CorruptMedia,
    InvalidAnswer,
    Media,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
    ServerError,
    TextRequest,
    Timeout,
    UnknownModel,
    error_text,
    get_json,
    one_line,
    post_json,
    stream_lines,
)

KEY = "sk-acme-0123456789"
MIB = 1024 * 1024


@pytest.fixture
def request_to(acme):
    """A request to a base URL, with short patience."""

    def make(base_url: str, *, retries: int = 0, timeout: float = 10, **changes) -> TextRequest:
        return TextRequest(
            provider=acme(base_url), model="acme-eye", retries=retries, timeout=timeout, **changes
        )

    return make


@pytest.fixture
def ask(httpserver, request_to):
    """Post to the server and return the parsed answer."""

    def post(payload: object = None, **options):
        return post_json(request_to(httpserver.url_for(""), **options), "/look", payload or {})

    return post


def hits(httpserver) -> int:
    return len(httpserver.log)


# --- what is sent --------------------------------------------------------------------------------


def test_the_payload_is_sent_as_json_and_the_answer_parsed(httpserver, ask):
    httpserver.expect_request(
        "/look", method="POST", json={"q": "é"}, headers={"Content-Type": "application/json"}
    ).respond_with_json({"answer": [1, None]})
    assert ask({"q": "é"}) == {"answer": [1, None]}


def test_get_sends_no_body(httpserver, request_to):
    httpserver.expect_request("/models", method="GET", data=b"").respond_with_json([])
    assert get_json(request_to(httpserver.url_for("")), "/models") == []
    assert "Content-Length" not in httpserver.log[0][0].headers


@pytest.mark.parametrize("base", ["/v1", "/v1/"])
@pytest.mark.parametrize("path", ["/look", "look"])
def test_the_path_is_joined_to_the_base_url(httpserver, request_to, base, path):
    httpserver.expect_request("/v1/look").respond_with_json({})
    assert post_json(request_to(httpserver.url_for(base)), path, {}) == {}


def test_the_key_is_a_bearer_and_nowhere_else(httpserver, ask, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_json({})
    ask()
    request = httpserver.log[0][0]
    carrying = [name for name, value in request.headers if KEY in value]
    assert carrying == ["Authorization"]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in request.url
    assert KEY.encode() not in request.data


def test_the_key_goes_into_the_header_that_the_plugin_names(httpserver, request_to, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_json({})
    post_json(request_to(httpserver.url_for("")), "/look", {}, key_header="X-Api-Key")
    headers = httpserver.log[0][0].headers
    assert headers["X-Api-Key"] == KEY
    assert "Authorization" not in headers


def test_without_a_key_no_key_header_is_sent(httpserver, ask):
    httpserver.expect_request("/look").respond_with_json({})
    ask()
    assert "Authorization" not in httpserver.log[0][0].headers


def test_the_headers_of_the_request_are_sent(httpserver, ask):
    httpserver.expect_request("/look", headers={"X-Team": "blue"}).respond_with_json({})
    assert ask(headers=(("X-Team", "blue"),)) == {}


def test_a_header_of_the_request_cannot_stand_beside_the_key(httpserver, ask, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_json({})
    ask(headers=(("authorization", "Bearer other"),))
    sent = httpserver.log[0][0].headers.getlist("Authorization")
    assert sent == [f"Bearer {KEY}"]


def test_media_go_as_base64(httpserver, ask, image):
    httpserver.expect_request("/look").respond_with_json({})
    ask({"image": Base64(image)})
    assert base64.b64decode(httpserver.log[0][0].json["image"]) == image.data


def test_a_large_file_is_streamed_with_its_length(httpserver, ask, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * (3 * MIB // 256))
    media = Media(modality="video", mime_type="video/mp4", path=path, size=3 * MIB)
    httpserver.expect_request("/look").respond_with_json({})
    ask({"clip": Base64(media)})
    sent = httpserver.log[0][0]
    assert sent.headers["Content-Length"] == str(len(sent.data))
    assert "Transfer-Encoding" not in sent.headers
    assert base64.b64decode(sent.json["clip"]) == path.read_bytes()


def test_a_streamed_body_is_sent_whole_again(httpserver, ask, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3 * MIB))
    media = Media(modality="video", mime_type="video/mp4", path=path, size=3 * MIB)
    httpserver.expect_oneshot_request("/look").respond_with_data(status=503)
    httpserver.expect_oneshot_request("/look").respond_with_json({})
    ask({"clip": Base64(media)}, retries=1)
    first, second = (request.data for request, _ in httpserver.log)
    assert first == second


def test_a_file_that_changed_is_reported_as_such(httpserver, ask, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3 * MIB))
    media = Media(modality="video", mime_type="video/mp4", path=path, size=3 * MIB + 1)
    with pytest.raises(CorruptMedia):
        ask({"clip": Base64(media)}, retries=1)


def test_no_proxy_of_the_environment_is_used(httpserver, ask, raw_server, monkeypatch):
    proxy = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    httpserver.expect_request("/look").respond_with_json({"from": "server"})
    assert ask() == {"from": "server"}
    assert proxy.received == []


# --- statuses ------------------------------------------------------------------------------------

STATUSES = [
    (300, RequestRejected),
    (304, RequestRejected),
    (400, RequestRejected),
    (401, AuthenticationError),
    (403, PermissionDenied),
    (404, UnknownModel),
    (408, Timeout),
    (409, RequestRejected),
    (413, RequestTooLarge),
    (418, RequestRejected),
    (422, RequestRejected),
    (429, RateLimited),
    (500, ServerError),
    (501, ServerError),
    (502, ServerError),
    (503, ProviderUnavailable),
    (529, ProviderUnavailable),
    (599, ServerError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_is_its_error(httpserver, ask, status, kind):
    httpserver.expect_request("/look").respond_with_json(
        {"error": {"message": "no"}}, status=status
    )
    with pytest.raises(ProviderError) as caught:
        ask()
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert hits(httpserver) == 1


def test_the_service_is_quoted_in_one_line(httpserver, ask):
    httpserver.expect_request("/look").respond_with_json(
        {"error": {"message": "no\nsuch \x1b[31mthing"}}, status=400
    )
    with pytest.raises(RequestRejected, match=r"^acme answered 400: no such \[31mthing; "):
        ask()


def test_an_error_page_is_quoted_shortly(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data("<html>" + "x" * 10_000, status=500)
    with pytest.raises(ServerError) as caught:
        ask()
    assert len(str(caught.value)) < 500


def test_an_error_without_a_body_is_its_status(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data(b"", status=400)
    with pytest.raises(RequestRejected) as caught:
        ask()
    assert caught.value.message == "acme answered 400"


def test_an_error_that_echoes_the_key_does_not_show_it(httpserver, ask, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_json({"error": f"wrong key {KEY}!"}, status=401)
    with pytest.raises(AuthenticationError, match=r"wrong key \[key\]!") as caught:
        ask()
    assert "ACME_KEY" in caught.value.hint
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_at_the_edge_of_the_quote_is_not_shown_in_part(httpserver, ask, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_data(" " * 1990 + KEY, status=401)
    with pytest.raises(AuthenticationError) as caught:
        ask()
    assert KEY[:8] not in str(caught.value)


def test_an_error_that_is_too_deep_to_parse_is_still_its_status(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data("[" * 200_000, status=500)
    with pytest.raises(ServerError):
        ask()


# --- retries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_can_pass_is_tried_again(httpserver, ask, status):
    httpserver.expect_oneshot_request("/look").respond_with_data(status=status)
    httpserver.expect_oneshot_request("/look").respond_with_json({"answer": 1})
    assert ask(retries=1) == {"answer": 1}
    assert hits(httpserver) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422, 501])
def test_what_cannot_pass_is_not_tried_again(httpserver, ask, status):
    httpserver.expect_request("/look").respond_with_data(status=status)
    with pytest.raises(ProviderError):
        ask(retries=2)
    assert hits(httpserver) == 1


def test_what_cannot_pass_is_not_tried_again_for_a_header(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data(status=413, headers={"Retry-After": "0"})
    with pytest.raises(RequestTooLarge):
        ask(retries=1)
    assert hits(httpserver) == 1


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_request_is_tried_so_often_again(httpserver, ask, retries):
    httpserver.expect_request("/look").respond_with_data(status=503)
    with pytest.raises(ProviderUnavailable) as caught:
        ask(retries=retries)
    assert caught.value.status == 503
    assert hits(httpserver) == retries + 1


def test_the_wait_that_the_service_asks_for_is_kept(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data(status=429, headers={"Retry-After": "7.5"})
    with pytest.raises(RateLimited) as caught:
        ask()
    assert caught.value.retry_after == 7.5


@pytest.mark.parametrize("value", ["soon", "", "Wed, 21 Oct 2099 07:28:00 GMT", "nan", "inf"])
def test_a_wait_that_is_no_number_of_seconds_is_none(httpserver, ask, value):
    httpserver.expect_request("/look").respond_with_data(status=429, headers={"Retry-After": value})
    with pytest.raises(RateLimited) as caught:
        ask()
    assert caught.value.retry_after is None


def test_the_wait_that_the_service_asks_for_is_waited(httpserver, ask):
    httpserver.expect_oneshot_request("/look").respond_with_data(
        status=429, headers={"Retry-After": "1"}
    )
    httpserver.expect_oneshot_request("/look").respond_with_json({})
    started = time.perf_counter()
    ask(retries=1)
    assert 0.9 < time.perf_counter() - started < 5


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_is_not_followed(
    httpserver, ask, raw_server, monkeypatch, status
):
    monkeypatch.setenv("ACME_KEY", KEY)
    other = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    httpserver.expect_request("/look").respond_with_data(
        status=status, headers={"Location": f"{other.url}/look"}
    )
    with pytest.raises(RequestRejected) as caught:
        ask(retries=1)
    assert caught.value.status == status
    assert other.received == []


def test_a_redirect_to_the_same_server_is_not_followed(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data(status=307, headers={"Location": "/see"})
    httpserver.expect_request("/see").respond_with_json({})
    with pytest.raises(RequestRejected):
        ask()
    assert hits(httpserver) == 1


# --- answers that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>Welcome</html>", id="html"),
        pytest.param(b'{"answer": ', id="cut"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"{'a': 1}", id="not json"),
        pytest.param(b"[" * 200_000, id="too deep"),
    ],
)
def test_an_answer_that_is_not_json_is_refused(httpserver, ask, body):
    httpserver.expect_request("/look").respond_with_data(body)
    with pytest.raises(InvalidAnswer, match="acme answered 200 with something that is not JSON"):
        ask()


@pytest.fixture
def small_limit(monkeypatch) -> int:
    monkeypatch.setattr(mediasense.http, "MAX_ANSWER_BYTES", MIB)
    return MIB


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_over_the_limit_is_refused(httpserver, ask, small_limit, status):
    httpserver.expect_request("/look").respond_with_data(b" " * (small_limit + 1), status=status)
    with pytest.raises(InvalidAnswer, match="more than 1 MiB"):
        ask()


def test_an_answer_at_the_limit_is_taken(httpserver, ask, small_limit):
    httpserver.expect_request("/look").respond_with_data(b"{}".ljust(small_limit))
    assert ask() == {}


def test_a_compressed_answer_is_unpacked(httpserver, ask):
    httpserver.expect_request("/look").respond_with_data(
        gzip.compress(b'{"answer": 1}'), headers={"Content-Encoding": "gzip"}
    )
    assert ask() == {"answer": 1}


def test_a_compressed_bomb_is_not_unpacked(httpserver, ask, small_limit):
    bomb = gzip.compress(bytes(200 * MIB), 1)
    httpserver.expect_request("/look").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(InvalidAnswer):
        ask()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB


# --- connections that fail ------------------------------------------------------------------------


def test_a_refused_connection_is_reported_without_the_key(request_to, raw_server, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    with pytest.raises(ConnectionFailed, match="cannot connect to acme") as caught:
        post_json(request_to("http://127.0.0.1:9"), "/look", {})
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("reply", "reset"),
    [
        (b"", False),
        (b"", True),
        (b"\x00\x01 no http at all\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Le", True),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"answer"', False),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"answer"', True),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":', False),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", False),
    ],
    ids=[
        "closed",
        "reset",
        "garbage",
        "cut head",
        "cut body",
        "reset body",
        "cut chunk",
        "false gzip",
    ],
)
def test_a_connection_that_breaks_is_reported(request_to, raw_server, reply, reset):
    server = raw_server(reply, reset=reset)
    with pytest.raises(ConnectionFailed, match="the connection to acme broke") as caught:
        post_json(request_to(server.url), "/look", {})
    assert caught.value.hint == "try again"


def test_a_connection_that_breaks_is_tried_again(request_to, raw_server):
    server = raw_server(b"", reset=True)
    with pytest.raises(ConnectionFailed):
        post_json(request_to(server.url, retries=1), "/look", {})
    assert len(server.received) == 2


def test_a_server_that_does_not_answer_in_time_is_given_up(request_to, raw_server):
    server = raw_server(b"", delay=20)
    started = time.perf_counter()
    with pytest.raises(Timeout, match="acme did not answer in time; try again, or raise --timeout"):
        post_json(request_to(server.url, timeout=0.3), "/look", {})
    assert time.perf_counter() - started < 3
    assert len(server.received) == 1


def test_an_answer_that_stops_in_the_middle_is_given_up(httpserver, ask):
    def stalling(_) -> Response:
        def blocks() -> Iterator[bytes]:
            yield b'{"answer": '
            time.sleep(1)
            yield b"1}"

        return Response(blocks(), 200)

    httpserver.expect_request("/look").respond_with_handler(stalling)
    with pytest.raises(Timeout):
        ask(timeout=0.3)


# --- line by line ---------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def read(httpserver, request_to):
    """All lines that the server answers with."""

    def lines(**options) -> list[str]:
        request = request_to(httpserver.url_for(""), **options)
        with stream_lines(request, "/look", {"q": 1}) as found:
            return list(found)

    return lines


def test_lines_come_without_ends_and_empty_ones_are_left_out(httpserver, read):
    httpserver.expect_request("/look", method="POST", json={"q": 1}).respond_with_data(
        "data: é\r\n\r\ndata: b\n\n\nlast".encode()
    )
    assert read() == ["data: é", "data: b", "last"]


@settings(max_examples=100)
@given(text=st.text(), sizes=st.lists(st.integers(1, 9)))
def test_however_it_arrives_the_lines_are_the_same(text, sizes):
    content = text.encode()
    blocks, start = [], 0
    for size in [*sizes, len(content) or 1]:
        blocks.append(content[start : start + size])
        start += size
    arrived = iter([block for block in blocks if block])

    class Arriving:
        def read1(self, _: int, *, decode_content: bool) -> bytes:
            assert decode_content
            return next(arrived, b"")

        def shutdown(self) -> None:
            """Nobody ends the waiting."""

    lines = [line.removesuffix("\r") for line in text.split("\n")]
    assert list(mediasense.http._lines(Arriving(), "acme")) == [line for line in lines if line]


def test_a_line_comes_before_the_next_is_sent(httpserver, request_to):
    told = threading.Event()

    def answering(_) -> Response:
        def blocks() -> Iterator[bytes]:
            yield b"one\n"
            yield b"two\n" if told.wait(5) else b"late\n"

        return Response(blocks(), 200)

    httpserver.expect_request("/look").respond_with_handler(answering)
    with stream_lines(request_to(httpserver.url_for("")), "/look", {}) as lines:
        assert next(lines) == "one"
        told.set()
        assert list(lines) == ["two"]


def test_a_stream_sends_the_key_and_the_headers_as_any_call(httpserver, read, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    httpserver.expect_request("/look").respond_with_data(b"a")
    read(headers=(("X-Team", "blue"),))
    sent = httpserver.log[0][0].headers
    assert (sent["Authorization"], sent["X-Team"]) == (f"Bearer {KEY}", "blue")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_stream_follows_no_redirect(httpserver, read, raw_server, status):
    other = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    httpserver.expect_request("/look").respond_with_data(
        status=status, headers={"Location": f"{other.url}/look"}
    )
    with pytest.raises(RequestRejected):
        read(retries=1)
    assert other.received == []


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_stream_that_is_refused_is_its_error(httpserver, read, status, kind):
    httpserver.expect_request("/look").respond_with_json({"error": "no"}, status=status)
    with pytest.raises(ProviderError) as caught:
        read()
    assert type(caught.value) is kind


def test_a_stream_that_has_not_begun_is_tried_again(httpserver, read):
    httpserver.expect_oneshot_request("/look").respond_with_data(status=503)
    httpserver.expect_oneshot_request("/look").respond_with_data(b"a")
    assert read(retries=1) == ["a"]


def test_a_stream_that_cannot_begin_is_reported(request_to):
    with (
        pytest.raises(ConnectionFailed, match="cannot connect to acme"),
        stream_lines(request_to("http://127.0.0.1:9"), "/look", {}),
    ):
        pass


@pytest.mark.parametrize(
    "reply",
    [
        CHUNKED + b"4\r\none\n\r\n",
        CHUNKED + b"4\r\none\n\r\n5\r\ntw",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\none\ntwo",
    ],
    ids=["between chunks", "in a chunk", "in a body"],
)
def test_a_stream_that_breaks_is_reported_and_not_tried_again(request_to, raw_server, reply):
    server = raw_server(reply)
    with stream_lines(request_to(server.url, retries=1), "/look", {}) as lines:
        assert next(lines) == "one"
        with pytest.raises(ConnectionFailed, match="the connection to acme broke"):
            list(lines)
    assert len(server.received) == 1


def test_a_stream_that_stops_in_the_middle_is_given_up(httpserver, read):
    def stalling(_) -> Response:
        def blocks() -> Iterator[bytes]:
            yield b"one\n"
            time.sleep(1)
            yield b"two\n"

        return Response(blocks(), 200)

    httpserver.expect_request("/look").respond_with_handler(stalling)
    with pytest.raises(Timeout):
        read(timeout=0.3)


def test_a_line_over_the_limit_is_refused(httpserver, read, monkeypatch):
    monkeypatch.setattr(mediasense.http, "MAX_LINE_BYTES", MIB)
    httpserver.expect_request("/look").respond_with_data(b"x" * 2 * MIB)
    with pytest.raises(InvalidAnswer, match="a line of more than 1 MiB"):
        read()


def test_lines_over_the_limit_of_all_are_refused(httpserver, read, small_limit):
    httpserver.expect_request("/look").respond_with_data(b"x\n" * small_limit)
    with pytest.raises(InvalidAnswer, match="more than 1 MiB"):
        read()


def test_lines_that_are_no_text_are_refused(httpserver, read):
    httpserver.expect_request("/look").respond_with_data(b"\xff\xfe\n")
    with pytest.raises(InvalidAnswer, match="not text"):
        read()


def test_what_a_reader_raises_comes_out_and_ends_the_reading(httpserver, request_to):
    httpserver.expect_request("/look").respond_with_data(b"one\ntwo\n")
    kept = []

    def leave() -> None:
        with stream_lines(request_to(httpserver.url_for("")), "/look", {}) as lines:
            kept.append(lines)
            raise KeyError(next(lines))

    with pytest.raises(KeyError, match="one"):
        leave()
    assert list(kept[0]) == []


# --- what services say ---------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "msg", "code"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "parsed",
    [
        {"error": {"message": "no", "code": 7}},
        {"error": "no"},
        {"message": "no"},
        {"detail": "no"},
        {"detail": [{"loc": ["body"], "msg": "no"}]},
        [{"error": {"message": "no"}}],
        {"error": {"message": ""}, "message": "other"}["error"] | {"msg": "no"},
        "no",
    ],
)
def test_the_message_is_found_in_every_common_shape(parsed):
    assert error_text(parsed) == "no"


@pytest.mark.parametrize("parsed", [None, 7, [], {}, {"error": 7}, {"code": "no"}])
def test_where_there_is_no_message_there_is_no_text(parsed):
    assert error_text(parsed) == ""


@settings(max_examples=100)
@given(parsed=JSON)
def test_any_json_gives_text(parsed):
    assert isinstance(error_text(parsed), str)


@settings(max_examples=100)
@given(text=st.text(), limit=st.integers(1, 400))
def test_a_quote_is_one_printable_line_of_bounded_length(text, limit):
    quoted = one_line(text, limit=limit)
    assert quoted.isprintable()
    assert len(quoted) <= limit
    assert quoted == quoted.strip()


KEYS = st.text(string.ascii_letters + string.digits + "-_.+/=", min_size=8)


@settings(max_examples=100)
@given(before=st.text(), key=KEYS, after=st.text())
def test_a_quote_never_holds_the_key(before, key, after):
    assert key not in one_line(before + key + after, key, limit=10_000)


def test_a_short_quote_is_kept_as_it_is():
    assert one_line("The model “eye” does not exist.") == "The model “eye” does not exist."


@settings(max_examples=100)
@given(parsed=st.recursive(st.text(), lambda inner: st.fixed_dictionaries({"error": inner})))
def test_a_message_that_is_found_is_a_part_of_what_was_said(parsed):
    found = error_text(parsed)
    assert found == "" or json.dumps(found)[1:-1] in json.dumps(parsed)


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("no such key: hunter2.", "hunter2", "no such key: [key]."),
        ("hunter22 and my-hunter2", "hunter2", "hunter22 and my-hunter2"),
        ("the answer is 12345678", "2345678", "the answer is 12345678"),
        ("the answer is 12345678", "12345678", "the answer is [key]"),
        ("we expected x in the next text", "x", "we expected x in the next text"),
        ("fasten", "fast", "fasten"),
    ],
)
def test_a_short_key_is_found_where_it_stands_alone(text, key, told):
    assert one_line(text, key) == told


def test_a_key_within_another_leaves_nothing_of_it():
    assert one_line("sk-12345678-abcdef", "12345678", "sk-12345678-abcdef") == "[key]"
