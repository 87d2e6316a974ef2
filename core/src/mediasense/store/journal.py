"""The journal of a batch: what is answered, what failed and what is under way.

Every step is one transaction, so a batch that is killed at any moment goes on from here. The lines
of the results file are kept too: the file can always be made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UsageError, one_line
from mediasense.ledger import Spent
from mediasense.store.database import Database
from mediasense.store.entries import (
    Claim,
    Counts,
    Earlier,
    FailedItem,
    Finished,
    KeptLine,
    line_bytes,
)
from mediasense.store.locking import Lock

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = [
    "Claim",
    "Counts",
    "Earlier",
    "FailedItem",
    "Finished",
    "Journal",
    "KeptLine",
    "line_bytes",
]

_VERSION = 1
_SCHEMA = """
CREATE TABLE batch (
    question TEXT NOT NULL,
    told TEXT NOT NULL,
    run INTEGER NOT NULL,
    file INTEGER NOT NULL DEFAULT 0,
    length INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    under_way INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    cost REAL NOT NULL DEFAULT 0,
    unpriced INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0
);
-- In the order of the list: a run over a list that is done writes pages one after the other.
CREATE TABLE items (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    state INTEGER NOT NULL,
    run INTEGER NOT NULL
);
CREATE TABLE lines (start INTEGER PRIMARY KEY, line TEXT NOT NULL);
CREATE TABLE failures (
    number INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    again TEXT,
    passing INTEGER NOT NULL
);
"""

_UNDER_WAY, _RETRIED, _ANSWERED, _FAILED = range(4)
"""States of an item; one that is retried is under way, and its failure is kept until it ends."""
_BEGUN = (_UNDER_WAY, _RETRIED)

_QUESTION = "SELECT question, told, run, EXISTS (SELECT 1 FROM items) FROM batch"
_NEXT_RUN = """
UPDATE batch SET question = ?, told = ?, run = run + 1, under_way = 0,
    interrupted = interrupted + under_way
"""
_KNOWN = "SELECT number, state, run FROM items WHERE id = ?"
_MARK = "UPDATE items SET state = ?, run = ? WHERE number = ?"
_ADD = "INSERT INTO items (id, state, run) VALUES (?, ?, ?)"
_COUNT = """
UPDATE batch SET answered = answered + ?, failed = failed + ?, under_way = under_way + ?,
    interrupted = interrupted + ?
"""
_SPEND = """
UPDATE batch SET calls = calls + ?, cost = cost + ?, unpriced = unpriced + ?,
    input_tokens = input_tokens + ?, output_tokens = output_tokens + ?
