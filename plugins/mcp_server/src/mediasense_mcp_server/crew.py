"""The work of calls, in threads: a few at once, with progress, and stopped when cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mediasense import MediasenseError, OnProgress

Result = TypeVar("Result")

Tell = Callable[[float, str], Awaitable[None]]
"""Tells the client of progress: a number that grows with each call, and words."""

AT_ONCE = 4
"""So many calls are worked on at once; the others wait."""

_EVERY_SECONDS = 0.25
"""How often progress is told at most, while the same thing is done."""


class Cancelled(BaseException):
    """Nobody waits for the work any more; raised inside of it, where it tells of progress.

    It is no :class:`Exception`, so nothing takes it for a failure that could be worked around.
    """


@dataclass(frozen=True, slots=True)
class Work:
    """What a piece of work may do while it lasts.

    Attributes:
        report: Tells of progress; it raises :class:`Cancelled` where nobody waits any more.
        on_stop: Takes a function that is called when nobody waits any more, in another thread.
    """

    report: OnProgress
    on_stop: Callable[[Callable[[], object]], None]


class Crew:
    """Threads that work for an event loop; they never keep the program from ending.

    Args:
        at_once: How many work at once.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._working: set[_Errand[object]] = set()

    async def do(self, work: Callable[[Work], Result], tell: Tell) -> Result:
        """Have something done.

        A call that is cancelled stops waiting at once. Its thread is told to stop, and keeps its
        place until it does.

        Args:
            work: What to do.
            tell: Told of progress.

        Raises:
            BaseException: Whatever the work raised.
        """
        if self._places.locked():
            await tell(0.0, "waiting for other calls to end")
        await self._places.acquire()
        errand = _Errand(work, asyncio.get_running_loop())
        self._working.add(errand)  # type: ignore[arg-type]
        errand.done.add_done_callback(lambda _: self._left(errand))
        threading.Thread(target=errand.run, daemon=True, name="mediasense-mcp").start()
        try:
            await errand.watch(tell)
            return errand.outcome()
        finally:
            errand.stop()

    def stop(self) -> None:
        """Tell all that work to stop."""
        for errand in self._working:
            errand.stop()

    async def wait(self, seconds: float) -> bool:
        """Wait for those who were told to stop.

        Args:
            seconds: How long at most.

        Returns:
            Whether all have ended.
        """
        left = [errand.done for errand in self._working]
        if left:
            await asyncio.wait(left, timeout=seconds)
        return not self._working

    def _left(self, errand: _Errand[Result]) -> None:
        self._working.discard(errand)
        self._places.release()


@dataclass(frozen=True, slots=True)
class _Progress:
    words: str
    share: float | None


@dataclass(eq=False, slots=True)
class _Errand(Generic[Result]):
    """One piece of work, in a thread of its own, and who waits for it, in the event loop."""

    work: Callable[[Work], Result]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None] = field(init=False)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _closers: list[Callable[[], object]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _latest: _Progress | None = None
    _result: list[Result] = field(default_factory=list)
    _error: BaseException | None = None

    def __post_init__(self) -> None:
        self.done = self.loop.create_future()

    def run(self) -> None:
        """Do it; in its thread."""
        try:
            if not self._stopped.is_set():
                self._result.append(self.work(Work(self._report, self._on_stop)))
        except BaseException as error:  # noqa: BLE001  it is raised again where it is waited for
            self._error = error
        self._call(self._end)

    async def watch(self, tell: Tell) -> None:
        """Wait for the end, and tell of progress meanwhile."""
        told, last = 0.0, _Progress("", None)
        while not self.done.done():
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait((news, self.done), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            self._news.clear()
            if (latest := self._latest) is None or latest == last or self.done.done():
                continue
            told += 1.0
            last = latest
            await tell(told, _words(latest))
            await asyncio.wait((self.done,), timeout=_EVERY_SECONDS)

    def outcome(self) -> Result:
        """What came of it.

        Raises:
            BaseException: Whatever it raised.
        """
        if isinstance(self._error, Cancelled) or not (self._result or self._error):
            raise MediasenseError("the server ends", hint="call again when it runs")
        if self._error is not None:
            raise self._error
        return self._result[0]

    def stop(self) -> None:
        """Have it end; in the event loop, which does not wait for it."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        for close in self._closers if not self.done.done() else ():
            threading.Thread(target=close, daemon=True, name="mediasense-mcp-stop").start()

    def _on_stop(self, close: Callable[[], object]) -> None:
        self._closers.append(close)
        if self._stopped.is_set():
            close()

    def _report(self, words: str, share: float | None) -> None:
        if self._stopped.is_set():
            raise Cancelled
        self._latest = _Progress(words, share)
        self._call(self._news.set)

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _call(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            self.loop.call_soon_threadsafe(function)


def _words(progress: _Progress) -> str:
    if progress.share is None:
        return progress.words
    return f"{progress.words} ({progress.share:.0%})"
