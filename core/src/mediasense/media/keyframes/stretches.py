"""Which key frames are looked at in any case, and which only where something changed around them.

Where packets say that nothing happened over several key frames, the first and the last of them tell
whether that is so. Only where these differ is it looked for in between, halving each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mediasense.media.keyframes.looks import Group
    from mediasense.media.keyframes.packets import Packets

LONGEST_SECONDS = 8.0
"""What came and went within a quiet stretch is not seen: no stretch is longer than this."""

# Key frames of the same picture differ less in bytes.
_SAME_SIZE = 0.002

_Unseen = TypeVar("_Unseen")
_Seen = TypeVar("_Seen")


def looked_at_anyway(groups: Sequence[Group], packets: Packets) -> list[bool]:
    """Say for each group whether its key frame is looked at in any case.

    That is where the packets before it or in it say that something changes, where its size is not
    that of its neighbours, and at both ends of each stretch.

    Args:
        groups: In order of time.
        packets: Theirs.
    """
    sizes = [int(packets.sizes[group.first]) for group in groups]
    times = [float(packets.times[group.first]) for group in groups]
    decided: list[bool] = []
    since = 0.0
    for at, group in enumerate(groups):
        anyway = (
            at in (0, len(groups) - 1)
            or not (groups[at - 1].quiet and group.quiet)
            or _differ(sizes[at - 1], sizes[at])
            or _differ(sizes[at], sizes[at + 1])
            or times[at + 1] - since > LONGEST_SECONDS
        )
        decided.append(anyway)
        if anyway:
            since = times[at]
    return decided


def _differ(size: int, other: int) -> bool:
    return abs(size - other) > _SAME_SIZE * max(size, other)


def where_it_changed(
    first: _Seen,
    between: Sequence[_Unseen],
    last: _Seen,
    look: Callable[[_Unseen], _Seen],
    differ: Callable[[_Seen, _Seen], bool],
) -> Iterator[_Seen]:
    """Look into a stretch until it is known at which key frame it changed.

    Of each two that follow each other in ``first``, what is given, and ``last``, either none lies
    between them, or they do not differ.

    Args:
        first: The first look of the stretch.
        between: What may be looked at, in order of time.
        last: The last look.
        look: Looks at one.
        differ: Whether two looks show different pictures.

    Yields:
        The looks that were needed, in order of time.
    """
    if not between or not differ(first, last):
        return
    middle = len(between) // 2
    seen = look(between[middle])
    yield from where_it_changed(first, between[:middle], seen, look, differ)
    yield seen
    yield from where_it_changed(seen, between[middle + 1 :], last, look, differ)
