"""What lies in the environment and was not asked for has no effect: seen on the wire."""

from __future__ import annotations

import pytest

import mediasense_gemini_native as plugin
from mediasense import Access, TextRequest

_ELSEWHERE = "http://127.0.0.1:9"

_DIVERSIONS = {
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "GOOGLE_GEMINI_BASE_URL": _ELSEWHERE,
    "GOOGLE_GENAI_API_VERSION": "v9",
    "GOOGLE_GENAI_CLIENT_MODE": "replay",
    "GOOGLE_GENAI_HTTP_CLIENT": "httpx",
    "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere",
    "GOOGLE_GENAI_REPLAY_ID": "one",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_VERTEX_BASE_URL": _ELSEWHERE,
}


@pytest.fixture(params=_DIVERSIONS)
def variable(request, monkeypatch) -> str:
    """One variable that would divert the SDK, set to divert it."""
    monkeypatch.setenv(request.param, _DIVERSIONS[request.param])
    return request.param


def request_for(provider, number, **access):
    # A timeout of its own for each variable, so that each makes its own client.
    return TextRequest(
        provider=provider,
        prompt="hello",
        timeout=100 + number,
        retries=0,
        access=Access(**access),
    )


def test_it_does_not_divert_the_gemini_api(google, gemini, variable):
    google.answers()
    plugin.generate(request_for(gemini, list(_DIVERSIONS).index(variable)), None)
    assert google.request.url == (
        f"{google.url}/v1beta/models/gemini-3.1-flash-lite:generateContent"
    )
    assert google.request.headers["x-goog-api-key"] == google.KEY


@pytest.mark.parametrize("unset", ["false", "0"])
@pytest.mark.parametrize("name", ["GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"])
def test_vertex_stays_vertex(google, vertex, monkeypatch, key_file, name, unset):
    monkeypatch.setenv(name, unset)
    google.gives_tokens()
    google.answers()
    plugin.generate(request_for(vertex, 0, credentials_file=key_file()), None)
    assert "/publishers/google/models/" in google.request.path


def test_it_does_not_divert_vertex(google, vertex, variable, key_file):
    google.gives_tokens()
    google.answers()
    number = list(_DIVERSIONS).index(variable)
    plugin.generate(request_for(vertex, number, credentials_file=key_file()), None)
    assert google.request.url == (
        f"{google.url}/v1beta1/projects/{google.PROJECT}/locations/global/publishers/google/"
        "models/gemini-3.1-flash-lite:generateContent"
    )
    assert google.request.headers["Authorization"] == "Bearer token-1"


def test_it_does_not_divert_an_express_key(google, vertex, variable, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", "express")
    google.answers()
    plugin.generate(request_for(vertex, list(_DIVERSIONS).index(variable)), None)
    assert google.request.path.startswith("/v1beta1/publishers/google/models/")
    assert google.request.headers["x-goog-api-key"] == "express"


@pytest.mark.parametrize("name", ["GOOGLE_API_KEY", "GEMINI_API_KEY"])
def test_a_key_of_the_gemini_api_is_not_used_on_vertex(google, vertex, monkeypatch, key_file, name):
    monkeypatch.setenv(name, "not-for-vertex")
    google.gives_tokens()
    google.answers()
    plugin.generate(request_for(vertex, 0, credentials_file=key_file()), None)
    assert "not-for-vertex" not in str(google.request.headers)


def test_a_login_of_vertex_is_not_used_on_the_gemini_api(google, gemini, monkeypatch, key_file):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file())
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", "not-for-gemini")
    google.gives_tokens()
    google.answers()
    plugin.generate(request_for(gemini, 0), None)
    assert google.request.headers["x-goog-api-key"] == google.KEY
    assert "Authorization" not in google.request.headers
    assert google.token_requests == []


@pytest.mark.parametrize("name", ["GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"])
def test_projects_and_locations_are_not_for_the_gemini_api(google, gemini, monkeypatch, name):
    monkeypatch.setenv(name, "elsewhere")
    google.answers()
    plugin.generate(request_for(gemini, 0), None)
    assert "elsewhere" not in google.request.url


@pytest.mark.parametrize("name", ["GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"])
def test_projects_and_locations_of_variables_are_not_for_express_keys(
    google, vertex, monkeypatch, name
):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", "express")
    monkeypatch.setenv(name, "elsewhere")
    google.answers()
    plugin.generate(request_for(vertex, 0), None)
    assert "elsewhere" not in google.request.url


def test_hidden_variables_are_put_back(google, gemini, monkeypatch):
    import os

    monkeypatch.setenv("GOOGLE_GENAI_HTTP_CLIENT", "httpx")
    google.answers()
    plugin.generate(request_for(gemini, 99), None)
    assert os.environ["GOOGLE_GENAI_HTTP_CLIENT"] == "httpx"


def test_mtls_of_the_environment_does_not_change_googles_host(monkeypatch, key_file, vertex):
    """On loopback the SDK would not change the host anyway, so this one is not on the wire."""
    from mediasense import connect
    from mediasense_gemini_native import client

    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
    request = request_for(vertex, 98, credentials_file=key_file())
    made = client._client(client.located(connect(request)))
    host = "https://aiplatform.googleapis.com/v1"
    assert made._api_client._httpx_url(host, is_async=False) == host
