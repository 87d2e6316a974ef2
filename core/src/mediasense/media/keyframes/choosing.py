"""Which of the pictures seen are worth paying for: pure decisions, without files or decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mediasense.media.changes import changed_blocks, is_more_than_a_cursor
from mediasense.media.keyframes.budget import Candidate, FrameReason, within_budget
from mediasense.media.keyframes.looks import Want
from mediasense.media.keyframes.spans import STANDS_SECONDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# From this share of the blocks on a change is a new screen.
_NEW_SCREEN = 0.35
# Of film and of scrolling without rest one picture in so many seconds is kept.
_PATIENCE_SECONDS = 3.0
_NEXT_TO_EACH_OTHER = 0.6
_MOSTLY = 0.5
# A block that changed from look to look so often of late is restless: a spinner, a film.
_RESTLESS, _MEMORY = 0.5, 0.7
_REMEMBERED = 6
# A screen that returns is worth less each time: it must stand 1 s, then 4 s, then 16 s.
_RETURN_SECONDS, _RETURN_GROWS = 1.0, 4.0
# The end of a recording that shows what was kept so shortly before is that frame.
_SAME_END_SECONDS = 10.0
_TOLERANCE = 20


class Seen(Protocol):
    """What is judged: a moment, and a small picture of it."""

    @property
    def want(self) -> Want: ...  # noqa: D102
    @property
    def luma(self) -> NDArray[np.uint8]: ...  # noqa: D102


_Seen = TypeVar("_Seen", bound=Seen)
_Kept = TypeVar("_Kept")


@dataclass(slots=True, eq=False)
class _Known:
    """A screen that was kept lately, and how often it came back."""

    luma: NDArray[np.uint8]
    returns: int = 0


@dataclass(slots=True, eq=False)
class _Pending(Generic[_Seen]):
    """A change that has not stood long enough yet."""

    seen: _Seen
    since: float
    needs: float
    share: float
    known: _Known | None


@dataclass(slots=True, eq=False)
class Chooser(Generic[_Seen, _Kept]):
    """Decides, look by look, what is kept.

    Attributes:
        keep: Makes of a look what is kept of it.
        coverage: Keep one at least every so many seconds.
        most: How many there may be in the end.
        drop: Undoes ``keep``, for what is not wanted after all.
        candidates: What was kept, in order of time.
        worthwhile: How many were kept, those dropped since included.
    """

    keep: Callable[[_Seen], _Kept]
    coverage: float
    most: int
    drop: Callable[[_Kept], None]
    candidates: list[Candidate[_Kept]] = field(default_factory=list)
    worthwhile: int = 0
    _known: list[_Known] = field(default_factory=list)
    _shown: NDArray[np.uint8] | None = None
    _latest: _Seen | None = None
    _pending: _Pending[_Seen] | None = None
    _restless: NDArray[np.float64] | None = None
    _moving_since: float | None = None

    def see(self, seen: _Seen) -> None:
        """Judge the next look."""
        if self._shown is None:
            self._keep(seen, seen.want.since, "first", 1.0, None)
        else:
            self._follow_movement(seen)
            self._judge(seen)
            if seen.want.time - self.candidates[-1].timestamp >= self.coverage:
                self._cover(seen)
        self._latest = seen

    def finish(self) -> None:
        """The last look is the end of the recording: what it shows is kept in any case."""
        seen = self._latest
        assert seen is not None
        last = self.candidates[-1]
        if self._pending is not None or self._differs(seen) is not None:
            self._keep(seen, seen.want.time, "last", self._share(seen), None)
        elif seen.want.time - last.timestamp >= _SAME_END_SECONDS:
            self._keep(seen, seen.want.time, "last", 0.0, None)
        elif len(self.candidates) > 1:
            last.reason = "last"
        self.candidates[-1].stood = max(0.0, seen.want.until - self.candidates[-1].timestamp)

    def _follow_movement(self, seen: _Seen) -> None:
        """Remember which blocks change from look to look."""
        import numpy as np

        assert self._latest is not None
        blocks = changed_blocks(self._latest.luma, seen.luma, tolerance=_TOLERANCE)
        near = seen.want.time - self._latest.want.time <= _NEXT_TO_EACH_OTHER
        if self._restless is None or self._restless.shape != blocks.shape or not near:
            self._restless = np.zeros(blocks.shape)
        if not near or not is_more_than_a_cursor(blocks):
            self._moving_since = None
        elif self._moving_since is None:
            self._moving_since = self._latest.want.time
        if near:
            self._restless = self._restless * _MEMORY + blocks * (1 - _MEMORY)

    def _differs(self, seen: _Seen) -> NDArray[np.bool_] | None:
        """Which blocks differ from what was kept last, if more than what never rests."""
        assert self._shown is not None
        blocks = changed_blocks(self._shown, seen.luma, tolerance=_TOLERANCE)
        if self._restless is not None and self._restless.shape == blocks.shape:
            blocks = blocks & (self._restless < _RESTLESS)
        event = seen.want.event or (self._pending is not None and self._pending.seen.want.event)
        return blocks if is_more_than_a_cursor(blocks, event=event) else None

    def _share(self, seen: _Seen) -> float:
        assert self._shown is not None
        return float(changed_blocks(self._shown, seen.luma, tolerance=_TOLERANCE).mean())

    def _judge(self, seen: _Seen) -> None:
        pending, now = self._pending, seen.want.time
        if pending is not None and not self._same(pending.seen.luma, seen):
            self._pending = pending = None
        blocks = self._differs(seen)
        if blocks is None:
            self._pending = None
            self._be_patient(seen)
            return
        if pending is None:
            known = next((k for k in self._known if self._same(k.luma, seen)), None)
            needs = STANDS_SECONDS
            if known is not None:
                needs = _RETURN_SECONDS * _RETURN_GROWS**known.returns
            pending = self._pending = _Pending(
                seen, min(seen.want.since, now), needs, self._share(seen), known
            )
        if seen.want.until - pending.since >= pending.needs:
            reason: FrameReason = "new screen" if pending.share >= _NEW_SCREEN else "change"
            self._keep(seen, pending.since, reason, pending.share, pending.known)
        else:
            self._be_patient(seen)

    def _be_patient(self, seen: _Seen) -> None:
        """What moves for long without rest is kept now and then, if most of it is new."""
        if self._moving_since is None:
            return
        since = max(self._moving_since, self.candidates[-1].timestamp)
        if seen.want.time - since >= _PATIENCE_SECONDS:
            share = self._share(seen)
            if share >= _MOSTLY:
                self._keep(seen, seen.want.time, "new screen", share, None)

    def _same(self, luma: NDArray[np.uint8], seen: _Seen) -> bool:
        blocks = changed_blocks(luma, seen.luma, tolerance=_TOLERANCE)
        if self._restless is not None and self._restless.shape == blocks.shape:
            blocks = blocks & (self._restless < _RESTLESS)
        return not is_more_than_a_cursor(blocks)

    def _cover(self, seen: _Seen) -> None:
        self._keep(seen, seen.want.time, "coverage", self._share(seen), None)

    def _keep(
        self, seen: _Seen, since: float, reason: FrameReason, share: float, known: _Known | None
    ) -> None:
        if self.candidates:
            since = max(since, self.candidates[-1].timestamp)
            self.candidates[-1].stood = since - self.candidates[-1].timestamp
        self.candidates.append(
            Candidate(
                timestamp=since,
                reason=reason,
                share=share,
                kept=self.keep(seen),
                returned=known is not None,
            )
        )
        self.worthwhile += 1
        self._shown, self._pending = seen.luma, None
        self._remember(seen, known, reason)
        if len(self.candidates) >= 4 * self.most + 64:
            self._drop_most()

    def _remember(self, seen: _Seen, known: _Known | None, reason: FrameReason) -> None:
        if known is not None:
            known.returns += 1
        elif reason != "coverage":
            self._known = [*self._known[-_REMEMBERED + 1 :], _Known(seen.luma)]

    def _drop_most(self) -> None:
        """Bound what lies in the folder, whatever the recording shows."""
        chosen = within_budget(self.candidates, 2 * self.most + 32)
        stay = set(map(id, chosen))
        for candidate in self.candidates:
            if id(candidate) not in stay:
                self.drop(candidate.kept)
        self.candidates = chosen
