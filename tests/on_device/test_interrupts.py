"""Ctrl-C while the engine is loaded: held back, never lost, never taken for a broken engine."""

from __future__ import annotations

import signal
import threading

import pytest

from mediasense_on_device.interrupts import ctrl_c_later


@pytest.fixture(autouse=True)
def heard():
    """Started from the background, Python ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(then):
    """Press Ctrl-C, and do something else before it is heard."""
    with ctrl_c_later():
        signal.raise_signal(signal.SIGINT)
        then()


def test_ctrl_c_comes_when_the_block_is_over():
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: done.append("all of it"))
    assert done == ["all of it"]


def test_ctrl_c_wins_over_the_error_it_led_to():
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: int("a broken configuration"))


def test_an_error_without_ctrl_c_is_the_error():
    with pytest.raises(ValueError, match="broken"), ctrl_c_later():
        raise ValueError("broken")


def test_the_handler_of_before_is_set_again_and_called():
    came = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        mine = signal.getsignal(signal.SIGINT)
        with ctrl_c_later():
            signal.raise_signal(signal.SIGINT)
            assert came == []
        assert signal.getsignal(signal.SIGINT) is mine
        assert came == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_is_left_alone():
    failed = []

    def work():
        try:
            with ctrl_c_later():
                pass
        except ValueError as error:  # signals are set in the main thread only
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []
