"""What this plugin alone does: it keeps the SDK's own variables out, and names its failures."""

import pytest
from mediasense import Access, Answer, ImageRequest, Media, ProviderUnavailable, Usage
from mediasense.testing import Reply, Said, Wire

from mediasense_acme_template import analyze_image
from mediasense_acme_template.provider import PROVIDER
from mediasense_acme_template.service import SERVICE

COUNTED = Usage(input_tokens=7, output_tokens=2)
SAID = Said(text="a cat", pieces=("a ", "cat"), model="eye-1b", usage=COUNTED)


def ask(wire: Wire) -> Answer:
    image = Media(modality="image", mime_type="image/png", data=b"pixels")
    access = Access(base_url=wire.url)
    request = ImageRequest(
        provider=PROVIDER, access=access, model="eye-1", prompt="what?", images=(image,)
    )
    return analyze_image(request, on_text=None)


def test_variables_of_the_sdk_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-another")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-another")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Other: of-another")
    with Wire(lambda call: SERVICE.answer(call, SAID)) as wire:
        answer = ask(wire)
    assert answer == Answer(text="a cat", model="eye-1b", usage=COUNTED, finish_reason="stop")
    assert not wire.calls[0].mentions("of-another")


def test_an_error_within_a_stream_is_named() -> None:
    said = b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}'
    event = b"event: error\ndata: " + said + b"\n\n"
    reply = Reply(pieces=(event,), content_type="text/event-stream")
    with Wire(lambda call: reply) as wire, pytest.raises(ProviderUnavailable, match="busy"):
        ask(wire)
