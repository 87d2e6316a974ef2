"""What must not happen: keys that go astray, and an environment that has a say."""

import logging
import os
import subprocess
import sys
import threading

import pytest
from werkzeug import Response

import mediasense_openai_compat as plugin
from mediasense import (
    Access,
    AudioRequest,
    ImageRequest,
    MissingCredentials,
    ModelsRequest,
    RequestRejected,
    TextRequest,
    connect,
)
from mediasense_openai_compat.presets import PRESETS

SERVICES = [p for p in PRESETS.values() if p.provider.credentials is not None]

# What the openai package looks for by itself (openai 3.54.0 source).
AMBIENT = {
    "OPENAI_ADMIN_KEY": "sk-admin-astray",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/astray",
    "OPENAI_ORG_ID": "org-astray",
    "OPENAI_PROJECT_ID": "proj-astray",
    "OPENAI_WEBHOOK_SECRET": "whsec-astray",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-astray\nX-Astray: astray\napi-key: astray",
}


@pytest.fixture
def ambient(monkeypatch):
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("ambient")
@pytest.mark.parametrize("name", PRESETS)
def test_the_environment_of_the_sdk_has_no_say(name, ask, service, sent, protocol, image):
    service(protocol.completion())
    plugin.analyze_image(ask(ImageRequest, name, prompt="what?", images=(image,)), None)
    assert sent().headers["Authorization"] == f"Bearer {protocol.KEY}"
    assert "astray" not in str(sent().headers)


@pytest.mark.usefixtures("ambient")
def test_the_environment_of_the_sdk_has_no_say_in_uploads_and_listings(
    ask, service, httpserver, sound
):
    service({"text": "hello"}, path="/audio/transcriptions")
    service({"data": []}, path="/models")
    plugin.analyze_audio(ask(AudioRequest, audio=sound), None)
    plugin.list_models(ask(ModelsRequest))
    assert len(httpserver.log) == 2
    assert not any("astray" in str(request.headers) for request, _ in httpserver.log)


@pytest.mark.usefixtures("ambient")
def test_no_key_of_the_environment_is_sent_where_none_is_needed(
    httpserver, service, protocol, sent
):
    service(protocol.completion())
    access = Access(base_url=httpserver.url_for("/v1"))
    provider = PRESETS["ollama"].provider
    plugin.generate(TextRequest(provider=provider, access=access, model="m", prompt="?"), None)
    assert "Authorization" not in sent().headers
    assert "astray" not in str(sent().headers)


@pytest.mark.parametrize(
    "name",
    [p.provider.name for p in SERVICES if "OPENAI_API_KEY" not in p.provider.credentials.variables],
)
def test_the_key_of_openai_is_sent_to_nobody_else(name, httpserver, service, protocol, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-astray")
    service(protocol.completion())
    access = Access(base_url=httpserver.url_for("/v1"))
    request = TextRequest(provider=PRESETS[name].provider, access=access, model="m", prompt="?")
    plugin.generate(request, None)
    assert not any("astray" in str(seen.headers) for seen, _ in httpserver.log)


def test_the_key_of_openai_is_not_sent_to_another_address(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-astray")
    access = Access(base_url="https://gateway.example.com/v1")
    with pytest.raises(MissingCredentials, match="OPENAI_API_KEY is not sent to"):
        connect(TextRequest(provider=PRESETS["openai"].provider, access=access))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status, ask, httpserver, raw_server, image):
    """Neither key nor media reach the other host."""
    elsewhere = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    httpserver.expect_request("/v1/chat/completions").respond_with_response(
        Response("", status, {"Location": f"{elsewhere.url}/v1/chat/completions"})
    )
    with pytest.raises(RequestRejected):
        plugin.analyze_image(ask(ImageRequest, prompt="what?", images=(image,)), None)
    assert elsewhere.received == []


def test_no_log_holds_the_key_or_the_media(ask, service, protocol, image, caplog):
    service(protocol.completion())
    with caplog.at_level(logging.DEBUG):
        plugin.analyze_image(ask(ImageRequest, prompt="what?", images=(image,)), None)
    assert caplog.records
    assert protocol.KEY not in caplog.text
    assert "iVBORw0KGgo" not in caplog.text


def test_requests_tell_nothing_of_this_machine(ask, service, protocol, sent):
    service(protocol.completion())
    plugin.generate(ask(TextRequest, prompt="why?"), None)
    told = {name.lower() for name, _ in sent().headers}
    assert not any(name.startswith(("x-stainless-os", "x-stainless-arch")) for name in told)


def test_loading_the_package_loads_neither_the_sdk_nor_its_data():
    """The command line imports every plugin, whichever is asked."""
    code = (
        "import sys, mediasense_openai_compat as p; "
        "heavy = {'openai', 'httpx2', 'pydantic', 'mediasense_openai_compat.presets'}; "
        "print(sorted(heavy & set(sys.modules))); p.capabilities(); "
        "print(sorted({'openai', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout.split("\n")[:2] == ["[]", "[]"]


def test_threads_share_one_client(ask, service, protocol):
    from mediasense_openai_compat import client

    service(protocol.completion())
    request = ask(TextRequest, prompt="why?")
    texts: list[str] = []

    def run() -> None:
        texts.append(plugin.generate(request, None).text)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["A cat."] * 8
    assert client._client(connect(request)) is client._client(connect(request))


def test_threads_ask_for_the_first_model_once(ask, service, protocol, httpserver):
    service({"data": [{"id": "first"}]}, path="/models")
    service(protocol.completion())
    request = ask(TextRequest, "custom", prompt="why?", model=None)
    threads = [threading.Thread(target=plugin.generate, args=(request, None)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [seen.path for seen, _ in httpserver.log].count("/v1/models") == 1
