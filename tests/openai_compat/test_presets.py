"""The table of presets: what it says, and that it leads where it says."""

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import mediasense_openai_compat as plugin
from mediasense import (
    Access,
    Answer,
    ImageRequest,
    MissingCredentials,
    ModelsRequest,
    TextRequest,
    Usage,
    UsageError,
    connect,
)
from mediasense.ledger import Ledger
from mediasense.prices import KeptPrices
from mediasense_openai_compat.presets import PRESETS, Preset

README = Path(__file__).parents[2] / "plugins" / "openai_compat" / "README.md"

KEYED = [p for p in PRESETS.values() if p.provider.credentials is not None]
WITH_URL = [p for p in PRESETS.values() if p.provider.base_url is not None]


def name_of(preset: Preset) -> str:
    return preset.provider.name


def test_the_plugin_offers_every_preset():
    assert [provider.name for provider in plugin.capabilities()] == list(PRESETS)


def test_every_service_that_was_promised_is_there():
    assert set(PRESETS) == {
        *("openai", "openrouter", "groq", "grok", "cerebras", "mistral", "together", "fireworks"),
        *("deepinfra", "huggingface", "nvidia", "dashscope", "moonshot", "zai", "sambanova"),
        *("deepseek", "perplexity", "azure"),
        *("ollama", "lmstudio", "vllm", "llamacpp", "litellm", "custom"),
    }


def test_no_two_presets_share_a_name_or_alias():
    names = [n for p in PRESETS.values() for n in (p.provider.name, *p.provider.aliases)]
    assert len(names) == len(set(names))


def test_grok_is_also_called_xai():
    assert "xai" in PRESETS["grok"].provider.aliases


def test_rows_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["groq"].stream_options = True


@pytest.mark.parametrize("preset", WITH_URL, ids=name_of)
def test_base_urls_are_encrypted_or_on_this_machine(preset):
    parts = urlsplit(preset.provider.base_url)
    local = preset.provider.kind == "server"
    assert (parts.scheme, parts.hostname == "localhost") == (
        ("http", True) if local else ("https", False)
    )


@pytest.mark.parametrize("preset", WITH_URL, ids=name_of)
def test_every_preset_resolves_to_its_own_base_url_and_keys(preset, monkeypatch):
    """Each key variable in turn; of several, the first that is set wins."""
    provider = preset.provider
    for variable in reversed(provider.credentials.variables if provider.credentials else ()):
        monkeypatch.setenv(variable, f"key-in-{variable}")
        connection = connect(ModelsRequest(provider=provider))
        assert connection.base_url == provider.base_url
        assert (connection.key, connection.source) == (f"key-in-{variable}", variable)


def test_grok_takes_the_key_of_xai_first(monkeypatch):
    monkeypatch.setenv("GROK_API_KEY", "second")
    monkeypatch.setenv("XAI_API_KEY", "first")
    assert connect(ModelsRequest(provider=PRESETS["grok"].provider)).key == "first"


@pytest.mark.parametrize("preset", [p for p in KEYED if p.provider.kind == "service"], ids=name_of)
def test_a_service_without_its_key_is_not_called(preset, monkeypatch):
    """Not with the key of OpenAI, nor with any other service's."""
    own = preset.provider.credentials.variables
    for other in KEYED:
        for variable in other.provider.credentials.variables:
            if variable not in own and variable != "MEDIASENSE_API_KEY":
                monkeypatch.setenv(variable, "somebody-elses")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com")
    with pytest.raises(MissingCredentials, match=own[0]):
        connect(ModelsRequest(provider=preset.provider))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai", "https://eu.api.openai.com/v1"),
        ("azure", "https://res.openai.azure.com/openai/v1"),
        ("dashscope", "https://ws1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1"),
        ("dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ("mistral", "https://api.eu.mistral.ai/v1"),
        ("together", "https://api.together.xyz/v1"),
    ],
)
def test_a_key_goes_to_the_other_hosts_of_its_service(name, url, monkeypatch):
    provider = PRESETS[name].provider
    monkeypatch.setenv(provider.credentials.variables[0], "its-key")
    assert connect(ModelsRequest(provider=provider, access=Access(base_url=url))).key == "its-key"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai", "https://openai.com.example.com/v1"),
        ("azure", "https://evil-openai.azure.com.example.com"),
        ("dashscope", "https://someones-bucket.oss-cn-beijing.aliyuncs.com/v1"),
        ("moonshot", "https://api.moonshot.cn/v1"),
    ],
)
def test_a_key_goes_nowhere_else(name, url, monkeypatch):
    provider = PRESETS[name].provider
    monkeypatch.setenv(provider.credentials.variables[0], "its-key")
    with pytest.raises(MissingCredentials, match="is not sent to"):
        connect(ModelsRequest(provider=provider, access=Access(base_url=url)))


