"""What is tried of a provider, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mediasense.names import Modality
from mediasense.providers import Access, AudioLimits, ImageLimits, TextLimits, VideoLimits
from mediasense.types import Answer

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
