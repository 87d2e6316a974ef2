"""From facts, limits and a question to a plan: pure, no I/O.

Strategies:

``images``
    The images as they are, in one call.
``native``
    The video or the sound as it is, in one call, with the prompt.
``transcript``
    Speech to text by a transcription model.
``transcript_then_text``
    Speech to text, and the prompt asked about the text: for providers that write speech down and
    cannot answer about sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mediasense.errors import MediaTooLarge, UnsupportedMedia, UnsupportedModality, UsageError
from mediasense.media.source import uri_kind
from mediasense.names import Modality, Option, Strategy
from mediasense.providers import AudioLimits, ImageLimits, Limits, Provider, VideoLimits
from mediasense.types import Media, Question

_OF_LISTENING: tuple[Option, ...] = ("language", "start_end")

_FLAGS = {
    "credentials_file": "--credentials",
    "json_schema": "--schema",
    "start_end": "--start and --end",
}

_DESCRIBE = {
    "image": "Describe what this image shows.",
    "images": "Describe what each of these images shows.",
    "video": "Describe what happens in this video, and what is said in it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to the provider.

    Attributes:
        modality: Which hook answers it.
        model: The model asked, or ``None`` for the one the server offers.
        prompt: What is asked; of a transcript that is still to come, what is asked about it.
        options: The options of the question that this call carries.
        streaming: Whether its answer may arrive piece by piece.
    """

    modality: Modality
    model: str | None
    prompt: str | None
    options: tuple[Option, ...]
    streaming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done.

    Attributes:
        strategy: In one word.
        calls: In order; the last one gives the answer.
    """

    strategy: Strategy
    calls: tuple[Call, ...]


def make_plan(media: tuple[Media, ...], question: Question, provider: Provider) -> Plan:
    """Decide how a provider answers a question about media.

    Args:
        media: One video, one sound, or one or more images.
        question: What is asked.
        provider: Who is asked.

    Raises:
        UnsupportedModality: The provider, or the model named, does not take this kind of media.
        UnsupportedMedia: It takes the kind and not this type.
        MediaTooLarge: It takes the type and not this size.
        UsageError: An option is given that it does not honour.
    """
    require_one_kind(media)
    _require_numbers(question)
    _require_times(question, media[0])
    plan = {"image": _for_images, "video": _for_video, "audio": _for_audio}[media[0].modality](
        media, question, provider
    )
    _require_options(plan, question, provider, media[0].modality)
    return plan


def can_take(provider: Provider, media: tuple[Media, ...], question: Question) -> bool:
    """Whether :func:`make_plan` finds a way, for choosing a provider."""
    try:
        make_plan(media, question, provider)
    except (UnsupportedModality, UnsupportedMedia, MediaTooLarge, UsageError):
        return False
    return True


def _for_images(media: tuple[Media, ...], question: Question, provider: Provider) -> Plan:
    limits = provider.limits_for(question.model).image
    if limits is None:
        raise _cannot(provider, question, "take images")
    _require_images_fit(media, limits, provider)
    default = _DESCRIBE["images" if len(media) > 1 else "image"] if limits.answers else None
    call = _call("image", limits, question, provider, question.prompt or default)
    return Plan(strategy="images", calls=(call,))


def _for_video(media: tuple[Media, ...], question: Question, provider: Provider) -> Plan:
    limits = provider.limits_for(question.model).video
    if limits is None:
        raise _cannot(provider, question, "take video")
    _require_recording_fits(media[0], limits, provider)
    default = _DESCRIBE["video"] if limits.answers else None
    call = _call("video", limits, question, provider, question.prompt or default)
    return Plan(strategy="native", calls=(call,))


def _for_audio(media: tuple[Media, ...], question: Question, provider: Provider) -> Plan:
    limits = provider.limits_for(question.model).audio
    if question.prompt is None:
        if limits is None or not limits.transcribes:
            raise _cannot(provider, question, "write down speech")
        _require_recording_fits(media[0], limits, provider)
        call = _call("audio", limits, question, provider, None)
        return Plan(strategy="transcript", calls=(call,))
    if limits is not None and limits.answers:
        _require_recording_fits(media[0], limits, provider)
        call = _call("audio", limits, question, provider, question.prompt)
        return Plan(strategy="native", calls=(call,))
    return _through_transcript(media[0], question, provider)


def _through_transcript(media: Media, question: Question, provider: Provider) -> Plan:
    # A model that is named is the one that answers; the transcript is made by the default one.
    heard, written = provider.audio, provider.limits_for(question.model).text
    if heard is None or not heard.transcribes or written is None:
        raise _cannot(provider, question, "answer questions about sound")
    _require_recording_fits(media, heard, provider)
    hear = Call(
        modality="audio",
        model=heard.default_model or provider.default_model,
        prompt=None,
        # The other options are meant for the answer.
        options=tuple(o for o in _honoured(heard.options, question) if o in _OF_LISTENING),
        streaming=False,
    )
    answer = _call("text", written, question, provider, question.prompt)
    return Plan(strategy="transcript_then_text", calls=(hear, answer))


def _call(
    modality: Modality,
    limits: Limits,
    question: Question,
    provider: Provider,
    prompt: str | None,
) -> Call:
    default = limits.default_model or provider.default_model
    options = limits.options
    if isinstance(limits, AudioLimits) and prompt is not None:
        default = limits.answer_model or default
        options = options if limits.answer_options is None else limits.answer_options
    return Call(
        modality=modality,
        model=question.model or default,
        prompt=prompt,
        options=_honoured(options, question),
        streaming=limits.streaming,
    )


def _given(question: Question) -> tuple[Option, ...]:
    """The options a question really sets."""
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


def _honoured(options: tuple[Option, ...], question: Question) -> tuple[Option, ...]:
    return tuple(option for option in _given(question) if option in options)


def _require_options(
    plan: Plan, question: Question, provider: Provider, modality: Modality
) -> None:
    carried = {option for call in plan.calls for option in call.options}
    for option in _given(question):
        if option not in carried:
            model = f" with {question.model}" if question.model else ""
            raise UsageError(
                f"{provider.name} does not honour {_flag(option)} for {modality}{model}",
                hint="leave it out, or use another --provider",
            )
    require_access_options(question, provider)


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
    """Refuse nothing at all, and several recordings at once."""
    if not media:
        raise UsageError("there is nothing to look at", hint="give a file")
    if len(media) > 1 and any(item.modality != "image" for item in media):
        raise UsageError(
            "only images can be asked about together", hint="give one video or one sound at a time"
        )


def _require_images_fit(media: tuple[Media, ...], limits: ImageLimits, provider: Provider) -> None:
    name = provider.name
    if limits.max_items is not None and len(media) > limits.max_items:
        raise MediaTooLarge(
            f"{name} takes {limits.max_items} images in one request, not {len(media)}",
            hint="give fewer",
        )
    for item in media:
        _require_type_and_size(item, limits, provider)
        if item.width is None or item.height is None:
            continue
        if limits.max_side is not None and max(item.width, item.height) > limits.max_side:
            raise MediaTooLarge(
                f"{name} takes images of up to {limits.max_side} pixels a side, "
                f"not {item.width} x {item.height}",
                hint="scale it down",
            )
        if limits.max_pixels is not None and item.width * item.height > limits.max_pixels:
            raise MediaTooLarge(
                f"{name} takes images of up to {limits.max_pixels / 1e6:g} million pixels, "
                f"not {item.width} x {item.height}",
                hint="scale it down",
            )
    total = sum(item.size or 0 for item in media)
    if limits.max_request_bytes is not None and total > limits.max_request_bytes:
        raise MediaTooLarge(
            f"{name} takes {_size(limits.max_request_bytes)} in one request, not {_size(total)}",
            hint="give fewer or smaller images",
        )


def _require_recording_fits(
    media: Media, limits: VideoLimits | AudioLimits, provider: Provider
) -> None:
    _require_type_and_size(media, limits, provider)
    if limits.max_seconds is not None and (media.seconds or 0) > limits.max_seconds:
        raise MediaTooLarge(
            f"{provider.name} takes {limits.max_seconds:g} s of {media.modality}, "
            f"not {media.seconds:.1f} s",
            hint="cut it",
        )


def _require_type_and_size(media: Media, limits: Limits, provider: Provider) -> None:
    if media.uri is not None:
        kind = uri_kind(media.uri)
        if kind not in limits.uri_schemes:
            where = "links to YouTube" if kind == "youtube" else f"{kind} links"
            raise UnsupportedMedia(
                f"{provider.name} does not fetch {where} to {media.modality} itself",
                hint="download the file and give its path",
            )
        return
    if media.mime_type not in limits.mime_types:
        raise UnsupportedMedia(
            f"{provider.name} does not take {media.mime_type} as {media.modality}",
            hint=_instead(limits),
        )
    uploads = isinstance(limits, VideoLimits | AudioLimits) and limits.max_upload_bytes
    most = uploads or _least(limits.max_bytes, limits.max_request_bytes)
    if most is not None and (media.size or 0) > most:
        fetched = [scheme for scheme in limits.uri_schemes if scheme != "youtube"]
        instead = f", or give a {fetched[0]}:// link" if fetched else ""
        raise MediaTooLarge(
            f"{provider.name} takes files of up to {_size(most)} as {media.modality}, "
            f"not {_size(media.size or 0)}",
            hint=f"make it smaller{instead}",
        )


def _instead(limits: Limits) -> str:
    if limits.mime_types:
        return f"convert it to {' or '.join(limits.mime_types)}"
    links = [f"{scheme}://" for scheme in limits.uri_schemes if scheme != "youtube"]
    return f"give a link to it ({', '.join(links)})" if links else "use another --provider"


def _require_numbers(question: Question) -> None:
    numbers = {
        "--end": question.end,
        "--fps": question.fps,
        "--max-output-tokens": question.max_output_tokens,
        "--start": question.start,
        "--temperature": question.temperature,
    }
    for flag, number in numbers.items():
        above = flag not in ("--start", "--temperature")
        if number is not None and not (
            math.isfinite(number) and (number > 0 if above else number >= 0)
        ):
            raise UsageError(
                f"{flag} {number:g} is not {'above' if above else 'at least'} 0",
                hint=f"give {flag} a number",
            )


def _require_times(question: Question, media: Media) -> None:
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


def _cannot(provider: Provider, question: Question, what: str) -> UnsupportedModality:
    model = f" with the model {question.model}" if question.model else ""
    return UnsupportedModality(f"{provider.name}{model} does not {what}")


def _least(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
