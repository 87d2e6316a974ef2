"""The user's own settings: one small TOML file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense.discovery import names_a_file
from mediasense.document import Document, Value, read_document
from mediasense.errors import ConfigError

if TYPE_CHECKING:
    from mediasense.endpoints import Endpoint

FILE_VARIABLE = "MEDIASENSE_CONFIG"
CACHE_VARIABLE = "MEDIASENSE_CACHE"
HISTORY_VARIABLE = "MEDIASENSE_HISTORY"
PROVIDER_VARIABLE = "MEDIASENSE_PROVIDER"
ENV_FILE_VARIABLE = "MEDIASENSE_ENV_FILE"
KEYS_VARIABLE = "MEDIASENSE_KEYS"
MAX_TIMEOUT = 86_400.0
MAX_RETRIES = 10
_MUCH = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the config file may say.

    Attributes:
        provider: The provider to use when none is named.
        disable_plugins: Names of plugins that are not to be loaded.
        timeout: Seconds to wait for a provider.
        retries: How often to try again after a failure that can pass.
        cache: Whether answers are kept, so that they are not paid for again.
        cache_days: For how long.
        cache_megabytes: How much of them at most.
        history: Whether it is written down what was asked and answered.
        env_file: A ``.env`` file in which keys are looked for, from the config file's folder.
        plugins: Plugins to load besides the installed ones: files, and names of modules.
        endpoints: Providers without code, which the file describes under ``providers``.
    """

    provider: str | None = None
    disable_plugins: tuple[str, ...] = ()
    timeout: float = 600.0
    retries: int = 2
    cache: bool = True
    cache_days: float = 30.0
    cache_megabytes: int = 1000
    history: bool = True
    env_file: str | None = None
    plugins: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def config_path() -> Path:
    """Where the config file is, or would be."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("mediasense") / "config.toml"


def keys_path() -> Path:
    """Where keys are saved: in the user's own config folder, whatever config file is named."""
    import platformdirs

    return platformdirs.user_config_path("mediasense") / "keys.toml"


def keys_are_on() -> bool:
    """Whether saved keys, and those in ``.env`` files, are looked for at all.

    Raises:
        ConfigError: ``MEDIASENSE_KEYS`` is neither on nor off.
    """
    return _switch(KEYS_VARIABLE, default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file that the user named.

    Attributes:
        path: Where it is.
        named_by: What names it: an option, a variable, or a line of the config file.
    """

    path: Path
    named_by: str


def env_file_of_environment() -> NamedFile | None:
    """The ``.env`` file that the environment names."""
    said = os.environ.get(ENV_FILE_VARIABLE, "").strip()
    if not said:
        return None
    return NamedFile(path=Path(said).expanduser().absolute(), named_by=ENV_FILE_VARIABLE)


def env_file_of(document: Document) -> NamedFile | None:
    """The ``.env`` file that the config file names; nothing else in it is looked at.

    Raises:
        ConfigError: What it names cannot be a file.
    """
    value = document.root.table().get("env_file")
    if value is None:
        return None
    by = f"{document.place(value.key)}: env_file"
    return NamedFile(path=Path(_file(value)), named_by=by)


def cache_path() -> Path:
    """Where answers are kept."""
    import platformdirs

    return platformdirs.user_cache_path("mediasense") / "answers.sqlite"


def listings_path() -> Path:
    """Where the models that providers listed last are kept, to complete their names."""
    return cache_path().parent / "models"


def history_path() -> Path:
    """Where it is written down what was asked and answered."""
    import platformdirs

    return platformdirs.user_state_path("mediasense") / "history.sqlite"


def load_config() -> Config:
    """Read the config file, or take the defaults, and what the environment says of the stores.

    Raises:
        ConfigError: It cannot be read, is no TOML, or says something unknown.
    """
    found = _read()
    return replace(
        found,
        cache=_switch(CACHE_VARIABLE, default=found.cache),
        history=_switch(HISTORY_VARIABLE, default=found.history),
    )


def _switch(variable: str, *, default: bool) -> bool:
    said = os.environ.get(variable, "").strip().lower()
    if said not in ("", "on", "off"):
        raise ConfigError(f"{variable} is {said!r}", hint="set it to on or off")
    return said == "on" if said else default


def _read() -> Config:
    path = config_path()
    try:
        document = read_document(path)
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise ConfigError(
                f"{FILE_VARIABLE} names {path}, which does not exist", hint="check the path"
            ) from None
        return Config()
    return config_of(document)


def config_of(document: Document) -> Config:
    """The settings that a config file says.

    Raises:
        ConfigError: It says something unknown or wrong.
    """
    said = document.root.table(_SETTINGS)
    return Config(
        **{_FIELDS.get(name, name): _SETTINGS[name](value) for name, value in said.items()}
    )


def setting_names() -> tuple[str, ...]:
    """The settings that a config file may have, but for the tables of endpoints."""
    return tuple(name for name in _SETTINGS if name not in _FIELDS)


def default_of(name: str) -> object:
    """What a setting is where nobody says anything."""
    return getattr(Config(), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a variable says of a setting.

    Attributes:
        variable: Its name.
        value: What the setting is for it.
    """

    variable: str
    value: object


def told_by_variable(name: str) -> Told | None:
    """What the environment says of a setting, in place of the config file.

    Raises:
        ConfigError: It is nothing that the setting can be.
    """
    switches = {"cache": CACHE_VARIABLE, "history": HISTORY_VARIABLE}
    if (variable := switches.get(name)) is not None:
        said = os.environ.get(variable, "").strip()
        return Told(variable=variable, value=_switch(variable, default=True)) if said else None
    if name == "provider" and (said := os.environ.get(PROVIDER_VARIABLE, "")):
        return Told(variable=PROVIDER_VARIABLE, value=said)
    return None


def read_setting(value: Value) -> object:
    """What one setting of a config file says.

    Args:
        value: A value that stands under the name of a setting.

    Raises:
        ConfigError: It says something wrong.
    """
    return _SETTINGS[value.key[0]](value)


def _names(value: Value) -> tuple[str, ...]:
    return tuple(item.said() for item in value.items())


def _plugins(value: Value) -> tuple[str, ...]:
    return tuple(map(_plugin, value.items()))


def _plugin(value: Value) -> str:
    """A plugin in the config file: the name of a module, or a file, from that file's folder."""
    named = value.said()
    if not names_a_file(named):
        return value.said(_MODULE, "the name of a module, or a file that ends in .py")
    return _file(value)


def _file(value: Value) -> str:
    """A file that the config file names, from that file's folder."""
    named = value.said()
    try:
        return str(value.document.path.absolute().parent / Path(named).expanduser())
    except RuntimeError as error:  # nobody's home
        raise value.error(str(error)) from None


def _endpoints(value: Value) -> tuple[Endpoint, ...]:
    from mediasense.endpoints import read_endpoints

    return read_endpoints(value)


_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FIELDS = {"providers": "endpoints"}
"""The fields of :class:`Config` that the file calls otherwise."""
_SETTINGS: dict[str, Callable[[Value], Any]] = {
    "provider": Value.said,
    "disable_plugins": _names,
    "timeout": partial(Value.number, most=MAX_TIMEOUT),
    "retries": partial(Value.whole, least=0, most=MAX_RETRIES),
    "cache": Value.flag,
    "cache_days": partial(Value.number, most=_MUCH),
    "cache_megabytes": partial(Value.whole, least=1, most=int(_MUCH)),
    "history": Value.flag,
    "env_file": _file,
    "plugins": _plugins,
    "providers": _endpoints,
}
