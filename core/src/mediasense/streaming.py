"""Answers as iterators: the pieces arrive while the answer is written, in a thread of their own."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import TracebackType

from mediasense.errors import UsageError
from mediasense.names import OnText
from mediasense.stopping import Stop, Stopped
from mediasense.types import Analysis

Ask = Callable[[OnText], Analysis]
"""Asks a question, and tells its listener the pieces."""

_ROOM = 256
"""Pieces that may wait for whoever takes them; then the service is read no further."""
_PATIENCE = 0.2
"""Seconds of waiting in one piece, so that Ctrl-C is heard."""
_FAREWELL = 2.0
"""Seconds that the end of a call is waited for."""


class Stream(Iterator[str]):
    """The pieces of an answer, in order; joined they are its text.

    The question is asked at once. Iterate over the stream for the pieces; what goes wrong is raised
    there, after the pieces that came before it. Leaving the loop early stops the call; so do
    :meth:`close`, the end of a ``with`` block, and forgetting the stream. A plugin whose SDK cannot
    be woken goes on until its next piece comes.

    Args:
        ask: Asks the question.
    """

    def __init__(self, ask: Ask) -> None:
        self._pieces = _begun(self, ask)

    def __iter__(self) -> Stream:
        """The stream itself."""
        return self

    def __next__(self) -> str:
        """Wait for the next piece.

        Raises:
            StopIteration: The answer is whole.
            MediasenseError: Of the class that fits the failure.
        """
        piece = self._pieces.wait()
        if piece is None:
            raise StopIteration
        return piece

    @property
    def analysis(self) -> Analysis:
        """The whole answer, and how it was made.

        Raises:
            UsageError: It is not whole: not all pieces were taken, or the stream was closed.
        """
        return self._pieces.analysis

    def close(self) -> None:
        """Take no more pieces, and stop the call."""
        self._pieces.stop()
        self._pieces.over.wait(_FAREWELL)

    def __enter__(self) -> Stream:
        """The stream itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class AsyncStream(AsyncIterator[str]):
    """As :class:`Stream`, for ``async for``; cancelling whoever waits for a piece stops the call.

    Args:
        ask: Asks the question, in a thread.
    """

    def __init__(self, ask: Ask) -> None:
        self._pieces = _begun(self, ask)

    def __aiter__(self) -> AsyncStream:
        """The stream itself."""
        return self

    async def __anext__(self) -> str:
        """Wait for the next piece.

        Raises:
            StopAsyncIteration: The answer is whole.
            MediasenseError: Of the class that fits the failure.
        """
        import asyncio

        try:
            piece = await self._pieces.wait_async()
        except asyncio.CancelledError:
            self._pieces.stop()
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    @property
    def analysis(self) -> Analysis:
        """As :attr:`Stream.analysis`."""
        return self._pieces.analysis

    async def aclose(self) -> None:
        """Take no more pieces, and stop the call."""
        import asyncio

        self._pieces.stop()
        await asyncio.to_thread(self._pieces.over.wait, _FAREWELL)

    async def __aenter__(self) -> AsyncStream:
        """The stream itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.aclose()


def _begun(owner: object, ask: Ask) -> _Pieces:
    """Ask in a thread, which does not keep the owner from being forgotten."""
    pieces = _Pieces()
    weakref.finalize(owner, pieces.stop)
    threading.Thread(target=pieces.fill, args=(ask,), name="mediasense-stream", daemon=True).start()
    return pieces


class _Pieces:
    """Pieces on their way from one thread to another, never more than there is room for.

    Attributes:
        over: Set when nobody adds to them any more.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._stop = Stop()
        self._stopped = False
        self._analysis: Analysis | None = None
        self._error: BaseException | None = None
        self._wake: Callable[[], object] = _nothing

    def fill(self, ask: Ask) -> None:
        """Ask, and let the pieces wait here."""
        try:
            with self._stop.reaching():
                self._analysis = ask(self._add)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised where the pieces are taken
            self._error = error
        finally:
            del ask
            with self._changed:
                self.over.set()
                self._changed.notify_all()
                self._wake()

    def stop(self) -> None:
        """Let whoever adds to them end."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        self._stop.stop()

    def wait(self) -> str | None:
        """The next piece; ``None`` after the last."""
        with self._changed:
            while not self._is_ready():
                self._changed.wait(_PATIENCE)
            return self._next()

    async def wait_async(self) -> str | None:
        """The same, without blocking the event loop."""
        import asyncio

        loop, came = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(came.set)

        while True:
            with self._changed:
                if self._is_ready():
                    self._wake = _nothing
                    return self._next()
                came.clear()
                self._wake = wake
            await came.wait()

    @property
    def analysis(self) -> Analysis:
        """The whole answer.

        Raises:
            UsageError: It is not whole.
        """
        if self._analysis is None or self._waiting or self._stopped:
            raise UsageError(
                "the answer is not whole", hint="iterate to the end of the stream before"
            )
        return self._analysis

    def _add(self, piece: str) -> None:
        with self._changed:
            while len(self._waiting) >= _ROOM and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise Stopped
            if piece:
                self._waiting.append(piece)
            self._changed.notify_all()
            self._wake()

    def _is_ready(self) -> bool:
        return bool(self._waiting) or self._stopped or self.over.is_set()

    def _next(self) -> str | None:
        if self._waiting:
            self._changed.notify_all()
            return self._waiting.popleft()
        error, self._error = self._error, None
        if error is not None and not self._stopped:
            raise error
        return None


def _nothing() -> None:
    """Nobody waits in an event loop."""
