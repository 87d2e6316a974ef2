"""An answer's Markdown as HTML that is safe to show, whoever wrote it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from mediasense.errors import one_line
from mediasense.reports.html import Html, clean, joined, tag

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST_CHARACTERS = 300_000
"""What is longer is shown as it was written."""

_SAFE_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_MOMENT = re.compile(r"(?<![\d:.,])(?:(\d{1,3}):)?(\d{1,2}):(\d{2}(?:\.\d{1,3})?)(?![\d:])")

Moment = Callable[[float], str | None]
"""Where a link to a second of the recording leads; ``None`` for one that it does not have."""


def to_html(markdown: str, *, moment: Moment | None = None) -> Html:
    """Show Markdown.

    HTML in it is shown as text. Links lead to the web or to a mail address and nowhere else; of a
    picture its description stays.

    Args:
        markdown: CommonMark with tables and strikethrough.
        moment: Makes times such as ``1:07`` links; without it they stay text.
    """
    if len(markdown) > MOST_CHARACTERS:
        return tag("pre", {"class": "plain"}, markdown)
    renderer = _renderer()
    tokens = renderer.parse(clean(markdown))
    if moment is not None:
        for token in tokens:
            if token.type == "inline" and token.children:
                token.children = list(_with_moments(token.children, moment))
    return Html(renderer.renderer.render(tokens, renderer.options, {}))


@functools.cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.validateLink = _is_safe  # type: ignore[method-assign]
    made.add_render_rule("image", _image)
    made.add_render_rule("link_open", _link)
    made.add_render_rule("th_open", _cell)
    made.add_render_rule("td_open", _cell)
    made.add_render_rule("fence", _code)
    made.add_render_rule("heading_open", _heading)
    made.add_render_rule("heading_close", _heading)
    made.add_render_rule("ordered_list_open", _ordered)
    return made


def _is_safe(url: str) -> bool:
    return _SAFE_LINK.match(url) is not None


Environment = MutableMapping[str, Any]


def _image(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    return tag("span", {"class": "picture"}, f"[picture: {tokens[at].content}]")


def _link(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    target = str(tokens[at].attrs.get("href", ""))
    if target.startswith("#"):  # one of ours
        return _opening("a", {"class": "moment", "href": target, "data-at": tokens[at].meta["at"]})
    return _opening("a", {"href": target, "rel": "noopener noreferrer", "target": "_blank"})


def _cell(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    # Alignment comes as a style, which the page's policy forbids.
    aligned = str(tokens[at].attrs.get("style", "")).rpartition(":")[2]
    known = {"right": "right", "center": "center"}.get(aligned)
    return _opening(tokens[at].tag, {"class": known})


def _code(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    return tag("pre", None, tag("code", None, tokens[at].content)) + "\n"


def _heading(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    # Below the page's own.
    level = min(6, int(tokens[at].tag[1]) + 2)
    return f"<h{level}>" if tokens[at].nesting == 1 else f"</h{level}>\n"


def _ordered(
    _renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: Environment
) -> str:
    return _opening("ol", {"start": tokens[at].attrs.get("start")})


def _opening(name: str, attributes: dict[str, object]) -> str:
    return tag(name, attributes).removesuffix(f"</{name}>")


def _with_moments(tokens: Sequence[Token], moment: Moment) -> Iterator[Token]:
    """The same, with times as links; not those within a link."""
    linked = 0
    for token in tokens:
        linked += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type == "text" and not linked:
            yield from _parted(token, moment)
        else:
            yield token


def _parted(token: Token, moment: Moment) -> Iterator[Token]:
    from markdown_it.token import Token as Made

    at = 0
    for found in _MOMENT.finditer(token.content):
        second = _second_of(found)
        target = moment(second)
        if target is None:
            continue
        yield Made("text", "", 0, content=token.content[at : found.start()])
        yield Made("link_open", "a", 1, attrs={"href": target}, meta={"at": f"{second:g}"})
        yield Made("text", "", 0, content=found[0])
        yield Made("link_close", "a", -1)
        at = found.end()
    yield Made("text", "", 0, content=token.content[at:])


def with_moments(words: str, moment: Moment | None) -> Html:
    """Plain words, with times as links.

    Args:
        words: As they are.
        moment: As for :func:`to_html`.
    """
    if moment is None:
        return joined(words)
    pieces: list[object] = []
    at = 0
    for found in _MOMENT.finditer(words):
        second = _second_of(found)
        if (target := moment(second)) is not None:
            linked = {"class": "moment", "href": target, "data-at": f"{second:g}"}
            pieces += (words[at : found.start()], tag("a", linked, found[0]))
            at = found.end()
    return joined(*pieces, words[at:])


def _second_of(found: re.Match[str]) -> float:
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)


def plain_text(markdown: str, limit: int) -> str:
    """The first words of an answer in one line, without what Markdown marks them with.

    Args:
        markdown: The answer.
        limit: Characters at most.
    """
    words = clean(markdown[: 4 * limit])
    found: list[str] = []
    for token in _renderer().parse(words):
        found += (child.content for child in token.children or () if child.content)
        if not token.children and token.content:
            found.append(token.content)
    return one_line(" ".join(found), limit=limit)
