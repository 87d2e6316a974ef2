"""Find the plugins that are installed: the entry points of the group ``mediasense``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from mediasense.hookspecs import PROJECT

GROUP = PROJECT

_METADATA_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """One line of a distribution's metadata that names a plugin.

    Attributes:
        name: The plugin's name.
        module: The module to import.
        distribution, version: Who installed it.
    """

    name: str
    module: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


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
