"""Blackens regions of every image before it leaves this machine.

Promises: the regions are black, in the pixels, in every image that is sent: images, frames of a
video, the frames on a contact sheet and the tiles of a long picture. What cannot be looked into is
not sent: video and sound as they are, links, and types other than JPEG, PNG and WebP. The metadata
of a picture is not sent either. What is read on this device is left alone, for nothing leaves.

Does not: find anything by itself; a region is the same part of every picture. Of an animation only
the first frame is sent. A picture may get a little larger than the file was, and than the limits of
a service. What stands in the prompt is sent, and so are subtitles and transcripts in it.

``HOUSE_REGIONS`` names them in fractions, left, top, right and bottom from the top left corner:
``0,0,1,0.08`` is a bar along the top; several are joined by ``;``.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from mediasense import (
    AudioRequest,
    ConfigError,
    Forbidden,
    ImageRequest,
    Media,
    Region,
    Request,
    Shown,
    VideoRequest,
    hookimpl,
)

if TYPE_CHECKING:
    from PIL import ImageDraw

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_FRAMES = "add --frames 20, and it goes as frames"
_ELSEWHERE = "add --audio-provider on_device, and nothing of it is sent"


@hookimpl(trylast=True)  # what others put into the request is seen, too
def prepare_request(request: Request) -> Request | None:
    if request.provider.kind == "device":
        return None
    if isinstance(request, VideoRequest):
        raise Forbidden("video is not sent as it is: nobody can blacken it", hint=_FRAMES)
    if isinstance(request, AudioRequest):
        raise Forbidden("sound is not sent: nobody can look into it", hint=_ELSEWHERE)
    if not isinstance(request, ImageRequest):
        return None
    regions = _regions()
    return replace(request, images=tuple(_blackened(image, regions) for image in request.images))


@hookimpl
def policy_version() -> str:
    return repr(_regions())


def _blackened(image: Media, regions: tuple[Region, ...]) -> Media:
    from PIL import Image, ImageDraw, ImageOps

    kind = _FORMATS.get(image.mime_type)
    if image.uri is not None or kind is None:
        what = "a link" if image.uri is not None else image.mime_type
        raise Forbidden(f"{what} is not sent: nobody can blacken it", hint="give it as a PNG file")
    try:
        with Image.open(io.BytesIO(image.read()), formats=[kind]) as file:
            upright = ImageOps.exif_transpose(file)
            picture = upright.convert("RGB" if kind == "JPEG" else "RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        what = f"a picture that cannot be read is not sent ({type(error).__name__})"
        raise Forbidden(what, hint="check the file") from None
    draw = ImageDraw.Draw(picture)
    for shown in image.shows or (Shown(),):
        for region in regions:
            _fill(draw, picture.size, _on_image(region, shown))
    picture.info.clear()
    made = io.BytesIO()
    picture.save(made, kind, quality=90)
    data, (width, height) = made.getvalue(), picture.size
    return replace(image, data=data, path=None, size=len(data), width=width, height=height)


def _on_image(region: Region, shown: Shown) -> Region:
    """Where a region of a picture stands on an image that shows the picture, or a part of it."""
    place, part = shown.place, shown.part

    def across(x: float) -> float:
        within = min(1.0, max(0.0, (x - part.left) / (part.right - part.left)))
        return place.left + within * (place.right - place.left)

    def down(y: float) -> float:
        within = min(1.0, max(0.0, (y - part.top) / (part.bottom - part.top)))
        return place.top + within * (place.bottom - place.top)

    return Region(
        left=across(region.left),
        top=down(region.top),
        right=across(region.right),
        bottom=down(region.bottom),
    )


def _fill(draw: ImageDraw.ImageDraw, size: tuple[int, int], region: Region) -> None:
    width, height = size
    left, top = math.floor(region.left * width), math.floor(region.top * height)
    right, bottom = math.ceil(region.right * width) - 1, math.ceil(region.bottom * height) - 1
    if (
        left <= right
        and top <= bottom
        and region.left < region.right
        and region.top < region.bottom
    ):
        draw.rectangle((left, top, right, bottom), fill="black")


def _regions() -> tuple[Region, ...]:
    text = os.environ.get("HOUSE_REGIONS", "")
    try:
        rows = [[float(number) for number in row.split(",")] for row in text.split(";")]
        found = tuple(Region(left=a, top=b, right=c, bottom=d) for a, b, c, d in rows)
        right = all(0 <= r.left < r.right <= 1 and 0 <= r.top < r.bottom <= 1 for r in found)
    except ValueError:
        right = False
    if not right:
        what = f"HOUSE_REGIONS names no regions: {text!r}"
        raise ConfigError(what, hint="type: export HOUSE_REGIONS=0,0,1,0.08")
    return found
