"""Connections to services: which are used again, and how they fail."""

import gc
import gzip
import json
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx2
import openai
import pytest
from werkzeug import Response

from mediasense_openai_compat.client import _http_client
from mediasense_openai_compat.transport import DirectClient

LIMITS = httpx2.Limits(max_keepalive_connections=2, keepalive_expiry=60.0)
TIMEOUT = httpx2.Timeout(5.0)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """A server that answers the requests of each connection with what it is told to."""

    def __init__(self, *scripts: tuple[bytes, ...]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1/chat"
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = threading.Semaphore(0)
        self._scripts = scripts
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            for script in self._scripts:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, script)).start()

    def _serve(self, connection: socket.socket, script: tuple[bytes, ...]) -> None:
        with connection, suppress(OSError):
            for answer in script:
                self.requests.append(_read(connection))
                connection.sendall(answer)
        self.closed.release()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
    wanted = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    servers: list[Scripted] = []

    def start(*scripts: tuple[bytes, ...]) -> Scripted:
        servers.append(Scripted(*scripts))
        return servers[-1]

    yield start
    for server in servers:
        server.listener.close()


@pytest.fixture
def client() -> Iterator[DirectClient]:
    with DirectClient(LIMITS) as client:
        yield client


def post(client: httpx2.Client, url: str, content: object = b"{}", **headers: str):
    request = client.build_request(
        "POST", url, headers=list(headers.items()), timeout=TIMEOUT, content=content
    )
    return client.send(request)


def test_a_connection_is_used_again(client, scripted):
    server = scripted((ANSWER, ANSWER), (ANSWER,))
    assert [post(client, server.url).text for _ in range(2)] == ["ok", "ok"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        ANSWER,
    ],
    ids=["said", "old", "unframed", "unsaid"],
)
def test_a_connection_that_was_closed_is_not_used_again(answer, client, scripted):
    server = scripted((answer,), (ANSWER,))
    assert post(client, server.url).text == "ok"
    assert server.closed.acquire(timeout=5)
    assert post(client, server.url).text == "ok"
    assert server.connections == 2


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(client, scripted):
    server = scripted((ANSWER + ANSWER.replace(b"ok", b"no"), ANSWER), (ANSWER,))
    assert [post(client, server.url).text for _ in range(2)] == ["ok", "ok"]


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_answer_that_says_only_that_one_will_come_is_not_it(status, client, scripted):
    interim = b"HTTP/1.1 %d Later\r\nLink: </a>\r\n\r\n" % status
    server = scripted((interim * 2 + ANSWER, ANSWER.replace(b"ok", b"no")))
    assert [post(client, server.url).text for _ in range(2)] == ["ok", "no"]


def test_an_idle_connection_is_dropped_in_time(scripted):
    server = scripted((ANSWER, ANSWER), (ANSWER,))
    with DirectClient(httpx2.Limits(keepalive_expiry=0.0)) as client:
        assert [post(client, server.url).text for _ in range(2)] == ["ok", "ok"]
    assert server.connections == 2


