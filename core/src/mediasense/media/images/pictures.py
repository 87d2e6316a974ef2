"""Still images made fit for a provider: what ``fitting`` decided is done here."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from mediasense.errors import MediaNotFound, UnsupportedMedia
from mediasense.media.images import count_frames, inspect_image, open_picture
from mediasense.media.images.colours import as_srgb, laid_on_white
from mediasense.media.images.fitting import MADE, ImageFit, Pixels, scale_into, tile_boxes
from mediasense.media.images.metadata import read_exif, strip_metadata
from mediasense.media.images.picture_files import EXTENSIONS, encode_within, write_new
from mediasense.types import Box, Region, Shown

if TYPE_CHECKING:
    from PIL import Image

_READ_BY_STRUCTURE = ("image/jpeg", "image/png")
_ROUNDED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An image that is ready to be sent.

    Attributes:
        path: Its file; the source itself when nothing had to be done.
        mime_type: What it is.
        size: Its bytes.
        width, height: Pixels; ``None`` of a format that cannot be opened here.
        words: Which part of its source it is, such as ``part 2 of 3, from top to bottom``; empty
            for the whole.
        timestamp: Of a frame: seconds from the start.
        shows: As for :class:`~mediasense.types.Media`.
    """

    path: Path
    mime_type: str
    size: int
    width: int | None
    height: int | None
    words: str = ""
    timestamp: float | None = None
    shows: tuple[Shown, ...] = ()


def prepare_image(
    source: Path,
    folder: Path,
    *,
    mime_type: str,
    fit: ImageFit,
    name: str = "the image",
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Prepared, ...]:
    """Do to an image what was decided.

    What is decoded becomes upright, opaque, 8-bit gray or sRGB, and has no metadata at all.

    Args:
        source: The file.
        folder: Where new files go.
        mime_type: What the file was found to be; it is read as nothing else.
        fit: What :func:`mediasense.media.images.fitting.fit_image` decided.
        name: How errors call the image.
        on_progress: Called with how far it is, 0 to 1.

    Returns:
        The pieces, in their order.

    Raises:
        CorruptMedia: The file is damaged, or of another type.
        MediaTooLarge: It has more pixels than are taken, or no size of it has few enough bytes.
        MediaNotFound: The file has gone.
    """
    tell = on_progress or (lambda _: None)
    if fit.work == "none":
        size = _size_of(source, name)
        return (_prepared(source, fit.mime_type, size, fit.width, fit.height),)
    with _opened(source, name) as file:
        if fit.work == "strip":
            return (_stripped(file, folder, fit, mime_type, name),)
        return tuple(_redrawn(file, folder, fit, mime_type, name, tell))


def _opened(source: Path, name: str) -> io.BufferedReader:
    try:
        return source.open("rb")
    except OSError as error:
        raise MediaNotFound(
            f"{name} cannot be read: {error.strerror}", hint="check the path"
        ) from None


def _size_of(source: Path, name: str) -> int:
    with _opened(source, name) as file:
        return file.seek(0, io.SEEK_END)


def _prepared(
    path: Path, mime_type: str, size: int, width: int | None, height: int | None
) -> Prepared:
    return Prepared(path=path, mime_type=mime_type, size=size, width=width, height=height)


def _stripped(
    file: io.BufferedReader, folder: Path, fit: ImageFit, mime_type: str, name: str
) -> Prepared:
    handle, path = mkstemp(suffix=EXTENSIONS.get(mime_type, ""), prefix="image-", dir=folder)
    with os.fdopen(handle, "wb") as target:
        strip_metadata(file, target, mime_type, name)
        size = target.tell()
    return _prepared(Path(path), mime_type, size, fit.width, fit.height)


# --- decoded -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """A picture on its way: a frame, a tile, or the whole."""

    picture: Image.Image
    words: str
    timestamp: float | None = None
    shows: tuple[Shown, ...] = ()


def _redrawn(
    file: io.BufferedReader,
    folder: Path,
    fit: ImageFit,
    mime_type: str,
    name: str,
    tell: Callable[[float], None],
) -> Iterator[Prepared]:
    if fit.mime_type not in MADE:
        raise UnsupportedMedia(f"{fit.mime_type} cannot be made here", hint="use PNG or JPEG")
    # Read once more by structure: the file may have changed, and a PNG states what it likes.
    known = inspect_image(file, mime_type, name) if mime_type in _READ_BY_STRUCTURE else None
    with open_picture(file, mime_type, name) as picture:
        count = known.frames if known else count_frames(picture, mime_type, name)
        profile = picture.info.get("icc_profile")
        for done, part in enumerate(_parts(picture, fit, mime_type, count, tell), 1):
            sized = as_srgb(_sized(part.picture, fit), profile)
            encoded = encode_within(sized, fit.mime_type, fit.max_bytes)
            yield Prepared(
                path=write_new(folder, fit.mime_type, encoded.data),
                mime_type=fit.mime_type,
                size=len(encoded.data),
                width=encoded.width,
                height=encoded.height,
                words=part.words,
                timestamp=part.timestamp,
                shows=part.shows,
            )
            tell(min(1.0, done / fit.pieces))


