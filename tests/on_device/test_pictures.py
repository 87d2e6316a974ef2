"""Every kind of image becomes what people see: upright, opaque, 8 bits."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasense import CorruptMedia, Media, MediaNotFound
from mediasense_on_device.pictures import picture

from .conftest import media


def grey(level: int, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (8, 4), (level,) * 3).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_declared_type_is_decoded(kind, provider):
    decoded = picture(media(grey(100), kind))
    assert decoded.shape == (4, 8, 3)
    assert abs(int(decoded.mean()) - 100) < 5
    assert len(provider.image.mime_types) == 6


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "TIFF")],
)
def test_every_mode_becomes_red_green_and_blue(mode, kind):
    assert picture(media(grey(255, mode), kind)).mean() > 250


def test_sixteen_bits_are_scaled_and_not_clipped():
    deep = Image.fromarray(np.full((4, 8), 32768, np.uint16))
    assert abs(int(picture(media(deep)).mean()) - 127) < 2


def test_measurements_are_scaled_to_what_can_be_seen():
    deep = Image.fromarray(np.linspace(-3, 9, 32, dtype=np.float32).reshape(4, 8))
    decoded = picture(media(deep, "TIFF"))
    assert (decoded.min(), decoded.max()) == (0, 255)


def test_transparent_parts_are_white():
    clear = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    assert picture(media(clear)).min() == 255


def test_a_transparent_colour_of_a_palette_is_white():
    palette = Image.new("P", (8, 4), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert picture(media(palette, transparency=0)).min() == 255


def test_a_photograph_held_sideways_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph = Image.new("RGB", (8, 4), "black")
    photograph.paste("white", (0, 0, 4, 4))
    upright = picture(media(photograph, "JPEG", exif=exif, quality=95))
    assert upright.shape == (8, 4, 3)
    assert upright[:2].mean() > 200
    assert upright[-2:].mean() < 60


def test_of_a_moving_picture_the_first_is_read():
    first, second = grey(255), grey(0)
    assert picture(media(first, "GIF", save_all=True, append_images=[second])).mean() > 250


def test_a_file_is_read_as_bytes_are(tmp_path):
    path = tmp_path / "a.png"
    grey(70).save(path)
    assert picture(Media(modality="image", mime_type="image/png", path=path)).mean() == 70


def test_a_cut_off_image_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "cut.png"
    noise = Image.effect_noise((200, 200), 90)
    noise.save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CorruptMedia, match=r"cut\.png cannot be decoded"):
        picture(Media(modality="image", mime_type="image/png", path=path))


def test_a_file_that_went_is_an_error():
    gone = Media(modality="image", mime_type="image/png", path=Path("gone.png"))
    with pytest.raises(MediaNotFound):
        picture(gone)


def whole(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]),
    places=st.lists(st.integers(0, 4000), min_size=1, max_size=20),
    value=st.integers(0, 255),
    kept=st.integers(0, 4000),
)
def test_no_damage_raises_anything_else(kind, places, value, kept):
    data = bytearray(whole(kind)[: max(1, kept)])
    for place in places:
        data[place % len(data)] = value
    damaged = Media(modality="image", mime_type="image/png", data=bytes(data))
    with contextlib.suppress(CorruptMedia):
        assert picture(damaged).ndim == 3
