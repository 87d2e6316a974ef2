"""What Google answers: the other end of the plugin, for proving it.

Used by ``mediasense plugins check`` and by the tests; no call of a user comes here.
"""

from __future__ import annotations

from typing import Any

from mediasense.testing import Call, Reply, Said, Service

_STORED = "files/kept"


class GoogleService(Service):
    """The Gemini API and Vertex AI, with a store for files."""

    def answer(self, call: Call, said: Said) -> Reply:
        """A reply of the model, whole or in pieces, a stored file or the list of models."""
        if call.path.endswith(":generateContent"):
            return Reply.of({**_chunk(said, said.text, end=True), "usageMetadata": _usage(said)})
        if call.path.endswith(":streamGenerateContent"):
            return _streamed(said)
        if call.path.startswith("/upload/"):
            return _upload(call)
        if call.method == "DELETE":
            return Reply.of({})
        if call.path.rpartition("/")[2] == "models":
            return Reply.of({"models": [{"name": f"models/{name}"} for name in said.models]})
        if "/files/" in call.path:
            return Reply.of(_file(call))
        return super().answer(call, said)


def _streamed(said: Said) -> Reply:
    pieces = [_chunk(said, piece, end=False) for piece in said.pieces]
    end = {**_chunk(said, "", end=True), "usageMetadata": _usage(said)}
    return Reply.events([*pieces, end], end=None)


def _chunk(said: Said, text: str, *, end: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if end:
        candidate["finishReason"] = "STOP"
    return {"candidates": [candidate], "modelVersion": said.model}


def _usage(said: Said) -> dict[str, int | None]:
    return {
        "promptTokenCount": said.usage.input_tokens,
        "candidatesTokenCount": said.usage.output_tokens,
    }


def _upload(call: Call) -> Reply:
    """The upload of a file: where its blocks go, and then that they are there."""
    if "start" in call.headers.get("x-goog-upload-command", ""):
        host = call.headers.get("host", "")
        return Reply(headers=(("X-Goog-Upload-URL", f"http://{host}/upload/blocks"),))
    done = "finalize" in call.headers.get("x-goog-upload-command", "")
    return Reply(
        body=Reply.of({"file": _file(call)}).body if done else b"",
        headers=(("X-Goog-Upload-Status", "final" if done else "active"),),
    )


def _file(call: Call) -> dict[str, str]:
    host = call.headers.get("host", "")
    return {"name": _STORED, "uri": f"http://{host}/v1beta/{_STORED}", "state": "ACTIVE"}


SERVICE = GoogleService()
