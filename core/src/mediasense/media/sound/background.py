"""Encoding in a thread of its own, while the sound that follows is decoded.

FFmpeg's libraries work without Python's lock, so the two run at the same time where an encoder is
busy for longer than Python takes to pass the lock on. Decoders are not: a thread for them costs
more than it gains.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from mediasense.media.sound.encoders import Encoder
from mediasense.media.sound.resampling import WIDTH

_DEPTH = 3  # blocks that wait, of some seconds each


class BackgroundEncoder:
    """An encoder that is given its samples by another thread; what comes out is the same.

    What goes wrong in the thread is raised by the next call. Whoever begins one must call
    :meth:`close` or :meth:`abandon`: the thread is gone when they return.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.path, self.mime_type = encoder.path, encoder.mime_type
        self._encoder = encoder
        self._blocks: SimpleQueue[bytes | threading.Event | None] = SimpleQueue()
        self._room = threading.Semaphore(_DEPTH)
        self._given = 0  # samples; changed by the caller only
        self._taken = 0  # samples; changed by the thread only
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="mediasense-encoder", daemon=True)
        self._thread.start()

    def add(self, pcm: bytes) -> None:
        """Write samples, soon."""
        self._check()
        self._room.acquire()
        self._given += len(pcm) // WIDTH
        self._blocks.put(pcm)

    def bound(self, samples: int) -> int:
        """The most bytes the file may have, if that many samples more are written."""
        self._settle()
        return self._encoder.bound(samples)

    def fits(self, samples: int, size: int) -> bool:
        """Whether the file surely keeps within a size, if that many samples more are written."""
        # What waits is taken for as large as it can be, so a yes is a yes. Read before the bound:
        # what is encoded in between counts twice, never not at all.
        waiting = self._given - self._taken
        if self._encoder.fits(samples + waiting, size):
            return True
        self._settle()
        return self._encoder.fits(samples, size)

    def close(self) -> int:
        """End the file; give its size."""
        self._join()
        self._check()
        return self._encoder.close()

    def abandon(self) -> None:
        """Remove what was written."""
        self._abandoned = True
        try:
            self._join()
        finally:
            self._encoder.abandon()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _settle(self) -> None:
        """Wait until all that was given is encoded."""
        reached = threading.Event()
        self._blocks.put(reached)
        reached.wait()
        self._check()

    def _join(self) -> None:
        """Wait until the thread is gone, whatever interrupts it: it uses what is closed next."""
        self._blocks.put(None)
        interrupted: KeyboardInterrupt | None = None
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _work(self) -> None:
        """Take blocks until the end, after an error too: who gives them must not wait for ever."""
        while (block := self._blocks.get()) is not None:
            if isinstance(block, threading.Event):
                block.set()
                continue
            if self._error is None and not self._abandoned:
                try:
                    self._encoder.add(block)
                except BaseException as error:  # noqa: BLE001 - raised by the next call
                    self._error = error
            self._taken += len(block) // WIDTH
            self._room.release()
