"""What is kept on the disk, whether there is room, and what the terminal can show."""

from __future__ import annotations

import locale
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mediasense import runtime
from mediasense.checkup.records import Check, Finding, Status
from mediasense.config import cache_path, history_path
from mediasense.steps import size

_LITTLE = 1_000_000_000
_TOO_LITTLE = 100_000_000
"""Bytes; a video that is being cut needs some hundred million."""
_INTEGRITY_SECONDS = 10.0
_STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock."""

_found = partial(Finding, group="storage")


def storage_checks() -> tuple[Check, ...]:
    """The checks of this module."""
    makers = {
        "cache": _cache,
        "history": _history,
        "disk": _disk,
        "temporary files": _temporary,
        "terminal": _terminal,
    }
    return tuple(Check(group="storage", name=n, run=run) for n, run in makers.items())


def _cache() -> Iterator[Finding]:
    if not runtime.config().cache:
        yield _found(name="cache", status="note", detail="it is switched off")
        return
    yield _database("cache", cache_path(), "mediasense cache clear")


def _history() -> Iterator[Finding]:
    if not runtime.config().history:
        yield _found(name="history", status="note", detail="it is switched off")
        return
    yield _database("history", history_path(), "mediasense history")


def _database(name: str, path: Path, command: str) -> Finding:
    """One of our files: how large, whether whole, and whether its owner's alone."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return _found(name=name, status="ok", detail=f"nothing yet; it would be {path}")
    if stat.st_mode & 0o077:
        return _found(
            name=name,
            status="warning",
            detail=f"others may read {path}",
            hint=f"type: chmod 600 '{path}'",
        )
    damage = _damage(path)
    if damage is None:
        detail = f"{path}, {size(stat.st_size)}; it was too large to be checked in time"
        return _found(name=name, status="note", detail=detail)
    if damage:
        return _found(
            name=name,
            status="failed",
            detail=f"{path} is damaged: {damage}",
            hint=f"type: {command}, or move the file away",
        )
    return _found(name=name, status="ok", detail=f"{path}, {size(stat.st_size)}, whole")


def _damage(path: Path) -> str | None:
    """What SQLite says is wrong: nothing, or a sentence; ``None`` when it takes too long."""
    import sqlite3
    from urllib.parse import quote

    end = time.monotonic() + _INTEGRITY_SECONDS
    try:
        # Read only: whoever looks must not change anything.
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return None
        return str(error)
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else str(said)


def _disk() -> Iterator[Finding]:
    for name, path in (
        ("disk", cache_path().parent),
        ("temporary disk", Path(tempfile.gettempdir())),
    ):
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        free = shutil.disk_usage(there).free
        status: Status = "ok"
        if free < _LITTLE:
            status = "failed" if free < _TOO_LITTLE else "warning"
        yield _found(
            name=name,
            status=status,
            detail=f"{size(free)} free where {path} is",
            hint="" if status == "ok" else "make room, or type: mediasense cache prune",
        )


def _temporary() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
    except OSError as error:
        yield _found(
            name="temporary files",
            status="failed",
            detail=f"none can be made in {tempfile.gettempdir()}: {error.strerror}",
            hint="type: export TMPDIR=FOLDER",
        )
        return
    yield _found(name="temporary files", status="ok", detail=f"in {tempfile.gettempdir()}")


def _terminal() -> Iterator[Finding]:
    encoding = getattr(sys.stderr, "encoding", None) or locale.getpreferredencoding(
        do_setlocale=False
    )
    unicode = encoding.lower().replace("-", "").startswith("utf8")
    yield _found(
        name="terminal",
        status="ok" if unicode else "warning",
        detail=f"{encoding}" if unicode else f"{encoding} cannot show every answer",
        hint="" if unicode else "type: export PYTHONUTF8=1",
    )
