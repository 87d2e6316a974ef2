"""Plans for sound, and for how the sound of a video becomes text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mediasense.errors import MediaTooLarge, UnsupportedMedia
from mediasense.media.sound.encoders import EncodedFormat, fitting_samples
from mediasense.media.sound.resampling import RATE
from mediasense.names import Option
from mediasense.planning.images import MAX_CALLS
from mediasense.planning.limits import (
    cannot,
    cuts,
    facts,
    fits,
    joining,
    most_bytes,
    span,
    too_large,
)
from mediasense.planning.options import call
from mediasense.planning.plans import Call, ClipWork, Listening, Plan, SoundWork, WholeFile
from mediasense.planning.subtitles import reading
from mediasense.providers import AudioLimits, Provider, VideoLimits
from mediasense.steps import LeftOut
from mediasense.types import Media, Question

_DESCRIBE = "Describe what is heard in this recording, and what is said in it."
HEAR = "Write down word for word what is said in this recording."

_OF_LISTENING: tuple[Option, ...] = ("language", "start_end")

# The preferred first: FLAC loses nothing, MP3 and Opus are a fifth of it, WAV is taken everywhere.
_FORMATS: tuple[tuple[str, EncodedFormat], ...] = (
    ("audio/flac", "flac"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "opus"),
    ("audio/mp4", "m4a"),
    ("audio/wav", "wav"),
)

# Bytes a second at most: 16 kHz, mono, 16 bit; FLAC is never larger than what it holds by much.
_BYTES_PER_SECOND: dict[EncodedFormat, int] = {
    "flac": 33_000,
    "m4a": 9_000,
    "mp3": 9_000,
    "opus": 6_000,
    "wav": 32_000,
}
_HEADER_BYTES = 20_000
_UNKNOWN_SECONDS = 4 * 3600.0
"""How long a recording may be, of which nobody knows."""

MAX_PIECES = 1000
"""Pieces of a sound that is written down: each is a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearer:
    """Who is sent the sound itself, and for what.

    Attributes:
        provider, model: Who it is; a model of ``None`` is the provider's own.
        answers: Whether the question is asked about the sound; else it is written down.
    """

    provider: Provider
    model: str | None
    answers: bool

    @property
    def limits(self) -> AudioLimits | None:
        """What is said of the call."""
        return self.provider.limits_for(self.model).audio


def hearer(question: Question, provider: Provider, listener: Provider | None) -> Hearer:
    """Decide who is sent a sound.

    A model is named for the provider that answers: another provider has its own, and so has the
    transcript that a question is asked about.

    Args:
        question: What is asked.
        provider: Who is asked.
        listener: Who is named to write down the sound, if anybody is.
    """
    answers = prompt_of(question) is not None
    own = Hearer(provider=provider, model=question.model, answers=answers)
    asked = own.limits
    if listener is None and (not answers or (asked is not None and asked.answers)):
        return own
    return Hearer(provider=listener or provider, model=question.audio_model, answers=False)


def prompt_of(question: Question) -> str | None:
    """What is asked about a sound; ``None`` has it written down, which no schema gives a form."""
    if question.prompt is None and question.json_schema is not None:
        return _DESCRIBE
    return question.prompt


def plan_sound(
    media: tuple[Media, ...], question: Question, provider: Provider, listener: Provider | None
) -> Plan:
    """Decide how a sound reaches a provider; see :func:`mediasense.planning.make_plan`."""
    sound, who = media[0], hearer(question, provider, listener)
    question = replace(question, prompt=prompt_of(question))
    if question.prompt is None:
        return _transcript(sound, question, who)
    if who.answers:
        assert who.limits is not None
        return _answer(sound, question, provider, who.limits)
    return _through_transcript(sound, question, provider, who.provider)


def _transcript(sound: Media, question: Question, who: Hearer) -> Plan:
    listening = reading(sound, question) or _written_down(sound, question, who)
    plan = Plan(strategy="transcript", sends=None, listening=listening, asking=None)
    return _windowed(plan, question)


