"""What is told: text to read, and what to know about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediasense import Box, ImageRequest, Media, VideoRequest
from mediasense_on_device import answers
from mediasense_on_device.answers import Watched, about_images, about_video, clock, timetable
from mediasense_on_device.engine import Reading

from .conftest import line

NOWHERE = Box(left=0, top=0, right=9, bottom=3)


def image(timestamp: float | None = None) -> Media:
    return Media(modality="image", mime_type="image/png", data=b"", timestamp=timestamp)


@pytest.fixture
def told(provider):
    """Tell what was read in images."""

    def tell(*readings: Reading, timestamps=None, prompt=None):
        moments = timestamps or [None] * len(readings)
        request = ImageRequest(provider=provider, images=tuple(map(image, moments)), prompt=prompt)
        return about_images(request, readings)

    return tell


@pytest.fixture
def watched(provider):
    """Tell what was seen in a recording."""

    def tell(*lines, prompt=None, **found):
        video = Media(modality="video", mime_type="video/mp4", path=Path("a.mp4"))
        usual = {"unread": 0, "start": 0.0, "end": 60.0, "screens": 3, "left_out": 0, "damage": ""}
        request = VideoRequest(provider=provider, video=video, prompt=prompt)
        return about_video(request, Watched(lines=lines, **(usual | found)))

    return tell


# --- images --------------------------------------------------------------------------------------


def test_one_image_is_its_text(told):
    answer = told(Reading((line("Hello"),), ()))
    assert (answer.text, answer.warnings) == ("Hello", ())
    assert (answer.model, answer.usage, answer.finish_reason) == ("pp-ocrv6-small", None, "stop")


def test_a_line_says_which_of_several_images_it_stands_in(told):
    reading = Reading((line("Hello"),), ())
    assert [found.image for found in told(reading, reading).lines] == [1, 2]
    assert [found.image for found in told(reading).lines] == [None]


def test_several_images_have_headings(told):
    answer = told(Reading((line("Hello"),), ()), Reading((), ()))
    assert answer.text == "Image 1\n\nHello\n\nImage 2\n\nNo readable text found."


def test_frames_are_headed_by_their_time(told):
    readings = [Reading((line("Hello"),), ()), Reading((line("Bye"),), ())]
    answer = told(*readings, timestamps=[7.4, 3662.0])
    assert answer.text == "0:07\n\nHello\n\n1:01:02\n\nBye"
    assert [(it.start, it.end) for it in answer.lines] == [(7.4, 7.4), (3662.0, 3662.0)]


def test_no_text_is_said_and_counted(told):
    assert told(Reading((), ())).text == "No readable text found in 1 image."
    assert told(Reading((), ()), Reading((), ())).text == "No readable text found in 2 images."


def test_lines_are_in_reading_order(told):
    answer = told(Reading((line("world", 0, 30), line("hello", 0, 0)), ()))
    assert [it.text for it in answer.lines] == ["hello", "world"]


def test_what_could_not_be_read_is_a_warning_that_names_the_scripts(told):
    answer = told(Reading((line("Hello"),), (NOWHERE,)), Reading((), (NOWHERE, NOWHERE)))
    assert answer.warnings == (
        "3 regions looked like text but could not be read; "
        "on_device reads Latin, Chinese and Japanese script.",
    )


def test_a_prompt_is_answered_with_a_notice(told):
    (warning,) = told(Reading((line("Hello"),), ()), prompt="Who is it?").warnings
    assert warning == "on_device reads text and does not reason: the prompt was not used."


# --- recordings ----------------------------------------------------------------------------------


def test_a_timetable_tells_what_is_there_all_the_time_first():
    lines = [
        line("Saved", 0, 100, start=7.5, end=10.2),
        line("Invoice Desk", 0, 0, start=0, end=60),
        line("Sign in", 0, 50, start=0, end=7.5),
    ]
    assert timetable(lines, 0, 60) == (
        "0:00–1:00  Invoice Desk\n\n0:00–0:07  Sign in\n0:07–0:10  Saved"
    )


def test_a_row_whose_parts_come_and_go_together_is_one_entry():
    lines = [
        line("INV-1", 0, 0, start=2, end=9),
        line("10.00", 200, 0, start=2.25, end=9),
        line("open", 400, 0, start=2, end=5),
    ]
    assert timetable(lines, 0, 60) == "0:02–0:09  INV-1  10.00\n0:02–0:05  open"


def test_a_moment_has_one_time():
    assert timetable([line("Saved", start=3.0, end=3.5)], 0, 60) == "0:03  Saved"


def test_what_is_typed_is_one_entry_and_all_its_lines(watched):
    answer = watched(line("an", 0, 0, 20, start=1, end=2), line("anna", 0, 0, 40, start=2, end=9))
    assert answer.text == "0:02–0:09  anna"
    assert [it.text for it in answer.lines] == ["an", "anna"]


def test_a_recording_without_text_is_said_and_counted(watched):
    assert watched(screens=4).text == "No readable text found in 4 screens."


def test_screens_not_read_are_a_warning(watched):
    (warning,) = watched(line("Hi", start=0, end=1), screens=90, left_out=12).warnings
    assert warning.startswith("12 of 90 screens, those that stood shortest, were not read")


def test_damage_is_a_warning(watched):
    (warning,) = watched(damage="the recording cannot be read to its end: bad data").warnings
    assert warning == "The recording cannot be read to its end: bad data."


def test_all_that_is_to_know_is_said_once_each(watched):
    answer = watched(prompt="?", unread=1, left_out=1, damage="the end is missing")
    assert len(answer.warnings) == 4
    assert len(set(answer.warnings)) == 4


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.9, "0:07"), (75, "1:15"), (3662, "1:01:02")]
)
def test_seconds_are_written_as_people_do(seconds, shown):
    assert clock(seconds) == shown


def test_names_in_texts_are_those_of_the_provider(provider):
    assert provider.name == "on_device"
    assert answers.SCRIPTS in provider.description
