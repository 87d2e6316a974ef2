"""A Google on loopback: it answers, keeps what was sent, and hands out access tokens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mediasense import Provider
from mediasense_gemini_native.providers import GEMINI, VERTEX

# Everything but the token endpoint, which is another service's.
_API = re.compile(r"/(?!token$).*")


@dataclass
class Google:
    """Answers as told, and keeps what was asked.

    Attributes:
        url: The base URL.
        requests: What came in, oldest first.
        token_requests: What came in at the token endpoint.
    """

    KEY: ClassVar[str] = "AIzaSy-the-key-of-the-tests"
    PROJECT: ClassVar[str] = "the-files-project"

    server: HTTPServer
    url: str
    requests: list[Request] = field(default_factory=list)
    token_requests: list[Request] = field(default_factory=list)

    @staticmethod
    def reply(text: str | None = "hello", finish: str | None = "STOP", **more: Any) -> dict:
        """A reply of the model, as Google writes it."""
        candidate: dict[str, Any] = {"index": 0}
        if text is not None:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
        if finish is not None:
            candidate["finishReason"] = finish
        return {"candidates": [candidate], "modelVersion": "gemini-3.1-flash-lite-002", **more}

    @staticmethod
    def events(*chunks: dict[str, Any]) -> str:
        """Chunks as a stream of server-sent events."""
        return "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)

    def answers(self, *replies: Any, status: int = 200, headers: dict[str, str] | None = None):
        """Answer every request for content, the last reply again and again."""
        waiting = list(replies) or [self.reply()]

        def handler(request: Request) -> Response:
            request.get_data()
            self.requests.append(request)
            body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(body, Response):
                return body
            text = body if isinstance(body, str | bytes) else json.dumps(body)
            return Response(text, status, headers, content_type="application/json")

        self.server.expect_request(_API).respond_with_handler(handler)

    def gives_tokens(self, *replies: Response) -> None:
        """Answer at the token endpoint: a new token each time, or the replies given."""
        waiting = list(replies)

        def handler(request: Request) -> Response:
            request.get_data()
            self.token_requests.append(request)
            if waiting:
                return waiting.pop(0)
            token = {"access_token": f"token-{len(self.token_requests)}", "expires_in": 3600}
            return Response(json.dumps(token), content_type="application/json")

        self.server.expect_request("/token", method="POST").respond_with_handler(handler)

    @property
    def request(self) -> Request:
        """The one request that came in."""
        (request,) = self.requests
        return request

    @property
    def body(self) -> Any:
        """The JSON of the one request that came in."""
        return json.loads(self.request.get_data())

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts of the one message of the one request that came in."""
        (message,) = self.body["contents"]
        return message["parts"]


@pytest.fixture
def google(httpserver: HTTPServer) -> Google:
    return Google(server=httpserver, url=httpserver.url_for("").rstrip("/"))


@pytest.fixture
def gemini(google: Google, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The Gemini API, its home moved to loopback, and a key for it."""
    monkeypatch.setenv("GEMINI_API_KEY", Google.KEY)
    return replace(GEMINI, base_url=google.url)


@pytest.fixture
def vertex(google: Google) -> Provider:
    """Vertex AI, its home moved to loopback, and no login."""
    return replace(VERTEX, base_url=google.url)


@pytest.fixture
def small(gemini: Provider) -> Provider:
    """A Gemini API that takes ten bytes inline, so that everything else is uploaded."""
    assert gemini.video is not None
    assert gemini.audio is not None
    return replace(
        gemini,
        video=replace(gemini.video, max_bytes=10),
        audio=replace(gemini.audio, max_bytes=10),
    )


@pytest.fixture(scope="session")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


@pytest.fixture
def key_file(google: Google, private_key: str, tmp_path: Path) -> Callable[..., str]:
    """Write a service account's key; a field given as ``None`` is left out."""

    def write(name: str = "robot.json", **changes: str | None) -> str:
        info: dict[str, str | None] = {
            "type": "service_account",
            "project_id": Google.PROJECT,
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "robot@the-files-project.iam.gserviceaccount.com",
            "token_uri": f"{google.url}/token",
            **changes,
        }
        path = tmp_path / name
        path.write_text(json.dumps({k: v for k, v in info.items() if v is not None}))
        return str(path)

    return write


@pytest.fixture
def run() -> Callable[..., str]:
    """Run Python code in a process of its own, and return what it prints."""

    def go(code: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return go
