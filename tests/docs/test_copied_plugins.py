"""The plugins of pages that readers copy from pass the suite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mediasense import Access, Media, ServerError, VideoRequest
from mediasense.testing import Call, Reply, Said, Service, Wire, run_checks
from mediasense_openai_compat.service import SERVICE as OPENAI

DOCS = Path(__file__).parents[2] / "docs"


class Tutorial(Service):
    """Acme, as the tutorial plays it."""

    usage_fields = ()

    def answer(self, call: Call, said: Said) -> Reply:
        if call.path == "/models":
            return Reply.of({"models": said.models})
        if not call.json.get("stream"):
            return Reply.of({"answer": said.text, "model": said.model})
        events = [*({"piece": piece} for piece in said.pieces), {"end": said.model}]
        return Reply(pieces=tuple(json.dumps(event).encode() + b"\n" for event in events))


class Uploads(Service):
    """Acme, as the page about large media has it."""

    usage_fields = ()

    def answer(self, call: Call, said: Said) -> Reply:
        match call.method, call.path:
            case "POST", "/files":
                return Reply.of({"id": "file-1"})
            case "DELETE", "/files/file-1":
                return Reply.of({})
            case "POST", "/watch":
                return Reply.of({"finding": said.text, "eye": said.model})
        return super().answer(call, said)


@pytest.mark.parametrize(
    ("page", "service"),
    [
        pytest.param("how-to/large-media", Uploads(), id="large-media"),
        pytest.param("how-to/sdk", OPENAI, id="sdk"),
        pytest.param("how-to/stream", OPENAI, id="stream"),
        pytest.param("tutorial", Tutorial(), id="tutorial"),
    ],
)
def test_the_plugin_of_the_page_passes_the_suite(page, service, tmp_path):
    text = (DOCS / f"{page}.md").read_text()
    plugin = re.findall(r"^```python\n# acme\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[-1]
    file = tmp_path / f"acme_of_{Path(page).name}.py"
    file.write_text(plugin)
    results = run_checks(str(file), service)
    assert {r.check: r.why for r in results if r.state == "failed"} == {}
    streaming = {r.state for r in results if r.check == "check_a_stream_arrives_in_pieces"}
    assert streaming == {"proved" if "streaming=True" in plugin else "not declared"}


def test_what_was_uploaded_is_deleted_also_when_there_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "secret")
    text = (DOCS / "how-to/large-media.md").read_text()
    plugin: dict[str, Any] = {}
    exec(re.search(r"^```python\n# acme\.py\n(.*?)^```$", text, re.M | re.S)[1], plugin)
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(plugin["INLINE"] + 1))
    video = Media(modality="video", mime_type="video/mp4", path=path, size=path.stat().st_size)
    (provider,) = plugin["capabilities"]()

    def answer(call: Call) -> Reply:
        return Reply(status=500) if call.path == "/watch" else Reply.of({"id": "a/b"})

    with Wire(answer) as wire:
        access = Access(base_url=wire.url, api_key_env="ACME_TOKEN")
        request = VideoRequest(
            provider=provider, access=access, video=video, retries=0, headers=(("X-Team", "blue"),)
        )
        with pytest.raises(ServerError):
            plugin["analyze_video"](request)
    sent = [(call.method, call.path) for call in wire.calls]
    assert sent == [("POST", "/files"), ("POST", "/watch"), ("DELETE", "/files/a%2Fb")]
    assert {call.headers["x-team"] for call in wire.calls} == {"blue"}
