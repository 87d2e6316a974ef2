"""Standard input and output, for the protocol alone.

Whatever else prints, a plugin, a library or a program that they start, must not be taken for a
message: from the first moment on, standard output leads to standard error, and standard input to
nothing. What the SDK does for that begins later and ends sooner, and its reading cannot be stopped.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import BinaryIO

MOST_BYTES = 16_000_000
"""Of a line; a longer one ends the session. Messages hold paths and words, and no media."""


class Streams:
    """The streams that the process was started with, taken away from everybody else.

    They are never given back: what still lies in some buffer when the program ends is no message
    either.
    """

    def __init__(self) -> None:
        self._input = os.fdopen(os.dup(0), "rb")
        self._output = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        for printed in (sys.stdout, sys.__stdout__):
            with suppress(OSError, ValueError, AttributeError):
                printed.flush()  # type: ignore[union-attr]
        sys.stdout = sys.stderr

    def reading(self, loop: asyncio.AbstractEventLoop) -> Lines:
        """Begin to read lines."""
        return Lines(self._input, loop)

    def writing(self, loop: asyncio.AbstractEventLoop) -> Writer:
        """What writes lines."""
        return Writer(self._output, loop)


class Lines:
    """Lines of a stream, read in a thread that nobody has to wait for.

    Args:
        stream: Where they come from.
        loop: Where they are wanted.
    """

    def __init__(self, stream: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        threading.Thread(target=self._read, daemon=True, name="mediasense-mcp-input").start()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if not line.endswith(b"\n"):
            raise StopAsyncIteration
        return line.decode("utf-8", "replace")

    def _read(self) -> None:
        line = b"\n"
        while line.endswith(b"\n"):
            try:
                line = self._stream.readline(MOST_BYTES)
            except (OSError, ValueError):
                line = b""
            try:
                asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()
            except (RuntimeError, asyncio.CancelledError):  # the loop has ended
                return


class Writer:
    """Writes lines to a stream, each whole, in a thread that nobody has to wait for.

    Args:
        stream: Where they go.
        loop: Where they come from.
    """

    def __init__(self, stream: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._lines: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True, name="mediasense-mcp-output").start()

    async def write(self, text: str) -> None:
        """Write a line; it is done when whoever reads has room for it.

        Raises:
            OSError: Nobody reads any more.
        """
        written: asyncio.Future[None] = self._loop.create_future()
        self._lines.put((text.encode("utf-8", "replace"), written))
        await written

    async def flush(self) -> None:
        """Nothing is kept back."""

    def _write(self) -> None:
        while True:
            line, written = self._lines.get()
            error = None
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError) as problem:
                error = problem
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_settle, written, error)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
