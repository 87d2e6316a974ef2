"""Still images: real files, whole and damaged in every way."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import warnings
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import CorruptMedia, Media, MediaError, MediaTooLarge
from mediasense.media.images import MAX_PIXELS, MAX_SIDE
from mediasense.media.source import resolve

MIB = 1024 * 1024
KINDS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
each_kind = pytest.mark.parametrize(("kind", "mime_type"), KINDS.items(), ids=KINDS)


def saved(kind: str, size: tuple[int, int] = (64, 48), **options) -> bytes:
    from PIL import Image

    gradient = Image.linear_gradient("L").resize(size)
    buffer = io.BytesIO()
    Image.merge("RGB", [gradient, gradient.rotate(90), gradient]).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int, *, rows: int = 1) -> bytes:
    """A black and white PNG of that size, with some of its rows."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes((width + 7) // 8 + 1)
    data = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    body = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# --- whole ---------------------------------------------------------------------------------------


@each_kind
def test_a_whole_image_is_measured(kind, mime_type):
    media = resolve(saved(kind))
    assert (media.mime_type, media.width, media.height) == (mime_type, 64, 48)


def test_an_image_has_no_length_and_no_sound():
    media = resolve(saved("PNG"))
    assert (media.seconds, media.has_sound) == (None, None)


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 1}, {"optimize": True}])
def test_every_sort_of_jpeg_is_whole(options):
    assert resolve(saved("JPEG", **options)).width == 64


@pytest.mark.parametrize("behind", [b"\0" * 100, b"MotionPhoto_Data" * 1000, b"\n"])
def test_a_jpeg_with_data_behind_its_end_is_whole(behind):
    assert resolve(saved("JPEG") + behind).width == 64


def test_a_png_with_data_behind_its_end_is_whole():
    assert resolve(saved("PNG") + b"more").width == 64


def test_a_png_in_many_pieces_is_whole():
    """Of every size that a reader in blocks may meet."""
    data = saved("PNG")
    text = b"".join(chunk(b"tEXt", bytes(size)) for size in (0, 1, MIB - 1, MIB, MIB + 1))
    assert resolve(data[:33] + text + data[33:]).width == 64


def test_a_black_and_white_image_is_taken():
    assert resolve(png_claiming(20, 10, rows=10)).width == 20


def test_an_animation_is_taken():
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.effect_noise((30, 20), spread) for spread in (10, 60, 90)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert resolve(buffer.getvalue()).height == 20


def test_a_format_that_cannot_be_opened_here_has_no_size():
    """HEIC is taken as it is: a provider may read it."""
    heic = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200)
    media = resolve(heic)
    assert (media.mime_type, media.width, media.height) == ("image/heic", None, None)


# --- cut and damaged -----------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_an_image_that_is_cut_is_told(kind, mime_type, part):
    data = saved(kind, size=(200, 150))
    with pytest.raises(CorruptMedia, match="the data cannot be read as an image") as caught:
        resolve(data[: int(len(data) * part)])
    assert caught.value.hint


def test_a_jpeg_without_its_last_byte_is_told():
    with pytest.raises(CorruptMedia):
        resolve(saved("JPEG")[:-1])


def test_a_progressive_jpeg_that_ends_between_two_scans_is_told():
    data = saved("JPEG", progressive=True)
    with pytest.raises(CorruptMedia):
        resolve(data[: data.rindex(b"\xff\xda")])


def test_a_jpeg_is_not_whole_because_its_thumbnail_is():
    thumbnail = saved("JPEG", size=(16, 12))
    data = saved("JPEG", size=(200, 150), exif=b"Exif\0\0" + thumbnail)
    assert resolve(data).width == 200
    with pytest.raises(CorruptMedia):
        resolve(data[: len(data) // 2])


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
def test_a_flipped_bit_in_a_png_is_told(where):
    data = bytearray(saved("PNG"))
    data[int(len(data) * where)] ^= 0x10
    with pytest.raises(CorruptMedia):
        resolve(bytes(data))


def test_a_png_with_every_checksum_and_no_picture_is_told():
    data = png_claiming(20, 10)
    start = data.index(b"IDAT") - 4
    with pytest.raises(CorruptMedia):
        resolve(data[:start] + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    "kind",
    [
        "WEBP",
        "GIF",
    ],
)
def test_an_animation_that_is_cut_in_a_later_frame_is_told(kind):
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.effect_noise((60, 40), spread) for spread in (10, 60, 90)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    data = buffer.getvalue()
    with pytest.raises(CorruptMedia):
        resolve(data[: int(len(data) * 0.9)])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 1, 0, 0, 0, 0)),
        b"\xff\xd8\xff\xe0" + bytes(50),
        b"\xff\xd8\xff\xd9",
        b"GIF89a",
        b"RIFF\x04\0\0\0WEBPVP8 ",
        b"BM" + bytes(60),
        b"II*\0\x08\0\0\0\0\0",
    ],
    ids=["png", "empty png", "jpeg", "empty jpeg", "gif", "webp", "bmp", "tiff"],
)
def test_a_header_without_a_picture_is_told(data):
    with pytest.raises(MediaError):
        resolve(data)


