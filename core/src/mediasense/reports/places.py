"""Where reports are written: whole or not at all, and over nothing but a report."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mediasense.errors import StoreError, UsageError
from mediasense.media.inspecting import display_name

MARK = b'<meta name="generator" content="mediasense report">'
"""Stands near the start of every page of ours."""

_HEAD_BYTES = 1000


def check_file(path: Path) -> None:
    """See that a report can be written to a path; without touching anything.

    Raises:
        UsageError: There is something else, or its folder is missing.
    """
    name = display_name(path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        _require_folder(path.parent)
        return
    except (OSError, ValueError) as error:
        raise _unusable(name, error) from None
    if stat.S_ISDIR(mode):
        inside = display_name(path / "report.html")
        raise UsageError(f"{name} is a folder", hint=f"give a file: --report {inside}")
    if not stat.S_ISREG(mode) or not is_report(path):
        raise UsageError(
            f"{name} is there already and is no report", hint="give another --report, or remove it"
        )


def check_folder(folder: Path) -> None:
    """See that a folder of reports is, or can be, at a path; without touching anything.

    Raises:
        UsageError: There is something else, or the folder above it is missing.
    """
    name = display_name(folder)
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        _require_folder(folder.absolute().parent)
        return
    except (OSError, ValueError) as error:
        raise _unusable(name, error) from None
    if not stat.S_ISDIR(mode):
        raise UsageError(f"{name} is no folder", hint="give a folder: --report reports")
    check_file(folder / "index.html")


def is_report(path: Path) -> bool:
    """Whether a file is a page of ours."""
    return MARK in head_of(path)


def head_of(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def write_page(path: Path, pieces: Iterable[str]) -> None:
    """Write a page for its owner alone; whoever reads meanwhile sees the old one or the new one.

    Args:
        path: Where; see :func:`check_file`.
        pieces: Its text, one piece after the other.

    Raises:
        UsageError: There is something else than a report.
        StoreError: It cannot be written.
    """
    check_file(path)
    try:
        # Made with mode 0600, whatever the umask.
        handle, made = tempfile.mkstemp(prefix=".report-", suffix=".html", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(pieces)
            Path(made).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(made).unlink()
            raise
    except OSError as error:
        raise StoreError(
            f"the report {display_name(path)} cannot be written: {error.strerror or error}",
            hint="give another --report",
        ) from None


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        name = display_name(folder)
        raise UsageError(f"there is no folder {name}", hint=f"type: mkdir -p {name}")


def _unusable(name: str, error: OSError | ValueError) -> UsageError:
    said = getattr(error, "strerror", None) or error
    return UsageError(f"{name} cannot be written: {said}", hint="give another --report")
