"""Metadata: what is read of it, and that a copy without it has the same pixels."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasense import CorruptMedia, MediasenseError, UnsupportedMedia
from mediasense.media.images import inspect_image
from mediasense.media.images.metadata import Notes, read_exif, strip_metadata

SECRET = b"SECRET"
PLACE = b"GPSLatitude SECRET"


def exif(orientation: int = 1) -> bytes:
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010E] = SECRET.decode()
    notes.get_ifd(0x8825)[1] = "N"
    return notes.tobytes()


def picture(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    noise = Image.effect_noise(size, 64)
    return Image.merge("RGB", [noise, noise.rotate(180), noise]).convert(mode)


def written(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def stripped(data: bytes, mime_type: str) -> bytes:
    target = io.BytesIO()
    strip_metadata(io.BytesIO(data), target, mime_type)
    return target.getvalue()


def pixels(data: bytes) -> list[bytes]:
    """Of every frame, as they are decoded."""
    with Image.open(io.BytesIO(data)) as image:
        found = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append(image.convert("RGBA").tobytes())
        return found


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def icc() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def jpeg(**options) -> bytes:
    """With metadata in every place that a JPEG has for it."""
    data = written(picture(), "JPEG", exif=exif(), comment=SECRET, **options)
    more = (
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PLACE)
        + segment(0xE0, b"JFXX\0\x10" + SECRET)
        + segment(0xE2, b"FPXR\0" + SECRET)
        + segment(0xED, b"Photoshop 3.0\0" + SECRET)
        + segment(0xEC, b"Ducky" + SECRET)
    )
    return data[:2] + more + data[2:] + SECRET + written(picture(), "JPEG", comment=SECRET)


def png(**options) -> bytes:
    data = written(picture(), "PNG", exif=exif(), **options)
    texts = chunk(b"tEXt", b"A\0" + SECRET) + chunk(b"iTXt", b"A\0\0\0\0\0" + SECRET)
    packed = chunk(b"zTXt", b"A\0\0" + zlib.compress(SECRET))
    more = texts + packed + chunk(b"tIME", SECRET + b"\0") + chunk(b"prVw", SECRET)
    return data[:33] + more + data[33:] + SECRET


def webp(**options) -> bytes:
    return written(picture(), "WEBP", exif=exif(), xmp=PLACE, **options) + SECRET


FULL = {
    "jpeg": ("image/jpeg", jpeg()),
    "progressive jpeg": ("image/jpeg", jpeg(progressive=True)),
    "jpeg with a profile": ("image/jpeg", jpeg(icc_profile=icc())),
    "png": ("image/png", png()),
    "png with a profile": ("image/png", png(icc_profile=icc())),
    "webp": ("image/webp", webp()),
    "lossless webp": ("image/webp", webp(lossless=True)),
    "webp with a profile": ("image/webp", webp(icc_profile=icc())),
}
full = pytest.mark.parametrize(("mime_type", "data"), FULL.values(), ids=FULL)


@full
def test_the_pixels_are_the_same_bit_for_bit(mime_type, data):
    assert pixels(stripped(data, mime_type)) == pixels(data)


@full
def test_nothing_of_the_metadata_is_left(mime_type, data):
    assert SECRET in data
    left = stripped(data, mime_type)
    assert SECRET not in left
    with Image.open(io.BytesIO(left)) as image:
        assert not {"exif", "xmp", "comment", "photoshop", "mp"} & set(image.info)


@full
def test_the_profile_of_the_colours_stays(mime_type, data):
    with (
        Image.open(io.BytesIO(data)) as before,
        Image.open(io.BytesIO(stripped(data, mime_type))) as after,
    ):
        assert after.info.get("icc_profile") == before.info.get("icc_profile")


@full
def test_the_copy_is_whole_and_from_nowhere(mime_type, data):
    before = inspect_image(io.BytesIO(data), mime_type, "it")
    after = inspect_image(io.BytesIO(stripped(data, mime_type)), mime_type, "it")
    assert before.located
    assert not after.located
    assert (after.width, after.height, after.plain) == (before.width, before.height, before.plain)


@full
def test_a_copy_of_a_copy_is_the_copy(mime_type, data):
    once = stripped(data, mime_type)
    assert stripped(once, mime_type) == once


def test_the_second_image_of_a_stereo_picture_goes():
    data = written(picture(), "MPO", save_all=True, append_images=[picture()], exif=exif())
    copy = stripped(data, "image/jpeg")
    assert (data.count(b"\xff\xd8\xff"), copy.count(b"\xff\xd8\xff")) == (2, 1)
    assert b"MPF" not in copy
    assert pixels(copy) == pixels(data)[:1]


def test_the_thumbnail_in_a_jfif_header_goes():
    data = written(picture(), "JPEG")
    jfif = segment(0xE0, data[6:18] + b"\2\1" + b"SECRET")
    assert SECRET not in stripped(data[:2] + jfif + data[20:], "image/jpeg")


def test_a_cmyk_jpeg_keeps_the_note_that_tells_its_colours():
    data = written(picture(mode="CMYK"), "JPEG")
    assert b"Adobe" in data
    assert pixels(stripped(data, "image/jpeg")) == pixels(data)


@pytest.mark.parametrize(("kind", "mime_type"), [("PNG", "image/png"), ("WEBP", "image/webp")])
def test_an_animation_keeps_its_frames(kind, mime_type):
    frames = [picture(mode="RGBA") for _ in range(3)]
    data = written(
        frames[0], kind, save_all=True, append_images=frames[1:], exif=exif(), lossless=True
    )
    copy = stripped(data, mime_type)
    assert pixels(copy) == pixels(data)
    assert SECRET not in copy


def test_a_palette_keeps_its_transparency():
    data = written(picture(mode="P"), "PNG", transparency=3, exif=exif())
    assert pixels(stripped(data, "image/png")) == pixels(data)


def test_a_marker_across_two_blocks_is_found():
    """Blocks are of 1 MiB; the end stands at every place about the edge of one."""
    data = written(picture((8, 8)), "JPEG")
    scan = data.index(b"\xff\xda") + 14
    for short in range(4):
        filled = data[:scan] + b"\1" * (1024 * 1024 - short) + b"\xff\xd9"
        assert stripped(filled + SECRET, "image/jpeg") == stripped(filled, "image/jpeg")
        assert stripped(filled, "image/jpeg").endswith(b"\1\xff\xd9")


@full
@pytest.mark.parametrize("part", [0.05, 0.3, 0.5])
def test_a_file_that_is_cut_is_told(mime_type, data, part):
    whole = len(stripped(data, mime_type))
    with pytest.raises(CorruptMedia):
        stripped(data[: int(whole * part)], mime_type)


def test_another_format_is_refused():
    with pytest.raises(UnsupportedMedia, match="image/gif"):
        stripped(b"GIF89a", "image/gif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_exif_is_read_in_both_byte_orders(order, prefix):
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
    turned = struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    place = struct.pack(order + "HHII", 0x8825, 4, 1, 100)
    assert read_exif(prefix + head + turned + place) == Notes(orientation=6, located=True)


@given(data=st.binary(max_size=200))
def test_any_bytes_as_exif_say_something_or_nothing(data):
    for head in (b"", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08"):
        assert 1 <= read_exif(head + data).orientation <= 8


@st.composite
def mutated(draw) -> tuple[str, bytes]:
    mime_type, original = draw(st.sampled_from(sorted(FULL.values())))
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, min(len(data) - 1, draw(st.sampled_from([40, 600, 9000])))))
        change = draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if change == "flip":
            data[position] ^= draw(st.integers(1, 255))
        elif change == "cut":
            del data[position : position + draw(st.integers(1, 30))]
        elif change == "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=20))
        elif position:
            del data[position:]
        if not data:
            break
    return mime_type, bytes(data)


@settings(max_examples=200, deadline=5000)
@given(case=mutated())
def test_a_changed_file_is_copied_or_a_known_error(case):
    mime_type, data = case
    with contextlib.suppress(MediasenseError):
        assert len(stripped(data, mime_type)) <= len(data)
