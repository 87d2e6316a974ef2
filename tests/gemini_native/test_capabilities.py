"""What is declared, and that declaring it costs nothing."""

from __future__ import annotations

import pluggy
import pytest

import mediasense_gemini_native as plugin
from mediasense import Media, Provider, Question, VideoRequest, hookspecs
from mediasense.estimates import most_tokens
from mediasense.planning import make_plan
from mediasense_gemini_native.providers import GEMINI, VERTEX

PROVIDERS = pytest.mark.parametrize("provider", [GEMINI, VERTEX], ids=["gemini", "vertex"])


def test_two_providers_are_offered():
    assert [provider.name for provider in plugin.capabilities()] == ["gemini", "vertex"]


def test_every_hook_is_one_of_the_contract():
    manager = pluggy.PluginManager("mediasense")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    assert {caller.name for caller in manager.get_hookcallers(plugin) or ()} == {
        "capabilities",
        "analyze_image",
        "analyze_video",
        "analyze_audio",
        "generate",
        "list_models",
    }


def test_importing_the_package_imports_no_sdk(run):
    code = (
        "import sys, mediasense_gemini_native as plugin; plugin.capabilities();"
        "print([n for n in sys.modules if n.split('.')[0] in "
        "('google', 'httpx2', 'requests', 'pydantic', 'numpy', 'av', 'PIL')])"
    )
    assert run(code).strip() == "[]"


@PROVIDERS
def test_all_kinds_of_media_are_taken(provider: Provider):
    assert provider.modalities == ("image", "video", "audio")
    assert provider.text is not None


@PROVIDERS
def test_everything_is_streamed(provider: Provider):
    kinds = (provider.image, provider.video, provider.audio, provider.text)
    assert all(limits is not None and limits.streaming for limits in kinds)


@PROVIDERS
def test_transcripts_have_no_times(provider: Provider):
    assert provider.audio is not None
    assert provider.audio.transcribes
    assert provider.audio.answers
    assert not provider.audio.timestamps


def test_only_the_gemini_api_stores_files():
    assert GEMINI.video is not None
    assert VERTEX.video is not None
    assert GEMINI.video.max_upload_bytes == 2_000_000_000
    assert VERTEX.video.max_upload_bytes is None


@PROVIDERS
@pytest.mark.parametrize(("kind", "request_bytes"), [("video", 1e8), ("audio", 1e8)])
def test_what_goes_inline_fits_in_a_request_as_base64(provider: Provider, kind, request_bytes):
    most = getattr(provider, kind).max_bytes
    limit = request_bytes if provider is GEMINI else 20e6
    assert 0.9 * limit < most * 4 / 3 < limit


def test_vertex_fetches_from_cloud_storage_first():
    """What is first is named in the hint of a file too large."""
    assert VERTEX.video is not None
    assert VERTEX.video.uri_schemes == ("gs", "https", "youtube")


@PROVIDERS
@pytest.mark.parametrize(
    ("model", "temperature"),
    [
        (None, True),
        ("gemini-3.1-flash-lite", True),
        ("gemini-3.8-flash", False),
        ("publishers/google/models/gemini-3.8-flash-001", False),
        ("gemini-3.5-flash-lite", False),
        ("gemini-flash-latest", False),
        ("gemini-flash-lite-latest", False),
    ],
)
def test_models_that_refuse_a_temperature_are_known(provider: Provider, model, temperature):
    limits = provider.limits_for(model)
    for kind in (limits.image, limits.video, limits.audio, limits.text):
        assert kind is not None
        assert ("temperature" in kind.options) is temperature
        assert "json_schema" in kind.options


def film(seconds: float) -> Media:
    return Media(
        modality="video",
        mime_type="video/mp4",
        data=b"",
        size=1000,
        seconds=seconds,
        width=640,
        height=480,
        has_sound=True,
    )


@PROVIDERS
@pytest.mark.parametrize("model", [None, "gemini-3.8-flash"])
def test_a_plan_tells_the_tokens_of_a_video(provider: Provider, model):
    question = Question(prompt="who?", model=model)
    plan = make_plan((film(60.0),), question, provider)
    assert plan.tokens is not None
    assert 300 * 60 <= plan.tokens < 301 * 60


@PROVIDERS
def test_a_video_counts_a_frame_and_the_sound_of_each_second(provider: Provider):
    request = VideoRequest(provider=provider, model=None, prompt="who?", video=film(60.0))
    assert most_tokens(request).input_tokens > (258 + 32) * 60
