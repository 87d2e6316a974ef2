"""One thread works at a time; whoever waits for something else lets others work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mediasense.together import together
from mediasense.turns import apart, heavily, turn


@contextmanager
def threads(*functions: Callable[[], object]) -> Iterator[None]:
    """Threads that must all have ended when the block has."""
    started = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in started:
        thread.start()
    yield
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)


def test_one_thread_works_at_a_time():
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with turn():
                inside += 1
                most = max(most, inside)
                inside -= 1

    with threads(*[work] * 8):
        pass
    assert most == 1


def test_whoever_waits_apart_lets_others_work():
    done = threading.Event()

    def wait() -> None:
        with turn(), apart():
            assert done.wait(10)

    def work() -> None:
        with turn():
            done.set()

    with threads(wait, work):
        pass
    assert done.is_set()


def test_after_waiting_apart_it_is_one_at_a_time_again():
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(100):
            with turn():
                with apart():
                    pass
                inside += 1
                most = max(most, inside)
                inside -= 1

    with threads(*[work] * 6):
        pass
    assert most == 1


@pytest.mark.parametrize("waiting", [apart, heavily])
def test_a_failure_gives_the_turn_back(waiting):
    with pytest.raises(KeyError), turn(), waiting():
        raise KeyError
    with threads(_take):
        pass


def _take() -> None:
    with turn():
        pass


@pytest.mark.parametrize("waiting", [apart, heavily])
def test_outside_of_turns_nothing_is_waited_for(waiting):
    with turn(), threads(lambda: waiting().__enter__()):
        pass


def test_waiting_apart_twice_gives_one_turn_back():
    with turn(), apart(), apart(), threads(_take):
        pass
    with threads(_take, _take):
        pass


def test_functions_that_run_together_may_take_turns_themselves():
    def work() -> int:
        with turn():
            return 1

    with turn():
        assert together([work, work, work], jobs=2) == [1, 1, 1]


def test_in_a_forked_process_it_is_nobodys_turn():
    with turn():
        child = os.fork()
        if not child:
            taken = threading.Thread(target=_take, daemon=True)
            taken.start()
            taken.join(5)
            os._exit(taken.is_alive())
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_turn_inside_a_turn_is_the_same():
    with turn():
        with turn():
            pass
        with threads(lambda: None):
            pass
    with threads(_take):
        pass
