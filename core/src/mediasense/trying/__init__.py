"""Try what a provider really takes: tiny calls, one for each thing, judged by what comes back.

Only a refusal of the request means "does not take it". A key that is not accepted, a rate limit, a
timeout or a connection that fails says nothing of what a provider takes, and ends the trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mediasense.errors import InvalidAnswer, RequestRejected, UnsupportedModality
from mediasense.hooks import Hooks
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.specimens import SOUND_TYPES
from mediasense.together import together
from mediasense.trying.asking import Asking
from mediasense.trying.attempts import (
    SIDE,
    SOUNDS_OF_QUESTIONS,
    sound_attempt,
    try_language,
    try_options,
    try_picture,
    try_pictures,
    try_sound,
    try_text,
    try_transcript,
    try_video,
)
from mediasense.trying.claims import has, proved, types_of
from mediasense.trying.records import Attempts, Report, Trial, Tried, What
from mediasense.types import Model, ModelsRequest

ABOUT_CALLS = 20
"""How many calls are made for a provider that takes everything; those that are refused are more."""
_JOBS = 4
_LONGEST_NAME = 200
_NOT_FOUND = (404, 405, 501)


def list_models(plugins: Plugins, provider: Provider, trial: Trial) -> tuple[str, ...] | None:
    """The names of a provider's models that can be written on one line.

    Returns:
        Them, in the service's own order; ``None`` where there is no listing.

    Raises:
        MediasenseError: The provider could not be reached or would not answer.
    """
    if "list_models" not in plugins.owners[provider.name].hooks:
        return None
    asking = Asking(Hooks(plugins), provider, trial)
    try:
        found = asking.hooks.call(asking.request(ModelsRequest))
    except UnsupportedModality:
        return None
    except RequestRejected as error:
        if error.status in _NOT_FOUND:
            return None
        raise
    except InvalidAnswer:
        # Some answer every path that they do not know with a page.
        if trial.model is None:
            raise
        return None
    if not isinstance(found, tuple | list) or not all(isinstance(m, Model) for m in found):
        raise asking.hooks.broken(provider, "list_models returned no tuple of Model")
    names = [model.name for model in found]
    return tuple(n for n in names if n.strip() and n.isprintable() and len(n) <= _LONGEST_NAME)


def try_provider(
    plugins: Plugins, provider: Provider, trial: Trial, report: Report = lambda _: None
) -> Tried:
    """Ask a provider about tiny media, and say what of its claims is true.

    Args:
        plugins: What is loaded; they have the provider.
        provider: Whom to try; what it claims is what is tried.
        trial: How.
        report: Called with each attempt when it is done, from several threads.

    Raises:
        MediasenseError: It could not be reached or would not answer, and so nothing is known; or
            nothing at all was taken: then it is the first refusal.
    """
    asking = Asking(Hooks(plugins), provider, trial, report)
    attempts = _tried(asking)
    if not any(attempt.taken for attempt in attempts):
        raise asking.failures[0]
    takes = proved(attempts)
    if takes.audio is not None and trial.audio_model is not None:
        asked = trial.model if takes.audio.answers else None
        audio = replace(takes.audio, default_model=trial.audio_model, answer_model=asked)
        takes = replace(takes, audio=audio)
    return Tried(takes=takes, attempts=attempts, calls=asking.calls)


def _tried(asking: Asking) -> Attempts:
    """Everything, in three rounds: what needs nothing, what needs that, and so on."""
    provider = asking.provider
    # Text alone, because it is the cheapest way to hear that a key is wrong or nobody there.
    first = try_text(asking) if provider.text else ()
    second: list[Callable[[], Attempts]] = []
    if first and first[0].taken and provider.text:
        second += try_options(asking, "text", provider.text, asking.text)
    if provider.image:
        second.append(lambda: try_picture(asking))
    if provider.audio and provider.audio.transcribes:
        second.append(lambda: try_transcript(asking))
    if provider.audio and provider.audio.answers:
        second.append(lambda: try_sound(asking))
    if provider.video:
        second.append(lambda: try_video(asking))
    known = (*first, *_joined(together(second, jobs=_JOBS)))
    return (*known, *_joined(together(_further(asking, known), jobs=_JOBS)))


def _joined(found: list[Attempts]) -> Attempts:
    return tuple(attempt for attempts in found for attempt in attempts)


def _further(asking: Asking, known: Attempts) -> list[Callable[[], Attempts]]:
    """What is worth trying, given what is taken."""
    provider = asking.provider
    more: list[Callable[[], Attempts]] = []
    if provider.image and (kinds := types_of(known, "image", "question")):
        more.append(partial(try_pictures, asking, kinds[0]))
        make = partial(asking.picture, kinds[0], SIDE)
        more += try_options(asking, "image", provider.image, make)
    if provider.video and has(known, "video", "question"):
        more += try_options(asking, "video", provider.video, asking.video)
    more += _further_sounds(asking, known, "transcript", SOUND_TYPES)
    more += _further_sounds(asking, known, "question", SOUNDS_OF_QUESTIONS)
    spoken = types_of(known, "audio", "transcript")
    if provider.audio and spoken and "language" in provider.audio.options:
        more.append(partial(try_language, asking, spoken[0]))
    return more


def _further_sounds(
    asking: Asking, known: Attempts, what: What, types: tuple[str, ...]
) -> list[Callable[[], Attempts]]:
    """The types of sound that were not tried yet, where any is taken."""
    if not has(known, "audio", what):
        return []
    tried = [a.mime_types for a in known if (a.modality, a.what) == ("audio", what)]
    return [partial(sound_attempt, asking, what, kind) for kind in types if (kind,) not in tried]
