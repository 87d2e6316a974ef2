"""What Acme's vision service answers, for `mediasense plugins check acme`."""

from mediasense.testing import Reply, Service


class AcmeService(Service):
    """The service, as its own developers describe it."""

    def answer(self, call, said):
        """A finding, or the list of eyes."""
        if (call.method, call.path) == ("POST", "/look"):
            cost = {"read": said.usage.input_tokens, "written": said.usage.output_tokens}
            return Reply.of({"finding": said.text, "eye": said.model, "cost": cost})
        if (call.method, call.path) == ("GET", "/eyes"):
            return Reply.of({"eyes": [{"name": name} for name in said.models]})
        return super().answer(call, said)


SERVICE = AcmeService()
