"""Manifests: a list of items with a prompt, a schema or a part of their own, row by row.

Relative paths in a manifest start at the current folder, not at that of the manifest. A row names
files and links one by one: patterns and folders are for the command line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal

from mediasense.batches.items import Item
from mediasense.batches.lines import LINE_BYTES, TOO_LONG, read_lines
from mediasense.batches.rows import FIELDS, BadRow, parse_json, problem_item, row_item
from mediasense.batches.tally import Tally

ManifestKind = Literal["jsonl", "csv"]

_DELIMITERS = ",;\t"
_NOT_UTF8 = "not UTF-8 text"


def manifest_kind(name: str) -> ManifestKind:
    """What a manifest is by its name: ``.csv`` and ``.tsv`` are tables, the rest is JSONL."""
    return "csv" if name.lower().endswith((".csv", ".tsv")) else "jsonl"


def read_manifest(
    stream: BinaryIO, *, name: str, kind: ManifestKind, tally: Tally | None = None
) -> Iterator[Item]:
    """Read the items of a manifest, one row at a time.

    A row has a ``source`` (several as a list, in JSONL) and may have ``id``, ``prompt``,
    ``task``, ``schema``, ``modality``, ``start``, ``end`` and ``language``. A row that cannot be
    used is an item with a problem, and the rest goes on. Rows are counted as an editor counts the
    lines of JSONL, and as a spreadsheet counts those of CSV: its header is row 1.

    Args:
        stream: The manifest, UTF-8.
        name: How errors call it.
        kind: ``jsonl``; or ``csv`` with a header, separated by commas, semicolons or tabs.
        tally: Where columns are noted that mean nothing.

    Raises:
        UsageError: The stream breaks.
    """
    lines = read_lines(stream, name=name)
    tally = Tally() if tally is None else tally
    return _json_items(lines, tally) if kind == "jsonl" else _csv_items(lines, tally)


def json_item(line: bytes, number: int, tally: Tally, *, what: str = "row") -> Item:
    """Make the item of one line of JSONL.

    Args:
        line: The line.
        number: Which one it is, from 1.
        tally: Where fields are noted that mean nothing.
        what: What the list calls its entries.
    """
    try:
        row = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        return problem_item(number, _NOT_UTF8, what=what)
    except BadRow as error:
        return problem_item(number, str(error), what=what)
    if not isinstance(row, dict):
        return problem_item(number, "no JSON object", what=what)
    return row_item(row, number, tally, what=what)


def _json_items(lines: Iterator[bytes | None], tally: Tally) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        if line is None:
            yield problem_item(number, TOO_LONG)
        elif not line.isspace():
            yield json_item(line, number, tally)


# --- CSV -----------------------------------------------------------------------------------------


class _Feed:
    """Lines for ``csv.reader``; those of a record that went wrong are given out again.

    A quote that is never closed would otherwise swallow all rows up to the next one.
    """

    def __init__(self, lines: Iterator[bytes | None]) -> None:
        self._lines = lines
        self._again: deque[bytes | None] = deque()
        self._taken: list[bytes | None] = []
        self._bytes = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._bytes += LINE_BYTES + 1 if line is None else len(line)
        # The limit of `csv` is one for the whole process, and is for cells and not for rows.
        if line is None or self._bytes > LINE_BYTES:
            raise BadRow(TOO_LONG)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            raise BadRow(_NOT_UTF8) from None

    def begin(self) -> None:
        """A new record begins."""
        self._taken.clear()
        self._bytes = 0

    def give_back(self) -> None:
        """Give out again what was taken for this record, but for its first line."""
        self._again.extendleft(reversed(self._taken[1:]))


def _csv_items(lines: Iterator[bytes | None], tally: Tally) -> Iterator[Item]:
    feed = _Feed(lines)
    number, header = _first_line(feed)
    if not header:
        return
    try:
        delimiter, columns = _header(header)
    except BadRow as error:
        yield problem_item(number, str(error))
        return
    tally.note_unused(column for column in columns if column not in FIELDS)
    for place, cells in enumerate(_records(feed, delimiter), number + 1):
        if isinstance(cells, BadRow):
            yield problem_item(place, str(cells))
        elif any(map(str.strip, cells)):
            yield _csv_item(columns, cells, place, tally)


def _first_line(feed: _Feed) -> tuple[int, str | BadRow]:
    """The first line that is not empty, and which one it is."""
    number = 0
    while True:
        number += 1
        feed.begin()
        try:
            line = next(feed)
        except StopIteration:
            return number, ""
        except BadRow as error:
            return number, error
        if line.strip():
            return number, line


def _header(line: str | BadRow) -> tuple[str, tuple[str, ...]]:
    """The delimiter with which a header names a source, and its columns."""
    if isinstance(line, BadRow):
        raise line
    for delimiter in _DELIMITERS:
        columns = _columns(line, delimiter)
        if "source" in columns:
            named = [column for column in columns if column]
            if len(named) != len(set(named)):
                raise BadRow("two columns have one name")
            return delimiter, columns
    raise BadRow("no column is called source")


def _columns(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return ()
    return tuple(name.strip().lower() for name in names)


def _records(feed: _Feed, delimiter: str) -> Iterator[list[str] | BadRow]:
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            yield next(reader)
        except StopIteration:
            return
        except (csv.Error, BadRow) as error:
            feed.give_back()
            yield error if isinstance(error, BadRow) else BadRow(f"no CSV: {error}")


def _csv_item(columns: Sequence[str], cells: list[str], number: int, tally: Tally) -> Item:
    if any(map(str.strip, cells[len(columns) :])):
        return problem_item(number, f"{len(cells)} cells under {len(columns)} columns")
    row = {
        column: _number(cell) if column in ("start", "end") else cell
        for column, cell in zip(columns, cells, strict=False)
        if column in FIELDS and cell.strip()
    }
    return row_item(row, number, tally)


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell  # the row then says that it is none
