"""The user's own settings: one small TOML file."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mediasense.errors import ConfigError

FILE_VARIABLE = "MEDIASENSE_CONFIG"
CACHE_VARIABLE = "MEDIASENSE_CACHE"
HISTORY_VARIABLE = "MEDIASENSE_HISTORY"
PROVIDER_VARIABLE = "MEDIASENSE_PROVIDER"
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
    """

    provider: str | None = None
    disable_plugins: tuple[str, ...] = ()
    timeout: float = 600.0
    retries: int = 2
    cache: bool = True
    cache_days: float = 30.0
    cache_megabytes: int = 1000
    history: bool = True


def config_path() -> Path:
    """Where the config file is, or would be."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("mediasense") / "config.toml"


def cache_path() -> Path:
    """Where answers are kept."""
    import platformdirs

    return platformdirs.user_cache_path("mediasense") / "answers.sqlite"


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
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise ConfigError(
                f"{FILE_VARIABLE} names {path}, which does not exist", hint="check the path"
            ) from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="check the file") from None
    import tomllib

    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", hint="mend the file") from None
    return Config(**{name: _checked(path, name, value) for name, value in settings.items()})


def _checked(path: Path, name: str, value: object) -> Any:
    kinds: dict[str, tuple[type, ...]] = {
        "provider": (str,),
        "disable_plugins": (list,),
        "timeout": (int, float),
        "retries": (int,),
        "cache": (bool,),
        "cache_days": (int, float),
        "cache_megabytes": (int,),
        "history": (bool,),
    }
    if name not in kinds:
        known = [field.name for field in fields(Config)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise ConfigError(f"{path}: unknown setting {name!r}", hint=hint)
    wrong = not isinstance(value, kinds[name])
    if wrong or (isinstance(value, bool) and bool not in kinds[name]):
        wanted = " or ".join(kind.__name__ for kind in kinds[name])
        raise ConfigError(f"{path}: {name} is not a {wanted}", hint="mend the file")
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{path}: {name} is not a list of names", hint="mend the file")
        return tuple(value)
    if name == "timeout" and not 0 < float(str(value)) <= MAX_TIMEOUT:
        raise ConfigError(
            f"{path}: timeout is not above 0 and up to {MAX_TIMEOUT:g} s", hint="mend the file"
        )
    if name == "retries" and not 0 <= int(str(value)) <= MAX_RETRIES:
        raise ConfigError(f"{path}: retries is not 0 to {MAX_RETRIES}", hint="mend the file")
    if name in ("cache_days", "cache_megabytes") and not 0 < float(str(value)) <= _MUCH:
        raise ConfigError(
            f"{path}: {name} is not above 0 and up to {_MUCH:g}", hint="mend the file"
        )
    return value
