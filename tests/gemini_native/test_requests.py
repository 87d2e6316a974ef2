"""What reaches the wire: contents, options, headers, addresses."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace

import pytest

import mediasense_gemini_native as plugin
from mediasense import (
    Access,
    AudioRequest,
    ImageRequest,
    Media,
    ModelsRequest,
    TextRequest,
    UnknownModel,
    UnsupportedMedia,
    VideoRequest,
)


def remote(uri, modality="video", mime_type=""):
    return Media(modality=modality, mime_type=mime_type, uri=uri)


# --- media ---------------------------------------------------------------------------------------


def test_an_image_goes_inline_before_the_question(google, gemini, image):
    google.answers()
    plugin.analyze_image(ImageRequest(provider=gemini, images=(image,), prompt="what?"), None)
    picture, question = google.parts
    assert picture["inlineData"]["mime_type"] == "image/png"
    assert base64.b64decode(picture["inlineData"]["data"], validate=True) == image.data
    assert question == {"text": "what?"}


def test_media_is_standard_base64(google, gemini):
    """The SDK alone would send - and _, which some gateways do not read."""
    data = b"\xfb\xff\xfe" * 10
    image = Media(modality="image", mime_type="image/png", data=data, size=len(data))
    google.answers()
    plugin.analyze_image(ImageRequest(provider=gemini, images=(image,), prompt="what?"), None)
    assert google.parts[0]["inlineData"]["data"] == "+//+" * 10


def test_the_declared_length_is_the_length(google, gemini, image):
    google.answers()
    plugin.analyze_image(ImageRequest(provider=gemini, images=(image,), prompt="what?"), None)
    assert google.request.content_length == len(google.request.get_data())
    assert "Transfer-Encoding" not in google.request.headers


def test_a_large_file_arrives_whole(google, gemini, tmp_path):
    """Above two megabytes the body is a stream and no longer one block."""
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(range(256)) * 12_000)
    video = Media(modality="video", mime_type="video/mp4", path=path, size=path.stat().st_size)
    google.answers()
    plugin.analyze_video(VideoRequest(provider=gemini, video=video, prompt="what?"), None)
    assert base64.b64decode(google.parts[0]["inlineData"]["data"]) == path.read_bytes()


def test_several_images_keep_their_order_and_their_times(google, gemini, image, make_image):
    other = make_image("JPEG")
    frames = (
        replace(image, timestamp=1.0),
        Media(modality="image", mime_type="image/jpeg", data=other, size=len(other), timestamp=2.5),
    )
    google.answers()
    plugin.analyze_image(ImageRequest(provider=gemini, images=frames, prompt="what?"), None)
    first_time, first, second_time, second, _ = google.parts
    assert first_time == {"text": "The recording at 1.0 s:"}
    assert base64.b64decode(first["inlineData"]["data"]) == image.data
    assert second_time == {"text": "The recording at 2.5 s:"}
    assert base64.b64decode(second["inlineData"]["data"]) == other


@pytest.mark.parametrize(
    ("provider", "mime_type", "sent"),
    [
        ("gemini", "audio/mpeg", "audio/mp3"),
        ("gemini", "audio/wav", "audio/wav"),
        ("gemini", "audio/flac", "audio/flac"),
        ("gemini", "audio/mp4", "audio/m4a"),
        ("vertex", "audio/mp4", "audio/mp4"),
        ("vertex", "audio/mpeg", "audio/mpeg"),
        ("vertex", "audio/aac", "audio/x-aac"),
    ],
)
def test_sound_has_its_own_type_under_the_name_the_service_knows(
    google, gemini, vertex, monkeypatch, provider, mime_type, sent
):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    sound = Media(modality="audio", mime_type=mime_type, data=b"1234", size=4)
    chosen = {"gemini": gemini, "vertex": vertex}[provider]
    google.answers()
    plugin.analyze_audio(AudioRequest(provider=chosen, audio=sound, prompt="what?"), None)
    assert google.parts[0]["inlineData"]["mime_type"] == sent


@pytest.mark.parametrize(
    ("provider", "uri", "mime_type", "sent"),
    [
        ("gemini", "https://example.org/a.webm", "video/webm", "video/webm"),
        ("gemini", "https://www.youtube.com/watch?v=1", "", None),
        ("gemini", "https://example.org/clip?id=1", "", None),
        ("vertex", "gs://bucket/a.mov", "video/quicktime", "video/quicktime"),
        ("vertex", "https://youtu.be/1", "", "video/mp4"),
        ("vertex", "https://www.youtube.com/watch?v=1", "", "video/mp4"),
    ],
)
def test_a_uri_is_passed_through(
    google, gemini, vertex, monkeypatch, provider, uri, mime_type, sent
):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    chosen = {"gemini": gemini, "vertex": vertex}[provider]
    google.answers()
    request = VideoRequest(provider=chosen, video=remote(uri, mime_type=mime_type), prompt="what?")
    plugin.analyze_video(request, None)
    expected = {"file_uri": uri, "mime_type": sent} if sent else {"file_uri": uri}
    assert google.parts[0] == {"fileData": expected}


@pytest.mark.parametrize("uri", ["gs://bucket/thing", "https://notyoutube.com/watch?v=1"])
def test_vertex_wants_the_type_of_a_uri(google, vertex, monkeypatch, uri):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    request = VideoRequest(provider=vertex, video=remote(uri), prompt="what?")
    with pytest.raises(UnsupportedMedia, match="type"):
        plugin.analyze_video(request, None)


# --- options -------------------------------------------------------------------------------------


def test_range_frame_rate_and_resolution_reach_the_request(google, gemini, video):
    request = VideoRequest(
        provider=gemini, video=video, prompt="what?", start=1, end=3661.5, fps=0.5, resolution="low"
    )
    google.answers()
    plugin.analyze_video(request, None)
    assert google.parts[0]["videoMetadata"] == {
        "start_offset": "1s",
        "end_offset": "3661.5s",
        "fps": 0.5,
    }
    assert google.body["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_LOW"


def test_a_range_of_sound_reaches_the_request(google, gemini, sound):
    google.answers()
    plugin.analyze_audio(
        AudioRequest(provider=gemini, audio=sound, prompt="what?", start=0, end=0.25), None
    )
    assert google.parts[0]["audioMetadata"] == {"start_offset": "0s", "end_offset": "0.25s"}


def test_what_is_not_asked_for_is_not_sent(google, gemini, video):
    google.answers()
    plugin.analyze_video(VideoRequest(provider=gemini, video=video, prompt="what?"), None)
    assert google.body["generationConfig"] == {}
    assert "videoMetadata" not in google.parts[0]
    assert "tools" not in google.body


def test_a_schema_and_the_sampling_options_reach_the_request(google, gemini):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    request = TextRequest(
        provider=gemini,
        prompt="how many?",
        json_schema=json.dumps(schema),
        max_output_tokens=7,
        temperature=0.0,
    )
    google.answers()
    plugin.generate(request, None)
    assert google.body["generationConfig"] == {
        "maxOutputTokens": 7,
        "temperature": 0.0,
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


def test_sound_without_a_question_is_transcribed(google, gemini, sound):
    google.answers(google.reply("guten Tag"))
    answer = plugin.analyze_audio(AudioRequest(provider=gemini, audio=sound), None)
    assert "word for word" in google.parts[1]["text"]
    assert answer.text == "guten Tag"
    assert answer.segments == ()


@pytest.mark.parametrize("prompt", [None, "what is heard?"])
def test_the_language_is_told(google, gemini, sound, prompt):
    google.answers()
    request = AudioRequest(provider=gemini, audio=sound, prompt=prompt, language="de")
    plugin.analyze_audio(request, None)
    assert google.parts[1]["text"].endswith("the ISO 639-1 code 'de'.")
    assert google.parts[1]["text"].startswith(prompt or "Write down")


# --- addresses and headers -----------------------------------------------------------------------


def test_the_key_goes_in_its_header_and_not_in_the_address(google, gemini):
    google.answers()
    plugin.generate(TextRequest(provider=gemini, prompt="hello"), None)
    assert google.request.headers["x-goog-api-key"] == google.KEY
    assert google.request.full_path == "/v1beta/models/gemini-3.1-flash-lite:generateContent?"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_the_api_version_is_a_setting(google, gemini, version):
    google.answers()
    access = Access(api_version=version)
    plugin.generate(TextRequest(provider=gemini, access=access, prompt="hello"), None)
    assert google.request.path.startswith(f"/{version}/models/")


def test_a_base_url_keeps_its_path(google, gemini, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_API_KEY", google.KEY)
    google.answers()
    access = Access(base_url=f"{google.url}/proxy/google")
    plugin.generate(TextRequest(provider=gemini, access=access, prompt="hello"), None)
    assert google.request.path.startswith("/proxy/google/v1beta/models/")


def test_a_model_is_asked_by_its_name(google, gemini):
    google.answers()
    plugin.generate(TextRequest(provider=gemini, model="tunedModels/mine-1", prompt="x"), None)
    assert google.request.path == "/v1beta/tunedModels/mine-1:generateContent"


@pytest.mark.parametrize("model", ["../../files/x", "a?key=b", "a#b", "a b", "a%2fb", "\n", ""])
def test_a_model_cannot_change_the_address(google, gemini, model):
    google.answers()
    with pytest.raises(UnknownModel):
        plugin.generate(
            TextRequest(provider=replace(gemini, default_model=None), model=model, prompt="x"),
            None,
        )
    assert google.requests == []


def test_extra_headers_are_sent(google, gemini):
    google.answers()
    request = TextRequest(provider=gemini, prompt="hello", headers=(("X-Team", "blue"),))
    plugin.generate(request, None)
    assert google.request.headers["X-Team"] == "blue"


def test_extra_headers_end_with_their_call(google, gemini):
    google.answers()
    request = TextRequest(provider=gemini, prompt="hello", headers=(("X-Team", "blue"),))
    plugin.generate(request, None)
    plugin.generate(TextRequest(provider=gemini, prompt="hello"), None)
    assert "X-Team" not in google.requests[1].headers


def test_the_timeout_is_told_in_seconds(google, gemini):
    """The SDK takes milliseconds."""
    google.answers()
    plugin.generate(TextRequest(provider=gemini, prompt="hello", timeout=7.0), None)
    assert google.request.headers["X-Server-Timeout"] == "7"


# --- listing -------------------------------------------------------------------------------------


def test_models_are_listed_in_order_without_those_that_write_nothing(google, gemini):
    rows = [
        {"name": "models/gemini-b", "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/embedding-a", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/gemini-a", "supportedGenerationMethods": ["generateContent"]},
    ]
    google.answers({"models": rows[:2], "nextPageToken": "2"}, {"models": rows[2:]})
    listed = plugin.list_models(ModelsRequest(provider=gemini))
    assert [model.name for model in listed] == ["gemini-b", "gemini-a"]
    assert all(model.modalities is None for model in listed)
    assert google.requests[1].args["pageToken"] == "2"


def test_the_models_of_vertex_are_listed(google, vertex, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", google.KEY)
    google.answers({"publisherModels": [{"name": "publishers/google/models/gemini-a"}]})
    (model,) = plugin.list_models(ModelsRequest(provider=vertex))
    assert model.name == "gemini-a"
    assert google.request.path == "/v1beta1/publishers/google/models"


def test_the_sdk_prints_nothing_about_a_listing(google, run):
    """It logs a warning about this one, which Python prints where logging is not set up."""
    google.answers({"other": 1})
    code = """
