"""Lines of a recording: when they came and went.

The pictures are drawn in a script that a toy can read: a line is a block, its text is its grey.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mediasense import Box, TextLine
from mediasense_on_device.boxes import around, overlap
from mediasense_on_device.engine import Reading
from mediasense_on_device.screens import screens
from mediasense_on_device.timeline import (
    Timeline,
    same_text,
    whole_lines,
    without_blinks,
    without_typing,
)

from .conftest import line
from .test_screens import SIZE, FakeFrame

TEXTS = ("sign in", "password", "a", "an", "anna", "error 401", "retry", "total 10", "x", "unread")
Places = dict[str, tuple[int, int]]


def drawn(places: Places) -> np.ndarray:
    greys = np.full(SIZE, 255, np.uint8)
    for text, (left, top) in places.items():
        greys[top : top + 16, left : left + 16 * len(text)] = 20 * TEXTS.index(text)
    return greys


class Toy:
    """Reads such pictures, and notes how large they were."""

    def __init__(self) -> None:
        self.areas: list[int] = []

    def __call__(self, picture: np.ndarray) -> Reading:
        self.areas.append(picture.shape[0] * picture.shape[1])
        found = {text: self.find(picture[:, :, 0], 20 * n) for n, text in enumerate(TEXTS)}
        lines = [TextLine(text=text, confidence=0.9, box=box) for text, box in found.items() if box]
        return Reading(
            tuple(it for it in lines if it.text != "unread"),
            tuple(it.box for it in lines if it.text == "unread"),
        )

    def find(self, greys: np.ndarray, grey: int) -> Box | None:
        rows, columns = np.nonzero(np.abs(greys.astype(int) - grey) <= 3)
        if len(rows) < 100:
            return None
        return Box(
            left=int(columns.min()),
            top=int(rows.min()),
            right=int(columns.max()) + 1,
            bottom=int(rows.max()) + 1,
        )


def watch(
    *shots: tuple[float, Places], end: float = 10.0, toy: Toy | None = None
) -> tuple[list[tuple[str, float | None, float | None]], Timeline]:
    """The lines of a recording that shows such places from such seconds on."""
    frames = []
    for moment in np.arange(0, end, 0.25):
        _, places = max((shot for shot in shots if shot[0] <= moment), key=lambda shot: shot[0])
        frames.append(FakeFrame(float(moment), drawn(places)))
    timeline = Timeline(toy or Toy())
    for screen in screens(frames, 4.0):
        timeline.show(screen)
    return [(it.text, it.start, it.end) for it in timeline.stop(end)], timeline


# --- when ----------------------------------------------------------------------------------------


def test_a_line_that_stays_is_one_line_from_start_to_end():
    assert watch((0, {"sign in": (32, 32)}))[0] == [("sign in", 0, 10)]


def test_a_line_comes_and_goes_when_it_does():
    lines, _ = watch((0, {}), (2.5, {"error 401": (32, 32)}), (6, {}))
    assert lines == [("error 401", 2.5, 6)]


def test_a_line_is_replaced_by_another():
    lines, _ = watch((0, {"sign in": (32, 32)}), (4, {"error 401": (32, 32)}))
    assert lines == [("sign in", 0, 4), ("error 401", 4, 10)]


def test_what_nothing_touched_is_not_read_again():
    toy = Toy()
    watch((0, {"sign in": (32, 32)}), (4, {"sign in": (32, 32), "x": (320, 256)}), toy=toy)
    whole, part = toy.areas
    assert part < whole / 10


def test_a_line_partly_changed_is_read_whole():
    lines, _ = watch(
        (0, {"sign in": (32, 32), "password": (32, 96)}),
        (4, {"sign in": (32, 32), "password": (32, 96), "retry": (128, 32)}),
    )
    assert ("retry", 4, 10) in lines
    assert ("password", 0, 10) in lines


def test_a_line_that_was_scrolled_is_the_same_line():
    lines, _ = watch(
        (0, {"sign in": (32, 256), "password": (32, 288)}),
        (4, {"sign in": (32, 64), "password": (32, 96)}),
    )
    assert lines == [("sign in", 0, 10), ("password", 0, 10)]


def test_the_same_words_in_quite_another_place_are_another_line():
    lines, _ = watch((0, {"sign in": (32, 256)}), (4, {"sign in": (320, 32)}))
    assert lines == [("sign in", 0, 4), ("sign in", 4, 10)]


def test_a_line_that_was_hidden_for_a_moment_is_one_line():
    lines, _ = watch((0, {"sign in": (32, 32)}), (4, {}), (5, {"sign in": (32, 32)}))
    assert lines == [("sign in", 0, 10)]


def test_a_line_that_comes_back_later_is_another():
    lines, _ = watch((0, {"sign in": (32, 32)}), (4, {}), (8, {"sign in": (32, 32)}))
    assert lines == [("sign in", 0, 4), ("sign in", 8, 10)]


def test_one_small_letter_by_itself_is_the_pointer():
    lines, _ = watch((0, {"sign in": (32, 32), "x": (320, 256)}))
    assert lines == [("sign in", 0, 10)]


def test_one_letter_in_a_row_with_others_is_text():
    lines, _ = watch((0, {"sign in": (32, 32), "x": (160, 32)}))
    assert ("x", 0, 10) in lines


def test_what_could_not_be_read_is_counted_once():
    _, timeline = watch(
        (0, {"unread": (32, 32)}),
        (3, {"unread": (32, 32), "retry": (144, 32)}),
        (6, {"unread": (32, 256)}),
    )
    assert len(timeline.unread) == 2


# --- parts of a screen ---------------------------------------------------------------------------

boxes = st.builds(
    lambda left, top, width, height: Box(
        left=left, top=top, right=left + width, bottom=top + height
    ),
    st.integers(0, 900),
    st.integers(0, 900),
    st.integers(1, 300),
    st.integers(1, 60),
)


@given(st.lists(boxes, max_size=12), st.lists(boxes, max_size=12))
def test_parts_cut_no_line_and_do_not_meet(regions, lines):
    parts = whole_lines(regions, lines)
    for part in parts:
        assert all(around([part, it]) == part for it in lines if overlap(part, it))
        assert not any(other is not part and overlap(part, other) for other in parts)
    assert all(any(around([part, it]) == part for part in parts) for it in regions)


# --- lines over time -----------------------------------------------------------------------------


def test_readings_that_differ_in_lookalikes_are_the_same():
    assert same_text("Invoice 1O1 ...", "lnvoice 10l…")
    assert same_text("Sign in", "Signin")


def test_numbers_that_differ_are_not_the_same():
    assert not same_text("00:12:31", "00:12:32")
    assert not same_text("Error 401", "Error 404")


def test_of_two_readings_of_a_line_the_surer_is_kept():
    (only,) = without_blinks(
        [
            line("lnvoice", start=0, end=4, confidence=0.8),
            line("Invoice", start=4, end=9, confidence=0.99),
        ]
    )
    assert (only.text, only.start, only.end) == ("Invoice", 0, 9)


def test_a_line_misread_for_a_moment_is_left_out():
    """The pointer passed over it."""
    (only,) = without_blinks(
        [
            line("Session expired", start=0, end=4),
            line("Sessi expired", start=4, end=4.5),
            line("Session expired", start=4.5, end=9),
        ]
    )
    assert (only.text, only.start, only.end) == ("Session expired", 0, 9)


def test_another_line_that_stood_for_a_moment_is_not_left_out():
    texts = [
        it.text
        for it in without_blinks(
            [
                line("Saving", start=0, end=4),
                line("Error 500", start=4, end=4.5),
                line("Saving", start=4.5, end=9),
            ]
        )
    ]
    assert texts == ["Saving", "Error 500"]


def test_what_is_typed_is_told_when_it_is_whole():
    """The caret is read as a letter."""
    typed = [
        line("a|", 0, 0, 20, start=1, end=1.5),
        line("annl", 0, 0, 40, start=1.5, end=2),
        line("anna@example.com", 0, 0, 160, start=2, end=9),
        line("another", 300, 200, start=2, end=9),
    ]
    assert [it.text for it in without_typing(typed)] == ["anna@example.com", "another"]


def test_a_longer_line_that_comes_later_leaves_the_shorter():
    lines = [line("Total", start=0, end=3), line("Total 10", start=8, end=9)]
    assert without_typing(lines) == lines


seconds = st.floats(0, 30).map(lambda number: round(number, 2))
seen = st.builds(
    lambda text, left, top, start, length: line(
        text, left, top, start=start, end=round(start + length, 2)
    ),
    st.sampled_from(["one", "two", "onc", "ones"]),
    st.sampled_from([0, 8, 300]),
    st.sampled_from([0, 200]),
    seconds,
    st.floats(0, 10),
)


@given(st.lists(seen, max_size=12))
def test_no_line_is_made_up_and_times_stay_in_order(lines):
    spans = without_blinks(lines)
    assert {it.text for it in spans} <= {it.text for it in lines}
    assert [it.start for it in spans] == sorted(it.start for it in spans)
    for it in spans:
        assert any(it.start == other.start for other in lines)
        assert any(it.end == other.end for other in lines)
        assert it.start <= it.end
    assert len(spans) <= len(lines)
    assert bool(spans) == bool(lines)


@given(st.lists(seen, max_size=12))
def test_doing_it_twice_changes_nothing(lines):
    once = without_blinks(lines)
    assert len(without_blinks(once)) <= len(once)
    assert set(without_typing(once)) <= set(once)
