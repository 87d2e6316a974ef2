"""Who asks: keys, service accounts, this machine's login; projects and locations."""

from __future__ import annotations

import json
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from google import genai
from google.auth import _helpers, jwt
from werkzeug import Response

import mediasense_gemini_native as plugin
from mediasense import (
    Access,
    AuthenticationError,
    ConnectionFailed,
    MissingCredentials,
    ProviderUnavailable,
    TextRequest,
    UsageError,
    connect,
)
from mediasense_gemini_native import credentials
from mediasense_gemini_native.providers import GEMINI, VERTEX


@pytest.fixture
def ask(vertex):
    """Ask Vertex AI a question."""

    def go(provider=vertex, **access):
        request = TextRequest(provider=provider, prompt="hello", access=Access(**access), retries=0)
        return plugin.generate(request, None)

    return go


def say(status: int, **fields: object) -> Response:
    return Response(json.dumps(fields), status, content_type="application/json")


# --- the Gemini API ------------------------------------------------------------------------------


def test_gemini_api_key_is_used_before_google_api_key(google, gemini, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "the-other-key")
    google.answers()
    plugin.generate(TextRequest(provider=gemini, prompt="hello"), None)
    assert google.request.headers["x-goog-api-key"] == google.KEY


def test_google_api_key_is_used_alone(google, gemini, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("GOOGLE_API_KEY", "the-other-key")
    google.answers()
    plugin.generate(TextRequest(provider=gemini, prompt="hello"), None)
    assert google.request.headers["x-goog-api-key"] == "the-other-key"


def test_no_key_is_an_error():
    with pytest.raises(MissingCredentials, match="GEMINI_API_KEY"):
        plugin.generate(TextRequest(provider=GEMINI, prompt="hello"), None)


def test_a_server_on_this_machine_gets_no_key_that_is_not_for_it(google, monkeypatch):
    """Left without one, the SDK would look in the environment itself."""
    monkeypatch.setenv("GEMINI_API_KEY", google.KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", google.KEY)
    google.answers()
    access = Access(base_url=google.url)
    plugin.generate(TextRequest(provider=GEMINI, access=access, prompt="hello"), None)
    assert google.KEY not in str(google.request.headers)


# --- express keys --------------------------------------------------------------------------------


def test_an_express_key_has_a_variable_of_its_own(google, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    google.answers()
    ask()
    assert google.request.headers["x-goog-api-key"] == google.KEY
    assert "Authorization" not in google.request.headers
    path = "/v1beta1/publishers/google/models/gemini-3.1-flash-lite:generateContent"
    assert google.request.path == path


def test_an_express_key_by_name(google, ask, monkeypatch):
    monkeypatch.setenv("MY_KEY", "my-key")
    google.answers()
    ask(api_key_env="MY_KEY")
    assert google.request.headers["x-goog-api-key"] == "my-key"


def test_an_express_key_with_a_project(google, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    google.answers()
    ask(project="mine")
    assert google.request.path.startswith("/v1beta1/projects/mine/locations/global/publishers/")


def test_an_express_key_with_a_location_alone_is_an_error(google, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    with pytest.raises(UsageError, match="--project"):
        ask(location="europe-west4")


# --- service accounts ----------------------------------------------------------------------------


def test_a_service_account_gets_a_token_and_uses_it(google, ask, key_file):
    google.gives_tokens()
    google.answers()
    ask(credentials_file=key_file())
    assert google.request.headers["Authorization"] == "Bearer token-1"
    assert "x-goog-api-key" not in google.request.headers
    form = parse_qs(google.token_requests[0].get_data(as_text=True))
    claims = jwt.decode(form["assertion"][0], verify=False)
    assert claims["iss"].startswith("robot@")
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_the_variable_names_the_file(google, ask, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file())
    google.gives_tokens()
    google.answers()
    ask()
    assert google.request.headers["Authorization"] == "Bearer token-1"


def test_the_option_is_used_before_the_variable(google, ask, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file("other.json", project_id="other"))
    google.gives_tokens()
    google.answers()
    ask(credentials_file=key_file())
    assert f"/projects/{google.PROJECT}/" in google.request.path


def test_a_file_is_used_before_an_express_key(google, ask, key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file())
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    google.gives_tokens()
    google.answers()
    ask()
    assert google.KEY not in str(google.request.headers)


def test_a_token_is_used_again(google, ask, key_file):
    google.gives_tokens()
    google.answers()
    path = key_file()
    ask(credentials_file=path)
    ask(credentials_file=path)
    assert len(google.token_requests) == 1


@pytest.mark.parametrize(("seconds", "tokens"), [(220, 2), (240, 1)])
def test_a_token_that_is_about_to_expire_is_renewed(google, ask, key_file, seconds, tokens):
    """google-auth renews 225 seconds before the end."""
    google.gives_tokens(say(200, access_token="short", expires_in=seconds))
    google.answers()
    path = key_file()
    ask(credentials_file=path)
    ask(credentials_file=path)
    assert len(google.token_requests) == tokens
    last = "Bearer token-2" if tokens == 2 else "Bearer short"
    assert google.requests[-1].headers["Authorization"] == last


def test_a_token_that_has_expired_is_renewed(google, vertex, key_file):
    google.gives_tokens()
    request = TextRequest(provider=vertex, prompt="x", access=Access(credentials_file=key_file()))
    found = credentials.login(connect(request)).credentials
    found.refresh(None)
    found.expiry = _helpers.utcnow() - timedelta(seconds=1)
    assert found.expired
    found.refresh(None)
    assert found.token == "token-2"
    assert found.valid


def test_threads_share_one_token(google, ask, key_file):
    google.gives_tokens()
    google.answers()
    path = key_file()
    threads = [threading.Thread(target=ask, kwargs={"credentials_file": path}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(google.requests) == 8
    assert len(google.token_requests) == 1


# --- files that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not the key of a service account"),
        (b'"text"', "not the key of a service account"),
        (b'{"type": "authorized_user"}', "not the key of a service account"),
        (b'{"installed": {}}', "not the key of a service account"),
        (b'{"type": "service_account"}', "lacks client_email, private_key, token_uri"),
    ],
)
def test_a_file_that_is_no_key_is_named_with_the_cause(ask, tmp_path, content, cause):
    path = tmp_path / "robot.json"
    path.write_bytes(content)
    with pytest.raises(MissingCredentials) as caught:
        ask(credentials_file=str(path))
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)


@pytest.mark.parametrize("field", ["client_email", "private_key", "token_uri"])
def test_a_missing_field_is_named(ask, key_file, field):
    with pytest.raises(MissingCredentials, match=f"lacks {field}"):
        ask(credentials_file=key_file(**{field: None}))


@pytest.mark.parametrize(
    "pem",
    [
        "none",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pytest.param("elliptic", id="elliptic"),
    ],
)
def test_a_damaged_key_is_named_and_not_shown(ask, key_file, pem, elliptic_key):
    pem = elliptic_key if pem == "elliptic" else pem
    path = key_file(private_key=pem)
    with pytest.raises(MissingCredentials, match="private_key is damaged") as caught:
        ask(credentials_file=path)
    assert path in str(caught.value)
    assert pem not in "".join(traceback.format_exception(caught.value))


@pytest.fixture(scope="session")
def elliptic_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def test_a_file_that_is_not_there_is_named(ask, tmp_path):
    with pytest.raises(MissingCredentials, match=r"gone\.json"):
        ask(credentials_file=str(tmp_path / "gone.json"))


def test_a_variable_that_names_no_file_is_named(ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/gone.json")
    with pytest.raises(
        MissingCredentials, match=r"GOOGLE_APPLICATION_CREDENTIALS names /gone\.json"
    ):
        ask()


@pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="no file that even root cannot read"
)
def test_a_file_that_cannot_be_read_is_named(ask):
    with pytest.raises(MissingCredentials, match=r"/proc/self/mem .* cannot be read"):
        ask(credentials_file="/proc/self/mem")


def test_nothing_is_taken_from_the_current_folder(vertex, key_file, run):
    """Also not files with the names that others look for."""
    for name in (
        "credentials.json",
        "service_account.json",
        "application_default_credentials.json",
    ):
        Path(name).write_text(Path(key_file()).read_text())
    assert "MissingCredentials" in run(_ASK_WITHOUT_LOGIN, NO_GCE_CHECK="true")


# --- the token endpoint --------------------------------------------------------------------------


def test_a_revoked_key_is_named_with_the_cause(google, ask, key_file):
    google.gives_tokens(say(400, error="invalid_grant", error_description="Invalid JWT Signature."))
    path = key_file()
    with pytest.raises(AuthenticationError) as caught:
        ask(credentials_file=path)
    assert f"{path} was not accepted: invalid_grant: Invalid JWT Signature." in str(caught.value)
    assert "make a new key" in caught.value.hint


def test_a_token_endpoint_that_is_down_is_not_a_wrong_key(google, ask, key_file):
    google.gives_tokens(*[say(503, error="server_error")] * 3)
    with pytest.raises(ProviderUnavailable):
        ask(credentials_file=key_file())


def test_a_token_endpoint_that_cannot_be_reached_is_not_a_wrong_key(ask, key_file):
    path = key_file(token_uri="http://127.0.0.1:9/token")
    with pytest.raises(ConnectionFailed, match="token endpoint"):
        ask(credentials_file=path)


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        '"text"',
        "{}",
        "<html></html>",
        '{"access_token": ""}',
        '{"access_token": "t", "expires_in": "soon"}',
        '{"access_token": "t", "expires_in": []}',
    ],
)
def test_a_token_endpoint_that_gives_no_token(google, ask, key_file, answer):
    google.gives_tokens(Response(answer))
    with pytest.raises(AuthenticationError, match=r"robot\.json"):
        ask(credentials_file=key_file())


@pytest.mark.parametrize("status", [302, 307, 308])
def test_the_assertion_is_not_sent_elsewhere(google, ask, key_file, raw_server, status):
    other = raw_server()
    google.gives_tokens(Response("", status, {"Location": f"{other.url}/token"}))
    with pytest.raises(AuthenticationError):
        ask(credentials_file=key_file())
    assert other.received == []


@pytest.mark.parametrize(
    "uri", ["http://example.org/token", "ftp://example.org/", "token", "http://[", "file:///x"]
)
def test_the_assertion_is_not_sent_in_the_clear(ask, key_file, uri):
    with pytest.raises(MissingCredentials, match="token_uri"):
        ask(credentials_file=key_file(token_uri=uri))


def test_a_token_endpoint_is_not_waited_for_longer_than_asked(vertex, key_file, raw_server):
    path = key_file(token_uri=f"{raw_server(delay=5).url}/token")
    request = TextRequest(
        provider=vertex,
        prompt="x",
        access=Access(credentials_file=path),
        timeout=0.2,
        retries=0,
    )
    started = time.monotonic()
    with pytest.raises(ConnectionFailed):
        plugin.generate(request, None)
    assert time.monotonic() - started < 4


# --- project and location ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        ("option", "variable", "option"),
        (None, "variable", "variable"),
        (None, "", "the-files-project"),
        (None, None, "the-files-project"),
    ],
)
def test_the_precedence_of_projects(google, ask, key_file, monkeypatch, option, variable, expected):
    if variable is not None:
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", variable)
    google.gives_tokens()
    google.answers()
    ask(credentials_file=key_file(), project=option)
    assert f"/projects/{expected}/" in google.request.path


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        ("us-east1", "us-west1", "us-east1"),
        (None, "us-west1", "us-west1"),
        (None, "", "global"),
        (None, None, "global"),
    ],
)
def test_the_precedence_of_locations(
    google, ask, key_file, monkeypatch, option, variable, expected
):
    if variable is not None:
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", variable)
    google.gives_tokens()
    google.answers()
    ask(credentials_file=key_file(), location=option)
    assert f"/locations/{expected}/" in google.request.path


