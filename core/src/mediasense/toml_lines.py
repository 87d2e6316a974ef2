"""Where the keys of a TOML document stand, which its parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

Key = tuple[str, ...]

# Enough for every setting there is; longer keys are known by their beginnings.
_DEEPEST = 8
# A string, a comment, a word or one character: the document is valid, so nothing is left open.
_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[A-Za-z0-9_.=,-]+"
    r"|.",
    re.DOTALL,
)
_BEFORE_VALUE = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'])*""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A key with its value, or the header of a table.

    Attributes:
        key: The whole key, with that of the table it is in.
        is_header: Whether it is the header of a table.
        line: Where it begins, counted from 1.
        start, end: Where its text begins and ends in the document, in characters; what is left and
            right of it on its lines is not part of it.
        value: Where its value begins; of a header, where it ends.
    """

    key: Key
    is_header: bool
    line: int
    start: int
    end: int
    value: int


def find_statements(text: str) -> tuple[Statement, ...]:
    """Every statement of a document, in order.

    Args:
        text: A valid document.
    """
    found = []
    table: Key = ()
    for raw in _statements(text):
        is_header = raw.text.startswith("[")
        begun = None if is_header else _BEFORE_VALUE.match(raw.text)
        value = raw.start + begun.end() + 1 if begun else raw.end
        if is_header:
            table = key = _named(raw.text)
        else:
            key = (*table, *_named(f"{begun[0]}= 0" if begun else raw.text))
        found.append(
            Statement(
                key=key,
                is_header=is_header,
                line=raw.line,
                start=raw.start,
                end=raw.end,
                value=value,
            )
        )
    return tuple(found)


def find_lines(text: str) -> dict[Key, int]:
    """The line of every table, and of every key in one, counted from 1.

    Keys within inline tables and arrays are left out: they stand where their value begins, or
    soon after. Of several tables of one name, as of an array of tables, the first one counts.

    Args:
        text: A valid document.
    """
    written: dict[Key, int] = {}
    implied: dict[Key, int] = {}
    for statement in find_statements(text):
        key, line = statement.key, statement.line
        if len(key) > _DEEPEST:
            key = key[:_DEEPEST]
            implied.setdefault(key, line)
        else:
            written.setdefault(key, line)
        for length in range(1, len(key)):
            implied.setdefault(key[:length], line)
    return implied | written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    line: int
    start: int
    end: int
    text: str


def _statements(text: str) -> Iterator[_Raw]:
    """Each key with its value, and each header of a table: its text without comments, and where."""
    line, begun, start, end, depth = 1, 0, 0, 0, 0
    parts: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "\n" and depth == 0:
            if parts:
                yield _Raw(line=begun, start=start, end=end, text="".join(parts).rstrip())
            parts = []
        elif piece[0] != "#" and (parts or not piece.isspace()):
            begun, start = (begun, start) if parts else (line, match.start())
            parts.append(piece)
            end = end if piece.isspace() else match.end()
            depth += (piece in "[{") - (piece in "]}")
        line += piece.count("\n")
    if parts:
        yield _Raw(line=begun, start=start, end=end, text="".join(parts).rstrip())


def _named(statement: str) -> Key:
    """The key that a statement names, read by the parser itself."""
    found: object = tomllib.loads(statement)
    key = []
    while isinstance(found, dict) and found:
        ((name, found),) = found.items()
        key.append(name)
        if isinstance(found, list):
            found = found[0]
    return tuple(key)
