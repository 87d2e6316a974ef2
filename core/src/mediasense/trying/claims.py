"""What could be true of a provider before it is tried, and what the trial has proved."""

from __future__ import annotations

from typing import Any

from mediasense.names import HOOK_OF, Modality, Option
from mediasense.plugins import Plugins
from mediasense.providers import (
    AudioLimits,
    ImageLimits,
    Limits,
    ModelRule,
    Provider,
    TextLimits,
    VideoLimits,
)
from mediasense.specimens import PICTURE_TYPES, SOUND_TYPES, VIDEO_TYPE
from mediasense.trying.records import Attempts, Takes, What

_OPTIONS: tuple[Option, ...] = ("json_schema", "max_output_tokens", "temperature")


def claims(plugins: Plugins, like: Provider) -> Takes:
    """What could be true of a provider that speaks like another: what its plugin has code for.

    An option counts where any provider of the plugin has it: a plugin that never heard of it would
    leave it out, and the answer would look as if it had been honoured.
    """
    owner = plugins.owners[like.name]
    offered = [plugins.providers[name] for name in owner.providers if name in plugins.providers]
    rules: list[Provider | ModelRule] = [*offered, *(r for p in offered for r in p.models)]

    def known(modality: Modality) -> list[Any]:
        if HOOK_OF[modality] not in owner.hooks:
            return []
        return [limits for rule in rules if (limits := getattr(rule, modality)) is not None]

    text, image, video, audio = known("text"), known("image"), known("video"), known("audio")
    return Takes(
        text=TextLimits(**_common(text)) if text else None,
        image=ImageLimits(mime_types=PICTURE_TYPES, **_common(image)) if image else None,
        video=VideoLimits(mime_types=(VIDEO_TYPE,), **_common(video)) if video else None,
        audio=_claims_of_sound(audio) if audio else None,
    )


def _common(known: list[Limits]) -> dict[str, Any]:
    return {
        "options": tuple(o for o in _OPTIONS if any(o in limits.options for limits in known)),
        "streaming": any(limits.streaming for limits in known),
    }


def _claims_of_sound(known: list[AudioLimits]) -> AudioLimits:
    return AudioLimits(
        mime_types=SOUND_TYPES,
        transcribes=any(limits.transcribes for limits in known),
        answers=any(limits.answers for limits in known),
        timestamps=any(limits.timestamps for limits in known),
        options=("language",) if any("language" in limits.options for limits in known) else (),
        answer_options=(),
    )


def proved(attempts: Attempts) -> Takes:
    """What the attempts prove."""
    return Takes(
        text=_proved_text(attempts),
        image=_proved_images(attempts),
        video=_proved_videos(attempts),
        audio=_proved_sounds(attempts),
    )


def _proved_text(attempts: Attempts) -> TextLimits | None:
    if not has(attempts, "text", "question"):
        return None
    return TextLimits(**_proved_options(attempts, "text"))


def _proved_images(attempts: Attempts) -> ImageLimits | None:
    kinds = types_of(attempts, "image", "question", "several")
    if not kinds:
        return None
    return ImageLimits(
        mime_types=tuple(kind for kind in PICTURE_TYPES if kind in kinds),
        max_items=None if has(attempts, "image", "several") else 1,
        **_proved_options(attempts, "image"),
    )


def _proved_videos(attempts: Attempts) -> VideoLimits | None:
    kinds = types_of(attempts, "video", "question")
    if not kinds:
        return None
    return VideoLimits(mime_types=kinds, **_proved_options(attempts, "video"))


def _proved_sounds(attempts: Attempts) -> AudioLimits | None:
    spoken = types_of(attempts, "audio", "transcript")
    asked = types_of(attempts, "audio", "question")
    # One list of types holds for both uses, and what is of another type is converted.
    both = tuple(kind for kind in spoken if kind in asked) if asked else spoken
    if not spoken and not asked:
        return None
    return AudioLimits(
        mime_types=both or spoken or asked,
        transcribes=bool(spoken),
        answers=bool(asked) and bool(both or not spoken),
        timestamps=has(attempts, "audio", "timestamps"),
        options=("language",) if has(attempts, "audio", "language") else (),
        answer_options=(),
    )


def _proved_options(attempts: Attempts, modality: Modality) -> dict[str, Any]:
    return {
        "options": tuple(option for option in _OPTIONS if has(attempts, modality, option)),
        "streaming": has(attempts, modality, "streaming"),
    }


def has(attempts: Attempts, modality: Modality, what: str) -> bool:
    """Whether this was tried of a modality, and taken."""
    return any(a.taken and (a.modality, a.what) == (modality, what) for a in attempts)


def types_of(attempts: Attempts, modality: Modality, *whats: What) -> tuple[str, ...]:
    """The MIME types that were taken with any of these."""
    found = [a for a in attempts if a.taken and a.modality == modality and a.what in whats]
    return tuple(dict.fromkeys(kind for attempt in found for kind in attempt.mime_types))
