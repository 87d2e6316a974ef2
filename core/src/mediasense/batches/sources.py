"""From what the user names to items: files, folders, patterns, links, lists, bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from mediasense.batches.folders import Found, is_folder, walk
from mediasense.batches.ids import item_id
from mediasense.batches.items import Item
from mediasense.batches.lines import TOO_LONG, read_lines
from mediasense.batches.manifests import json_item
from mediasense.batches.patterns import is_pattern, split_pattern
from mediasense.batches.rows import BadRow, problem_item, row_item, sources_of
from mediasense.batches.tally import Tally
from mediasense.errors import UsageError
from mediasense.media.inspecting import display_name
from mediasense.media.source import Source, is_uri

_STDIN = "-"


def find_items(
    sources: Iterable[str], *, stdin: BinaryIO | None = None, tally: Tally | None = None
) -> Iterator[Item]:
    """Find the items that names on a command line stand for, one by one.

    - A file is itself, also one that is not there: asking about it fails. So are links.
    - A folder is walked; see :func:`mediasense.batches.folders.walk`. Hidden files and folders and
      links to folders are left out, and so is what is no image, video or sound.
    - A pattern (``*``, ``?``, ``[a-z]``, ``**`` for folders of any depth) is the files it
      matches, unless a file has that very name. One that matches nothing is a problem. One that
      ends in ``*`` or ``**`` alone says nothing about what it wants: its files are looked at
      like those of a folder.
    - ``~`` is the home folder.
    - ``-`` is a list on standard input: a source on each line, as in :func:`items_of`; or a row
      of JSONL on a line that begins with ``{``.

    Args:
        sources: What was typed.
        stdin: Standard input, where a list is read.
        tally: Where what is left out is counted.

    Raises:
        UsageError: There is no standard input, or it breaks.
    """
    tally = Tally() if tally is None else tally
    for source in sources:
        if source == _STDIN:
            yield from _listed(stdin, tally)
        else:
            yield from _items(find(source), tally)


def items_of(
    sources: Iterable[Source | Sequence[Source] | Mapping[str, object]],
    *,
    tally: Tally | None = None,
) -> Iterator[Item]:
    """Make items of what Python code names, one by one.

    A path that is a folder is walked as in :func:`find_items`; nothing is a pattern, and ``~`` is
    a name like any other. A sequence is several images that are asked about together, a mapping
    is a row of a manifest; folders in these are not walked. Something else is an item with a
    problem, which does not stop the rest.

    Args:
        sources: Paths, links, bytes, sequences of these, or mappings. One alone will do.
        tally: Where what is left out is counted.
    """
    tally = Tally() if tally is None else tally
    if isinstance(sources, str | bytes | bytearray | os.PathLike | Mapping):
        sources = (sources,)
    for number, source in enumerate(sources, 1):
        if isinstance(source, Mapping):
            yield row_item(source, number, tally, what="item")
        else:
            yield from _given(source, number, tally)


def find(source: str) -> Iterator[Found]:
    """Find the files that one name stands for; links and ``data:`` URIs are themselves.

    Args:
        source: As it was typed, and not ``-``.
    """
    if is_uri(source) or os.path.lexists(source):
        return _in_folder(source)
    path = _from_home(source)
    if os.path.lexists(path) or not is_pattern(path):
        return _in_folder(path)
    return _matched(path)


def _from_home(source: str) -> str:
    try:
        return str(Path(source).expanduser()) if source.startswith("~") else source
    except RuntimeError:  # there is no such person
        return source


def _in_folder(source: str) -> Iterator[Found]:
    """The files of a folder, or the source itself when it is none."""
    if not is_uri(source) and is_folder(source):
        yield from walk(source)
    else:
        yield Found(path=source)


def _matched(pattern: str) -> Iterator[Found]:
    folder, rest = split_pattern(pattern)
    matched = False
    if is_folder(folder or "."):
        for found in walk(folder, rest):
            matched = True
            yield found
    if not matched:
        shown = display_name(Path(pattern))
        yield Found(path=pattern, problem=f"no file matches {shown}; check the pattern")


def _items(files: Iterable[Found], tally: Tally) -> Iterator[Item]:
    for found in files:
        if found.left_out:
            tally.left_out += 1
        else:
            sources = (found.path,)
            yield Item(id=item_id(sources), sources=sources, problem=found.problem)


def _listed(stdin: BinaryIO | None, tally: Tally) -> Iterator[Item]:
    if stdin is None:
        raise UsageError("there is nothing on standard input", hint="pipe a list into it")
    for number, line in enumerate(read_lines(stdin, name="standard input"), 1):
        if line is None:
            yield problem_item(number, TOO_LONG, what="line")
        elif line.startswith(b"{"):
            yield json_item(line, number, tally, what="line")
        elif not line.isspace():
            yield from _line(line.removesuffix(b"\n").removesuffix(b"\r"), number, tally)


def _line(line: bytes, number: int, tally: Tally) -> Iterator[Item]:
    try:
        source = line.decode("utf-8")
    except UnicodeDecodeError:
        yield problem_item(number, "not UTF-8 text", what="line")
        return
    yield from _given(source, number, tally, what="line")


def _given(source: object, number: int, tally: Tally, *, what: str = "item") -> Iterator[Item]:
    try:
        sources = sources_of(source)
    except BadRow as error:
        yield problem_item(number, str(error), what=what)
        return
    if not sources:
        yield problem_item(number, "no source", what=what)
    elif isinstance(source, str | os.PathLike) and _is_folder(sources[0]):
        yield from _items(walk(os.fsdecode(sources[0])), tally)
    else:
        yield Item(id=item_id(sources), sources=sources)


def _is_folder(source: Source) -> bool:
    if isinstance(source, bytes) or (isinstance(source, str) and is_uri(source)):
        return False
    return is_folder(source)
