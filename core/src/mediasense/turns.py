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

_free: queue.SimpleQueue[None] = queue.SimpleQueue()
_free.put(None)
_mine = threading.local()
_cores = threading.BoundedSemaphore(os.cpu_count() or 1)


@contextmanager
def turn() -> Iterator[None]:
    """Work when it is this thread's turn; it may be already."""
    if getattr(_mine, "held", False):
        yield
        return
    _free.get()
    _mine.held = True
    try:
        yield
    finally:
        _mine.held = False
        _free.put(None)


@contextmanager
def apart() -> Iterator[None]:
    """Wait for something else, a provider or a download, and let others work meanwhile."""
    if not getattr(_mine, "held", False):
        yield
        return
    _mine.held = False
    _free.put(None)
    try:
        yield
    finally:
        _free.get()
        _mine.held = True


@contextmanager
def heavily() -> Iterator[None]:
    """Do what keeps a processor busy outside of Python: as many at once as there are processors."""
    if not getattr(_mine, "held", False):
        yield
        return
    with apart(), _cores:
        yield
