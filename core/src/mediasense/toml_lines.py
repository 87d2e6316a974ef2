"""On which lines the keys of a TOML document stand, which its parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

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


def find_lines(text: str) -> dict[Key, int]:
    """The line of every table, and of every key in one, counted from 1.

    Keys within inline tables and arrays are left out: they stand where their value begins, or
    soon after. Of several tables of one name, as of an array of tables, the first one counts.

    Args:
        text: A valid document.
    """
    written: dict[Key, int] = {}
    implied: dict[Key, int] = {}
    table: Key = ()
    for line, statement in _statements(text):
        if statement.startswith("["):
            table = key = _named(statement)
        else:
            found = _BEFORE_VALUE.match(statement)
            key = (*table, *_named(f"{found[0]}= 0" if found else statement))
        if len(key) > _DEEPEST:
            key = key[:_DEEPEST]
            implied.setdefault(key, line)
        else:
            written.setdefault(key, line)
        for length in range(1, len(key)):
            implied.setdefault(key[:length], line)
    return implied | written


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each key with its value, and each header of a table, with the line on which it begins."""
    line, begun, depth = 1, 0, 0
    parts: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "\n" and depth == 0:
            if parts:
                yield begun, "".join(parts)
            parts = []
        elif piece[0] != "#" and (parts or not piece.isspace()):
            begun = begun if parts else line
            parts.append(piece)
            depth += (piece in "[{") - (piece in "]}")
        line += piece.count("\n")
    if parts:
        yield begun, "".join(parts)


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
