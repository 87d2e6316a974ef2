"""Over HTTP: who may call, and who may not."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st
from mcp.client.streamable_http import streamable_http_client

from mediasense import UsageError
from mediasense_mcp_server.tokens import Token, token_of

from .conftest import Agent, connected

TOKEN = "a-token-of-at-least-24-letters"


@contextmanager
def served(place, *arguments, variables=None):
    """The address of a server over HTTP."""
    process = place.start(
        "--provider", "eye", "--http", "--port", "0", *arguments, variables=variables or {}
    )
    with process:
        address = ""
        for line in process.stderr:
            if "listening on" in line:
                address = line.split()[-1]
                break
        assert address, "it did not start"
        try:
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 143
            told = process.stderr.read()
            assert "Traceback" not in told, told
            assert process.stdout.read() == ""


@contextmanager
def agent_of(address, mode="auto", **headers):
    with start_blocking_portal() as portal:
        made = httpx2.AsyncClient(headers=headers)
        with portal.wrap_async_context_manager(made) as http:
            transport = streamable_http_client(address, http_client=http)
            with connected_in(portal, transport, mode) as agent:
                yield agent


@contextmanager
def connected_in(portal, transport, mode):
    from mcp import Client

    with portal.wrap_async_context_manager(Client(transport, mode=mode)) as client:
        yield Agent(client, portal)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_tools_are_called_over_http(place, mode):
    with served(place) as address, connected(address, mode) as agent:
        result = agent.call("look_at_image", path="shot.png", question="what?")
        assert result.content[0].text == "1 images; what?"
        assert agent.progress
        assert len(agent.call("get_key_frames", path="clip.mp4", most=2).content) > 1


def test_a_token_is_asked_of_everybody(place):
    with served(place, "--token-env", "EYE_TOKEN", variables={"EYE_TOKEN": TOKEN}) as address:
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = httpx2.post(address, json={}, headers=shown)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
        assert httpx2.get(address.replace("/mcp", "/")).status_code == 401
        with agent_of(address, Authorization=f"Bearer {TOKEN}") as agent:
            assert not agent.call("look_at_image", path="shot.png", question="?").is_error


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:{port}"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost@evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1@evil.example"}, 403),
    ],
)
def test_a_page_of_somebody_else_is_not_served(http_address, headers, status):
    port = httpx2.URL(http_address).port
    sent = {name: value.format(port=port) for name, value in headers.items()}
    assert httpx2.post(http_address, json={}, headers=sent).status_code == status


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1:{port}"])
def test_a_page_of_this_machine_is_served(http_address, origin):
    sent = {"Origin": origin.format(port=httpx2.URL(http_address).port)}
    assert httpx2.post(http_address, json={}, headers=sent).status_code not in (401, 403, 421)


def test_a_body_that_is_too_large_is_refused(http_address):
    sent = {"Content-Type": "application/json"}
    answer = httpx2.post(http_address, content=b"[" * 2_000_000, headers=sent)
    assert answer.status_code == 413


@pytest.fixture(scope="module")
def http_address(tmp_path_factory):
    from .conftest import make_place

    with served(make_place(tmp_path_factory.mktemp("http"))) as address:
        yield address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_other_machines_are_not_let_in_without_a_token(place, host):
    process = place.start("--http", "--host", host, "--port", "0")
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "no token is asked" in told
    assert "--token-env" in told


def test_with_a_token_others_are_let_in(place):
    variables = {"EYE_TOKEN": TOKEN}
    arguments = ("--host", "0.0.0.0", "--token-env", "EYE_TOKEN")
    with served(place, *arguments, variables=variables) as address:
        here = address.replace("0.0.0.0", "127.0.0.1")
        assert httpx2.post(here, json={}).status_code == 401
        page = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}
        assert httpx2.post(here, json={}, headers=page).status_code == 403
        with agent_of(here, Authorization=f"Bearer {TOKEN}") as agent:
            assert "look_at_image" in agent.tools()


@pytest.mark.parametrize(
    "arguments", [["--port", "1"], ["--host", "0.0.0.0"], ["--token-env", "X"]]
)
def test_options_of_http_need_http(place, arguments):
    process = place.start(*arguments)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "add --http" in told


# --- tokens --------------------------------------------------------------------------------------


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def test_a_token_in_a_file_of_one_s_own_counts(token_file):
    assert token_of(None, token_file).is_shown_by(f"Bearer {TOKEN}".encode())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(token_file, mode):
    token_file.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        token_of(None, token_file)


def test_a_token_in_the_environment_is_taken_out_of_it(monkeypatch):
    import os

    monkeypatch.setenv("EYE_TOKEN", TOKEN)
    assert token_of("EYE_TOKEN", None) is not None
    assert "EYE_TOKEN" not in os.environ


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 23, "with a space in the middle of it", "é" * 30]
)
def test_what_is_no_secret_is_no_token(text):
    with pytest.raises(UsageError) as caught:
        Token(text, named="EYE_TOKEN")
    assert not text or text not in str(caught.value)


def test_a_token_is_not_shown():
    assert TOKEN not in repr(Token(TOKEN, named="x"))


def test_one_token_is_named(token_file):
    with pytest.raises(UsageError, match="exclude each other"):
        token_of("EYE_TOKEN", token_file)
    with pytest.raises(UsageError, match="is not set"):
        token_of("EYE_NOTHING", None)
    with pytest.raises(UsageError, match="--token-file"):
        token_of(None, token_file.with_name("nowhere"))


@given(st.binary(max_size=80))
def test_no_other_header_shows_it(header):
    assert Token(TOKEN, named="x").is_shown_by(header) is (
        header.partition(b" ")[2].strip() == TOKEN.encode() and header[:6].lower() == b"bearer"
    )
