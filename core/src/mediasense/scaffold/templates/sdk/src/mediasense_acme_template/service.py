"""What Acme Template answers, for the tests.

It is the other end of client.py. Write here what the real service says: copy its answers, not
its documentation.
"""

from __future__ import annotations

import json

from mediasense.testing import Call, Reply, Said, Service


class Script(Service):
    """The service, as the conformance suite meets it."""

    def answer(self, call: Call, said: Said) -> Reply:
        """Answer a question as a stream, or list the models."""
        match call.method, call.path:
            case "POST", "/v1/messages":
                return Reply(pieces=_events(said), content_type="text/event-stream")
            case "GET", "/v1/models":
                return Reply.of({"data": [{"id": name} for name in said.models]})
        return super().answer(call, said)


def _events(said: Said) -> tuple[bytes, ...]:
    usage = {"input_tokens": said.usage.input_tokens, "output_tokens": said.usage.output_tokens}
    return (
        _event("message_start", message={"model": said.model, "content": [], "usage": usage}),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            for piece in said.pieces
        ),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage),
        _event("message_stop"),
    )


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


SERVICE = Script()
