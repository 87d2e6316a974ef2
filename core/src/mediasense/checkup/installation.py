"""What is installed: Python, mediasense, its plugins, and packages that some need."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from importlib.util import find_spec

from mediasense import runtime
from mediasense.checkup.records import Check, Finding, Status
from mediasense.errors import ConfigError
from mediasense.known import PACKAGES

_OLDEST_PYTHON = (3, 11)
_NAME = "mediasense"
_REQUIREMENT = re.compile(rf"{_NAME}(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;.*)?")
_BOUND = re.compile(r"\s*(>=|<)\s*([0-9][0-9.]*)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Optional:
    """A package that need not be there.

    Attributes:
        module: What is imported of it.
        purpose: What it is for.
        extra: How it is installed.
    """

    module: str
    purpose: str
    extra: str


_OPTIONAL = (
    _Optional(module="keyring", purpose="keys in the system keyring", extra="keyring"),
    _Optional(module="yt_dlp", purpose="links to sites with videos", extra="download"),
    _Optional(module="ray", purpose="batches on several machines", extra="ray"),
)

_found = partial(Finding, group="installation")


def installation_checks() -> tuple[Check, ...]:
    """The checks of this module."""
    makers = {
        "python": _python,
        "mediasense": _mediasense,
        "plugins": _plugins,
        "versions": _versions,
        "packages": _packages,
    }
    return tuple(Check(group="installation", name=n, run=run) for n, run in makers.items())


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] >= _OLDEST_PYTHON
    yield _found(
        name="python",
        status="ok" if fits else "failed",
        detail=f"{version} ({sys.executable})",
        hint="" if fits else "install Python 3.11 or newer",
    )


def _mediasense() -> Iterator[Finding]:
    try:
        yield _found(name=_NAME, status="ok", detail=metadata.version(_NAME))
    except metadata.PackageNotFoundError:
        yield _found(
            name=_NAME,
            status="warning",
            detail="it runs, and is not installed",
            hint="type: pip install mediasense",
        )


def _plugins() -> Iterator[Finding]:
    try:
        plugins = runtime.plugins()
    except ConfigError:
        detail = "the config file is broken, so no plugin was looked at"
        yield _found(name="plugins", status="note", detail=detail)
        return
    for failure in plugins.failures:
        yield _found(
            name=failure.entry_point.name,
            status="failed",
            detail=str(failure),
            hint="type: mediasense plugins",
        )
    failed = {failure.entry_point for failure in plugins.failures}
    for plugin in plugins.loaded:
        if plugin.entry_point in failed:
            continue
        point = plugin.entry_point
        count = len(plugin.providers)
        offered = f"{count} provider{'' if count == 1 else 's'}" if count else "no provider"
        detail = f"{point.distribution} {point.version}: {offered}".replace(" :", ":")
        yield _found(name=f"plugin {point.name}", status="ok", detail=detail)
    for point in plugins.switched_off:
        yield _found(name=f"plugin {point.name}", status="note", detail="it is switched off")
    for name, conflict in plugins.conflicts.items():
        yield _found(name=name, status="warning", detail=conflict.message, hint=conflict.hint)
    if not plugins.providers:
        yield _found(
            name="plugins",
            status="failed",
            detail="no plugin offers a provider",
            hint=f"type: pip install {next(iter(PACKAGES))} (it needs no key)",
        )


def _versions() -> Iterator[Finding]:
    """Plugins that are made for another mediasense; an installer that is forced lets them be."""
    try:
        core = metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        return
    for distribution in metadata.distributions(entry_points_group=_NAME):
        name = distribution.metadata["Name"]
        if not any(e.group == _NAME for e in distribution.entry_points):
            continue
        for requirement in distribution.requires or ():
            wanted = _REQUIREMENT.fullmatch(requirement)
            if wanted is not None and not fits(core, wanted[1]):
                yield _found(
                    name=name,
                    status="failed",
                    detail=f"it wants mediasense {wanted[1].strip()}, and this is {core}",
                    hint=f"type: pip install --upgrade mediasense {name}",
                )


def fits(version: str, bounds: str) -> bool:
    """Whether a version is within bounds such as ``>=0.1,<1``; other kinds are not judged."""
    for bound in bounds.split(","):
        found = _BOUND.fullmatch(bound)
        if found is None:
            continue
        own, other = _numbers(version), _numbers(found[2])
        if own < other if found[1] == ">=" else own >= other:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9.]*", version)
    numbers = [int(n[:9]) for n in (found[0] if found else "").split(".") if n]
    return (*numbers, 0, 0, 0, 0)[:4]


def _packages() -> Iterator[Finding]:
    for package in _OPTIONAL:
        there = find_spec(package.module) is not None
        status: Status = "ok" if there else "note"
        yield _found(
            name=package.module,
            status=status,
            detail=f"for {package.purpose}" if there else f"not there; for {package.purpose}",
            hint="" if there else f"type: pip install 'mediasense[{package.extra}]'",
        )
