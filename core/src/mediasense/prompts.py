"""What a model is told besides the question: what it is shown, when, and what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mediasense.steps import clock
from mediasense.types import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        segments: With their times; where the service gives none, one for each piece it was sent.
        text: All of it.
        timed: Whether the times are the service's own.
        language: As the service names it.
    """

    segments: tuple[Segment, ...]
    text: str
    timed: bool
    language: str | None = None

    def between(self, start: float | None, end: float | None) -> tuple[Segment, ...]:
        """The segments that are heard in a part of the recording."""
        return tuple(
            s
            for s in self.segments
            if (end is None or s.start < end) and (start is None or s.end > start)
        )


UNHEARD = "Nobody listened to the sound of the recording: say nothing about it."


def about_images(prompt: str, notes: Sequence[str]) -> str:
    """A question about images, some of which are parts of others."""
    told = [f"Image {n}: {note}." for n, note in enumerate(notes, 1) if note]
    return _paragraphs(prompt, "\n".join(told))


def about_frames(prompt: str, notes: Sequence[str], said: str, part: str) -> str:
    """A question about frames of a recording.

    Args:
        prompt: The question.
        notes: What each image is: its time, or the times on a contact sheet.
        said: What is said meanwhile, or that nobody listened.
        part: Which part of the recording this is; ``""`` for the whole.
    """
    one = len(notes) == 1
    shown = "The image is" if one else f"The {len(notes)} images are, in this order,"
    times = "; ".join(notes)
    return _paragraphs(prompt, part, f"{shown} what a recording shows at: {times}.", said)


def sheet_note(times: Sequence[float], columns: int) -> str:
    """What a contact sheet shows."""
    listed = ", ".join(map(clock, times))
    return f"{listed} (one sheet, {columns} in a row, each with its time below it)"


def about_clip(prompt: str, said: str, part: str, begins: str) -> str:
    """A question about a recording that is sent itself, whole or in part."""
    return _paragraphs(prompt, part, begins, said)


def about_transcript(prompt: str, transcript: Transcript) -> str:
    """A question about what is said."""
    return _paragraphs(
        prompt, f"This is the transcript of the recording:\n\n{spoken(transcript.segments)}"
    )


def what_is_said(segments: Sequence[Segment]) -> str:
    """What is said in the recording, to be told beside its pictures."""
    if not segments:
        return "Nothing is said in the recording meanwhile."
    return f"What is said in the recording meanwhile:\n\n{spoken(segments)}"


def spoken(segments: Sequence[Segment]) -> str:
    """Segments as lines with their times."""
    return "\n".join(
        f"[{clock(s.start)}-{clock(s.end)}] {f'{s.speaker}: ' if s.speaker else ''}{s.text.strip()}"
        for s in segments
    )


def part_of(number: int, count: int, start: float | None, end: float | None) -> str:
    """Which part of a recording this is; number 0 is one that nobody planned."""
    if count == 1:
        return ""
    which = f"part {number} of {count}" if number else "one part"
    times = (
        f", from {clock(start)} to {clock(end)}" if start is not None and end is not None else ""
    )
    return (
        f"This is {which} of a recording{times}. Answer for this part alone; the "
        "answers for all parts will be joined. Give times from the start of the whole recording."
    )


def begins_at(start: float) -> str:
    """What to add to the times of a clip."""
    return "" if start < 0.05 else f"Its own time 0:00 is {clock(start)} of the recording."


def with_note(prompt: str, note: str) -> str:
    """A question about one frame, with what was found on the frame before it."""
    return _paragraphs(prompt, f"Found on the frame before this one:\n\n{note}") if note else prompt


def join(prompt: str, headings: Sequence[str], answers: Sequence[str]) -> str:
    """One answer of those for several parts."""
    parts = "\n\n".join(
        f"## {heading}\n\n{answer.strip()}"
        for heading, answer in zip(headings, answers, strict=True)
    )
    return _paragraphs(
        prompt,
        "The question above was asked about each part of the media. These are the answers, in "
        "order. Make one answer to the question of them; keep every time that they name, and leave "
        "out that there were parts.",
        parts,
    )


def as_json(prompt: str, schema: str) -> str:
    """A question whose answer is to be JSON, for who is not held to it by the service."""
    return _paragraphs(
        prompt,
        "Answer with JSON alone, that fits this JSON Schema: no other word, and no code fence.",
        schema,
    )


def noting_for(prompt: str, schema: str) -> str:
    """A question about a part, where the answers for all parts become JSON."""
    return _paragraphs(
        prompt,
        "Of the answers for all parts, JSON that fits this JSON Schema will be made. Answer in "
        "words, with all that this part tells of what it asks for.",
        schema,
    )


def again(prompt: str, answer: str, misfits: Sequence[str]) -> str:
    """A question once more, after an answer that does not fit.

    Args:
        prompt: What was asked.
        answer: What was answered, as much of it as is to be told.
        misfits: Where and why it does not fit.
    """
    return _paragraphs(
        prompt,
        "To this you answered:",
        answer,
        "That does not fit the JSON Schema:",
        "\n".join(f"- {misfit}" for misfit in misfits),
        "Answer anew, with the whole JSON and nothing else.",
    )


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
