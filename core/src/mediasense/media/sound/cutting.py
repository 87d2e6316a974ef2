"""What of a sound is left out, and where it is cut.

Two steps pass samples on with their true positions: :class:`SilenceSkipper` leaves out the middle
of long pauses, :class:`Cutter` ends a file before it would be too long or too large. Both hold a
bounded window of samples, whatever the length of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mediasense.errors import MediaTooLarge
from mediasense.media.sound.encoders import Encoder
from mediasense.media.sound.pieces import SoundPiece, Timeline
from mediasense.media.sound.resampling import RATE, WIDTH
from mediasense.media.sound.samples import Span
from mediasense.media.sound.silence import best_cut, marked_runs

_KEPT_BYTES = 3 * RATE // 10 * WIDTH  # 0.3 s at either side: the ends of words are quiet
_LONG_SAMPLES = 2 * RATE

_WINDOW_SECONDS = 30
_LEAST_SAMPLES = RATE


class SilenceSkipper:
    """Leaves out the middle of pauses of two seconds and more; all of those at the ends."""

    def __init__(self) -> None:
        self._pause = bytearray()  # the silence before what comes next, as far as it is kept
        self._pause_samples = 0
        self._at = 0  # the sample at the front of _pause, or that comes next
        self._spoken = False

    def pass_on(self, spans: Iterator[Span]) -> Iterator[Span]:
        """Give what is kept."""
        for run in marked_runs(spans):
            if run.span.first != self._at + len(self._pause) // WIDTH:  # the recording has a gap
                yield from self._end()
                self._at = run.span.first
            if run.silent:
                yield from self._grow(run.span)
            else:
                yield self._speak(run.span)
        yield from self._end()

    def _grow(self, span: Span) -> Iterator[Span]:
        """Add to a pause; where it is long enough, keep its ends only."""
        was_long = self._is_long()
        self._pause += span.pcm
        self._pause_samples += len(span.pcm) // WIDTH
        if not self._is_long():
            return
        if not was_long and self._spoken:
            yield self._take(_KEPT_BYTES)
        self._take(len(self._pause) - _KEPT_BYTES)

    def _speak(self, span: Span) -> Span:
        if not self._spoken:
            self._take(len(self._pause) - _KEPT_BYTES)
        self._spoken = True
        self._pause += span.pcm
        self._pause_samples = 0
        return self._take(len(self._pause))

    def _end(self) -> Iterator[Span]:
        rest = self._take(len(self._pause))
        if rest.pcm and self._spoken and not self._is_long():
            yield rest
        self._pause_samples = 0

    def _is_long(self) -> bool:
        return self._pause_samples >= _LONG_SAMPLES

    def _take(self, size: int) -> Span:
        """Remove from the front what is given on, or left out."""
        span = Span(self._at, bytes(self._pause[: max(0, size)]))
        del self._pause[: max(0, size)]
        self._at = span.after
        return span


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What no piece may exceed.

    Attributes:
        samples: How many it may have; ``None`` for any number.
        size: How many bytes its file may have; ``None`` for any number.
        fitting: How many samples surely fit in ``size``.
        ceiling: How many bytes a file of the format can have at most, wherever it is then cut.
    """

    samples: int | None = None
    size: int | None = None
    fitting: int | None = None
    ceiling: int | None = None

    @property
    def window(self) -> int:
        """How many samples at the end of a piece are held to choose the cut among: 0 is none."""
        known = [count for count in (self.samples, self.fitting) if count is not None]
        return min(_WINDOW_SECONDS * RATE, min(known) // 3) if known else 0

    def check(self) -> None:
        """Refuse limits that leave no room for a second of sound.

        Raises:
            MediaTooLarge: So it is.
        """
        if self.fitting is not None and self.fitting < _LEAST_SAMPLES:
            raise MediaTooLarge(
                f"a piece of {self.size} bytes cannot hold a second of sound",
                hint="raise the limit, or choose a format that compresses more",
            )
        if self.samples is not None and self.samples < _LEAST_SAMPLES:
            raise ValueError("a piece of less than a second of sound")


class Cutter:
    """Writes samples into files, and begins a new one at a pause before a limit is passed."""

    def __init__(self, limits: Limits, begin: Callable[[], Encoder]) -> None:
        limits.check()
        self._limits = limits
        self._begin = begin
        self._encoder: Encoder | None = None
        self._held = bytearray()
        self._timeline = Timeline()
        self._pieces: list[SoundPiece] = []

    def add(self, span: Span) -> None:
        """Write samples, which follow those before, with or without a gap in true time."""
        window = self._limits.window
        if not window:
            self._add_whole(span)
            return
        step = min(RATE, max(1, window // 4))
        for at in range(0, len(span.pcm) // WIDTH, step):
            pcm = span.pcm[at * WIDTH : (at + step) * WIDTH]
            self._add_step(span.first + at, pcm, window)

    def finish(self) -> tuple[SoundPiece, ...]:
        """End the last file; give all."""
        if self._timeline.samples:
            self._write(bytes(self._held))
            self._held.clear()
            self._close()
        return tuple(self._pieces)

    def abandon(self) -> None:
        """Remove the file that is not finished."""
        if self._encoder is not None:
            self._encoder.abandon()

    def _add_whole(self, span: Span) -> None:
        count, ceiling = len(span.pcm) // WIDTH, self._limits.ceiling
        if ceiling is not None and not self._current().fits(count, ceiling):
            self._close()
        self._timeline.add(span.first, count)
        self._write(span.pcm)

    def _add_step(self, first: int, pcm: bytes, window: int) -> None:
        count = len(pcm) // WIDTH
        while self._held and not self._fits(count):
            self._cut()
        self._held += pcm
        self._timeline.add(first, count)
        # Whole seconds: encoders are slow with crumbs.
        excess = (len(self._held) // WIDTH - window) // RATE * RATE
        if excess > 0:
            self._write(bytes(self._held[: excess * WIDTH]))
            del self._held[: excess * WIDTH]

    def _fits(self, count: int) -> bool:
        limits = self._limits
        if limits.samples is not None and self._timeline.samples + count > limits.samples:
            return False
        held = len(self._held) // WIDTH + count
        return limits.size is None or self._current().fits(held, limits.size)

    def _cut(self) -> None:
        """End the piece at the best place in what is held of it; the rest begins the next."""
        held = len(self._held) // WIDTH
        place = best_cut(self._held[-self._limits.window * WIDTH :])
        place += held - min(held, self._limits.window)
        self._write(bytes(self._held[: place * WIDTH]))
        del self._held[: place * WIDTH]
        rest = self._timeline.split(self._timeline.samples - (held - place))
        self._close()
        self._timeline = rest

    def _current(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._begin()
        return self._encoder

    def _write(self, pcm: bytes) -> None:
        if pcm:
            self._current().add(pcm)

    def _close(self) -> None:
        encoder = self._current()
        size = encoder.close()
        if self._limits.size is not None and size > self._limits.size:
            raise MediaTooLarge(f"a piece of {size} bytes came out, and {self._limits.size} fit")
        self._pieces.append(
            SoundPiece(
                path=encoder.path,
                mime_type=encoder.mime_type,
                size=size,
                seconds=self._timeline.samples / RATE,
                stretches=self._timeline.stretches(),
            )
        )
        self._encoder, self._timeline = None, Timeline()