# --- too large -----------------------------------------------------------------------------------


def traced(function) -> int:
    """The most memory that Python allocated while the function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_png_that_claims_too_much_is_refused_unread():
    def look():
        with pytest.raises(MediaTooLarge, match="scale it down"):
            resolve(png_claiming(60_000, 60_000))

    assert traced(look) < 16 * MIB


def test_a_real_bomb_is_refused_unpacked():
    bomb = png_claiming(20_000, 20_000, rows=20_000)
    assert len(bomb) < MIB

    def look():
        with pytest.raises(MediaTooLarge, match="150 million"):
            resolve(bomb)

    assert traced(look) < 16 * MIB


@pytest.mark.parametrize(("width", "height"), [(50_000, 10), (10, 50_000), (MAX_SIDE + 1, 1)])
def test_an_image_with_a_giant_side_is_refused(width, height):
    with pytest.raises(MediaTooLarge, match=f"is {width} x {height} pixels; at most 32767 a side"):
        resolve(png_claiming(width, height, rows=height))


def test_an_image_at_the_side_limit_is_taken():
    assert resolve(png_claiming(MAX_SIDE, 2, rows=2)).width == MAX_SIDE


@pytest.mark.parametrize("side", [10_000, 12_000])
def test_an_image_below_the_limit_is_taken_without_a_warning(side):
    """Pillow warns of more than 89 million pixels; the limit here is higher, and meant."""
    assert side * side <= MAX_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert resolve(png_claiming(side, side, rows=side)).width == side
    assert caught == []


def test_a_gif_that_claims_too_much_is_refused():
    with pytest.raises(MediaTooLarge):
        resolve(gif_claiming(40_000, 40_000))


# --- anything ------------------------------------------------------------------------------------

SMALL = {kind: saved(kind, size=(24, 16)) for kind in KINDS}


@st.composite
def mutated(draw, originals: dict[str, bytes]) -> bytes:
    """One of the files with some bytes changed, cut out or put in; the head more often."""
    data = bytearray(originals[draw(st.sampled_from(sorted(originals)))])
    for _ in range(draw(st.integers(1, 3))):
        reach = draw(st.sampled_from([40, 200, len(data)]))
        position = draw(st.integers(0, max(0, min(reach, len(data)) - 1)))
        change = draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if change == "flip" and data:
            data[position] ^= draw(st.integers(1, 255))
        if change == "cut":
            del data[position : position + draw(st.integers(1, 30))]
        if change == "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=20))
        if change == "end":
            del data[position:]
    return bytes(data)


def media_or_error(data: bytes) -> Media | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these have a test of their own
        try:
            media = resolve(data)
        except MediaError:
            return None
    assert media.size == len(data)
    return media


@settings(max_examples=50, deadline=10_000)
@given(data=mutated({kind: SMALL[kind] for kind in ("PNG", "JPEG")}))
def test_a_changed_png_or_jpeg_is_an_image_or_a_known_error(data):
    media_or_error(data)


@settings(max_examples=50, deadline=10_000)
@given(data=mutated({kind: SMALL[kind] for kind in ("GIF", "WEBP", "BMP")}))
def test_a_changed_image_is_an_image_or_a_known_error(data):
    media_or_error(data)


def changed_at(kind: str, position: int, value: int) -> bytes:
    data = bytearray(SMALL[kind])
    data[position] = value
    return bytes(data)


@pytest.mark.parametrize(
    "kind",
    [
        "TIFF",
        "AVIF",
    ],
)
def test_a_changed_byte_is_an_image_or_a_known_error(kind):
    """Every byte of the head in turn."""
    for position in range(min(400, len(SMALL[kind]))):
        media_or_error(changed_at(kind, position, 0xFF))


def gif_claiming(width: int, height: int) -> bytes:
    data = bytearray(SMALL["GIF"])
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [gif_claiming(10_000, 9_500), b"II*\0\x08" + bytes(5)],
    ids=["large", "cut"],
)
def test_an_image_gives_no_warning_of_a_library(data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(MediaError):
            resolve(data)
    assert [str(warning.message) for warning in caught] == []
