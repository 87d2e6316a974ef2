"""HTTP/1.1 straight to a service, over the standard library's own connections.

Retries, errors, and the decoding of what comes back stay the SDK's and httpx2's, and so do the TLS
context and the limits of idle connections. What is left out is what no request here needs, and
what took most of the processor time of a call: cookies, redirects, and an event for each line.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import httpx2

from mediasense import interruptible

_BLOCK = 64 * 1024


class DirectClient(httpx2.Client):
    """What the SDK sends requests with: each goes out once, as it is, and leads nowhere else.

    Args:
        limits: How many idle connections are kept, and for how long.
    """

    def __init__(self, limits: httpx2.Limits) -> None:
        super().__init__(transport=DirectTransport(limits))
        self._accepted = ("Accept-Encoding", self.headers["Accept-Encoding"])

    def build_request(self, method: str, url: httpx2.URL | str, **given: Any) -> httpx2.Request:
        """Make a request of what the SDK gives: headers in a list, a timeout, a body."""
        headers, timeout = given.pop("headers"), given.pop("timeout")
        return httpx2.Request(
            method,
            _parsed(url),
            headers=[self._accepted, *headers],
            extensions={"timeout": timeout.as_dict()},
            **given,
        )

    def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        **_: Any,
    ) -> httpx2.Response:
        """Send a request.

        Args:
            request: What to send.
            stream: Whether the answer is read by the caller, piece by piece.

        Raises:
            httpx2.RequestError: Of the class that fits the failure.
        """
        response = self._transport.handle_request(request)
        response.request = request
        if stream:
            return response
        try:
            if "content-encoding" in response.headers:
                return _unpacked(response)
            response.read()
        finally:
            response.close()
        return response


def _unpacked(response: httpx2.Response) -> httpx2.Response:
    """The answer unpacked: a little that is packed may become very much."""
    content = bytearray()
    for block in response.iter_bytes():
        content += block
        if len(content) > _MOST_BYTES:
            raise httpx2.RemoteProtocolError(_TOO_LARGE)
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _OF_PACKING]
    found = httpx2.Response(response.status_code, headers=headers, content=bytes(content))
    found.request = response.request
    return found


@lru_cache(maxsize=64)
def _parsed(url: httpx2.URL | str) -> httpx2.URL:
    return httpx2.URL(url)


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int


class DirectTransport(httpx2.BaseTransport):
    """Connections that are used again, for any number of threads.

    Args:
        limits: How many idle connections are kept, and for how long.
    """

    def __init__(self, limits: httpx2.Limits) -> None:
        self._limits = limits
        self._idle: dict[_Origin, _Idle] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and read the head of what is answered.

        Raises:
            httpx2.TransportError: Of the class that fits the failure.
        """
        timeouts = request.extensions.get("timeout", {})
        idle = self._idle_for(request.url)
        connection = idle.take() or self._connected(idle.origin, timeouts.get("connect"))
        try:
            _send(connection, request, timeouts.get("write"))
            sock = connection.sock
            answer = _receive(connection, timeouts.get("read"))
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            answer.status,
            headers=[(n.encode("latin-1"), v.encode("latin-1")) for n, v in answer.getheaders()],
            stream=_Content(answer, connection, sock, idle),
        )

    def close(self) -> None:
        """Close the connections that are idle."""
        for idle in tuple(self._idle.values()):
            idle.close()

    def _idle_for(self, url: httpx2.URL) -> _Idle:
        scheme = url.scheme
        port = url.port or (443 if scheme == "https" else 80)
        origin = _Origin(scheme, url.raw_host.decode("ascii"), port)
        with self._lock:
            return self._idle.setdefault(origin, _Idle(origin, self._limits))

    def _connected(self, origin: _Origin, timeout: float | None) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if origin.scheme == "https":
            connection = http.client.HTTPSConnection(
                origin.host, origin.port, timeout=timeout, context=self._tls()
            )
        else:
            connection = http.client.HTTPConnection(origin.host, origin.port, timeout=timeout)
        try:
            with _named(httpx2.ConnectTimeout, httpx2.ConnectError):
                connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = httpx2.create_ssl_context()
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


class _Idle:
    """Connections to one origin that wait for their next request."""

    def __init__(self, origin: _Origin, limits: httpx2.Limits) -> None:
        self.origin = origin
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        # Clients that are not used any more are forgotten, and nobody closes them.
        weakref.finalize(self, _close, self._waiting).atexit = False

    def take(self) -> http.client.HTTPConnection | None:
        """The one used last, if it is still open."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                waiting = self._waiting.pop()
            if self._is_fresh(waiting) and not _is_readable(waiting.connection.sock):
                return waiting.connection
            waiting.connection.close()

    def put(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection, and close those that waited too long."""
        most = self._limits.max_keepalive_connections
        old: list[_Waiting] = []
        with self._lock:
            while self._waiting and (
                len(self._waiting) == most or not self._is_fresh(self._waiting[0])
            ):
                old.append(self._waiting.popleft())
            self._waiting.append(_Waiting(connection))
        _close(old)

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            old = tuple(self._waiting)
            self._waiting.clear()
        _close(old)

    def _is_fresh(self, waiting: _Waiting) -> bool:
        most = self._limits.keepalive_expiry
        return most is None or time.monotonic() - waiting.since < most