def _written_down(sound: Media, question: Question, who: Hearer) -> Listening:
    asked, limits = replace(question, model=who.model), who.limits
    if limits is None or not limits.transcribes:
        raise cannot(who.provider, asked, "write down speech")
    sends = _sending(sound, question, who.provider, limits, skip_silence=False)
    hear = call("audio", limits, asked, who.provider, None)
    return Listening(call=_narrowed(hear, sends), sends=sends)


def _answer(sound: Media, question: Question, provider: Provider, limits: AudioLimits) -> Plan:
    sends = _sending(sound, question, provider, limits, skip_silence=False)
    asking = _narrowed(call("audio", limits, question, provider, question.prompt), sends)
    plan = Plan(strategy="native", sends=sends, listening=reading(sound, question), asking=asking)
    if not isinstance(sends, SoundWork) or sends.pieces == 1:
        return _windowed(plan, question)
    joined = joining(question, provider, question.prompt)
    if joined is None or sends.pieces > MAX_CALLS:
        if limits.transcribes and provider.limits_for(question.model).text is not None:
            return _through_transcript(sound, question, provider, provider)
        raise MediaTooLarge(
            f"{provider.name} would have to be asked about {sends.pieces} pieces of this sound, "
            f"and {'cannot join answers' if joined is None else f'{MAX_CALLS} are the most'}",
            hint="cut it with --start and --end",
        )
    return _windowed(replace(plan, strategy="segments", joining=joined), question)


def _through_transcript(
    sound: Media, question: Question, provider: Provider, listener: Provider
) -> Plan:
    written = provider.limits_for(question.model).text
    listening = listen(sound, question, listener)
    if listening is None or written is None:
        raise cannot(provider, question, "answer questions about sound")
    asking = call("text", written, question, provider, question.prompt)
    plan = Plan(strategy="transcript_then_text", sends=None, listening=listening, asking=asking)
    return _windowed(plan, question)


def listen(media: Media, question: Question, provider: Provider) -> Listening | None:
    """How the sound of a recording becomes text; ``None`` when this provider cannot.

    Args:
        media: The recording.
        question: What is asked; its language and times count.
        provider: Who is to write it down.
    """
    subtitles = reading(media, question)
    if subtitles is not None:
        return subtitles
    model = question.audio_model
    limits = provider.limits_for(model).audio
    if limits is None or not (limits.transcribes or limits.answers):
        return None
    prompt = None if limits.transcribes else HEAR
    sends = _sending(media, question, provider, limits, skip_silence=media.modality == "video")
    hear = call("audio", limits, replace(question, model=model), provider, prompt)
    # The other options are meant for the answer.
    of_hearing = tuple(o for o in hear.options if o in _OF_LISTENING)
    hear = replace(hear, options=of_hearing, streaming=False)
    if hear.model is None and provider.kind == "service":
        raise UnsupportedMedia(
            f"{provider.name} has no model of its own for sound (name one with --audio-model)",
            hint="add --audio-model MODEL",
        )
    return Listening(call=_narrowed(hear, sends), sends=sends)


def _sending(
    media: Media,
    question: Question,
    provider: Provider,
    limits: AudioLimits,
    *,
    skip_silence: bool,
) -> WholeFile | SoundWork:
    """The file as it is where that is taken, or the sound out of it.

    Raises:
        UnsupportedMedia: It cannot be made what the provider takes, or is a link to a video.
        MediaTooLarge: It would have to be cut too short, or into too many pieces.
    """
    if media.uri is not None:
        if media.modality == "video":
            raise UnsupportedMedia(
                "the sound of a video is not taken out of a link",
                hint="download the file and give its path",
            )
        fits(media, limits, provider)
        return WholeFile()
    cut_there = "start_end" in limits.options or not cuts(question)
    if cut_there and _is_plain_sound(media) and fits(media, limits, provider):
        return WholeFile()
    return _sound_work(media, question, provider, limits, skip_silence=skip_silence)


