"""What a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediasense.names import Modality, Option, Strategy
from mediasense.providers import Limits, Provider
from mediasense.steps import LeftOut, Step

if TYPE_CHECKING:
    from mediasense.media.images.fitting import ImageFit
    from mediasense.media.sound import SoundFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kind of call to a provider.

    Attributes:
        provider: Who is asked.
        modality: Which hook answers it.
        model: The model asked, or ``None`` for the one the server offers.
        limits: What the provider, or that model, says of such calls.
        prompt: What is asked; of a transcript that is still to come, what is asked about it.
        options: The options of the question that this call carries.
        streaming: Whether its answer may arrive piece by piece.
    """

    provider: Provider
    modality: Modality
    model: str | None
    limits: Limits
    prompt: str | None
    options: tuple[Option, ...]
    streaming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFile:
    """The recording is sent as it is: the file, or the URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWork:
    """Images are sent.

    Attributes:
        fits: What is done to each, in their order.
        per_call: How many go into one call at most.
    """

    fits: tuple[ImageFit, ...]
    per_call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWork:
    """Frames of a recording are sent as images.

    Attributes:
        most: How many are chosen at most.
        possible: How many could be, if more were asked for.
        every: A frame each so many seconds; ``None`` chooses key frames.
        wanted: How many that would be, as far as that is known.
        apart: Seconds between two, where ``every`` would be more than ``most``; else ``every``.
        per_call: How many images one call takes.
        calls: How many calls there may be.
        width, height: Pixels of a frame at most.
        sheet_side: Pixels of each side of a contact sheet at most.
        max_bytes: Bytes of an image at most.
        mime_type: What the images become.
    """

    most: int
    possible: int
    every: float | None
    wanted: int | None
    apart: float | None
    per_call: int
    calls: int
    width: int
    height: int
    sheet_side: int
    max_bytes: int | None
    mime_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipWork:
    """The video is copied or encoded before it is sent.

    Attributes:
        encode: Whether it is made smaller; else its packets are copied.
        max_bytes, max_seconds: Of one clip.
        clips: How many there are at most.
        max_side, fps: Of an encoded clip; a copied one keeps what it has.
    """

    encode: bool
    max_bytes: int | None
    max_seconds: float | None
    clips: int
    max_side: int
    fps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundWork:
    """The sound is taken out, and cut where it is too long.

    Attributes:
        format: What it becomes.
        mime_type: The type of that.
        max_bytes, max_seconds: Of one piece.
        pieces: How many there are at most.
        skip_silence: Whether pauses are shortened.
        expected_bytes: Of all pieces together, at most.
    """

    format: SoundFormat
    mime_type: str
    max_bytes: int | None
    max_seconds: float | None
    pieces: int
    skip_silence: bool
    expected_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How what is said becomes text.

    Attributes:
        call: Who writes it down; ``None`` when the recording's own subtitles are read.
        sends: What is sent for it; ``None`` for subtitles.
        track: The subtitle track that is read.
    """

    call: Call | None
    sends: WholeFile | SoundWork | None
    track: int | None = None


Sending = WholeFile | ImageWork | FrameWork | ClipWork | SoundWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done.

    Attributes:
        strategy: In one word.
        sends: What the asking carries; ``None`` for text alone.
        listening: How what is said becomes text; ``None`` when it does not.
        asking: The call that looks, listens or reads; ``None`` when the transcript is the answer.
        joining: The call that makes one answer of several; ``None`` when they are put one after
            the other, or there is only one.
        start, end: The part of the recording that is asked about; ``None`` is its start or end.
        left_out: What nobody will see or hear, and why.
        warnings: What else to know.
        steps: All of it in words, in order, with an estimate for each.
    """

    strategy: Strategy
    sends: Sending | None
    listening: Listening | None
    asking: Call | None
    joining: Call | None = None
    start: float | None = None
    end: float | None = None
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every kind of call in it, in order."""
        listening = self.listening.call if self.listening else None
        return tuple(c for c in (listening, self.asking, self.joining) if c is not None)

    @property
    def tokens(self) -> int | None:
        """Input tokens of all calls, about; ``None`` when any is unknown."""
        known = [step.tokens for step in self.steps if step.calls]
        return None if None in known else sum(tokens or 0 for tokens in known)

    @property
    def cost(self) -> float | None:
        """US dollars, about; ``None`` when any call's is unknown."""
        known = [step.cost for step in self.steps if step.calls]
        return None if None in known else sum(cost or 0.0 for cost in known)
