"""How an image becomes one that a provider takes: decided here, done in ``pictures``. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Literal

from mediasense.errors import UnsupportedMedia
from mediasense.media.images.metadata import STRIPPABLE
from mediasense.types import Box, ImageFacts

MADE = ("image/jpeg", "image/png", "image/webp")
"""The types that can be made here, the one that every provider takes first."""

MOST_FRAMES = 8
"""Of an animation; more say the same again."""

# Text is legible at 0.6 of its size, on most screens. Models look at up to about 2000 pixels a
# side and shrink what is longer; a picture up to 4000 loses no more than half.
_LEGIBLE = 0.6
_LONG = 2.5
_VERY_LONG = 3.0
_SEEN_SIDE = 4000
_TILE_SIDE = 2000
_MOST_OVERLAP = 100

# A PNG that may have more bytes than this is made a JPEG, where there is a choice.
_LARGE_PNG = 8_000_000
_PHOTO_PNG = 2.0  # bytes a pixel, of a photograph in 24 bits

_PHOTOS = ("image/jpeg", "image/heic", "image/heif", "image/avif", "image/webp", "image/jpx")
_MAY_BE_CLEAR = ("image/png", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif")
_CANNOT_BE_OPENED = ("image/vnd.ms-photo",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFit:
    """What is done to one image so that a provider takes it.

    Attributes:
        mime_type: What is sent.
        width, height: Pixels of each picture that is sent; ``None`` is not known: sent as it is.
        actions: What is done, in words and in order; empty when it is sent byte for byte.
        pieces: How many images are sent for it: tiles or frames.
        tiles: How many parts it is cut into, along its longer side.
        frames: How many of its frames are taken.
        max_bytes: What each piece may have at most; it is made to fit when it is encoded.
        work: Nothing, removing metadata without loss, or decoding and encoding.
    """

    mime_type: str
    width: int | None
    height: int | None
    actions: tuple[str, ...] = ()
    pieces: int = 1
    tiles: int = 1
    frames: int = 1
    max_bytes: int | None = None
    work: Literal["none", "strip", "redraw"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """The size of a picture."""

    width: int
    height: int


def fit_image(
    mime_type: str,
    size: int,
    facts: ImageFacts,
    *,
    mime_types: tuple[str, ...],
    max_bytes: int | None,
    max_pixels: int | None,
    max_side: int | None,
    most: int,
    name: str = "the image",
) -> ImageFit:
    """Decide what is done to an image.

    One that fits is sent byte for byte: its type is taken, it is upright, opaque, of 8 bits, alone,
    within the limits, and names no place. Services show transparency as they like, often black on
    black, so whatever is not opaque is laid on white. A long screenshot is cut into parts that
    overlap a little, where scaling would make its text illegible, here or at the service. Of an
    animation frames are taken, evenly spread, the first and the last among them.

    Args:
        mime_type: What the image is.
        size: Its bytes.
        facts: What else is known of it.
        mime_types: What the provider takes.
        max_bytes: The limit of one image that is sent; ``None`` is no limit.
        max_pixels: The limit of its width times height; ``None`` is no limit.
        max_side: The limit of its longer side, in pixels; ``None`` is no limit.
        most: How many images this one may become at most, 1 or more.
        name: How errors call the image.

    Raises:
        UnsupportedMedia: The provider takes neither this type nor one that can be made here, or
            the image cannot be opened here and does not fit.
    """
    limits = _Limits(max_bytes=max_bytes, max_pixels=max_pixels, max_side=max_side)
    if facts.width is None or facts.height is None or mime_type in _CANNOT_BE_OPENED:
        return _closed(mime_type, size, mime_types, limits, name)
    shown = Pixels(width=facts.width, height=facts.height)
    tiles = _tiles(shown, limits, most) if facts.frames == 1 else 1
    frames = min(facts.frames, max(most, 1), MOST_FRAMES)
    sent = limits.scaled(tile_size(shown, tiles))
    within = mime_type in mime_types and (max_bytes is None or size <= max_bytes)
    if within and tiles == facts.frames == 1 and sent == shown and facts.upright and facts.plain:
        if not facts.located:
            return ImageFit(mime_type=mime_type, width=shown.width, height=shown.height)
        if mime_type in STRIPPABLE:
            return ImageFit(
                mime_type=mime_type,
                width=shown.width,
                height=shown.height,
                actions=("metadata removed",),
                work="strip",
            )
    target = _target(mime_type, mime_types, _png_bytes(mime_type, size, facts, sent), limits, name)
    return ImageFit(
        mime_type=target,
        width=sent.width,
        height=sent.height,
        actions=tuple(_actions(mime_type, size, facts, target, sent, tiles, frames, limits)),
        pieces=tiles * frames,
        tiles=tiles,
        frames=frames,
        max_bytes=max_bytes,
        work="redraw",
    )


def tile_boxes(width: int, height: int, tiles: int) -> tuple[Box, ...]:
    """Cut a picture into equal parts along its longer side, each overlapping the next a little.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        tiles: How many parts.

    Returns:
        From top to bottom, or from left to right; together they cover every pixel.
    """
    tile = tile_size(Pixels(width=width, height=height), tiles)
    whole = Box(left=0, top=0, right=width, bottom=height)
    if tiles == 1:
        return (whole,)
    if height >= width:
        tops = (index * (height - tile.height) // (tiles - 1) for index in range(tiles))
        return tuple(replace(whole, top=top, bottom=top + tile.height) for top in tops)
    lefts = (index * (width - tile.width) // (tiles - 1) for index in range(tiles))
    return tuple(replace(whole, left=left, right=left + tile.width) for left in lefts)


def tile_size(picture: Pixels, tiles: int) -> Pixels:
    """The pixels of each of so many equal parts of a picture, before they are scaled."""
    long, short = max(picture.width, picture.height), min(picture.width, picture.height)
    part = min(long, -(-(long + (tiles - 1) * _overlap(short)) // tiles))
    if picture.height >= picture.width:
        return Pixels(width=picture.width, height=part)
    return Pixels(width=part, height=picture.height)


def scale_into(picture: Pixels, *, max_pixels: int | None, max_side: int | None) -> Pixels:
    """The largest size of the same shape within the limits; never larger than the picture."""
    long, short = max(picture.width, picture.height), min(picture.width, picture.height)
    whole = (long, short)
    if max_side is not None and long > max_side:
        long, short = max_side, max(1, round(short * max_side / long))
    if max_pixels is not None and long * short > max_pixels:
        shape = whole[1] / whole[0]
        long = max(1, min(long, isqrt(int(max_pixels / shape)), max_pixels))
        short = max(1, min(round(long * shape), max_pixels // long))
    upright = picture.height > picture.width
    return Pixels(width=short if upright else long, height=long if upright else short)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """Of one image that is sent."""

    max_bytes: int | None
    max_pixels: int | None
    max_side: int | None

    def scaled(self, picture: Pixels) -> Pixels:
        return scale_into(picture, max_pixels=self.max_pixels, max_side=self.max_side)


def _closed(
    mime_type: str, size: int, mime_types: tuple[str, ...], limits: _Limits, name: str
) -> ImageFit:
    """An image that cannot be opened here goes as it is, or not at all."""
    if mime_type not in mime_types:
        raise _not_taken(mime_type, mime_types, name)
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise UnsupportedMedia(
            f"{name}: {mime_type} cannot be opened here, so {_bytes(size)} cannot be made at most "
            f"{_bytes(limits.max_bytes)}",
            hint="save it as JPEG",
        )
    return ImageFit(mime_type=mime_type, width=None, height=None)


def _not_taken(mime_type: str, mime_types: tuple[str, ...], name: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"{name}: {mime_type} is not taken, and cannot be made what is",
        hint=f"give {' or '.join(mime_types)}" if mime_types else "use another --provider",
    )


def _tiles(shown: Pixels, limits: _Limits, most: int) -> int:
    """Into how many parts a picture is cut; most stay whole."""
    long, short = max(shown.width, shown.height), min(shown.width, shown.height)
    sent = limits.scaled(shown)
    longest = max(sent.width, sent.height)
    illegible = long > _LONG * short and longest < _LEGIBLE * long
    shrunk_there = long > _VERY_LONG * short and longest > _SEEN_SIDE
    if most < 2 or not (illegible or shrunk_there):
        return 1
    overlap = _overlap(short)
    side = min(_TILE_SIDE, limits.max_side or _TILE_SIDE)
    if limits.max_pixels is not None:
        side = min(side, limits.max_pixels // short)
    side = max(side, short, 2 * overlap)
    return max(2, min(most, -(-(long - overlap) // (side - overlap))))


def _overlap(short: int) -> int:
    """Pixels that two parts share: a line of text that is cut in one is whole in the other."""
    return min(_MOST_OVERLAP, short // 8)


def _target(
    mime_type: str, mime_types: tuple[str, ...], png_bytes: float, limits: _Limits, name: str
) -> str:
    """What the image becomes, of what can be made and is taken."""
    taken = [made for made in MADE if made in mime_types]
    if not taken:
        raise _not_taken(mime_type, mime_types, name)
    small = png_bytes <= min(limits.max_bytes or _LARGE_PNG, _LARGE_PNG)
    if mime_type not in _PHOTOS and small and "image/png" in taken:
        return "image/png"
    return taken[0]


def _png_bytes(mime_type: str, size: int, facts: ImageFacts, sent: Pixels) -> float:
    """How many bytes a piece has as PNG, about. Scaled edges are blurred, and harder to pack."""
    pixels = (facts.width or 1) * (facts.height or 1)
    scaled = sent.width * sent.height < pixels
    packed = size / pixels * (4 if scaled else 1.5)
    if facts.frames > 1 or mime_type in _PHOTOS:
        packed = _PHOTO_PNG
    return sent.width * sent.height * min(_PHOTO_PNG, packed)


def _actions(
    mime_type: str,
    size: int,
    facts: ImageFacts,
    target: str,
    sent: Pixels,
    tiles: int,
    frames: int,
    limits: _Limits,
) -> list[str]:
    assert facts.width is not None
    assert facts.height is not None
    shown = Pixels(width=facts.width, height=facts.height)
    words = []
    if not facts.upright:
        words.append("turned upright")
    if target != mime_type:
        words.append(f"converted from {_format(mime_type)} to {_format(target)}")
    part = tile_size(shown, tiles)
    if sent != part:
        words.append(_scaled(shown, sent.width / part.width, sent.height / part.height))
    if tiles > 1:
        words.append(f"cut into {tiles} tiles")
    if facts.frames > 1:
        words.append(f"{frames} of {facts.frames} frames taken")
    if facts.located:
        words.append("metadata removed")
    if not facts.plain:
        clear = mime_type in _MAY_BE_CLEAR
        words.append("transparency laid on white" if clear else "colours converted to 8-bit RGB")
    if limits.max_bytes is not None and size > limits.max_bytes:
        words.append(f"compressed to at most {_bytes(limits.max_bytes)}")
    return words


def _scaled(shown: Pixels, across: float, down: float) -> str:
    width, height = max(1, round(shown.width * across)), max(1, round(shown.height * down))
    return f"scaled from {shown.width} x {shown.height} to {width} x {height}"


def _format(mime_type: str) -> str:
    names = {
        "image/jpx": "JPEG 2000",
        "image/vnd.adobe.photoshop": "PSD",
        "image/webp": "WebP",
        "image/x-canon-cr2": "CR2",
        "image/x-icon": "ICO",
    }
    return names.get(mime_type, mime_type.partition("/")[2].upper())


def _bytes(count: int) -> str:
    """Bytes as people write them, rounded down: a limit is not overstated."""
    if count >= 100_000:
        return f"{count // 100_000 / 10:.1f} MB"
    return f"{count // 100 / 10:.1f} kB"