def _is_plain_sound(media: Media) -> bool:
    """Whether the file is a sound, whole, and says no more than it sounds."""
    found = facts(media)
    if found is not None and (found.has_pictures or found.damage or found.located):
        return False
    return media.modality == "audio" and not media.mime_type.startswith("video/")


def _sound_work(
    media: Media,
    question: Question,
    provider: Provider,
    limits: AudioLimits,
    *,
    skip_silence: bool,
) -> SoundWork:
    seconds = span(media, question)
    longest = _UNKNOWN_SECONDS if seconds is None else seconds
    taken = [(mime, kind) for mime, kind in _FORMATS if mime in limits.mime_types]
    if not taken:
        raise too_large(replace(media, modality="audio"), limits, provider)
    most = most_bytes(limits)
    mime_type, kind = min(taken, key=lambda pair: _cuts(longest, _fitting(pair[1], most)))
    longest_piece = math.inf if limits.max_seconds is None else limits.max_seconds
    piece = min(_fitting(kind, most), longest_piece)
    pieces = _cuts(longest, piece)
    if piece < 1 or pieces > MAX_PIECES:
        raise MediaTooLarge(
            f"{provider.name} takes too little of {longest:.1f} s of sound at once",
            hint="cut it with --start and --end, or use another provider for the sound",
        )
    return SoundWork(
        format=kind,
        mime_type=mime_type,
        max_bytes=most,
        max_seconds=limits.max_seconds,
        pieces=pieces,
        skip_silence=skip_silence,
        expected_bytes=math.ceil(longest * _BYTES_PER_SECOND[kind]) + pieces * _HEADER_BYTES,
    )


def _fitting(kind: EncodedFormat, max_bytes: int | None) -> float:
    """Seconds that fit into so many bytes; below 1 none can be made."""
    if max_bytes is None:
        return math.inf
    surely = fitting_samples(kind, max_bytes) / RATE
    usually = (max_bytes - _HEADER_BYTES) / _BYTES_PER_SECOND[kind]
    return max(surely, usually) if surely >= 1 else surely


def _cuts(seconds: float, longest: float) -> int:
    """Pieces at most: one that is cut at a pause is at least half as long as it may be."""
    return 1 if seconds <= longest else math.ceil(2 * seconds / max(longest, 0.001))


def _narrowed(hear: Call, sends: WholeFile | SoundWork) -> Call:
    """The call without the times that were cut out here already."""
    if isinstance(sends, WholeFile):
        return hear
    return replace(hear, options=tuple(o for o in hear.options if o != "start_end"))


def _windowed(plan: Plan, question: Question) -> Plan:
    """The plan for the part of the recording that is asked about."""
    warnings = plan.warnings
    for sends in (plan.listening.sends if plan.listening else None, plan.sends):
        if isinstance(sends, SoundWork) and sends.pieces > 1:
            warnings += (f"the sound is cut at pauses into up to {sends.pieces} pieces",)
    return replace(plan, start=question.start, end=question.end, warnings=warnings)


def unheard_tracks(plan: Plan, media: Media) -> tuple[LeftOut, ...]:
    """The sound tracks of a recording that nobody hears: only a whole file has all of them."""
    found = facts(media)
    if found is None or found.sound_tracks < 2 or not _takes_one(plan):
        return ()
    others = found.sound_tracks - 1
    return (
        LeftOut(
            words=f"{others} of the {found.sound_tracks} sound tracks "
            f"{'is' if others == 1 else 'are'} not heard: one is taken",
            channels=("sound",),
            start=plan.start,
            end=plan.end,
        ),
    )


def _takes_one(plan: Plan) -> bool:
    heard = plan.listening.sends if plan.listening else None
    shown = plan.sends if plan.asking is not None and _hears(plan.asking) else None
    if WholeFile() in (heard, shown):
        return False
    return any(isinstance(work, SoundWork | ClipWork) for work in (heard, shown))


def _hears(asking: Call) -> bool:
    limits = asking.limits
    return asking.modality == "audio" or (isinstance(limits, VideoLimits) and limits.hears)
