"""What a service of the protocol answers: the other end of the plugin, for proving it.

Used by ``mediasense plugins check`` and by the tests; no call of a user comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediasense.testing import Call, Reply, Said, Service

if TYPE_CHECKING:
    from mediasense import MediaModality, Provider


class OpenAIService(Service):
    """A service as OpenAI's API description has it."""

    def answer(self, call: Call, said: Said) -> Reply:
        """A message, whole or in pieces, a transcript or the list of models."""
        if call.path.endswith("/chat/completions"):
            return _streamed(said) if call.json.get("stream") else Reply.of(_whole(said))
        if call.path.endswith("/audio/transcriptions"):
            return Reply.of(_transcript(call, said))
        if call.method == "GET":
            return Reply.of({"object": "list", "data": [{"id": name} for name in said.models]})
        return super().answer(call, said)

    def model(self, provider: Provider, modality: MediaModality) -> str | None:
        """A name, where the provider has no default: servers are asked which models they have."""
        del modality
        return None if provider.default_model else "the-model"


def _whole(said: Said) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.text}
    return {
        "object": "chat.completion",
        "model": said.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(said),
    }


def _streamed(said: Said) -> Reply:
    pieces = [_chunk(said, {"content": piece}) for piece in said.pieces]
    end = {**_chunk(said, {}, finish_reason="stop"), "usage": _usage(said)}
    return Reply.events([*pieces, end])


def _chunk(
    said: Said, delta: dict[str, str], *, finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "model": said.model, "choices": [choice]}


def _transcript(call: Call, said: Said) -> dict[str, Any]:
    segments = [{"start": s.start, "end": s.end, "text": s.text} for s in said.segments]
    asked = {part.name: part.data for part in call.form}
    timed = any(name.startswith("timestamp_granularities") for name in asked)
    found: dict[str, Any] = {"text": said.text, "model": said.model, "usage": _usage(said)}
    return {**found, "segments": segments} if timed else found


def _usage(said: Said) -> dict[str, int | None]:
    return {
        "prompt_tokens": said.usage.input_tokens,
        "completion_tokens": said.usage.output_tokens,
    }


SERVICE = OpenAIService()
