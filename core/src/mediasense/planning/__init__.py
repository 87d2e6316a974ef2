"""From facts, limits and a question to a plan: pure, no I/O.

Strategies:

``images``
    The images, made fit where they are not.
``native``
    The video or the sound itself, with the prompt; copied or made smaller where it must be.
``frames``
    Key frames of the video as images in one call, with what is said beside them.
``frame_by_frame``
    One image in each call, with a note of the one before, joined at the end.
``segments``
    Any of these over parts of the recording, joined at the end.
``transcript``
    Speech to text by a transcription model.
``transcript_then_text``
    Speech to text, and the prompt asked about the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mediasense.errors import MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError
from mediasense.names import MediaModality
from mediasense.planning.images import plan_images
from mediasense.planning.limits import cuts, fetches
from mediasense.planning.options import (
    require_access_options,
    require_numbers,
    require_one_kind,
    require_options,
    require_reasoning,
    require_times,
)
from mediasense.planning.plans import Plan
from mediasense.planning.prices import NO_PRICES, Prices
from mediasense.planning.steps import with_steps
from mediasense.providers import AudioLimits, Provider, VideoLimits
from mediasense.types import Media, Question

PLAN_VERSION = 1
"""Raised when the same facts, limits and options lead to another plan, prompt or preparation.

What was answered to the former is then not taken for an answer to the latter.
"""

REFUSALS = (MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError)
"""What :func:`make_plan` raises where there is no way."""

Planner = Callable[[tuple[Media, ...], Question, Provider, Provider | None], Plan]

__all__ = [
    "PLAN_VERSION",
    "REFUSALS",
    "Plan",
    "can_take",
    "make_plan",
    "passes_on",
    "require_access_options",
    "require_numbers",
    "require_one_kind",
]


def _planner(modality: MediaModality) -> Planner:
    """The planner for a kind of media; those of recordings are loaded when one is asked about."""
    if modality == "image":
        return plan_images
    if modality == "video":
        from mediasense.planning.videos import plan_video

        return plan_video
    from mediasense.planning.sounds import plan_sound

    return plan_sound


def make_plan(
    media: tuple[Media, ...],
    question: Question,
    provider: Provider,
    listener: Provider | None = None,
    prices: Prices | None = NO_PRICES,
) -> Plan:
    """Decide how a provider answers a question about media.

    Args:
        media: One video, one sound, or one or more images.
        question: What is asked.
        provider: Who is asked.
        listener: Who writes down what is said, where that is somebody else.
        prices: What calls cost, for the estimate; ``None`` leaves the steps out, where nobody
            reads them.

    Returns:
        The plan; nothing in it breaks a limit of the providers, and every second of sound and
        picture is in a step or in ``left_out``.

    Raises:
        UnsupportedModality: There is no way to have this provider, or the model named, answer.
        UnsupportedMedia: There is none for this type.
        MediaTooLarge: There is none for this size.
        UsageError: An option is given that nobody in the plan honours.
    """
    require_one_kind(media)
    require_numbers(question)
    require_times(question, media[0])
    plan = _planner(media[0].modality)(media, question, provider, listener)
    require_reasoning(plan, question)
    require_options(plan, question, provider, media[0])
    if media[0].modality != "image":
        plan = _told(plan, media[0], question)
    return plan if prices is None else with_steps(plan, media, question, prices)


def _told(plan: Plan, recording: Media, question: Question) -> Plan:
    """The plan of a recording, with what the user may not expect."""
    from mediasense.planning.sounds import unheard_tracks
    from mediasense.planning.subtitles import subtitle_warnings

    return replace(
        plan,
        left_out=(*plan.left_out, *unheard_tracks(plan, recording)),
        warnings=(*plan.warnings, *subtitle_warnings(plan, recording, question)),
    )


def passes_on(
    media: Media, question: Question, provider: Provider, listener: Provider | None
) -> bool:
    """Whether the provider fetches a URI itself, and is to; otherwise it is downloaded here."""
    uri = media.uri or ""
    if media.modality == "image":
        return fetches(provider.limits_for(question.model).image, uri)
    from mediasense.planning.sounds import hearer
    from mediasense.planning.videos import wants_frames

    limits: VideoLimits | AudioLimits | None
    if media.modality == "video":
        limits = provider.limits_for(question.model).video
        if wants_frames(question) or listener is not None or question.timed:
            return False
    else:
        limits = hearer(question, provider, listener).limits
    cut_here = cuts(question) and (limits is None or "start_end" not in limits.options)
    return fetches(limits, uri) and not cut_here


def can_take(
    provider: Provider,
    media: tuple[Media, ...],
    question: Question,
    listener: Provider | None = None,
) -> bool:
    """Whether :func:`make_plan` finds a way, for choosing a provider."""
    try:
        make_plan(media, question, provider, listener, prices=None)
    except REFUSALS:
        return False
    return True
