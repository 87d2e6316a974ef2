"""Turns: one thread of a batch works, and the others wait.

Nearly all threads of a batch wait for a provider. Those that have something to do take turns.
Python runs one of them at a time anyway; where many want to run it changes between them at every
file that is opened, and that costs a fifth of the processor time of a call (``bench/batch.py``).
Whoever waits for something else lets the next one work meanwhile.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Turns:
    """Whose turn it is, in this process."""

    def __init__(self) -> None:
        self.free: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.free.put(None)
        self.mine = threading.local()
        self.cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    @property
    def held(self) -> bool:
        """Whether it is this thread's."""
        return getattr(self.mine, "held", False)

    def take(self) -> None:
        """Wait for it."""
        self.free.get()
        self.mine.held = True

    def give(self) -> None:
        """Give it to the next."""
        self.mine.held = False
        self.free.put(None)


_turns = _Turns()
if hasattr(os, "register_at_fork"):
    # Those who have the turn, or wait for it, are not in a forked process.
    os.register_at_fork(after_in_child=_turns.__init__)  # type: ignore[misc]


@contextmanager
def turn() -> Iterator[None]:
    """Work when it is this thread's turn; it may be already."""
    if _turns.held:
        yield
        return
    _turns.take()
    try:
        yield
    finally:
        _turns.give()


@contextmanager
def apart() -> Iterator[None]:
    """Wait for something else, a provider or a download, and let others work meanwhile."""
    if not _turns.held:
        yield
        return
    _turns.give()
    try:
        yield
    finally:
        _turns.take()


@contextmanager
def heavily() -> Iterator[None]:
    """Do what keeps a processor busy outside of Python: as many at once as there are processors."""
    if not _turns.held:
        yield
        return
    with apart(), _turns.cores:
        yield
