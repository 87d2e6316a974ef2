"""Still images made fit: real files of every format go in, plain upright ones come out."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw
from pillow_heif import register_heif_opener

from mediasense import CorruptMedia, MediaNotFound, MediasenseError, MediaTooLarge
from mediasense.media.images import inspect_image
from mediasense.media.images.fitting import ImageFit, fit_image
from mediasense.media.images.pictures import Prepared, prepare_image
from mediasense.media.sniff import sniff

register_heif_opener()  # to write them

RED, GREEN, BLUE, GRAY, WHITE = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (200, 200, 200),
    (255, 255, 255),
)
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "JPEG2000")


def corners(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Gray, with a red corner at the top left and a blue one at the bottom right."""
    image = Image.new("RGB", size, GRAY)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill=RED)
    draw.rectangle((size[0] // 2, size[1] // 2, *size), fill=BLUE)
    return image


def written(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def moving(kind: str, frames: list[Image.Image], **options) -> bytes:
    return written(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def exif(orientation: int) -> bytes:
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010E] = "SECRET"
    notes.get_ifd(0x8825)[1] = "N"
    return notes.tobytes()


def planned(data: bytes, **changes) -> tuple[str, ImageFit]:
    mime_type = sniff(data[:8192])
    assert mime_type
    facts = inspect_image(io.BytesIO(data), mime_type, "the image")
    limits = {
        "mime_types": ("image/jpeg", "image/png"),
        "max_bytes": None,
        "max_pixels": None,
        "max_side": None,
        "most": 20,
    }
    return mime_type, fit_image(mime_type, len(data), facts, **limits | changes)


Prepare = Callable[..., tuple[Prepared, ...]]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Plan and prepare an image; every piece is checked to be what it says it is."""

    def do(data: bytes, **changes) -> tuple[Prepared, ...]:
        source = tmp_path / "source"
        source.write_bytes(data)
        mime_type, fit = planned(data, **changes)
        pieces = prepare_image(source, tmp_path, mime_type=mime_type, fit=fit)
        assert len(pieces) == fit.pieces
        assert len({piece.path for piece in pieces}) == len(pieces)
        for piece in pieces:
            check(piece, fit)
        return pieces

    return do


def check(piece: Prepared, fit: ImageFit) -> None:
    data = piece.path.read_bytes()
    assert (piece.mime_type, piece.size) == (fit.mime_type, len(data))
    assert sniff(data) == fit.mime_type
    assert fit.max_bytes is None or piece.size <= fit.max_bytes
    with Image.open(piece.path) as image:
        assert image.size == (piece.width, piece.height)
        assert image.mode in ("L", "RGB", "P") or fit.work == "none"
        assert not {"exif", "xmp", "icc_profile", "comment", "dpi"} & set(image.info)


def shown(piece: Prepared) -> tuple[tuple[int, ...], ...]:
    """The colours at the top left, the top right and the bottom right."""
    with Image.open(piece.path) as image:
        right, bottom = image.width - 4, image.height - 4
        rgb = image.convert("RGB")
        return tuple(rgb.getpixel(place) for place in ((3, 3), (right, 3), (right, bottom)))


def alike(colours: object, others: object, tolerance: int = 6) -> bool:
    difference = np.asarray(colours, np.int32) - np.asarray(others, np.int32)
    return bool(np.abs(difference).max() <= tolerance)


# --- every format --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_made_what_is_taken(prepare, kind):
    (piece,) = prepare(written(corners(), kind))
    assert (piece.width, piece.height, piece.words, piece.timestamp) == (120, 80, "", None)
    assert alike(shown(piece), (RED, GRAY, BLUE))


@pytest.mark.parametrize("target", ["image/jpeg", "image/png", "image/webp"])
def test_every_type_is_made(prepare, target):
    (piece,) = prepare(written(corners(), "HEIF"), mime_types=(target,))
    assert alike(shown(piece), (RED, GRAY, BLUE))


def test_what_fits_stays_where_it_is(prepare, tmp_path):
    (piece,) = prepare(written(corners(), "PNG"))
    assert piece.path == tmp_path / "source"


def test_a_place_is_removed_and_the_pixels_stay(prepare, tmp_path):
    (piece,) = prepare(written(corners(), "JPEG", exif=exif(1)))
    assert piece.path != tmp_path / "source"
    assert b"SECRET" not in piece.path.read_bytes()
    with Image.open(piece.path) as after, Image.open(tmp_path / "source") as before:
        assert after.tobytes() == before.tobytes()


# The colours at three corners for each orientation, by the drawing in Exif 3.0, 4.6.5.
TURNED = {
    1: (RED, GRAY, BLUE),
    2: (GRAY, RED, GRAY),
    3: (BLUE, GRAY, RED),
    4: (GRAY, BLUE, GRAY),
    5: (RED, GRAY, BLUE),
    6: (GRAY, RED, GRAY),
    7: (BLUE, GRAY, RED),
    8: (GRAY, BLUE, GRAY),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_an_image_is_turned_upright(prepare, kind, orientation):
    (piece,) = prepare(written(corners(), kind, exif=exif(orientation)))
    assert (piece.width, piece.height) == ((80, 120) if orientation >= 5 else (120, 80))
    assert alike(shown(piece), TURNED[orientation])


def test_a_large_jpeg_on_its_side_is_turned_and_scaled(prepare):
    data = written(corners((1200, 801)), "JPEG", exif=exif(6))
    (piece,) = prepare(data, max_side=100)
    assert (piece.width, piece.height) == (67, 100)
    assert alike(shown(piece), TURNED[6])


# --- colours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_transparency_becomes_white(prepare, kind):
    clear = corners().convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 255))
    clear.paste((0, 0, 0, 0), (60, 0, 120, 40))
    (piece,) = prepare(written(clear, kind))
    assert alike(shown(piece), (RED, WHITE, BLUE), 12)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_the_clear_colour_of_a_palette_becomes_white(prepare, kind):
    palette = corners().quantize(8)
    clear = palette.getpixel((119, 0))
    (piece,) = prepare(written(palette, kind, transparency=clear), mime_types=("image/png",))
    if kind == "PNG":
        assert alike(shown(piece), (RED, WHITE, BLUE))
    assert shown(piece)[1] == WHITE


def test_gray_with_transparency_becomes_white(prepare):
    clear = Image.merge("LA", [Image.new("L", (40, 30), 0), Image.new("L", (40, 30), 0)])
    (piece,) = prepare(written(clear, "PNG"))
    assert shown(piece) == (WHITE,) * 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_become_8_from_black_to_white(prepare, kind):
    """Each gray of 16 bits is the nearest of 8; none is cut off."""
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    (piece,) = prepare(written(Image.fromarray(deep), kind))
    with Image.open(piece.path) as image:
        assert alike(image, np.rint(deep / 257), 1)


def test_real_numbers_become_8_bits(prepare):
    deep = np.linspace(0, 1, 64 * 64).astype(np.float32).reshape(64, 64)
    (piece,) = prepare(written(Image.fromarray(deep), "TIFF"))
    with Image.open(piece.path) as image:
        assert alike(image, np.rint(deep * 255), 1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(prepare, kind):
    (piece,) = prepare(written(corners().convert("CMYK"), kind))
    assert alike(shown(piece), (RED, GRAY, BLUE))


def test_lab_becomes_rgb(prepare):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(corners(), srgb, lab, outputMode="LAB")
    assert image
    (piece,) = prepare(written(image, "TIFF"))
    assert alike(shown(piece), (RED, GRAY, BLUE), 30)


def swapped_profile() -> bytes:
    """An sRGB profile by another name, in which red and blue have changed places."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * index
        name = bytes(data[entry : entry + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[entry : entry + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))


def test_colours_are_brought_to_srgb(prepare):
    data = written(corners(), "TIFF", icc_profile=swapped_profile())
    (piece,) = prepare(data)
    assert alike(shown(piece), (BLUE, GRAY, RED), 12)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_profile_that_is_damaged_is_passed_over(prepare, kind):
    data = written(corners(), kind, icc_profile=b"\0" * 200)
    (piece,) = prepare(data, max_side=60)
    assert alike(shown(piece), (RED, GRAY, BLUE))


def test_black_and_white_becomes_gray(prepare):
    fax = Image.new("1", (80, 60), 1)
    (piece,) = prepare(written(fax, "TIFF", compression="group4"))
    assert shown(piece) == (WHITE,) * 3


# --- sizes ---------------------------------------------------------------------------------------


def test_an_image_is_scaled(prepare):
    (piece,) = prepare(written(corners((600, 400)), "PNG"), max_pixels=150 * 100)
    assert (piece.width, piece.height) == (150, 100)
    assert alike(shown(piece), (RED, GRAY, BLUE))


@pytest.mark.parametrize("max_bytes", [30_000, 8_000, 2_000, 700])
@pytest.mark.parametrize("target", ["image/jpeg", "image/png", "image/webp"])
def test_bytes_are_kept_within_the_limit(prepare, target, max_bytes):
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    prepare(written(noise, "BMP"), mime_types=(target,), max_bytes=max_bytes)


def test_quality_is_lowered_before_an_image_is_made_smaller(prepare):
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    (best,) = prepare(written(noise, "BMP"), mime_types=("image/jpeg",))
    (piece,) = prepare(
        written(noise, "BMP"), mime_types=("image/jpeg",), max_bytes=best.size * 6 // 10
    )
    assert (piece.width, piece.height) == (300, 200)


def test_a_limit_that_no_image_keeps_is_an_error(prepare):
    with pytest.raises(MediaTooLarge):
        prepare(written(corners(), "BMP"), max_bytes=20)


def ladder(width: int, height: int) -> Image.Image:
    """Every row has its own colour, so that a row says where it came from."""
    rows = np.arange(height)
    columns = np.stack([rows // 256, rows % 256, rows * 0], axis=1).astype(np.uint8)
    return Image.fromarray(np.repeat(columns[:, None], width, axis=1))


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_screenshot_is_cut_into_parts_that_overlap(prepare, turned):
    long = ladder(200, 5000)
    image = long.transpose(Image.Transpose.TRANSPOSE) if turned else long
    pieces = prepare(written(image, "PNG"))
    direction = "left to right" if turned else "top to bottom"
    assert [piece.words for piece in pieces] == [
        f"part {number} of 3, from {direction}" for number in (1, 2, 3)
    ]
    rows = []
    for piece in pieces:
        with Image.open(piece.path) as part:
            line = np.asarray(part.convert("RGB"), np.int32)
            line = line[0] if turned else line[:, 0]
            rows.append(line[:, 0] * 256 + line[:, 1])
    assert rows[0][0] == 0
    assert rows[-1][-1] == 4999
    for before, after in pairwise(rows):
        assert before[0] < after[0] < before[-1]


# --- animations ----------------------------------------------------------------------------------

SHADES = [Image.new("RGB", (60, 40), (index * 20, 0, 255 - index * 20)) for index in range(12)]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_frames_are_taken_with_their_times(prepare, kind):
    durations = [100 * (1 + index % 3) for index in range(12)]
    starts = [sum(durations[:index]) / 1000 for index in range(12)]
    pieces = prepare(moving(kind, SHADES, duration=durations))
    chosen = [0, 1, 3, 4, 6, 7, 9, 11]
    assert [piece.timestamp for piece in pieces] == pytest.approx([starts[i] for i in chosen])
    assert pieces[2].words == "frame at 0.6 s"
    for piece, index in zip(pieces, chosen, strict=True):
        assert alike(shown(piece)[0], (index * 20, 0, 255 - index * 20), 8)


def test_of_an_animation_one_frame_is_the_first(prepare):
    (piece,) = prepare(moving("GIF", SHADES, duration=100), most=1)
    assert (piece.timestamp, shown(piece)[0]) == (0.0, (0, 0, 255))


def test_a_picture_in_front_of_an_animation_is_passed_over(prepare):
    pieces = prepare(moving("PNG", SHADES[:4], duration=100, default_image=True))
    assert [shown(piece)[0] for piece in pieces] == [(i * 20, 0, 255 - i * 20) for i in (1, 2, 3)]


def test_the_pages_of_a_tiff_are_taken_each_in_its_shape(prepare):
    pages = [corners((120, 80)), corners((80, 120)), corners((30, 20))]
    pieces = prepare(moving("TIFF", pages))
    assert [piece.words for piece in pieces] == ["page 1 of 3", "page 2 of 3", "page 3 of 3"]
    assert [(piece.width, piece.height) for piece in pieces] == [(120, 80), (80, 120), (30, 20)]


def test_a_clear_animation_is_laid_on_white(prepare):
    clear = [Image.new("RGBA", (40, 30), (0, 0, 0, 0)) for _ in range(2)]
    clear[1].paste((255, 0, 0, 255), (0, 0, 40, 10))
    pieces = prepare(moving("WEBP", clear, duration=100, lossless=True))
    assert alike(shown(pieces[1]), (RED, RED, WHITE), 20)


# --- what is wrong -------------------------------------------------------------------------------


def test_a_file_of_another_type_than_it_was_found_to_be_is_an_error(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(written(corners(), "PNG"))
    fit = ImageFit(mime_type="image/jpeg", width=120, height=80, work="redraw")
    for other in ("image/jpeg", "image/gif", "image/heic", "image/webp", "image/tiff"):
        with pytest.raises(CorruptMedia):
            prepare_image(source, tmp_path, mime_type=other, fit=fit)


def test_a_file_that_changed_is_not_stretched(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(written(corners((100, 300)), "PNG"))
    fit = ImageFit(mime_type="image/png", width=300, height=100, work="redraw")
    (piece,) = prepare_image(source, tmp_path, mime_type="image/png", fit=fit)
    assert (piece.width, piece.height) == (100, 300)


@pytest.mark.parametrize("work", ["none", "strip", "redraw"])
def test_a_file_that_has_gone_is_told(tmp_path, work):
    fit = ImageFit(mime_type="image/png", width=1, height=1, work=work)
    with pytest.raises(MediaNotFound):
        prepare_image(tmp_path / "gone", tmp_path, mime_type="image/png", fit=fit)


def test_progress_is_told(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(moving("GIF", SHADES, duration=100))
    mime_type, fit = planned(source.read_bytes())
    told: list[float] = []
    prepare_image(source, tmp_path, mime_type=mime_type, fit=fit, on_progress=told.append)
    assert told[-1] == 1.0
    assert len(told) >= 12
    assert all(0 <= part <= 1 for part in told)


def originals() -> dict[str, bytes]:
    small = corners((24, 16))
    found = {f"whole {kind}": written(small, kind) for kind in KINDS}
    frames = [image.resize((24, 16)) for image in SHADES[:3]]
    found |= {f"moving {kind}": moving(kind, frames) for kind in ("GIF", "PNG", "WEBP", "TIFF")}
    found["cmyk"] = written(small.convert("CMYK"), "TIFF", compression="jpeg")
    found["palette"] = written(small.quantize(8), "PNG", transparency=0)
    found["turned"] = written(small, "JPEG", exif=exif(6))
    found["profile"] = written(small, "JPEG", icc_profile=swapped_profile())
    return found


ORIGINALS = originals()


@st.composite
def mutated(draw) -> tuple[str, bytes]:
    original = ORIGINALS[draw(st.sampled_from(sorted(ORIGINALS)))]
    mime_type = sniff(original)
    assert mime_type
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        reach = draw(st.sampled_from([40, 200, len(data)]))
        position = draw(st.integers(0, max(0, min(reach, len(data)) - 1)))
        change = draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if change == "flip" and data:
            data[position] ^= draw(st.integers(1, 255))
        elif change == "cut":
            del data[position : position + draw(st.integers(1, 30))]
        elif change == "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=20))
        elif change == "end":
            del data[position:]
    return mime_type, bytes(data)


@settings(max_examples=250, deadline=10_000)
@given(case=mutated(), tiles=st.integers(1, 3), frames=st.integers(1, 4))
def test_a_changed_file_is_made_fit_or_a_known_error(tmp_path_factory, case, tiles, frames):
    mime_type, data = case
    folder = tmp_path_factory.mktemp("case")
    source = folder / "source"
    source.write_bytes(data)
    fit = ImageFit(
        mime_type="image/jpeg",
        width=20,
        height=12,
        pieces=tiles * frames,
        tiles=tiles,
        frames=frames,
        max_bytes=4000,
        work="redraw",
    )
    try:
        pieces = prepare_image(source, folder, mime_type=mime_type, fit=fit)
    except MediasenseError:
        return
    assert 1 <= len(pieces) <= max(tiles, frames)
    for piece in pieces:
        assert piece.size == piece.path.stat().st_size <= 4000


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    source = tmp_path / "source"
    data = bytearray(written(corners(), "BMP"))
    data[18:26] = struct.pack("<ii", 60_000, 60_000)
    source.write_bytes(data)
    fit = ImageFit(mime_type="image/jpeg", width=10, height=10, work="redraw")
    with pytest.raises(MediaTooLarge):
        prepare_image(source, tmp_path, mime_type="image/bmp", fit=fit)
