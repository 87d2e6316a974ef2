"""What Acme Template answers, for the tests.

It is the other end of client.py. Write here what the real service says: copy its answers, not
its documentation.
"""

from __future__ import annotations

from mediasense.testing import Call, Reply, Said, Service


class Script(Service):
    """The service, as the conformance suite meets it."""

    def answer(self, call: Call, said: Said) -> Reply:
        """Answer a question, or list the models."""
        match call.method, call.path:
            case "POST", "/look":
                usage = {"read": said.usage.input_tokens, "written": said.usage.output_tokens}
                return Reply.of({"answer": said.text, "model": said.model, "usage": usage})
            case "GET", "/models":
                return Reply.of({"models": said.models})
        return super().answer(call, said)


SERVICE = Script()
