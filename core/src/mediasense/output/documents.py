"""Structured data as a document that people read, in Markdown.

The schema gives the order and the titles. Two things it says in the words of a description: what
begins with ``Seconds`` is a time, and what begins with ``Verbatim`` is kept letter by letter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mediasense.steps import clock

_SHORT = 60
"""Characters of what goes into a table."""
_MOST_COLUMNS = 5
_DEEPEST = 6
"""Levels that are laid out; what is below is shown as JSON."""
_MOST_REFERENCES = 8

_LEADING = re.compile(r"^(\s*)(#|>|\||`{3}|~{3}|=+\s*$|-+\s*$|(?:[-*_]\s*){3,}$)", re.MULTILINE)
_BACKSLASH = re.compile(r"\\(?=[!-/:-@\[-`{-~]|$)", re.MULTILINE)
_ACTIVE = re.compile(r"<(?=[A-Za-z/!?])|(?<=!)\[|(?<=\])[(\[:]")


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a schema says of a value."""

    said: Mapping[str, object]
    whole: Mapping[str, object]

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the properties, in order."""
        found = self.said.get("properties")
        return tuple(found) if isinstance(found, dict) else ()

    @property
    def is_time(self) -> bool:
        return self._described.startswith("Seconds")

    @property
    def is_verbatim(self) -> bool:
        return self._described.startswith("Verbatim")

    @property
    def _described(self) -> str:
        told = self.said.get("description")
        return told if isinstance(told, str) else ""

    def of(self, name: str) -> _Shape:
        """What is said of a property."""
        found = self.said.get("properties")
        return self._at(found.get(name) if isinstance(found, dict) else None)

    @property
    def items(self) -> _Shape:
        """What is said of the items of a list."""
        return self._at(self.said.get("items"))

    def title(self, name: str) -> str:
        """What a property is called."""
        title = self.of(name).said.get("title")
        if isinstance(title, str) and title.strip():
            return _line(title)
        words = " ".join(name.replace("_", " ").replace("-", " ").split())
        return _line(words[:1].upper() + words[1:] or "(no name)")

    def _at(self, found: object) -> _Shape:
        return _Shape(_resolved(found, self.whole), self.whole)


def to_markdown(data: object, schema: str | None = None) -> str:
    """Render structured data as Markdown.

    What is empty is left out. Any text in the data is kept from being taken for markup.

    Args:
        data: What JSON can hold.
        schema: The JSON Schema it follows, as JSON text; without one, names are the titles.

    Returns:
        Markdown that ends with a line break; ``(nothing)`` where there is nothing.
    """
    try:
        whole = json.loads(schema) if schema else {}
    except (ValueError, RecursionError):
        whole = {}
    whole = whole if isinstance(whole, dict) else {}
    shape = _Shape(_resolved(whole, whole), whole)
    blocks = list(_blocks(data, shape, 1))
    return "\n\n".join(blocks or ["(nothing)"]) + "\n"


# --- blocks --------------------------------------------------------------------------------------


def _blocks(value: object, shape: _Shape, level: int) -> Iterator[str]:
    """A value as paragraphs, lists and tables; ``level`` is that of the heading above it."""
    if _is_empty(value):
        return
    if level > _DEEPEST:
        yield _as_json(value)
    elif isinstance(value, dict):
        yield from _object(value, shape, level)
    elif isinstance(value, list | tuple):
        yield _list(value, shape)
    else:
        yield _paragraph(value, shape)


def _object(value: Mapping[str, object], shape: _Shape, level: int) -> Iterator[str]:
    facts: list[tuple[str, str]] = []
    for name in _names(value, shape):
        inner, own = value[name], shape.of(name)
        if _is_empty(inner):
            continue
        if level == 1 and name == "title" and isinstance(inner, str) and not facts:
            yield f"# {_line(inner)}"
            continue
        if _is_short(inner):
            facts.append((shape.title(name), _cell(inner, own)))
            continue
        yield from _facts(facts)
        facts = []
        marks = "#" * (level + 1)
        yield f"{marks} {shape.title(name)}" if level < _DEEPEST else f"**{shape.title(name)}**"
        yield from _blocks(inner, own, level + 1)
    yield from _facts(facts)


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Short values beside their names."""
    if len(facts) == 1:
        yield f"**{facts[0][0]}:** {facts[0][1]}"
    elif facts:
        yield _table(("What", "Value"), facts)


def _list(values: Sequence[object], shape: _Shape) -> str:
    items = [item for item in values if not _is_empty(item)]
    if columns := _columns(items, shape.items):
        rows = [
            tuple(_cell(item.get(name), shape.items.of(name)) for name in columns)
            for item in items
            if isinstance(item, dict)
        ]
        return _table(tuple(map(shape.items.title, columns)), rows)
    return "\n".join(line for item in items for line in _item(item, shape.items, 1))


def _columns(items: Sequence[object], shape: _Shape) -> tuple[str, ...]:
    """The columns of a table of these; none where they make no table."""
    rows = [item for item in items if isinstance(item, dict)]
    if len(rows) != len(items) or not rows:
        return ()
    known = {name: None for row in rows for name in _names(row, shape) if not _is_empty(row[name])}
    names = [*(name for name in shape.order if name in known)]
    names += [name for name in known if name not in names]
    short = all(
        name not in row or _is_empty(row[name]) or _is_short(row[name])
        for row in rows
        for name in names
    )
    return tuple(names) if short and 1 < len(names) <= _MOST_COLUMNS else ()


