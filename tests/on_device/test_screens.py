"""Which screens a recording has, and which of them are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense import Box
from mediasense_on_device import screens as module
from mediasense_on_device.screens import Screen, affordable, screens

SIZE = (320, 480)  # rows, columns: 20 x 30 blocks


@dataclass(frozen=True)
class FakeFrame:
    """A frame whose small picture is a quarter of a given picture of greys."""

    timestamp: float
    greys: np.ndarray

    @property
    def luma(self) -> np.ndarray:
        return self.greys[::4, ::4]

    def picture(self) -> np.ndarray:
        return np.repeat(self.greys[:, :, None], 3, 2)


def blank() -> np.ndarray:
    return np.full(SIZE, 255, np.uint8)


def marked(*places: tuple[int, int], size: int = 16) -> np.ndarray:
    greys = blank()
    for top, left in places:
        greys[top : top + size, left : left + size] = 0
    return greys


def watch(*shots: np.ndarray, fps: float = 4.0, times: list[float] | None = None) -> list[Screen]:
    moments = times or [n / fps for n in range(len(shots))]
    return list(screens(map(FakeFrame, moments, shots), fps))


# --- what is a screen ----------------------------------------------------------------------------


def test_a_picture_that_stands_is_one_screen():
    (only,) = watch(*[blank()] * 10)
    assert only.time == 0
    assert only.regions == [Box(left=0, top=0, right=480, bottom=320)]


def test_what_changes_and_stands_is_a_screen_of_what_changed():
    _, second = watch(blank(), blank(), *[marked((32, 64))] * 4)
    assert second.regions == [Box(left=64, top=32, right=80, bottom=48)]
    assert [patch.box for patch in second.patches] == second.regions
    assert second.changes_in(second.regions[0]) == [0.5]


def test_regions_far_apart_are_read_apart():
    _, second = watch(blank(), *[marked((32, 64), (32, 80), (256, 400))] * 3)
    assert sorted(second.regions, key=lambda box: box.left) == [
        Box(left=64, top=32, right=96, bottom=48),
        Box(left=400, top=256, right=416, bottom=272),
    ]


def test_when_most_has_changed_all_of_it_is_read():
    _, second = watch(blank(), *[marked((0, 0), size=280)] * 3)
    assert second.regions == [second.size]


def test_what_moves_is_waited_for():
    """Scrolling and fading are not read before they stand still."""
    moving = [marked((32, 16 * n)) for n in range(1, 4)]
    found = watch(blank(), *moving, *[marked((32, 160))] * 3)
    assert [screen.time for screen in found] == [0, 1.25]
    assert found[1].changes_in(Box(left=160, top=32, right=176, bottom=48)) == [1.0]


def test_what_never_stands_still_is_read_once_a_second():
    moving = [marked((32, 16 * (n % 20))) for n in range(24)]
    gaps = np.diff([screen.time for screen in watch(*moving)])[:-1]
    assert 1.0 <= gaps.min() <= gaps.max() <= 1.25


def test_something_moving_elsewhere_does_not_date_what_stands():
    """A message comes at 0.5 while the pointer moves on: it came at 0.5."""
    shots = [marked((288, 16 * n)) for n in range(2)]
    shots += [marked((288, 16 * n), (32, 64)) for n in range(2, 12)]
    message = Box(left=64, top=32, right=80, bottom=48)
    _, *later = watch(*shots)
    assert next(filter(None, (screen.changes_in(message) for screen in later))) == [0.5]


def test_what_creeps_in_is_noticed_in_the_end():
    """The reference is the last screen that was read, not the last frame that was seen."""
    fading = [np.full(SIZE, 255 - 6 * n, np.uint8) for n in range(8)]
    _, second, *_ = watch(*fading)
    assert second.time == 0.75
    assert set(second.changes_in(second.size)) == {0.75}


def test_a_frame_that_stands_until_the_next_is_a_screen():
    """Recorders that write only changes give each screen one frame."""
    found = watch(blank(), marked((32, 64)), marked((64, 64)), times=[0, 5, 12])
    assert [screen.time for screen in found] == [0, 5, 12]


def test_the_last_frame_is_a_screen_even_if_it_moved():
    assert [s.time for s in watch(blank(), marked((32, 64)))] == [0, 0.25]


def test_slow_looking_takes_every_look_as_a_screen():
    found = watch(*[marked((32, 16 * n)) for n in range(5)], fps=0.5)
    assert [screen.time for screen in found] == [0, 2, 4, 6, 8]


def test_a_recording_that_changes_its_size_starts_afresh():
    small = np.zeros((160, 240), np.uint8)
    _, second = watch(blank(), blank(), small, small)
    assert second.regions == [Box(left=0, top=0, right=240, bottom=160)]


def test_no_frames_have_no_screens():
    assert watch() == []


# --- which are read ------------------------------------------------------------------------------


def whole(time: float) -> Screen:
    _, screen = watch(blank(), np.zeros(SIZE, np.uint8), times=[0, time])
    return screen


def test_what_can_be_afforded_is_all_read():
    found = watch(*[marked((32, 16 * (n % 20))) for n in range(24)])
    assert affordable(found) == (found, 0)


def test_the_screens_that_stood_shortest_are_left_out(monkeypatch):
    monkeypatch.setattr(module, "BUDGET", 1.5)
    found = [whole(time) for time in (0.1, 5.0, 6.0, 12.0)]
    kept, left_out = affordable(found)
    assert [screen.time for screen in kept] == [12.0]
    assert left_out == 3
    monkeypatch.setattr(module, "BUDGET", 2.5)
    kept, left_out = affordable(found)
    assert ([screen.time for screen in kept], left_out) == ([6.0, 12.0], 2)


def test_what_changed_on_a_screen_left_out_is_read_on_the_next(monkeypatch):
    first, second, third = watch(
        *[blank()] * 9, *[marked((32, 64))] * 2, *[marked((32, 64), (256, 400))] * 8
    )
    monkeypatch.setattr(module, "BUDGET", 1.05)
    kept, left_out = affordable([first, second, third])
    assert left_out == 1
    both = kept[-1]
    assert len(both.regions) == len(both.patches) == 2
    assert both.changes_in(second.regions[0]) == [2.25]
    assert both.changes_in(third.regions[0]) == [2.75]


def test_what_is_covered_is_not_kept(monkeypatch):
    """Memory is bounded: a moving picture an hour long keeps forty screens, not thousands."""
    monkeypatch.setattr(module, "BUDGET", 3.0)
    found = [whole(float(n)) for n in range(1, 40)]
    kept, left_out = affordable(found)
    assert sum(len(screen.patches) for screen in kept) == len(kept) == 3
    assert left_out == 36


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 29)), max_size=20), st.floats(0.05, 3))
def test_nothing_that_changed_is_lost(places, budget):
    shots = [blank()]
    for row, column in places:
        shots.append(shots[-1].copy())
        shots[-1][16 * row : 16 * row + 16, 16 * column : 16 * column + 16] ^= 255
    found = watch(*[shot for shot in shots for _ in range(2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUDGET", budget)
        kept, left_out = affordable(found)
    assert len(kept) + left_out == len(found)
    assert np.array_equal(
        np.logical_or.reduce([s.changed for s in kept]),
        np.logical_or.reduce([s.changed for s in found]),
    )
