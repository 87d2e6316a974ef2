"""What goes over the wire, for every preset."""

import base64
import json

import pytest

import mediasense_openai_compat as plugin
from mediasense import (
    Access,
    AudioRequest,
    ImageRequest,
    Media,
    ModelsRequest,
    TextRequest,
    VideoRequest,
)
from mediasense_openai_compat.presets import PRESETS, Preset

SCHEMA = '{"type":"object","properties":{"a":{"type":"string"}}}'
CLOSED = (
    '{"type":"object","properties":{"a":{"type":"string"}},'
    '"required":["a"],"additionalProperties":false}'
)


def name_of(preset: Preset) -> str:
    return preset.provider.name


def base64_of(media: Media) -> str:
    return base64.b64encode(media.read()).decode()


def content_of(request) -> object:
    return request.get_json()["messages"][0]["content"]


def presets_with(option: str) -> list[Preset]:
    return [p for p in PRESETS.values() if option in p.provider.image.options]


@pytest.fixture(autouse=True)
def answering(service, protocol):
    service(protocol.completion())


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_an_image_is_sent_as_a_data_uri_after_the_question(preset, ask, sent, image):
    """And nothing is sent besides: some services refuse fields they do not know."""
    plugin.analyze_image(ask(ImageRequest, name_of(preset), prompt="what?", images=(image,)), None)
    assert sent().get_json() == {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{base64_of(image)}"},
                    },
                ],
            }
        ],
    }


def test_the_request_says_how_long_it_is_and_what_it_is(ask, sent, image):
    plugin.analyze_image(ask(ImageRequest, prompt="what?", images=(image,)), None)
    request = sent()
    assert request.content_length == len(request.get_data())
    assert request.content_type == "application/json"


def test_frames_say_when_they_were_taken(ask, sent, image):
    frames = tuple(
        Media(modality="image", mime_type="image/png", data=image.data, timestamp=seconds)
        for seconds in (0.0, 62.5)
    )
    plugin.analyze_image(ask(ImageRequest, prompt="what?", images=frames), None)
    content = content_of(sent())
    assert [part.get("text") for part in content] == [
        "what?",
        "Frame at 0.00 s:",
        None,
        "Frame at 62.50 s:",
        None,
    ]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_text_alone_is_a_plain_message(preset, ask, sent):
    plugin.generate(ask(TextRequest, name_of(preset), prompt="why?"), None)
    assert content_of(sent()) == "why?"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_the_length_of_the_answer_is_limited_in_the_services_own_field(preset, ask, sent):
    request = ask(TextRequest, name_of(preset), prompt="why?", max_output_tokens=7)
    plugin.generate(request, None)
    field = {"openai": "max_completion_tokens", "azure": "max_completion_tokens"}
    limits = {key: value for key, value in sent().get_json().items() if key.startswith("max_")}
    assert limits == {field.get(name_of(preset), "max_tokens"): 7}


@pytest.mark.parametrize("preset", presets_with("temperature"), ids=name_of)
def test_the_temperature_is_passed_on(preset, ask, sent):
    plugin.generate(ask(TextRequest, name_of(preset), prompt="why?", temperature=0.0), None)
    assert sent().get_json()["temperature"] == 0.0


@pytest.mark.parametrize("preset", presets_with("json_schema"), ids=name_of)
def test_a_schema_becomes_the_response_format(preset, ask, sent):
    plugin.generate(ask(TextRequest, name_of(preset), prompt="why?", json_schema=SCHEMA), None)
    assert sent().get_json()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": json.loads(SCHEMA)},
    }


@pytest.mark.parametrize("preset", presets_with("json_schema"), ids=name_of)
def test_a_closed_schema_is_strict_where_that_enforces_it(preset, ask, sent):
    plugin.generate(ask(TextRequest, name_of(preset), prompt="why?", json_schema=CLOSED), None)
    strict = sent().get_json()["response_format"]["json_schema"].get("strict", False)
    assert strict == (name_of(preset) in {"openai", "azure"})


