"""The index of the words of the history: SQLite's FTS5, without a copy of the texts.

Entries come into it many at once, later than into the history: that costs a third.
"""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mediasense.store.past import told
from mediasense.store.words import searchable

if TYPE_CHECKING:
    import sqlite3

# Without the texts, which are in `bodies`, and without their lengths, which only ranking needs.
_INDEX = """
CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5(
    words, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')
"""


@functools.cache
def has_full_text() -> bool:
    """Whether this Python's SQLite has FTS5: some systems build it without."""
    import sqlite3

    with suppress(sqlite3.Error):
        memory = sqlite3.connect(":memory:")
        memory.execute(_INDEX)
        memory.close()
        return True
    return False


def take_up(database: sqlite3.Connection) -> None:
    """Take up the words of all entries that are not in the index."""
    database.execute(_INDEX)
    rows = database.execute(
        "SELECT number, sources, prompt, text FROM bodies "
        "WHERE number > (SELECT number FROM indexed) ORDER BY number"
    )
    for row in rows:
        database.execute("INSERT INTO found (rowid, words) VALUES (?, ?)", (row[0], words_of(row)))
    database.execute(
        "UPDATE indexed SET number = max(number, (SELECT coalesce(max(number), 0) FROM entries))"
    )


def forget(database: sqlite3.Connection, numbers: list[int]) -> None:
    """Forget entries, before they are removed: an index without texts has to be told them again."""
    database.execute(_INDEX)
    (indexed,) = database.execute("SELECT number FROM indexed").fetchone()
    for number in numbers:
        if number <= indexed:
            row = database.execute(
                "SELECT number, sources, prompt, text FROM bodies WHERE number = ?", (number,)
            ).fetchone()
            database.execute(
                "INSERT INTO found (found, rowid, words) VALUES ('delete', ?, ?)",
                (number, words_of(row)),
            )


def tidy(database: sqlite3.Connection) -> None:
    """Really take out what was forgotten: until then it is there, and marked."""
    database.execute(_INDEX)
    database.execute("INSERT INTO found (found) VALUES ('optimize')")


def drop(database: sqlite3.Connection) -> None:
    """Forget all of it at once; it is made anew when something is taken up."""
    database.execute("DROP TABLE IF EXISTS found")


def words_of(row: sqlite3.Row) -> str:
    """All of an entry that is searched, as the index is given it."""
    return searchable(
        "\n".join([*json.loads(row["sources"]), told(row["prompt"]) or "", told(row["text"]) or ""])
    )
