"""From an image file to an RGB picture as people see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediasense import CorruptMedia, Media

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of more than 8 bits: it clips where it should scale."""


def picture(media: Media) -> NDArray[np.uint8]:
    """Decode an image: upright, 8 bits of red, green and blue, transparent parts on white.

    Of several pictures in one file, the first.

    Raises:
        CorruptMedia: The bytes are damaged.
        MediaNotFound: The file has gone.
    """
    import numpy as np
    from PIL import Image, ImageOps

    with media.open() as file:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                return np.asarray(_flat(ImageOps.exif_transpose(image)))
        except Exception as error:  # damaged bytes lead Pillow's decoders to any exception
            raise CorruptMedia(
                f"{media.path or 'the image'} cannot be decoded ({type(error).__name__})",
                hint="is it damaged?",
            ) from error


def _flat(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in _DEEP:
        return _shallow(image).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(layer, mask=layer.getchannel("A"))
    return flat


def _shallow(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits or more down to 8."""
    import numpy as np
    from PIL import Image

    values: NDArray[Any] = np.nan_to_num(np.asarray(image, np.float32))
    sixteen = image.mode.startswith("I;16")
    least, most = (0.0, 65535.0) if sixteen else (float(values.min()), float(values.max()))
    scaled = (values - least) * (255 / max(most - least, 1e-9))
    return Image.fromarray(scaled.astype(np.uint8))
