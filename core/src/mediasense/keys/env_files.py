"""Keys in ``.env`` files: those that the user names, and no other.

They are parsed and nothing else: no value is put into the environment, and ``${NAME}`` in a value
is the text it is. Format: https://saurabh-kumar.com/python-dotenv/#file-format (2026-11).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mediasense.config import NamedFile, config_path, env_file_of, env_file_of_environment
from mediasense.document import read_document
from mediasense.errors import ConfigError
from mediasense.keys import Kept, chosen_env_files
from mediasense.keys.fresh import Fresh

MAX_BYTES = 64 * 1024
_LONGEST_LINE = 10_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_USUAL = Path(".env")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """What an ``.env`` file says.

    Attributes:
        values: By name; the last one counts where a name comes twice. Never shown by ``repr``.
        odd: The lines that say nothing that can be understood, counted from 1.
        shared: Whether others may read it.
    """

    values: Mapping[str, str] = field(repr=False)
    odd: tuple[int, ...]
    shared: bool


def named_files() -> tuple[NamedFile, ...]:
    """The files that the user named, in the order in which they are looked into.

    Raises:
        ConfigError: The config file cannot be read.
    """
    options = [NamedFile(path=path, named_by="--env-file") for path in chosen_env_files()]
    others = (env_file_of_environment(), _configured())
    return (*options, *(named for named in others if named is not None))


def _configured() -> NamedFile | None:
    path = config_path()
    try:
        found = path.stat()
    except OSError:
        return None
    return _env_file_of(path, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=4)
def _env_file_of(path: Path, stamp: tuple[int, ...]) -> NamedFile | None:  # noqa: ARG001
    return env_file_of(read_document(path))


def find_in_env_files(variable: str) -> Kept | None:
    """What a variable holds in the first of the files that names it.

    Raises:
        ConfigError: A file that was named is not there, or cannot be read.
    """
    for named in named_files():
        if value := read_env_file(named).values.get(variable):
            return Kept(variable=variable, value=value, place=f"in {named.path}")
    return None


def read_env_file(named: NamedFile) -> EnvFile:
    """Read a file that the user named.

    Raises:
        ConfigError: It is not there, or cannot be read.
    """
    found = _files.of(named.path)
    if found is None:
        raise ConfigError(
            f"{named.named_by} names {named.path}, which does not exist", hint="check the path"
        )
    return found


def names_in_usual_file() -> frozenset[str]:
    """The names in the ``.env`` of the working directory, for a hint; no value is kept.

    Nothing where there is no such file, or where it cannot be read: nobody asked for it.
    """
    try:
        found = Fresh(_parsed, most=MAX_BYTES).of(_USUAL)
    except ConfigError:
        return frozenset()
    return (
        frozenset(name for name, value in found.values.items() if value) if found else frozenset()
    )


def _parsed(path: Path, found: os.stat_result, data: bytes) -> EnvFile:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", hint="save it as UTF-8") from None
    if max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
        raise ConfigError(
            f"{path} has a line of more than {_LONGEST_LINE} characters", hint="check the file"
        )
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    odd: list[int] = []
    for binding in parse_stream(io.StringIO(text)):
        name = binding.key
        if binding.error or (name is not None and not _NAME.fullmatch(name)):
            odd.append(binding.original.line)
        elif name is not None:
            values[name] = (binding.value or "").strip()
    return EnvFile(values=values, odd=tuple(odd), shared=bool(found.st_mode & 0o077))


_files = Fresh(_parsed, most=MAX_BYTES)
