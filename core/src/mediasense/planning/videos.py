"""Plans for video: as it is, copied or made smaller, or as frames with what is said beside them."""

from __future__ import annotations

import math
from dataclasses import replace

from mediasense.errors import MediaTooLarge, UnsupportedMedia
from mediasense.media.recordings.clips import can_copy, encoded_bytes
from mediasense.media.recordings.cuts import PACKET_BYTES
from mediasense.names import Strategy
from mediasense.planning.frames import few_frames, frame_work
from mediasense.planning.images import MAX_CALLS
from mediasense.planning.limits import (
    cannot,
    copied_bytes,
    cuts,
    facts,
    fits,
    joining,
    most_bytes,
    span,
    too_large,
)
from mediasense.planning.options import call, prompt_to
from mediasense.planning.plans import ClipWork, Plan, WholeFile
from mediasense.planning.sounds import listen
from mediasense.planning.subtitles import reading
from mediasense.providers import ImageLimits, Provider, VideoLimits
from mediasense.steps import LeftOut
from mediasense.types import Media, Question

_DESCRIBE = "Describe what happens in this video, and what is said in it."

_CLIP_TYPE = "video/mp4"
_ENCODED_SIDE = 1280
_ENCODED_FPS = 10.0

LONGEST_ENCODING = 3600.0
"""Seconds of video that are encoded at most: it takes minutes of this machine."""

# Small pictures need little to be legible, and the encoder something all the same: what its least
# bit rate is, for three attempts, and for the seconds that it may run ahead.
_LEAST_PER_SECOND = 900
_BUFFERED_SECONDS = 20.0

# A clip that is copied is cut at key frames, so it may be this much shorter than it could be.
_USED = 0.5

# Encoders set a key frame every 10 seconds at most, usually; some of screen recordings every 20.
_KEY_SECONDS = 20.0
_RUN_OVER_SECONDS = 1.0
_USUAL_FPS = 30.0
_SOUND_PACKETS = 50.0


def plan_video(
    media: tuple[Media, ...], question: Question, provider: Provider, listener: Provider | None
) -> Plan:
    """Decide how a video reaches a provider; see :func:`mediasense.planning.make_plan`."""
    video = media[0]
    rules = provider.limits_for(question.model)
    if rules.video is not None and not wants_frames(question):
        sends = _native(video, question, provider, rules.video)
        if sends is not None:
            plan = _as_video(sends, video, question, provider, rules.video)
            return _heard(plan, video, question, provider, listener, native=rules.video)
    if rules.image is not None and rules.image.answers and video.uri is None:
        plan = _as_frames(video, question, provider, rules.image)
        return _heard(plan, video, question, provider, listener, native=None)
    if rules.video is None:
        raise cannot(provider, question, "take video")
    if video.uri is not None:
        raise UnsupportedMedia(
            "frames are not taken out of a link", hint="download the file and give its path"
        )
    if wants_frames(question):
        raise cannot(provider, question, "answer questions about frames")
    raise too_large(video, rules.video, provider)


def wants_frames(question: Question) -> bool:
    """Whether the user wants frames, whatever the provider takes."""
    return question.frames is not None or question.every is not None


# --- as video ------------------------------------------------------------------------------------


def _native(
    video: Media, question: Question, provider: Provider, limits: VideoLimits
) -> WholeFile | ClipWork | None:
    """How the video itself can be sent; ``None`` when it cannot."""
    cut_here = cuts(question) and "start_end" not in limits.options
    if video.uri is not None:
        return WholeFile() if fits(video, limits, provider) else None
    whole = WholeFile() if fits(video, limits, provider) and not cut_here else None
    if whole is not None and not (_is_located(video) and provider.kind != "device"):
        return whole
    if _CLIP_TYPE not in limits.mime_types or not video.seconds:
        return whole
    joins = limits.answers and joining(question, provider, None) is not None
    return _clips(video, question, limits, joins=joins) or whole


def _is_located(video: Media) -> bool:
    found = facts(video)
    return found is not None and found.located


def _clips(
    video: Media, question: Question, limits: VideoLimits, *, joins: bool
) -> ClipWork | None:
    """Copied where that does, else encoded smaller, else cut; whichever keeps the most together."""
    found, seconds = facts(video), span(video, question) or 0.0
    most = most_bytes(limits)
    copyable = found is not None and can_copy(found)
    one = ClipWork(
        encode=False,
        max_bytes=most,
        max_seconds=limits.max_seconds,
        clips=1,
        max_side=_ENCODED_SIDE,
        fps=_ENCODED_FPS,
    )
    copies = copyable and _is_within(limits, copied_bytes(video, seconds), seconds)
    if copies and _is_within(
        limits, _copied_at_most(video, question), _longest_copy(video, question)
    ):
        return one
    if copies and joins:
        # Cuts are made at key frames, so that what should be one clip may turn out as two.
        return replace(one, clips=2)
    if seconds <= LONGEST_ENCODING and _is_within(limits, _encoded(video, seconds), seconds):
        return replace(one, encode=True)
    if copies:
        return one  # it is refused before it is sent if it turns out as two
    clips = max(
        2, _pieces(copied_bytes(video, seconds), most), _pieces(seconds, limits.max_seconds)
    )
    if copyable and joins and clips <= MAX_CALLS:
        return replace(one, clips=clips)
    return None


def _is_within(limits: VideoLimits, size: int, seconds: float) -> bool:
    most = most_bytes(limits)
    return (most is None or size <= most) and (
        limits.max_seconds is None or seconds <= limits.max_seconds
    )


def _pieces(whole: float, most: float | None) -> int:
    return 1 if most is None else math.ceil(whole / max(0.001, most * _USED))


