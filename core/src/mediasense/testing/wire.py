"""A service made of answers that are written down beforehand: a recording server on this machine.

The SDK under test stays real, and so does the wire: what it sends is recorded as it came, and what
comes back is whatever the script says, also at the wrong time or not at all.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_LONGEST_BODY = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart form.

    Attributes:
        name: Of the field.
        filename: As it was sent, or ``""``.
        content_type: Its MIME type.
        data: Its bytes.
    """

    name: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request, as it came over the wire.

    Attributes:
        method: Such as ``POST``.
        path: Without the query.
        query: What stands behind the question mark.
        headers: By their names in lower case.
        body: Its bytes.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def json(self) -> Any:
        """The body, parsed; ``None`` where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def parameters(self) -> dict[str, str]:
        """What the query says; of a name that comes twice, the last."""
        return {name: values[-1] for name, values in parse_qs(self.query).items()}

    @property
    def form(self) -> tuple[Part, ...]:
        """The parts of a multipart form, or none."""
        kind = self.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/"):
            return ()
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        message = BytesParser(policy=policy.HTTP).parsebytes(head + self.body)
        parts = message.iter_parts() if message.is_multipart() else ()
        return tuple(
            Part(
                name=str(part.get_param("name", "", header="content-disposition")),
                filename=part.get_filename() or "",
                content_type=part.get_content_type(),
                data=data if isinstance(data, bytes) else b"",
            )
            for part in parts
            for data in (part.get_payload(decode=True),)
        )

    def contents(self) -> bytes:
        """The body, and behind it everything that stands in it as base64, decoded."""
        return b"\n".join((self.body, *map(_decoded, _BASE64_RUN.findall(self.body))))

    def holds(self, data: bytes) -> bool:
        """Whether the body holds these bytes, as they are or as base64."""
        return data in self.body or data in self.contents()

    def mentions(self, text: str) -> bool:
        """Whether the text stands anywhere in the request: its path, headers or body."""
        head = "\n".join((self.path, self.query, *(f"{n}: {v}" for n, v in self.headers.items())))
        escaped = json.dumps(text)[1:-1].encode()
        return text in head or text.encode() in self.body or escaped in self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the service answers.

    Attributes:
        status: Of HTTP.
        body: Its bytes.
        content_type: Of the body.
        headers: Besides it.
        pieces: Sent one after another in place of ``body``, as a stream whose length is not told.
        delay: Seconds before anything is sent.
        pause: Seconds between two pieces.
        broken: Whether the connection ends in the middle of the body.
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = field(default=(), repr=False)
    delay: float = 0.0
    pause: float = 0.0
    broken: bool = False

    @classmethod
    def of(
        cls, value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
    ) -> Self:
        """An answer of JSON."""
        return cls(status=status, body=json.dumps(value).encode(), headers=headers)

    @classmethod
    def events(cls, values: Iterable[object], *, end: str | None = "[DONE]") -> Self:
        """A stream of server-sent events, each of JSON; one that is text is sent as it is.

        Args:
            values: What each event says.
            end: What the last event says, or ``None`` for a stream that just ends.
        """
        said = [value if isinstance(value, str) else json.dumps(value) for value in values]
        lines = [*said, *([end] if end is not None else [])]
        pieces = tuple(f"data: {line}\n\n".encode() for line in lines)
        return cls(pieces=pieces, content_type="text/event-stream")


class Wire:
    """A server on 127.0.0.1 that records every request and answers as it is told.

    Use it as a context manager. Requests are answered on threads of their own, several at once.

    Args:
        answer: What makes a reply of a call.
        port: Where it listens; 0 for any that is free.

    Attributes:
        answer: What makes a reply of a call; it may be replaced at any time. What it raises is
            answered with 500, and kept in ``problems``.
        calls: What came, in order.
        problems: What ``answer`` raised.
        left: How many clients went away before they had the whole answer.
    """

    def __init__(self, answer: Callable[[Call], Reply], *, port: int = 0) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.problems: list[Exception] = []
        self.left = 0
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.wire = self

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # nobody waits for a slow answer any longer
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """Forget what came."""
        self.calls.clear()
        self.problems.clear()
        self.left = 0

    def take(self, call: Call) -> Reply:
        """Record a request, and say what is answered."""
        self.calls.append(call)
        try:
            return self.answer(call)
        except Exception as error:  # noqa: BLE001  whoever wrote the script is told by the test
            self.problems.append(error)
            return Reply.of({"error": {"message": f"{type(error).__name__}: {error}"}}, status=500)

    def wait(self, seconds: float) -> bool:
        """Wait as a slow service does; whether the wire was closed meanwhile."""
        return self._ended.wait(seconds)


def _decoded(run: bytes) -> bytes:
    plain = run.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    whole = plain[: len(plain) - len(plain) % 4 or None] if len(plain) % 4 == 1 else plain
    try:
        return base64.b64decode(whole + b"=" * (-len(whole) % 4))
    except binascii.Error:
        return b""


class _Server(ThreadingHTTPServer):
    """A server whose threads hold nothing up."""

    daemon_threads = True
    request_queue_size = 128
    wire: Wire

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    """Reads a request whole, and sends what the script says."""

    protocol_version = "HTTP/1.1"
    # Else each small piece would wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def handle_one_request(self) -> None:
        """Handle any method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body(),
        )
        reply = self.server.wire.take(call)
        if reply.delay and self.server.wire.wait(reply.delay):
            self.close_connection = True
            return
        try:
            self._send(reply)
            self.wfile.flush()
        except OSError:
            self.server.wire.left += 1
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(min(length, _LONGEST_BODY))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.pieces:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._stream(reply)
            return
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        body = reply.body[: len(reply.body) // 2] if reply.broken else reply.body
        if self.command != "HEAD":
            self.wfile.write(body)
        if reply.broken:
            self._hang_up()

    def _stream(self, reply: Reply) -> None:
        for number, piece in enumerate(reply.pieces):
            if number and reply.pause and self.server.wire.wait(reply.pause):
                self._hang_up()
                return
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        if reply.broken:
            self._hang_up()
            return
        self.wfile.write(b"0\r\n\r\n")

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  their name
        """Write nothing: the calls are recorded."""
