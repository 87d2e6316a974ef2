"""What is done to answer a question, in the words that a plan and an answer share."""

from __future__ import annotations

from dataclasses import dataclass

from mediasense.names import Action, Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is done: in a plan at most this, in an answer exactly this.

    Attributes:
        action: In a word or two.
        words: In a few more.
        channels: Which information of a recording it carries; none for images and text.
        start, end: Which seconds of the recording it covers; ``None`` for images and text.
        provider, model: Who is asked; ``None`` for what is done on this machine.
        calls: How many calls to the provider.
        images: How many images are sent, all calls together.
        bytes: How many bytes of media are sent, all calls together; ``None`` when not known.
        tokens: Input tokens, estimated in a plan, reported in an answer; ``None`` is unknown.
        cost: US dollars, estimated in a plan, from what was reported in an answer; ``None`` is
            unknown, never zero.
        cached: How many of the calls were not made, since their answers were kept.
    """

    action: Action
    words: str
    channels: tuple[Channel, ...] = ()
    start: float | None = None
    end: float | None = None
    provider: str | None = None
    model: str | None = None
    calls: int = 0
    images: int | None = None
    bytes: int | None = None
    tokens: int | None = None
    cost: float | None = None
    cached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something of the media that no model sees or hears, and why.

    Attributes:
        words: What and why, as a sentence.
        channels: Which information it is.
        start, end: Which seconds of the recording; ``None`` for all of them, and for images.
    """

    words: str
    channels: tuple[Channel, ...] = ()
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameUsed:
    """A frame of a recording that was sent.

    Attributes:
        timestamp: Seconds from the start of the recording.
        reason: Why it was chosen: ``first``, ``last``, ``new screen``, ``change``, ``coverage`` or
            ``asked``.
    """

    timestamp: float
    reason: str


def clock(seconds: float) -> str:
    """Seconds as people write them, with a tenth: ``0:07.5``, ``1:02:03.0``."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minute = divmod(minutes, 60)
    second = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minute:02d}:{second}" if hours else f"{minute}:{second}"


def size(count: int) -> str:
    """Bytes as people write them: ``4.1 MB``."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
