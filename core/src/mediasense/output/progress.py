"""What is being done: drawn on a terminal, told step by step where that is wanted."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from mediasense.output.colour import allows_animation, console
from mediasense.output.terminal import is_said, level, say
from mediasense.sending import FIGURES

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.spinner import Spinner

_AFTER_SECONDS = 0.5
"""What is over sooner is not shown; the library that draws takes 70 ms to load."""

_A_SECOND = 8
"""How often the line is drawn."""
_BAR_WIDTH = 24


class Display:
    """One line on stderr that says what is being done, how far it is, and for how long.

    It is drawn only on a terminal, only when something lasts, and is gone at the end. Where every
    step is to be told, it writes a line for each that is over instead.

    Args:
        clock: Tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._timer: threading.Timer | None = None
        self._live: Live | None = None
        self._words = ""
        self._figures = ""
        self._share: float | None = None
        self._since = clock()
        self._spinner: Spinner | None = None
        # Drawing for the first time happens where the line is begun.
        self._lock = threading.RLock()

    def __enter__(self) -> Display:
        if level() == "normal" and allows_animation(sys.stderr):
            self._timer = threading.Timer(_AFTER_SECONDS, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()
        with self._lock:
            self._tell()

    def report(self, words: str, share: float | None) -> None:
        """Show what is being done: 0 to 1 of it, or ``None`` when nobody knows."""
        what, _, figures = words.partition(FIGURES)
        with self._lock:
            if what != self._words:
                self._tell()
                self._words, self._since = what, self._clock()
            self._figures, self._share = figures, share

    def clear(self) -> None:
        """Take the line away for good: something else is written now."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._timer = None
            live, self._live = self._live, None
        if live is not None:  # outside: what draws the line waits for the lock
            live.stop()

    def _tell(self) -> None:
        """Tell of what is over, where that is wanted."""
        if self._words and is_said("step"):
            figures = f", {self._figures}" if self._figures else ""
            say("step", f"{self._clock() - self._since:.2f} s {self._words}{figures}")
            self._words = ""

    def _start(self) -> None:
        from rich.live import Live

        live = Live(
            console=console(sys.stderr),
            get_renderable=self._line,
            refresh_per_second=_A_SECOND,
            transient=True,
            # It would send on to stderr what is written to stdout, also where that is a file.
            redirect_stdout=False,
        )
        with self._lock:
            if self._timer is None:
                return
            self._live = live
            with suppress(OSError):  # the terminal is gone
                live.start()

    def _line(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            words = FIGURES.join(filter(None, (self._words, self._figures)))
            share, seconds = self._share, self._clock() - self._since
        self._spinner = self._spinner or Spinner("dots")
        row: list[RenderableType] = [
            self._spinner,
            Text("".join(c for c in words if c.isprintable()), no_wrap=True, overflow="ellipsis"),
        ]
        if share is not None:
            row.append(ProgressBar(total=1.0, completed=share, width=_BAR_WIDTH))
            row.append(Text(f"{share:4.0%}", no_wrap=True))
        row.append(Text(_clock(seconds), no_wrap=True))
        line = Table.grid(padding=(0, 1))
        line.add_row(*row)
        return line


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes}:{second:02d}"