@dataclass(frozen=True, slots=True)
class _Waiting:
    connection: http.client.HTTPConnection
    since: float = field(default_factory=time.monotonic)


def _close(waiting: Iterable[_Waiting]) -> None:
    for one in waiting:
        one.connection.close()


class _Content(httpx2.SyncByteStream):
    """What follows the head of an answer; closed, its connection is kept or closed too."""

    def __init__(
        self,
        answer: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        sock: socket.socket,
        idle: _Idle,
    ) -> None:
        self._answer = answer
        self._wake = partial(sock.shutdown, socket.SHUT_RDWR)
        self._connection: http.client.HTTPConnection | None = connection
        self._idle = idle
        self._whole = False

    def __iter__(self) -> Iterator[bytes]:
        # Counted here: until Python 3.12 `read1` does not, and waits for more than there is.
        left, taken = self._answer.length, 0
        while left != 0:
            with interruptible(self._wake), _named(httpx2.ReadTimeout, httpx2.ReadError):
                block = self._answer.read1(_BLOCK if left is None else min(left, _BLOCK))
            if not block:
                break
            left = None if left is None else left - len(block)
            taken += len(block)
            if taken > _MOST_BYTES:
                raise httpx2.RemoteProtocolError(_TOO_LARGE)
            yield block
        if left:
            raise httpx2.RemoteProtocolError(f"the connection was closed, {left} bytes early")
        self._whole = True

    def close(self) -> None:
        """Keep the connection if the answer was read to its end, and else close it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._answer.close()
        if self._whole and not self._answer.will_close:
            self._idle.put(connection)
        else:
            connection.close()


_MOST_INTERIM = 100
_MOST_BYTES = 64 << 20
"""Of one answer; no answer about media is as long."""
_TOO_LARGE = "an answer of more than 64 MiB"
_OF_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")


def _send(
    connection: http.client.HTTPConnection, request: httpx2.Request, timeout: float | None
) -> None:
    _wait_at_most(connection, timeout)
    chunked = False
    try:
        connection.putrequest(
            request.method,
            request.url.raw_path.decode("ascii"),
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in request.headers.raw:
            chunked = chunked or name.lower() == b"transfer-encoding"
            connection.putheader(name, value)
    except ValueError as error:  # a line break in a header
        raise httpx2.LocalProtocolError(str(error)) from error
    blocks: Iterator[bytes] = iter(request.stream)  # type: ignore[arg-type]
    try:
        with _named(httpx2.WriteTimeout, httpx2.WriteError):
            connection.endheaders()
        # The next block is made outside: what fails there is no failure of the connection.
        for block in blocks:
            if block:
                with _named(httpx2.WriteTimeout, httpx2.WriteError):
                    connection.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            with _named(httpx2.WriteTimeout, httpx2.WriteError):
                connection.send(b"0\r\n\r\n")
    except httpx2.WriteError:
        # Some services answer before they have read everything, and hang up: it says why.
        pass


class _Answer(http.client.HTTPResponse):
    """An answer; those that only say that one will come are passed over.

    ``http.client`` does so for 100 alone, and takes a 102 or 103 for the answer: the true one would
    then be that to the next request (RFC 9110, section 15.2).
    """

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM):
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 101 < found[1] < 200:
                return found
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("the service says only that it will answer")


def _receive(
    connection: http.client.HTTPConnection, timeout: float | None
) -> http.client.HTTPResponse:
    wake = partial(connection.sock.shutdown, socket.SHUT_RDWR)
    with interruptible(wake), _named(httpx2.ReadTimeout, httpx2.ReadError):
        _wait_at_most(connection, timeout)
        connection.response_class = _Answer
        return connection.getresponse()


def _wait_at_most(connection: http.client.HTTPConnection, timeout: float | None) -> None:
    if connection.sock.gettimeout() != timeout:  # to set it is a call of the system
        connection.sock.settimeout(timeout)


@contextmanager
def _named(
    late: type[httpx2.TransportError], broken: type[httpx2.TransportError]
) -> Iterator[None]:
    """Failures of the standard library as those that the SDK knows."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except http.client.HTTPException as error:
        raise httpx2.RemoteProtocolError(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


def _is_readable(sock: socket.socket) -> bool:
    """Whether something came that nobody asked for: mostly that the service hung up."""
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
