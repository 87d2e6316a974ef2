"""The frame that every page stands in: its head, its policy, its style and its script."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from string import Template

from mediasense.reports.html import Html, tag, text

_BODY = "$body"


def lay_out(
    body: Iterable[str],
    *,
    title: str,
    kind: str,
    made_of: str = "",
    plays: bool = False,
) -> Iterator[str]:
    """A whole page, piece by piece.

    Its policy lets nothing run or be loaded but what it brings itself, known by its hash, and,
    where something plays, media of the place that it comes from.

    Args:
        body: What is in it, as HTML.
        title: Of the page.
        kind: The style and the script: ``page`` or ``index``.
        made_of: What it was made of, to be known again.
        plays: Whether it has a player.
    """
    style = _template("base.css") + _template(f"{kind}.css")
    script = _template("base.js") + _template(f"{kind}.js")
    head, _, tail = _template("page.html").partition(_BODY)
    yield Template(head).substitute(
        policy=_policy(style, script, plays=plays),
        made_of=text(made_of),
        title=text(title),
        style=style,
        kind=text(kind),
    )
    yield from body
    yield Template(tail).substitute(script=script)


def _policy(style: str, script: str, *, plays: bool) -> str:
    # A page that is opened as a file has no origin in some browsers, so 'self' alone means nothing.
    media = "media-src 'self' file:; " if plays else ""
    return (
        f"default-src 'none'; img-src data:; {media}style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash(code: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


@functools.cache
def _template(name: str) -> str:
    return files("mediasense.reports").joinpath("templates", name).read_text(encoding="utf-8")


def data_block(name: str, value: object) -> Html:
    """Data for the script, in which nothing can end the element that holds it."""
    packed = json.dumps(value)
    for mark in "<>&":
        packed = packed.replace(mark, f"\\u{ord(mark):04x}")
    return tag("script", {"type": "application/json", "id": name}, Html(packed))


def icon(name: str) -> Html:
    """A small drawing; it says nothing to those who cannot see it."""
    drawn = tag("path", {"d": _ICONS[name]})
    return tag(
        "svg",
        {"class": "icon", "viewBox": "0 0 24 24", "aria-hidden": "true", "focusable": "false"},
        drawn,
    )


_ICONS = {
    "theme": "M12 3a9 9 0 1 0 0 18V3Z",
    "copy": "M9 9h11v11H9ZM5 15H4V4h11v1",
    "print": "M7 9V4h10v5M7 17H4v-7h16v7h-3M7 14h10v6H7Z",
    "back": "M15 5l-7 7 7 7",
}
