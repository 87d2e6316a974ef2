"""Tables for people: aligned columns, wrapped on a terminal and whole in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from mediasense.errors import one_line
from mediasense.output.colour import console
from mediasense.output.terminal import answers, write


def print_table(
    columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, whole: int = 1
) -> None:
    """Print rows under their column names on stdout.

    What services say may stand in them: each cell is made one printable line.

    Args:
        columns: Their names.
        rows: One cell for each column.
        whole: How many columns, from the left, are not wrapped.
    """
    out = answers()
    encoding = out.encoding or "utf-8"
    rows = [
        tuple(one_line(c, limit=1000).encode(encoding, "replace").decode(encoding) for c in row)
        for row in rows
    ]
    if not out.isatty():
        # A program reads this: no wrapping, no colour, and no 70 ms for the library that does it.
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (tuple(name.upper() for name in columns), *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            write(out, "  ".join(cells).rstrip() + "\n")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name.upper(), no_wrap=number < whole, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console(out).print(table)
