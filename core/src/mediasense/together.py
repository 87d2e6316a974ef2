"""Several things at once, on threads that never keep a program from ending."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mediasense.turns import apart

Result = TypeVar("Result")

_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


def together(
    functions: Sequence[Callable[[], Result]],
    *,
    jobs: int,
    settles: tuple[type[BaseException], ...] = (),
) -> list[Result]:
    """Call functions, some at once, and give their results in order.

    The first that fails ends it: the rest is not begun, and what is under way is not waited for.

    Args:
        functions: What to call.
        jobs: How many at once.
        settles: Failures after which what is under way is waited for all the same.

    Raises:
        BaseException: Whatever the first failing function raised.
    """
    if len(functions) <= 1 or jobs <= 1:
        return [function() for function in functions]
    crew = _Crew(functions)
    for _ in range(min(jobs, len(functions))):
        mine = contextvars.copy_context()  # each needs one of its own
        threading.Thread(target=mine.run, args=(crew.work,), daemon=True).start()
    try:
        with apart():
            return crew.results(settles)
    finally:
        crew.stop()


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[Result]):
    number: int
    result: Result | None = None
    error: BaseException | None = None


class _Crew(Generic[Result]):
    """Threads that take one function after the other, until one fails."""

    def __init__(self, functions: Sequence[Callable[[], Result]]) -> None:
        self._count = len(functions)
        self._waiting = iter(enumerate(functions))
        self._outcomes: queue.SimpleQueue[_Outcome[Result]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._begun = 0
        self._stopped = False

    def work(self) -> None:
        """What each thread does."""
        while True:
            with self._lock:
                number, function = (-1, None) if self._stopped else next(self._waiting, (-1, None))
                if function is None:
                    return
                self._begun += 1
            try:
                outcome = _Outcome(number, function())
            except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
                self.stop()  # at once: this thread would take the next before it is raised
                outcome = _Outcome(number, error=error)
            self._outcomes.put(outcome)

    def stop(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._stopped = True

    def results(self, settles: tuple[type[BaseException], ...]) -> list[Result]:
        """Wait for all of them, or for the first that fails."""
        results: dict[int, Result | None] = {}
        failed: BaseException | None = None
        while len(results) < self._expected(failed):
            try:
                outcome = self._outcomes.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            results[outcome.number] = outcome.result
            failed = failed or outcome.error
            if failed is not None and not isinstance(failed, settles):
                raise failed
        if failed is not None:
            raise failed
        return [results[number] for number in range(self._count)]  # type: ignore[misc]

    def _expected(self, failed: BaseException | None) -> int:
        with self._lock:
            return self._count if failed is None else self._begun
