"""Requests to a service of the test's own, and what it answers."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from mediasense import Access, Media, TextRequest
from mediasense_openai_compat.presets import PRESETS

# Clients are shared by connections that are alike: a timeout of its own gives each test its own.
_timeouts = itertools.count(20)


class Protocol:
    """What a service of the protocol says."""

    KEY = "sk-test-5f1d9c0a7b"

    @staticmethod
    def completion(finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
        """A whole answer, as OpenAI's API description has it."""
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "the-model-itself",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "A cat.", **message},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }

    @classmethod
    def completion_json(cls) -> bytes:
        return json.dumps(cls.completion()).encode()

    @staticmethod
    def chunk(text: str | None = None, finish_reason: str | None = None) -> dict[str, Any]:
        """One piece of a streamed answer."""
        delta = {} if text is None else {"content": text}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "the-model-itself",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }

    @staticmethod
    def form(request: Any) -> dict[str, bytes]:
        """The fields of a form, and the head of its file as ``head``."""
        boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
        fields = {}
        for part in request.get_data().split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)[1].decode()
            fields[name] = content.removesuffix(b"\r\n")
            if name == "file":
                fields["head"] = head
        return fields

    @staticmethod
    def events(*chunks: object, done: bool = True) -> bytes:
        """Server-sent events."""
        lines = [f"data: {json.dumps(item)}\n\n" for item in chunks]
        return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


@pytest.fixture
def protocol() -> type[Protocol]:
    return Protocol


@pytest.fixture
def ask(httpserver, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``ask(ImageRequest, "groq", prompt=...)``: a request to the test's own server."""
    monkeypatch.setenv("SERVICE_KEY", Protocol.KEY)
    timeout = float(next(_timeouts))

    def make(kind: type, preset: str = "openai", **fields: Any) -> Any:
        access = Access(base_url=httpserver.url_for("/v1"), api_key_env="SERVICE_KEY")
        given = {"access": access, "model": "m", "timeout": timeout, "retries": 0, **fields}
        return kind(provider=PRESETS[preset].provider, **given)

    return make


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TextRequest]:
    """``direct(url)``: a question to a server of another kind."""
    monkeypatch.setenv("SERVICE_KEY", Protocol.KEY)

    def make(url: str, *, timeout: float | None = None, retries: int = 0) -> TextRequest:
        return TextRequest(
            provider=PRESETS["openai"].provider,
            access=Access(base_url=url, api_key_env="SERVICE_KEY"),
            model="m",
            prompt="why?",
            timeout=timeout or float(next(_timeouts)),
            retries=retries,
        )

    return make


@pytest.fixture
def service(httpserver) -> Callable[..., None]:
    """``service(body, path=..., status=..., headers=...)``: what the server says from now on."""

    def says(
        body: object,
        *,
        path: str = "/chat/completions",
        status: int = 200,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        httpserver.expect_request(f"/v1{path}").respond_with_data(
            data, status=status, headers=headers, content_type=kind
        )

    return says


@pytest.fixture
def sent(httpserver) -> Callable[[], Any]:
    """The last request the server got."""
    return lambda: httpserver.log[-1][0]


@pytest.fixture
def link() -> Media:
    return Media(modality="video", mime_type="video/mp4", uri="https://example.com/clip.mp4")
