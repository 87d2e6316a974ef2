"""Ctrl-C while somebody else's code is loaded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back until the block is over.

    What rapidocr loads takes an interrupt for an error of its own, or loses it: omegaconf 2.3 then
    tells of a broken configuration. Only the main thread gets interrupts; elsewhere this does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        # A handler that was not set from Python cannot be set again from there.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if held:
            signal.raise_signal(signal.SIGINT)
