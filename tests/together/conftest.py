"""The command line as a user runs it: a process of its own, and servers on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / "examples" / "media"
SECRET = "sk-very-secret-0123456789"


@dataclass(frozen=True)
class Run:
    """One run of the command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def mediasense() -> Callable[..., Run]:
    """Run ``mediasense`` with arguments, and with extra environment variables."""

    def run(*arguments: object, **variables: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "mediasense", *map(str, arguments)],
            capture_output=True,
            env={**os.environ, **variables},
            timeout=90,
            check=False,
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def openai_server(httpserver: HTTPServer) -> HTTPServer:
    """A server that speaks the OpenAI protocol, at the root and below /v1."""

    def chat(request: Request) -> Response:
        asked = request.get_json()
        parts = [part for message in asked["messages"] for part in message["content"]]
        kinds = "+".join(part["type"] for part in parts if isinstance(part, dict)) or "text"
        return _json(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": asked["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": f"I saw {kinds}."},
                    }
                ],
                "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
            }
        )

    def transcribe(request: Request) -> Response:
        assert request.files["file"].read()[:4]
        return _json(
            {
                "text": "Restart the service.",
                "language": "en",
                "duration": 4.5,
                "segments": [{"id": 0, "start": 0.0, "end": 4.5, "text": "Restart the service."}],
            }
        )

    models = _json({"object": "list", "data": [{"id": "served", "object": "model"}]})
    for prefix in ("", "/v1"):
        httpserver.expect_request(f"{prefix}/chat/completions").respond_with_handler(chat)
        httpserver.expect_request(f"{prefix}/audio/transcriptions").respond_with_handler(transcribe)
        httpserver.expect_request(f"{prefix}/models").respond_with_response(models)
    return httpserver


@pytest.fixture
def gemini_server(httpserver: HTTPServer) -> HTTPServer:
    """A server that speaks the protocol of Gemini and of Vertex AI."""

    def generate(request: Request) -> Response:
        asked = request.get_json()
        parts = asked["contents"][0]["parts"]
        kinds = "+".join(
            part["inlineData"].get("mime_type") or part["inlineData"]["mimeType"]
            for part in parts
            if "inlineData" in part
        )
        answer = {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": f"I saw {kinds}."}]},
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3},
            "modelVersion": "gemini-served",
        }
        if request.path.endswith(":streamGenerateContent"):
            event = f"data: {json.dumps(answer)}\n\n"
            return Response(event, content_type="text/event-stream")
        return _json(answer)

    import re

    asks = re.compile(r".*:(generate|streamGenerate)Content$")
    httpserver.expect_request(asks).respond_with_handler(generate)
    return httpserver


def _json(value: object) -> Response:
    return Response(json.dumps(value), content_type="application/json")
