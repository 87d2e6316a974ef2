"""Calls that another thread ends: whoever waits for a service says how to be woken.

What belongs to a question is kept in a context variable, so plugins are handed nothing, and the
calls of different questions do not meet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar


class Stopped(BaseException):
    """Whoever asked has gone. It is no failure, and no plugin can take it for one of its own."""


class Stop:
    """Ends the calls of a question, now and later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: dict[object, Callable[[], object]] = {}
        self._asked = False

    def stop(self) -> None:
        """End them: those that wait for a service are woken, and none begins."""
        with self._lock:
            self._asked = True
            wakes = tuple(self._wakes.values())
        for wake in wakes:
            with suppress(Exception):  # what it closes has been closed meanwhile
                wake()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Reach the calls that are made meanwhile, in this thread and those it starts."""
        token = _mine.set(self)
        try:
            yield
        finally:
            _mine.reset(token)

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """As :func:`interruptible`."""
        self._require_going()
        key = object()
        with self._lock:
            self._wakes[key] = wake
        try:
            yield
        except Exception:
            self._require_going()
            raise
        finally:
            with self._lock:
                del self._wakes[key]
        self._require_going()

    def _require_going(self) -> None:
        with self._lock:
            if self._asked:
                raise Stopped from None


_mine: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def interruptible(wake: Callable[[], object]) -> Iterator[None]:
    """Wait for a service in a way that whoever asked can end, from another thread.

    For plugins that wait on a connection of their own; ``post_json``, ``get_json`` and
    ``stream_lines`` do it already. What is woken ends as if it was asked nothing: what fails in the
    block for it is not told.

    Args:
        wake: Ends the waiting, and may be called from any thread. For a socket,
            ``partial(sock.shutdown, socket.SHUT_RDWR)``: to close it would not wake who reads it.
    """
    stop = _mine.get()
    if stop is None:
        yield
        return
    with stop.waking(wake):
        yield
