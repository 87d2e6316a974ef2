"""Still images: real files, whole and damaged in every way."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import warnings
import zlib
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pillow_heif import register_heif_opener

from mediasense import CorruptMedia, MediaError, MediaTooLarge, UnsupportedMedia
from mediasense.media.images import MAX_PIXELS, MAX_SIDE, inspect_image, open_picture
from mediasense.media.sniff import HEAD_BYTES, sniff
from mediasense.types import ImageFacts

register_heif_opener()  # to write them

MIB = 1024 * 1024
KINDS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
each_kind = pytest.mark.parametrize(("kind", "mime_type"), KINDS.items(), ids=KINDS)


def saved(kind: str, size: tuple[int, int] = (64, 48), **options) -> bytes:
    from PIL import Image

    gradient = Image.linear_gradient("L").resize(size)
    buffer = io.BytesIO()
    Image.merge("RGB", [gradient, gradient.rotate(90), gradient]).save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass(frozen=True)
class Looked:
    """What was found: the type by the first bytes, and the size."""

    mime_type: str
    width: int | None
    height: int | None


def looked_at(data: bytes) -> Looked:
    facts = facts_of(data)
    return Looked(sniff(data[:HEAD_BYTES]) or "", facts.width, facts.height)


def facts_of(data: bytes) -> ImageFacts:
    mime_type = sniff(data[:HEAD_BYTES])
    if mime_type is None or not mime_type.startswith("image/"):
        raise UnsupportedMedia(f"it is {mime_type}, not an image")
    return inspect_image(io.BytesIO(data), mime_type, "the data")


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
    image = looked_at(saved(kind))
    assert (image.mime_type, image.width, image.height) == (mime_type, 64, 48)


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 1}, {"optimize": True}])
def test_every_sort_of_jpeg_is_whole(options):
    assert looked_at(saved("JPEG", **options)).width == 64


@pytest.mark.parametrize("behind", [b"\0" * 100, b"MotionPhoto_Data" * 1000, b"\n"])
def test_a_jpeg_with_data_behind_its_end_is_whole(behind):
    assert looked_at(saved("JPEG") + behind).width == 64


def test_a_png_with_data_behind_its_end_is_whole():
    assert looked_at(saved("PNG") + b"more").width == 64


def test_a_png_in_many_pieces_is_whole():
    """Of every size that a reader in blocks may meet."""
    data = saved("PNG")
    text = b"".join(chunk(b"tEXt", bytes(size)) for size in (0, 1, MIB - 1, MIB, MIB + 1))
    assert looked_at(data[:33] + text + data[33:]).width == 64


def test_a_black_and_white_image_is_taken():
    assert looked_at(png_claiming(20, 10, rows=10)).width == 20


def test_an_animation_is_taken():
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.effect_noise((30, 20), spread) for spread in (10, 60, 90)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert looked_at(buffer.getvalue()).height == 20


def test_a_format_that_cannot_be_opened_here_has_no_size():
    """JPEG XR is taken as it is: a provider may read it."""
    image = looked_at(b"II\xbc\x01" + bytes(200))
    assert (image.mime_type, image.width, image.height) == ("image/vnd.ms-photo", None, None)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1"])
def test_a_heic_of_any_brand_is_told(brand):
    head = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1heic" + bytes(200)
    assert sniff(head) == "image/heic"


def test_an_animated_avif_is_told():
    assert sniff(animated("AVIF")) == "image/avif"


# --- what it is like -----------------------------------------------------------------------------


def exif(orientation: int = 1, *, gps: bool = False) -> bytes:
    from PIL import Image

    notes = Image.Exif()
    notes[0x0112] = orientation
    if gps:
        notes.get_ifd(0x8825)[1] = "N"
    return notes.tobytes()


def animated(kind: str, count: int = 3, **options) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    frames = [Image.new("RGB", (30, 20), (80 * index % 256, index, 0)) for index in range(count)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=100, **options)
    return buffer.getvalue()


def written(picture, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@each_kind
def test_a_common_image_is_upright_plain_alone_and_from_nowhere(kind, mime_type):
    assert facts_of(saved(kind)) == ImageFacts(width=64, height=48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_measured_as_it_is_shown(kind, orientation):
    facts = facts_of(saved(kind, exif=exif(orientation)))
    assert (facts.width, facts.height) == ((48, 64) if orientation >= 5 else (64, 48))
    assert facts.upright == (orientation == 1)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_says_itself_how_it_is_shown(orientation):
    facts = facts_of(saved("HEIF", exif=exif(orientation)))
    assert (facts.width, facts.height) == ((48, 64) if orientation == 6 else (64, 48))
    assert facts.upright


def test_an_orientation_that_does_not_exist_is_upright():
    assert facts_of(saved("JPEG", exif=exif(9))).upright


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"])
def test_coordinates_are_noticed(kind):
    assert facts_of(saved(kind, exif=exif(gps=True))).located
    assert not facts_of(saved(kind, exif=exif())).located


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("words", "located"),
    [(b"<exif:GPSLatitude>", True), (b"<Iptc4xmpCore:Location>", True), (b"<dc:title>", False)],
)
def test_a_place_in_xmp_is_noticed(kind, words, located):
    if kind == "PNG":
        text = chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + words)
        data = saved("PNG")[:33] + text + saved("PNG")[33:]
    else:
        data = saved(kind, xmp=words)
    assert facts_of(data).located == located


def test_a_city_in_iptc_is_noticed():
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x5a\0\x04Rome"
    data = saved("JPEG")
    assert facts_of(data[:2] + struct.pack(">HH", 0xFFED, len(iptc) + 2) + iptc + data[2:]).located


def test_metadata_packed_into_a_text_is_taken_to_name_a_place():
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"exif"))
    assert facts_of(saved("PNG")[:33] + text + saved("PNG")[33:]).located


def pictures_that_are_not_plain():
    import numpy as np
    from PIL import Image

    noise = Image.effect_noise((30, 20), 64)
    clear = Image.merge("RGBA", [noise] * 4)
    deep = Image.fromarray(np.asarray(noise).astype(np.uint16) * 257)
    palette = noise.convert("P")
    return {
        "clear png": written(clear, "PNG"),
        "clear webp": written(clear, "WEBP"),
        "clear heic": written(clear, "HEIF"),
        "clear avif": written(clear, "AVIF"),
        "clear tiff": written(clear, "TIFF"),
        "gray and clear png": written(clear.convert("LA"), "PNG"),
        "clear palette png": written(palette, "PNG", transparency=0),
        "clear gif": written(palette, "GIF", transparency=0),
        "16 bit png": written(deep, "PNG"),
        "16 bit tiff": written(deep, "TIFF"),
        "cmyk jpeg": written(noise.convert("CMYK"), "JPEG"),
        "cmyk tiff": written(noise.convert("CMYK"), "TIFF"),
    }


@pytest.mark.parametrize("what", pictures_that_are_not_plain())
def test_what_services_show_differently_is_not_plain(what):
    assert not facts_of(pictures_that_are_not_plain()[what]).plain


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF"])
def test_transparency_that_is_not_used_is_plain(kind):
    from PIL import Image

    assert facts_of(written(Image.new("RGBA", (30, 20), (9, 9, 9, 255)), kind)).plain


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_gray_and_palettes_are_plain(kind, mode):
    from PIL import Image

    assert facts_of(written(Image.effect_noise((30, 20), 64).convert(mode), kind)).plain


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_frames_of_an_animation_are_counted(kind):
    assert facts_of(animated(kind, 5)).frames == 5


def test_a_picture_in_front_of_an_animation_is_no_frame():
    assert facts_of(animated("PNG", 5, default_image=True)).frames == 4


def test_frames_that_a_png_only_claims_are_not_counted():
    claim = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    assert facts_of(saved("PNG")[:33] + claim + saved("PNG")[33:]).frames == 1


def test_the_pages_of_a_tiff_are_counted():
    from PIL import Image

    pages = [Image.new("L", (20, 10))] * 3
    assert facts_of(written(pages[0], "TIFF", save_all=True, append_images=pages[1:])).frames == 3


def test_of_a_heic_with_several_pictures_one_is_shown():
    from PIL import Image

    more = [Image.new("RGB", (20, 10))]
    assert facts_of(written(more[0], "HEIF", save_all=True, append_images=more)).frames == 1


def test_an_animation_with_more_pixels_than_can_be_looked_at_is_refused():
    data = bytearray(animated("GIF", 60))
    data[6:10] = struct.pack("<HH", 12_000, 9_000)
    with pytest.raises(MediaTooLarge, match="60 frames"):
        facts_of(bytes(data))


def test_an_image_is_opened_as_what_it_was_found_to_be():
    with pytest.raises(CorruptMedia), open_picture(io.BytesIO(saved("PNG")), "image/gif", "it"):
        pass


@pytest.mark.parametrize(
    "data",
    [b"\xff\xd8" + b"\xff" * 3_000_000, b"\xff\xd8" + b"\xff\xe0\0\2" * 2_000_000],
    ids=["fill bytes", "segments"],
)
def test_a_jpeg_of_empty_parts_is_given_up(data):
    with pytest.raises(CorruptMedia):
        facts_of(data)


# --- cut and damaged -----------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_an_image_that_is_cut_is_told(kind, mime_type, part):
    data = saved(kind, size=(200, 150))
    with pytest.raises(CorruptMedia, match="the data cannot be read as an image") as caught:
        looked_at(data[: int(len(data) * part)])
    assert caught.value.hint


def test_a_jpeg_without_its_last_byte_is_told():
    with pytest.raises(CorruptMedia):
        looked_at(saved("JPEG")[:-1])


def test_a_progressive_jpeg_that_ends_between_two_scans_is_told():
    data = saved("JPEG", progressive=True)
    with pytest.raises(CorruptMedia):
        looked_at(data[: data.rindex(b"\xff\xda")])


def test_a_jpeg_is_not_whole_because_its_thumbnail_is():
    thumbnail = saved("JPEG", size=(16, 12))
    data = saved("JPEG", size=(200, 150), exif=b"Exif\0\0" + thumbnail)
    assert looked_at(data).width == 200
    with pytest.raises(CorruptMedia):
        looked_at(data[: len(data) // 2])


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
def test_a_flipped_bit_in_a_png_is_told(where):
    data = bytearray(saved("PNG"))
    data[int(len(data) * where)] ^= 0x10
    with pytest.raises(CorruptMedia):
        looked_at(bytes(data))


def test_a_png_with_every_checksum_and_no_picture_is_told():
    data = png_claiming(20, 10)
    start = data.index(b"IDAT") - 4
    with pytest.raises(CorruptMedia):
        looked_at(data[:start] + chunk(b"IEND", b""))


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
        looked_at(data[: int(len(data) * 0.9)])


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
        looked_at(data)


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
            looked_at(png_claiming(60_000, 60_000))

    assert traced(look) < 16 * MIB


def test_a_real_bomb_is_refused_unpacked():
    bomb = png_claiming(20_000, 20_000, rows=20_000)
    assert len(bomb) < MIB

    def look():
        with pytest.raises(MediaTooLarge, match="150 million"):
            looked_at(bomb)

    assert traced(look) < 16 * MIB


@pytest.mark.parametrize(("width", "height"), [(50_000, 10), (10, 50_000), (MAX_SIDE + 1, 1)])
def test_an_image_with_a_giant_side_is_refused(width, height):
    with pytest.raises(MediaTooLarge, match=f"is {width} x {height} pixels; at most 32767 a side"):
        looked_at(png_claiming(width, height, rows=height))


def test_an_image_at_the_side_limit_is_taken():
    assert looked_at(png_claiming(MAX_SIDE, 2, rows=2)).width == MAX_SIDE


@pytest.mark.parametrize("side", [10_000, 12_000])
def test_an_image_below_the_limit_is_taken_without_a_warning(side):
    """Pillow warns of more than 89 million pixels; the limit here is higher, and meant."""
    assert side * side <= MAX_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert looked_at(png_claiming(side, side, rows=side)).width == side
    assert caught == []


def test_a_gif_that_claims_too_much_is_refused():
    with pytest.raises(MediaTooLarge):
        looked_at(gif_claiming(40_000, 40_000))


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


def look_or_error(data: bytes) -> None:
    with contextlib.suppress(MediaError):
        image = looked_at(data)
        assert image.width is None or image.width * image.height > 0


@settings(max_examples=50, deadline=10_000)
@given(data=mutated({kind: SMALL[kind] for kind in ("PNG", "JPEG")}))
def test_a_changed_png_or_jpeg_is_an_image_or_a_known_error(data):
    look_or_error(data)


@settings(max_examples=50, deadline=10_000)
@given(data=mutated({kind: SMALL[kind] for kind in ("GIF", "WEBP", "BMP")}))
def test_a_changed_image_is_an_image_or_a_known_error(data):
    look_or_error(data)


def changed_at(kind: str, position: int, value: int) -> bytes:
    data = bytearray(SMALL[kind])
    data[position] = value
    return bytes(data)


@pytest.mark.parametrize(
    "kind",
    [
        "TIFF",
        "AVIF",
        "HEIF",
    ],
)
def test_a_changed_byte_is_an_image_or_a_known_error(kind):
    """Every byte of the head in turn."""
    for position in range(min(400, len(SMALL[kind]))):
        look_or_error(changed_at(kind, position, 0xFF))


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
            looked_at(data)
    assert [str(warning.message) for warning in caught] == []