def test_answers_of_several_threads_are_not_mixed_up(client, httpserver):
    httpserver.expect_request("/echo").respond_with_handler(
        lambda request: Response(request.get_data())
    )
    url, got = httpserver.url_for("/echo"), {}

    def ask(number: int) -> None:
        got[number] = [post(client, url, b"%d" % (number * 100 + i)).text for i in range(10)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {n: [str(n * 100 + i) for i in range(10)] for n in range(8)}


def test_what_is_packed_is_unpacked_once(client, scripted):
    packed = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    server = scripted((head.encode() + packed,))
    assert post(client, server.url).json() == {"a": 1}
    assert b"Accept-Encoding: gzip" in server.requests[0]


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_without_end_is_not_read_to_its_end(packed, client, scripted, monkeypatch):
    monkeypatch.setattr("mediasense_openai_compat.transport._MOST_BYTES", 100_000)
    body = b"0" * 200_000
    content = gzip.compress(body) if packed else body
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(content)
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""
    server = scripted((head + encoding + b"\r\n" + content,))
    with pytest.raises(httpx2.RemoteProtocolError, match="64 MiB"):
        post(client, server.url)


def test_pieces_are_read_as_they_come(client, scripted):
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    server = scripted((first, b"3\r\ntwo\r\n0\r\n\r\n"))
    request = client.build_request("POST", server.url, headers=[], timeout=TIMEOUT, content=b"{}")
    response = client.send(request, stream=True)
    pieces = response.iter_raw()
    assert next(pieces) == b"one"  # the second is not sent yet
    response.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
        b"220 mail.example.com\r\n",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_refused(answer, client, scripted):
    server = scripted((answer,))
    with pytest.raises(httpx2.RemoteProtocolError):
        post(client, server.url)


def test_a_service_that_answers_before_it_has_read_everything_is_heard(client):
    listener = socket.create_server(("127.0.0.1", 0))
    refused = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_RDWR)
        refused.set()

    def body() -> Iterator[bytes]:
        yield b"x"
        refused.wait(5)
        for _ in range(20):
            yield b"x" * 100_000

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    content = {"Content-Length": "2000001"}
    with listener:
        assert post(client, url, body(), **content).status_code == 413


def test_a_body_of_unknown_length_is_sent_in_chunks(client):
    listener = socket.create_server(("127.0.0.1", 0))
    received = bytearray()

    def serve() -> None:
        connection, _ = listener.accept()
        while not received.endswith(b"0\r\n\r\n"):
            received.extend(connection.recv(65536))
        connection.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        post(client, f"http://127.0.0.1:{listener.getsockname()[1]}/", iter([b"one", b"", b"two"]))
    assert received.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_header_with_a_line_break_is_not_sent(client, scripted):
    server = scripted((ANSWER,))
    with pytest.raises(httpx2.LocalProtocolError):
        post(client, server.url, Injected="a\r\nB: c")
    assert server.requests in ([], [b"\r\n\r\n"])


def test_a_failure_to_read_the_media_is_no_failure_of_the_connection(client, scripted):
    def body() -> Iterator[bytes]:
        yield b"x"
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        post(client, scripted((ANSWER,)).url, body(), **{"Content-Length": "2"})


def test_each_wait_has_its_own_end(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        request = client.build_request(
            "POST", url, headers=[], timeout=httpx2.Timeout(5.0, read=0.05), content=b"{}"
        )
        with pytest.raises(httpx2.ReadTimeout):
            client.send(request)


def test_a_host_that_is_nobody_is_a_failure_to_connect(client):
    with pytest.raises(httpx2.ConnectError):
        post(client, "http://127.0.0.1:9/")


def test_a_certificate_that_nobody_vouches_for_is_refused(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"not TLS at all")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(httpx2.ConnectError):
            post(client, f"https://127.0.0.1:{listener.getsockname()[1]}/")


def test_certificates_and_names_are_checked(client):
    context = client._transport._tls()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_asked_over_https_alone(variable, monkeypatch):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert not isinstance(_http_client("https://api.example.com/v1"), DirectClient)
    assert isinstance(_http_client("http://127.0.0.1:8000/v1"), DirectClient)


def test_a_proxy_for_http_alone_changes_nothing(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(_http_client("https://api.example.com/v1"), DirectClient)
    assert isinstance(_http_client("http://127.0.0.1:8000/v1"), DirectClient)


def test_the_sdk_tries_again_over_it(client, scripted):
    completion = json.dumps({"choices": []}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(completion)}"
    server = scripted((b"",), (head.encode() + b"\r\n\r\n" + completion,))
    sdk = openai.OpenAI(api_key="k", base_url=server.url, max_retries=1, http_client=client)
    assert sdk.post("/x", cast_to=object, content=b"{}") == {"choices": []}
    assert server.connections == 2


def test_a_client_that_is_forgotten_leaves_no_connection_open(scripted):
    service = scripted((ANSWER, ANSWER))
    client = DirectClient(LIMITS)
    assert post(client, service.url).status_code == 200
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert [str(item.message) for item in caught] == []
