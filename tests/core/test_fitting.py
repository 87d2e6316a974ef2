"""What is decided about an image: as little as possible, and never beyond a limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from mediasense import UnsupportedMedia
from mediasense.media.images.fitting import (
    MADE,
    MOST_FRAMES,
    ImageFit,
    Pixels,
    fit_image,
    scale_into,
    tile_boxes,
)
from mediasense.types import ImageFacts

PLAIN = ImageFacts(width=800, height=600)
SOURCES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
    "image/heic",
    "image/avif",
)


def fit(
    mime_type: str = "image/jpeg",
    facts: ImageFacts = PLAIN,
    *,
    size: int = 100_000,
    mime_types: tuple[str, ...] = ("image/jpeg", "image/png"),
    max_bytes: int | None = None,
    max_pixels: int | None = None,
    max_side: int | None = None,
    most: int = 10,
) -> ImageFit:
    return fit_image(
        mime_type,
        size,
        facts,
        mime_types=mime_types,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_side=max_side,
        most=most,
    )


# --- as it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mime_type", SOURCES)
def test_an_image_that_fits_is_sent_as_it_is(mime_type):
    sent = fit(mime_type, mime_types=(mime_type,))
    assert sent == ImageFit(mime_type=mime_type, width=800, height=600)


def test_an_image_at_its_limits_is_sent_as_it_is():
    sent = fit(size=5, max_bytes=5, max_pixels=480_000, max_side=800)
    assert (sent.work, sent.actions) == ("none", ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"facts": replace(PLAIN, upright=False)}, ("turned upright",)),
        ({"facts": replace(PLAIN, plain=False)}, ("colours converted to 8-bit RGB",)),
        ({"facts": replace(PLAIN, frames=40)}, ("8 of 40 frames taken",)),
        ({"max_bytes": 99_999}, ("compressed to at most 99.9 kB",)),
        ({"max_side": 400}, ("scaled from 800 x 600 to 400 x 300",)),
        ({"max_pixels": 120_000}, ("scaled from 800 x 600 to 400 x 300",)),
        ({"mime_types": ("image/png",)}, ("converted from JPEG to PNG",)),
    ],
)
def test_an_image_that_does_not_fit_is_drawn_again(changes, words):
    sent = fit(**changes)
    assert (sent.work, sent.actions) == ("redraw", words)


def test_what_is_done_is_said_in_order():
    facts = ImageFacts(width=4000, height=3000, upright=False, plain=False, located=True)
    sent = fit("image/heic", facts, size=9_000_000, max_bytes=2_950_000, max_side=2000)
    assert sent.actions == (
        "turned upright",
        "converted from HEIC to JPEG",
        "scaled from 4000 x 3000 to 2000 x 1500",
        "metadata removed",
        "transparency laid on white",
        "compressed to at most 2.9 MB",
    )


@pytest.mark.parametrize("mime_type", ["image/jpeg", "image/png", "image/webp"])
def test_a_place_is_removed_without_loss(mime_type):
    sent = fit(mime_type, replace(PLAIN, located=True), mime_types=(mime_type,))
    assert (sent.work, sent.mime_type, sent.actions) == ("strip", mime_type, ("metadata removed",))


def test_a_place_in_another_format_is_removed_by_drawing_again():
    sent = fit("image/heic", replace(PLAIN, located=True), mime_types=("image/heic", "image/jpeg"))
    assert (sent.work, sent.mime_type) == ("redraw", "image/jpeg")


def test_transparency_is_laid_on_white():
    sent = fit("image/png", replace(PLAIN, plain=False))
    assert (sent.work, sent.actions) == ("redraw", ("transparency laid on white",))


# --- what it becomes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("image/heic", "image/jpeg"),
        ("image/avif", "image/jpeg"),
        ("image/webp", "image/jpeg"),
        ("image/gif", "image/png"),
        ("image/bmp", "image/png"),
        ("image/tiff", "image/png"),
    ],
)
def test_photos_become_jpeg_and_drawings_png(source, target):
    assert fit(source).mime_type == target


def test_a_drawing_that_would_be_too_large_as_png_becomes_jpeg():
    facts = ImageFacts(width=4000, height=3000)
    sent = fit("image/png", facts, size=20_000_000, max_bytes=3_000_000)
    assert sent.mime_type == "image/jpeg"


def test_the_only_type_that_is_taken_is_made():
    assert fit("image/heic", mime_types=("image/webp",)).mime_type == "image/webp"


@pytest.mark.parametrize("mime_types", [(), ("image/gif",), ("image/avif", "image/heic")])
def test_a_type_that_cannot_be_made_is_an_error(mime_types):
    with pytest.raises(UnsupportedMedia) as caught:
        fit("image/tiff", mime_types=mime_types)
    assert caught.value.hint


def test_what_cannot_be_opened_here_goes_as_it_is_where_it_is_taken():
    facts = ImageFacts(width=None, height=None)
    sent = fit("image/vnd.ms-photo", facts, mime_types=("image/vnd.ms-photo",), max_side=10)
    assert (sent.work, sent.width) == ("none", None)


@pytest.mark.parametrize("max_bytes", [None, 99_999])
def test_what_cannot_be_opened_here_is_an_error_elsewhere(max_bytes):
    taken = ("image/jpeg",) if max_bytes is None else ("image/vnd.ms-photo",)
    facts = ImageFacts(width=None, height=None)
    with pytest.raises(UnsupportedMedia, match=r"image/vnd\.ms-photo"):
        fit("image/vnd.ms-photo", facts, mime_types=taken, max_bytes=max_bytes)


# --- long screenshots ----------------------------------------------------------------------------


def test_a_long_screenshot_is_cut_rather_than_shrunk():
    sent = fit("image/png", ImageFacts(width=1080, height=9000), max_side=2000)
    assert (sent.tiles, sent.pieces, sent.width) == (5, 5, 1080)
    assert sent.height is not None
    assert 1800 < sent.height <= 2000


def test_a_wide_one_is_cut_too():
    sent = fit("image/png", ImageFacts(width=9000, height=1080), max_side=2000)
    assert (sent.tiles, sent.height) == (5, 1080)


def test_it_is_cut_even_where_no_limit_is_stated():
    sent = fit("image/png", ImageFacts(width=1000, height=5000))
    assert sent.actions == ("cut into 3 tiles",)


def test_it_is_shrunk_where_one_image_is_all_that_may_be_sent():
    sent = fit("image/png", ImageFacts(width=1080, height=9000), max_side=2000, most=1)
    assert (sent.tiles, sent.height, sent.width) == (1, 2000, 240)


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (1000, 3900), (3000, 6000)])
def test_a_picture_that_is_not_long_stays_whole(width, height):
    assert fit("image/png", ImageFacts(width=width, height=height)).tiles == 1


# --- for anything --------------------------------------------------------------------------------

sides = st.one_of(st.integers(1, 100), st.integers(1, 32_767))
all_facts = st.builds(
    ImageFacts,
    width=sides,
    height=sides,
    frames=st.one_of(st.just(1), st.integers(1, 500)),
    upright=st.booleans(),
    plain=st.booleans(),
    located=st.booleans(),
)
limits = st.fixed_dictionaries(
    {
        "mime_type": st.sampled_from(SOURCES),
        "facts": all_facts,
        "size": st.integers(1, 50_000_000),
        "mime_types": st.lists(st.sampled_from(SOURCES), max_size=4).map(tuple),
        "max_bytes": st.one_of(st.none(), st.integers(1, 50_000_000)),
        "max_pixels": st.one_of(st.none(), st.integers(1, 40_000_000)),
        "max_side": st.one_of(st.none(), st.integers(1, 40_000)),
        "most": st.integers(1, 30),
    }
)


def decided(case: dict) -> ImageFit:
    try:
        return fit(**case)
    except UnsupportedMedia:
        reject()


@given(case=limits)
def test_no_limit_is_ever_broken(case):
    sent = decided(case)
    assert sent.mime_type in case["mime_types"]
    assert sent.width is not None
    assert sent.height is not None
    assert min(sent.width, sent.height) >= 1
    assert case["max_side"] is None or max(sent.width, sent.height) <= case["max_side"]
    assert case["max_pixels"] is None or sent.width * sent.height <= case["max_pixels"]
    assert sent.pieces == sent.tiles * sent.frames <= case["most"]
    assert sent.frames <= MOST_FRAMES
    if sent.work == "redraw":
        assert sent.max_bytes == case["max_bytes"]
        assert sent.mime_type in MADE
    else:
        assert case["max_bytes"] is None or case["size"] <= case["max_bytes"]


@given(case=limits)
def test_every_choice_is_made_the_same_way_again(case):
    assert decided(case) == decided(case)


@given(case=limits)
def test_only_what_fits_is_sent_as_it_is(case):
    sent = decided(case)
    facts = case["facts"]
    fits = (
        case["mime_type"] in case["mime_types"]
        and facts.upright
        and facts.plain
        and not facts.located
        and facts.frames == 1
        and (case["max_bytes"] is None or case["size"] <= case["max_bytes"])
        and (case["max_side"] is None or max(facts.width, facts.height) <= case["max_side"])
        and (case["max_pixels"] is None or facts.width * facts.height <= case["max_pixels"])
        and sent.tiles == 1
    )
    assert (sent.work == "none") == fits
    assert (sent.actions == ()) == fits


@given(case=limits)
def test_an_error_comes_only_where_no_type_can_be_made(case):
    try:
        fit(**case)
    except UnsupportedMedia:
        assert not set(MADE) & set(case["mime_types"])


@given(width=sides, height=sides, tiles=st.integers(1, 12))
def test_tiles_are_alike_and_cover_every_pixel_once_or_twice(width, height, tiles):
    assume(max(width, height) >= 2 * tiles)
    boxes = tile_boxes(width, height, tiles)
    assert len(boxes) == tiles
    assert len({(box.right - box.left, box.bottom - box.top) for box in boxes}) == 1
    assert (boxes[0].left, boxes[0].top) == (0, 0)
    assert (boxes[-1].right, boxes[-1].bottom) == (width, height)
    for before, after in pairwise(boxes):
        assert after.top <= before.bottom
        assert after.left <= before.right
        assert after.top + after.left >= before.top + before.left


@given(width=sides, height=sides, max_side=st.integers(1, 40_000))
def test_scaling_keeps_the_shape_to_a_pixel(width, height, max_side):
    size = scale_into(Pixels(width=width, height=height), max_pixels=None, max_side=max_side)
    factor = min(1.0, max_side / max(width, height))
    assert abs(size.width - max(1.0, width * factor)) <= 1
    assert abs(size.height - max(1.0, height * factor)) <= 1
