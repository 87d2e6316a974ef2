"""Options of a question: whether they make sense, and whether somebody in a plan honours them."""

from __future__ import annotations

import math
from typing import get_args

from mediasense.errors import UnsupportedModality, UsageError
from mediasense.names import CacheUse, MediaModality, Modality, Option, Resolution, Subtitles
from mediasense.planning.plans import Call, ClipWork, FrameWork, Plan, SoundWork
from mediasense.providers import AudioLimits, ImageLimits, Limits, Provider, VideoLimits
from mediasense.schemas.references import is_object
from mediasense.types import Media, Question

MAX_FRAMES = 1000
MAX_JOBS = 64

_FLAGS = {
    "credentials_file": "--credentials",
    "json_schema": "--schema",
    "start_end": "--start and --end",
}


def call(
    modality: Modality,
    limits: Limits,
    question: Question,
    provider: Provider,
    prompt: str | None,
) -> Call:
    """A call with the provider's model for it and the options that are honoured there."""
    default = limits.default_model or provider.default_model
    options = limits.options
    if isinstance(limits, AudioLimits) and prompt is not None:
        default = limits.answer_model or default
        options = options if limits.answer_options is None else limits.answer_options
    return Call(
        provider=provider,
        modality=modality,
        model=question.model or default,
        limits=limits,
        prompt=prompt,
        options=honoured(options, question),
        streaming=limits.streaming,
    )


def prompt_to(
    limits: ImageLimits | VideoLimits,
    question: Question,
    modality: MediaModality,
    described: str,
) -> str | None:
    """What a provider is asked about pictures.

    One that only reads what is there is not told what a task says; what a user adds to it is, so
    that the provider can say that it did not heed it.
    """
    if limits.answers:
        return question.prompt or described
    task = question.task
    unheeded = task is None or isinstance(task, str) or question.prompt != task.prompt_for(modality)
    return question.prompt if unheeded else None


def require_reasoning(plan: Plan, question: Question) -> None:
    """Refuse to take what is read for the answer to a task that asks for more.

    Raises:
        UnsupportedModality: The provider only reads what is there.
    """
    task, asked = question.task, plan.asking
    if task is None or isinstance(task, str) or task.reads or asked is None:
        return
    if isinstance(asked.limits, ImageLimits | VideoLimits) and not asked.limits.answers:
        raise UnsupportedModality(
            f"{asked.provider.name} reads what is there and does not reason, "
            f"as the task {task.name} needs"
        )


def honoured(options: tuple[Option, ...], question: Question) -> tuple[Option, ...]:
    """The options that a question sets and that are among ``options``.

    A schema that services do not enforce is none of them; the answer is asked for in its form.
    """
    given = tuple(option for option in _given(question) if option in options)
    if question.json_schema is None or is_object(question.json_schema):
        return given
    return tuple(option for option in given if option != "json_schema")


def asks_for_json(call: Call, question: Question) -> bool:
    """Whether an answer to the call is to be JSON, and nobody but the prompt says so."""
    return question.json_schema is not None and "json_schema" not in call.options


def _given(question: Question) -> tuple[Option, ...]:
    given: dict[Option, bool] = {
        "fps": question.fps is not None,
        "json_schema": question.json_schema is not None,
        "language": question.language is not None,
        "max_output_tokens": question.max_output_tokens is not None,
        "resolution": question.resolution is not None,
        "start_end": question.start is not None or question.end is not None,
        "temperature": question.temperature is not None,
    }
    return tuple(option for option, is_set in given.items() if is_set)


def require_options(plan: Plan, question: Question, provider: Provider, media: Media) -> None:
    """Refuse an option that nobody in the plan honours.

    The joining does not count: where fewer frames are found than there may be, nothing is joined.

    Raises:
        UsageError: One was given.
        UnsupportedModality: Times of speech are wanted, and nobody tells them.
    """
    calls = [part for part in plan.calls if part is not plan.joining]
    carried = {option for part in calls for option in part.options} | _done_here(plan)
    for option in _given(question):
        if option == "json_schema":
            _require_answer(plan, provider)
        elif option not in carried:
            raise _not_honoured(option, plan, question, provider, media)
    _refuse_options_of_others(plan, question, media)
    hear = plan.listening.call if plan.listening else None
    # Subtitles that are preferred stand in for the calls that their models are named for.
    instead = plan.listening is not None and plan.listening.track is not None
    named = None if instead else question.audio_model
    if named is not None and (hear is None or hear.model != named):
        raise UsageError(
            "--audio-model names a model that writes down sound, and none is asked to",
            hint="leave it out, or give --model",
        )
    if question.timed and media.modality != "image":
        _require_times_of_speech(plan, provider)
    own = [part for part in plan.calls if part.provider.name == provider.name]
    if question.model is not None and not (plan.asking is None and instead):
        _require_model(question.model, own, plan)
    if own:
        require_access_options(question, provider)


