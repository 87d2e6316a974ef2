"""Blocks of Markdown as lines for a terminal. Loading this module loads rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import chop_cells
from rich.text import Text

from mediasense.output.blocks import MOST_NESTED, Block, tree
from mediasense.output.terminal import printable

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode
    from rich.console import Console, JustifyMethod

_STYLES = {"em": "italic", "s": "strike", "strong": "bold"}
_CODE, _FAINT, _HEADING, _MARK, _TARGET = "cyan", "dim", "bold", "yellow", "blue underline"
_LEAST_COLUMN = 6
"""Cells: where the columns of a table would get less, its source is easier to read."""


def draw(block: Block, console: Console, width: int) -> list[Text]:
    """The lines of a block, none wider than the terminal; nothing in them is markup of rich.

    Args:
        block: What to draw; its source is printable.
        console: What measures it.
        width: Cells of a line.
    """
    if block.is_code:
        found = [Text(block.source, _CODE)]
    else:
        found = _Drawing(block.source, console).nodes(tree(block.source).children, width)
    lines = [part for line in found for part in _folded(line, width)]
    return [Text(""), *lines] if block.apart else lines


class _Drawing:
    """Draws what a source consists of.

    Args:
        source: Text in Markdown.
        console: What measures it.
    """

    def __init__(self, source: str, console: Console) -> None:
        self._lines = source.splitlines()
        self._console = console

    def nodes(self, nodes: Sequence[SyntaxTreeNode], width: int) -> list[Text]:
        """The lines of blocks one after the other, apart where they are in the source."""
        found: list[Text] = []
        for number, node in enumerate(nodes):
            if number and self._stands_apart(node):
                found.append(Text(""))
            found += self._node(node, max(1, width))
        return found

    def _stands_apart(self, node: SyntaxTreeNode) -> bool:
        first = node.map[0] if node.map else 0
        return bool(first) and not self._lines[first - 1].strip(" \t>")

    def _node(self, node: SyntaxTreeNode, width: int) -> list[Text]:
        if node.level >= MOST_NESTED // 2:
            return self._source(node)
        match node.type:
            case "paragraph":
                return self._wrapped(_inline(node), width)
            case "heading":
                style = f"{_HEADING} underline" if node.tag == "h1" else _HEADING
                return self._wrapped(_inline(node, style), width)
            case "fence" | "code_block":
                return [Text(line, _CODE) for line in node.content.removesuffix("\n").split("\n")]
            case "hr":
                return [Text("─" * width, _FAINT)]
            case "blockquote":
                inside = self.nodes(node.children, width - 2)
                return [Text.assemble(("│ ", _FAINT), line) for line in inside]
            case "bullet_list" | "ordered_list":
                return self._items(node, width)
            case "table":
                return self._table(node, width)
            case _:
                return self._source(node)

    def _source(self, node: SyntaxTreeNode) -> list[Text]:
        begin, end = node.map or (0, len(self._lines))
        return [Text(line) for line in self._lines[begin:end]]

    def _wrapped(self, text: Text, width: int) -> list[Text]:
        lines = text.wrap(self._console, width, overflow="fold")
        for line in lines:
            line.rstrip()
        return list(lines)

    def _items(self, node: SyntaxTreeNode, width: int) -> list[Text]:
        found: list[Text] = []
        start = int(node.attrs.get("start", 1))
        for number, item in enumerate(node.children, start):
            mark = "• " if node.type == "bullet_list" else f"{number}{node.markup} "
            inside = self.nodes(item.children, width - len(mark)) or [Text("")]
            if found and self._stands_apart(item):
                found.append(Text(""))
            found.append(Text.assemble((mark, _MARK), inside[0]))
            found += [Text.assemble(" " * len(mark), line) for line in inside[1:]]
        return found

    def _table(self, node: SyntaxTreeNode, width: int) -> list[Text]:
        from rich import box
        from rich.table import Table

        rows = [row for part in node.children for row in part.children]
        columns = len(rows[0].children)
        begin, end = node.map or (0, 0)
        if columns * _LEAST_COLUMN > width or any(
            _cells(line) > columns for line in self._lines[begin:end]
        ):
            return self._source(node)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, border_style=_FAINT)
        for cell in rows[0].children:
            table.add_column(_inline(cell, _HEADING), overflow="fold", justify=_justify(cell))
        for row in rows[1:]:
            table.add_row(*map(_inline, row.children))
        options = self._console.options.update(width=width, height=None)
        drawn = self._console.render_lines(table, options, pad=False)
        lines = [Text.assemble(*((s.text, s.style or "") for s in line)) for line in drawn]
        for line in lines:
            line.rstrip()
        return lines


def _cells(line: str) -> int:
    """How many cells a line of a table may have; the parser leaves out those beyond its head."""
    return line.replace("\\|", "").strip(" \t>|").count("|") + 1


def _justify(cell: SyntaxTreeNode) -> JustifyMethod:
    style = str(cell.attrs.get("style", ""))
    return "right" if "right" in style else "center" if "center" in style else "left"


def _inline(node: SyntaxTreeNode, style: str = "") -> Text:
    """The text of a block, with its styles; of links, their targets too."""
    text = Text(style=style)
    _add(text, node.children, ())
    return text


def _add(text: Text, nodes: Iterable[SyntaxTreeNode], styles: tuple[str, ...]) -> None:
    for node in nodes:
        match node.type:
            case "softbreak" | "hardbreak":
                text.append("\n")
            case "code_inline":
                text.append(printable(node.content), " ".join((*styles, _CODE)))
            case "em" | "s" | "strong":
                _add(text, node.children, (*styles, _STYLES[node.type]))
            case "link" | "image":
                _add_link(text, node, styles)
            case _ if node.children:
                _add(text, node.children, styles)
            case _:
                text.append(printable(node.content), " ".join(styles))


def _add_link(text: Text, node: SyntaxTreeNode, styles: tuple[str, ...]) -> None:
    """What a link says and where it leads, in plain sight: a terminal's own link would hide it."""
    target = printable(str(node.attrs.get("href") or node.attrs.get("src") or ""))
    begin = len(text)
    _add(text, node.children, styles)
    said = text.plain[begin:]
    if not target or said in (target, target.removeprefix("mailto:")):
        return
    web = target.startswith(("http://", "https://"))
    text.append(f" ({target})" if said else target, _TARGET if web else "")


def _folded(line: Text, width: int) -> list[Text]:
    """A line in as many as it takes; its words may break."""
    if "\t" in line.plain:
        line.expand_tabs(8)
    if line.cell_len <= width:
        return [line]
    cuts, at = [], 0
    for piece in chop_cells(line.plain, width)[:-1]:
        at += len(piece)
        cuts.append(at)
    return list(line.divide(cuts))
