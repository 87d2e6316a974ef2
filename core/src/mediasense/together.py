"""Several things at once, on threads that never keep a program from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")

_PATIENCE = 0.2
"""Seconds: on some systems Ctrl-C is not heard while a thread waits for another without end."""


def together(functions: Sequence[Callable[[], Result]], *, jobs: int) -> list[Result]:
    """Call functions, some at once, and give their results in order.

    The first that fails ends it: the rest is not begun, and what is under way is not waited for.

    Args:
        functions: What to call.
        jobs: How many at once.

    Raises:
        BaseException: Whatever the first failing function raised.
    """
    if len(functions) <= 1 or jobs <= 1:
        return [function() for function in functions]
    waiting = iter(enumerate(functions))
    done: queue.SimpleQueue[tuple[int, Result | None, BaseException | None]] = queue.SimpleQueue()
    lock = threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                number, function = next(waiting, (-1, None))
            if function is None:
                return
            try:
                done.put((number, function(), None))
            except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
                stopped.set()  # at once: this thread would take the next before it is raised
                done.put((number, None, error))

    for _ in range(min(jobs, len(functions))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(functions):
            try:
                number, result, error = done.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            results[number] = result  # type: ignore[assignment]
    finally:
        stopped.set()
    return [results[number] for number in range(len(functions))]
