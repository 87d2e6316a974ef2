"""An endpoint of the config file, wherever a provider can be named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

MEDIA = Path(__file__).parents[2] / "examples" / "media"
PICTURE = MEDIA / "error-dialog.png"
SPOKEN = MEDIA / "spoken-sentence.wav"
RECORDING = MEDIA / "screen-recording.mp4"
SECRET = "sk-very-secret-0123456789"
ROUTE = "route-to-the-blue-rack"
SAW = "I saw text+image_url.\n"

SETTINGS = """
[providers.blue]
base_url = "{url}"
like = "{like}"
api_key_env = "BLUE_TOKEN"
model = "blue-eye"
headers = {{ X-Team = "blue", X-Route = {{ env = "BLUE_ROUTE" }} }}
image = true
text = true
[providers.blue.audio]
transcribes = true
timestamps = true
default_model = "blue-ear"
mime_types = ["audio/wav", "audio/mpeg"]
"""


@pytest.fixture
def settings(tmp_path, openai_server):
    """The config file of a machine with the endpoint ``blue``, and the variables it names."""
    path = tmp_path / "config.toml"

    def write(before: str = "", like: str = "custom", url: str = "/v1") -> dict[str, str]:
        said = SETTINGS.format(url=openai_server.url_for(url).rstrip("/"), like=like)
        path.write_text(before + said)
        variables = {"MEDIASENSE_CONFIG": str(path), "BLUE_TOKEN": SECRET, "BLUE_ROUTE": ROUTE}
        return {**variables, "PYTHONWARNINGS": "error"}

    return write


def sent(server) -> list[tuple[str, str | None, str | None, str | None]]:
    names = ("X-Team", "X-Route", "Authorization")
    return [(asked.path, *map(asked.headers.get, names)) for asked, _ in server.log]


def its(path: str) -> tuple[str, str, str, str]:
    return path, "blue", ROUTE, f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("before", "arguments", "variables"),
    [
        ("", ("--provider", "blue"), {}),
        ("", (), {"MEDIASENSE_PROVIDER": "blue"}),
        ('provider = "blue"\n', (), {}),
    ],
    ids=["the option", "the variable", "the config file"],
)
def test_it_is_named_as_any_provider_is(
    mediasense, openai_server, settings, before, arguments, variables
):
    done = mediasense("image", PICTURE, "what?", *arguments, **settings(before), **variables)
    assert (done.code, done.out) == (0, SAW), done.err
    assert sent(openai_server) == [its("/v1/chat/completions")]
    assert SECRET not in done.err
    assert ROUTE not in done.err


@pytest.mark.parametrize("like", ["custom", "vllm", "openai", "mistral"])
def test_it_speaks_the_protocol_of_the_other(mediasense, openai_server, settings, like):
    done = mediasense("image", PICTURE, "what?", "-p", "blue", **settings(like=like))
    assert (done.code, done.out) == (0, SAW), done.err
    (request, _), *_ = openai_server.log
    assert request.get_json()["model"] == "blue-eye"


def test_the_path_of_the_other_is_added_to_a_bare_host(mediasense, openai_server, settings):
    path = "/openai/v1/chat/completions"
    openai_server.expect_request(path).respond_with_json(
        {"choices": [{"message": {"role": "assistant", "content": "Seen."}}]}
    )
    done = mediasense("image", PICTURE, "what?", "-p", "blue", **settings(like="azure", url="/"))
    assert (done.code, done.out) == (0, "Seen.\n"), done.err
    assert sent(openai_server) == [its(path)]


def test_it_writes_down_sound(mediasense, openai_server, settings):
    done = mediasense("audio", SPOKEN, "-p", "blue", "--json", **settings())
    assert done.json["segments"], done.err
    assert (done.json["provider"], done.json["text"]) == ("blue", "Restart the service.")
    assert sent(openai_server) == [its("/v1/audio/transcriptions")]


def test_it_writes_down_the_sound_for_another(mediasense, openai_server, settings):
    url = openai_server.url_for("/other")
    openai_server.expect_request("/other/chat/completions").respond_with_json(
        {"choices": [{"message": {"role": "assistant", "content": "Seen."}}]}
    )
    done = mediasense(
        *("video", RECORDING, "what?", "-p", "vllm", "--base-url", url, "--model", "eye"),
        *("--audio-provider", "blue"),
        **settings(),
    )
    assert done.code == 0, done.err
    heard = [call for call in sent(openai_server) if call[0] == "/v1/audio/transcriptions"]
    assert set(heard) == {its("/v1/audio/transcriptions")}
    others = [call for call in sent(openai_server) if call[0].startswith("/other")]
    assert others
    assert {call[1:] for call in others} == {(None, None, None)}


def test_it_stands_in_for_another(mediasense, openai_server, settings):
    first = ("--provider", "vllm", "--base-url", openai_server.url_for("/down"), "--model", "m")
    openai_server.expect_request("/down/chat/completions").respond_with_data("", status=503)
    done = mediasense(
        *("image", PICTURE, "what?", *first, "--retries", "0", "--fallback", "blue", "--json"),
        **settings(),
    )
    assert done.json["provider"] == "blue", done.err
    assert Counter(path for path, *_ in sent(openai_server))["/v1/chat/completions"] == 1


def test_it_is_asked_about_many(mediasense, openai_server, settings, tmp_path):
    out = tmp_path / "out.jsonl"
    done = mediasense(
        *("batch", PICTURE, "--prompt", "what?", "-p", "blue", "--out", out), **settings()
    )
    assert done.code == 0, done.err
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["answer"]["provider"] == "blue"
    assert sent(openai_server) == [its("/v1/chat/completions")]


def test_it_is_planned_without_a_call(mediasense, openai_server, settings):
    done = mediasense("plan", PICTURE, "-p", "blue", **settings())
    assert "blue blue-eye" in done.out
    assert "unknown cost" in done.out
    assert openai_server.log == []


def test_its_models_are_listed(mediasense, openai_server, settings):
    done = mediasense("models", "-p", "blue", "--json", **settings())
    assert [model["name"] for model in done.json] == ["served"]
    assert sent(openai_server) == [its("/v1/models")]


def test_it_is_shown_and_checked_among_the_others(mediasense, openai_server, settings):
    done = mediasense("providers", "show", "blue", "--check", "--json", **settings())
    (row,) = done.json
    assert (row["plugin"], row["kind"]) == ("openai_compat", "server")
    assert row["credentials"] == {"found": "BLUE_TOKEN", "needed": ["BLUE_TOKEN"]}
    assert row["takes"]["audio"]["mime_types"] == ["audio/wav", "audio/mpeg"]
    assert row["takes"]["video"] is None
    assert row["check"]["detail"] == "blue-eye is not listed"
    assert SECRET not in done.out + done.err
    assert ROUTE not in done.out + done.err


def test_answers_are_kept_until_the_endpoint_is_another(
    mediasense, openai_server, settings, tmp_path
):
    kept = {"MEDIASENSE_CACHE": "on", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def ask(**variables: str) -> int:
        done = mediasense("image", PICTURE, "what?", "-p", "blue", **variables)
        assert (done.code, done.out) == (0, SAW), done.err
        return len(openai_server.log)

    assert ask(**settings(), **kept) == 1
    # The name of a variable is part of the endpoint, and what it holds is not.
    assert ask(**settings() | {"BLUE_ROUTE": "another-rack-altogether"}, **kept) == 1
    assert ask(**settings(like="vllm"), **kept) == 2
    path = tmp_path / "config.toml"
    for change in (('X-Team = "blue"', 'X-Team = "red"'), ('"BLUE_ROUTE"', '"BLUE_TOKEN"')):
        variables = settings()
        path.write_text(path.read_text().replace(*change))
        asked = len(openai_server.log)
        assert ask(**variables, **kept) == asked + 1
    assert ask(**settings(), **kept) == 4
    written = [file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert written
    assert not any(secret.encode() in data for data in written for secret in (SECRET, ROUTE))


def test_one_that_cannot_be_takes_no_other_down(mediasense, openai_server, settings):
    variables = settings(
        '[providers.grey]\nbase_url = "https://a.example"\nlike = "no"\ntext = true'
    )
    told = "config.toml:3: providers.grey.like: no installed plugin offers 'no'; type: "
    done = mediasense("image", PICTURE, "what?", "-p", "blue", **variables)
    assert (done.code, done.err.count("grey")) == (0, 0), done.err
    done = mediasense("image", PICTURE, "what?", "-p", "grey", **variables)
    assert done.code == 3
    assert told in done.err
    assert told in mediasense("plugins", **variables).err


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_failure_shows_a_key_or_a_header(mediasense, httpserver, settings, status):
    said = {"error": {"message": f"no {ROUTE} for {SECRET}"}}
    url = "/broken"
    httpserver.expect_request("/broken/chat/completions").respond_with_json(said, status=status)
    done = mediasense(
        "image", PICTURE, "what?", "-p", "blue", "--retries", "0", **settings(url=url)
    )
    assert done.code >= 40
    assert "blue" in done.err
    assert SECRET not in done.err
    assert ROUTE not in done.err


# --- Gemini's own protocol -----------------------------------------------------------------------


def gemini(tmp_path, server, like: str) -> dict[str, str]:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[providers.blue]\nbase_url = "{server.url_for("/").rstrip("/")}"\nlike = "{like}"\n'
        'api_key_env = "BLUE_TOKEN"\nmodel = "gemini-blue"\nimage = true\naudio = true\n'
        'headers = { X-Route = { env = "BLUE_ROUTE" } }\n'
    )
    return {"MEDIASENSE_CONFIG": str(path), "BLUE_TOKEN": SECRET, "BLUE_ROUTE": ROUTE}


@pytest.mark.parametrize("like", ["gemini", "vertex"])
@pytest.mark.parametrize(("command", "file"), [("image", PICTURE), ("audio", SPOKEN)])
def test_an_endpoint_may_speak_the_protocol_of_gemini(
    mediasense, gemini_server, tmp_path, like, command, file
):
    variables = gemini(tmp_path, gemini_server, like)
    done = mediasense(command, file, "what?", "-p", "blue", **variables)
    assert done.code == 0, done.err
    assert done.out.startswith("I saw ")
    ((request, _),) = gemini_server.log
    assert "models/gemini-blue:streamGenerateContent" in request.path
    assert request.headers["X-Route"] == ROUTE
    assert SECRET in request.headers["x-goog-api-key"]


def test_the_login_of_this_machine_is_not_sent_to_an_endpoint(mediasense, gemini_server, tmp_path):
    variables = gemini(tmp_path, gemini_server, "vertex")
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace('api_key_env = "BLUE_TOKEN"\n', ""))
    done = mediasense("image", PICTURE, "what?", "-p", "blue", **variables)
    assert done.code == 8
    assert "application default credentials are not sent to" in done.err
    assert gemini_server.log == []
