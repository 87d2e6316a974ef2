"""How pictures are cut for the detector."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense_on_device.tiles import LONGEST, better_scale, first_scale, tiles

lengths = st.integers(1, 32_000)


@given(lengths, lengths)
def test_tiles_cover_the_picture(width, height):
    parts = tiles(width, height)
    assert min(part.left for part in parts) == min(part.top for part in parts) == 0
    assert max(part.right for part in parts) == width
    assert max(part.bottom for part in parts) == height
    for part in parts:
        assert 0 < part.right - part.left <= LONGEST + 1
        assert 0 < part.bottom - part.top <= LONGEST + 1


@given(st.integers(2001, 32_000))
def test_a_line_on_a_cut_is_whole_in_one_tile(height):
    parts = tiles(100, height)
    for above, below in pairwise(parts):
        assert above.bottom - below.top >= 127


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((1920, 1080), 1.0),
        ((3840, 2160), 2000 / 3840),  # one tile
        ((1280, 10_000), 1125 / 1280),  # a page shot from top to bottom stays readable
        ((600, 60), 1.0),  # never magnified
    ],
)
def test_a_picture_is_shrunk_for_its_shape(size, scale):
    assert first_scale(*size) == pytest.approx(scale)


def test_small_print_is_looked_for_again_in_a_larger_picture():
    assert better_scale(0.5, [19, 20, 21]) == pytest.approx(0.9)
    assert better_scale(0.5, [30, 40]) == 0.5
    assert better_scale(0.5, [9]) == 1.0


def test_a_picture_without_text_is_not_looked_at_again():
    assert better_scale(0.5, []) == 0.5
