"""Markdown that grows, parted into blocks that nothing which follows can change any more.

CommonMark decides about blocks line by line, and never takes back what it closed (its
specification 0.31.2, appendix "Phase 1: block structure"). So what is finished may be printed for
good, however the text came in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

MOST_NESTED = 50
"""Levels of blocks in each other: the parser leaves out what is deeper."""

_LISTS = ("bullet_list", "ordered_list")
_OF_ONE_LINE = ("heading", "hr")
_ENDED_BY_A_BLANK_LINE = ("blockquote", "heading", "hr", "paragraph", "table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of a text in Markdown that is shown by itself.

    Attributes:
        source: Its lines; of code, one line without its end.
        is_code: Whether it is a line of code, and nothing in it means anything.
        apart: Whether an empty line stands before it.
    """

    source: str
    is_code: bool = False
    apart: bool = True


@cache
def parser() -> MarkdownIt:
    """What reads Markdown here.

    Raw HTML is text like any other, and so are definitions of links: the first is not drawn on a
    terminal, and the second would change what was printed before them.
    """
    from markdown_it import MarkdownIt

    rules = MarkdownIt("commonmark", {"html": False, "maxNesting": MOST_NESTED})
    return rules.enable(["table", "strikethrough"]).disable(
        ["reference", "html_block", "html_inline"]
    )


def tree(source: str) -> SyntaxTreeNode:
    """What a text in Markdown consists of."""
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(parser().parse(source))


class Blocks:
    """A text in Markdown that grows.

    Take what is finished as often as you like: it comes to the same blocks.
    """

    def __init__(self) -> None:
        self._text = ""
        self._before: _Part | None = None
        self._in_code = False

    def add(self, text: str) -> None:
        """Let it grow."""
        self._text += text

    def take(self) -> tuple[Block, ...]:
        """The blocks that are finished; each is given once."""
        whole = self._text[: self._text.rfind("\n") + 1]
        if not whole.strip():
            return ()
        lines = whole.splitlines(keepends=True)
        parts = _parts(lines)
        if not parts:
            return ()
        *ended, last = parts
        found = [block for part in ended for block in self._blocks(part)]
        rest = last.lines
        if last.is_ended:
            found += self._blocks(last)
            rest = []
        elif last.code is not None:
            found += self._blocks(last)
            rest = last.lines[:1]
            self._in_code = self._before is last
        self._text = "".join(rest) + self._text[len(whole) :]
        return tuple(found)

    def rest(self) -> tuple[Block, ...]:
        """The blocks of what is not finished yet, as it looks now."""
        before, in_code = self._before, self._in_code
        try:
            parts = _parts(self._text.splitlines(keepends=True)) if self._text.strip() else []
            return tuple(block for part in parts for block in self._blocks(part))
        finally:
            self._before, self._in_code = before, in_code

    def end(self) -> tuple[Block, ...]:
        """The blocks that are left when nothing follows."""
        left = self.rest()
        self._text = ""
        return left

    def _blocks(self, part: _Part) -> Iterator[Block]:
        """The blocks of a part, which is the next one to be shown."""
        before, continued = self._before, self._in_code
        self._in_code = False
        if part.code == () and not continued:
            return  # nothing is shown of it
        self._before = part
        apart = before is not None and not part.follows(before)
        if part.code is None:
            yield Block(source="".join(part.lines).rstrip() + "\n", apart=apart)
            return
        for number, line in enumerate(part.code):
            yield Block(source=line, is_code=True, apart=apart and not continued and not number)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A top block, or an item of a list at the top.

    Attributes:
        lines: Its lines, and the empty ones after it.
        of_list: The kind and the mark of the list that it is an item of; ``""`` for none.
        code: The lines of a fenced block of code.
        is_ended: Whether nothing that follows belongs to it.
    """

    lines: list[str]
    of_list: str = ""
    code: tuple[str, ...] | None = None
    is_ended: bool

    def follows(self, before: _Part) -> bool:
        """Whether it is the next item of a list whose items stand close."""
        return bool(self.of_list) and self.of_list == before.of_list and not before.ends_blank

    @property
    def ends_blank(self) -> bool:
        """Whether an empty line comes after it."""
        return bool(self.lines) and not self.lines[-1].strip()


def _parts(lines: list[str]) -> list[_Part]:
    starts = [
        (node, item)
        for node in tree("".join(lines)).children
        for item in (node.children if node.type in _LISTS else [node])
    ]
    firsts = [_first(item) for _, item in starts]
    ends = [*firsts[1:], len(lines)]
    return [
        _part(node, item, lines[first:end])
        for (node, item), first, end in zip(starts, firsts, ends, strict=True)
    ]


def _part(node: SyntaxTreeNode, item: SyntaxTreeNode, lines: list[str]) -> _Part:
    if item.type == "fence":
        code = tuple(item.content.splitlines())
        # Its opening line, its code, and the line that closes it.
        begin, end = item.map or (0, 0)
        return _Part(lines=lines, code=code, is_ended=end - begin == len(code) + 2)
    if node is not item:
        return _Part(lines=lines, of_list=f"{node.type}{node.markup}", is_ended=False)
    return _Part(lines=lines, is_ended=_is_ended(item.type, lines))


def _is_ended(kind: str, lines: Sequence[str]) -> bool:
    if kind in _OF_ONE_LINE and len(lines) == 1:
        return True
    return kind in _ENDED_BY_A_BLANK_LINE and not lines[-1].strip()


def _first(node: SyntaxTreeNode) -> int:
    return node.map[0] if node.map else 0
