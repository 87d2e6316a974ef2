"""Still images: their size, what they are like, and whether the file is whole.

JPEG and PNG, which is nearly every image, are read by their structure: that costs a twentieth of
decoding them, and Pillow need not be loaded. The rarer formats are decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mediasense.errors import CorruptMedia, MediaTooLarge, UnsupportedMedia
from mediasense.media.images.headers import read_jpeg, read_png
from mediasense.media.images.metadata import Notes, read_exif, xmp_names_a_place
from mediasense.types import ImageFacts

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 32_767
MAX_PIXELS = 150_000_000
MAX_MOVING_PIXELS = 4_000_000_000
"""Of all frames of an animation together: 2000 of Full HD. To see the last, all are decoded."""

_TAIL = 4096

# What Pillow calls the formats that are decoded here.
_FORMATS = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/jpeg": "JPEG",
    "image/jpx": "JPEG2000",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/vnd.adobe.photoshop": "PSD",
    "image/webp": "WEBP",
    "image/x-canon-cr2": "TIFF",
    "image/x-icon": "ICO",
}
_TURNED_BY_PILLOW = ("image/tiff", "image/x-canon-cr2")
_MOVING = ("image/avif", "image/gif", "image/tiff", "image/webp")
_TIFF_BITS, _TIFF_GPS, _TIFF_ORIENTATION = 258, 0x8825, 0x0112

# What Pillow and its codecs raise of damaged files.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def inspect_image(file: BinaryIO, mime_type: str, name: str) -> ImageFacts:
    """Read what an image is like and make sure that its file is whole.

    Args:
        file: Seekable; read from its start, in blocks.
        mime_type: What :func:`mediasense.media.sniff.sniff` found.
        name: How errors call the image.

    Returns:
        The facts. Width and height are ``None`` of formats that cannot be opened here. The
        pictures of a TIFF file count as frames; of a HEIC file only the main one is counted.

    Raises:
        CorruptMedia: The file is truncated or damaged.
        MediaTooLarge: More pixels than any provider takes; a decompression bomb is one of these.
    """
    file.seek(0)
    if mime_type == "image/jpeg":
        facts = read_jpeg(file)
    elif mime_type == "image/png":
        facts = read_png(file)
    elif mime_type not in _FORMATS:
        facts = ImageFacts(width=None, height=None)
    elif mime_type == "image/gif" and not _ends_as_gif(file):
        facts = None
    else:
        facts = _decode(file, mime_type, name)
    if facts is None:
        raise _corrupt(name, "the file is truncated or damaged")
    if facts.width is not None and facts.height is not None:
        _refuse_giants(facts.width, facts.height, name, facts.frames)
    return facts


def inspect_image_file(source: Path, mime_type: str, name: str) -> ImageFacts:
    """The same of a file; see :func:`inspect_image`."""
    with source.open("rb") as file:
        return inspect_image(file, mime_type, name)


@contextmanager
def open_picture(file: BinaryIO, mime_type: str, name: str) -> Iterator[Image.Image]:
    """Open an image that comes from outside with Pillow; its pixels are not decoded yet.

    Args:
        file: Seekable.
        mime_type: What it was found to be; it is opened as nothing else.
        name: How errors call the image.

    Yields:
        The picture, in the size that its file states, which is one that is taken.

    Raises:
        CorruptMedia: It is damaged, or of another type; also for damage met while it is open.
        MediaTooLarge: It has more pixels than any provider takes.
        UnsupportedMedia: Images of this type cannot be opened here.
    """
    from PIL import Image, UnidentifiedImageError

    kind = _FORMATS.get(mime_type)
    if kind is None:
        raise UnsupportedMedia(
            f"{name} cannot be opened here: it is {mime_type}", hint="save it as PNG or JPEG"
        )
    if kind == "HEIF":
        _register_heif()
    try:
        with warnings.catch_warnings():
            # What Pillow warns of, large pictures and odd tags, is judged here.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=(kind,)) as picture:
                _refuse_giants(*picture.size, name)
                yield picture
    except (Image.DecompressionBombError, MemoryError):
        raise MediaTooLarge(
            f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels",
            hint="scale it down first",
        ) from None
    except UnidentifiedImageError:
        raise _corrupt(name, "there is no picture in it") from None
    except _DAMAGE as error:
        raise _corrupt(name, str(error) or type(error).__name__) from None


def count_frames(picture: Image.Image, mime_type: str, name: str) -> int:
    """How many pictures a file shows; the layers, sizes and copies in other formats are not.

    Args:
        picture: Open.
        mime_type: What it was opened as.
        name: How errors call the image.

    Raises:
        MediaTooLarge: They have more pixels, all together, than can be decoded in bounded time.
    """
    frames = int(getattr(picture, "n_frames", 1)) if mime_type in _MOVING else 1
    _refuse_giants(*picture.size, name, frames)
    return frames


def is_opaque(picture: Image.Image) -> bool:
    """Whether nothing shines through a picture that is decoded."""
    if not picture.has_transparency_data:
        return True
    lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return lowest == 255


def _register_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _decode(file: BinaryIO, mime_type: str, name: str) -> ImageFacts:
    with open_picture(file, mime_type, name) as picture:
        # Before the pixels: Pillow turns a TIFF picture when it decodes it.
        notes = _notes(picture, mime_type)
        deep = _is_deep(picture)
        frames = count_frames(picture, mime_type, name)
        picture.load()
        _refuse_giants(*picture.size, name)
        turned = notes.orientation >= 5 and mime_type not in _TURNED_BY_PILLOW
        return ImageFacts(
            width=picture.height if turned else picture.width,
            height=picture.width if turned else picture.height,
            frames=frames,
            upright=notes.orientation == 1,
            plain=not deep
            and picture.mode in ("1", "L", "P", "RGB", "RGBA")
            and is_opaque(picture),
            located=notes.located,
        )


def _notes(picture: Image.Image, mime_type: str) -> Notes:
    """What the metadata of an open picture says."""
    xmp = picture.info.get("xmp", b"")
    named = xmp_names_a_place(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
    if mime_type in _TURNED_BY_PILLOW:
        tags: Any = getattr(picture, "tag_v2", {})
        told = tags.get(_TIFF_ORIENTATION, 1)
        orientation = told if isinstance(told, int) and 1 <= told <= 8 else 1
        return Notes(orientation=orientation, located=named or _TIFF_GPS in tags)
    notes = read_exif(picture.info.get("exif") or b"")
    return replace(notes, located=notes.located or named)


def _is_deep(picture: Image.Image) -> bool:
    """Whether the file has more than 8 bits each; Pillow opens some of these as if they had 8."""
    bits = getattr(picture, "tag_v2", {}).get(_TIFF_BITS, ())
    tiff = max(bits, default=8) if isinstance(bits, tuple) else bits
    return max(tiff, picture.info.get("bit_depth") or 8) > 8


def _refuse_giants(width: int, height: int, name: str, frames: int = 1) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MediaTooLarge(
            f"{name} is {width} x {height} pixels; at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are taken",
            hint="scale it down or cut it first",
        )
    if frames > 1 and width * height * frames > MAX_MOVING_PIXELS:
        raise MediaTooLarge(
            f"{name} has {frames} frames of {width} x {height} pixels; at most "
            f"{MAX_MOVING_PIXELS // 1_000_000_000} billion in all are taken",
            hint="save it as a video",
        )


def _corrupt(name: str, cause: str) -> CorruptMedia:
    return CorruptMedia(
        f"{name} cannot be read as an image: {cause}",
        hint="open and save it again, or copy it anew",
    )


def _ends_as_gif(file: BinaryIO) -> bool:
    """Whether the last byte is the trailer; some writers pad with zeros behind it."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL))
    ends = file.read(_TAIL).rstrip(b"\0").endswith(b";")
    file.seek(0)
    return ends
