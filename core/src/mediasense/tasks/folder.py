"""Where tasks are: those that come with mediasense, and the user's own, which come before them."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from mediasense.config import config_path
from mediasense.errors import ConfigError, UsageError, one_line
from mediasense.private import make_folder
from mediasense.tasks.reading import SCHEMA_ENDING, read_task
from mediasense.tasks.records import Task

_OURS = Path(__file__).parent
_ENDING = ".toml"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
_MOST = 1000
"""Files of the user's folder that are looked at."""


def tasks_path() -> Path:
    """The folder of the user's own tasks, beside the config file; it may not be there."""
    return config_path().parent / "tasks"


def task_names() -> tuple[str, ...]:
    """The names of all tasks, in order; no file is read for them."""
    return tuple(sorted({*_names_in(_OURS), *_names_in(tasks_path())}))


def find_task(name: str) -> Task:
    """The task of that name: the user's own, or else the one that comes with mediasense.

    Args:
        name: As ``mediasense tasks`` lists it; never a path.

    Raises:
        UsageError: There is none; the hint names one that may be meant.
        ConfigError: Its file is wrong.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        for folder in (tasks_path(), _OURS):
            try:
                return _read(folder, name)
            except FileNotFoundError:
                continue
    near = difflib.get_close_matches(str(name), task_names(), 1)
    raise UsageError(
        f"there is no task {one_line(repr(name), limit=60)}",
        hint=f"did you mean {near[0]}?" if near else "type: mediasense tasks",
    )


def list_tasks(*, on_problem: Callable[[ConfigError], None] | None = None) -> tuple[Task, ...]:
    """All tasks, in the order of their names.

    Args:
        on_problem: Called for a file of the user's that is wrong, which is then left out.

    Raises:
        ConfigError: A file is wrong, and nobody is to be told of it.
    """
    found = []
    for name in task_names():
        try:
            found.append(find_task(name))
        except ConfigError as error:
            if on_problem is None:
                raise
            on_problem(error)
    return tuple(found)


def copy_task(name: str) -> Path:
    """Copy a task that comes with mediasense into the user's folder, to be changed there.

    Args:
        name: Which one.

    Returns:
        The file to change.

    Raises:
        UsageError: It does not come with mediasense, or the user has one of that name.
        ConfigError: The folder cannot be written.
    """
    task = find_task(name)
    if task.path is not None:
        raise UsageError(f"{task.path} is there already", hint="change that file")
    folder = tasks_path()
    made = folder / (name + _ENDING)
    try:
        make_folder(folder)
        for ending in (SCHEMA_ENDING, _ENDING):  # the file that makes it a task comes last
            ours = _OURS / (name + ending)
            if ours.is_file():
                _copy(ours, folder / ours.name)
    except FileExistsError as error:
        raise UsageError(f"{error.filename} is there already", hint="change that file") from None
    except OSError as error:
        raise ConfigError(
            f"{made} cannot be written: {error.strerror or error}", hint="check the folder"
        ) from None
    return made


def _copy(source: Path, target: Path) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, source.open("rb") as read:
        shutil.copyfileobj(read, file)


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST), strict=False)]
    except OSError:
        return []
    stems = [name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)]
    return [stem for stem in stems if _NAME.fullmatch(stem)]


def _read(folder: Path, name: str) -> Task:
    path = folder / (name + _ENDING)
    return _read_once(path, name, (_state(path), _state(folder / (name + SCHEMA_ENDING))))


@lru_cache(maxsize=256)
def _read_once(path: Path, name: str, _states: object) -> Task:
    """The same file is not read for each file of a batch; one that was written is read anew."""
    return read_task(path, name, own=path.parent != _OURS)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
