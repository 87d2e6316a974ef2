"""What is installed and configured here, looked up once in a process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from mediasense.config import Config, load_config
from mediasense.discovery import EntryPoint, named_plugin
from mediasense.errors import ConfigError, UsageError, one_line
from mediasense.keys import choose_env_files
from mediasense.offers import DISABLE_VARIABLE
from mediasense.plugins import Plugins, disabled_by_variable, is_strict, load_plugins

if TYPE_CHECKING:
    from mediasense.dispatch import Dispatcher
    from mediasense.store.cache import Cache
    from mediasense.store.history import History
    from mediasense.tracing import OnTrace


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginChoice:
    """What is asked of plugins for one process, besides what the config and the environment say.

    Attributes:
        plugins: Paths of files and names of modules that are loaded besides those installed.
        disabled: Names of plugins that are not loaded.
        strict: Whether anything that is wrong with any plugin is an error.
        on_trace: Told of each hook that is called.
        env_files: The ``.env`` files in which keys are looked for besides.
    """

    plugins: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    strict: bool = False
    on_trace: OnTrace | None = None
    env_files: tuple[Path, ...] = ()


_chosen = [PluginChoice()]
_making = threading.RLock()

Made = TypeVar("Made")


class _Once(Generic[Made]):
    """Makes a thing when it is first asked for, also where several threads ask at once."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._made = functools.cache(make)
        functools.update_wrapper(self, make)

    def __call__(self) -> Made:
        with _making:
            return self._made()

    def cache_clear(self) -> None:
        """Make it anew when it is next asked for."""
        self._made.cache_clear()


def choice() -> PluginChoice:
    """What was chosen last."""
    return _chosen[0]


def choose(choice: PluginChoice) -> None:
    """Say which plugins this process uses; the root options of the command line do.

    From Python this is the one way to load a plugin from a file without a config file, and has to
    come before the first question: plugins are loaded once.
    """
    if choice != _chosen[0]:
        if choice.env_files != _chosen[0].env_files:
            choose_env_files(choice.env_files)
        _chosen[0] = choice
        plugins.cache_clear()
        dispatcher.cache_clear()


@_Once
def config() -> Config:
    """The user's settings."""
    return load_config()


@_Once
def plugins() -> Plugins:
    """Every plugin that is installed or named, and not switched off; some may have failed."""
    settings = config()
    return load_plugins(
        disabled=(*settings.disable_plugins, *_chosen[0].disabled),
        endpoints=settings.endpoints,
        named=named_plugins(),
        on_trace=_chosen[0].on_trace,
    )


def named_plugins() -> tuple[EntryPoint, ...]:
    """The plugins that an option or the config file names, besides those that are installed."""
    return (
        *(named_plugin(name, "option") for name in _chosen[0].plugins),
        *(named_plugin(name, "config") for name in config().plugins),
    )


def require_sound_plugins() -> None:
    """Check that all is well with the plugins that have to be.

    Raises:
        PluginError: Something is wrong, and strictness was asked for; or a plugin failed that was
            chosen for this process, or that the config file names.
        UsageError: A plugin was to be left out for this process, and there is none of that name.
    """
    for name in _chosen[0].disabled:
        if not plugins().is_there(name):
            raise UnknownPlugin(name=name, near=plugins().near(name)).error
    strict = _chosen[0].strict or is_strict()
    if strict or _chosen[0].plugins or config().plugins:
        plugins().require_sound(strict=strict, place=lambda: _place("plugins"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownPlugin:
    """A name that is to be left out, and that no plugin has.

    Attributes:
        name: As somebody wrote it.
        near: The plugin that could be meant.
        place: Where it stands; ``""`` for an option.
    """

    name: str
    near: str | None
    place: str = ""

    @property
    def error(self) -> UsageError:
        """What there is to say of it."""
        what = f"no plugin is named {one_line(self.name)!r}"
        hint = f"did you mean {self.near}?" if self.near else "type: mediasense plugins"
        return UsageError(f"{self.place}: {what}" if self.place else what, hint=hint)


def unknown_disabled() -> tuple[UnknownPlugin, ...]:
    """The names that the config file and the environment switch off, and that no plugin has.

    They are no errors: the plugin may be installed elsewhere, where the same settings hold.
    """
    found = plugins()
    by_config = [name for name in config().disable_plugins if not found.is_there(name)]
    by_variable = [name for name in disabled_by_variable() if not found.is_there(name)]
    place = _place("disable_plugins") if by_config else ""
    return (
        *(UnknownPlugin(name=name, near=found.near(name), place=place) for name in by_config),
        *(
            UnknownPlugin(name=name, near=found.near(name), place=DISABLE_VARIABLE)
            for name in by_variable
        ),
    )


def _place(setting: str) -> str:
    """The file and the line of a setting, for messages."""
    from mediasense.config import config_path
    from mediasense.document import read_document

    path = config_path()
    try:
        return read_document(path).place((setting,))
    except (OSError, ConfigError):
        return str(path)


def require_installed_plugins() -> None:
    """Check that other machines can have the same plugins, which they look up by themselves.

    Raises:
        UsageError: Some are not installed, or were chosen for this process alone.
    """
    if _chosen[0].disabled or _chosen[0].on_trace is not None:
        raise UsageError(
            "--no-plugin and --trace are for this process, and --engine ray asks from others",
            hint=f"set {DISABLE_VARIABLE} on the nodes, or leave out --engine ray",
        )
    if _chosen[0].env_files:
        raise UsageError(
            "--env-file is for this process, and --engine ray asks from others",
            hint="set MEDIASENSE_ENV_FILE, or the keys, on the nodes",
        )
    for plugin in plugins().loaded:
        if plugin.entry_point.origin != "installed":
            raise UsageError(
                f"--engine ray uses plugins that are installed on every node, and "
                f"{plugin.entry_point} is not installed",
                hint="make it a package (type: mediasense new-plugin), or leave out --engine ray",
            )


@_Once
def cache() -> Cache | None:
    """Where answers are kept; ``None`` when that is switched off."""
    settings = config()
    if not settings.cache:
        return None
    from mediasense.config import cache_path
    from mediasense.store.cache import Cache

    return Cache(
        cache_path(),
        max_bytes=settings.cache_megabytes * 1_000_000,
        max_days=settings.cache_days,
    )


@_Once
def history() -> History | None:
    """What was asked and answered; ``None`` when that is switched off."""
    if not config().history:
        return None
    from mediasense.config import history_path
    from mediasense.store.history import History

    return History(history_path())


@_Once
def dispatcher() -> Dispatcher:
    """The dispatcher over all of them.

    Raises:
        PluginError: As for :func:`require_sound_plugins`.
    """
    require_sound_plugins()
    from mediasense.desk import Desk
    from mediasense.dispatch import Dispatcher
    from mediasense.prices import KeptPrices

    desk = Desk(prices=KeptPrices(), cache=cache(), history=history())
    return Dispatcher(plugins(), config(), desk)
