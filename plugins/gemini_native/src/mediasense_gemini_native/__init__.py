"""Gemini for mediasense, through Google's own SDK: the Gemini API and Vertex AI."""

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
    """The Gemini API and Vertex AI."""
    from mediasense_gemini_native.providers import GEMINI, VERTEX

    return GEMINI, VERTEX


@hookimpl
def analyze_image(request: ImageRequest, on_text: OnText | None) -> Answer:
    """Ask about images."""
    from mediasense_gemini_native import client

    return client.answer(request, on_text)


@hookimpl
def analyze_video(request: VideoRequest, on_text: OnText | None) -> Answer:
    """Ask about a video, sent as video."""
    from mediasense_gemini_native import client

    return client.answer(request, on_text)


@hookimpl
def analyze_audio(request: AudioRequest, on_text: OnText | None) -> Answer:
    """Write down speech, or ask about sound."""
    from mediasense_gemini_native import client

    return client.answer(request, on_text)


@hookimpl
def generate(request: TextRequest, on_text: OnText | None) -> Answer:
    """Ask about text alone."""
    from mediasense_gemini_native import client

    return client.answer(request, on_text)


@hookimpl
def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """The models that generate content."""
    from mediasense_gemini_native import client

    return client.models(request)
