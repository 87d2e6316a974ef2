"""A plan in words and numbers: its steps, with what each is estimated to send, count and cost."""

from __future__ import annotations

from dataclasses import replace

from mediasense.names import Action, Channel
from mediasense.planning.limits import copied_bytes, least, span
from mediasense.planning.options import asks_for_json
from mediasense.planning.plans import (
    Call,
    ClipWork,
    FrameWork,
    ImageWork,
    Listening,
    Plan,
    Sending,
    SoundWork,
    WholeFile,
)
from mediasense.planning.prices import Prices
from mediasense.providers import AudioLimits, ImageLimits, VideoLimits
from mediasense.steps import Step
from mediasense.types import Media, Question

# Estimates, where nothing is measured yet: how fast people speak (150 words a minute, and a third
# more tokens than words), letters in a token, and a usual answer.
_SPOKEN_TOKENS_PER_SECOND = 3.3
_LETTERS_PER_TOKEN = 4
_ANSWER_TOKENS = 500
_FRAME_BYTES_PER_PIXEL = 0.15

_KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP"}
_SOUNDS = {"flac": "as FLAC", "m4a": "as AAC", "mp3": "as MP3"}


def with_steps(plan: Plan, media: tuple[Media, ...], question: Question, prices: Prices) -> Plan:
    """The plan, with its steps told."""
    tell = _Teller(plan, media, question, prices)
    return replace(plan, steps=tuple(tell.steps()))


def frames_words(count: int, work: FrameWork, *, at_most: bool, apart: float | None) -> str:
    """What is chosen of a video; of regular frames, so many seconds ``apart``."""
    frames = "frame" if count == 1 else "frames"
    how = f"key {frames}" if work.every is None else frames
    if apart is not None and (at_most or count > 1):
        how += f", one each {apart:.3g} s,"
    return f"{'up to ' if at_most else ''}{count} {how} up to {work.width} x {work.height}"


def sound_words(work: SoundWork) -> str:
    """What the sound becomes."""
    kind = _SOUNDS.get(work.format, f"as {work.format.upper()}")
    return f"the sound {kind}{', silence skipped' if work.skip_silence else ''}"


def clips_words(work: ClipWork) -> str:
    """What the video becomes."""
    if not work.encode:
        return "the video as MP4, nothing encoded anew"
    return f"the video as MP4, up to {work.max_side} pixels, {work.fps:g} pictures a second"


def form_words(call: Call, question: Question) -> str:
    """What is told of an answer in JSON that no service enforces."""
    if not asks_for_json(call, question):
        return ""
    return "; JSON is asked for, and not enforced by the service"


def asked_words(call: Call, *, heard: bool) -> str:
    """What is asked about."""
    words = {
        "image": "the images",
        "video": "the video",
        "audio": "the sound",
        "text": "the transcript",
    }[call.modality]
    if not heard or call.modality == "text":
        return words
    return f"{words}, with what is said beside {'them' if call.modality == 'image' else 'it'}"


def channels_of(call: Call, media: Media) -> tuple[Channel, ...]:
    """The channels of a recording that the model itself takes in."""
    if media.modality == "image" or call.modality == "text":
        return ()
    if call.modality == "audio":
        return ("sound",)
    hears = isinstance(call.limits, VideoLimits) and call.limits.hears
    return ("picture", "sound") if hears and media.has_sound is not False else ("picture",)


