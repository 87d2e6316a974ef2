"""Images on a page, and the boxes of what is read in them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.stills import Picture, Stills
from mediasense.types import Media, TextLine

_TYPES = ("image/jpeg", "image/png", "image/webp")


def data_uri(image: Media) -> str:
    """An image as its own address."""
    kind = image.mime_type if image.mime_type in _TYPES else _TYPES[0]
    return f"data:{kind};base64,{base64.b64encode(image.data or b'').decode()}"


def size_of(image: Media) -> tuple[int, int]:
    """Width and height in pixels; 1 at least."""
    return max(1, image.width or 1), max(1, image.height or 1)


def overlay(
    lines: Iterable[TextLine],
    width: int,
    height: int,
    *,
    timed: bool = False,
    image: int | None = None,
) -> Html:
    """The boxes of lines, in pixels of their picture.

    Args:
        lines: All lines of the answer; a box bears the number of its line.
        width: Of the picture.
        height: Of the picture.
        timed: Whether each is seen only while its line is on screen.
        image: Of several images, which one it lies on.
    """
    boxes = [
        tag(
            "rect",
            {
                "data-box": number,
                "data-start": f"{line.start or 0:g}" if timed else None,
                "data-end": f"{line.end or 0:g}" if timed else None,
                "x": line.box.left,
                "y": line.box.top,
                "width": max(1, line.box.right - line.box.left),
                "height": max(1, line.box.bottom - line.box.top),
                "rx": 3,
            },
            tag("title", None, line.text),
        )
        for number, line in enumerate(lines)
        if image is None or (line.image or 1) == image
    ]
    if not boxes:
        return NOTHING
    facts = {"class": "boxes", "viewBox": f"0 0 {width} {height}", "aria-hidden": "true"}
    return tag("svg", facts, *boxes)


def images_section(stills: Stills, lines: Sequence[TextLine]) -> Html:
    """The images, with what is read in them beside them."""
    pieces = [_image(picture, stills, lines) for picture in stills.pictures]
    note = _note(stills)
    if not pieces and not note:
        return NOTHING
    listed = _lines(lines, several=stills.given > 1)
    columns = tag("div", {"class": "seen"}, *pieces, note)
    if listed:
        columns = joined(columns, tag("div", {"class": "told"}, listed))
    return tag(
        "section",
        {"id": "media", "class": "card images", "aria-label": "The images"},
        tag("div", {"class": "columns" if listed else "one-column"}, columns),
    )


def _image(picture: Picture, stills: Stills, lines: Sequence[TextLine]) -> Html:
    width, height = size_of(picture.image)
    caption = f"{picture.source}. {picture.name}" if stills.given > 1 else picture.name
    return tag(
        "figure",
        {"id": f"image-{picture.source}"},
        tag(
            "div",
            {"class": "framed"},
            tag(
                "img",
                {"src": data_uri(picture.image), "alt": caption, "width": width, "height": height},
            ),
            overlay(lines, width, height, image=picture.source),
        ),
        tag("figcaption", {"dir": "auto"}, caption),
    )


def _note(stills: Stills) -> Html:
    notes = []
    if stills.problem:
        notes.append(f"No picture: {stills.problem}.")
    if len(stills.pictures) < stills.given and not stills.problem:
        notes.append(f"{len(stills.pictures)} of {stills.given} images are shown.")
    return tag("p", {"class": "note"}, " ".join(notes)) if notes else NOTHING


def _lines(lines: Sequence[TextLine], *, several: bool) -> Html:
    listed = []
    for number, line in enumerate(lines):
        if not line.text.strip():
            continue
        which = [tag("time", None, f"image {line.image or 1}"), " "] if several else []
        words = tag("span", {"class": "words", "dir": "auto"}, line.text.strip())
        target = {"class": "line", "href": f"#image-{line.image or 1}", "data-box": number}
        listed.append(tag("li", None, tag("a", target, *which, words)))
    if not listed:
        return NOTHING
    return tag(
        "div",
        {"class": "listed"},
        tag("h2", {"id": "on-screen-title"}, "Text read ", tag("small", None, f"{len(listed):,}")),
        tag(
            "ol",
            {
                "id": "on-screen",
                "class": "lines",
                "tabindex": 0,
                "aria-labelledby": "on-screen-title",
            },
            *listed,
        ),
    )
