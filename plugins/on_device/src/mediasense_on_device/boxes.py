"""Upright boxes: how they stand to each other, and which belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

from mediasense import Box

Item = TypeVar("Item")


def width(box: Box) -> int:
    """Pixels from left to right."""
    return box.right - box.left


def height(box: Box) -> int:
    """Pixels from top to bottom."""
    return box.bottom - box.top


def area(box: Box) -> int:
    """Pixels in all."""
    return width(box) * height(box)


def gap_across(one: Box, other: Box) -> int:
    """Pixels between two boxes from side to side; below zero where they overlap."""
    return max(one.left, other.left) - min(one.right, other.right)


def gap_down(one: Box, other: Box) -> int:
    """Pixels between two boxes from top to bottom; below zero where they overlap."""
    return max(one.top, other.top) - min(one.bottom, other.bottom)


def shared(one: Box, other: Box) -> int:
    """Pixels that two boxes have in common."""
    return max(0, -gap_across(one, other)) * max(0, -gap_down(one, other))


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes have a pixel in common."""
    return gap_across(one, other) < 0 and gap_down(one, other) < 0


def same_row(one: Box, other: Box) -> bool:
    """Whether two boxes are level: they share more than half of the lower one's height."""
    return -gap_down(one, other) > 0.5 * min(height(one), height(other))


def same_place(one: Box, other: Box) -> bool:
    """Whether two boxes are, but for a few pixels, the same."""
    return shared(one, other) > 0.5 * max(area(one), area(other))


def in_line(one: Box, other: Box) -> bool:
    """Whether one box is, but for a few pixels, straight above, below or beside the other."""
    slack = min(height(one), height(other)) // 2
    return abs(one.left - other.left) <= slack or abs(one.top - other.top) <= slack


def distance(one: Box, other: Box) -> int:
    """Pixels between the top left corners, across and down together."""
    return abs(one.left - other.left) + abs(one.top - other.top)


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all of these."""
    return Box(
        left=min(box.left for box in boxes),
        top=min(box.top for box in boxes),
        right=max(box.right for box in boxes),
        bottom=max(box.bottom for box in boxes),
    )


def grown(box: Box, pixels: int, within: Box) -> Box:
    """The box with so many pixels more on each side, cut off at the edges of another."""
    return Box(
        left=max(within.left, box.left - pixels),
        top=max(within.top, box.top - pixels),
        right=min(within.right, box.right + pixels),
        bottom=min(within.bottom, box.bottom + pixels),
    )


def moved(box: Box, right: int, down: int) -> Box:
    """The box at another place."""
    return Box(
        left=box.left + right,
        top=box.top + down,
        right=box.right + right,
        bottom=box.bottom + down,
    )


def grouped(items: Sequence[Item], related: Callable[[Item, Item], bool]) -> list[list[Item]]:
    """Part the items so that related ones, and those related to them, are together.

    Groups, and the items in each, keep the order of ``items``.
    """
    leader = list(range(len(items)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    for one, other in combinations(range(len(items)), 2):
        first, second = sorted((find(one), find(other)))
        if first != second and related(items[one], items[other]):
            leader[second] = first
    groups: dict[int, list[Item]] = {}
    for index, item in enumerate(items):
        groups.setdefault(find(index), []).append(item)
    return list(groups.values())