def _item(value: object, shape: _Shape, depth: int) -> Iterator[str]:
    """An item of a list: its first text, and the rest below it."""
    indent = "  " * (depth - 1)
    if depth >= _DEEPEST and isinstance(value, dict | list | tuple):
        yield f"{indent}- {_as_json(value)}"
    elif isinstance(value, dict):
        names = [name for name in _names(value, shape) if not _is_empty(value[name])]
        plain = (n for n in names if isinstance(value[n], str) and _is_plain(value[n]))
        lead = next(plain, None)
        begin = _inline(value[lead], shape.of(lead)) if lead is not None else "(entry)"
        yield f"{indent}- {begin}"
        for name in names:
            if name != lead:
                yield from _below(shape.title(name), value[name], shape.of(name), depth + 1)
    elif isinstance(value, list | tuple):
        yield f"{indent}- (list)"
        for inner in value:
            if not _is_empty(inner):
                yield from _item(inner, shape.items, depth + 1)
    else:
        yield f"{indent}- {_inline(value, shape)}"


def _below(title: str, value: object, shape: _Shape, depth: int) -> Iterator[str]:
    indent = "  " * (depth - 1)
    if not isinstance(value, dict | list | tuple):
        if shape.is_verbatim and isinstance(value, str) and not _is_plain(value):
            yield f"{indent}- {title}:"
            yield from (f"{indent}  {line}" for line in _paragraph(value, shape).split("\n"))
            return
        yield f"{indent}- {title}: {_inline(value, shape)}"
        return
    if depth >= _DEEPEST:
        yield f"{indent}- {title}: {_as_json(value)}"
        return
    yield f"{indent}- {title}:"
    if isinstance(value, dict):
        for name in _names(value, shape):
            if not _is_empty(value[name]):
                yield from _below(shape.title(name), value[name], shape.of(name), depth + 1)
        return
    for inner in value:
        if not _is_empty(inner):
            yield from _item(inner, shape.items, depth + 1)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [tuple(cell.replace("|", r"\|") for cell in line) for line in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    ruled = (lines[0], tuple("-" * width for width in widths), *lines[1:])
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in ruled)


# --- texts ---------------------------------------------------------------------------------------


def _paragraph(value: object, shape: _Shape) -> str:
    if not isinstance(value, str):
        return _inline(value, shape)
    text = _printable(value).strip()
    if not shape.is_verbatim:
        return _escaped("\n".join(line.strip() for line in text.splitlines()))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _inline(value: object, shape: _Shape) -> str:
    """A value in one line."""
    if isinstance(value, str):
        text = " ".join(_printable(value).split())
        return _code(text) if shape.is_verbatim else _escaped(text) or "(unprintable)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    if not isinstance(value, int | float):
        return _as_json(value)
    if shape.is_time and 0 <= value < 1e9:
        return clock(float(value))
    try:
        whole = isinstance(value, float) and value.is_integer()
        return str(int(value) if whole else value)
    except ValueError:  # thousands of digits
        return "(a very large number)"


def _cell(value: object, shape: _Shape) -> str:
    return "" if _is_empty(value) else _inline(value, shape)


def _line(text: str) -> str:
    """A title in one line."""
    return _escaped(" ".join(_printable(text).split())) or "(unprintable)"


def _code(text: str) -> str:
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{space}{text}{space}{marks}" if text else "(unprintable)"


def _escaped(text: str) -> str:
    """A text that begins no heading, block or table, and holds no HTML, link or picture."""
    text = _BACKSLASH.sub(r"\\\\", text)
    text = _ACTIVE.sub(lambda found: "\\" + found[0], text)
    return _LEADING.sub(lambda found: f"{found[1]}\\{found[2]}", text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def _as_json(value: object) -> str:
    try:
        return _code(" ".join(_printable(json.dumps(value, ensure_ascii=False)).split()))
    except (TypeError, ValueError, RecursionError):
        return "(more, nested too deeply)"


# --- values --------------------------------------------------------------------------------------


def _is_empty(value: object, below: int = 3) -> bool:
    """Whether there is nothing in it to be told, as far down as is looked."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, dict | list | tuple):
        inner = value.values() if isinstance(value, dict) else value
        return not value or (below > 0 and all(_is_empty(one, below - 1) for one in inner))
    return value is None


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and "\n" not in value.strip()


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return _is_plain(value) and len(value) <= _SHORT
    return isinstance(value, bool | int | float)


def _names(value: Mapping[str, object], shape: _Shape) -> list[str]:
    """The names in the order of the schema; those that it does not know come last."""
    known = [name for name in shape.order if name in value]
    return [*known, *(name for name in value if name not in known)]


def _resolved(found: object, whole: Mapping[str, object]) -> Mapping[str, object]:
    """What a schema says, with references within it followed, and the first kind of several."""
    for _ in range(_MOST_REFERENCES):
        if not isinstance(found, dict):
            return {}
        reference, kinds = found.get("$ref"), found.get("anyOf")
        if isinstance(reference, str) and reference.startswith("#/"):
            target: object = whole
            for step in reference[2:].split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                target = target.get(name) if isinstance(target, dict) else None
            found = target
        elif isinstance(kinds, list):
            rest = {name: said for name, said in found.items() if name != "anyOf"}
            first = next((k for k in kinds if isinstance(k, dict) and k.get("type") != "null"), {})
            found = {**first, **rest}
        else:
            return found
    return {}
