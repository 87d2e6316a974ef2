"""The colours of a decoded picture, brought to what every service shows alike: 8 bits, sRGB."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageCms

_MOST_PROFILE_BYTES = 4 * 1024 * 1024
_WHITE = (255, 255, 255)
_DEEP = ("I", "F")


def laid_on_white(picture: Image.Image) -> Image.Image:
    """An opaque picture of 8 bits: gray, RGB, or CMYK and LAB, which need a profile.

    Args:
        picture: Decoded, in any mode of Pillow. It is not changed.
    """
    from PIL import Image

    if picture.mode.startswith(_DEEP):
        return _in_8_bits(picture)
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        white = Image.new("RGB", picture.size, _WHITE)
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        return picture.copy()
    return picture.convert("RGB")


def as_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Gray or sRGB.

    Args:
        picture: What :func:`laid_on_white` gave.
        profile: The ICC profile of the file, if it has one; one that cannot be used is passed over.
    """
    if picture.mode == "L":
        return picture
    from PIL import ImageCms

    # What a profile has wrong shows late, in many ways; the picture is worth more than its hues.
    with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        known = _profile(picture.mode, profile)
        if known is not None:
            target = ImageCms.createProfile("sRGB")
            changed = ImageCms.profileToProfile(picture, known, target, outputMode="RGB")
            if changed is not None:
                changed.info = {}
                return changed
    return picture if picture.mode == "RGB" else _without_profile(picture)


def _profile(mode: str, profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """The profile by which the colours are meant; ``None`` where they are sRGB, or not known."""
    from PIL import ImageCms

    if mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if not profile or len(profile) > _MOST_PROFILE_BYTES:
        return None
    known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and "sRGB" in (ImageCms.getProfileDescription(known) or ""):
        return None
    return known


def _without_profile(picture: Image.Image) -> Image.Image:
    return picture.getchannel("L") if picture.mode == "LAB" else picture.convert("RGB")


def _in_8_bits(picture: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits, with its whole range scaled; Pillow would cut off what is bright."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    lowest, highest = min(0.0, float(numbers.min())), float(numbers.max())
    # The range is not stated: what fits into 1, 8 or 16 bits is taken to be of that range.
    top = next((top for top in (1.0, 255.0, 65535.0) if highest <= top), highest)
    scaled = (numbers - lowest) * (255 / (top - lowest)) + 0.5
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))
