"""HTML in small pieces, in which nothing that was said by others can become an element."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping

_KEPT = "\n\t"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ALONE = frozenset({"img", "input"})


class Html(str):
    """Text that is HTML already; any other text is escaped where it is put into a page."""

    __slots__ = ()


NOTHING = Html("")


def text(words: object) -> Html:
    """Words as a page shows them.

    Control characters and halves of surrogate pairs, which no page may hold, become ``U+FFFD``.
    """
    if isinstance(words, Html):
        return words
    return Html(html.escape(clean(str(words))))


def clean(words: str) -> str:
    """The words without what no page may hold."""
    if words.isprintable():
        return words
    words = words.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        _REPLACEMENT if unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in _KEPT else c
        for c in words
    )


def tag(name: str, attributes: Mapping[str, object] | None = None, *inside: object) -> Html:
    """An element.

    Args:
        name: Of the element.
        attributes: ``None`` and ``False`` leave one out, ``True`` gives it no value.
        inside: Elements and words, one after the other.
    """
    opened = f"<{name}{_attributes(attributes or {})}>"
    if name in _ALONE:
        return Html(opened)
    return Html(f"{opened}{''.join(text(piece) for piece in inside)}</{name}>")


def _attributes(given: Mapping[str, object]) -> str:
    found = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        found.append(f" {name}" if value is True else f' {name}="{text(value)}"')
    return "".join(found)


def joined(*pieces: object) -> Html:
    """Elements and words, one after the other."""
    return Html("".join(text(piece) for piece in pieces))
