"""``mediasense providers add`` with a plugin of the tests' own, in this process."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mediasense.cli.app import build
from mediasense.masking import looks_like_key

# Speaks a protocol of its own, and takes any base URL.
SPEAK = """
from mediasense import Answer, ImageLimits, Model, Provider, get_json, hookimpl, post_json

@hookimpl
def capabilities():
    limits = ImageLimits(
        mime_types=("image/png",), max_items=7, options=("temperature",), streaming=True
    )
    return (
        Provider(name="speak", description="d", takes_any_base_url=True, image=limits),
        Provider(name="other", description="d", base_url="https://o.example", image=limits),
    )

@hookimpl
def analyze_image(request):
    asked = {"types": [image.mime_type for image in request.images], "model": request.model}
    return Answer(text=post_json(request, "/look", asked)["text"], model=request.model)

@hookimpl
def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/models"))
"""
SECRET = "sk-0123456789abcdef"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("retries = 0\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))
    return path


@pytest.fixture
def cli(installed, config):
    """Run the command line in this process."""
    installed.install("speak", SPEAK)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(next(iter(arguments), None)), list(arguments))

    return run


@pytest.fixture
def endpoint(threaded_server) -> str:
    """A service that speaks it."""
    threaded_server.expect_request("/models").respond_with_json(["eye"])
    threaded_server.expect_request("/look").respond_with_json({"text": "green and purple"})
    return threaded_server.url_for("").rstrip("/")


def test_an_endpoint_is_tried_and_written(cli, endpoint, config):
    done = cli("providers", "add", "mine", "--base-url", endpoint, "--description", 'The "eye"')
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert tomllib.loads(config.read_text())["providers"]["mine"] == {
        "base_url": endpoint,
        "like": "speak",
        "model": "eye",
        "description": 'The "eye"',
        "image": {
            "mime_types": ["image/png", "image/jpeg", "image/webp", "image/gif"],
            "options": ["temperature"],
            "streaming": False,
            "answers": True,
        },
    }
    assert "tries: models ... 1 found (eye)" in done.stderr
    assert 'try: mediasense image shot.png "what is this?" --provider mine' in done.stderr


def test_what_was_written_is_what_is_loaded(cli, endpoint, config):
    from mediasense import runtime

    assert cli("providers", "add", "mine", "--base-url", endpoint).exit_code == 0
    runtime.config.cache_clear()
    runtime.plugins.cache_clear()
    runtime.dispatcher.cache_clear()
    (row,) = json.loads(cli("providers", "mine", "--json").stdout)
    assert row["default_model"] == "eye"
    assert row["takes"]["image"]["streaming"] is False
    assert row["takes"]["video"] is row["takes"]["audio"] is row["takes"]["text"] is None


def test_another_protocol_can_be_named(cli, endpoint, config):
    done = cli("providers", "add", "mine", "--base-url", endpoint, "--like", "other")
    assert done.exit_code == 0, done.stderr
    assert tomllib.loads(config.read_text())["providers"]["mine"]["like"] == "other"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("mine", "--base-url", "{url}", "--like", "nobody"), 7, "nobody"),
        (("speak", "--base-url", "{url}"), 2, "offers 'speak'; choose another name"),
        (("Mine", "--base-url", "{url}"), 2, "not a name for a provider"),
        (("mine", "--base-url", "{url}?key=x"), 2, "has a query"),
        (("mine", "--base-url", "https://me:secret@acme.example"), 2, "user name or password"),
        (("mine", "--base-url", "ftp://acme.example"), 2, "not an http or https URL"),
        (("mine", "--base-url", "http://acme.example"), 9, "without encryption"),
        (("mine", "--base-url", "{url}", "--api-key-env", "NO NAME"), 2, "name of a variable"),
        (("mine", "--base-url", "{url}", "--api-key-env", "NOT_SET"), 8, "NOT_SET is not set"),
        (("mine", "--base-url", "{url}", "--header", "X-Team"), 2, "is not NAME=VALUE"),
        (("mine", "--base-url", "{url}", "--header", "X Y=b"), 2, "not a name for a header"),
        (("mine", "--base-url", "{url}", "--header", "X-T=a\nb"), 2, "value for a header"),
        (("mine", "--base-url", "{url}", "--header", "Cookie=abc"), 2, "does not belong in a file"),
        (("mine", "--base-url", "{url}", "--header-env", "X-T=A B"), 2, "name of a variable"),
        (("mine", "--base-url", "{url}", "--description", "a\nb"), 2, "not a text of one line"),
        (("mine", "--base-url", "{url}", "--model", "a\x7fb"), 2, "not a text of one line"),
    ],
)
def test_what_cannot_be_is_refused(cli, endpoint, config, arguments, code, said):
    done = cli("providers", "add", *(a.replace("{url}", endpoint) for a in arguments))
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert config.read_text() == "retries = 0\n"


def test_a_name_in_the_file_is_refused_with_its_line(cli, endpoint, config):
    config.write_text(f'\n[providers.mine]\nbase_url = "{endpoint}"\nimage = true\n')
    done = cli("providers", "add", "mine", "--base-url", endpoint)
    assert done.exit_code == 3
    assert "config.toml:2: there is already a providers.mine" in done.stderr


def test_a_header_that_looks_like_a_key_is_not_written_in_passing(cli, endpoint, config):
    done = cli("providers", "add", "mine", "--base-url", endpoint, "--header", f"X-Route={SECRET}")
    assert done.exit_code == 2
    assert "--header-env 'X-Route=VARIABLE'" in done.stderr
    assert SECRET not in done.stderr + config.read_text()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("blue", False),
        ("eu-west-1", False),
        ("2026-11-30", False),
        ("a team with a long name of its own", False),
        (SECRET, True),
        ("Bearer abc", True),
        ("ghp_abcdefgh", True),
        ("0f8fad5bd9cb469fa1650f8fad5bd9cb", True),
    ],
)
def test_keys_are_told_from_words(value, expected):
    assert looks_like_key(value) is expected


def test_a_key_is_never_written(cli, threaded_server, config, monkeypatch):
    monkeypatch.setenv("MY_KEY", SECRET)
    threaded_server.expect_request("/models").respond_with_json(["eye"])
    threaded_server.expect_request("/look").respond_with_json(
        {"error": f"your key {SECRET} may not see this"}, status=422
    )
    url = threaded_server.url_for("").rstrip("/")
    done = cli("providers", "add", "mine", "--base-url", url, "--api-key-env", "MY_KEY")
    assert done.exit_code == 44
    assert SECRET not in done.stderr + config.read_text()


def test_no_plugin_for_any_base_url_is_told(installed, config):
    done = CliRunner().invoke(build(), ["providers", "add", "mine", "--base-url", "https://a.b"])
    assert done.exit_code == 7
    assert "pip install mediasense-openai-compat" in done.stderr
