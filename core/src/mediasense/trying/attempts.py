"""The attempts: tiny calls, one for each thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mediasense.names import Modality
from mediasense.providers import Limits
from mediasense.specimens import PICTURE_TYPES, SOUND_TYPES, VIDEO_TYPE, Colour, picture
from mediasense.trying.asking import Asking
from mediasense.trying.judging import IGNORED, SCHEMA, TAKEN, fits, is_short, listens, names_colours
from mediasense.trying.records import Attempt, Attempts, Outcome, What
from mediasense.types import Answer, TextRequest

# The smallest there is; what services take that want more; and what nobody refuses for its type.
_FIRST_PICTURES = (("image/png", 1), ("image/png", 64), ("image/jpeg", 64))
SIDE = 64
SOUNDS_OF_QUESTIONS = SOUND_TYPES[:2]
_FEW_TOKENS = 16
_HELLO = "Answer with the one word: ready"
_COUNT_ALL = "Count from 1 to 200 in words, and leave no number out."
_COUNT_FEW = "Count from 1 to 20 in words."
_COLOUR = "Which colour is this? Answer with one word."
_COLOURS = "Which colours do these pictures have? Answer with one word for each."
_HEAR = "What do you hear? Answer with a few words."
_TEMPERATURE = 0.5


def try_text(asking: Asking) -> Attempts:
    """A question without any media."""
    return (asking.ask("text", "question", asking.text(), _HELLO),)


def try_least(asking: Asking) -> Attempts:
    """The smallest call there is, and no other: a word, else a picture, else a sound.

    Returns:
        The attempt; nothing for a provider that takes none of them.
    """
    provider = asking.provider
    if provider.text is not None:
        return try_text(asking)
    if provider.image is not None:
        kind = _first_of(PICTURE_TYPES, provider.image.mime_types)
        request = asking.picture(kind, SIDE)
        return (asking.ask("image", "question", request, _COLOUR, kinds=(kind,)),)
    if provider.audio is not None:
        kind = _first_of(SOUND_TYPES, provider.audio.mime_types)
        what: What = "transcript" if provider.audio.transcribes else "question"
        return sound_attempt(asking, what, kind)
    return ()


def _first_of(made: tuple[str, ...], taken: tuple[str, ...]) -> str:
    """The first type that can be made and is taken; what is not stated may be any."""
    return next((kind for kind in made if kind in taken), made[0])


def try_picture(asking: Asking) -> Attempts:
    """A picture as small as can be; a larger one where that is refused or not seen."""
    attempts: list[Attempt] = []
    for kind, side in _FIRST_PICTURES:
        attempt = asking.ask(
            "image",
            "question",
            asking.picture(kind, side),
            _COLOUR,
            kinds=(kind,),
            judge=partial(names_colours, ("green",)),
        )
        attempts.append(attempt)
        if attempt.taken and (side == SIDE or not attempt.doubt):
            break
    taken = [attempt for attempt in attempts if attempt.taken]
    return (taken[-1],) if taken else (attempts[-1],)


def try_pictures(asking: Asking, kind: str) -> Attempts:
    """Several pictures of every type in one call; where that is refused, each thing alone."""
    assert asking.provider.image is not None
    claimed = asking.provider.image.mime_types
    attempt = _several(asking, claimed)
    if attempt.taken:
        return (attempt,)
    alone = [
        asking.ask(
            "image",
            "question",
            asking.picture(other, SIDE),
            _COLOUR,
            kinds=(other,),
            judge=partial(names_colours, ("green",)),
        )
        for other in claimed
        if other != kind
    ]
    return (_several(asking, (kind,)), *alone)


def _several(asking: Asking, kinds: tuple[str, ...]) -> Attempt:
    colours: tuple[Colour, Colour] = ("green", "purple")
    pictures = tuple(
        picture(kind, side=SIDE, colour=colours[number % 2])
        for number, kind in enumerate(kinds * (1 if len(kinds) > 1 else 2))
    )
    return asking.ask(
        "image",
        "several",
        asking.pictures(pictures),
        _COLOURS,
        kinds=kinds,
        judge=partial(names_colours, colours),
    )


def try_transcript(asking: Asking) -> Attempts:
    """A transcript, with times where that is possible, of the first type that is taken."""
    assert asking.provider.audio is not None
    timed = asking.provider.audio.timestamps
    attempts: Attempts = ()
    for kind in SOUND_TYPES[:2]:
        heard: list[Answer] = []
        if timed:
            attempt = sound_attempt(asking, "transcript", kind, timed=True, heard=heard)[0]
            if attempt.taken:
                outcome: Outcome = "taken" if heard[0].segments else "ignored"
                times = Attempt(modality="audio", what="timestamps", outcome=outcome)
                return (*attempts, attempt, asking.said(times))
        attempts += sound_attempt(asking, "transcript", kind)
        if attempts[-1].outcome != "refused":
            break
    return attempts


def try_sound(asking: Asking) -> Attempts:
    """A question about sound, of the first type that is taken."""
    attempts: Attempts = ()
    for kind in SOUNDS_OF_QUESTIONS:
        attempts += sound_attempt(asking, "question", kind)
        if attempts[-1].outcome != "refused":
            break
    return attempts


def sound_attempt(
    asking: Asking, what: What, kind: str, *, timed: bool = False, heard: list[Answer] | None = None
) -> Attempts:
    """A transcript of, or a question about, a sound of one type."""
    prompt = _HEAR if what == "question" else None
    request = asking.sound(kind, what, timed=timed)
    attempt = asking.ask(
        "audio",
        what,
        request,
        prompt,
        kinds=(kind,),
        judge=listens if prompt else None,
        heard=heard,
    )
    return (attempt,)


def try_language(asking: Asking, kind: str) -> Attempts:
    """A transcript for which the language is named."""
    request = replace(asking.sound(kind, "transcript"), language="en")
    return (asking.ask("audio", "language", request, None),)


def try_video(asking: Asking) -> Attempts:
    """A question about a video."""
    attempt = asking.ask(
        "video",
        "question",
        asking.video(),
        _COLOUR,
        kinds=(VIDEO_TYPE,),
        judge=partial(names_colours, ("green",)),
    )
    return (attempt,)


def try_options(
    asking: Asking, modality: Modality, claimed: Limits, make: Callable[[], TextRequest]
) -> list[Callable[[], Attempts]]:
    """What tries the options of calls of one kind."""
    found: list[Callable[[], Attempts]] = []
    if claimed.streaming:
        found.append(partial(_try_streaming, asking, modality, make))
    if "temperature" in claimed.options:
        found.append(partial(_try_temperature, asking, modality, make))
    if "json_schema" in claimed.options:
        found.append(partial(_try_schema, asking, modality, make))
    if "max_output_tokens" in claimed.options:
        found.append(partial(_try_limit, asking, modality, make))
    return found


def _try_streaming(asking: Asking, modality: Modality, make: Callable[[], TextRequest]) -> Attempts:
    pieces: list[str] = []

    def judge(_: Answer) -> Attempt:
        if len(pieces) > 1:
            return TAKEN
        return replace(IGNORED, detail="the answer came in one piece")

    return (asking.ask(modality, "streaming", make(), _COUNT_FEW, judge=judge, pieces=pieces),)


def _try_temperature(
    asking: Asking, modality: Modality, make: Callable[[], TextRequest]
) -> Attempts:
    request = replace(make(), temperature=_TEMPERATURE)
    return (asking.ask(modality, "temperature", request, _HELLO),)


def _try_schema(asking: Asking, modality: Modality, make: Callable[[], TextRequest]) -> Attempts:
    request = replace(make(), json_schema=SCHEMA)
    return (asking.ask(modality, "json_schema", request, _COUNT_FEW, judge=fits),)


def _try_limit(asking: Asking, modality: Modality, make: Callable[[], TextRequest]) -> Attempts:
    request = replace(make(), max_output_tokens=_FEW_TOKENS)
    return (asking.ask(modality, "max_output_tokens", request, _COUNT_ALL, judge=is_short),)
