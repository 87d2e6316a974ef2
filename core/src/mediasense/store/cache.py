"""Answers that were given before, kept for the next time the same is asked.

A cache never fails a question: where it cannot be used it gives nothing, keeps nothing and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mediasense.errors import StoreError
from mediasense.store.database import Database, Renewed

if TYPE_CHECKING:
    import sqlite3

Kind = Literal["analysis", "call"]
"""A whole answer to a question, or that of one call on the way to one."""

DEFAULT_BYTES = 1_000_000_000
DEFAULT_DAYS = 30

_LARGEST = 16_000_000
"""Bytes; a text above this is no answer anybody waits for twice."""

_AROUND = 256
"""Bytes that an entry takes beside its text: its row, its key and the indexes."""

_SLACK = 0.05
"""How far above the limit it may grow before room is made, so that not every ``put`` has to."""

_DAY = 86_400.0
_NOTED = 3600.0
"""Seconds for which a note of the last use is good enough; each note is a write."""

_BATCH = 1000
"""Entries that go in one transaction, so that others never wait long."""

_PAGES = 10_000
"""Free pages that are given back in one transaction."""

_VERSION = 1

# Texts are apart, so that what is looked for and counted stays small. The totals are kept by the
# database itself: no process can forget them, or die in between.
_SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, provider TEXT NOT NULL,
    size INTEGER NOT NULL, created REAL NOT NULL, used REAL NOT NULL
);
CREATE INDEX entries_created ON entries (created);
CREATE INDEX entries_used ON entries (used);
CREATE TABLE texts (id INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, pruned REAL NOT NULL);
INSERT INTO totals VALUES (0, 0, 0);
CREATE TRIGGER entry_came AFTER INSERT ON entries BEGIN
    UPDATE totals SET entries = entries + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER entry_went AFTER DELETE ON entries BEGIN
    DELETE FROM texts WHERE id = old.id;
    UPDATE totals SET entries = entries - 1, bytes = bytes - old.size;
END;
"""

_FIND = """
SELECT entries.id, created, used, text FROM entries JOIN texts USING (id) WHERE entries.key = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A text to keep.

    Attributes:
        key: 64 hex digits of a SHA-256 of all that shaped the text.
        kind: What it is.
        value: The text.
        provider: Who answered.
    """

    key: str
    kind: Kind
    value: str
    provider: str


