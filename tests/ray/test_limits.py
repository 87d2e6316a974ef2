"""The limits of rate and cost that all workers of a cluster keep to together."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.batches.limits import Gate, Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_a_lost_worker_had_put_aside_counts_as_spent():
    limits = Limits({}, 1.0, 0.0)
    assert limits.reserve(1, 0.4) == "held"
    assert limits.reserve(1, 0.4) == "held"
    limits.settle(1, 0.4, 0.1)
    assert limits.reserve(2, 0.6) == "wait"
    limits.lose(1)
    assert limits.spent() == pytest.approx(0.5)
    assert limits.reserve(2, 0.6) == "none"
    assert limits.reserve(2, 0.5) == "held"


def test_a_worker_that_seemed_lost_pays_once():
    limits = Limits({}, 1.0, 0.0)
    limits.reserve(1, 0.4)
    limits.lose(1)
    limits.settle(1, 0.4, 0.1)
    assert limits.spent() == pytest.approx(0.4)


def test_a_worker_that_comes_back_is_a_worker_again():
    limits = Limits({}, 1.0, 0.0)
    limits.lose(1)
    assert limits.reserve(1, 0.6) == "held"
    limits.settle(1, 0.6, 0.1)
    assert limits.reserve(2, 0.9) == "held"


def test_a_worker_that_falls_silent_is_lost():
    clock = Clock()
    limits = Limits({}, 1.0, 0.0, clock)
    limits.reserve(1, 0.4)
    limits.live(1)
    clock.now = 50.0
    limits.live(2)
    assert limits.spent() == 0.0
    clock.now = 70.0
    limits.live(2)
    assert limits.spent() == pytest.approx(0.4)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.sampled_from(["reserve", "settle", "lose"]), st.integers(1, 60)
        ),
        max_size=40,
    )
)
def test_no_more_is_spent_than_may_be_whoever_is_lost(steps):
    limits = Limits({}, 1.0, 0.0)
    held: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for worker, step, cents in steps:
        if step == "reserve" and limits.reserve(worker, cents / 100) == "held":
            held[worker].append(cents / 100)
        elif step == "settle" and held[worker]:
            reserved = held[worker].pop()
            limits.settle(worker, reserved, reserved / 2)
        elif step == "lose":
            limits.lose(worker)
    for worker in held:
        limits.lose(worker)
    assert limits.spent() <= 1.0 + 1e-9


def test_a_gate_lets_so_many_through_and_may_be_widened():
    gate, inside, done = Gate(1), threading.Semaphore(0), threading.Event()

    def pass_through() -> None:
        with gate:
            inside.release()
            done.wait(10)

    threads = [threading.Thread(target=pass_through, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=10)
    assert not inside.acquire(timeout=0.1)
    gate.resize(2)
    assert inside.acquire(timeout=10)
    assert not inside.acquire(timeout=0.1)
    done.set()
    for thread in threads:
        thread.join(10)
    assert inside.acquire(timeout=10)
