"""Who can answer, for programs."""

from __future__ import annotations

import json

import pytest

import mediasense
from mediasense import Credentials, PluginError, list_providers
from mediasense.statuses import status_of


@pytest.fixture
def status(acme, load, offers):
    """What is told of a provider with changed facts."""

    def tell(**changes):
        provider = acme(**changes)
        plugins = load(one=offers(provider))
        return status_of(plugins.providers["acme"], plugins)

    return tell


def test_it_tells_what_the_command_tells(acme_site):
    code = (
        "import json, dataclasses, mediasense\n"
        "found = mediasense.list_providers()\n"
        "print(json.dumps([dataclasses.asdict(one) for one in found]))"
    )
    (told,) = json.loads(acme_site.python(code).stdout)
    (row,) = json.loads(acme_site.run("providers", "--json").stdout)
    for name in ("name", "aliases", "description", "kind", "plugin", "base_url", "default_model"):
        assert told[name] == row[name]
    assert row["takes"] == {name: told[name] for name in ("image", "video", "audio", "text")}
    credentials = {"found": told["key_found"], "needed": told["key_names"]}
    assert row["credentials"] == credentials == {"found": None, "needed": ["ACME_KEY"]}


def test_it_names_the_variable_of_a_key_and_never_the_key(status, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "canary-of-the-key")
    told = status()
    assert (told.key, told.key_found) == ("found", "ACME_KEY")
    assert "canary" not in repr(told)


@pytest.mark.parametrize(
    ("credentials", "key"),
    [
        (None, "not needed"),
        (Credentials(variables=("ACME_KEY",)), "missing"),
        (Credentials(variables=("ACME_KEY",), required=False), "optional"),
        (Credentials(variables=("ACME_KEY",), ambient="its own login"), "ambient"),
    ],
)
def test_it_says_whether_a_key_is_wanted(status, credentials, key):
    assert status(credentials=credentials).key == key


def test_a_credentials_file_that_is_not_there_is_a_problem_that_is_told(status, monkeypatch):
    monkeypatch.setenv("ACME_FILE", "/nowhere.json")
    told = status(credentials=Credentials(file_variables=("ACME_FILE",)))
    assert told.key == "missing"
    assert "/nowhere.json" in told.problem


def test_it_says_what_is_taken(status):
    assert status().modalities == ("image",)


def test_without_plugins_there_are_none(installed):
    assert list_providers() == ()


def test_strictness_counts_here_too(installed, monkeypatch):
    installed.install("broken", "raise RuntimeError('a bug')")
    monkeypatch.setenv("MEDIASENSE_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError):
        mediasense.list_providers()