"""
_FINISH = f"{_COUNT}, length = length + ?, {_SPEND.partition('SET')[2]}"
_LINES = "SELECT start, line FROM lines WHERE start >= ? AND start < ? ORDER BY start"
_FAILURES = """
SELECT number, id, line, again, passing FROM failures JOIN items USING (number)
WHERE number > ? ORDER BY number LIMIT ?
"""
_AT_ONCE = 64
_BYTES_AT_ONCE = 1 << 18


@dataclass(slots=True)
class _Sums:
    """By how much what is counted changes with one transaction; of the length, what it is."""

    length: int
    answered: int = 0
    failed: int = 0
    under_way: int = 0
    interrupted: int = 0
    spent: Spent = field(default_factory=Spent)


class Journal:
    """What became of every item of a batch, on disk. Safe for many threads of one process.

    Args:
        path: The file, such as ``results.jsonl.journal``; a lock lies beside it while it is used.
    """

    def __init__(self, path: Path) -> None:
        path = path.absolute()
        self._name = path.name.removesuffix(".journal")
        self._lock = Lock(path.with_name(f"{path.name}.lock"), name=self._name)
        self._database = Database(path, what="journal", version=_VERSION, schema=_SCHEMA)
        self._path = path
        self._run = 0

    def exists(self) -> bool:
        """Whether it was begun, in this run or an earlier one."""
        return self._path.exists()

    def open(self, question: str, told: str) -> Earlier:
        """Begin a run.

        A journal in which nothing was ever claimed is taken over by any question.

        Args:
            question: A fingerprint of all that is asked.
            told: The same in words; of several lines, those that differ are named in errors.

        Returns:
            What earlier runs left.

        Raises:
            UsageError: It is the journal of another batch, or another process works on it.
            StoreError: It cannot be read or written.
        """
        self._lock.take()
        try:
            with self._database.transaction() as connection:
                self._run = self._begin(connection, question, told)
            counts = self.counts()
            return Earlier(
                done=counts.answered,
                failed=counts.failed,
                interrupted=counts.interrupted,
                spent=self.spent(),
            )
        except BaseException:
            self.close()
            raise

    def _begin(self, connection: Connection, question: str, told: str) -> int:
        told = _text(told)
        kept = connection.execute(_QUESTION).fetchone()
        if kept is None:
            connection.execute(
                "INSERT INTO batch (question, told, run) VALUES (?, ?, 1)", (question, told)
            )
            return 1
        if kept[0] != question and kept[3]:
            raise UsageError(
                f"{self._name} belongs to another batch: {_difference(kept[1], told)}",
                hint="give another --out",
            )
        connection.execute(_NEXT_RUN, (question, told))
        return int(kept[2]) + 1

    def claim(self, ids: Sequence[str], *, retry_failed: bool = False) -> tuple[Claim, ...]:
        """Take items to ask about, in one transaction.

        Args:
            ids: Some dozens of them.
            retry_failed: Give out what failed or was interrupted, and nothing else.

        Returns:
            What is to be done about each; those that are ``new`` and ``again`` are under way now.
            One that is ``skipped`` is not marked in any way.
        """
        with self._database.transaction() as connection:
            claims = tuple(
                self._claim(connection, _key(one), retry_failed=retry_failed) for one in ids
            )
            begun = claims.count("new") + claims.count("again")
            if begun:
                connection.execute("UPDATE batch SET under_way = under_way + ?", (begun,))
        return claims

    def _claim(self, connection: Connection, key: bytes, *, retry_failed: bool) -> Claim:
        known = connection.execute(_KNOWN, (key,)).fetchone()
        if known is None:
            if retry_failed:
                return "skipped"
            connection.execute(_ADD, (key, _UNDER_WAY, self._run))
            return "new"
        number, state, run = known
        if run == self._run:
            return "repeated"
        claim: Claim = "again"
        if state == _ANSWERED:
            claim = "done"
        elif state == _FAILED:
            claim, state = ("again", _RETRIED) if retry_failed else ("failed", _FAILED)
        else:
            connection.execute("UPDATE batch SET interrupted = interrupted - 1")
        connection.execute(_MARK, (state, self._run, number))
        return claim

    def finish(self, finished: Finished) -> int:
        """Keep what became of one item; see :meth:`finish_all`."""
        return self.finish_all((finished,))[0]

    def finish_all(self, finished: Sequence[Finished]) -> tuple[int, ...]:
        """Keep what became of items, in one transaction.

        An item that is answered already stays as it is; only what was spent is added.

        Args:
            finished: The items, claimed or not.

        Returns:
            At which byte of the results file the line of each starts; -1 for one that adds no
            answered line.

        Raises:
            ValueError: A line is more than one line.
            StoreError: They cannot be kept.
        """
        for one in finished:
            if "\n" in one.line:
                raise ValueError(f"{one.id}: a line of results has no newline in it")
        with self._database.transaction() as connection:
            (length,) = connection.execute("SELECT length FROM batch").fetchone()
            sums = _Sums(length=length)
            starts = tuple(self._finish(connection, one, sums) for one in finished)
            connection.execute(
                _FINISH,
                (
                    sums.answered,
                    sums.failed,
                    sums.under_way,
                    sums.interrupted,
                    sums.length - length,
                    *_amounts(sums.spent),
                ),
            )
        return starts

    def _finish(self, connection: Connection, finished: Finished, sums: _Sums) -> int:
        key = _key(finished.id)
        number, state, run = connection.execute(_KNOWN, (key,)).fetchone() or (None, None, None)
        sums.spent += finished.spent
        if state == _ANSWERED:
            return -1
        number = self._end_item(connection, number, key, failed=finished.failed)
        again = state in (_RETRIED, _FAILED)
        if state in _BEGUN and run == self._run:
            sums.under_way -= 1
        elif state in _BEGUN:
            sums.interrupted -= 1
        if finished.failed:
            sums.failed += not again
            _keep_failure(connection, number, finished)
            return -1
        if again:
            sums.failed -= 1
            connection.execute("DELETE FROM failures WHERE number = ?", (number,))
        start = sums.length
        sums.answered += 1
        sums.length += _keep_line(connection, start, finished.line)
        return start

    def _end_item(
        self, connection: Connection, number: int | None, key: bytes, *, failed: bool
    ) -> int:
        state = _FAILED if failed else _ANSWERED
        if number is not None:
            connection.execute(_MARK, (state, self._run, number))
            return number
        added = connection.execute(_ADD, (key, state, self._run)).lastrowid
        assert added is not None
        return added

    def pay(self, spent: Spent) -> None:
        """Count what was spent on an item that is given back."""
        with self._database.transaction() as connection:
            connection.execute(_SPEND, _amounts(spent))

    def forget(self, one: str) -> None:
        """Forget an item that failed, as if it had never been seen."""
        with self._database.transaction() as connection:
            number, state, _ = connection.execute(_KNOWN, (_key(one),)).fetchone() or (0, -1, 0)
            if state == _FAILED:
                connection.execute("DELETE FROM failures WHERE number = ?", (number,))
                connection.execute("DELETE FROM items WHERE number = ?", (number,))
                connection.execute(_COUNT, (0, -1, 0, 0))

    def released(self, ids: Sequence[str]) -> None:
        """Give items back that were claimed in this run and not asked about.

        One that was retried has failed as before; any other was never seen.
        """
        if not ids:
            return
        with self._database.transaction() as connection:
            for one in ids:
                number, state, run = connection.execute(_KNOWN, (_key(one),)).fetchone() or (0,) * 3
                if run != self._run or state not in _BEGUN:
                    continue
                connection.execute("UPDATE batch SET under_way = under_way - 1")
                if state == _RETRIED:
                    connection.execute(_MARK, (_FAILED, 0, number))
                else:
                    connection.execute("DELETE FROM items WHERE number = ?", (number,))

    def failures(self) -> Iterator[FailedItem]:
        """What failed, in the order in which it was first claimed; some are read at once.

        Items may be claimed and finished meanwhile: none comes twice.
        """
        after = -1
        while rows := self._database.rows(_FAILURES, (after, _AT_ONCE)):
            for number, key, line, again, passing in rows:
                after = number
                yield FailedItem(id=_id(key), line=line, again=again, passing=bool(passing))

    def lines(self, from_offset: int = 0) -> Iterator[str]:
        """The answered lines in the order of the results file; some are read at once.

        Args:
            from_offset: Those that start at this byte of the results file or behind it.
        """
        after = from_offset - 1
        while (start := self._next_start(after + 1)) is not None:
            rows = self._database.rows(_LINES, (start, start + _BYTES_AT_ONCE))
            yield from (row[1] for row in rows)
            after = rows[-1][0]

    def _next_start(self, offset: int) -> int | None:
        rows = self._database.rows("SELECT min(start) FROM lines WHERE start >= ?", (offset,))
        return None if rows[0][0] is None else int(rows[0][0])

    def last_line(self, within: int) -> KeptLine | None:
        """The last answered line that is whole in so many bytes of the results file."""
        for start, line in self._database.rows(
            "SELECT start, line FROM lines WHERE start < ? ORDER BY start DESC LIMIT 2", (within,)
        ):
            if start + len(line_bytes(line)) <= within:
                return KeptLine(start=start, line=line)
        return None

    def length(self) -> int:
        """How many bytes all answered lines have, with their newlines."""
        return int(self._batch("length")[0])

    def counts(self) -> Counts:
        """How far the batch is; kept with every step, so it costs one small read."""
        answered, failed, under_way, interrupted = self._batch(
            "answered, failed, under_way, interrupted"
        )
        return Counts(
            answered=answered, failed=failed, under_way=under_way, interrupted=interrupted
        )

    def spent(self) -> Spent:
        """What all runs came to."""
        calls, cost, unpriced, read, written = self._batch(
            "calls, cost, unpriced, input_tokens, output_tokens"
        )
        return Spent(
            calls=calls, cost=cost, unpriced=unpriced, input_tokens=read, output_tokens=written
        )

    def has_file(self) -> bool:
        """Whether a results file was begun for this journal."""
        return bool(self._batch("file")[0])

    def begin_file(self) -> None:
        """Remember that a results file was begun."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE batch SET file = 1")

    def close(self) -> None:
        """End the run; the next may begin."""
        try:
            self._database.close()
        finally:
            self._lock.release()

    def _batch(self, columns: str) -> tuple[int, ...]:
        rows = self._database.rows(f"SELECT {columns} FROM batch")  # noqa: S608  ours alone
        return tuple(rows[0]) if rows else (0,) * (columns.count(",") + 1)


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _key(one: str) -> bytes:
    """An id as it is kept: names of files may be no Unicode."""
    return one.encode("utf-8", "surrogatepass")


def _id(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _keep_line(connection: Connection, start: int, line: str) -> int:
    """Keep an answered line, and give its bytes in the results file."""
    connection.execute("INSERT INTO lines VALUES (?, ?)", (start, _text(line)))
    return len(line_bytes(line))


def _keep_failure(connection: Connection, number: int, finished: Finished) -> None:
    """Keep a failure; it has no place in the results file before the run ends."""
    again = None if finished.again is None else _text(finished.again)
    connection.execute(
        "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
        (number, _text(finished.line), again, finished.passing),
    )


def _amounts(spent: Spent) -> tuple[float, ...]:
    return spent.calls, spent.cost, spent.unpriced, spent.input_tokens, spent.output_tokens


def _difference(kept: str, told: str) -> str:
    """In which of their lines two questions differ."""
    before = [line for line in kept.splitlines() if line not in told.splitlines()]
    now = [line for line in told.splitlines() if line not in kept.splitlines()]
    if not before and not now:
        return "what was asked or how differs"
    return f"{_shown(before)}, not {_shown(now)}"


def _shown(lines: list[str]) -> str:
    return one_line(", ".join(lines), limit=200) if lines else "nothing of the kind"
