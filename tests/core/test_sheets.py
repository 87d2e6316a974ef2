"""Contact sheets: every frame and its time, within the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mediasense import CorruptMedia, MediaNotFound, MediasenseError, UsageError
from mediasense.media.images.sheets import SheetFrame, make_sheet, sheet_grid

COLOURS = ((220, 30, 30), (30, 220, 30), (30, 30, 220), (200, 200, 30), (30, 200, 200))


@pytest.fixture
def frames(tmp_path: Path) -> tuple[SheetFrame, ...]:
    made = []
    for index, colour in enumerate(COLOURS):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (320, 180), colour).save(path)
        made.append(SheetFrame(path=path, timestamp=index * 62.5))
    return tuple(made)


def sheet(frames, folder: Path, **changes):
    options = {"columns": 2, "width": 800, "height": 800, "max_bytes": None} | changes
    return make_sheet(frames, folder, **options)


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 20 for a, b in zip(colour, other, strict=True))


def test_frames_stand_in_reading_order(frames, tmp_path):
    made = sheet(frames, tmp_path)
    with Image.open(made.path) as image:
        across, down = made.width // 2, made.height // 3
        for index, colour in enumerate(COLOURS):
            row, column = divmod(index, 2)
            middle = (column * across + across // 2, row * down + down // 3)
            assert near(image.getpixel(middle), colour)


def test_a_sheet_says_what_it_is(frames, tmp_path):
    made = sheet(frames, tmp_path)
    assert made.mime_type == "image/jpeg"
    assert made.path.parent == tmp_path
    assert made.size == made.path.stat().st_size
    assert made.words == "5 frames from 0:00.0 to 4:10.0, in reading order, each above its time"
    with Image.open(made.path) as image:
        assert image.size == (made.width, made.height)


def caption(image: Image.Image, colour: tuple[int, ...]) -> tuple[int, int]:
    """How many pixels below a one-framed sheet's picture are dark, and above it are not its own."""
    width, height = image.size
    strip = [image.getpixel((x, y)) for x in range(width) for y in range(height - 35, height - 6)]
    inside = [image.getpixel((x, y)) for x in range(12, width - 12) for y in range(12, 150)]
    return sum(max(p) < 90 for p in strip), sum(not near(p, colour) for p in inside)


def test_the_time_stands_below_the_picture_and_never_on_it(frames, tmp_path):
    made = sheet(frames[:1], tmp_path, columns=1)
    with Image.open(made.path) as image:
        dark, strange = caption(image, COLOURS[0])
    assert dark > 20
    assert strange == 0


def test_two_times_look_different(frames, tmp_path):
    blank = [SheetFrame(path=frames[0].path, timestamp=at) for at in (1.0, 62.5)]
    one, other = (sheet((frame,), tmp_path, columns=1) for frame in blank)
    assert one.path.read_bytes() != other.path.read_bytes()


def test_bytes_are_kept_within_the_limit(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((640, 360), 90).save(path)
    made = sheet((SheetFrame(path=path, timestamp=0.0),) * 6, tmp_path, max_bytes=20_000)
    assert made.size <= 20_000


def test_a_frame_of_another_shape_stays_in_its_cell(frames, tmp_path):
    tall = tmp_path / "tall.png"
    Image.new("RGB", (100, 900), (30, 30, 220)).save(tall)
    made = sheet((*frames[:1], SheetFrame(path=tall, timestamp=1.0)), tmp_path)
    with Image.open(made.path) as image:
        middle, bottom = image.width * 3 // 4, image.height - 20
        assert near(image.getpixel((middle, image.height // 3)), (30, 30, 220))
        assert near(image.getpixel((image.width // 2 + 20, 20)), (255, 255, 255))
        assert not near(image.getpixel((middle + 60, bottom)), (30, 30, 220))


def test_progress_is_told(frames, tmp_path):
    told: list[float] = []
    sheet(frames, tmp_path, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > len(frames)


def test_the_source_of_a_frame_may_be_gone(tmp_path):
    with pytest.raises(MediaNotFound):
        sheet((SheetFrame(path=tmp_path / "gone.png", timestamp=0.0),), tmp_path)


def test_a_frame_that_is_damaged_is_told(tmp_path):
    path = tmp_path / "bad.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(CorruptMedia):
        sheet((SheetFrame(path=path, timestamp=0.0),), tmp_path)


@pytest.mark.parametrize(("count", "changes"), [(0, {}), (5, {"width": 5}), (5, {"height": 40})])
def test_there_must_be_frames_and_room_for_them(frames, tmp_path, count, changes):
    with pytest.raises(UsageError, match="no room"):
        sheet(frames[:count], tmp_path, **changes)


@pytest.mark.parametrize(
    ("count", "frame", "expected"),
    [(1, (1280, 720), (1, 1)), (9, (1280, 720), (3, 3)), (6, (720, 1280), (3, 2))],
)
def test_the_grid_shows_frames_as_large_as_it_can(count, frame, expected):
    grid = sheet_grid(count, 1500, 1500, *frame)
    assert (grid.columns, grid.rows) == expected


@given(
    count=st.integers(0, 60),
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    frame=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_grid_has_room_for_all_within_its_limits(count, width, height, frame):
    try:
        grid = sheet_grid(count, width, height, *frame)
    except MediasenseError:
        return
    assert grid.columns * grid.rows >= count > 0
    assert grid.width <= width
    assert grid.height <= height
    assert 1 <= grid.frame_width <= frame[0]
    assert 1 <= grid.frame_height <= frame[1]
