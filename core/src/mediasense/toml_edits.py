"""Changing the text of a TOML document: what is not meant stays as it is, to the last character."""

from __future__ import annotations

from mediasense.toml_lines import Key, Statement, find_statements


def with_setting(text: str, name: str, value: str) -> str:
    """The document with a setting at its top.

    Args:
        text: A valid document.
        name: A bare key.
        value: It, as it is written.
    """
    statements = find_statements(text)
    for statement in statements:
        if statement.key == (name,) and not statement.is_header:
            old = text[statement.value : statement.end]
            space = old[: len(old) - len(old.lstrip(" \t"))]
            return text[: statement.value] + space + value + text[statement.end :]
    ending = "\r\n" if "\r\n" in text else "\n"
    line = f"{name} = {value}".replace("\n", ending) + ending
    top = [s for s in statements if not s.is_header]
    header = next((s for s in statements if s.is_header), None)
    own = [s for s in top if header is None or s.start < header.start]
    if own:
        at = _line_end(text, own[-1].end)
        between = "" if text[:at].endswith("\n") else ending
        return text[:at] + between + line + text[at:]
    if header is None:
        between = "" if not text or text.endswith("\n") else ending
        return text + between + line
    at = _with_comments(text, header)
    return text[:at] + line + ending + text[at:]


def without(text: str, key: Key) -> str:
    """The document without a key: a setting, or a table with all that is in it.

    Args:
        text: A valid document.
        key: What is to go; comments right above the header of a table go with it.
    """
    statements = find_statements(text)
    spans: list[tuple[int, int]] = []
    block: int | None = None
    for number, statement in enumerate(statements):
        if statement.is_header:
            block = None
        if statement.key[: len(key)] != key:
            continue
        if statement.is_header:
            block = _with_comments(text, statement)
        start = block if block is not None else _line_start(text, statement.start)
        end = _line_end(text, statement.end)
        is_last = number + 1 == len(statements) or statements[number + 1].is_header
        spans.append((start, _past_blank(text, end) if block is not None and is_last else end))
    for start, end in reversed(_joined(spans)):
        text = text[:start] + text[end:]
    return text


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the end of a line."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _with_comments(text: str, header: Statement) -> int:
    """Where the comments right above a header begin, or its own line."""
    start = _line_start(text, header.start)
    while start > 0:
        above = _line_start(text, start - 1)
        if not text[above:start].lstrip(" \t").startswith("#"):
            break
        start = above
    return start


def _past_blank(text: str, at: int) -> int:
    """Behind the blank lines that follow."""
    while at < len(text):
        end = _line_end(text, at)
        if text[at:end].strip():
            break
        at = end
    return at