def test_the_provider_for_any_base_url_uses_its_own_variable_only(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-openai")
    access = Access(base_url="https://models.example.com/v1")
    request = ModelsRequest(provider=PRESETS["custom"].provider, access=access)
    assert connect(request).key is None
    monkeypatch.setenv("MEDIASENSE_API_KEY", "of-mine")
    assert connect(request).key == "of-mine"


def test_only_one_preset_takes_any_base_url():
    assert [p.provider.name for p in PRESETS.values() if p.provider.takes_any_base_url] == [
        "custom"
    ]


def test_any_base_url_claims_images_speech_to_text_and_nothing_else():
    custom = PRESETS["custom"].provider
    assert custom.default_model is None
    assert custom.image is not None
    assert custom.video is None
    assert (custom.audio.transcribes, custom.audio.answers, custom.audio.timestamps) == (
        True,
        False,
        False,
    )
    assert not any("json_schema" in limits.options for limits in (custom.image, custom.text))


def test_azure_needs_an_endpoint():
    with pytest.raises(UsageError, match="AZURE_OPENAI_ENDPOINT"):
        connect(ModelsRequest(provider=PRESETS["azure"].provider))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_every_service_has_a_default_model_or_is_asked_for_one(preset):
    provider = preset.provider
    chosen_by_user = {"azure", "custom", "lmstudio", "vllm", "llamacpp", "litellm"}
    assert (provider.default_model is None) == (provider.name in chosen_by_user)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_the_default_model_takes_what_the_provider_says(preset):
    """No rule about models contradicts the row it stands in."""
    provider = preset.provider
    if provider.default_model is not None:
        limits = provider.limits_for(provider.default_model)
        assert (limits.image, limits.text) == (provider.image, provider.text)


@pytest.mark.parametrize("preset", [p for p in PRESETS.values() if p.provider.audio], ids=name_of)
def test_the_model_for_speech_writes_it_down(preset):
    provider = preset.provider
    limits = provider.limits_for(provider.audio.default_model).audio
    assert limits.transcribes == provider.audio.transcribes
    assert limits.timestamps == provider.audio.timestamps


@pytest.mark.parametrize(
    ("model", "transcribes", "timestamps", "answers"),
    [
        ("whisper-1", True, True, False),
        ("gpt-transcribe", True, False, False),
        ("gpt-4o-transcribe", True, False, False),
        ("gpt-audio-1.5", False, False, True),
        ("gpt-4o-audio-preview", False, False, True),
    ],
)
def test_what_models_of_openai_do_with_sound(model, transcribes, timestamps, answers):
    audio = PRESETS["openai"].provider.limits_for(model).audio
    assert (audio.transcribes, audio.timestamps, audio.answers) == (
        transcribes,
        timestamps,
        answers,
    )


def test_chat_models_of_openai_do_not_hear():
    assert PRESETS["openai"].provider.limits_for("gpt-6-luna").audio is None


def test_small_voxtral_answers_and_mini_voxtral_writes():
    provider = PRESETS["mistral"].provider
    assert provider.limits_for("voxtral-small-latest").audio.answers
    assert provider.limits_for("voxtral-mini-latest").audio.transcribes


def test_every_preset_takes_jpeg_and_png():
    for preset in PRESETS.values():
        assert {"image/jpeg", "image/png"} <= set(preset.provider.image.mime_types)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=name_of)
def test_no_limit_is_larger_than_the_encoded_request(preset):
    limits = preset.provider.image
    if limits.max_request_bytes is not None:
        most = {"groq": 4e6, "cerebras": 10e6, "fireworks": 10e6, "moonshot": 100e6}
        allowed = most.get(preset.provider.name, 48 * 2**20)
        assert limits.max_request_bytes * 4 / 3 < allowed


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://res.openai.azure.com",
        "https://res.openai.azure.com/",
        "https://res.openai.azure.com/openai/v1",
        "https://res.openai.azure.com/openai/v1/",
    ],
)
def test_every_form_of_azures_endpoint_leads_to_the_same_place(endpoint, monkeypatch):
    from mediasense_openai_compat import client

    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "its-key")
    request = ImageRequest(provider=PRESETS["azure"].provider, model="mine", images=())
    made = client._client(connect(request))
    assert str(made.base_url) == "https://res.openai.azure.com/openai/v1/"


