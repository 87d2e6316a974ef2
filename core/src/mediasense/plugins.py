"""Load and keep apart the plugins.

Each plugin loads alone: one that fails is remembered with its cause and never takes the others
down. Names that are switched off are never imported. Plugins are asked in the order of their names:
the first wrapper stands around all others.
"""

from __future__ import annotations

import copy
import difflib
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from mediasense import hookspecs
from mediasense.discovery import EntryPoint, Origin, find_entry_points, same_code
from mediasense.errors import ConfigError, PluginError, ProviderConflict
from mediasense.failures import PluginFailure, has_to_be, mending, own_mistake
from mediasense.loading import (
    CAPABILITIES,
    COMMANDS,
    IMPORT,
    Phase,
    Watch,
    cause_of,
    import_plugin,
    require_hooks_fit,
    unmarked,
    without_core,
)
from mediasense.names import HOOK_OF
from mediasense.offers import (
    DISABLE_VARIABLE,
    Implementation,
    Offers,
    Plugin,
    offered_by,
    require_hooks,
)

if TYPE_CHECKING:
    from mediasense.endpoints import Endpoint
    from mediasense.providers import Provider
    from mediasense.tracing import OnTrace, Tracer

STRICT_VARIABLE = "MEDIASENSE_STRICT_PLUGINS"

Result = TypeVar("Result")

_ANSWERING = (*HOOK_OF.values(), "list_models")