def _parts(
    picture: Image.Image,
    fit: ImageFit,
    mime_type: str,
    count: int,
    tell: Callable[[float], None],
) -> Iterator[_Part]:
    """The frames, the tiles, or the whole picture: upright, opaque, in 8 bits."""
    if count > 1:
        yield from _frames(picture, mime_type, count, min(fit.frames, count), tell)
        return
    if fit.tiles == 1:
        _decode_small(picture, fit, mime_type)
    plain = _plain(picture)
    tell(0.5 / fit.pieces)
    boxes = tile_boxes(plain.width, plain.height, fit.tiles)
    direction = "top to bottom" if plain.height >= plain.width else "left to right"
    for number, box in enumerate(boxes, 1):
        if fit.tiles == 1:
            yield _Part(picture=plain, words="")
            continue
        yield _Part(
            picture=plain.crop((box.left, box.top, box.right, box.bottom)),
            words=f"part {number} of {fit.tiles}, from {direction}",
            shows=(Shown(part=region_of(box, plain.width, plain.height)),),
        )


def region_of(box: Box, width: int, height: int) -> Region:
    """A box in pixels, in fractions of the picture that it is on."""
    return Region(
        left=box.left / width,
        top=box.top / height,
        right=box.right / width,
        bottom=box.bottom / height,
    )


def _decode_small(picture: Image.Image, fit: ImageFit, mime_type: str) -> None:
    """Have a JPEG that will be much smaller decoded at a half, a quarter or an eighth."""
    if mime_type == "image/jpeg" and fit.width and fit.height:
        side = 2 * max(fit.width, fit.height)  # twice what is needed: scaled well from there
        long, short = max(picture.size), min(picture.size)
        across, down = side, max(1, side * short // long)
        picture.draft(None, (across, down) if picture.width >= picture.height else (down, across))


def _frames(
    picture: Image.Image,
    mime_type: str,
    count: int,
    wanted: int,
    tell: Callable[[float], None],
) -> Iterator[_Part]:
    """Evenly spread frames, the first and the last among them; of one, the first."""
    chosen = {index * (count - 1) // max(1, wanted - 1) for index in range(wanted)}
    # A PNG may have a picture in front for readers that show no animations.
    skipped = 1 if mime_type == "image/png" and getattr(picture, "default_image", False) else 0
    paged = mime_type == "image/tiff"
    elapsed = 0.0
    for index in range(max(chosen) + 1):
        picture.seek(index + skipped)
        if not paged:
            picture.load()
        stated = picture.info.get("timestamp")
        seconds = elapsed if stated is None else stated / 1000
        elapsed += float(picture.info.get("duration") or 0) / 1000
        tell(0.9 * index / count)
        if index in chosen and paged:
            yield _Part(picture=_plain(picture), words=f"page {index + 1} of {count}")
        elif index in chosen:
            words = f"frame at {seconds:.1f} s"
            yield _Part(picture=_plain(picture), words=words, timestamp=seconds)


def _plain(picture: Image.Image) -> Image.Image:
    """The pixels that are shown, upright and opaque, and nothing besides."""
    picture.load()
    orientation = read_exif(picture.info.get("exif") or b"").orientation
    plain = laid_on_white(picture)
    turn = _turns().get(orientation)
    if turn is not None:
        plain = plain.transpose(turn)
    plain.info = {}
    return plain


def _turns() -> dict[int, Image.Transpose]:
    """What each orientation of EXIF asks for; TIFF and HEIC pictures are turned by now."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _sized(picture: Image.Image, fit: ImageFit) -> Image.Image:
    """The picture in the size that was decided; one of another shape within the same limits."""
    from PIL.Image import Resampling

    width, height = fit.width or picture.width, fit.height or picture.height
    # A size that was rounded is off by a pixel.
    difference = abs(picture.width * height - picture.height * width)
    alike = difference <= _ROUNDED * max(picture.size)
    if not alike or picture.width < width or picture.height < height:
        size = scale_into(
            Pixels(width=picture.width, height=picture.height),
            max_pixels=width * height,
            max_side=max(width, height),
        )
        width, height = size.width, size.height
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Resampling.BICUBIC, reducing_gap=2.0)
