"""Find plugins: those that are installed, and those that somebody names.

What is installed is found by the entry points of the group ``mediasense``; what is named is a file
or a module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediasense.hookspecs import PROJECT

GROUP = PROJECT
FILE_BYTES = 4 * 1024 * 1024
"""Of a plugin in one file at most."""

_METADATA_BYTES = 256 * 1024
_PACKAGE_FILES = 1000

Origin = Literal["installed", "config", "option"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """Where a plugin comes from: a line of a distribution's metadata, or what somebody named.

    Attributes:
        name: The plugin's name.
        module: The module to import, or the absolute path of the file.
        distribution, version: Who installed it. Of a file: the words that name it, and the
            beginning of a digest of its code, so that changed code is another version. Of a module
            that was named: its name, and ``""``; :func:`module_digest` tells its code.
        origin: Who named it: an installed distribution, the config file, or an option.
    """

    name: str
    module: str
    distribution: str
    version: str
    origin: Origin = "installed"

    def __str__(self) -> str:
        return f"{self.name} ({f'{self.distribution} {self.version}'.rstrip()})"

    @property
    def is_file(self) -> bool:
        """Whether it is a plugin in one file."""
        return self.origin != "installed" and names_a_file(self.module)


def named_plugin(named: str, origin: Origin = "option") -> EntryPoint:
    """The plugin that somebody names; nothing is run, and a file need not be there.

    Args:
        named: The path of a file, which has a separator in it or ends in ``.py``; or a module.
        origin: Who names it.
    """
    if not names_a_file(named):
        return EntryPoint(
            name=named.rpartition(".")[2] or repr(named),
            module=named,
            distribution=named,
            version="",
            origin=origin,
        )
    path = Path(named).absolute()
    return EntryPoint(
        name=path.stem,
        module=str(path),
        distribution=named,
        version=digest(read_bytes(path)),
        origin=origin,
    )


def same_code(entry_point: EntryPoint) -> object:
    """What two entry points have in common that lead to one module, or by two paths to one file."""
    if entry_point.is_file:
        try:
            found = Path(entry_point.module).stat()
        except (OSError, ValueError):
            return os.path.normpath(entry_point.module)
        return found.st_dev, found.st_ino
    return entry_point.module


def digest(data: bytes) -> str:
    """The version of code that has none; ``""`` where there is no code."""
    import hashlib

    return hashlib.sha256(data).hexdigest()[:8] if data else ""


def read_bytes(path: Path | str) -> bytes:
    """The beginning of a file; nothing where it is no file, or cannot be read."""
    try:
        path = Path(path)
        if not path.is_file():  # a pipe could be waited for without end
            return b""
        with path.open("rb") as file:
            return file.read(FILE_BYTES + 1)
    except (OSError, ValueError):
        return b""


def names_a_file(named: str) -> bool:
    """Whether a plugin is named by its file, and not as a module."""
    return named.endswith(".py") or os.sep in named or "/" in named


def module_digest(module: str) -> str:
    """A digest of the code of a module, or of the whole package it is in; none of it is run.

    Up to 1,000 files are read, so this is for those who need it.
    """
    from importlib.util import find_spec

    try:
        spec = find_spec(module.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return ""
    if spec is None or spec.origin is None:
        return ""
    if not spec.submodule_search_locations:
        return digest(read_bytes(Path(spec.origin)))
    return package_digest(spec.submodule_search_locations)


def package_digest(folders: Iterable[str]) -> str:
    """The version of a package that has none: of the code in its folders, 1,000 files at most."""
    files = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    return digest(b"\0".join(map(read_bytes, files[:_PACKAGE_FILES])))


def find_entry_points() -> Iterator[EntryPoint]:
    """The entry points of the group ``mediasense``, read straight from the metadata folders.

    ``importlib.metadata`` gives the same and costs 50 ms of every start, for its parser of
    e-mail headers.
    """
    seen: set[str] = set()
    for folder in dict.fromkeys(path or os.curdir for path in sys.path):
        try:
            with os.scandir(folder) as entries:
                names = [e.name for e in entries if e.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for name in sorted(names):
            distribution, _, version = name.rpartition(".")[0].partition("-")
            distribution = distribution.replace("_", "-").replace(".", "-").lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            if text := _read(f"{folder}/{name}/entry_points.txt"):
                yield from _parse(text, distribution, version.partition("-")[0])


def _read(path: str) -> str:
    """A metadata file that names the group, or nothing."""
    # Bare system calls: this runs for every distribution that is installed, at every start.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        data = os.read(descriptor, _METADATA_BYTES)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "replace") if GROUP.encode() in data else ""


def _parse(text: str, distribution: str, version: str) -> Iterator[EntryPoint]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, module = (part.strip() for part in line.partition("="))
            yield EntryPoint(name=name, module=module, distribution=distribution, version=version)
