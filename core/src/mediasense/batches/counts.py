"""How many items there will be, for a progress bar."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mediasense.batches.manifests import manifest_kind
from mediasense.batches.sources import find

_BLOCK_BYTES = 1024 * 1024

Clock = Callable[[], float]


def estimate_count(
    sources: Sequence[str],
    *,
    manifests: Sequence[Path] = (),
    deadline: float,
    clock: Clock = time.monotonic,
) -> int | None:
    """Say about how many items there will be; may be called on a thread of its own.

    Folders and patterns are walked a second time. Of a manifest the lines are counted, or as many
    as the deadline allows and the rest by its size; so what it holds of empty lines and of cells
    with several lines is counted too.

    Args:
        sources: As for :func:`mediasense.batches.sources.find_items`.
        manifests: Files that are read besides.
        deadline: When to give up, in seconds of ``clock``.
        clock: What time it is.

    Returns:
        The number; ``None`` when it cannot be told in time, or without taking the list away.
    """
    total = 0
    for path in manifests:
        rows = _rows(path, deadline, clock)
        if rows is None:
            return None
        total += rows
    for source in sources:
        files = None if source == "-" else _files(source, deadline, clock)
        if files is None:
            return None
        total += files
    return total


def _files(source: str, deadline: float, clock: Clock) -> int | None:
    count = 0
    for found in find(source):
        if clock() > deadline:
            return None
        count += not found.left_out
    return count


def _rows(path: Path, deadline: float, clock: Clock) -> int | None:
    try:
        # A pipe can be read once, and that is for the batch.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        lines = _lines(path, deadline, clock)
    except (OSError, ValueError):
        return None
    header = 1 if lines and manifest_kind(path.name) == "csv" else 0
    return lines - header


def _lines(path: Path, deadline: float, clock: Clock) -> int:
    lines, done, last = 0, 0, b"\n"
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while block := file.read(_BLOCK_BYTES):
            lines += block.count(b"\n")
            done += len(block)
            last = block[-1:]
            if clock() > deadline:
                return lines * max(size, done) // done
    return lines + (last != b"\n")
