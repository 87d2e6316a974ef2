"""A ready question, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mediasense.names import MediaModality


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question that is written down once, and asked by its name.

    Attributes:
        name: What it is called.
        description: What it is for, in one line.
        modalities: The kinds of media it can be asked about.
        prompt: The question; ``None`` asks for what is said, and takes a video for its sound.
        image_prompt, video_prompt, audio_prompt: The question about one kind of media, where it is
            another one.
        schema: The JSON Schema of the answer, as JSON text; ``None`` for an answer in words.
        reads: Whether a provider that only reads what is there answers it.
        timed: Whether what is said is wanted with its times, and refused without.
        path: The user's own file; ``None`` for a task that comes with mediasense.
    """

    name: str
    description: str
    modalities: tuple[MediaModality, ...]
    prompt: str | None = None
    image_prompt: str | None = None
    video_prompt: str | None = None
    audio_prompt: str | None = None
    schema: str | None = None
    reads: bool = False
    timed: bool = False
    path: Path | None = field(default=None, repr=False, compare=False)

    def prompt_for(self, modality: MediaModality) -> str | None:
        """The question about a kind of media; ``None`` for what is said in it."""
        own = {
            "image": self.image_prompt,
            "video": self.video_prompt,
            "audio": self.audio_prompt,
        }
        return own[modality] or self.prompt
