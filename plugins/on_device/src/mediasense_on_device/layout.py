"""From lines at places to text in reading order. Pure: boxes in, order out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import TypeVar

from mediasense import Box, TextLine
from mediasense_on_device.boxes import (
    around,
    gap_across,
    gap_down,
    grouped,
    height,
    same_row,
    width,
)

Row = list[TextLine]
Block = list[Row]
Thing = TypeVar("Thing")

_WIDE = 20
"""A line of prose is so many times wider than high, about forty letters; a table's cell is not."""


def blocks(lines: Sequence[TextLine]) -> list[Block]:
    """Part lines into blocks of rows, everything in reading order.

    Lines that stand near each other are a block: a paragraph, a menu, a column. Blocks side by side
    whose rows are level are the columns of one table, and are read row by row; columns of prose
    are read one after the other.
    """
    columns = [_rows(block) for block in grouped(list(lines), _near)]
    tables = [
        _rows([line for column in table for row in column for line in row])
        for table in grouped(columns, _level)
    ]
    return [block for level in _levels(tables) for block in level]


def in_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """The same lines in reading order."""
    return [line for block in blocks(lines) for row in block for line in row]


def text(lines: Sequence[TextLine]) -> str:
    """Lines as text: a row to a line, an empty line between blocks."""
    return "\n\n".join("\n".join(map(joined, block)) for block in blocks(lines))


def _near(one: TextLine, other: TextLine) -> bool:
    first, second = one.box, other.box
    low, high = sorted((height(first), height(second)))
    if high > 1.8 * low:
        return False
    if same_row(first, second):
        return gap_across(first, second) < 1.5 * low
    down = gap_down(first, second)
    if down < 0.8 * low and gap_across(first, second) < 0:
        return True
    return down < 1.5 * low and _aligned(first, second, 0.5 * low)


def _aligned(one: Box, other: Box, slack: float) -> bool:
    """Whether two boxes could stand in one column: flush left, flush right or centred."""
    left, right = abs(one.left - other.left), abs(one.right - other.right)
    middle = abs(one.left + one.right - other.left - other.right) / 2
    return min(left, 2 * right, 2 * middle) <= slack


def _rows(lines: Sequence[TextLine]) -> Block:
    return _side_by_side(lines, lambda line: line.box)


def _levels(tables: Sequence[Block]) -> list[list[Block]]:
    return _side_by_side(tables, lambda block: around([line.box for line in block[0]]))


def _side_by_side(things: Sequence[Thing], box_of: Callable[[Thing], Box]) -> list[list[Thing]]:
    """Part things into rows, from top to bottom, each from left to right."""
    rows: list[list[Thing]] = []
    for thing in sorted(things, key=lambda thing: box_of(thing).top + box_of(thing).bottom):
        if rows and same_row(around([box_of(other) for other in rows[-1]]), box_of(thing)):
            rows[-1].append(thing)
        else:
            rows.append([thing])
    return [sorted(row, key=lambda thing: box_of(thing).left) for row in rows]


def _level(one: Block, other: Block) -> bool:
    """Whether two blocks are columns of one table: where both have rows, the rows are level."""
    if _is_prose(one) and _is_prose(other):
        return False
    slack = 0.35 * min(_typical_height(one), _typical_height(other))
    first, second = _middles(one), _middles(other)
    top, bottom = max(first[0], second[0]) - slack, min(first[-1], second[-1]) + slack
    first, second = ([y for y in rows if top <= y <= bottom] for rows in (first, second))
    level = sum(any(abs(y - z) <= slack for z in second) for y in first)
    enough = 1 if len(one) == len(other) == 1 else 2
    return level >= max(enough, 0.7 * max(len(first), len(second)))


def _is_prose(block: Block) -> bool:
    return median(width(line.box) / height(line.box) for row in block for line in row) > _WIDE


def _middles(block: Block) -> list[float]:
    return [(row[0].box.top + row[0].box.bottom) / 2 for row in block]


def _typical_height(block: Block) -> float:
    return median(height(line.box) for row in block for line in row)


def joined(row: Sequence[TextLine]) -> str:
    """The text of lines that stand side by side."""
    parts = [row[0].text]
    for before, line in pairwise(row):
        close = gap_across(before.box, line.box) < height(line.box)
        parts += [" " if close else "  ", line.text]
    return "".join(parts)
