"""Past answers, searchable, and what was spent."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mediasense.errors import StoreError
from mediasense.ledger import Spent
from mediasense.store import fulltext
from mediasense.store.database import Database
from mediasense.store.past import (
    Entry,
    Paid,
    Past,
    SpentOn,
    counts_of,
    kept,
    paid_json,
    past_of,
    spent_of,
    told,
)
from mediasense.store.words import holds, query, wanted

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Entry", "History", "Paid", "Past", "SpentOn"]

MAX_ENTRIES = 100_000
MAX_BYTES = 1_000_000_000

_TEND_EVERY = 512
"""Entries. Taking up the words of so many at once costs a third of doing it one by one."""
_CHUNK = 256
"""Entries that are read or removed at once."""
_BEYOND = 2**62
"""Above every number of an entry, and no more than SQLite can hold."""

_SCHEMA = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, modality TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, strategy TEXT NOT NULL,
    failure TEXT NOT NULL, paid TEXT NOT NULL
);
CREATE TABLE bodies (
    number INTEGER PRIMARY KEY, sources TEXT NOT NULL, prompt TEXT, text TEXT NOT NULL,
    envelope TEXT NOT NULL
);
CREATE TABLE totals (
    day TEXT NOT NULL, provider TEXT NOT NULL, answers INTEGER NOT NULL, calls INTEGER NOT NULL,
    cost REAL NOT NULL, unpriced INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, PRIMARY KEY (day, provider)
) WITHOUT ROWID;
CREATE TABLE indexed (number INTEGER NOT NULL);
INSERT INTO indexed VALUES (0);
"""
_ADD_TOTALS = """
INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    answers = answers + excluded.answers, calls = calls + excluded.calls,
    cost = cost + excluded.cost, unpriced = unpriced + excluded.unpriced,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens
"""
_ADD_ENTRY = """
INSERT INTO entries (at, modality, provider, model, strategy, failure, paid)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_FIELDS = """
entries.number AS number, at, modality, provider, model, strategy, failure, paid,
sources, prompt, text, envelope
"""


class History:
    """Past answers in one file: never media, never keys.

    The oldest go when there are too many; what was spent is kept in sums, and stays.

    Args:
        path: The file; made when something is first added.
        clock: Tells the seconds since 1970.
        max_entries: How many entries are kept.
        max_bytes: About how large the file may get.

    Attributes:
        problem: Why nothing is added any more, as a sentence; ``None`` while all is well.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._database = Database(path, what="history", version=1, schema=_SCHEMA)

    def add(self, entry: Entry) -> None:
        """Keep one more; otherwise as :meth:`add_all`."""
        self.add_all((entry,))

    def add_all(self, entries: Sequence[Entry]) -> None:
        """Keep some more in one transaction, the oldest first.

        Where that cannot be done, :attr:`problem` says why, and nothing is kept. An answer is worth
        more than its history: this never raises for a file that is broken.
        """
        if self.problem is not None or not entries:
            return
        try:
            with self._database.transaction() as database:
                self._add_all(database, entries)
        except StoreError as error:
            self.problem = str(error)

    def find(
        self,
        words: str = "",
        *,
        provider: str | None = None,
        since: float | None = None,
        limit: int = 20,
    ) -> tuple[Past, ...]:
        """Past answers, newest first.

        Args:
            words: All of them are in the prompt, the answer or the names of the sources, in any
                order, whatever their case and accents; the last may be the beginning of a word.
                At most 64 words count.
            provider: Only those it answered.
            since: Only those not older, in seconds since 1970.
            limit: At most so many.

        Raises:
            StoreError: The history cannot be read.
        """
        asked = wanted(words)
        limit = max(0, limit)
        if (words.strip() and not asked) or not self._is_there():
            return ()
        if not asked:
            return tuple(map(past_of, self._newest(provider, since, limit)))
        if not fulltext.has_full_text():
            return self._scanned(asked, provider, since, limit)
        self._catch_up()
        where, values = _conditions(provider, since)
        rows = self._database.rows(
            f"SELECT {_FIELDS} FROM found CROSS JOIN entries ON entries.number = found.rowid "  # noqa: S608  no value is in it
            f"JOIN bodies ON bodies.number = found.rowid WHERE found MATCH ? AND {where} "
            "ORDER BY found.rowid DESC LIMIT ?",
            (query(asked), *values, limit),
        )
        return tuple(map(past_of, rows))

    def get(self, number: int) -> Past | None:
        """The entry of this number, if there is one.

        Raises:
            StoreError: The history cannot be read.
        """
        if not 0 < number < _BEYOND or not self._is_there():
            return None
        rows = self._newest(None, None, 1, below=number + 1)
        return past_of(rows[0]) if rows and rows[0]["number"] == number else None

    def spent(self, by: Literal["provider", "day"]) -> tuple[SpentOn, ...]:
        """What was spent: by provider, the dearest first, or by day, the newest first.

        Entries that are gone because there were too many still count.

        Raises:
            StoreError: The history cannot be read.
        """
        if not self._is_there():
            return ()
        name = "provider" if by == "provider" else "day"
        order = "sum(cost) DESC, sum(calls) DESC, 1" if by == "provider" else "1 DESC"
        rows = self._database.rows(
            f"SELECT {name}, sum(answers), sum(calls), sum(cost), sum(unpriced), "  # noqa: S608  one of two names
            f"sum(input_tokens), sum(output_tokens) FROM totals GROUP BY 1 ORDER BY {order}"
        )
        return tuple(
            SpentOn(name=told(name), answers=answers, spent=spent_of(counts))
            for name, answers, *counts in rows
        )

    def clear(self, *, before: float | None = None) -> int:
        """Forget entries, and give their room on the disk back.

        What was spent is forgotten with them: of the days that ended before.

        Args:
            before: Only those added before, in seconds since 1970.

        Returns:
            How many entries are gone.

        Raises:
            StoreError: The history cannot be written.
        """
        if not self._is_there():
            return 0
        gone = self._clear_all() if before is None else self._clear_before(before)
        with suppress(StoreError):  # another process reads: its room is given back another time
            self._database.rows("VACUUM")
            self._database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _is_there(self) -> bool:
        """Looking for something makes no file."""
        return self.path.exists()

    def _add_all(self, database: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        at, last = self._clock(), 0
        for entry in entries:
            last = _add(database, entry, at)
        database.executemany(_ADD_TOTALS, _totals(entries, _day(at)))
        if last // _TEND_EVERY > (last - len(entries)) // _TEND_EVERY:
            if fulltext.has_full_text():
                fulltext.take_up(database)
            self._prune(database)

    def _newest(
        self, provider: str | None, since: float | None, limit: int, *, below: int = _BEYOND
    ) -> list[sqlite3.Row]:
        where, values = _conditions(provider, since)
        return self._database.rows(
            f"SELECT {_FIELDS} FROM entries JOIN bodies ON bodies.number = entries.number "  # noqa: S608  no value is in it
            f"WHERE entries.number < ? AND {where} ORDER BY entries.number DESC LIMIT ?",
            (below, *values, limit),
        )

    def _scanned(
        self, asked: tuple[str, ...], provider: str | None, since: float | None, limit: int
    ) -> tuple[Past, ...]:
        """The same answers as the index gives, by reading them all."""
        found: list[Past] = []
        below = _BEYOND
        while rows := self._newest(provider, since, _CHUNK, below=below):
            below = rows[-1]["number"]
            found += [past_of(row) for row in rows if holds(fulltext.words_of(row), asked)]
            if len(found) >= limit:
                break
        return tuple(found[:limit])

    def _catch_up(self) -> None:
        """Take up the words of the newest entries, which :meth:`add` leaves for later."""
        behind = "SELECT max(number) > (SELECT number FROM indexed) FROM entries"
        if self._database.rows(behind)[0][0] or not self._database.rows(
            "SELECT 1 FROM sqlite_master WHERE name = 'found'"
        ):
            with self._database.transaction() as database:
                fulltext.take_up(database)

    def _prune(self, database: sqlite3.Connection) -> None:
        """Remove the oldest where there are too many: some more, so that it is not done often."""
        (entries,) = database.execute("SELECT count(*) FROM entries").fetchone()
        used = _used_bytes(database)
        remove = 0
        if entries > self._max_entries - _TEND_EVERY:
            remove = entries - self._max_entries + _TEND_EVERY + self._max_entries // 100
        if used > self._max_bytes:
            share = (used - 0.99 * self._max_bytes) / used
            remove = max(remove, math.ceil(entries * share))
        if remove:
            oldest = "SELECT number FROM entries ORDER BY number LIMIT ?"
            _remove(database, [row[0] for row in database.execute(oldest, (remove,))])

    def _clear_all(self) -> int:
        with self._database.transaction() as database:
            (gone,) = database.execute("SELECT count(*) FROM entries").fetchone()
            if fulltext.has_full_text():
                fulltext.drop(database)
            for table in ("entries", "bodies", "totals"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608  one of three names
        return int(gone)

    def _clear_before(self, moment: float) -> int:
        gone = 0
        while chunk := self._clear_some(moment):
            gone += chunk
        with self._database.transaction() as database:
            database.execute("DELETE FROM totals WHERE day < ?", (_day(moment),))
            if fulltext.has_full_text():
                fulltext.tidy(database)
        return gone

    def _clear_some(self, moment: float) -> int:
        """Remove some: the file is another process's again between two such steps."""
        with self._database.transaction() as database:
            some = "SELECT number FROM entries WHERE at < ? LIMIT ?"
            numbers = [row[0] for row in database.execute(some, (moment, _CHUNK))]
            _remove(database, numbers)
        return len(numbers)


def _add(database: sqlite3.Connection, entry: Entry, at: float) -> int:
    """Keep one, and tell its number."""
    number = database.execute(
        _ADD_ENTRY,
        (
            at,
            entry.modality,
            kept(entry.provider),
            kept(entry.model),
            entry.strategy,
            kept(entry.failure),
            paid_json(entry.paid),
        ),
    ).lastrowid
    database.execute(
        "INSERT INTO bodies VALUES (?, ?, ?, ?, ?)",
        (
            number,
            json.dumps(entry.sources),
            kept(entry.prompt),
            kept(entry.text),
            kept(entry.envelope),
        ),
    )
    return number or 0


def _remove(database: sqlite3.Connection, numbers: list[int]) -> None:
    if fulltext.has_full_text():
        fulltext.forget(database, numbers)
    for table in ("entries", "bodies"):
        database.executemany(
            f"DELETE FROM {table} WHERE number = ?",  # noqa: S608  one of two names
            ((number,) for number in numbers),
        )


def _used_bytes(database: sqlite3.Connection) -> int:
    """Of the file: a removed entry leaves room in it for the next."""
    size, pages, unused = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size * (pages - unused)


def _conditions(provider: str | None, since: float | None) -> tuple[str, tuple[object, ...]]:
    conditions = {"provider = ?": kept(provider), "at >= ?": since}
    given = {words: value for words, value in conditions.items() if value is not None}
    return " AND ".join(["1", *given]), tuple(given.values())


def _totals(entries: Sequence[Entry], day: str) -> Iterator[tuple[object, ...]]:
    """A line for each provider that was asked or answered."""
    answers = Counter(entry.provider for entry in entries if not entry.failure)
    spent = dict.fromkeys(answers, Spent())
    for paid in (paid for entry in entries for paid in entry.paid):
        spent[paid.provider] = spent.get(paid.provider, Spent()) + paid.spent
    for provider, all_of_it in spent.items():
        yield day, kept(provider), answers[provider], *counts_of(all_of_it)


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))
