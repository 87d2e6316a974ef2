"""OpenAI, every service that speaks its protocol, and any server of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from mediasense import (
        Answer,
        AudioRequest,
        ImageRequest,
        Model,
        ModelsRequest,
        OnText,
        Provider,
        TextRequest,
        VideoRequest,
    )


@hookimpl
def capabilities() -> tuple[Provider, ...]:
    """Every preset, and the provider for any base URL."""
    from mediasense_openai_compat.presets import PRESETS

    return tuple(preset.provider for preset in PRESETS.values())


@hookimpl
def analyze_image(request: ImageRequest, on_text: OnText | None) -> Answer:
    """Ask about images in a chat message."""
    from mediasense_openai_compat import client

    return client.chat(request, on_text)


@hookimpl
def analyze_video(request: VideoRequest, on_text: OnText | None) -> Answer:
    """Ask about a video in a chat message."""
    from mediasense_openai_compat import client

    return client.chat(request, on_text)


@hookimpl
def analyze_audio(request: AudioRequest, on_text: OnText | None) -> Answer:
    """Ask about sound in a chat message; without a question, have the speech written down."""
    from mediasense_openai_compat import client

    if request.prompt is None:
        return client.transcribe(request, on_text)
    return client.chat(request, on_text)


@hookimpl
def generate(request: TextRequest, on_text: OnText | None) -> Answer:
    """Ask about text alone."""
    from mediasense_openai_compat import client

    return client.chat(request, on_text)


@hookimpl
def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """Ask which models there are."""
    from mediasense_openai_compat import client

    return client.list_models(request)
