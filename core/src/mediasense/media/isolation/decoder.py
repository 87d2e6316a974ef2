"""Decode in a child process, so that hostile media cannot take the program down.

FFmpeg, Pillow and libheif are C code that reads bytes from anywhere. A fault in them ends, or
blocks, the process they run in. :func:`decode` lets them run in another one::

    facts = decode(partial(inspect_recording, source=path, name="the talk"), on_progress=report)

A child that crashes or stands still becomes a :class:`~mediasense.errors.CorruptMedia`. It gets no
key: its environment holds a few variables, named here. It is no sandbox: a decoder that was taken
over may still do what the user may do. What it answers is checked; see
:mod:`mediasense.media.isolation.wire`.

``MEDIASENSE_ISOLATION=off`` calls the function in the program itself: for debuggers, and for
programs that cannot start a child.
"""

from __future__ import annotations

import atexit
import os
import threading
import typing
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from mediasense.errors import ConfigError
from mediasense.media.isolation.call import Call, prepare
from mediasense.media.isolation.child import SWITCH, Child, Crashed, DecoderError, Limits

__all__ = ["Decoder", "DecoderError", "Limits", "decode", "warm_up"]

Result = TypeVar("Result")
OnProgress = Callable[[float], None]


def decode(call: partial[Result], *, on_progress: OnProgress | None = None) -> Result:
    """Call a function of :mod:`mediasense.media` in a child process.

    Args:
        call: The function and its arguments, all by name and all plain data. When one of them is a
            ``folder``, the paths of the result lie in it; else they are among the arguments.
        on_progress: Gets how much is done, 0 to 1, when the function tells it; in this thread.

    Returns:
        What the function returned, checked against its annotation.

    Raises:
        CorruptMedia: The decoder crashed, stood still or answered nonsense.
        MediaTooLarge: It needed more memory than a child may have, or its answer is too long.
        MediasenseError: Whatever the function raised.
        ConfigError: No child can be started.
        DecoderError: The function has a mistake, or is none that may be called.
    """
    return _shared.decode(call, on_progress=on_progress)


def warm_up() -> None:
    """Start a child, and do not wait for it.

    For a program that knows that it will decode, and has something to do before: importing an SDK
    takes longer than a child needs to start.
    """
    _shared.warm_up()


class Decoder:
    """Children that decode, and the rules for them. Safe to use from several threads.

    Args:
        prefixes: What the names of the modules start with whose functions may be called.
        limits: What a child may do.
    """

    def __init__(
        self, *, prefixes: tuple[str, ...] = ("mediasense.media.",), limits: Limits | None = None
    ) -> None:
        self._prefixes = prefixes
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._children: set[Child] = set()

    def decode(self, call: partial[Result], *, on_progress: OnProgress | None = None) -> Result:
        """As :func:`decode`."""
        if os.getenv(SWITCH) == "off":
            return _decode_here(call, on_progress)
        prepared = prepare(call, self._prefixes)
        child = self._take()
        try:
            result = self._run(child, prepared, on_progress)
        except Crashed as crash:
            if child.calls == 1:
                raise crash.error from None
            # What came before may have damaged it. Only a fresh one says that it is this file.
            try:
                result = self._run(self._start(), prepared, on_progress)
            except Crashed as again:
                raise again.error from None
        return typing.cast("Result", result)

    def warm_up(self) -> None:
        """As :func:`warm_up`."""
        with self._lock:
            if self._idle:
                return
        with suppress(ConfigError):  # told when something is to be decoded
            if os.getenv(SWITCH) != "off":
                self._give_back(self._start(), keep=True)

    def close(self) -> None:
        """End every child. Who still waits for one gets an error; the next call starts another."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._children.difference_update(idle)
            for child in self._children:
                child.kill()
        for child in idle:
            child.end()

    def _run(self, child: Child, call: Call, on_progress: OnProgress | None) -> object:
        """Let a child work. Only one that answered as it should is kept."""
        try:
            return child.work(call, self._limits, on_progress)
        finally:
            self._give_back(child, keep=child.well and child.calls < self._limits.calls)

    def _take(self) -> Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.lives():
                    return child
                self._children.discard(child)
                child.end()
        return self._start()

    def _start(self) -> Child:
        _watch_over(self)
        child = Child(self._limits.memory_bytes)
        with self._lock:
            self._children.add(child)
        return child

    def _give_back(self, child: Child, *, keep: bool) -> None:
        with self._lock:
            if keep and len(self._idle) < self._limits.kept and child in self._children:
                self._idle.append(child)
                return
            self._children.discard(child)
        child.end()

    def _after_fork(self) -> None:
        """In a forked program: the children belong to the other one, and must not be shared."""
        children = self._children
        self._lock, self._idle, self._children = threading.Lock(), [], set()
        for child in children:
            child.let_go()


_shared = Decoder()


# --- the end of the program, and a second one ----------------------------------------------------

_watched: weakref.WeakSet[Decoder] = weakref.WeakSet()
_watching = False


def _watch_over(decoder: Decoder) -> None:
    """From the first child on."""
    global _watching  # noqa: PLW0603
    _watched.add(decoder)
    if not _watching:
        _watching = True
        atexit.register(_end_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_let_all_go)


def _end_all() -> None:
    for decoder in [*_watched]:
        decoder.close()


def _let_all_go() -> None:
    for decoder in [*_watched]:
        decoder._after_fork()


def _decode_here(call: partial[Result], on_progress: OnProgress | None) -> Result:
    from mediasense.media.isolation.worker import takes_progress

    if on_progress is not None and takes_progress(call.func):
        return call(on_progress=on_progress)
    return call()
