"""Find the plugin that is to be proved, and the script of its service."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from mediasense.discovery import EntryPoint, find_entry_points
from mediasense.discovery import named_plugin as point_of
from mediasense.endpoints import Endpoint
from mediasense.errors import PluginError, UsageError
from mediasense.loading import import_plugin
from mediasense.plugins import Plugins
from mediasense.testing.service import Device, Service

Script = Service | Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A plugin that is loaded alone.

    Attributes:
        named: The module, or the path of the file.
        name: Its name, as it is shown.
        plugins: It, and no other.
    """

    named: str
    name: str
    plugins: Plugins


@functools.cache
def load(named: str) -> Source:
    """Load one plugin alone, once in a process; else as :func:`load_with`."""
    return load_with(named)


def load_with(named: str, *endpoints: Endpoint) -> Source:
    """Load one plugin alone.

    Args:
        named: Its module, or the path of its file.
        endpoints: What a config file would describe besides.

    Raises:
        PluginError: It cannot be loaded, or breaks the contract.
    """
    point = replace(point_of(named), name=short_name(named))
    plugins = Plugins((point,), (), endpoints)
    if plugins.failures:
        failure = plugins.failures[0]
        raise PluginError(
            f"{named} cannot be loaded: {failure.cause}", hint="see mediasense.hookspecs"
        ) from failure.error
    return Source(named=named, name=point.name, plugins=plugins)


def short_name(named: str) -> str:
    """The plugin's name, as it is shown."""
    stem = Path(named).stem if is_file(named) else named.rpartition(".")[2]
    return stem.removeprefix("mediasense_")


def module_of(named: str) -> ModuleType:
    """Import a module by its name, or a file by its path.

    Raises:
        PluginError: There is none, or it fails.
    """
    try:
        return import_plugin(point_of(named))
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{named} cannot be imported: {type(error).__name__}: {error}",
            hint="give an installed plugin, its module, or a file",
        ) from error


def is_file(named: str) -> bool:
    """Whether a plugin is named by the path of a file."""
    return point_of(named).is_file


def plugin_named(name: str, further: tuple[EntryPoint, ...] = ()) -> str:
    """The module or file that a user means: an installed plugin, a module or a file.

    Args:
        name: What the user gives.
        further: Plugins that may be meant besides the installed ones.

    Raises:
        UsageError: There is no such file.
    """
    if is_file(name):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}", hint="check the path")
        return name
    plain = name.replace("-", "_").removeprefix("mediasense_")
    for point in (*find_entry_points(), *further):
        if point.name.replace("-", "_").removeprefix("mediasense_") == plain:
            return point.module
    return name


def find_script(named: str) -> Script | None:
    """The script that comes with a plugin, where there is one.

    It is ``SERVICE`` in the module ``service`` of a package, or in ``MODULE_service`` beside a
    plugin of one module.
    """
    if is_file(named):
        path = Path(named)
        beside = path.with_name(f"{path.stem}_service.py")
        return script_in(str(beside)) if beside.is_file() else None
    for name in (f"{named}.service", f"{named}_service"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        if found is not None:
            return script_in(name)
    return None


def script_in(named: str) -> Script:
    """The script in a module or a file.

    Raises:
        UsageError: There is none.
    """
    script = getattr(module_of(named), "SERVICE", None)
    if not isinstance(script, Service | Device):
        raise UsageError(
            f"{named} has no SERVICE that is a mediasense.testing.Service or Device",
            hint="write: SERVICE = MyService()",
        )
    return script
