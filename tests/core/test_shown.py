"""Of an image that was made of others, what stands where on it is told as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasense import Region, Shown
from mediasense.media.images.fitting import fit_image
from mediasense.media.images.pictures import prepare_image
from mediasense.media.images.sheets import SheetFrame, make_sheet
from mediasense.types import ImageFacts


def fitted(path, size, **limits):
    most = {"max_bytes": None, "max_pixels": None, "max_side": 600, "most": 8, **limits}
    facts = ImageFacts(width=size[0], height=size[1])
    fit = fit_image("image/png", path.stat().st_size, facts, mime_types=("image/png",), **most)
    return prepare_image(path, path.parent, mime_type="image/png", fit=fit)


def pixels(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    across, down = (region.left, region.right), (region.top, region.bottom)
    left, right = (round(x * width) for x in across)
    top, bottom = (round(y * height) for y in down)
    return left, top, right, bottom


@pytest.mark.parametrize("size", [(400, 4000), (4000, 400)])
def test_a_tile_says_which_part_of_the_picture_it_is(tmp_path, size):
    """The picture is a ramp along its longer side: the shade of a tile's edges tells its place."""
    ramp = np.linspace(0, 250, max(size))
    tall = size[1] > size[0]
    shades = np.tile(ramp[:, None] if tall else ramp[None, :], (1, 400) if tall else (400, 1))
    path = tmp_path / "ramp.png"
    Image.fromarray(shades.astype(np.uint8)).convert("RGB").save(path)
    made = fitted(path, size)
    assert len(made) > 3
    for one in made:
        [shown] = one.shows
        assert shown.place == Region()
        tile = np.asarray(Image.open(one.path).convert("L"), float)
        along = tile[:, 0] if tall else tile[0]
        begin, end = ("top", "bottom") if tall else ("left", "right")
        assert along[0] / 250 == pytest.approx(getattr(shown.part, begin), abs=0.01)
        assert along[-1] / 250 == pytest.approx(getattr(shown.part, end), abs=0.01)


def test_a_whole_picture_says_nothing(tmp_path):
    path = tmp_path / "whole.png"
    Image.new("RGB", (800, 700)).save(path)
    [made] = fitted(path, (800, 700))
    assert made.shows == ()


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.sampled_from([(640, 480), (480, 640), (640, 360)]), min_size=1, max_size=7),
    st.integers(1, 3),
    st.sampled_from([None, 40_000]),
)
def test_a_sheet_says_where_each_frame_stands(tmp_path_factory, sizes, columns, max_bytes):
    """Each frame is a shade; what is told to be its place is that shade, and nothing else is."""
    folder = tmp_path_factory.mktemp("sheet")
    frames = []
    for index, size in enumerate(sizes):
        path = folder / f"{index}.png"
        Image.new("RGB", size, (100 + 20 * index, 0, 0)).save(path)
        frames.append(SheetFrame(path=path, timestamp=float(index)))
    made = make_sheet(
        tuple(frames), folder, columns=columns, width=1500, height=1500, max_bytes=max_bytes
    )
    sheet = np.asarray(Image.open(made.path).convert("RGB"), int)
    assert len(made.shows) == len(sizes)
    for index, shown in enumerate(made.shows):
        assert shown == Shown(place=shown.place)
        left, top, right, bottom = pixels(shown.place, made.width, made.height)
        inner = sheet[top + 2 : bottom - 2, left + 2 : right - 2]  # scaled edges are of both
        off = abs(inner - [100 + 20 * index, 0, 0]).max(axis=2)
        assert (off > 40).mean() < 0.02  # a small JPEG is off here and there
        sheet[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = 255
    # Outside of all of them there is paper and the letters of the times, which are gray.
    assert (sheet.max(axis=2) - sheet.min(axis=2) > 60).mean() < 0.01