class _Teller:
    """Tells one plan."""

    def __init__(
        self, plan: Plan, media: tuple[Media, ...], question: Question, prices: Prices
    ) -> None:
        self._plan = plan
        self._media = media
        self._question = question
        self._prices = prices
        self._seconds = span(media[0], question) if media[0].modality != "image" else None

    def steps(self) -> list[Step]:
        plan = self._plan
        told = self._listening(plan.listening) if plan.listening is not None else []
        if plan.sends is not None:
            told += self._preparing(plan.sends)
        if plan.asking is not None:
            told.append(self._asking(plan.asking))
        if plan.joining is not None and _calls(plan.sends) > 1:
            told.append(self._joining(plan.joining))
        return told

    def _listening(self, listening: Listening) -> list[Step]:
        if listening.call is None:
            words = f"subtitle track {(listening.track or 0) + 1} of the recording"
            return [self._local("subtitles", words, "sound")]
        work = listening.sends
        told = []
        if isinstance(work, SoundWork):
            told.append(self._local("extract", sound_words(work), "sound"))
        step = self._call("transcribe", "the speech", listening.call, calls=_calls(work))
        told.append(
            self._priced(
                replace(step, channels=("sound",), bytes=self._bytes(work)),
                listening.call,
                self._tokens_heard(listening.call),
                seconds=self._seconds if listening.call.prompt is None else None,
            )
        )
        return told

    def _preparing(self, work: Sending) -> list[Step]:
        match work:
            case ImageWork():
                return [
                    Step(action="prepare", words=f"image {n}: {', '.join(fit.actions)}")
                    for n, fit in enumerate(work.fits, 1)
                    if fit.actions
                ]
            case FrameWork():
                words = frames_words(work.most, work, at_most=True, apart=work.apart)
                return [self._local("choose frames", words, "picture")]
            case ClipWork():
                heard = self._media[0].has_sound is not False
                channels: tuple[Channel, ...] = ("picture", "sound") if heard else ("picture",)
                action = self._local("encode", clips_words(work), *channels)
                return [action if work.encode else replace(action, action="copy")]
            case SoundWork():
                return [self._local("extract", sound_words(work), "sound")]
            case WholeFile():
                return []

    def _asking(self, call: Call) -> Step:
        work = self._plan.sends
        words = asked_words(call, heard=self._plan.listening is not None)
        if self._plan.joining is None or _calls(work) == 1:  # else what is joined are notes
            words += form_words(call, self._question)
        step = replace(
            self._call("ask", words, call, calls=_calls(work)),
            channels=channels_of(call, self._media[0]),
            images=_images(work),
            bytes=self._bytes(work),
        )
        if call.modality == "text":
            step = replace(step, start=None, end=None)
        return self._priced(step, call, self._tokens_asked(call))

    def _joining(self, call: Call) -> Step:
        parts = _calls(self._plan.sends)
        words = f"up to {parts} answers to one{form_words(call, self._question)}"
        step = self._call("join", words, call, calls=1)
        step = replace(step, start=None, end=None)
        return self._priced(step, call, parts * _ANSWER_TOKENS + self._tokens_of_prompt(call))

    def _local(self, action: Action, words: str, *channels: Channel) -> Step:
        return Step(
            action=action,
            words=words,
            channels=channels,
            start=self._start,
            end=self._end,
        )

    def _call(self, action: Action, words: str, call: Call, *, calls: int) -> Step:
        return Step(
            action=action,
            words=words,
            start=self._start,
            end=self._end,
            provider=call.provider.name,
            model=call.model,
            calls=calls,
        )

    @property
    def _start(self) -> float | None:
        return None if self._media[0].modality == "image" else self._question.start or 0.0

    @property
    def _end(self) -> float | None:
        if self._seconds is None or self._start is None:
            return self._question.end
        return self._start + self._seconds

    def _bytes(self, work: Sending | None) -> int | None:
        """Bytes that are sent at most, all calls together, as far as they are known."""
        sizes = [item.size for item in self._media]
        whole = None if None in sizes else sum(size or 0 for size in sizes)
        match work:
            case WholeFile():
                return whole
            case ImageWork():
                each = [
                    fit.pieces * fit.max_bytes if fit.max_bytes is not None else None
                    for fit in work.fits
                    if fit.work == "redraw"
                ]
                kept = sum(
                    item.size or 0
                    for item, fit in zip(self._media, work.fits, strict=True)
                    if fit.work != "redraw"
                )
                return None if None in each else kept + sum(size or 0 for size in each)
            case FrameWork():
                guess = int(work.width * work.height * _FRAME_BYTES_PER_PIXEL)
                return _images_of(work) * min(guess, work.max_bytes or guess)
            case ClipWork():
                most = None if work.max_bytes is None else work.max_bytes * work.clips
                video = self._media[0]
                copied = copied_bytes(video, self._seconds or video.seconds or 0.0)
                return most if work.encode else least(copied, most)
            case SoundWork():
                return work.expected_bytes
            case None:
                return 0

    # --- tokens and money ------------------------------------------------------------------------

    def _priced(
        self, step: Step, call: Call, tokens: int | None, *, seconds: float | None = None
    ) -> Step:
        if call.provider.kind == "device":
            return replace(step, tokens=0, cost=0.0)
        answer = self._question.max_output_tokens or _ANSWER_TOKENS
        cost = self._prices.price(
            call.provider,
            call.model,
            input_tokens=tokens,
            output_tokens=None if tokens is None else answer * step.calls,
            seconds=seconds,
        )
        return replace(step, tokens=tokens, cost=None if self._is_elsewhere(call) else cost)

    def _is_elsewhere(self, call: Call) -> bool:
        """Whether the call goes to another address than the one whose prices are known."""
        asked = self._plan.asking
        own = self._question.audio_provider is None or call in (asked, self._plan.joining)
        return own and self._question.access.base_url is not None

    def _tokens_heard(self, call: Call) -> int | None:
        if call.prompt is None:
            return None  # speech to text is counted in seconds
        sound = self._of_seconds(call)
        if sound is None or self._plan.listening is None:
            return None
        return sound + self._tokens_of_prompt(call) * _calls(self._plan.listening.sends)

    def _tokens_asked(self, call: Call) -> int | None:
        text = self._tokens_of_prompt(call) * _calls(self._plan.sends)
        if self._plan.listening is not None:
            if self._seconds is None:
                return None
            text += round(self._seconds * _SPOKEN_TOKENS_PER_SECOND)
        media = self._tokens_of_media(call)
        return None if media is None else text + media

    def _tokens_of_media(self, call: Call) -> int | None:
        if call.modality == "text":
            return 0
        if isinstance(call.limits, ImageLimits):
            count, each = _images(self._plan.sends), call.limits.tokens
            return None if each is None or count is None else each * count
        return self._of_seconds(call)

    def _of_seconds(self, call: Call) -> int | None:
        limits = call.limits
        known = isinstance(limits, VideoLimits | AudioLimits) and limits.tokens_per_second
        return None if not known or self._seconds is None else round(known * self._seconds)

    def _tokens_of_prompt(self, call: Call) -> int:
        letters = len(call.prompt or "")
        if call in (self._plan.asking, self._plan.joining):
            letters += len(self._question.json_schema or "")
        return -(-letters // _LETTERS_PER_TOKEN)


def _calls(work: Sending | None) -> int:
    match work:
        case ImageWork():
            return max(1, -(-sum(fit.pieces for fit in work.fits) // work.per_call))
        case FrameWork():
            return work.calls
        case ClipWork():
            return work.clips
        case SoundWork():
            return work.pieces
        case _:
            return 1


def _images(work: Sending | None) -> int | None:
    match work:
        case ImageWork():
            return sum(fit.pieces for fit in work.fits)
        case FrameWork():
            return _images_of(work)
        case _:
            return None


def _images_of(work: FrameWork) -> int:
    """At most: fewer frames than planned may take more images, as they need no contact sheets."""
    return min(work.most, work.per_call * work.calls)