def test_another_project_is_seen_at_once(google, ask, key_file, monkeypatch):
    """Clients are kept, and not beyond what they were made from."""
    path = key_file()
    google.gives_tokens()
    google.answers()
    for name in ("first", "second"):
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", name)
        ask(credentials_file=path)
    assert ["/first/" in r.path for r in google.requests] == [True, False]


def test_no_project_is_an_error(ask, key_file):
    with pytest.raises(UsageError, match="GOOGLE_CLOUD_PROJECT"):
        ask(credentials_file=key_file(project_id=None))


@pytest.mark.parametrize("name", ["evil.example/#", "a/b", "A B", "a.b", "ü", "@evil.example"])
def test_a_location_cannot_change_the_host(ask, key_file, name):
    with pytest.raises(UsageError, match="location"):
        ask(credentials_file=key_file(), location=name)


@pytest.mark.parametrize("name", ["a/b", "../x", "a?b", "a#b", "a b", "ü"])
def test_a_project_cannot_change_the_path(ask, key_file, name):
    with pytest.raises(UsageError, match="project"):
        ask(credentials_file=key_file(), project=name)


@pytest.mark.parametrize("location", ["global", "us", "eu", "us-central1", "europe-west4"])
def test_the_host_of_a_location_is_the_one_the_sdk_computes(vertex, key_file, location):
    path = key_file()
    request = TextRequest(
        provider=vertex, access=Access(credentials_file=path, project="p", location=location)
    )
    login = credentials.login(connect(request))
    client = genai.Client(
        vertexai=True, project="p", location=location, credentials=login.credentials
    )
    computed = client._api_client._http_options.base_url
    assert credentials.endpoint(location) == computed.rstrip("/")


