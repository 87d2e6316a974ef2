"""The other end of the canary."""

from mediasense.testing import Reply, Service


class CanaryService(Service):
    """A service that can do all that is declared."""

    def answer(self, call, said):
        usage = {"in": said.usage.input_tokens, "out": said.usage.output_tokens}
        whole = {"text": said.text, "model": said.model, "usage": usage}
        match call.method, call.path:
            case "POST", "/ask" if call.json["stream"]:
                end = {"model": said.model, "usage": usage}
                pieces = [{"piece": piece} for piece in said.pieces]
                return Reply.events([*pieces, {"end": end}], end=None)
            case "POST", "/ask":
                return Reply.of(whole)
            case "POST", "/hear":
                rows = [{"start": s.start, "end": s.end, "text": s.text} for s in said.segments]
                return Reply.of({**whole, "segments": rows})
            case "GET", "/models":
                return Reply.of({"models": said.models})
        return super().answer(call, said)


SERVICE = CanaryService()
