"""Which folder a name means: here, in the cache, or fetched from a hub on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import mediasense_whisper_local
from mediasense import Model, ModelsRequest, PluginError, UnknownModel
from mediasense_whisper_local import models as naming
from mediasense_whisper_local.parrot import SENTENCE

from .conftest import media, tone

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secretsecretsecretsecretsecret01"

HEAR = """
import sys
from pathlib import Path
import mediasense_whisper_local as plugin
from mediasense import AudioRequest, Media, MediasenseError

(provider,) = plugin.capabilities()
sound = Media(modality="audio", mime_type="audio/wav", path=Path(sys.argv[1]))
try:
    request = AudioRequest(provider=provider, audio=sound, model=sys.argv[2])
    print(plugin.analyze_audio(request=request, on_text=None).text)
except MediasenseError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(media(tone(6)).data)
    return path


@pytest.fixture
def run(sound, tmp_path):
    """Hear in a process of its own: huggingface_hub reads its variables when it is imported."""
    home = tmp_path / "home"
    home.mkdir()

    def hear(model: str, **variables: str):
        given = {"PATH": os.environ["PATH"], "HOME": str(home), "HF_TOKEN": TOKEN, **variables}
        return subprocess.run(
            [sys.executable, "-c", HEAR, str(sound), model],
            env=given,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

    return hear


@pytest.fixture
def hub(httpserver: HTTPServer, models) -> HTTPServer:
    """A Hugging Face hub that has one model."""
    files = {path.name: path.read_bytes() for path in (models / "base").iterdir()}
    files["README.md"] = b"not wanted"

    def tree(_: Request) -> Response:
        import json

        rows = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in files.items()
        ]
        return Response(json.dumps(rows), content_type="application/json")

    def file(request: Request) -> Response:
        data = files[request.path.rpartition("/")[2]]
        etag = hashlib.sha1(data).hexdigest()
        return Response(data, headers={"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'})

    info = {"id": "Systran/faster-whisper-base", "sha": COMMIT, "siblings": []}
    repository = "Systran/faster-whisper-base"
    httpserver.expect_request(
        re.compile(f"/api/models/{repository}(/revision/main)?$")
    ).respond_with_json(info)
    httpserver.expect_request(re.compile(f"/api/models/{repository}/tree/.*")).respond_with_handler(
        tree
    )
    httpserver.expect_request(re.compile(f"/{repository}/resolve/.*")).respond_with_handler(file)
    return httpserver


# --- from the hub --------------------------------------------------------------------------------


def test_a_model_is_fetched_once_and_the_user_is_told_before(hub, run):
    url = hub.url_for("").rstrip("/")
    first = run("base", HF_ENDPOINT=url)
    assert first.stdout == f"{SENTENCE}\n", first
    assert first.stderr == (
        "whisper_local: fetching the model base from the Hugging Face hub, this once\n"
    )
    asked = len(hub.log)
    assert asked > 0
    second = run("base", HF_ENDPOINT=url)
    assert (second.stdout, second.stderr) == (f"{SENTENCE}\n", "")
    assert len(hub.log) == asked


def test_no_token_of_the_user_is_sent(hub, run):
    run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    seen = "".join(f"{request.url}{request.headers}" for request, _ in hub.log)
    assert TOKEN not in seen
    assert "Authorization" not in seen


def test_only_what_is_needed_is_fetched(hub, run):
    """Nor is the hub told, or asked, who runs the program."""
    run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"), AI_AGENT="somebody")
    repository = "Systran/faster-whisper-base"
    assert {request.path for request, _ in hub.log if "/api/" in request.path} == {
        f"/api/models/{repository}/revision/main",
        f"/api/models/{repository}/tree/{COMMIT}",
    }
    assert {request.path for request, _ in hub.log if "/api/" not in request.path} == {
        f"/{repository}/resolve/{COMMIT}/{name}"
        for name in (
            "config.json",
            "model.bin",
            "preprocessor_config.json",
            "tokenizer.json",
            "vocabulary.json",
        )
    }
    assert "somebody" not in "".join(str(request.headers) for request, _ in hub.log)


def test_a_model_of_anybody_is_fetched_by_its_owner_and_name(hub, run):
    done = run("Systran/faster-whisper-base", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    assert done.stdout == f"{SENTENCE}\n"


def test_a_model_that_the_hub_does_not_have_is_unknown(hub, run):
    hub.expect_request(re.compile("/api/models/acme/.*")).respond_with_json(
        {"error": "Repository not found"}, status=404, headers={"X-Error-Code": "RepoNotFound"}
    )
    done = run("acme/ear", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    assert done.stdout.startswith(
        "UnknownModel: the Hugging Face hub gives nobody a model 'acme/ear' without a token"
    )


def test_without_a_network_it_is_one_clear_error(run):
    done = run("base", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.stdout.startswith("ConnectionFailed: cannot fetch the model base: "), done
    assert done.stdout.endswith(
        "; fetch it where there is a network, and type --model /path/to/its/folder\n"
    )
    assert done.stdout.count("\n") == 1


def test_a_hub_that_fails_is_a_failure_of_the_connection(hub, run):
    hub.clear()
    hub.expect_request(re.compile(".*")).respond_with_data("down", status=500)
    done = run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    assert done.stdout.startswith("ConnectionFailed: cannot fetch the model base: "), done


def test_offline_it_is_not_fetched(hub, run):
    done = run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"), HF_HUB_OFFLINE="1")
    assert done.stdout.startswith(
        "UnknownModel: the model base is not on this machine, and HF_HUB_OFFLINE forbids"
    )
    assert hub.log == []


def test_a_folder_that_cannot_be_written_is_told(hub, run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"), HF_HOME=str(tmp_path / "file"))
    assert done.stdout.startswith("PluginError: the model base cannot be kept: "), done


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_is_a_model(hear, models):
    answer = hear(media(tone(6)), model=str(models / "base"))
    assert (answer.text, answer.model) == (SENTENCE, str(models / "base"))


def test_a_folder_may_be_named_from_the_current_one(hear, models, monkeypatch):
    monkeypatch.chdir(models)
    assert hear(media(tone(6)), model="./base").text == SENTENCE


def test_a_folder_that_happens_to_have_the_name_of_a_model_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(naming, "_fetched", lambda name: f"fetched {name}")
    assert naming.folder_of("base") == "fetched base"


def test_a_folder_that_is_not_there_is_unknown(hear, tmp_path):
    with pytest.raises(UnknownModel, match="there is no such folder"):
        hear(media(tone(1)), model=str(tmp_path / "nothing"))


@pytest.mark.parametrize("missing", ["config.json", "model.bin", "tokenizer.json"])
def test_a_folder_that_is_not_whole_is_told_before_anything_is_fetched(
    hear, models, tmp_path, missing
):
    """Without a tokenizer faster-whisper would fetch one, with the user's token."""
    folder = tmp_path / "broken"
    shutil.copytree(models / "base", folder)
    (folder / missing).unlink()
    with pytest.raises(PluginError, match=f"has no {missing}"):
        hear(media(tone(1)), model=str(folder))


def test_a_folder_that_is_replaced_is_another_model(hear, models, tmp_path):
    """Also in a process that has heard with the one before."""
    folder = tmp_path / "mine"
    shutil.copytree(models / "base", folder)
    assert hear(media(tone(6)), model=str(folder)).text == SENTENCE
    (folder / "tokenizer.json").write_text("nonsense")
    with pytest.raises(PluginError, match="cannot be loaded: "):
        hear(media(tone(6)), model=str(folder))


@pytest.mark.parametrize("file", ["config.json", "model.bin", "tokenizer.json"])
def test_whatever_is_changed_in_a_folder_makes_it_another_model(
    models, tmp_path, monkeypatch, file
):
    shutil.copytree(models / "base", tmp_path / "base")
    monkeypatch.setenv("MEDIASENSE_WHISPER_MODELS", str(tmp_path))
    before = naming.state()
    assert naming.state() == before
    path = tmp_path / "base" / file
    path.write_bytes(path.read_bytes() + b" ")
    assert naming.state() != before


@pytest.mark.parametrize("file", ["model.bin", "tokenizer.json"])
def test_a_damaged_model_is_an_error(hear, models, tmp_path, file):
    folder = tmp_path / "damaged"
    shutil.copytree(models / "base", folder)
    (folder / file).write_bytes(b"nonsense")
    with pytest.raises(PluginError, match="cannot be loaded: "):
        hear(media(tone(1)), model=str(folder))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-x",
        "a b",
        "owner/name/more",
        "owner/..",
        "owner/../../etc",
        "-x/y",
        "a\\b",
        "a\0b/c",
    ],
)
def test_what_is_no_name_is_unknown(hear, here, name):
    if name:
        with pytest.raises(UnknownModel):
            hear(media(tone(1)), model=name)
    else:
        with pytest.raises(UnknownModel):
            naming.folder_of(name)


@given(st.text(max_size=20))
def test_no_name_leads_out_of_the_folder_of_models(name):
    found = naming._PLAIN.fullmatch(name)
    assert found is None or ("/" not in name and name not in (".", ".."))


# --- the listing ---------------------------------------------------------------------------------


def rows(provider) -> list[str]:
    found = mediasense_whisper_local.list_models(request=ModelsRequest(provider=provider))
    assert {row.modalities for row in found} == {("audio",)}
    return [row.name for row in found]


def test_the_names_that_are_known_are_listed(provider):
    assert {"tiny", "base", "small", "medium", "large-v3", "turbo"} <= set(rows(provider))


def test_the_default_model_is_one_that_is_known(provider):
    assert provider.default_model in naming.known()


def test_what_is_on_this_machine_comes_first(provider, models, monkeypatch, tmp_path):
    for name in ("our-own", "large-v3"):
        shutil.copytree(models / "base", tmp_path / name)
    (tmp_path / "no-model").mkdir()
    monkeypatch.setenv("MEDIASENSE_WHISPER_MODELS", str(tmp_path))
    listed = rows(provider)
    assert listed[:2] == ["large-v3", "our-own"]
    assert "no-model" not in listed
    assert len(listed) == len(set(listed))


def test_what_was_fetched_comes_first(hub, run, tmp_path):
    run("base", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    code = "from mediasense_whisper_local import models; print(*models.listed()[:2])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("base ")


def test_a_row_is_a_model(provider, here):
    first, *_ = mediasense_whisper_local.list_models(request=ModelsRequest(provider=provider))
    assert first == Model(name="base", modalities=("audio",))


def test_other_models_under_the_same_names_are_another_state(models, monkeypatch, tmp_path):
    """Kept answers are known by it."""
    from mediasense_whisper_local import policy_version

    monkeypatch.setenv("MEDIASENSE_WHISPER_MODELS", str(models))
    before = policy_version()
    shutil.copytree(models, tmp_path / "others")
    monkeypatch.setenv("MEDIASENSE_WHISPER_MODELS", str(tmp_path / "others"))
    assert before
    assert policy_version() not in ("", before)
