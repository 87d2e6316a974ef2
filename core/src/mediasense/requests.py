"""From a call of a plan to the request that a hook is given."""

from __future__ import annotations

from typing import Any

from mediasense.planning.plans import Call
from mediasense.types import (
    AudioRequest,
    ImageRequest,
    Media,
    Question,
    Request,
    TextRequest,
    VideoRequest,
)


def make_request(
    call: Call,
    question: Question,
    prompt: str | None,
    media: tuple[Media, ...] = (),
    *,
    own: bool = True,
) -> Request:
    """Make the request for one call.

    Args:
        call: Whom to ask, and with which options.
        question: The values of the options.
        prompt: What is asked.
        media: The images, or the one video or sound.
        own: Whether the question's way of reaching a provider is meant for this one.
    """
    chosen: dict[str, Any] = {
        "provider": call.provider,
        "model": call.model,
        "timeout": question.timeout,
        "retries": question.retries,
        "prompt": prompt,
    }
    if own:
        chosen["access"] = question.access
    for option in call.options:
        for name in ("start", "end") if option == "start_end" else (option,):
            chosen[name] = getattr(question, name)
    if call.modality == "image":
        return ImageRequest(images=media, **chosen)
    if call.modality == "video":
        return VideoRequest(video=media[0], **chosen)
    if call.modality == "audio":
        return AudioRequest(audio=media[0], **chosen)
    return TextRequest(**chosen)