import sys
from dataclasses import replace
import mediasense_gemini_native as plugin
from mediasense import InvalidAnswer, ModelsRequest
from mediasense_gemini_native.providers import GEMINI
sys.stderr = sys.stdout
try:
    plugin.list_models(ModelsRequest(provider=replace(GEMINI, base_url=sys.argv[1])))
except InvalidAnswer as error:
    print(error)
"""
    said = "gemini answered with no list of models; check --base-url"
    assert run(code, google.url, GEMINI_API_KEY=google.KEY).strip() == said


def test_the_sdk_prints_nothing_about_a_reason_it_does_not_know(google, run):
    google.answers(google.reply(finish="NEW_REASON"))
    code = """
import sys, warnings
from dataclasses import replace
import mediasense_gemini_native as plugin
from mediasense import TextRequest
from mediasense_gemini_native.providers import GEMINI
warnings.resetwarnings()
sys.stderr = sys.stdout
print(plugin.generate(TextRequest(
    provider=replace(GEMINI, base_url=sys.argv[1]), model="m", prompt="why?"), None).text)
"""
    assert run(code, google.url, GEMINI_API_KEY=google.KEY).strip() == "hello"


# --- threads -------------------------------------------------------------------------------------


def test_threads_do_not_mix_their_media(google, gemini):
    """They share one client."""
    google.answers()

    def ask(number: int) -> None:
        data = bytes([number]) * 999
        image = Media(modality="image", mime_type="image/png", data=data, size=len(data))
        request = ImageRequest(
            provider=gemini, images=(image,), prompt=str(number), headers=(("X-N", str(number)),)
        )
        plugin.analyze_image(request, None)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = set()
    for request in google.requests:
        picture, question = json.loads(request.get_data())["contents"][0]["parts"]
        number = int(question["text"])
        assert base64.b64decode(picture["inlineData"]["data"]) == bytes([number]) * 999
        assert request.headers["X-N"] == str(number)
        seen.add(number)
    assert seen == set(range(16))


def test_one_client_serves_one_connection(gemini):
    from mediasense import connect
    from mediasense_gemini_native import client

    first = connect(TextRequest(provider=gemini, prompt="a"))
    second = connect(TextRequest(provider=gemini, prompt="b"))
    slower = connect(TextRequest(provider=gemini, prompt="b", timeout=5))
    assert client._client(first) is client._client(second)
    assert client._client(first) is not client._client(slower)