class Plugins:
    """Everything that was loaded, and everything that was not.

    The plugins are imported when this is made; what they offer is asked for when it is needed.

    Attributes:
        manager: The pluggy manager that holds the loaded plugins.
        disabled: The names that are switched off.
        switched_off: The entry points that bear them.
    """

    def __init__(
        self,
        entry_points: tuple[EntryPoint, ...],
        disabled: tuple[str, ...],
        endpoints: tuple[Endpoint, ...] = (),
        on_trace: OnTrace | None = None,
        named: Mapping[str, Origin] | None = None,
    ) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.disabled = disabled
        self._named = named or {}
        self._failures: list[PluginFailure] = []
        self._modules: dict[EntryPoint, Any] = {}
        self._watches: dict[str, Watch] = {}
        self._tracer = _tracer(on_trace)
        self.switched_off: tuple[EntryPoint, ...] = tuple(
            entry_point for entry_point in entry_points if _plain(entry_point.name) in disabled
        )
        self._endpoints = endpoints
        self._asked: Offers | None = None
        self._lock = threading.Lock()
        for entry_point in sorted(entry_points, key=lambda e: e.name):
            if entry_point not in self.switched_off:
                self._load(entry_point)
        # Of wrappers pluggy takes the last one registered for the outermost.
        for entry_point in reversed(tuple(self._modules)):
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
    def failures_so_far(self) -> tuple[PluginFailure, ...]:
        """The same as far as is known: nobody is asked what it offers, which takes a while."""
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

    @property
    def broken(self) -> dict[str, ConfigError]:
        """For each endpoint of the config file that cannot be, the error to raise."""
        return self._offers.broken

    def find(self, name: str) -> Provider | None:
        """The provider of that name or alias.

        Raises:
            ConfigError: The config file describes it, and it cannot be.
            ProviderConflict: Two plugins claim it.
        """
        if name in self.conflicts:
            raise self.conflicts[name]
        if name in self.broken:
            raise self.broken[name]
        if name in self.providers:
            return self.providers[name]
        return next((p for p in self.providers.values() if name in p.aliases), None)

    def with_endpoints(self, endpoints: tuple[Endpoint, ...]) -> Plugins:
        """The same plugins, and other endpoints than this machine's config file describes."""
        twin = copy.copy(self)
        twin._asked = self._offers.with_endpoints(endpoints)
        return twin

    def implementations(self, name: str) -> tuple[Implementation, ...]:
        """The hooks of a loaded plugin, by name."""
        module = self.manager.get_plugin(name)
        return tuple(
            Implementation(
                hook=caller.name,
                wraps=found.wrapper or found.hookwrapper,
                first=found.tryfirst,
                last=found.trylast,
            )
            for caller in sorted(self.manager.get_hookcallers(module) or (), key=lambda c: c.name)
            for found in caller.get_hookimpls()
            if found.plugin is module
        )

    def remarks(self, entry_point: EntryPoint) -> tuple[str, ...]:
        """What there is to remark on a plugin: what it printed, and what it was warned of."""
        watch = self._watches.get(entry_point.name)
        if watch is None or watch.entry_point != entry_point:
            return ()
        return tuple(dict.fromkeys(watch.remarks))

    def add_commands(self, name: str, act: Callable[[], Result]) -> Result:
        """Let a plugin add its commands.

        Raises:
            PluginError: That does not end.
            BaseException: What the plugin raises.
        """
        return self._watches[name].run(act, COMMANDS)

    def fail_commands(self, name: str, error: BaseException) -> None:
        """Remember that a loaded plugin could not add its commands; it stays loaded."""
        self._fail(next(e for e in self._modules if e.name == name), error, loaded=True)

    def is_there(self, name: str) -> bool:
        """Whether a plugin has that name: one that is loaded, that failed or is switched off."""
        return _plain(name) in self._names

    def near(self, name: str) -> str | None:
        """The name of the plugin that could be meant by one that no plugin has."""
        found = difflib.get_close_matches(_plain(name), self._names, 1)
        return self._names[found[0]] if found else None

    @property
    def _names(self) -> dict[str, str]:
        """Every plugin's name, by the plain form of it."""
        points = [watch.entry_point for watch in self._watches.values()]
        points += [failure.entry_point for failure in self._failures]
        return {_plain(point.name): point.name for point in (*points, *self.switched_off)}

    def require_sound(self, *, strict: bool, place: Callable[[], str] = str) -> None:
        """Check that all is well with the plugins that matter.

        Args:
            strict: Whether nothing may be wrong with any of them; otherwise those that somebody
                names must have been loaded, for one may be a rule that has to hold.
            place: Tells where the config file names plugins, for the message.

        Raises:
            PluginError: All that is wrong.
        """
        failed = [f for f in self.failures if strict or has_to_be(f, self._named)]
        wrong = list(map(str, failed))
        if strict:
            wrong += map(str, (*self.conflicts.values(), *self.broken.values()))
            asked = (watch.entry_point for watch in self._watches.values())
            wrong += [f"plugin {each}: {said}" for each in asked for said in self.remarks(each)]
        if wrong:
            told = f"{len(wrong)} things are wrong with plugins: " if len(wrong) > 1 else ""
            hint = mending(failed, self._named, place)
            raise PluginError(told + "; ".join(wrong), hint=hint) from own_mistake(failed)

    def _load(self, entry_point: EntryPoint) -> None:
        watch = Watch(entry_point)
        try:
            self._require_new(entry_point)
            self._watches[entry_point.name] = watch
            module = watch.run(lambda: import_plugin(entry_point), IMPORT)
            require_hooks_fit(entry_point, module)
            self._require_other_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            self._fail(entry_point, error)
            return
        finally:
            self._trace(watch, IMPORT)
        watch.remarks += [f"its {name} is not marked with @hookimpl" for name in unmarked(module)]
        self._modules[entry_point] = module

    def _require_new(self, entry_point: EntryPoint) -> None:
        other = self._watches.get(entry_point.name)
        if other is None:
            return
        hint = "give the file another name" if entry_point.is_file else "uninstall one of them"
        raise PluginError(
            f"another plugin is already named {entry_point.name!r}: {other.entry_point}", hint=hint
        )

    def _require_other_module(self, module: Any) -> None:
        for entry_point, loaded in self._modules.items():
            if loaded is module:
                raise PluginError(f"it is the same module as {entry_point}", hint="name it once")

    def _register(self, entry_point: EntryPoint) -> None:
        module = self._modules[entry_point]
        try:
            with self._watches[entry_point.name].warned():
                self.manager.register(module, name=entry_point.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
            del self._modules[entry_point]
            self._fail(entry_point, error)
            return
        if self._tracer is not None:
            self._trace_hooks(self._tracer, entry_point, module)

    def _trace_hooks(self, tracer: Tracer, entry_point: EntryPoint, module: Any) -> None:
        for caller in self.manager.get_hookcallers(module) or ():
            for found in caller.get_hookimpls():
                if found.plugin is module:
                    around = tracer.around(found, _in_short(entry_point), caller.name)
                    found.function = around  # type: ignore[misc]

    def _trace(self, watch: Watch, phase: Phase) -> None:
        if self._tracer is None or phase.name not in watch.seconds:
            return
        failed = any(failure.entry_point == watch.entry_point for failure in self._failures)
        self._tracer.tell(
            phase.name,
            _in_short(watch.entry_point),
            watch.seconds[phase.name],
            "failed" if failed else "done",
        )

    def _unload(self, entry_point: EntryPoint, error: BaseException) -> None:
        self.manager.unregister(name=entry_point.name)
        self._fail(entry_point, error)

    def _fail(self, entry_point: EntryPoint, error: BaseException, *, loaded: bool = False) -> None:
        failure = PluginFailure(
            entry_point=entry_point,
            cause=cause_of(error, entry_point),
            error=without_core(error),
            loaded=loaded,
        )
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
        for entry_point, module in self._modules.items():
            callers = self.manager.get_hookcallers(module) or []
            hooks = tuple(sorted(caller.name for caller in callers))
            watch = self._watches[entry_point.name]
            try:
                offered = (
                    watch.run(partial(offered_by, module), CAPABILITIES)
                    if "capabilities" in hooks
                    else ()
                )
                if not offered:
                    self._require_no_answers(module)
                require_hooks(offered, hooks)
            except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's failure is its own
                self._unload(entry_point, error)
                continue
            finally:
                self._trace(watch, CAPABILITIES)
            names = tuple(provider.name for provider in offered)
            plugin = Plugin(entry_point=entry_point, hooks=hooks, providers=names)
            offers = offers.with_plugin(plugin, offered)
        return offers.with_endpoints(self._endpoints)


def load_plugins(
    entry_points: tuple[EntryPoint, ...] | None = None,
    *,
    disabled: tuple[str, ...] = (),
    endpoints: tuple[Endpoint, ...] = (),
    named: tuple[EntryPoint, ...] = (),
    on_trace: OnTrace | None = None,
) -> Plugins:
    """Load every installed plugin that is not switched off.

    Args:
        entry_points: What to load; by default what is installed.
        disabled: Names to leave alone, besides those in ``MEDIASENSE_DISABLE_PLUGINS``.
        endpoints: What the config file describes besides, each of which a plugin serves.
        named: What is loaded besides; what is named twice, or installed too, is loaded once. All
            of it has to load: see :meth:`Plugins.require_sound`.
        on_trace: Told of each hook that is called; without it nothing is measured.

    Returns:
        The loaded plugins, the failures and the table of providers.
    """
    if entry_points is None:
        entry_points = tuple(find_entry_points())
    first = {same_code(point): point for point in (*named[::-1], *entry_points[::-1])}
    besides = tuple(point for point in named if first[same_code(point)] is point)
    off = (*disabled, *disabled_by_variable())
    return Plugins(
        (*entry_points, *besides),
        tuple(dict.fromkeys(map(_plain, off))),
        endpoints,
        on_trace,
        {first[same_code(point)].module: point.origin for point in named[::-1]},
    )


def disabled_by_variable() -> tuple[str, ...]:
    """The names that ``MEDIASENSE_DISABLE_PLUGINS`` switches off, as they stand there."""
    said = os.environ.get(DISABLE_VARIABLE, "").split(",")
    return tuple(name.strip() for name in said if name.strip())


def is_strict() -> bool:
    """Whether the environment says that nothing may be wrong with any plugin.

    Raises:
        ConfigError: It says something else.
    """
    said = os.environ.get(STRICT_VARIABLE, "").strip()
    if said not in ("", "0", "1"):
        raise ConfigError(f"{STRICT_VARIABLE} is {said!r}", hint="set it to 1 or 0")
    return said == "1"


def _tracer(on_trace: OnTrace | None) -> Tracer | None:
    if on_trace is None:
        return None
    from mediasense.tracing import Tracer

    return Tracer(on_trace)


def _in_short(entry_point: EntryPoint) -> str:
    return f"{entry_point.name} {entry_point.version}".rstrip()


def _plain(name: str) -> str:
    """A plugin's name, however it is spelled: as its entry point, or as its distribution is."""
    return name.lower().replace("-", "_").removeprefix("mediasense_")
