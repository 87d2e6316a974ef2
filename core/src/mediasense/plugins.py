"""Find, load and keep apart the plugins.

Each plugin loads alone: one that fails is remembered with its cause and never takes the others
down. Names that are switched off are never imported.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pluggy

from mediasense import hookspecs
from mediasense.errors import PluginError, ProviderConflict
from mediasense.types import Provider

GROUP = hookspecs.PROJECT
DISABLE_VARIABLE = "MEDIASENSE_DISABLE_PLUGINS"

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin that is loaded.

    Attributes:
        entry_point: Where it came from.
        hooks: The names of the hooks it implements.
        providers: The names of the providers it offers.
    """

    entry_point: EntryPoint
    hooks: tuple[str, ...]
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be loaded, and why.

    Attributes:
        entry_point: Where it came from.
        cause: One line.
        error: The exception, for those who want its traceback.
    """

    entry_point: EntryPoint
    cause: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """Everything that was loaded, and everything that was not.

    Attributes:
        manager: The pluggy manager that holds the loaded plugins.
        loaded: In the order of loading, which is that of their names.
        failures: Those that could not be loaded.
        disabled: The names that are switched off.
        providers: Every provider by name, in the order of loading.
        owners: The plugin that offers each provider.
        conflicts: For each name or alias that two plugins claim, the error to raise.
    """

    manager: pluggy.PluginManager
    loaded: tuple[Plugin, ...]
    failures: tuple[PluginFailure, ...]
    disabled: tuple[str, ...]
    providers: dict[str, Provider]
    owners: dict[str, Plugin]
    conflicts: dict[str, ProviderConflict]

    def find(self, name: str) -> Provider | None:
        """The provider of that name or alias.

        Raises:
            ProviderConflict: Two plugins claim it.
        """
        if name in self.conflicts:
            raise self.conflicts[name]
        if name in self.providers:
            return self.providers[name]
        return next((p for p in self.providers.values() if name in p.aliases), None)


def load_plugins(
    entry_points: tuple[EntryPoint, ...] | None = None, *, disabled: tuple[str, ...] = ()
) -> Plugins:
    """Load every installed plugin that is not switched off.

    Args:
        entry_points: What to load; by default what is installed.
        disabled: Names to leave alone, besides those in ``MEDIASENSE_DISABLE_PLUGINS``.

    Returns:
        The loaded plugins, the failures and the table of providers.
    """
    if entry_points is None:
        entry_points = tuple(find_entry_points())
    disabled = (*disabled, *_names(os.environ.get(DISABLE_VARIABLE, "")))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in disabled:
        manager.set_blocked(name)
    loaded: list[Plugin] = []
    failures: list[PluginFailure] = []
    providers: dict[str, tuple[Provider, Plugin]] = {}
    conflicts: dict[str, ProviderConflict] = {}
    for entry_point in sorted(entry_points, key=lambda e: e.name):
        if manager.is_blocked(entry_point.name):
            continue
        try:
            plugin, offered = _load(manager, entry_point)
        except (Exception, SystemExit) as error:  # noqa: BLE001  any failure of a plugin is its own
            if manager.has_plugin(entry_point.name) and not _is_loaded(loaded, entry_point.name):
                manager.unregister(name=entry_point.name)
            failures.append(
                PluginFailure(entry_point=entry_point, cause=_cause(error), error=error)
            )
            continue
        loaded.append(plugin)
        for provider in offered:
            _claim(provider, plugin, providers, conflicts)
    return Plugins(
        manager=manager,
        loaded=tuple(loaded),
        failures=tuple(failures),
        disabled=tuple(disabled),
        providers={name: provider for name, (provider, _) in providers.items()},
        owners={name: plugin for name, (_, plugin) in providers.items()},
        conflicts=conflicts,
    )


def find_entry_points() -> Iterator[EntryPoint]:
    """The entry points of the group ``mediasense``, read straight from the metadata folders.

    ``importlib.metadata`` gives the same and costs 50 ms of every start, for its parser of
    e-mail headers.
    """
    seen: set[str] = set()
    for folder in dict.fromkeys(path or os.curdir for path in sys.path):
        try:
            with os.scandir(folder) as entries:
                metadata = sorted(
                    entry.name
                    for entry in entries
                    if entry.name.endswith((".dist-info", ".egg-info"))
                )
        except OSError:
            continue
        for name in metadata:
            distribution, _, version = name.rpartition(".")[0].partition("-")
            distribution = re.sub(r"[-_.]+", "-", distribution).lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            yield from _read(Path(folder, name, "entry_points.txt"), distribution, version)


def _read(path: Path, distribution: str, version: str) -> Iterator[EntryPoint]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, module = (part.strip() for part in line.partition("="))
            yield EntryPoint(
                name=name,
                module=module,
                distribution=distribution,
                version=version.partition("-")[0],
            )


def _load(
    manager: pluggy.PluginManager, entry_point: EntryPoint
) -> tuple[Plugin, tuple[Provider, ...]]:
    if manager.has_plugin(entry_point.name):
        raise PluginError(
            f"another plugin is already named {entry_point.name!r}", hint="uninstall one of them"
        )
    module = import_module(entry_point.module)
    manager.register(module, name=entry_point.name)
    manager.check_pending()
    callers = manager.get_hookcallers(module) or []
    hooks = tuple(sorted(caller.name for caller in callers))
    if not hooks:
        raise PluginError(
            f"{entry_point.module} implements no hook", hint="mark its functions with @hookimpl"
        )
    offered = _offered(module) if "capabilities" in hooks else ()
    names = tuple(provider.name for provider in offered)
    return Plugin(entry_point=entry_point, hooks=hooks, providers=names), offered


def _offered(module: ModuleType) -> tuple[Provider, ...]:
    offered = module.capabilities()
    if not isinstance(offered, tuple) or not all(isinstance(p, Provider) for p in offered):
        raise PluginError(
            "capabilities() did not return a tuple of Provider", hint="see mediasense.hookspecs"
        )
    for provider in offered:
        for name in (provider.name, *provider.aliases):
            if not _PROVIDER_NAME.fullmatch(name):
                raise PluginError(
                    f"{name!r} is no provider name", hint="use lower-case letters, digits, - and _"
                )
    names = [name for provider in offered for name in (provider.name, *provider.aliases)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PluginError(f"capabilities() names {twice!r} twice", hint="name each provider once")
    return offered


def _claim(
    provider: Provider,
    plugin: Plugin,
    providers: dict[str, tuple[Provider, Plugin]],
    conflicts: dict[str, ProviderConflict],
) -> None:
    for name in (provider.name, *provider.aliases):
        rival = next(
            (owner for other, owner in providers.values() if name in (other.name, *other.aliases)),
            None,
        )
        if rival is not None:
            one, two = rival.entry_point, plugin.entry_point
            conflicts[name] = ProviderConflict(
                f"two plugins offer {name!r}: {one} and {two}",
                hint=f"switch one off: {DISABLE_VARIABLE}={two.name}",
            )
    if provider.name not in providers:
        providers[provider.name] = provider, plugin


def _is_loaded(loaded: list[Plugin], name: str) -> bool:
    return any(plugin.entry_point.name == name for plugin in loaded)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _cause(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
