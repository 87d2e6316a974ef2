"""The process that decodes: it does what the program asks, and nothing else.

It is a fresh interpreter that hears of its work on one pipe and answers on another. Everything
that a library prints goes nowhere. It lives no longer than the program that started it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mediasense import errors
from mediasense.errors import MediasenseError
from mediasense.media.isolation import wire
from mediasense.media.isolation.wire import Request

# How often progress is told: often enough for the eye, and too seldom to slow the work.
_TELL_SECONDS = 0.05
_MAX_FILE_BYTES = 64 * 1024**3
_NO_MEMORY = wire.dump(["memory"])
_TOO_LONG = wire.dump(
    [
        "error",
        "MediaTooLarge",
        f"what the decoder found takes more than {wire.MAX_BYTES >> 20} MiB",
        "cut the media first",
    ]
)


def main() -> None:
    """Serve until the pipe ends. ``sys.argv`` holds the limit of memory, in bytes."""
    requests, replies, leash = _take_pipes()
    # On a terminal Ctrl-C reaches both. The program decides; on Windows, where its wait cannot be
    # interrupted, the end of this process ends the wait.
    signal.signal(signal.SIGINT, signal.SIG_DFL if os.name == "nt" else signal.SIG_IGN)
    _tie(leash)
    _limit(int(sys.argv[1]))
    with contextlib.suppress(OSError):
        wire.send(replies, wire.dump(["ready"]))
        while (message := wire.receive(requests)) is not None:
            _send(replies, _answer(message, _Progress(replies)))
    os._exit(0)  # what a decoder left behind need not be cleaned up


def _take_pipes() -> list[int]:
    """Move the pipes to where no library writes."""
    pipes = [os.dup(standard) for standard in range(3)]
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    return pipes


def _limit(memory_bytes: int) -> None:
    """Bound what a decompression bomb can take. Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    limits = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_AS, memory_bytes),
    )
    for kind, limit in limits:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            _, hard = resource.getrlimit(kind)
            lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (lower, lower))


def _tie(leash: int) -> None:
    """Let the end of the program end this process at once, even in a loop in C.

    The system sends SIGIO when the other end of this pipe closes, and on Linux SIGIO ends a process
    that does not handle it. The pipe is for this alone: SIGIO tells of any use of it, and may come
    late. Elsewhere an orphan ends at its next progress, or after its work.
    """
    if sys.platform != "linux":
        return
    import fcntl
    import select

    # The program may have blocked or ignored it.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGIO])
    fcntl.fcntl(leash, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
    other_end = select.poll()
    other_end.register(leash, 0)
    if other_end.poll(0):  # it ended before the signal was ordered
        os._exit(1)


@dataclass(slots=True)
class _Progress:
    """Tells the program how far the work is: also that there is life here."""

    replies: int
    _told: float = 0.0

    def __call__(self, done: float) -> None:
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and done < 1:
            return
        self._told = now
        try:
            wire.send(self.replies, wire.dump(["progress", float(done)]))
        except OSError:  # not raised: a decoder may take it for an error of the media
            os._exit(1)


def _answer(message: bytes, progress: Callable[[float], None]) -> bytes:
    """What the function returned or raised, as a message."""
    try:
        request = Request.unpack(message)
        with _standing_in(request.folder):
            result = _call(request, progress)
        return wire.dump(["result", wire.plain(result)])
    except MediasenseError as error:
        return wire.dump(["error", _public_class(error), error.message, error.hint])
    except MemoryError:
        return _NO_MEMORY
    except Exception as error:  # noqa: BLE001  # whatever it is, the developer should see it
        said = f"{type(error).__name__}: {error}"
        return wire.dump(["bug", said, traceback.format_exc()])


def _send(replies: int, reply: bytes) -> None:
    try:
        wire.send(replies, reply)
    except wire.TooLong:
        wire.send(replies, _TOO_LONG)


def _standing_in(folder: str | None) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if folder is None else contextlib.chdir(folder)


def _call(request: Request, progress: Callable[[float], None]) -> Any:
    function = _find(request)
    if takes_progress(function):
        function = functools.partial(function, on_progress=progress)
    return function(**request.arguments)


def takes_progress(function: Callable[..., Any]) -> bool:
    """Whether a function tells how far it is."""
    return "on_progress" in inspect.signature(function).parameters


def _find(request: Request) -> Callable[..., Any]:
    """The function, if it is a public one of the modules that decode."""
    name = f"{request.module}.{request.name}"
    if not request.module.startswith(request.prefixes) or request.name.startswith("_"):
        raise LookupError(f"{name} may not be called in a decoder")
    function = getattr(importlib.import_module(request.module), request.name, None)
    if not inspect.isfunction(function) or function.__module__ != request.module:
        raise LookupError(f"{name} is not a function of that module")
    return function


def _public_class(error: MediasenseError) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in errors.__all__)
