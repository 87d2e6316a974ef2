"""The in-house plugin of the examples, installed as a package and driven from the command line."""

import base64
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

ROOT = Path(__file__).parents[2]
SHOT = ROOT / "examples" / "media" / "error-dialog.png"
TOKEN = "acme-secret-token-123"


@pytest.fixture
def acme(httpserver: HTTPServer) -> HTTPServer:
    """Acme's service, as its own developers would run it for tests."""
    looked = {
        "finding": "The IBAN is not valid.",
        "eye": "acme-eye-2.1",
        "cost": {"read": 7, "written": 5},
    }
    token = {"X-Acme-Token": TOKEN}
    httpserver.expect_request("/api/look", "POST", headers=token).respond_with_json(looked)
    eyes = {"eyes": [{"name": "acme-eye-2"}, {"name": "acme-eye-1"}]}
    httpserver.expect_request("/api/eyes", "GET", headers=token).respond_with_json(eyes)
    httpserver.expect_request("/api/look").respond_with_json({"error": "who are you?"}, status=401)
    return httpserver


def reach(acme: HTTPServer) -> tuple[str, ...]:
    return "--provider", "acme", "--base-url", acme.url_for("/api"), "--api-key-env", "ACME_TOKEN"


def test_the_plugin_is_about_thirty_lines():
    source = (ROOT / "examples" / "acme_plugin" / "mediasense_acme.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 35


def test_it_answers_a_question_about_a_picture(mediasense, acme):
    run = mediasense("image", SHOT, "what is wrong?", *reach(acme), ACME_TOKEN=TOKEN)
    assert (run.code, run.out) == (0, "The IBAN is not valid.\n")


def test_the_picture_and_the_question_arrive_as_acme_wants_them(mediasense, acme):
    mediasense("image", SHOT, "what is wrong?", *reach(acme), ACME_TOKEN=TOKEN)
    [(request, _)] = acme.log
    sent = request.get_json()
    assert sent["question"] == "what is wrong?"
    assert base64.b64decode(sent["pictures"][0]["bytes"]) == SHOT.read_bytes()


def test_usage_and_model_reach_the_envelope(mediasense, acme):
    run = mediasense("image", SHOT, "?", *reach(acme), "--json", ACME_TOKEN=TOKEN)
    assert run.json["model"] == "acme-eye-2.1"
    assert run.json["usage"]["input_tokens"] == 7


def test_it_is_listed_with_the_name_of_its_key(mediasense):
    run = mediasense("providers", "acme", "--json", ACME_TOKEN=TOKEN)
    [row] = run.json
    assert (row["plugin"], row["credentials"]["found"]) == ("acme", "ACME_TOKEN")
    assert TOKEN not in run.out


def test_its_models_are_listed(mediasense, acme):
    run = mediasense("models", *reach(acme), "--json", ACME_TOKEN=TOKEN)
    assert [model["name"] for model in run.json] == ["acme-eye-2", "acme-eye-1"]


def test_a_refused_token_is_an_authentication_error_that_does_not_show_it(mediasense, acme):
    run = mediasense("image", SHOT, "?", *reach(acme), ACME_TOKEN="wrong-token-456")
    assert run.code == 41
    assert run.err == (
        "error: acme answered 401: who are you?; check ACME_TOKEN (mediasense providers --check)\n"
    )


def test_without_a_token_nothing_is_sent(mediasense, acme):
    run = mediasense("image", SHOT, "?", "--provider", "acme")
    assert run.code == 8
    assert "export ACME_TOKEN=" in run.err
    assert acme.log == []


def test_a_question_it_cannot_take_is_refused_with_what_can(mediasense):
    sound = ROOT / "examples" / "media" / "spoken-sentence.wav"
    run = mediasense("audio", sound, "--provider", "acme", ACME_TOKEN=TOKEN)
    assert run.code == 10
    assert "acme does not write down speech; try --provider " in run.err
