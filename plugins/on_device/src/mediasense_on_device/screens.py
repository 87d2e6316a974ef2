"""What a recording shows: its screens, one after the other, each as what changed on it.

A recording is watched a few times a second. What differs from the last screen is a new screen as
soon as it stands still, or has moved for a second: text that is scrolled or faded in is read when
it can be. Screens are kept as what changed on them, so that reading them is work in proportion.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediasense import BLOCK_PIXELS, Box, changed_blocks
from mediasense_on_device.boxes import around

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mediasense import Frame

BUDGET = 40.0
"""How much is read of one recording, in whole screens: about two minutes' work for two cores when
every one is full of small print."""

_LEAST_COST = 0.04
"""What the smallest change costs; no more than a thousand screens are kept."""

_PATIENCE = 1.0
_MOST = 0.4
"""Of a screen's blocks: when more have changed, all of it is read."""

_REACH = 2
"""Changed blocks so near to each other are one region; the letters of a word are."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A part of a screen, as a JPEG: forty screens of 4K would take a gigabyte as they are."""

    box: Box
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """A screen, as what differs from the one before it.

    Attributes:
        time: When it stood still, in seconds.
        size: The whole of it, in pixels.
        changed: Blocks that differ.
        since: When each block took the look it has now, in seconds.
        patches: The regions that differ, the oldest first.
    """

    time: float
    size: Box
    changed: NDArray[np.bool_]
    since: NDArray[np.float64]
    patches: tuple[Patch, ...]

    @property
    def cost(self) -> float:
        """How much there is to read, in whole screens."""
        return max(_LEAST_COST, float(self.changed.mean()))

    @property
    def regions(self) -> list[Box]:
        """Where it differs; the whole screen when most of it does."""
        if self.changed.mean() > _MOST:
            return [self.size]
        return [_pixels(blocks, self.size) for blocks in _connected(self.changed)]

    def changes_in(self, box: Box) -> list[float]:
        """When the changed blocks of a box took their look."""
        rows = slice(box.top // BLOCK_PIXELS, -(-box.bottom // BLOCK_PIXELS))
        columns = slice(box.left // BLOCK_PIXELS, -(-box.right // BLOCK_PIXELS))
        times: list[float] = self.since[rows, columns][self.changed[rows, columns]].tolist()
        return times


def screens(frames: Iterable[Frame], fps: float) -> Iterator[Screen]:
    """Part a recording, sampled at ``fps``, into its screens."""
    watch = _Watch(1 / fps)
    for frame in frames:
        yield from watch.see(frame)
    yield from watch.stop()


def affordable(found: Iterable[Screen]) -> tuple[list[Screen], int]:
    """Leave out the screens that stood shortest, as many as are too many to read.

    Returns:
        The screens to read, and how many were left out. What changed on these is part of the
        screen after them.
    """
    kept: list[Screen] = []
    left_out = 0
    cost = 0.0
    for screen in found:
        kept.append(screen)
        cost += screen.cost
        while cost > BUDGET and len(kept) > 1:
            shortest = min(range(len(kept) - 1), key=lambda i: kept[i + 1].time - kept[i].time)
            both = _both(kept[shortest], kept[shortest + 1])
            cost += both.cost - kept[shortest].cost - kept[shortest + 1].cost
            kept[shortest : shortest + 2] = [both]
            left_out += 1
    return kept, left_out


def _both(first: Screen, second: Screen) -> Screen:
    import numpy as np

    if first.changed.shape != second.changed.shape:
        return second
    hidden = [patch.box for patch in second.patches]
    visible = (
        patch for patch in first.patches if not any(_holds(box, patch.box) for box in hidden)
    )
    return replace(
        second,
        changed=first.changed | second.changed,
        since=np.where(second.changed, second.since, first.since),
        patches=(*visible, *second.patches),
    )


def _holds(outer: Box, inner: Box) -> bool:
    return around((outer, inner)) == outer


class _Watch:
    """Looks at one frame after the other, and says when there is a new screen.

    Args:
        period: Seconds from one look to the next.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._screen: Frame | None = None
        self._latest: Frame | None = None
        self._waiting_since: float | None = None
        self._since: NDArray[np.float64]

    def see(self, frame: Frame) -> Iterator[Screen]:
        import numpy as np

        if self._screen is None or self._latest is None:
            self._latest = frame
            self._since = np.zeros(changed_blocks(frame.luma, frame.luma).shape)
            yield self._new(frame, np.ones(self._since.shape, np.bool_))
            return
        if frame.timestamp - self._latest.timestamp > 1.5 * self._period:
            yield from self.stop()  # nothing came for a while: the frame before stood still
        moved = changed_blocks(self._latest.luma, frame.luma)
        if self._since.shape != moved.shape:
            self._since = np.zeros(moved.shape)
        self._since[moved] = frame.timestamp
        self._latest = frame
        changed = changed_blocks(self._screen.luma, frame.luma)
        if not changed.any():
            self._waiting_since = None
            return
        if self._waiting_since is None:
            self._waiting_since = frame.timestamp
        next_wait = frame.timestamp + self._period - self._waiting_since
        if not (moved & changed).any() or next_wait > _PATIENCE:
            yield self._new(frame, changed)

    def stop(self) -> Iterator[Screen]:
        """The frame seen last stands still, or nothing comes after it."""
        if (
            self._waiting_since is not None
            and self._screen is not None
            and self._latest is not None
        ):
            yield self._new(self._latest, changed_blocks(self._screen.luma, self._latest.luma))

    def _new(self, frame: Frame, changed: NDArray[np.bool_]) -> Screen:
        import numpy as np

        picture = frame.picture()
        size = Box(left=0, top=0, right=picture.shape[1], bottom=picture.shape[0])
        # What crept in too slowly to be noticed from look to look is there now.
        before = self._screen.timestamp if self._screen is not None else frame.timestamp
        since = np.where(self._since > before, self._since, frame.timestamp)
        self._screen = frame
        self._waiting_since = None
        bare = Screen(frame.timestamp, size, changed, since, ())
        return replace(bare, patches=tuple(_patch(picture, box) for box in bare.regions))


def _patch(picture: NDArray[np.uint8], box: Box) -> Patch:
    from PIL import Image

    part = Image.fromarray(picture[box.top : box.bottom, box.left : box.right])
    buffer = io.BytesIO()
    part.save(buffer, "JPEG", quality=95, subsampling=0)
    return Patch(box, buffer.getvalue())


def _connected(changed: NDArray[np.bool_]) -> Iterator[list[tuple[int, int]]]:
    """Part the changed blocks, as rows and columns, into regions."""
    left = {(int(row), int(column)) for row, column in zip(*changed.nonzero(), strict=True)}
    reach = range(-_REACH, _REACH + 1)
    while left:
        region = [left.pop()]
        for row, column in region:
            near = {(row + down, column + right) for down in reach for right in reach} & left
            left -= near
            region.extend(near)
        yield region


def _pixels(blocks: list[tuple[int, int]], size: Box) -> Box:
    rows = [row for row, _ in blocks]
    columns = [column for _, column in blocks]
    return Box(
        left=min(columns) * BLOCK_PIXELS,
        top=min(rows) * BLOCK_PIXELS,
        right=min(size.right, (max(columns) + 1) * BLOCK_PIXELS),
        bottom=min(size.bottom, (max(rows) + 1) * BLOCK_PIXELS),
    )