def test_the_host_of_an_express_key_is_the_one_the_sdk_computes():
    client = genai.Client(vertexai=True, api_key="k")
    computed = client._api_client._http_options.base_url
    assert credentials.endpoint(None) == computed.rstrip("/")


# --- this machine's login ------------------------------------------------------------------------

_ASK_WITHOUT_LOGIN = """
import mediasense_gemini_native as plugin
from mediasense import MissingCredentials, TextRequest
from mediasense_gemini_native.providers import VERTEX
try:
    plugin.generate(TextRequest(provider=VERTEX, prompt="hello"), None)
except MissingCredentials as error:
    print("MissingCredentials", error)
"""

_ASK_AS_THIS_MACHINE = """
import sys
from dataclasses import replace
import mediasense_gemini_native as plugin
from mediasense import TextRequest
from mediasense_gemini_native.providers import VERTEX
provider = replace(VERTEX, base_url=sys.argv[1])
print(plugin.generate(TextRequest(provider=provider, prompt="hello", retries=0), None).text)
"""


def test_no_login_says_how_to_log_in(run):
    said = run(_ASK_WITHOUT_LOGIN, NO_GCE_CHECK="true")
    assert "gcloud auth application-default login" in said


def test_a_machine_of_google_logs_in_by_itself(google, run):
    """Application default credentials, against a metadata server on loopback."""
    flavor = {"Metadata-Flavor": "Google"}
    instance = "/computeMetadata/v1/instance/service-accounts/default"
    answers = {
        "/": "ok",
        "/computeMetadata/v1/project/project-id": "machine-project",
        f"{instance}/": json.dumps({"email": "m@x", "scopes": [], "aliases": ["default"]}),
        f"{instance}/token": json.dumps({"access_token": "machine-token", "expires_in": 3600}),
    }
    for path, text in answers.items():
        kind = "application/json" if text.startswith("{") else "text/plain"
        google.server.expect_request(path).respond_with_data(
            text, headers=flavor, content_type=kind
        )
    google.answers()
    host = google.url.removeprefix("http://")
    said = run(_ASK_AS_THIS_MACHINE, google.url, GCE_METADATA_HOST=host, GCE_METADATA_IP=host)
    assert said.strip() == "hello"
    assert google.request.headers["Authorization"] == "Bearer machine-token"
    assert "/projects/machine-project/locations/global/" in google.request.path


def test_this_machines_login_is_not_sent_to_another_host(google, ask, monkeypatch, key_file):
    """Neither the one of the machine, nor the one a variable names."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file())
    google.gives_tokens()
    google.answers()
    with pytest.raises(MissingCredentials, match="are not sent to localhost"):
        ask(provider=VERTEX, base_url=google.url, project="p")
    assert google.requests == google.token_requests == []


def test_an_express_key_is_not_sent_to_another_host(google, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    google.answers()
    with pytest.raises(MissingCredentials):
        ask(provider=VERTEX, base_url=google.url, project="p")
    assert google.requests == []


def test_a_login_that_is_named_goes_where_it_is_told(google, ask, key_file):
    google.gives_tokens()
    google.answers()
    ask(provider=VERTEX, base_url=google.url, credentials_file=key_file())
    assert google.request.headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("url", "is_google"),
    [
        ("https://us-central1-aiplatform.googleapis.com", True),
        ("https://aiplatform.eu.rep.googleapis.com", True),
        ("https://googleapis.com.example.org", False),
        ("https://evilgoogleapis.com", False),
        ("http://aiplatform.googleapis.com", False),
    ],
)
def test_only_google_gets_this_machines_login(url, is_google):
    assert credentials._is_google(url) is is_google