def _not_honoured(
    option: Option, plan: Plan, question: Question, provider: Provider, media: Media
) -> UsageError:
    calls = [part for part in plan.calls if part is not plan.joining]
    who = calls[-1].provider if calls else provider
    model = f" with {question.model}" if question.model and who is provider else ""
    what = "frames of a video" if isinstance(plan.sends, FrameWork) else media.modality
    return UsageError(
        f"{who.name} does not honour {_flag(option)} for {what}{model}",
        hint="leave it out, or use another --provider",
    )


def _require_answer(plan: Plan, provider: Provider) -> None:
    """Refuse a schema where nobody answers: what is read or heard has no form but its own."""
    asking = plan.asking
    reads = asking is None or (
        isinstance(asking.limits, ImageLimits | VideoLimits) and not asking.limits.answers
    )
    if reads:
        who = asking.provider if asking is not None else provider
        raise UnsupportedModality(
            f"{who.name} does not answer questions, so --schema cannot be kept to",
            hint="leave it out, or use another --provider",
        )


def _require_model(model: str, own: list[Call], plan: Plan) -> None:
    if all(part.model != model for part in own):
        asked = plan.calls[-1]
        raise UsageError(
            f"--model {model} is not asked about anything: "
            f"{asked.provider.name} {asked.model or 'with its own model'} is",
            hint="leave it out, or name the model that writes down sound with --audio-model",
        )


def _require_times_of_speech(plan: Plan, provider: Provider) -> None:
    hear = plan.listening.call if plan.listening else None
    if plan.listening is not None and hear is None:
        return  # subtitles have times
    timed = hear is not None and isinstance(hear.limits, AudioLimits) and hear.limits.timestamps
    if hear is None or not timed or hear.prompt is not None:
        who = hear.provider.name if hear else provider.name
        raise UnsupportedModality(f"{who} does not tell when things are said")


def _done_here(plan: Plan) -> set[Option]:
    """The options that are honoured on this machine, before anything is sent."""
    works = (plan.sends, plan.listening.sends if plan.listening else None)
    done: set[Option] = set()
    if any(isinstance(work, FrameWork | ClipWork | SoundWork) for work in works):
        done.add("start_end")
    if plan.listening is not None and plan.listening.track is not None:
        done |= {"start_end", "language"}
    if isinstance(plan.sends, FrameWork) and plan.sends.every is not None:
        done.add("fps")
    return done


def _refuse_options_of_others(plan: Plan, question: Question, media: Media) -> None:
    modality = media.modality
    if modality != "video":
        for name in ("frames", "every"):
            if getattr(question, name) is not None:
                raise UsageError(
                    f"{_flag(name)} is for video, not for {modality}", hint="leave it out"
                )
    if modality == "image":
        for name in ("audio_provider", "min_confidence"):
            if getattr(question, name) is not None:
                raise UsageError(f"{_flag(name)} is for sound, not for image", hint="leave it out")
        if question.subtitles != "ignore":
            raise UsageError("--subtitles is for recordings, not for image", hint="leave it out")
    elif (
        question.min_confidence is not None
        and plan.listening is None
        and media.has_sound is not False
    ):
        raise UsageError(
            "--min-confidence is about what is written down, and nobody writes down this sound",
            hint="leave it out, or add --audio-provider NAME",
        )


def require_access_options(question: Question, provider: Provider) -> None:
    """Refuse an option of access that the provider does not honour.

    Raises:
        UsageError: It was given.
    """
    access = question.access
    for name in ("api_version", "credentials_file", "location", "project"):
        if getattr(access, name) is not None and name not in provider.access_options:
            raise UsageError(f"{provider.name} does not take {_flag(name)}", hint="leave it out")
    if provider.kind == "device":
        for name in ("base_url", "api_key_env"):
            if getattr(access, name) is not None:
                raise UsageError(
                    f"{provider.name} reaches nobody, with no key", hint=f"leave out {_flag(name)}"
                )


