"""One SQLite file: made when first needed, its owner's alone, safe for threads and processes.

A process that is killed loses nothing that was committed (WAL; a power cut may lose the last
moments of ``synchronous=NORMAL``: https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import shlex
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import StoreError, one_line
from mediasense.private import (
    BESIDE,
    PATIENCE,
    alone_in,
    identity,
    keep_private,
    make_file,
    make_folder,
)
from mediasense.store.forks import mind_forks

if TYPE_CHECKING:
    import sqlite3

_WAL_BYTES = 4 << 20
"""What is left of the write-ahead log once all of it is in the file."""


_copies: list[sqlite3.Connection] = []
"""Connections of the process this one was forked from; it must not even close them."""


class Renewed(StoreError):
    """A damaged file that is disposable was begun anew: what was asked can be asked again."""


class Database:
    """One SQLite file: made when first needed, its owner's alone, safe for threads and processes.

    Nothing is opened before the first use, and it can be used again after :meth:`close` and in
    a forked process.

    Args:
        path: The file; its folder is made where it is missing.
        what: Its name in errors: ``cache``, ``history``, ``journal``. A file made under one name
            is not taken for another.
        version: Of the tables, from 1; kept as ``PRAGMA user_version``.
        schema: SQL that makes the tables in an empty file.
        disposable: A damaged file, or one of another version, is set aside and begun anew; without
            it both are a :class:`StoreError`. A database of another program is never touched.
    """

    def __init__(
        self, path: Path, *, what: str, version: int, schema: str, disposable: bool = False
    ) -> None:
        self.path = path.absolute()
        self.what = what
        self.version = version
        self.disposable = disposable
        self._schema = schema
        self._application = zlib.crc32(f"mediasense {what}".encode()) & 0x7FFFFFFF
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._orphan = False
        mind_forks(self)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: committed at the end, rolled back on any exception.

        One thread and one process at a time; others wait up to 10 s.

        Raises:
            Renewed: It was damaged, is disposable and was begun anew.
            StoreError: It cannot be opened, read or written, or was taken away meanwhile.
        """
        import sqlite3

        with self._lock:
            connection = self._in_place()
            assert not connection.in_transaction, "a transaction inside another"
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                # A process forked in between has a copy that is not its own.
                if connection is self._connection:
                    connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(connection)
                if isinstance(error, sqlite3.Error):
                    raise self._failed(error) from None
                raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Read outside a transaction.

        Args:
            sql: One statement.
            parameters: Its values.

        Raises:
            Renewed: It was damaged, is disposable and was begun anew.
            StoreError: It cannot be opened or read.
        """
        import sqlite3

        with self._lock:
            connection = self._connection or self._open()
            try:
                found: list[sqlite3.Row] = connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._failed(error) from None
            return found

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    # --- forks (see mediasense.store.forks) ------------------------------------------------------

    def before_fork(self) -> bool:
        """Let go of the file, but not in the middle of a transaction of this thread."""
        if not self._lock.acquire(timeout=PATIENCE):
            return False
        if self._connection is not None and not self._connection.in_transaction:
            self.close()
        return True

    def after_fork(self) -> None:
        """Let others go on."""
        self._lock.release()

    def in_child(self) -> None:
        """Go on in the new process; not where a transaction was under way."""
        self._lock = threading.RLock()
        if self._connection is not None:
            _copies.append(self._connection)
            self._connection, self._orphan = None, True

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        import sqlite3

        if connection is self._connection and connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    # --- opening ---------------------------------------------------------------------------------

    def _in_place(self) -> sqlite3.Connection:
        """The connection to the file that is at the path now.

        Without this, what is written after somebody removed the file would be gone.
        """
        connection = self._connection or self._open()
        if identity(self.path) == self._identity:
            return connection
        if not self.disposable:
            raise StoreError(
                f"the {self.what} {self.path} was removed or replaced while it was in use",
                hint="begin again",
            )
        self.close()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self._orphan:
            raise StoreError(
                f"the {self.what} {self.path} was being written when this process was forked",
                hint="fork before, or start processes with spawn",
            )
        try:
            make_folder(self.path.parent)
            with alone_in(self.path.parent):
                self._connection = self._connected()
                self._identity = identity(self.path)
        except sqlite3.Error as error:
            raise self._error(error) from None
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise StoreError(
                f"the {self.what} {self.path} cannot be used: {said}",
                hint=f"check that you may write to {self.path.parent}",
            ) from None
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        """A connection to the file, made or begun anew where that is needed."""
        import sqlite3

        make_file(self.path)
        try:
            return self._connect()
        except sqlite3.Error as error:
            if not (self.disposable and _is_damage(error)):
                raise
            self._set_aside(error)
        except _OtherVersion as error:
            # Two versions in use at once would otherwise undo each other's work without end.
            if not self.disposable or self._identity is not None:
                raise error.told(self) from None
            self._remove()
        make_file(self.path)
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(
            # SQLite must not make the file: its owner would not be the only one to read it.
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.row_factory = sqlite3.Row
            self._check_owner(connection)
            keep_private(self.path)
            if _is_empty(connection):
                # Only before anything else is in it; afterwards it would only be one more write.
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            _patiently(connection, "PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
            self._make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        """See that another program's file is left as it is."""
        if _is_empty(connection):
            return
        if _number(connection, "PRAGMA application_id") != self._application:
            raise StoreError(
                f"{self.path} is a database, and not a {self.what} of mediasense",
                hint="name another file, or move this one away",
            )

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        """Make the tables where there are none, and see that they are of our version."""
        if _is_empty(connection):
            connection.execute("BEGIN IMMEDIATE")
            if _is_empty(connection):
                for statement in _statements(self._schema):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={self._application}")
                connection.execute(f"PRAGMA user_version={self.version}")
            connection.execute("COMMIT")
        found = _number(connection, "PRAGMA user_version")
        if found != self.version:
            raise _OtherVersion(found)

    # --- failing ---------------------------------------------------------------------------------

    def _failed(self, error: sqlite3.Error) -> StoreError:
        """The error to raise; a damaged file that is disposable is begun anew first."""
        if not (self.disposable and _is_damage(error)):
            return self._error(error)
        try:
            with alone_in(self.path.parent):
                # Another process may have been first; its new file is not to be lost. Our
                # connection is still open, so no new file can have the number of the damaged one.
                if identity(self.path) == self._identity:
                    self._set_aside(error)
        except OSError:
            return self._error(error)
        self.close()
        return Renewed(
            f"the {self.what} {self.path} was damaged ({_said(error)}) and is begun anew",
            hint="try again",
        )

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Take a damaged file away, and keep it where it may never have been ours."""
        import sqlite3

        if _code(error) == sqlite3.SQLITE_NOTADB:
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
        self._remove()

    def _remove(self) -> None:
        # The log first: one that is left alone would be played back into the next file.
        for suffix in (*BESIDE, ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _error(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"the {self.what} {self.path} cannot be used: {_said(error)}", hint=self._hint(error)
        )

    def _hint(self, error: sqlite3.Error) -> str:
        import sqlite3

        code = _code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return "another process holds it: try again when that is done"
        if code == sqlite3.SQLITE_FULL:
            return "free some room on its disk"
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return f"check that you may write to {self.path.parent}"
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS):
            return "check its disk: it has to be one of this machine, with room, not a network's"
        if _is_damage(error):
            file, away = shlex.quote(str(self.path)), shlex.quote(f"{self.path}.damaged")
            return f"move it away to begin a new one: mv {file} {away}"
        return "check the file"


class _OtherVersion(Exception):
    """The file has tables of another version."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found

    def told(self, database: Database) -> StoreError:
        newer = self.found > database.version
        return StoreError(
            f"the {database.what} {database.path} has version {self.found}, and this mediasense "
            f"knows version {database.version}",
            hint="upgrade mediasense, or move it away" if newer else "move it away",
        )


# --- SQL -----------------------------------------------------------------------------------------


def _code(error: sqlite3.Error) -> int:
    """SQLite's number of a failure; 0 where Python itself failed."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


_NOT_TEXT = "Could not decode"
_NO_TABLE = ("no such table", "no such column", "has no column")


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is to blame: our own SQL fits the tables that we made."""
    import sqlite3

    if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    return str(error).startswith(_NOT_TEXT) or any(words in str(error) for words in _NO_TABLE)


def _said(error: sqlite3.Error) -> str:
    """What SQLite said; Python adds what is kept, which is nobody's but the owner's."""
    return "text in it is damaged" if str(error).startswith(_NOT_TEXT) else one_line(str(error))


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not _number(connection, "SELECT count(*) FROM sqlite_master")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script: ``executescript`` would end the transaction around it."""
    import sqlite3

    statement = ""
    for piece in script.split(";")[:-1]:
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement, "a script ends with a semicolon"


def _patiently(connection: sqlite3.Connection, sql: str) -> None:
    """Execute what SQLite itself does not wait for: changing the journal's mode."""
    import sqlite3

    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(sql)
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