def _longest_copy(video: Media, question: Question) -> float:
    """Seconds that a copied clip may last: it begins with a key frame, and may run over."""
    start = question.start or 0.0
    return (span(video, question) or 0.0) + min(start, _KEY_SECONDS) + _RUN_OVER_SECONDS


def _copied_at_most(video: Media, question: Question) -> int:
    """Bytes that a copied clip hardly exceeds; a part may have more of them than its share."""
    found, seconds = facts(video), _longest_copy(video, question)
    packets = seconds * (((found.fps if found else None) or _USUAL_FPS) + _SOUND_PACKETS)
    whole = copied_bytes(video, video.seconds or seconds)
    size = min(whole, 2 * copied_bytes(video, seconds)) if cuts(question) else whole
    return size + math.ceil(packets * PACKET_BYTES)


def _encoded(video: Media, seconds: float) -> int:
    found = facts(video)
    width, height = video.width or _ENCODED_SIDE, video.height or _ENCODED_SIDE
    scale = min(1.0, _ENCODED_SIDE / max(width, height))
    fps = min(_ENCODED_FPS, (found.fps if found else None) or _ENCODED_FPS)
    legible = encoded_bytes(
        seconds, int(width * scale), int(height * scale), fps, bool(video.has_sound)
    )
    return legible + math.ceil(_LEAST_PER_SECOND * (seconds + _BUFFERED_SECONDS))


def _as_video(
    sends: WholeFile | ClipWork,
    video: Media,
    question: Question,
    provider: Provider,
    limits: VideoLimits,
) -> Plan:
    prompt = prompt_to(limits, question, "video", _DESCRIBE)
    asking = call("video", limits, question, provider, prompt)
    plan = Plan(strategy="native", sends=sends, listening=None, asking=asking)
    if isinstance(sends, WholeFile):
        named = _is_located(video) and provider.kind != "device"
        kept = "the video is sent with the name of the place where it was made"
        return replace(plan, warnings=(kept,)) if named else plan
    asking = replace(asking, options=tuple(o for o in asking.options if o != "start_end"))
    if sends.encode:
        size = f"{sends.max_side} pixels and {sends.fps:g} pictures a second"
        warning = f"the video is made smaller first, to {size}"
        return replace(plan, asking=asking, warnings=(warning,))
    plan = replace(plan, asking=asking)
    if sends.clips == 1:
        return plan
    plan = replace(plan, joining=joining(question, provider, prompt))
    warning = f"the video is cut into up to {sends.clips} clips"
    return replace(plan, strategy="segments", warnings=(warning,))


# --- as frames -----------------------------------------------------------------------------------


def _as_frames(video: Media, question: Question, provider: Provider, limits: ImageLimits) -> Plan:
    if not set(limits.mime_types) & {"image/jpeg", "image/png"}:
        raise UnsupportedMedia(
            f"{provider.name} takes neither JPEG nor PNG", hint="use another --provider"
        )
    prompt = question.prompt or _DESCRIBE
    joined = joining(question, provider, prompt)
    seconds = span(video, question)
    work = frame_work(video, question, limits, seconds, joins=joined is not None)
    words = few_frames(work, question)
    asking = call("image", limits, question, provider, prompt)
    several: Strategy = "frame_by_frame" if work.per_call == 1 else "segments"
    return Plan(
        strategy="frames" if work.calls == 1 else several,
        sends=work,
        listening=None,
        asking=asking,
        joining=joined,
        left_out=_too_few(words, question) if work.every is not None else (),
        warnings=(f"{provider.name} {words}",) if words and work.every is None else (),
    )


def _too_few(words: str, question: Question) -> tuple[LeftOut, ...]:
    if not words:
        return ()
    left = LeftOut(words=words, channels=("picture",), start=question.start, end=question.end)
    return (left,)


# --- its sound -----------------------------------------------------------------------------------


def _heard(
    plan: Plan,
    video: Media,
    question: Question,
    provider: Provider,
    listener: Provider | None,
    *,
    native: VideoLimits | None,
) -> Plan:
    plan = replace(plan, start=question.start, end=question.end)
    subtitles = reading(video, question)
    only_reads = native is not None and not native.answers
    if subtitles is not None and (question.timed or not only_reads):
        return replace(plan, listening=subtitles)
    unasked = native is not None and listener is None and not question.timed
    if video.has_sound is False or (native is not None and native.hears and unasked):
        return plan
    instead = "" if listener is not None or provider.kind == "device" else _INSTEAD
    listening = None
    if only_reads and not question.timed:
        # It reads what it is shown, whatever it is told beside that.
        why, instead = f"{provider.name} only reads what is shown", ""
    elif unasked and question.subtitles == "ignore":
        why = f"{provider.name} does not hear it"
    else:
        why = f"{(listener or provider).name} does not take sound"
        try:
            listening = listen(video, question, listener or provider)
        except (MediaTooLarge, UnsupportedMedia) as error:
            why = error.message
    if listening is not None:
        return replace(plan, listening=listening)
    if native is not None and native.hears:
        warning = f"{provider.name} hears the sound, and nobody writes it down: {why}"
        return replace(plan, warnings=(*plan.warnings, warning))
    return _unheard(plan, question, f"{why}{instead}")


_INSTEAD = "; add --audio-provider NAME to have it heard"


def _unheard(plan: Plan, question: Question, why: str) -> Plan:
    left = LeftOut(
        words=f"the sound was not heard: {why}",
        channels=("sound",),
        start=question.start,
        end=question.end,
    )
    return replace(plan, left_out=(*plan.left_out, left))
