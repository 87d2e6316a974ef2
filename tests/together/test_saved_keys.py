"""Saved keys with the real plugins: found by the name of the variable, sent to their service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mediasense import Access, MissingCredentials, ModelsRequest, connect, find_credential
from mediasense.keys.saved import save_key, save_path
from mediasense.plugins import load_plugins
from mediasense.testing import Reply, Wire

KEY = "gsk-4f9d8a7c6b5e4f9d"


def provider(name: str):
    return load_plugins().providers[name]


@pytest.mark.parametrize("name", ["groq", "openai", "gemini"])
def test_a_saved_key_serves_its_provider(name):
    found = provider(name)
    save_key(found.credentials.variables[0], KEY, store="file")
    credential = find_credential(found)
    assert (credential.key, "(saved)" in credential.source) == (KEY, True)


def test_a_saved_key_of_one_service_is_not_sent_to_another_host():
    save_key("GROQ_API_KEY", KEY, store="file")
    request = ModelsRequest(
        provider=provider("groq"), model=None, access=Access(base_url="https://other.example/v1")
    )
    with pytest.raises(MissingCredentials, match=r"GROQ_API_KEY is not sent to other\.example"):
        connect(request)


def test_a_saved_path_of_a_service_account_serves_vertex(tmp_path):
    path = tmp_path / "account.json"
    path.write_text("{}")
    save_path("GOOGLE_APPLICATION_CREDENTIALS", path)
    credential = find_credential(provider("vertex"))
    assert credential.file == path
    assert credential.source == "GOOGLE_APPLICATION_CREDENTIALS (saved)"


def test_init_tries_an_endpoint_of_the_config_file_and_keeps_its_key():
    """The whole way: a real process, the real SDK, a real wire that lists its models to anybody."""
    folder = Path.home() / ".config" / "mediasense"
    folder.mkdir(parents=True)

    def answer(call):
        if call.path.endswith("/models"):
            return Reply.of({"object": "list", "data": [{"id": "eye", "object": "model"}]})
        if call.headers.get("authorization") != f"Bearer {KEY}":
            return Reply.of({"error": {"message": "wrong key"}}, status=401)
        said = {"index": 0, "message": {"role": "assistant", "content": "green"}}
        return Reply.of({"id": "1", "model": "eye", "choices": [said]})

    with Wire(answer) as wire:
        (folder / "config.toml").write_text(
            f'[providers.lab]\nbase_url = "{wire.url}/v1"\napi_key_env = "LAB_KEY"\nimage = true\n'
        )
        before = (folder / "config.toml").read_text()
        outcomes = [_init(key) for key in ("wrong-key-of-the-lab", KEY)]
    assert [done.returncode for done in outcomes] == [41, 0], outcomes
    assert (folder / "config.toml").read_text() == f'provider = "lab"\n\n{before}'
    assert KEY in (folder / "keys.toml").read_text()
    told = "".join(done.stdout + done.stderr for done in outcomes)
    assert KEY not in told
    assert "wrong-key-of-the-lab" not in told


def _init(key: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mediasense", "init", "-p", "lab", "--key-stdin", "--yes"],
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        input=key,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_listing_of_all_providers_says_where_each_key_is():
    save_key("GROQ_API_KEY", KEY, store="file")
    done = subprocess.run(
        [sys.executable, "-m", "mediasense", "providers", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert "GROQ_API_KEY (saved)" in json.dumps(rows["groq"])
    assert KEY not in done.stdout + done.stderr
