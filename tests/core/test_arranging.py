"""Frames parted into calls and contact sheets: within the limits, in order, none lost that fits."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import ImageLimits, Media
from mediasense.media.images.sheets import sheet_grid
from mediasense.media.keyframes import ChosenFrame
from mediasense.parts.frames import grouped, thinned
from mediasense.planning.frames import (
    MAX_FRAMES,
    PER_CALL,
    SHEETS,
    SINGLE_CALLS,
    Arrangement,
    arrange,
    frame_work,
)
from mediasense.planning.images import LEGIBLE_BYTES, MAX_CALLS
from mediasense.planning.plans import FrameWork
from mediasense.types import Question

VIDEO = Media(
    modality="video", mime_type="video/mp4", size=1, width=1920, height=1080, seconds=100.0
)
JPEG = ImageLimits(mime_types=("image/jpeg",))


def work(most: int, per_call: int, calls: int, side: int = 1920) -> FrameWork:
    return FrameWork(
        most=most,
        possible=1000,
        every=None,
        wanted=None,
        apart=None,
        per_call=per_call,
        calls=calls,
        width=1920,
        height=1080,
        sheet_side=side,
        max_bytes=None,
    )


def frame(second: float, reason: str = "change") -> ChosenFrame:
    path = Path(f"{second}.jpg")
    return ChosenFrame(timestamp=second, reason=reason, path=path, size=1, width=16, height=9)


WORKS = st.builds(
    lambda per_call, calls, share, side: work(
        max(1, per_call * calls * 16 * share // 100), per_call, calls, side
    ),
    st.integers(1, 60),
    st.integers(1, 30),
    st.integers(0, 100),
    st.sampled_from([1, 64, 200, 320, 512, 768, 1920]),
)


# --- arrange -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "per_call", "calls", "arranged"),
    [
        (0, 60, 1, Arrangement(frames=0, columns=1, per_call=1, calls=1)),
        (1, 60, 1, Arrangement(frames=1, columns=1, per_call=1, calls=1)),
        (60, 60, 1, Arrangement(frames=60, columns=1, per_call=60, calls=1)),
        # Several calls before contact sheets, and as even as they can be.
        (61, 60, 12, Arrangement(frames=61, columns=1, per_call=31, calls=2)),
        (24, 8, 3, Arrangement(frames=24, columns=1, per_call=8, calls=3)),
        # Contact sheets where the calls do not suffice.
        (25, 8, 3, Arrangement(frames=25, columns=2, per_call=7, calls=1)),
        (96, 8, 3, Arrangement(frames=96, columns=2, per_call=8, calls=3)),
        (97, 8, 3, Arrangement(frames=97, columns=3, per_call=6, calls=2)),
        (384, 8, 3, Arrangement(frames=384, columns=4, per_call=8, calls=3)),
        # Thinned where nothing else suffices.
        (1000, 8, 3, Arrangement(frames=384, columns=4, per_call=8, calls=3)),
        (30, 1, 1, Arrangement(frames=16, columns=4, per_call=1, calls=1)),
        # Frame by frame.
        (30, 1, 30, Arrangement(frames=30, columns=1, per_call=1, calls=30)),
    ],
)
def test_frames_are_parted(count, per_call, calls, arranged):
    assert arrange(count, work(1000, per_call, calls)) == arranged


def test_where_a_sheet_would_be_too_small_frames_are_thinned_instead():
    assert arrange(100, work(100, 8, 1, side=200)) == Arrangement(
        frames=8, columns=1, per_call=8, calls=1
    )


@given(planned=WORKS, count=st.integers(0, 20_000))
def test_no_arrangement_breaks_a_limit(planned, count):
    made = arrange(count, planned)
    cells = made.columns**2
    sheets = -(-made.frames // cells)
    assert 1 <= made.per_call <= planned.per_call
    assert 1 <= made.calls <= planned.calls
    assert sheets <= made.per_call * made.calls
    # No call is empty.
    assert made.frames == 0 or sheets > made.per_call * (made.calls - 1)
    assert made.columns in (1, *SHEETS)


@given(planned=WORKS, count=st.integers(0, 20_000))
def test_every_frame_is_kept_that_fits(planned, count):
    made = arrange(count, planned)
    columns = max(c for c in (1, *SHEETS) if c == 1 or planned.sheet_side // c >= 160)
    assert made.frames == min(count, planned.per_call * planned.calls * columns**2)


@given(planned=WORKS, count=st.integers(0, 20_000))
def test_sheets_are_made_only_where_calls_do_not_suffice_and_no_smaller_than_needed(planned, count):
    made = arrange(count, planned)
    room = planned.per_call * planned.calls
    if count <= room:
        assert made.columns == 1
    elif made.columns > SHEETS[0]:
        assert room * (made.columns - 1) ** 2 < count


@given(
    side=st.integers(1, 1920),
    columns=st.sampled_from(SHEETS),
    width=st.integers(16, 1920),
    height=st.integers(16, 1920),
)
def test_a_sheet_that_is_arranged_has_room_for_its_frames(side, columns, width, height):
    count = columns * columns
    if arrange(count, work(count, 1, 1, side)).columns == columns:
        assert sheet_grid(count, side, side, width, height)


# --- how many, and how large ---------------------------------------------------------------------


def planned(limits: ImageLimits = JPEG, seconds: float | None = 100.0, joins: bool = True, **asked):
    return frame_work(VIDEO, Question(**asked), limits, seconds, joins=joins)


def test_a_longer_recording_is_worth_more_frames():
    assert planned(seconds=1.0).most == 31
    assert planned(seconds=600.0).most == 150
    assert planned(seconds=36_000.0).most == MAX_FRAMES
    assert planned(seconds=None).most == MAX_FRAMES


def test_the_user_says_how_many():
    assert planned(frames=7).most == 7
    assert planned(frames=1000, seconds=5.0).most == 1000


def test_without_a_limit_a_call_takes_a_usual_number():
    assert planned(frames=1000).per_call == PER_CALL


def test_a_limit_of_images_is_heeded():
    made = planned(replace(JPEG, max_items=5))
    assert (made.per_call, made.calls) == (5, 10)


def test_answers_that_cannot_be_joined_leave_one_call():
    made = planned(replace(JPEG, max_items=5), joins=False)
    assert (made.per_call, made.calls) == (5, 1)


def test_no_question_costs_too_many_calls():
    assert planned(replace(JPEG, max_items=2), frames=1000).calls == MAX_CALLS
    assert planned(replace(JPEG, max_items=1), frames=1000).calls == SINGLE_CALLS


def test_every_image_of_a_call_has_its_share_of_the_bytes():
    made = planned(replace(JPEG, max_request_bytes=1_000_000))
    assert made.per_call == 1_000_000 // LEGIBLE_BYTES
    assert made.max_bytes == LEGIBLE_BYTES


def test_a_frame_each_so_many_seconds():
    made = planned(every=10.0)
    assert (made.every, made.most) == (10.0, 12)
    assert planned(fps=2.0).every == 0.5


def test_regular_frames_that_are_too_many_are_further_apart():
    made = planned(every=0.1)
    assert (made.most, made.wanted, made.possible) == (MAX_FRAMES, 1000, 1000)
    assert made.apart == pytest.approx(100 / (MAX_FRAMES - 1))
    assert (planned(every=0.1, seconds=None).wanted, planned().apart) == (None, None)
    assert (planned(every=10.0).wanted, planned(every=10.0).apart) == (10, 10.0)


def test_there_are_no_more_frames_than_calls_and_sheets_hold():
    limits = replace(JPEG, max_items=2, max_side=320)
    assert planned(limits, joins=False, frames=1).possible == 2 * 4
    assert planned(limits, joins=False, frames=100).most == 2 * 4


@pytest.mark.parametrize("asked", [{"every": 5e-324}, {"fps": 1.7e308}, {"fps": 5e-324}])
def test_absurd_intervals_are_survived(asked):
    assert 1 <= planned(**asked).most <= MAX_FRAMES


def test_a_frame_keeps_its_shape():
    made = planned(replace(JPEG, max_side=960))
    assert (made.width, made.height, made.sheet_side) == (960, 540, 960)


def test_png_is_made_where_jpeg_is_not_taken():
    assert planned(ImageLimits(mime_types=("image/png",))).mime_type == "image/png"


SOME = st.none() | st.integers(1, 5000)
LIMITS = st.builds(
    ImageLimits,
    mime_types=st.sampled_from([("image/jpeg",), ("image/png",), ("image/webp", "image/png")]),
    max_items=st.none() | st.integers(1, 200),
    max_bytes=st.none() | st.integers(1, 10_000_000),
    max_request_bytes=st.none() | st.integers(1, 50_000_000),
    max_pixels=st.none() | st.integers(1, 40_000_000),
    max_side=SOME,
)


@given(
    limits=LIMITS,
    width=SOME,
    height=SOME,
    seconds=st.none() | st.floats(0.001, 1e6),
    frames=st.none() | st.integers(1, 1000),
    every=st.none() | st.floats(0, 1e308, exclude_min=True),
    joins=st.booleans(),
)
def test_frames_are_within_every_limit(limits, width, height, seconds, frames, every, joins):
    video = replace(VIDEO, width=width, height=height)
    made = frame_work(video, Question(frames=frames, every=every), limits, seconds, joins=joins)
    assert 1 <= made.per_call <= (limits.max_items or PER_CALL)
    assert 1 <= made.calls <= (SINGLE_CALLS if joins else 1)
    assert made.per_call * (made.calls - 1) < made.most <= 1000
    assert max(made.width, made.height) <= (limits.max_side or 1920)
    assert made.width * made.height <= (limits.max_pixels or 1920**2)
    assert made.sheet_side <= (limits.max_side or 1920)
    assert made.sheet_side**2 <= (limits.max_pixels or 1920**2)
    assert made.mime_type in limits.mime_types
    if limits.max_bytes is not None:
        assert made.max_bytes <= limits.max_bytes
    if limits.max_request_bytes is not None:
        assert made.max_bytes * made.per_call <= limits.max_request_bytes


# --- thinning and grouping -----------------------------------------------------------------------


@given(count=st.integers(0, 300), wanted=st.integers(0, 300))
def test_frames_are_thinned_evenly_and_keep_both_ends(count, wanted):
    frames = [frame(second) for second in range(count)]
    kept = thinned(frames, wanted)
    times = [f.timestamp for f in kept]
    assert len(kept) == min(count, wanted)
    assert times == sorted(set(times))
    if len(kept) > 1:
        assert (times[0], times[-1]) == (0, count - 1)
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert max(gaps) - min(gaps) <= 1
    elif kept:
        assert times == [0]


def test_a_call_begins_with_a_new_screen_where_one_is_near():
    reasons = ["change"] * 20
    reasons[0], reasons[9] = "first", "new screen"
    frames = [frame(n, reason) for n, reason in enumerate(reasons)]
    planned = work(20, 12, 2)
    groups = grouped(frames, arrange(20, planned), planned)
    assert [group[0].timestamp for group in groups] == [0, 9]


def test_far_from_a_new_screen_calls_are_even():
    reasons = ["first", "new screen", *["change"] * 18]
    frames = [frame(n, reason) for n, reason in enumerate(reasons)]
    planned = work(20, 12, 2)
    groups = grouped(frames, arrange(20, planned), planned)
    assert [len(group) for group in groups] == [10, 10]


def test_an_early_cut_does_not_cost_another_call():
    """What an early cut leaves over goes into the calls that were planned."""
    reasons = ["change"] * 24
    reasons[0], reasons[6] = "first", "new screen"
    frames = [frame(n, reason) for n, reason in enumerate(reasons)]
    planned = work(24, 10, 3)
    groups = grouped(frames, arrange(24, planned), planned)
    assert len(groups) == 3


@settings(max_examples=400)
@given(per_call=st.integers(1, 12), calls=st.integers(1, 6), data=st.data())
def test_groups_hold_every_frame_in_order_within_the_limits(per_call, calls, data):
    count = data.draw(st.integers(1, per_call * calls + 40))
    fresh = data.draw(st.sets(st.integers(0, count - 1), max_size=5))
    frames = [frame(n, "new screen" if n in fresh else "change") for n in range(count)]
    limits = work(len(frames), per_call, calls)
    arranged = arrange(len(frames), limits)
    frames = list(thinned(frames, arranged.frames))
    groups = grouped(frames, arranged, limits)
    assert [one for group in groups for one in group] == frames
    assert len(groups) <= calls
    cells = arranged.columns**2
    assert all(1 <= -(-len(group) // cells) <= per_call for group in groups)
