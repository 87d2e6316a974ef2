"""Whether a stream gets colour, and whether what is drawn on it may move.

Each stream is judged by itself: an answer in a pipe has no colour, also where the errors beside it
go to a terminal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

NONE_VARIABLE = "NO_COLOR"
"""Set to anything, it means no colour (https://no-color.org)."""
ALWAYS_VARIABLE = "FORCE_COLOR"
"""Set to anything, it means colour in a pipe too (https://force-color.org)."""
UNATTENDED_VARIABLE = "CI"
"""Set on machines that build and test: they may show a terminal, but nobody looks at it."""

_SAYS_NO = ("", "0", "false")


def allows_colour(stream: TextIO) -> bool:
    """Whether colour may be written: on a terminal that shows it, unless the user says otherwise.

    Args:
        stream: Where it is written.
    """
    if os.environ.get(NONE_VARIABLE):
        return False
    if os.environ.get(ALWAYS_VARIABLE):
        return True
    return _is_terminal(stream)


def allows_animation(stream: TextIO) -> bool:
    """Whether lines may be drawn over: on a terminal that can, and that somebody looks at.

    Args:
        stream: Where it is drawn.
    """
    unattended = os.environ.get(UNATTENDED_VARIABLE, "").lower() not in _SAYS_NO
    return _is_terminal(stream) and not unattended


def console(stream: TextIO) -> Console:
    """Rich's console for a stream, which neither colours nor moves more than may be.

    Args:
        stream: Where it writes.
    """
    from rich.console import Console

    coloured = allows_colour(stream)
    return Console(
        file=stream,
        color_system="auto" if coloured else None,
        # Rich would take other variables for an order to draw on what is no terminal.
        force_terminal=_is_terminal(stream) or coloured,
        highlight=False,
        emoji=False,
        markup=False,
    )


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    except ValueError:  # it is closed
        return False
