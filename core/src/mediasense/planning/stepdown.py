"""What to do after a service refused media that its limits said it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mediasense.names import Refusal
from mediasense.planning.plans import Call
from mediasense.providers import (
    AudioLimits,
    ImageLimits,
    Limits,
    ModelRule,
    Provider,
    VideoLimits,
)
from mediasense.types import Media

MOST = 6
"""Times that a question is planned anew."""

_LEAST_BYTES = 20_000

_SAFE: dict[str, tuple[str, ...]] = {
    "audio": ("audio/wav", "audio/mpeg", "audio/flac"),
    "image": ("image/jpeg", "image/png"),
}
"""What every server that was tried takes, the safest first (2026-11)."""


def step_down(
    call: Call, refusal: Refusal, sent: Sequence[Media], *, spare: bool
) -> Provider | None:
    """The provider as it turned out to be, to plan anew with; ``None`` when there is no other way.

    Args:
        call: What was refused.
        refusal: Why.
        sent: The media of that call.
        spare: Whether the answer can do without this call, as a video can without its sound.
    """
    if call.modality == "text":
        return None
    lower = _lower(call, refusal, sent)
    if lower is None and not spare and call.modality != "video":
        return None
    return _with(call, lower)


def _lower(call: Call, refusal: Refusal, sent: Sequence[Media]) -> Limits | None:
    """The limits as they turned out to be; ``None`` when nothing of that kind is taken."""
    limits, count = call.limits, len(sent)
    if isinstance(limits, VideoLimits):
        return None
    if refusal == "type":
        types = tuple(t for t in _safe(call) if t not in {m.mime_type for m in sent})
        return replace(limits, mime_types=types, uri_schemes=()) if types else None
    if isinstance(limits, ImageLimits) and refusal == "count":
        return replace(limits, max_items=count // 2) if count > 1 else None
    most = max((media.size or 0) for media in sent) // 2
    return _smaller(limits, most, sent) if most >= _LEAST_BYTES else None


def _smaller(limits: Limits, most: int, sent: Sequence[Media]) -> Limits:
    smaller = replace(limits, max_bytes=most)
    if isinstance(smaller, ImageLimits):
        area = max((m.width or 0) * (m.height or 0) for m in sent) // 2
        return replace(smaller, max_pixels=area or smaller.max_pixels)
    if isinstance(smaller, AudioLimits) and smaller.max_upload_bytes is not None:
        return replace(smaller, max_upload_bytes=most)
    return smaller


def _safe(call: Call) -> tuple[str, ...]:
    return tuple(t for t in _SAFE[call.modality] if t in call.limits.mime_types)


def _with(call: Call, lower: Limits | None) -> Provider:
    """The provider with other limits wherever it named those of the call."""

    def changed(record: Provider | ModelRule) -> dict[str, Any]:
        same = getattr(record, call.modality) == call.limits
        return {call.modality: lower} if same else {}

    provider = call.provider
    rules = tuple(replace(rule, **changed(rule)) for rule in provider.models)
    return replace(provider, **changed(provider), models=rules)
