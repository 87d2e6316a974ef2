"""Several things at once: results in order, and the first failure ends it."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.together import together


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 20), jobs=st.integers(1, 8))
def test_results_come_in_order(count, jobs):
    assert together([partial(int, n) for n in range(count)], jobs=jobs) == list(range(count))


def test_the_last_may_be_the_first_to_end():
    gate = threading.Event()

    def first() -> str:
        assert gate.wait(10)
        return "first"

    def second() -> str:
        gate.set()
        return "second"

    assert together([first, second], jobs=2) == ["first", "second"]


@pytest.mark.parametrize("jobs", [2, 3, 5])
def test_no_more_are_under_way_than_allowed(jobs):
    lock, most, now = threading.Lock(), 0, 0
    full = threading.Barrier(jobs, timeout=10)

    def work() -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        full.wait()
        with lock:
            now -= 1

    together([work] * (jobs * 3), jobs=jobs)
    assert most == jobs


def test_one_job_stays_in_this_thread():
    threads = together([threading.get_ident] * 3, jobs=1)
    assert set(threads) == {threading.get_ident()}
    assert together([threading.get_ident], jobs=8) == [threading.get_ident()]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_failure_is_raised_as_it_is(failure, jobs):
    def fail() -> None:
        raise failure

    with pytest.raises(type(failure)) as caught:
        together([fail, fail, fail], jobs=jobs)
    assert caught.value is failure


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_after_a_failure_nothing_more_is_begun(jobs):
    """Whoever failed does not take the next one before the failure is seen."""
    begun = []

    def fail(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    for _ in range(30):
        begun.clear()
        with pytest.raises(ValueError, match=r"[0-9]"):
            together([partial(fail, n) for n in range(50)], jobs=jobs)
        assert len(begun) <= jobs


def test_what_is_under_way_is_not_waited_for():
    gate, begun = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait(60)

    def fail() -> None:
        assert begun.wait(10)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        together([slow, fail], jobs=2)
    assert not gate.is_set()
    gate.set()


def test_ctrl_c_is_heard_while_others_are_waited_for():
    gate, ended = threading.Event(), []

    def slow() -> None:
        gate.wait(60)
        ended.append(1)

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        slow()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            together([interrupted, slow, slow], jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == []
    gate.set()


def test_threads_never_keep_a_program_from_ending():
    found = together([threading.current_thread] * 2, jobs=2)
    assert all(thread.daemon for thread in found)


def test_after_some_failures_what_is_under_way_is_waited_for():
    begun, go, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        assert go.wait(10)
        done.append("slow")

    def fail() -> None:
        assert begun.wait(10)
        threading.Timer(0.2, go.set).start()
        raise LookupError

    never = partial(done.append, "never")
    with pytest.raises(LookupError):
        together([slow, fail, never, never], jobs=2, settles=(LookupError,))
    assert done == ["slow"]
