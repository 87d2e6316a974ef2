"""Where two pictures differ, and whether that is more than a cursor.

Pictures are compared by blocks. The largest difference in each block decides, not a mean: a letter
typed in small print changes the mean of nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHRINK = 4
"""The small picture of a frame has a pixel for each 4 x 4 of the picture."""

BLOCK_PIXELS = 16
"""Pixels of the picture to each side of a block that :func:`changed_blocks` judges."""

TOLERANCE = 14
"""How far brightness may differ, out of 255. Compression shimmers below that."""

# What moves or blinks over any screen fits into so many blocks: a cursor that moved a little leaves
# two places side by side. On large screens cursors are drawn twice as large.
_CURSOR_ROWS, _CURSOR_COLUMNS = 6, 4
_LARGE_CURSOR_ROWS, _LARGE_CURSOR_COLUMNS = 10, 6
_LARGE_SCREEN_ROWS = 100
# Where the cursor was, where it is, a caret, a spinner.
_CURSOR_PLACES = 4
# Single blocks shimmer where compression is strong, and digits of a clock change.
_SINGLE_BLOCKS = 8
# Cursors and carets are higher than wide, a word is not: it is wider than any part of a cursor.
_WORD_ROWS, _WORD_COLUMNS, _LARGE_WORD_COLUMNS = 2, 3, 4


def changed_blocks(
    before: NDArray[np.uint8], after: NDArray[np.uint8], *, tolerance: int = TOLERANCE
) -> NDArray[np.bool_]:
    """Say where two small pictures differ: one truth for each block of 16 x 16 picture pixels.

    Args:
        before: The ``luma`` of one frame.
        after: The ``luma`` of another. Where their sizes differ, everything does.
        tolerance: How far brightness may differ, out of 255. Compression shimmers below 14.

    Returns:
        Rows of blocks, as many as ``after`` has.
    """
    import numpy as np

    size = BLOCK_PIXELS // SHRINK
    rows, columns = (-(-length // size) for length in after.shape)
    if before.shape != after.shape:
        return np.ones((rows, columns), np.bool_)
    differs = np.zeros((rows * size, columns * size), np.bool_)
    differs[: after.shape[0], : after.shape[1]] = (
        np.maximum(before, after) - np.minimum(before, after) > tolerance
    )
    # The four truths of a block's row are read as one number: three times as fast.
    in_rows = (differs.view(np.uint32) != 0).reshape(rows, size, columns)
    blocks: NDArray[np.bool_] = np.logical_or.reduce(in_rows, axis=1)
    return blocks


def is_more_than_a_cursor(blocks: NDArray[np.bool_], *, event: bool = False) -> bool:
    """Whether the blocks that changed are more than what moves or blinks over any screen.

    A cursor, a caret, a small spinner, one digit of a clock: each fits into six rows of four blocks
    (ten of six on screens of more than 1600 rows), and there are few of them at a time.

    Args:
        blocks: What :func:`changed_blocks` says.
        event: Whether something else says that more than a cursor changed; then a word is enough.
    """
    large = min(blocks.shape) > _LARGE_SCREEN_ROWS
    most_rows = _LARGE_CURSOR_ROWS if large else _CURSOR_ROWS
    most_columns = _LARGE_CURSOR_COLUMNS if large else _CURSOR_COLUMNS
    word_columns = _LARGE_WORD_COLUMNS if large else _WORD_COLUMNS
    if blocks.sum() > _CURSOR_PLACES * most_rows * most_columns:
        return True
    left = {(int(row), int(column)) for row, column in zip(*blocks.nonzero(), strict=True)}
    places, singles = 0, 0
    while left:
        place = _connected(left)
        places += len(place) > 1
        singles += len(place) == 1
        rows, columns = (_extent([at[axis] for at in place]) for axis in (0, 1))
        if rows > most_rows or columns > most_columns:
            return True
        if places > _CURSOR_PLACES or singles > _SINGLE_BLOCKS:
            return True
        if event and rows <= _WORD_ROWS and columns >= word_columns:
            return True
    return False


def _extent(numbers: list[int]) -> int:
    return max(numbers) - min(numbers) + 1


def _connected(left: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Take one block and all that touch it, and those that touch these, out of a set."""
    edge = [left.pop()]
    place = set(edge)
    while edge:
        row, column = edge.pop()
        near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
        left -= near
        place |= near
        edge += near
    return place
