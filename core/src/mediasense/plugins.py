"""Find, load and keep apart the plugins.

Each plugin loads alone: one that fails is remembered with its cause and never takes the others
down. Names that are switched off are never imported.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

from mediasense import hookspecs
from mediasense.errors import PluginError, ProviderConflict, one_line
from mediasense.names import HOOK_OF

if TYPE_CHECKING:
    from mediasense.providers import Provider

GROUP = hookspecs.PROJECT
DISABLE_VARIABLE = "MEDIASENSE_DISABLE_PLUGINS"

_ANSWERING = (*HOOK_OF.values(), "list_models")
_METADATA_BYTES = 256 * 1024
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


class Plugins:
    """Everything that was loaded, and everything that was not.

    The plugins are imported when this is made; what they offer is asked for when it is needed.

    Attributes:
        manager: The pluggy manager that holds the loaded plugins.
        disabled: The names that are switched off.
        switched_off: The entry points that bear them.
    """

    def __init__(self, entry_points: tuple[EntryPoint, ...], disabled: tuple[str, ...]) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.disabled = disabled
        self._failures: list[PluginFailure] = []
        self._registered: list[EntryPoint] = []
        self.switched_off: tuple[EntryPoint, ...] = tuple(
            entry_point for entry_point in entry_points if _plain(entry_point.name) in disabled
        )
        self._asked: _Offers | None = None
        self._lock = threading.Lock()
        for entry_point in sorted(entry_points, key=lambda e: e.name):
            if entry_point not in self.switched_off:
                self._register(entry_point)

    @property
    def loaded(self) -> tuple[Plugin, ...]:
        """The loaded plugins, in the order of loading, which is that of their names."""
        return self._offers.loaded

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The plugins that could not be loaded, or could not say what they offer."""
        _ = self._offers
        return tuple(self._failures)

    @property
    def providers(self) -> dict[str, Provider]:
        """Every provider by name, in the order of loading."""
        return self._offers.providers

    @property
    def owners(self) -> dict[str, Plugin]:
        """The plugin that offers each provider."""
        return self._offers.owners

    @property
    def conflicts(self) -> dict[str, ProviderConflict]:
        """For each name or alias that two plugins claim, the error to raise."""
        return self._offers.conflicts

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

    def _register(self, entry_point: EntryPoint) -> None:
        try:
            if self.manager.has_plugin(entry_point.name):
                raise PluginError(
                    f"another plugin is already named {entry_point.name!r}",
                    hint="uninstall one of them",
                )
            if ":" in entry_point.module:
                raise PluginError(
                    f"its entry point {entry_point.module!r} names an object",
                    hint="name the module alone",
                )
            module = import_module(entry_point.module)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            self._fail(entry_point, error)
            return
        try:
            self.manager.register(module, name=entry_point.name)
            self.manager.check_pending()
            if not self.manager.get_hookcallers(module):
                raise PluginError(
                    f"{entry_point.module} implements no hook",
                    hint="mark its functions with @hookimpl",
                )
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            self._unload(entry_point, error)
            return
        self._registered.append(entry_point)

    def _unload(self, entry_point: EntryPoint, error: BaseException) -> None:
        if self.manager.has_plugin(entry_point.name):
            self.manager.unregister(name=entry_point.name)
        self._fail(entry_point, error)

    def fail(self, name: str, error: BaseException) -> None:
        """Remember that a loaded plugin failed in one of its hooks; it stays loaded."""
        self._fail(next(e for e in self._registered if e.name == name), error)

    def _fail(self, entry_point: EntryPoint, error: BaseException) -> None:
        failure = PluginFailure(entry_point=entry_point, cause=_cause(error), error=error)
        self._failures.append(failure)

    @property
    def _offers(self) -> _Offers:
        with self._lock:
            if self._asked is None:
                self._asked = self._ask()
            return self._asked

    def _require_no_answers(self, module: Any) -> None:
        """A plugin without providers may wrap the hooks that answer, and not answer itself."""
        for caller in self.manager.get_hookcallers(module) or []:
            for implementation in caller.get_hookimpls():
                wraps = implementation.wrapper or implementation.hookwrapper
                if implementation.plugin is module and caller.name in _ANSWERING and not wraps:
                    raise PluginError(
                        f"it has {caller.name} and offers no provider",
                        hint="return its providers from capabilities(), or make it a wrapper",
                    )

    def _ask(self) -> _Offers:
        offers = _Offers(loaded=(), providers={}, owners={}, conflicts={})
        for entry_point in self._registered:
            module = self.manager.get_plugin(entry_point.name)
            callers = self.manager.get_hookcallers(module) or []
            hooks = tuple(sorted(caller.name for caller in callers))
            try:
                offered = _offered(module) if "capabilities" in hooks else ()
                if not offered:
                    self._require_no_answers(module)
                _require_hooks(offered, hooks)
            except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
                self._unload(entry_point, error)
                continue
            names = tuple(provider.name for provider in offered)
            plugin = Plugin(entry_point=entry_point, hooks=hooks, providers=names)
            offers = offers.with_plugin(plugin, offered)
        return offers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offers:
    """What the loaded plugins offer."""

    loaded: tuple[Plugin, ...]
    providers: dict[str, Provider]
    owners: dict[str, Plugin]
    conflicts: dict[str, ProviderConflict]

    def with_plugin(self, plugin: Plugin, offered: tuple[Provider, ...]) -> _Offers:
        """The same, and what one more plugin offers; the first to claim a name keeps it."""
        taken = {
            name: self.owners[provider.name]
            for provider in self.providers.values()
            for name in (provider.name, *provider.aliases)
        }
        claimed = [name for provider in offered for name in (provider.name, *provider.aliases)]
        fresh = {p.name: p for p in offered if p.name not in self.providers}
        return _Offers(
            loaded=(*self.loaded, plugin),
            providers={**self.providers, **fresh},
            owners={**self.owners, **dict.fromkeys(fresh, plugin)},
            conflicts={
                **self.conflicts,
                **{n: _conflict(n, taken[n], plugin) for n in claimed if n in taken},
            },
        )


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
    named = (*disabled, *_names(os.environ.get(DISABLE_VARIABLE, "")))
    return Plugins(entry_points, tuple(dict.fromkeys(map(_plain, named))))


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