def test_openrouter_is_told_to_route_to_models_that_follow_schemas(ask, sent):
    plugin.generate(ask(TextRequest, "openrouter", prompt="why?", json_schema=SCHEMA), None)
    assert sent().get_json()["provider"] == {"require_parameters": True}


# --- video ---------------------------------------------------------------------------------------

WITH_LOCAL_VIDEO = [p for p in PRESETS.values() if p.provider.video and p.provider.video.mime_types]
WITH_LINKED_VIDEO = [
    p for p in PRESETS.values() if p.provider.video and p.provider.video.uri_schemes
]


def test_which_presets_take_video_as_video():
    assert {name_of(p) for p in (*WITH_LOCAL_VIDEO, *WITH_LINKED_VIDEO)} == {
        *("openrouter", "dashscope", "moonshot", "zai", "vllm", "llamacpp"),
    }


@pytest.mark.parametrize("preset", WITH_LOCAL_VIDEO, ids=name_of)
def test_a_video_is_sent_in_the_services_own_part(preset, ask, sent, video):
    plugin.analyze_video(ask(VideoRequest, name_of(preset), prompt="what?", video=video), None)
    data = base64_of(video)
    expected = {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{data}"}}
    if name_of(preset) == "llamacpp":
        expected = {"type": "input_video", "input_video": {"data": data}}
    assert content_of(sent()) == [{"type": "text", "text": "what?"}, expected]


@pytest.mark.parametrize("preset", WITH_LINKED_VIDEO, ids=name_of)
def test_a_link_to_a_video_is_passed_on(preset, ask, sent, link):
    plugin.analyze_video(ask(VideoRequest, name_of(preset), prompt="what?", video=link), None)
    assert content_of(sent())[1] == {"type": "video_url", "video_url": {"url": link.uri}}


def test_dashscope_is_told_how_many_frames_to_look_at(ask, sent, video):
    request = ask(VideoRequest, "dashscope", prompt="what?", video=video, fps=0.5)
    plugin.analyze_video(request, None)
    assert content_of(sent())[1]["fps"] == 0.5


# --- sound ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai", "openrouter", "vllm", "llamacpp", "ollama"])
def test_sound_is_sent_with_its_format(name, ask, sent, sound):
    plugin.analyze_audio(ask(AudioRequest, name, prompt="what?", audio=sound), None)
    assert content_of(sent()) == [
        {"type": "text", "text": "what?"},
        {"type": "input_audio", "input_audio": {"data": base64_of(sound), "format": "wav"}},
    ]


def test_the_format_of_mp3_is_mp3(ask, sent):
    sound = Media(modality="audio", mime_type="audio/mpeg", data=b"ID3", size=3)
    plugin.analyze_audio(ask(AudioRequest, prompt="what?", audio=sound), None)
    assert content_of(sent())[1]["input_audio"]["format"] == "mp3"


def test_mistral_takes_sound_as_a_bare_string(ask, sent, sound):
    plugin.analyze_audio(ask(AudioRequest, "mistral", prompt="what?", audio=sound), None)
    assert content_of(sent())[1] == {"type": "input_audio", "input_audio": base64_of(sound)}


def test_the_language_spoken_is_told_with_the_question(ask, sent, sound):
    request = ask(AudioRequest, "openrouter", prompt="what?", audio=sound, language="de")
    plugin.analyze_audio(request, None)
    assert content_of(sent())[0]["text"] == "what?\n\nThe language spoken: de"


# --- speech to text ------------------------------------------------------------------------------

TRANSCRIBING = [p for p in PRESETS.values() if p.provider.audio and p.provider.audio.transcribes]
TIMED = {"response_format": b"verbose_json", "timestamp_granularities[]": b"segment"}


def fields_of(form: dict[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in form.items() if name not in {"file", "head"}}


@pytest.fixture
def transcribing(service):
    service({"text": "hello"}, path="/audio/transcriptions")


def test_which_presets_write_speech_down():
    assert {name_of(p) for p in TRANSCRIBING} == {
        *("openai", "openrouter", "groq", "mistral", "together", "zai", "azure"),
        *("ollama", "vllm", "litellm", "custom"),
    }


@pytest.mark.usefixtures("transcribing")
@pytest.mark.parametrize("preset", TRANSCRIBING, ids=name_of)
def test_sound_is_uploaded_under_a_neutral_name(preset, ask, sent, sound, protocol):
    plugin.analyze_audio(ask(AudioRequest, name_of(preset), audio=sound), None)
    form = protocol.form(sent())
    assert b'filename="audio.wav"' in form["head"]
    assert b"Content-Type: audio/wav" in form["head"]
    assert form["file"] == sound.data
    assert sent().content_length == len(sent().get_data())


@pytest.mark.usefixtures("transcribing")
@pytest.mark.parametrize("preset", TRANSCRIBING, ids=name_of)
def test_times_are_asked_for_where_the_service_gives_them(preset, ask, sent, sound, protocol):
    plugin.analyze_audio(ask(AudioRequest, name_of(preset), audio=sound), None)
    asked = {"groq": TIMED, "together": TIMED, "mistral": {"timestamp_granularities": b"segment"}}
    assert fields_of(protocol.form(sent())) == {"model": b"m", **asked.get(name_of(preset), {})}


@pytest.mark.usefixtures("transcribing")
@pytest.mark.parametrize(("model", "fields"), [("whisper-1", TIMED), ("gpt-transcribe", {})])
def test_times_are_asked_of_models_that_give_them(model, fields, ask, sent, sound, protocol):
    plugin.analyze_audio(ask(AudioRequest, model=model, audio=sound), None)
    assert fields_of(protocol.form(sent())) == {"model": model.encode(), **fields}


@pytest.mark.usefixtures("transcribing")
@pytest.mark.parametrize(
    "preset", [p for p in TRANSCRIBING if "language" in p.provider.audio.options], ids=name_of
)
def test_the_language_is_passed_on(preset, ask, sent, sound, protocol):
    plugin.analyze_audio(ask(AudioRequest, name_of(preset), audio=sound, language="de"), None)
    assert protocol.form(sent())["language"] == b"de"


@pytest.mark.usefixtures("transcribing")
def test_a_recording_on_disk_is_uploaded_whole(ask, sent, tmp_path, protocol):
    path = tmp_path / "private name.wav"
    path.write_bytes(bytes(range(256)) * 4000)
    sound = Media(modality="audio", mime_type="audio/wav", path=path, size=256 * 4000)
    plugin.analyze_audio(ask(AudioRequest, audio=sound), None)
    assert protocol.form(sent())["file"] == path.read_bytes()
    assert b"private name" not in sent().get_data()


# --- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [p for p in PRESETS.values() if not p.unlisted], ids=name_of)
def test_every_preset_lists_its_models(preset, ask, service, sent):
    service({"data": [{"id": "one"}, {"id": "two"}]}, path=preset.models_path)
    models = plugin.list_models(ask(ModelsRequest, name_of(preset)))
    assert [model.name for model in models] == ["one", "two"]
    assert sent().method == "GET"


def test_azure_adds_its_path_to_a_bare_host(httpserver, monkeypatch, protocol):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", httpserver.url_for("/"))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "its-key")
    httpserver.expect_request("/openai/v1/chat/completions").respond_with_json(
        protocol.completion()
    )
    request = TextRequest(provider=PRESETS["azure"].provider, model="mine", prompt="why?")
    assert plugin.generate(request, None).text == "A cat."


def test_extra_headers_are_sent(ask, sent):
    request = ask(TextRequest, prompt="why?", headers=(("X-Team", "blue"),))
    plugin.generate(request, None)
    assert sent().headers["X-Team"] == "blue"


def test_a_server_without_a_key_gets_no_authorization(httpserver, sent, protocol):
    access = Access(base_url=httpserver.url_for("/v1"))
    request = TextRequest(
        provider=PRESETS["custom"].provider, access=access, model="m", prompt="why?"
    )
    plugin.generate(request, None)
    assert "Authorization" not in sent().headers


def test_the_key_is_sent_as_a_bearer(ask, sent, protocol):
    plugin.generate(ask(TextRequest, prompt="why?"), None)
    assert sent().headers["Authorization"] == f"Bearer {protocol.KEY}"
