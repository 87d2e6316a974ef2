"""From a request to an answer: decode, hear, tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mediasense import Answer, AudioRequest, OnText, Segment, Usage, Word
from mediasense_whisper_local.ear import RATE, ear_for, samples_of
from mediasense_whisper_local.provider import MODEL

if TYPE_CHECKING:
    from faster_whisper.transcribe import Segment as Found
    from faster_whisper.transcribe import Word as FoundWord

_SHORT = 0.5
"""Seconds: so much may a sound be shorter than its container says."""


def hear(request: AudioRequest, on_text: OnText | None) -> Answer:
    """Write down what is said.

    Args:
        request: What to listen to.
        on_text: Called with the text of each segment as soon as it is heard.

    Raises:
        MediaError: The sound cannot be decoded.
        ProviderError: There is no such model, or it cannot be fetched.
    """
    name = request.model or MODEL
    ear = ear_for(name)
    limits = request.provider.audio
    samples = samples_of(request.audio, max_seconds=limits.max_seconds if limits else None)
    seconds = len(samples) / RATE
    text = _Text(on_text)
    segments: list[Segment] = []
    with ear.hears(samples, request.language) as heard:
        for found in heard.segments:
            segments.append(_segment(found, seconds))
            text.add(found.text)
    return Answer(
        text=text.whole,
        model=name,
        usage=Usage(seconds=round(seconds, 3)),
        finish_reason="stop",
        segments=tuple(segments),
        language=heard.language,
        warnings=_warnings(text.whole, seconds, request.audio.seconds),
    )


class _Text:
    """Text that grows; told in pieces that come to the same, without spaces at its ends.

    Args:
        on_text: Who is told.

    Attributes:
        whole: What it has come to.
    """

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._space = ""
        self.whole = ""

    def add(self, text: str) -> None:
        """Add a piece; its last spaces wait for what comes after them."""
        piece = self._space + text if self.whole else text.lstrip()
        kept = piece.rstrip()
        self._space = piece[len(kept) :]
        if not kept:
            return
        self.whole += kept
        if self._on_text is not None:
            self._on_text(kept)


def _segment(found: Found, seconds: float) -> Segment:
    """A segment within the sound: Whisper hears 30 seconds of whatever is shorter."""
    start = _within(found.start, 0.0, seconds)
    end = _within(found.end, start, seconds)
    return Segment(
        start=start,
        end=end,
        text=found.text.strip(),
        confidence=_likelihood(found.avg_logprob),
        words=tuple(_word(word, start, end) for word in found.words or () if word.word.strip()),
    )


def _word(found: FoundWord, start: float, end: float) -> Word:
    begins = _within(found.start, start, end)
    return Word(
        start=begins,
        end=_within(found.end, begins, end),
        text=found.word.strip(),
        # The mean of its tokens' probabilities (find_alignment, faster-whisper 1.2.1).
        confidence=_within(found.probability, 0.0, 1.0),
    )


def _likelihood(logarithm: float) -> float:
    """That of an average token: the exponential of the mean of their logarithms.

    It is ``avg_logprob`` of Whisper, one for all that was heard in one stretch of 30 seconds.
    """
    return _within(math.exp(min(0.0, logarithm)), 0.0, 1.0)


def _within(value: float, least: float, most: float) -> float:
    """A plain number between two others; faster-whisper gives NumPy's."""
    return min(max(least, float(value)), most) if math.isfinite(value) else least


def _warnings(text: str, seconds: float, told: float | None) -> tuple[str, ...]:
    warnings = []
    if told is not None and seconds < told - max(_SHORT, told / 100):
        warnings.append(f"Only {seconds:.1f} of {told:.1f} seconds could be decoded.")
    if not text:
        warnings.append("No speech was heard.")
    return tuple(warnings)