def _offered(module: Any) -> tuple[Provider, ...]:
    from mediasense.providers import Provider

    offered = module.capabilities()
    if not isinstance(offered, tuple) or not all(isinstance(p, Provider) for p in offered):
        raise PluginError(
            "capabilities() did not return a tuple of Provider", hint="see mediasense.hookspecs"
        )
    for provider in offered:
        _require_possible_options(provider)
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


def _require_possible_options(provider: Provider) -> None:
    """The options that limits list must be fields of the requests they are about."""
    from mediasense.types import AudioRequest, ImageRequest, TextRequest, VideoRequest

    requests = {
        "image": ImageRequest,
        "video": VideoRequest,
        "audio": AudioRequest,
        "text": TextRequest,
    }
    for rules in (provider, *provider.models):
        for modality, request in requests.items():
            limits = getattr(rules, modality)
            listed = (
                (*limits.options, *(getattr(limits, "answer_options", None) or ()))
                if limits
                else ()
            )
            possible = {item.name for item in fields(request)}
            for option in listed:
                if option.removesuffix("_end") not in possible:
                    raise PluginError(
                        f"{provider.name}: {modality} has no option {option!r}",
                        hint="leave it out of the limits",
                    )


def _require_hooks(offered: tuple[Provider, ...], hooks: tuple[str, ...]) -> None:
    """What a provider declares, its plugin must have a hook for."""
    for provider in offered:
        for rules in (provider, *provider.models):
            for modality, hook in HOOK_OF.items():
                if getattr(rules, modality) is not None and hook not in hooks:
                    raise PluginError(
                        f"{provider.name} declares {modality}, and {hook} is missing",
                        hint="implement it, or leave the modality out",
                    )


def _conflict(name: str, one: Plugin, two: Plugin) -> ProviderConflict:
    return ProviderConflict(
        f"two plugins offer {name!r}: {one.entry_point} and {two.entry_point}",
        hint=f"switch one off: {DISABLE_VARIABLE}={two.entry_point.name}",
    )


def _plain(name: str) -> str:
    """A plugin's name, however it is spelled: as its entry point, or as its distribution is."""
    return name.lower().replace("-", "_").removeprefix("mediasense_")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _cause(error: BaseException) -> str:
    try:
        said = one_line(str(error))
    except Exception:  # noqa: BLE001  it is a stranger's __str__
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
