"""Load and keep apart the plugins.

Each plugin loads alone: one that fails is remembered with its cause and never takes the others
down. Names that are switched off are never imported.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

from mediasense import hookspecs
from mediasense.discovery import EntryPoint, find_entry_points
from mediasense.errors import PluginError, ProviderConflict, one_line
from mediasense.names import HOOK_OF
from mediasense.offers import DISABLE_VARIABLE, Offers, Plugin, offered_by, require_hooks

if TYPE_CHECKING:
    from mediasense.providers import Provider

_ANSWERING = (*HOOK_OF.values(), "list_models")


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
        self._asked: Offers | None = None
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
    def _offers(self) -> Offers:
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

    def _ask(self) -> Offers:
        offers = Offers(loaded=(), providers={}, owners={}, conflicts={})
        for entry_point in self._registered:
            module = self.manager.get_plugin(entry_point.name)
            callers = self.manager.get_hookcallers(module) or []
            hooks = tuple(sorted(caller.name for caller in callers))
            try:
                offered = offered_by(module) if "capabilities" in hooks else ()
                if not offered:
                    self._require_no_answers(module)
                require_hooks(offered, hooks)
            except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
                self._unload(entry_point, error)
                continue
            names = tuple(provider.name for provider in offered)
            plugin = Plugin(entry_point=entry_point, hooks=hooks, providers=names)
            offers = offers.with_plugin(plugin, offered)
        return offers


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