@dataclass(frozen=True, slots=True)
class _Encoded:
    digest: bytes
    kind: Kind
    provider: str
    text: bytes

    @property
    def size(self) -> int:
        return len(self.text) + _AROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePart:
    """What is kept of one kind, or of one provider.

    Attributes:
        name: Of the kind or the provider.
        entries: How many.
        bytes: How much, with what it takes to keep it.
    """

    name: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What is kept.

    Attributes:
        path: The file.
        entries: How many answers.
        bytes: How much, with what it takes to keep it; this is what ``max_bytes`` limits.
        kinds: The same by kind.
        providers: The same by who answered.
        oldest: When the oldest was kept: seconds since 1970, ``None`` where there is none.
        newest: When the newest was.
        max_bytes: The limit of size.
        max_days: The limit of age.
    """

    path: Path
    entries: int
    bytes: int
    kinds: tuple[CachePart, ...]
    providers: tuple[CachePart, ...]
    oldest: float | None
    newest: float | None
    max_bytes: int
    max_days: float


class Cache:
    """Texts by key, in one file for all threads and processes.

    Args:
        path: The file; made with the first text that is kept.
        max_bytes: How much is kept. What was not used for the longest time goes first. It may be
            passed by a twentieth until room is made.
        max_days: For how long a text is given.
        clock: Tells the seconds since 1970.

    Attributes:
        problem: Why it cannot be used, in one sentence; ``None`` while it can. From then on it
            gives nothing and keeps nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = DEFAULT_BYTES,
        max_days: float = DEFAULT_DAYS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(
            path, what="cache", version=_VERSION, schema=_SCHEMA, disposable=True
        )
        self._max_bytes = max_bytes
        self._max_days = max_days
        self._clock = clock
        self.problem: str | None = None

    def get(self, key: str) -> str | None:
        """The text that is kept under a key; ``None`` where there is none, or it is too old.

        Args:
            key: 64 hex digits of a SHA-256.
        """
        digest = _digest(key)
        if self.problem is not None:
            return None
        try:
            return self._find(digest)
        except Renewed:
            return None
        except StoreError as error:
            self._give_up(error)
            return None

    def put(self, key: str, kind: Kind, value: str, *, provider: str) -> None:
        """Keep a text; what was kept under the key before goes.

        Args:
            key: 64 hex digits of a SHA-256 of all that shaped the text.
            kind: What it is.
            value: The text. One above 16 MB, or above all there is room for, is not kept.
            provider: Who answered.
        """
        self.put_all((CacheEntry(key=key, kind=kind, value=value, provider=provider),))

    def put_all(self, entries: Sequence[CacheEntry]) -> None:
        """Keep several texts in one transaction; otherwise as :meth:`put`."""
        fitting = [entry for entry in map(_encoded, entries) if self._fits(entry)]
        if self.problem is not None or not fitting:
            return
        try:
            try:
                self._keep(fitting)
            except Renewed:
                self._keep(fitting)
        except StoreError as error:
            self._give_up(error)

    def _fits(self, entry: _Encoded) -> bool:
        return len(entry.text) <= _LARGEST and entry.size <= self._max_bytes

    def stats(self) -> CacheStats:
        """What is kept, how much and since when.

        Raises:
            StoreError: The file cannot be read.
        """
        entries, total, oldest, newest = 0, 0, None, None
        if self._is_there():
            found = self._database.rows(
                "SELECT entries, bytes, (SELECT min(created) FROM entries),"
                " (SELECT max(created) FROM entries) FROM totals"
            )
            entries, total, oldest, newest = found[0]
        return CacheStats(
            path=self._database.path,
            entries=entries,
            bytes=total,
            kinds=self._parts("kind"),
            providers=self._parts("provider"),
            oldest=oldest,
            newest=newest,
            max_bytes=self._max_bytes,
            max_days=self._max_days,
        )

    def clear(self) -> int:
        """Drop everything and give its room back; how many texts went.

        Raises:
            StoreError: The file cannot be written.
        """
        if not self._is_there():
            return 0
        kept = self._database.rows("SELECT entries FROM totals")[0][0]
        # Not "until it is empty": others may go on keeping.
        went = sum(self._drop("ORDER BY id LIMIT ?", (_BATCH,)) for _ in range(0, kept, _BATCH))
        self._give_back()
        return went

    def prune(self) -> int:
        """Drop what is too old and what there is no room for; how many texts went.

        Raises:
            StoreError: The file cannot be written.
        """
        if not self._is_there():
            return 0
        went = self._prune()
        self._give_back()
        return went

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._database.close()

    # --- one text --------------------------------------------------------------------------------

    def _find(self, digest: bytes) -> str | None:
        found = self._database.rows(_FIND, (digest,))
        if not found:
            return None
        entry, created, used, text = found[0]
        now = self._clock()
        if now - created > self._max_days * _DAY:
            return None
        if abs(now - used) > _NOTED:
            with self._database.transaction() as connection:
                connection.execute("UPDATE entries SET used = ? WHERE id = ?", (now, entry))
        # Somebody may have written into the file by hand.
        with suppress(UnicodeDecodeError, AttributeError):
            return str(text.decode("utf-8", "surrogatepass"))
        return None

    def _keep(self, entries: Sequence[_Encoded]) -> None:
        now = self._clock()
        with self._database.transaction() as connection:
            for entry in entries:
                connection.execute("DELETE FROM entries WHERE key = ?", (entry.digest,))
                kept = connection.execute(
                    "INSERT INTO entries (key, kind, provider, size, created, used)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (entry.digest, entry.kind, entry.provider, entry.size, now, now),
                )
                connection.execute("INSERT INTO texts VALUES (?, ?)", (kept.lastrowid, entry.text))
            total, pruned = connection.execute("SELECT bytes, pruned FROM totals").fetchone()
        if total > self._max_bytes * (1 + _SLACK) or abs(now - pruned) > _DAY:
            self._prune()

    def _give_up(self, error: StoreError) -> None:
        self.problem = f"answers are not kept: {error}"

    # --- all of them -----------------------------------------------------------------------------

    def _is_there(self) -> bool:
        return self._database.path.exists()

    def _parts(self, column: Literal["kind", "provider"]) -> tuple[CachePart, ...]:
        if not self._is_there():
            return ()
        found = self._database.rows(
            f"SELECT {column}, count(*), sum(size) FROM entries GROUP BY 1 ORDER BY 1"  # noqa: S608
        )
        return tuple(CachePart(name=str(name), entries=n, bytes=size) for name, n, size in found)

    def _prune(self) -> int:
        now = self._clock()
        with self._database.transaction() as connection:
            connection.execute("UPDATE totals SET pruned = ?", (now,))
        return self._drop_old(now - self._max_days * _DAY) + self._make_room()

    def _drop_old(self, before: float) -> int:
        went = 0
        while dropped := self._drop("WHERE created < ? ORDER BY created LIMIT ?", (before, _BATCH)):
            went += dropped
        return went

    def _drop(self, which: str, parameters: tuple[float, ...]) -> int:
        with self._database.transaction() as connection:
            found = connection.execute(f"SELECT id FROM entries {which}", parameters).fetchall()  # noqa: S608
            _delete(connection, [row[0] for row in found])
        return len(found)

    def _make_room(self) -> int:
        """Drop what was not used for the longest time, until the rest is within the limit."""
        went = 0
        while True:
            with self._database.transaction() as connection:
                (total,) = connection.execute("SELECT bytes FROM totals").fetchone()
                entries = _longest_unused(connection, total - self._max_bytes)
                _delete(connection, entries)
            if not entries:
                return went
            went += len(entries)

    def _give_back(self) -> None:
        """Make the file smaller by what is free in it, and empty its log."""
        free = self._database.rows("PRAGMA freelist_count")[0][0]
        for given in range(0, free, _PAGES):
            with self._database.transaction() as connection:
                # One each time: Python takes only the first step of this statement.
                for _ in range(min(_PAGES, free - given)):
                    connection.execute("PRAGMA incremental_vacuum(1)")
        self._database.rows("PRAGMA wal_checkpoint(TRUNCATE)")


def _encoded(entry: CacheEntry) -> _Encoded:
    return _Encoded(
        digest=_digest(entry.key),
        kind=entry.kind,
        provider=entry.provider.encode("utf-8", "replace").decode(),
        text=entry.value.encode("utf-8", "surrogatepass"),
    )


def _digest(key: str) -> bytes:
    """A key as it is kept, in half the room."""
    assert len(key) == 64, "a key is a SHA-256 in hex digits"
    digest = bytes.fromhex(key)
    assert len(digest) == 32, "a key is a SHA-256 in hex digits"
    return digest


def _longest_unused(connection: sqlite3.Connection, excess: int) -> list[int]:
    """A batch of entries, up to those that together are at least ``excess`` bytes."""
    chosen: list[int] = []
    if excess <= 0:
        return chosen
    for entry, size in connection.execute(
        "SELECT id, size FROM entries ORDER BY used LIMIT ?", (_BATCH,)
    ):
        chosen.append(entry)
        excess -= size
        if excess <= 0:
            break
    return chosen


def _delete(connection: sqlite3.Connection, entries: list[int]) -> None:
    connection.executemany("DELETE FROM entries WHERE id = ?", [(entry,) for entry in entries])