def _flag(option: str) -> str:
    """How an option is written on the command line."""
    return _FLAGS.get(option, f"--{option.replace('_', '-')}")


def require_one_kind(media: tuple[Media, ...]) -> None:
    """Refuse nothing at all, and several recordings at once.

    Raises:
        UsageError: It is one of these.
    """
    if not media:
        raise UsageError("there is nothing to look at", hint="give a file")
    if len(media) > 1 and any(item.modality != "image" for item in media):
        raise UsageError(
            "only images can be asked about together", hint="give one video or one sound at a time"
        )


def require_numbers(question: Question) -> None:
    """Refuse values that mean nothing, whatever the question is about.

    Raises:
        UsageError: A number is none, negative, not finite or too large, or a word is not known.
    """
    for name in ("frames", "jobs", "max_download", "max_output_tokens"):
        _require_number(name, getattr(question, name), whole=True)
    for name in ("end", "every", "fps", "max_cost", "min_confidence", "start", "temperature"):
        _require_number(name, getattr(question, name), whole=False)
    for name in ("end", "every", "fps", "max_output_tokens"):
        _require_above(name, getattr(question, name))
    for name in ("max_cost", "start", "temperature"):
        _require_above(name, getattr(question, name), or_zero=True)
    _require_between("--frames", question.frames, 1, MAX_FRAMES)
    _require_between("--jobs", question.jobs, 1, MAX_JOBS)
    _require_between("--min-confidence", question.min_confidence, 0, 1)
    if question.max_download < 1:
        raise UsageError(
            f"--max-download {question.max_download} is not above 0",
            hint="give --max-download a number",
        )
    _require_word("--subtitles", question.subtitles, _SUBTITLES)
    _require_word("--cache", question.cache, _CACHE_USES)
    if question.resolution is not None:
        _require_word("--resolution", question.resolution, _RESOLUTIONS)
    if question.every is not None and question.fps is not None:
        raise UsageError("--every and --fps say the same twice", hint="leave one out")


_CACHE_USES: tuple[str, ...] = get_args(CacheUse)
_RESOLUTIONS: tuple[str, ...] = get_args(Resolution)
_SUBTITLES: tuple[str, ...] = get_args(Subtitles)
_NEVER_NONE = ("jobs", "max_download")
_LARGEST = 10**15


def _require_number(name: str, number: object, *, whole: bool) -> None:
    if number is None and name not in _NEVER_NONE:
        return
    # A bool is an int to Python, and no number to anybody else.
    kinds = int if whole else (int, float)
    if isinstance(number, bool) or not isinstance(number, kinds):
        raise UsageError(
            f"{_flag(name)} {number!r} is not a {'whole ' if whole else ''}number",
            hint=f"give {_flag(name)} a number",
        )
    if isinstance(number, int) and abs(number) > _LARGEST:
        raise UsageError(f"{_flag(name)} is too large", hint=f"give {_flag(name)} a smaller number")


def _require_above(name: str, number: float | None, *, or_zero: bool = False) -> None:
    if number is None:
        return
    if not math.isfinite(number) or not (number >= 0 if or_zero else number > 0):
        raise UsageError(
            f"{_flag(name)} {number:g} is not {'at least' if or_zero else 'above'} 0",
            hint=f"give {_flag(name)} a number",
        )


def _require_between(flag: str, number: float | None, least: int, most: int) -> None:
    if number is not None and not least <= number <= most:
        raise UsageError(f"{flag} {number} is not {least} to {most}", hint=f"give {flag} a number")


def _require_word(flag: str, word: object, known: tuple[str, ...]) -> None:
    if word not in known:
        raise UsageError(f"{flag} {word!r} is not known", hint=f"give {flag} {' or '.join(known)}")


def require_times(question: Question, media: Media) -> None:
    """Refuse a part of the recording that is none.

    Raises:
        UsageError: It ends before it begins, or begins behind the end.
    """
    start, end = question.start or 0.0, question.end
    if start < 0 or (end is not None and end <= start):
        raise UsageError(
            "--start is not before --end, or is negative",
            hint="give seconds, such as --start 5 --end 9",
        )
    if media.seconds is not None and start >= media.seconds:
        raise UsageError(
            f"--start {start:g} is behind the end: the recording lasts {media.seconds:.1f} s",
            hint="begin earlier",
        )
