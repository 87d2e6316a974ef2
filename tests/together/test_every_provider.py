"""Every provider of every package, from the command line to the wire and back."""

import base64
import json
from pathlib import Path

import pytest

from mediasense.plugins import load_plugins

MEDIA = Path(__file__).parents[2] / "examples" / "media"
SHOT, CLIP, SPEECH = (
    MEDIA / name for name in ("error-dialog.png", "screen-recording.mp4", "spoken-sentence.wav")
)
KEY = "sk-very-secret-0123456789"
PROVIDERS = load_plugins().providers
OPENAI_COMPAT = [
    name
    for name, owner in load_plugins().owners.items()
    if owner.entry_point.name == "openai_compat"
]


def reach(name: str, server, path: str = "/v1") -> tuple[str, ...]:
    return (
        "-p",
        name,
        "--base-url",
        server.url_for(path),
        "--api-key-env",
        "THE_KEY",
        "-m",
        "served",
    )


@pytest.mark.parametrize("name", OPENAI_COMPAT)
def test_every_preset_answers_about_a_picture(mediasense, openai_server, name):
    run = mediasense("image", SHOT, "what?", *reach(name, openai_server), THE_KEY=KEY)
    assert (run.code, run.err) == (0, "")
    assert run.out in ("I saw text+image_url.\n", "I saw image_url+text.\n")


@pytest.mark.parametrize(
    "name", [n for n in OPENAI_COMPAT if PROVIDERS[n].audio and PROVIDERS[n].audio.transcribes]
)
def test_every_preset_that_transcribes_does(mediasense, openai_server, name):
    run = mediasense("audio", SPEECH, *reach(name, openai_server), THE_KEY=KEY)
    assert (run.code, run.out) == (0, "Restart the service.\n")


@pytest.mark.parametrize(
    "name",
    [n for n in OPENAI_COMPAT if not (v := PROVIDERS[n].video) or "video/mp4" not in v.mime_types],
)
def test_every_other_preset_is_sent_a_video_as_frames(mediasense, openai_server, name):
    run = mediasense("video", CLIP, "what?", "--json", *reach(name, openai_server), THE_KEY=KEY)
    assert run.code == 0, run.err
    envelope = json.loads(run.out)
    assert envelope["frames"][0] == {"timestamp": 0.0, "reason": "first"}
    told = [step for step in envelope["steps"] if "sound" in step["channels"]]
    assert told or any("not heard" in warning for warning in envelope["warnings"])


@pytest.mark.parametrize(
    "name",
    [n for n in OPENAI_COMPAT if (v := PROVIDERS[n].video) and "video/mp4" in v.mime_types],
)
def test_every_preset_that_takes_video_is_sent_it(mediasense, openai_server, name):
    run = mediasense("video", CLIP, "what?", *reach(name, openai_server), THE_KEY=KEY)
    assert run.code == 0, run.err
    assert "video" in run.out


@pytest.mark.parametrize("name", [n for n in PROVIDERS if PROVIDERS[n].audio is None])
def test_a_provider_without_sound_refuses_it_and_names_others(mediasense, name):
    run = mediasense("audio", SPEECH, "-p", name)
    assert run.code == 10
    assert run.err.startswith(f"error: {name} does not write down speech; try --provider ")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("gemini", SHOT, "image/png"),
        ("gemini", CLIP, "video/mp4"),
        ("gemini", SPEECH, "audio/wav"),
    ],
)
def test_gemini_takes_pictures_video_and_sound_as_they_are(
    mediasense, gemini_server, name, source, said
):
    command = {"i": "image", "v": "video", "a": "audio"}[said[0]]
    run = mediasense(command, source, "what?", *reach(name, gemini_server, ""), THE_KEY=KEY)
    assert run.code == 0, run.err
    assert said in run.out


@pytest.mark.parametrize("command", [("image", SHOT), ("video", CLIP)])
def test_without_any_key_this_device_reads_the_text(mediasense, command):
    run = mediasense(*command)
    assert run.code == 0, run.err
    assert "note: answered by on_device" in run.err
    assert any(said in run.out for said in ("could not be saved", "Session expired (401)"))


def test_a_prompt_about_sound_is_asked_about_the_transcript(mediasense, openai_server):
    run = mediasense(
        "audio", SPEECH, "what is to be done?", *reach("groq", openai_server), "--json", THE_KEY=KEY
    )
    assert run.json["strategy"] == "transcript_then_text"
    asked = openai_server.log[-1][0].get_data(as_text=True)
    assert "Restart the service." in asked


def test_the_bytes_of_the_picture_are_sent_unchanged(mediasense, openai_server):
    mediasense("image", SHOT, "what?", *reach("openai", openai_server), THE_KEY=KEY)
    body = openai_server.log[0][0].get_data()
    assert base64.b64encode(SHOT.read_bytes()) in body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("name", ["openai", "gemini", "acme"])
def test_no_failure_shows_the_key(mediasense, httpserver, name, status):
    """Even when the service repeats it."""
    echo = {"error": {"message": f"bad key {KEY}", "code": status, "status": KEY}}
    import re

    httpserver.expect_request(re.compile(".*")).respond_with_json(echo, status=status)
    run = mediasense(
        "image", SHOT, "what?", *reach(name, httpserver, ""), "--retries", 0, THE_KEY=KEY
    )
    expected = {400: 44, 401: 41, 403: 42, 404: 45, 413: 46, 429: 43, 500: 49, 503: 48}
    assert run.code == expected[status], run.err
    assert KEY not in run.out + run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("name", [n for n, p in PROVIDERS.items() if p.credentials])
def test_another_providers_key_is_never_sent(mediasense, httpserver, name):
    """With every known key set, a server at another address gets none of them."""
    import re

    httpserver.expect_request(re.compile(".*")).respond_with_json({}, status=400)
    keys = {
        variable: f"sk-{variable.lower()}-secret"
        for provider in PROVIDERS.values()
        if provider.credentials
        for variable in provider.credentials.variables
        if variable != "MEDIASENSE_API_KEY"
    }
    url = httpserver.url_for("")
    mediasense("image", SHOT, "?", "-p", name, "--base-url", url, "-m", "m", "--retries", 0, **keys)
    seen = "".join(f"{request.headers}{request.get_data()!r}" for request, _ in httpserver.log)
    assert not [variable for variable, key in keys.items() if key in seen]


@pytest.mark.parametrize("name", ["openai", "gemini", "acme"])
def test_a_proxy_never_sees_what_is_not_encrypted(mediasense, httpserver, raw_server, name):
    """Between here and a proxy, plain http would show the key and the picture."""
    import re

    httpserver.expect_request(re.compile(".*")).respond_with_json({}, status=400)
    proxy = raw_server()
    variables = {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url}
    mediasense(
        "image", SHOT, "?", *reach(name, httpserver, ""), "--retries", 0, THE_KEY=KEY, **variables
    )
    assert proxy.received == []
    assert len(httpserver.log) == 1
