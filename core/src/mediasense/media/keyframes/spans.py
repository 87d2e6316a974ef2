"""Where the picture changes between two key frames, as the sizes of the packets there say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mediasense.media.keyframes.packets import Packets

STANDS_SECONDS = 0.8
"""What changes again sooner was on its way to something, or did not last."""

SETTLED_SECONDS = 0.3
"""So long after the last larger packet a change has come to stand."""

_PATIENCE_SECONDS = 3.0
_FEW_A_SECOND = 5.0
# After a key frame encoders make better what it left coarse, at a small part of its bytes; and
# again with the next frame that others build on, at a small part of the first time.
_REFINING_SECONDS, _REFINING_SHARE = 0.25, 0.01
_AGAIN_SECONDS, _AGAIN_SHARE = 0.5, 0.25

# Bytes above those of a still picture, against the bytes that a block of the key frame takes. A
# cursor takes 10 blocks' worth at most, a status text of 80 by 16 pixels 16 or more.
_WEAK = 4.0
_STRONG = 12.0
_LEAST_WEAK, _LEAST_STRONG = 16, 64
# A cursor that moves makes all packets larger: what changes then must stand out, or be large.
_OUTSTANDING, _CERTAIN, _ENDING = 2.5, 4.0, 0.5
_AROUND = 15  # packets, half a second or so


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The packets of a group in the order in which they are shown."""

    times: NDArray[np.float64]
    sizes: NDArray[np.int64]
    inner_keys: NDArray[np.bool_]
    key_size: int
    end: float
    floor: float

    @classmethod
    def of(cls, packets: Packets, begin: int, stop: int) -> Span:
        """The packets from number ``begin``, a key frame, up to that before ``stop``."""
        import numpy as np

        part = slice(begin, stop)
        order = np.argsort(packets.times[part], kind="stable")
        times, sizes = packets.times[part][order], packets.sizes[part][order]
        keys = packets.keys[part].copy()
        keys[0] = False
        others = packets.sizes[part][1:][~keys[1:]]
        after = packets.end if stop == len(packets.times) else packets.times[stop]
        return cls(
            times=times,
            sizes=np.where(order == 0, 0, sizes),  # the key frame itself is looked at anyway
            inner_keys=keys[order],
            key_size=int(packets.sizes[begin]),
            end=max(float(after), float(times[-1])),
            floor=float(np.percentile(others, 10)) if len(others) else np.inf,
        )

    @property
    def start(self) -> float:
        """When the key frame is shown."""
        return float(self.times[0])

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    @property
    def last_interval(self) -> float:
        """From the last key frame to that of the next group."""
        last = self.times[self.inner_keys]
        return self.end - (float(last[-1]) if len(last) else self.start)

    @property
    def sparse(self) -> bool:
        """Whether it has few frames a second, each of which may stand long."""
        return len(self.times) < _FEW_A_SECOND * self.seconds

    def settled(self, run: Run) -> float:
        """A little after a run of changes."""
        return min(run.end + SETTLED_SECONDS, float(self.times[-1]))


@dataclass(frozen=True, slots=True)
class Run:
    """Larger packets, none of them long after the one before."""

    start: float
    end: float

    @property
    def long(self) -> bool:
        """Whether too long for waiting until it rests."""
        return self.end - self.start > _PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Busy:
    """Where packets are larger than those of a still picture, and much larger."""

    floor: float
    weak: list[Run]
    strong: list[Run]

    @classmethod
    def of(cls, span: Span, floor: float, blocks: float, *, moving: bool) -> Busy:
        """Compare packets with those of a still picture.

        Args:
            span: The packets.
            floor: Bytes of a packet that brings nothing.
            blocks: How many blocks of 16 x 16 pixels the picture has.
            moving: Whether the packets before ended in the midst of a change.
        """
        above = span.sizes - min(floor, 1e18)
        a_block = span.key_size / blocks
        least = max(_LEAST_STRONG, _STRONG * a_block)
        outstanding = (above > _OUTSTANDING * _around(above)) | (above > _CERTAIN * least)
        strong = ((above > least) & outstanding) | span.inner_keys
        weak = (above > max(_LEAST_WEAK, _WEAK * a_block)) | strong
        if not moving:
            refined = _refined(span, above)
            strong &= ~refined
            weak &= ~refined
        # What begins strong ends with what still stands out: the last letters of a line.
        ending = (above > _ENDING * least) & outstanding & weak
        began = span.times[strong]
        runs = [
            run
            for run in _runs(span.times[strong | ending])
            if ((began >= run.start) & (began <= run.end)).any()
        ]
        return cls(floor, _runs(span.times[weak]), runs)

    def changes(self, start: float, end: float) -> bool:
        """Whether anything changes much in these seconds."""
        return any(start <= run.end and run.start <= end for run in self.strong)


def _refined(span: Span, above: NDArray[Any]) -> NDArray[np.bool_]:
    """Which packets only make better what the key frame left coarse."""
    import numpy as np

    after = span.times - span.start
    first = (after < _REFINING_SECONDS) & ~span.inner_keys
    spent = above[first].sum()
    if spent >= _REFINING_SHARE * span.key_size:
        return np.zeros(len(above), np.bool_)
    again = (after < _AGAIN_SECONDS) & ~span.inner_keys & (above < _AGAIN_SHARE * spent)
    refined: NDArray[np.bool_] = first | again
    return refined


def _around(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """The middle one of the sizes before each, or of those after it if that is larger."""
    import numpy as np

    padded = np.pad(sizes, _AROUND, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _AROUND)
    middles = np.median(windows, axis=1)
    around: NDArray[np.float64] = np.maximum(
        middles[: len(sizes)], middles[_AROUND + 1 : _AROUND + 1 + len(sizes)]
    )
    return around


def _runs(times: NDArray[np.float64]) -> list[Run]:
    import numpy as np

    if not len(times):
        return []
    gaps = np.flatnonzero(np.diff(times) > STANDS_SECONDS)
    starts = times[np.append(0, gaps + 1)]
    ends = times[np.append(gaps, len(times) - 1)]
    return [Run(float(a), float(b)) for a, b in zip(starts, ends, strict=True)]
