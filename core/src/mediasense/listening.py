"""What is said in a recording, as text with times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mediasense.errors import MediasenseError
from mediasense.media.recordings.tracks import read_subtitles
from mediasense.media.sound import SoundPiece
from mediasense.media.workspace import Workspace
from mediasense.pacing.pacer import Stopped
from mediasense.parts.sounds import sound_of, take_sound
from mediasense.planning.plans import Call, Listening, Plan, SoundWork
from mediasense.prompts import Transcript
from mediasense.steps import Step
from mediasense.sums import cost_of, tokens_of
from mediasense.together import together
from mediasense.types import Answer, Media, Question, Segment

Hear = Callable[[Call, Media, str | None], Answer]
"""Has one sound written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of listening.

    Attributes:
        transcript: What is said.
        answers: Of all calls.
        steps: What was done.
        warnings: What else to know.
    """

    transcript: Transcript
    answers: tuple[Answer, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A piece of sound that is sent, and where it stands in the recording."""

    media: Media
    start: float
    end: float
    sound: SoundPiece | None

    def in_time(self, segment: Segment) -> Segment:
        """A segment with the times of the recording."""
        if self.sound is None:
            return segment
        return replace(
            segment,
            start=self.sound.true_time(segment.start),
            end=self.sound.true_time(segment.end),
            words=tuple(
                replace(
                    word,
                    start=self.sound.true_time(word.start),
                    end=self.sound.true_time(word.end),
                )
                for word in segment.words
            ),
        )


def listen(plan: Plan, media: Media, question: Question, hear: Hear, workspace: Workspace) -> Heard:
    """Have what is said in a recording written down, or read its subtitles.

    Args:
        plan: How.
        media: The recording.
        question: Its ``min_confidence`` and ``jobs`` count.
        hear: Makes one call.
        workspace: Where pieces of sound are kept.

    Raises:
        MediasenseError: Of the class that fits the failure.
    """
    listening = plan.listening
    assert listening is not None
    if listening.call is None:
        return _subtitles(plan, listening, media, workspace)
    pieces = [_whole(plan, media)]
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    if isinstance(listening.sends, SoundWork):
        taken = take_sound(plan, listening.sends, media, workspace)
        pieces = [_piece(piece) for piece in taken.sound.pieces]
        steps = (taken.step,)
        warnings = (taken.sound.damage,) if taken.sound.damage else ()
    if not pieces:
        silent = ("the recording is silent: nothing was sent to be written down",)
        empty = Transcript(segments=(), text="", timed=True)
        return Heard(transcript=empty, steps=steps, warnings=warnings + silent)
    workspace.report("waiting for the transcript")
    call = listening.call
    answers = together(
        [partial(hear, call, piece.media, call.prompt) for piece in pieces],
        jobs=question.jobs,
        settles=(MediasenseError, Stopped),
    )
    step = _transcribed(call, pieces, answers)
    transcript, dropped = _assembled(pieces, answers, question.min_confidence)
    told = tuple(w for answer in answers for w in answer.warnings)
    if question.timed and not transcript.timed:
        told += (f"{call.provider.name} told no times: each text stands for all that was sent",)
    return Heard(
        transcript=transcript,
        answers=tuple(answers),
        steps=(*steps, step),
        warnings=(*warnings, *told, *dropped),
    )


def _subtitles(plan: Plan, listening: Listening, media: Media, workspace: Workspace) -> Heard:
    segments = workspace.decode(
        partial(
            read_subtitles,
            source=workspace.file_of(media),
            track=listening.track or 0,
            start=plan.start,
            end=plan.end,
        ),
        "reading subtitles",
    )
    step = Step(
        action="subtitles",
        words=f"subtitle track {(listening.track or 0) + 1} of the recording",
        channels=("sound",),
        start=plan.start or 0.0,
        end=media.seconds if plan.end is None else plan.end,
    )
    text = "\n".join(segment.text for segment in segments)
    return Heard(transcript=Transcript(segments=segments, text=text, timed=True), steps=(step,))


def _whole(plan: Plan, media: Media) -> _Piece:
    start = plan.start or 0.0
    end = plan.end if plan.end is not None else media.seconds
    return _Piece(media=media, start=start, end=max(start, end or start), sound=None)


def _piece(piece: SoundPiece) -> _Piece:
    return _Piece(media=sound_of(piece), start=piece.start, end=piece.end, sound=piece)


def _transcribed(call: Call, pieces: Sequence[_Piece], answers: Sequence[Answer]) -> Step:
    sizes = [piece.media.size for piece in pieces]
    return Step(
        action="transcribe",
        words="the speech",
        channels=("sound",),
        start=pieces[0].start,
        end=pieces[-1].end,
        provider=call.provider.name,
        model=answers[-1].model,
        calls=len(answers),
        bytes=None if None in sizes else sum(size or 0 for size in sizes),
        tokens=tokens_of(answers),
        cost=cost_of(answers),
        cached=sum(answer.cached for answer in answers),
    )


def _assembled(
    pieces: Sequence[_Piece], answers: Sequence[Answer], floor: float | None
) -> tuple[Transcript, tuple[str, ...]]:
    """The transcript of all pieces, and what to know of what was left out of it."""
    segments: list[Segment] = []
    texts: list[str] = []
    doubted, judged, timed = 0, False, True
    for piece, answer in zip(pieces, answers, strict=True):
        if not answer.segments:
            timed = timed and not answer.text.strip()
            texts.append(answer.text)
            if answer.text.strip():
                segments.append(Segment(start=piece.start, end=piece.end, text=answer.text))
            continue
        judged = judged or any(s.confidence is not None for s in answer.segments)
        sure = [s for s in answer.segments if not _doubted(s, floor)]
        doubted += len(answer.segments) - len(sure)
        segments += map(piece.in_time, sure)
        whole = len(sure) == len(answer.segments)
        texts.append(answer.text if whole else " ".join(s.text.strip() for s in sure))
    transcript = Transcript(
        segments=tuple(segments),
        text=texts[0] if len(texts) == 1 else "\n".join(filter(None, map(str.strip, texts))),
        timed=timed,
        language=next((a.language for a in answers if a.language), None),
    )
    return transcript, _doubts(doubted, floor, judged=judged)


def _doubted(segment: Segment, floor: float | None) -> bool:
    return floor is not None and segment.confidence is not None and segment.confidence < floor


def _doubts(doubted: int, floor: float | None, *, judged: bool) -> tuple[str, ...]:
    if floor is None:
        return ()
    if not judged:
        return ("the service tells no confidence: --min-confidence left nothing out",)
    if not doubted:
        return ()
    return (f"{doubted} segments heard with a confidence below {floor:g} were left out",)
