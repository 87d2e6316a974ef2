"""Try what a provider really takes: tiny calls, one for each thing, judged by what comes back.

Only a refusal of the request means "does not take it". A key that is not accepted, a rate limit, a
timeout or a connection that fails says nothing of what a provider takes, and ends the trial.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from mediasense.errors import (
    ContentBlocked,
    InvalidAnswer,
    MediasenseError,
    PermissionDenied,
    ProviderError,
    RequestRejected,
    ServerError,
    UnsupportedMedia,
    UnsupportedModality,
    one_line,
)
from mediasense.hooks import Hooks
from mediasense.names import HOOK_OF, Modality, Option
from mediasense.plugins import Plugins
from mediasense.providers import (
    Access,
    AudioLimits,
    ImageLimits,
    Limits,
    ModelRule,
    Provider,
    TextLimits,
    VideoLimits,
)
from mediasense.schemas import first_misfit
from mediasense.specimens import (
    PICTURE_TYPES,
    SOUND_TYPES,
    VIDEO_TYPE,
    Colour,
    picture,
    sound,
    video,
)
from mediasense.together import together
from mediasense.types import (
    Answer,
    AnyRequest,
    AudioRequest,
    ImageRequest,
    Media,
    Model,
    ModelsRequest,
    TextRequest,
    VideoRequest,
)

ABOUT_CALLS = 20
"""How many calls are made for a provider that takes everything; those that are refused are more."""

_JOBS = 4
# The smallest there is; what services take that want more; and what nobody refuses for its type.
_FIRST_PICTURES = (("image/png", 1), ("image/png", 64), ("image/jpeg", 64))
_SIDE = 64
_SOUNDS_OF_QUESTIONS = SOUND_TYPES[:2]
_OPTIONS: tuple[Option, ...] = ("json_schema", "max_output_tokens", "temperature")
_LONGEST_NAME = 200
_FEW_TOKENS = 16
_FEW_CHARACTERS = 400
_TOKENS_OF_FEW = 64
_NOT_FOUND = (404, 405, 501)
_NOT_ABOUT_THE_REQUEST = (402, 407)
_OF_THE_REQUEST = (500, 501)

_HELLO = "Answer with the one word: ready"
_COUNT_ALL = "Count from 1 to 200 in words, and leave no number out."
_COUNT_FEW = "Count from 1 to 20 in words."
_COLOUR = "Which colour is this? Answer with one word."
_COLOURS = "Which colours do these pictures have? Answer with one word for each."
_HEAR = "What do you hear? Answer with a few words."
_TEMPERATURE = 0.5
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
        "required": ["numbers"],
        "additionalProperties": False,
    }
)
_DENIES = re.compile(
    r"(?:can(?:no|')?t|unable to|not able to|do(?:n't| not)|did(?:n't| not)|no|without)\s+"
    r"(?:\w+\s+){0,3}?(?:see|hear|view|listen|images?|pictures?|audio|sounds?|videos?|attachments?)",
    re.IGNORECASE,
)

Outcome = Literal["taken", "refused", "failed", "ignored"]
What = Literal[
    "question",
    "transcript",
    "several",
    "streaming",
    "timestamps",
    "language",
    "json_schema",
    "max_output_tokens",
    "temperature",
]

_WORDS: dict[What, str] = {
    "several": "several in one request",
    "streaming": "streaming",
    "timestamps": "transcripts with times",
    "language": "the language of speech",
    "json_schema": "JSON Schema",
    "max_output_tokens": "a limit of length",
    "temperature": "temperature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that was tried.

    Attributes:
        modality: What kind of media, or text.
        what: What of it: a question or a transcript of it, or something that such a call may have.
        outcome: ``taken``; ``refused``, by the service; ``failed``, so that nobody knows; or
            ``ignored``: answered as if it had not been asked for.
        mime_types: Of what was sent.
        detail: Why it is not taken, in one line.
        status: Of HTTP, where there was one.
        doubt: What is odd about the answer, or ``""``.
    """

    modality: Modality
    what: What
    outcome: Outcome
    mime_types: tuple[str, ...] = ()
    detail: str = ""
    status: int | None = None
    doubt: str = ""

    @property
    def taken(self) -> bool:
        """Whether it was proved."""
        return self.outcome == "taken"

    @property
    def name(self) -> str:
        """What was tried, in words, such as ``image (png)`` or ``text: streaming``."""
        kinds = ", ".join(mime_type.partition("/")[2] for mime_type in self.mime_types)
        shown = f" ({kinds})" if kinds else ""
        if self.what == "question":
            return (
                f"a question about sound{shown}"
                if self.modality == "audio"
                else self.modality + shown
            )
        if self.what == "transcript":
            return f"a transcript of sound{shown}"
        return f"{self.modality}: {_WORDS[self.what]}{shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a provider takes: claimed before it is tried, proved afterwards.

    Attributes:
        text, image, audio, video: As in :class:`~mediasense.providers.Provider`.
    """

    text: TextLimits | None = None
    image: ImageLimits | None = None
    audio: AudioLimits | None = None
    video: VideoLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a provider is tried.

    Attributes:
        access: How it is reached, besides what the provider says itself.
        model: The model to ask; ``None`` only while nobody knows which there are.
        audio_model: The model that writes down speech; ``None`` for the same.
        timeout, retries: As in :class:`~mediasense.types.Request`.
    """

    access: Access = Access()
    model: str | None = None
    audio_model: str | None = None
    timeout: float = 60.0
    retries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it.

    Attributes:
        takes: What was proved, and nothing else.
        attempts: Everything that was tried, in order.
        calls: How many calls were made.
    """

    takes: Takes
    attempts: tuple[Attempt, ...]
    calls: int


Report = Callable[[Attempt], None]
Attempts = tuple[Attempt, ...]
Judge = Callable[[Answer], Attempt]


# --- what is claimed, and what is proved ---------------------------------------------------------


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
    if not _has(attempts, "text", "question"):
        return None
    return TextLimits(**_proved_options(attempts, "text"))


def _proved_images(attempts: Attempts) -> ImageLimits | None:
    kinds = _types(attempts, "image", "question", "several")
    if not kinds:
        return None
    return ImageLimits(
        mime_types=tuple(kind for kind in PICTURE_TYPES if kind in kinds),
        max_items=None if _has(attempts, "image", "several") else 1,
        **_proved_options(attempts, "image"),
    )


def _proved_videos(attempts: Attempts) -> VideoLimits | None:
    kinds = _types(attempts, "video", "question")
    if not kinds:
        return None
    return VideoLimits(mime_types=kinds, **_proved_options(attempts, "video"))


def _proved_sounds(attempts: Attempts) -> AudioLimits | None:
    spoken = _types(attempts, "audio", "transcript")
    asked = _types(attempts, "audio", "question")
    # One list of types holds for both uses, and what is of another type is converted.
    both = tuple(kind for kind in spoken if kind in asked) if asked else spoken
    if not spoken and not asked:
        return None
    return AudioLimits(
        mime_types=both or spoken or asked,
        transcribes=bool(spoken),
        answers=bool(asked) and bool(both or not spoken),
        timestamps=_has(attempts, "audio", "timestamps"),
        options=("language",) if _has(attempts, "audio", "language") else (),
        answer_options=(),
    )


def _proved_options(attempts: Attempts, modality: Modality) -> dict[str, Any]:
    return {
        "options": tuple(option for option in _OPTIONS if _has(attempts, modality, option)),
        "streaming": _has(attempts, modality, "streaming"),
    }


def _has(attempts: Attempts, modality: Modality, what: str) -> bool:
    return any(a.taken and (a.modality, a.what) == (modality, what) for a in attempts)


def _types(attempts: Attempts, modality: Modality, *whats: What) -> tuple[str, ...]:
    found = [a for a in attempts if a.taken and a.modality == modality and a.what in whats]
    return tuple(dict.fromkeys(kind for attempt in found for kind in attempt.mime_types))


# --- the trial -----------------------------------------------------------------------------------


def list_models(plugins: Plugins, provider: Provider, trial: Trial) -> tuple[str, ...] | None:
    """The names of a provider's models that can be written on one line.

    Returns:
        Them, in the service's own order; ``None`` where there is no listing.

    Raises:
        MediasenseError: The provider could not be reached or would not answer.
    """
    if "list_models" not in plugins.owners[provider.name].hooks:
        return None
    asking = _Asking(Hooks(plugins), provider, trial)
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
    asking = _Asking(Hooks(plugins), provider, trial, report)
    attempts = _tried(asking)
    if not any(attempt.taken for attempt in attempts):
        raise asking.failures[0]
    takes = proved(attempts)
    if takes.audio is not None and trial.audio_model is not None:
        asked = trial.model if takes.audio.answers else None
        audio = replace(takes.audio, default_model=trial.audio_model, answer_model=asked)
        takes = replace(takes, audio=audio)
    return Tried(takes=takes, attempts=attempts, calls=asking.calls)


def _tried(asking: _Asking) -> Attempts:
    """Everything, in three rounds: what needs nothing, what needs that, and so on."""
    provider = asking.provider
    # Text alone, because it is the cheapest way to hear that a key is wrong or nobody there.
    first = _try_text(asking) if provider.text else ()
    second: list[Callable[[], Attempts]] = []
    if first and first[0].taken and provider.text:
        second += _options(asking, "text", provider.text, asking.text)
    if provider.image:
        second.append(lambda: _try_picture(asking))
    if provider.audio and provider.audio.transcribes:
        second.append(lambda: _try_transcript(asking))
    if provider.audio and provider.audio.answers:
        second.append(lambda: _try_sound(asking))
    if provider.video:
        second.append(lambda: _try_video(asking))
    known = (*first, *_joined(together(second, jobs=_JOBS)))
    return (*known, *_joined(together(_further(asking, known), jobs=_JOBS)))


def _joined(found: list[Attempts]) -> Attempts:
    return tuple(attempt for attempts in found for attempt in attempts)


def _further(asking: _Asking, known: Attempts) -> list[Callable[[], Attempts]]:
    """What is worth trying, given what is taken."""
    provider = asking.provider
    more: list[Callable[[], Attempts]] = []
    if provider.image and (kinds := _types(known, "image", "question")):
        more.append(partial(_try_pictures, asking, kinds[0]))
        make = partial(asking.picture, kinds[0], _SIDE)
        more += _options(asking, "image", provider.image, make)
    if provider.video and _has(known, "video", "question"):
        more += _options(asking, "video", provider.video, asking.video)
    more += _further_sounds(asking, known, "transcript", SOUND_TYPES)
    more += _further_sounds(asking, known, "question", _SOUNDS_OF_QUESTIONS)
    spoken = _types(known, "audio", "transcript")
    if provider.audio and spoken and "language" in provider.audio.options:
        more.append(partial(_try_language, asking, spoken[0]))
    return more


def _further_sounds(
    asking: _Asking, known: Attempts, what: What, types: tuple[str, ...]
) -> list[Callable[[], Attempts]]:
    """The types of sound that were not tried yet, where any is taken."""
    if not _has(known, "audio", what):
        return []
    tried = [a.mime_types for a in known if (a.modality, a.what) == ("audio", what)]
    return [partial(_sound_attempt, asking, what, kind) for kind in types if (kind,) not in tried]


def _try_text(asking: _Asking) -> Attempts:
    return (asking.ask("text", "question", asking.text(), _HELLO),)


def _try_picture(asking: _Asking) -> Attempts:
    """A picture as small as can be; a larger one where that is refused or not seen."""
    attempts: list[Attempt] = []
    for kind, side in _FIRST_PICTURES:
        attempt = asking.ask(
            "image",
            "question",
            asking.picture(kind, side),
            _COLOUR,
            kinds=(kind,),
            judge=partial(_names_colours, ("green",)),
        )
        attempts.append(attempt)
        if attempt.taken and (side == _SIDE or not attempt.doubt):
            break
    taken = [attempt for attempt in attempts if attempt.taken]
    return (taken[-1],) if taken else (attempts[-1],)


def _try_pictures(asking: _Asking, kind: str) -> Attempts:
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
            asking.picture(other, _SIDE),
            _COLOUR,
            kinds=(other,),
            judge=partial(_names_colours, ("green",)),
        )
        for other in claimed
        if other != kind
    ]
    return (_several(asking, (kind,)), *alone)


def _several(asking: _Asking, kinds: tuple[str, ...]) -> Attempt:
    colours: tuple[Colour, Colour] = ("green", "purple")
    pictures = tuple(
        picture(kind, side=_SIDE, colour=colours[number % 2])
        for number, kind in enumerate(kinds * (1 if len(kinds) > 1 else 2))
    )
    return asking.ask(
        "image",
        "several",
        asking.pictures(pictures),
        _COLOURS,
        kinds=kinds,
        judge=partial(_names_colours, colours),
    )


def _try_transcript(asking: _Asking) -> Attempts:
    """A transcript, with times where that is possible, of the first type that is taken."""
    assert asking.provider.audio is not None
    timed = asking.provider.audio.timestamps
    attempts: Attempts = ()
    for kind in SOUND_TYPES[:2]:
        heard: list[Answer] = []
        if timed:
            attempt = _sound_attempt(asking, "transcript", kind, timed=True, heard=heard)[0]
            if attempt.taken:
                outcome: Outcome = "taken" if heard[0].segments else "ignored"
                times = Attempt(modality="audio", what="timestamps", outcome=outcome)
                return (*attempts, attempt, asking.said(times))
        attempts += _sound_attempt(asking, "transcript", kind)
        if attempts[-1].outcome != "refused":
            break
    return attempts


def _try_sound(asking: _Asking) -> Attempts:
    attempts: Attempts = ()
    for kind in _SOUNDS_OF_QUESTIONS:
        attempts += _sound_attempt(asking, "question", kind)
        if attempts[-1].outcome != "refused":
            break
    return attempts


def _sound_attempt(
    asking: _Asking,
    what: What,
    kind: str,
    *,
    timed: bool = False,
    heard: list[Answer] | None = None,
) -> Attempts:
    prompt = _HEAR if what == "question" else None
    request = asking.sound(kind, what, timed=timed)
    attempt = asking.ask(
        "audio",
        what,
        request,
        prompt,
        kinds=(kind,),
        judge=_listens if prompt else None,
        heard=heard,
    )
    return (attempt,)


def _try_language(asking: _Asking, kind: str) -> Attempts:
    request = replace(asking.sound(kind, "transcript"), language="en")
    return (asking.ask("audio", "language", request, None),)


def _try_video(asking: _Asking) -> Attempts:
    attempt = asking.ask(
        "video",
        "question",
        asking.video(),
        _COLOUR,
        kinds=(VIDEO_TYPE,),
        judge=partial(_names_colours, ("green",)),
    )
    return (attempt,)


# --- options -------------------------------------------------------------------------------------


def _options(
    asking: _Asking, modality: Modality, claimed: Limits, make: Callable[[], TextRequest]
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


def _try_streaming(
    asking: _Asking, modality: Modality, make: Callable[[], TextRequest]
) -> Attempts:
    pieces: list[str] = []

    def judge(_: Answer) -> Attempt:
        if len(pieces) > 1:
            return _TAKEN
        return replace(_IGNORED, detail="the answer came in one piece")

    return (asking.ask(modality, "streaming", make(), _COUNT_FEW, judge=judge, pieces=pieces),)


def _try_temperature(
    asking: _Asking, modality: Modality, make: Callable[[], TextRequest]
) -> Attempts:
    request = replace(make(), temperature=_TEMPERATURE)
    return (asking.ask(modality, "temperature", request, _HELLO),)


def _try_schema(asking: _Asking, modality: Modality, make: Callable[[], TextRequest]) -> Attempts:
    request = replace(make(), json_schema=_SCHEMA)
    return (asking.ask(modality, "json_schema", request, _COUNT_FEW, judge=_fits),)


def _try_limit(asking: _Asking, modality: Modality, make: Callable[[], TextRequest]) -> Attempts:
    request = replace(make(), max_output_tokens=_FEW_TOKENS)
    return (asking.ask(modality, "max_output_tokens", request, _COUNT_ALL, judge=_is_short),)


# --- judging -------------------------------------------------------------------------------------

_TAKEN = Attempt(modality="text", what="question", outcome="taken")
_IGNORED = replace(_TAKEN, outcome="ignored")


def _names_colours(colours: tuple[Colour, ...], answer: Answer) -> Attempt:
    said = answer.text.lower()
    if all(colour in said for colour in colours):
        return _TAKEN
    things = "pictures" if len(colours) > 1 else "picture"
    return replace(
        _TAKEN,
        doubt=f"it answered, but did not name the colour of the {things}: does the model see?",
    )


def _listens(answer: Answer) -> Attempt:
    if _DENIES.search(answer.text) is None:
        return _TAKEN
    return replace(_TAKEN, doubt="it answered that it hears nothing: does the model hear?")


def _fits(answer: Answer) -> Attempt:
    try:
        misfit = first_misfit(json.loads(answer.text), _SCHEMA)
    except (ValueError, RecursionError):
        misfit = "the answer is no JSON"
    return _TAKEN if misfit is None else replace(_IGNORED, detail=one_line(misfit, limit=100))


def _is_short(answer: Answer) -> Attempt:
    if answer.finish_reason == "length" or len(answer.text) <= _FEW_CHARACTERS:
        return _TAKEN
    return replace(_IGNORED, detail="the answer is longer than was asked for")


def _failed(error: MediasenseError, what: What, *, answered: bool) -> Attempt:
    """The attempt that failed.

    Args:
        error: How.
        what: What was tried.
        answered: Whether the provider has answered anything yet.

    Raises:
        MediasenseError: The same error, where it says nothing about what was tried.
    """
    status = error.status if isinstance(error, ProviderError) else None
    if _says_nothing(error, status, answered=answered):
        raise error
    if what == "max_output_tokens" and _used_up(error):
        return _TAKEN
    refused = isinstance(error, _REFUSALS)
    return replace(
        _TAKEN,
        outcome="refused" if refused else "failed",
        detail=error.message,
        status=status,
    )


def _says_nothing(error: MediasenseError, status: int | None, *, answered: bool) -> bool:
    if isinstance(error, PermissionDenied):
        return not answered  # once something is allowed, this very thing is not
    if isinstance(error, ServerError):
        return status not in _OF_THE_REQUEST  # many fail so over media they do not know
    if isinstance(error, RequestRejected):
        return status is not None and (status < 400 or status in _NOT_ABOUT_THE_REQUEST)
    return not isinstance(error, (*_REFUSALS, ContentBlocked, InvalidAnswer))


def _used_up(error: MediasenseError) -> bool:
    """Whether a model that thinks was stopped by the limit before it said a word."""
    usage = error.usage if isinstance(error, InvalidAnswer) else None
    tokens = usage.output_tokens if usage else None
    return tokens is not None and 0 < tokens <= _TOKENS_OF_FEW


_REFUSALS = (PermissionDenied, RequestRejected, UnsupportedMedia, UnsupportedModality)


# --- asking --------------------------------------------------------------------------------------


class _Asking:
    """Makes the calls, and counts them.

    Attributes:
        hooks: Through what.
        provider: Whom.
        trial: How.
        failures: What every attempt failed of that failed, in the order of time.
        calls: How many were made.
    """

    def __init__(
        self,
        hooks: Hooks,
        provider: Provider,
        trial: Trial,
        report: Report = lambda _: None,
    ) -> None:
        self.hooks = hooks
        self.provider = provider
        self.trial = trial
        self.failures: list[MediasenseError] = []
        self.calls = 0
        self._answered = False
        self._report = report
        self._lock = threading.Lock()

    def request(self, kind: type[AnyRequest], **values: Any) -> AnyRequest:
        """A request, complete but for what is asked."""
        common: dict[str, Any] = {
            "provider": self.provider,
            "model": self.trial.model,
            "access": self.trial.access,
            "timeout": self.trial.timeout,
            "retries": self.trial.retries,
        }
        return kind(**common | values)

    def text(self) -> TextRequest:
        return self.request(TextRequest)

    def picture(self, kind: str, side: int) -> TextRequest:
        return self.pictures((picture(kind, side=side, colour="green"),))

    def pictures(self, pictures: tuple[Media, ...]) -> TextRequest:
        return self.request(ImageRequest, images=pictures)

    def video(self) -> TextRequest:
        return self.request(VideoRequest, video=video("green"))

    def sound(self, kind: str, what: What, *, timed: bool = False) -> AudioRequest:
        audio = self.provider.audio
        assert audio is not None
        # Whether times are asked for, a plugin reads in what its provider claims.
        provider = replace(self.provider, audio=replace(audio, timestamps=timed))
        trial = self.trial
        model = trial.model if what == "question" else trial.audio_model or trial.model
        return self.request(AudioRequest, provider=provider, model=model, audio=sound(kind))

    def said(self, attempt: Attempt) -> Attempt:
        """Report an attempt."""
        self._report(attempt)
        return attempt

    def ask(
        self,
        modality: Modality,
        what: What,
        request: TextRequest,
        prompt: str | None,
        *,
        kinds: tuple[str, ...] = (),
        judge: Judge | None = None,
        pieces: list[str] | None = None,
        heard: list[Answer] | None = None,
    ) -> Attempt:
        """Make one call, and judge what comes back.

        Args:
            modality: What kind of thing is sent.
            what: What is tried.
            request: The call.
            prompt: What is asked.
            kinds: The types of what is sent.
            judge: Says of an answer what it shows; without one, that there is any.
            pieces: Where the pieces of the answer go; without it, none are asked for.
            heard: Where the answer goes.

        Raises:
            MediasenseError: What came back says nothing of what is taken.
        """
        with self._lock:
            self.calls += 1
        try:
            answer = self.hooks.call(
                replace(request, prompt=prompt), pieces.append if pieces is not None else None
            )
        except MediasenseError as error:
            found = _failed(error, what, answered=self._answered)
            self.failures.append(error)
        else:
            if not isinstance(answer, Answer) or not isinstance(answer.text, str):
                raise self.hooks.broken(self.provider, "what it returned is no Answer")
            self._answered = True
            if heard is not None:
                heard.append(answer)
            found = judge(answer) if judge else _TAKEN
        return self.said(replace(found, modality=modality, what=what, mime_types=kinds))