# --- what costs nothing --------------------------------------------------------------------------


def cost_of(name: str, model: str | None, base_url: str | None = None) -> float | None:
    """What a call comes to, by the price list."""
    preset, access = PRESETS[name], Access(base_url=base_url)
    request = TextRequest(provider=preset.provider, model=model, prompt="why?", access=access)
    answer = Answer(text="b", model=model or "", usage=Usage(input_tokens=9, output_tokens=9))
    with Ledger(KeptPrices()).paying(request) as entry:
        return entry.answered(answer).cost


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ollama", "gemma4"),
        ("ollama", "gpt-oss:120b"),
        ("lmstudio", "google/gemma-4-12b"),
        ("vllm", "Qwen/Qwen3.8-VL"),
        ("llamacpp", "gpt-4o"),
    ],
)
def test_a_model_on_this_machine_costs_nothing(name, model):
    assert cost_of(name, model) == 0.0
    assert cost_of(name, model, "http://127.0.0.1:9000/v1") == 0.0


@pytest.mark.parametrize(
    "model", ["gpt-oss:120b-cloud", "qwen3.5:cloud", "Library/GPT-OSS:120B-Cloud"]
)
def test_a_model_that_ollama_passes_on_has_an_unknown_cost(model):
    assert cost_of("ollama", model) is None


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "vllm", "llamacpp"])
@pytest.mark.parametrize("url", ["http://192.168.1.5:11434/v1", "https://ollama.com/v1"])
def test_on_another_machine_the_cost_is_unknown(name, url):
    assert cost_of(name, "gemma4", url) is None


@pytest.mark.parametrize("name", ["litellm", "custom"])
def test_what_leads_anywhere_has_an_unknown_cost(name):
    assert cost_of(name, "gemma4", "http://127.0.0.1:4000/v1") is None


# --- the tables of the README --------------------------------------------------------------------


def offers_table() -> str:
    """What each preset takes, as Markdown."""
    head = "provider", "key", "model", "images", "video", "questions about sound", "speech to text"
    lines = f"| {' | '.join(head)} | JSON Schema |", "|---" * 8 + "|"
    return "\n".join([*lines, *map(offers_row, PRESETS.values())])


def offers_row(preset: Preset) -> str:
    provider = preset.provider
    names = ", ".join(f"`{name}`" for name in (provider.name, *provider.aliases))
    keys = provider.credentials.variables if provider.credentials else ()
    cells = (
        names,
        ", ".join(f"`{key}`" for key in keys) or "none",
        f"`{provider.default_model}`" if provider.default_model else "yours",
        images_cell(preset),
        video_cell(preset),
        sound_cell(preset),
        speech_cell(preset),
        "yes" if "json_schema" in provider.image.options else "",
    )
    return f"| {' | '.join(cells)} |"


def images_cell(preset: Preset) -> str:
    limits = preset.provider.image
    kinds = ", ".join(kind.partition("/")[2] for kind in limits.mime_types)
    return f"up to {limits.max_items}: {kinds}" if limits.max_items else kinds


def video_cell(preset: Preset) -> str:
    limits = preset.provider.video
    if limits is None:
        return ""
    kinds = [kind.partition("/")[2] for kind in limits.mime_types]
    return ", ".join([*kinds, *(["links"] if limits.uri_schemes else [])])


def sound_cell(preset: Preset) -> str:
    provider = preset.provider
    rules = [rule.pattern for rule in provider.models if rule.audio and rule.audio.answers]
    if provider.audio is not None and provider.audio.answers:
        return "yes"
    return ", ".join(f"`{pattern}`" for pattern in rules)


def speech_cell(preset: Preset) -> str:
    audio = preset.provider.audio
    if audio is None or not audio.transcribes:
        return ""
    model = f"`{audio.default_model}`" if audio.default_model else "yes"
    return f"{model}, with times" if audio.timestamps else model


def unverified_list() -> str:
    """What could not be verified, as Markdown."""
    return "\n".join(
        f"- `{preset.provider.name}`: {'; '.join(preset.unverified)}."
        for preset in PRESETS.values()
        if preset.unverified
    )


@pytest.mark.parametrize("made", [offers_table, unverified_list])
def test_the_readme_says_what_the_presets_say(made):
    assert made() in README.read_text("utf-8")
