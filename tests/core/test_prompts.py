"""What a model is told besides the question: true, complete, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Segment, prompts
from mediasense.prompts import Transcript
from mediasense.steps import clock

SECONDS = st.floats(0, 100_000, allow_nan=False)


def transcript(*spans: tuple[float, float]) -> Transcript:
    segments = tuple(Segment(start=s, end=e, text=f"{s}") for s, e in spans)
    return Transcript(segments=segments, text="", timed=True)


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0:00.0"),
        (7.44, "0:07.4"),
        (59.96, "1:00.0"),
        (3599.99, "1:00:00.0"),
        (3723.0, "1:02:03.0"),
        (-1.0, "0:00.0"),
    ],
)
def test_a_time_is_written_as_people_do(seconds, told):
    assert clock(seconds) == told


@settings(max_examples=200)
@given(seconds=SECONDS)
def test_a_time_can_be_read_back(seconds):
    total = 0.0
    for part in clock(seconds).split(":"):
        total = total * 60 + float(part)
    assert total == pytest.approx(seconds, abs=0.0501)


# --- the question --------------------------------------------------------------------------------


def test_images_that_are_whole_are_not_talked_about():
    assert prompts.about_images("What?", ["", ""]) == "What?"


def test_only_images_that_are_parts_are_talked_about():
    told = prompts.about_images("What?", ["", "part 1 of 2", "part 2 of 2"])
    assert told == "What?\n\nImage 2: part 1 of 2.\nImage 3: part 2 of 2."


def test_frames_are_told_with_their_times_in_order():
    told = prompts.about_frames("What?", ["0:00.0", "0:02.0"], "Nothing.", "")
    assert told == (
        "What?\n\nThe 2 images are, in this order, what a recording shows at: 0:00.0; 0:02.0.\n\n"
        "Nothing."
    )


def test_one_frame_is_one_image():
    told = prompts.about_frames("What?", ["0:02.0"], "", "")
    assert told == "What?\n\nThe image is what a recording shows at: 0:02.0."


def test_a_contact_sheet_is_told_with_every_time_on_it():
    assert prompts.sheet_note([0, 2, 4.5], 2) == (
        "0:00.0, 0:02.0, 0:04.5 (one sheet, 2 in a row, each with its time below it)"
    )


def test_a_whole_recording_is_no_part():
    assert prompts.part_of(1, 1, 0, 10) == ""


def test_a_part_is_told_which_it_is():
    told = prompts.part_of(2, 3, 10, 65)
    assert told.startswith("This is part 2 of 3 of a recording, from 0:10.0 to 1:05.0. ")
    assert prompts.part_of(0, 3, None, None).startswith("This is one part of a recording. ")


def test_a_clip_that_begins_at_the_start_needs_no_word():
    assert prompts.begins_at(0.0) == ""
    assert prompts.begins_at(65) == "Its own time 0:00 is 1:05.0 of the recording."


def test_a_note_of_nothing_is_none():
    assert prompts.with_note("What?", "") == "What?"
    assert prompts.with_note("What?", "a cat").endswith("before this one:\n\na cat")


def test_answers_are_joined_under_their_headings_in_order():
    told = prompts.join("What?", ["0:00.0 to 0:02.0", "0:02.0 to 0:04.0"], [" one\n", "two"])
    assert told.startswith("What?\n\nThe question above was asked about each part")
    assert told.endswith("## 0:00.0 to 0:02.0\n\none\n\n## 0:02.0 to 0:04.0\n\ntwo")


# --- what is said --------------------------------------------------------------------------------


def test_what_is_said_has_its_times_and_speakers():
    segments = (
        Segment(start=0, end=1.25, text=" Good morning. "),
        Segment(start=61, end=62, text="Hello.", speaker="B"),
    )
    assert prompts.spoken(segments) == "[0:00.0-0:01.2] Good morning.\n[1:01.0-1:02.0] B: Hello."


def test_silence_is_told():
    assert prompts.what_is_said(()) == "Nothing is said in the recording meanwhile."


@pytest.mark.parametrize(
    ("start", "end", "heard"),
    [
        (None, None, [0, 2, 4]),
        (None, 2, [0]),
        (2, None, [2, 4]),
        (2, 4, [2]),
        (1, 3, [0, 2]),
        (6, 9, []),
    ],
)
def test_a_part_has_what_is_said_in_it(start, end, heard):
    found = transcript((0, 2), (2, 4), (4, 6)).between(start, end)
    assert [segment.start for segment in found] == heard


@settings(max_examples=200)
@given(
    spans=st.lists(st.tuples(SECONDS, st.floats(0.001, 100)), max_size=20),
    cuts=st.lists(SECONDS, max_size=5).map(sorted),
)
def test_whatever_is_said_is_in_a_part(spans, cuts):
    whole = transcript(*((start, start + length) for start, length in spans))
    bounds = [None, *cuts, None]
    found = {segment for start, end in pairwise(bounds) for segment in whole.between(start, end)}
    assert found == set(whole.segments)
