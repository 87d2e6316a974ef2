"""What is being done, shown on a terminal and nowhere else."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_AFTER_SECONDS = 0.5
"""What is over sooner is not shown; the library that draws takes 70 ms to load."""


class Display:
    """One line on stderr that says what is being done, with a bar where it is known how far.

    It is drawn only on a terminal, only when something lasts, and is gone at the end.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._state: dict[str, Any] = {"description": "", "total": None, "completed": 0}
        self._lock = threading.Lock()

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            self._timer = threading.Timer(_AFTER_SECONDS, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def report(self, words: str, share: float | None) -> None:
        """Show what is being done: 0 to 1 of it, or ``None`` when nobody knows."""
        total = None if share is None else 1.0
        with self._lock:
            self._state = {"description": words, "total": total, "completed": share or 0}
            self._draw()

    def clear(self) -> None:
        """Take the line away for good: something else is written now."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._timer = None
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def _draw(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, **self._state)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._timer is None:
                return
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("", total=None)
            self._progress.start()
            self._draw()
