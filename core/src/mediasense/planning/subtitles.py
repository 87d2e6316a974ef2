"""Subtitles of a recording that are read in place of a transcript."""

from __future__ import annotations

from mediasense.planning.languages import same_language
from mediasense.planning.limits import facts
from mediasense.planning.plans import Listening, Plan
from mediasense.types import Media, Question, SubtitleTrack


def reading(media: Media, question: Question) -> Listening | None:
    """How the recording's own subtitles become text; ``None`` when they are not to be read.

    Args:
        media: The recording.
        question: Its ``subtitles`` and ``language`` count.
    """
    found = facts(media)
    if question.subtitles != "prefer" or found is None or not found.subtitles:
        return None
    track = _of_language(found.subtitles, question.language) or found.subtitles[0]
    return Listening(call=None, sends=None, track=track.index)


def subtitle_warnings(plan: Plan, media: Media, question: Question) -> tuple[str, ...]:
    """What to know of subtitles that are preferred, and are not there or in another language."""
    if question.subtitles != "prefer":
        return ()
    if media.uri is not None:
        return ("a link is not searched for subtitles",)
    found = facts(media)
    if found is None or not found.subtitles:
        return ("the recording has no subtitles",)
    read = plan.listening is not None and plan.listening.track is not None
    if not read or question.language is None:
        return ()
    if _of_language(found.subtitles, question.language) is not None:
        return ()
    first = found.subtitles[0].language
    named = f", in {first}," if first else ""
    return (f"no subtitles are in {question.language}: the first track{named} is read",)


def _of_language(tracks: tuple[SubtitleTrack, ...], wanted: str | None) -> SubtitleTrack | None:
    return next((t for t in tracks if wanted and same_language(wanted, t.language)), None)
