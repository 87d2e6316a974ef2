"""Which keys there are, for whom, and where; never a key itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mediasense.config import keys_path
from mediasense.endpoints import VARIABLE_NAME
from mediasense.errors import UsageError
from mediasense.keys import OWN_KEY_VARIABLE, is_in_environment
from mediasense.keys.env_files import named_files, read_env_file
from mediasense.keys.saved import Saved, list_saved
from mediasense.providers import Provider

_NEAR = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where a key is.

    Attributes:
        variable: Its name.
        providers: Who looks for it.
        where: ``environment``, ``keyring``, ``file`` or the path of an ``.env`` file.
        path: The file that it is in, or that it names; ``""`` for none.
        saved: Whether ``mediasense keys`` saved it.
        used: Whether it is the one that counts, and none before it.
    """

    variable: str
    providers: tuple[str, ...]
    where: str
    path: str
    saved: bool
    used: bool


def users_of_variables(providers: Iterable[Provider]) -> Mapping[str, tuple[str, ...]]:
    """The providers that look for each variable of a key, a credentials file or a header."""
    users: dict[str, tuple[str, ...]] = {}
    for provider in providers:
        for name in key_variables(provider):
            users[name] = (*users.get(name, ()), provider.name)
    return users


def key_variables(provider: Provider) -> tuple[str, ...]:
    """The variables that hold something secret of a provider, the first that is set wins."""
    rules = provider.credentials
    own = (*rules.file_variables, *rules.variables) if rules else ()
    headers = tuple(h.variable for h in provider.headers if h.variable is not None)
    return tuple(dict.fromkeys((*own, *headers)))


def list_places(providers: Iterable[Provider]) -> tuple[Place, ...]:
    """Every place that has a key: those saved, and all others for the given providers.

    Raises:
        ConfigError: A file cannot be read, or others may read the saved keys.
    """
    users = users_of_variables(providers)
    saved = {entry.variable: entry for entry in list_saved()}
    files = [(named, read_env_file(named)) for named in named_files()]
    places: list[Place] = []
    for name in sorted({*users, *saved}):
        found = [("environment", "", False)] if is_in_environment(name) else []
        if name in saved:
            found.append((saved[name].store, _path(saved[name]), True))
        found += [(str(n.path), str(n.path), False) for n, file in files if file.values.get(name)]
        places += [
            Place(
                variable=name,
                providers=users.get(name, ()),
                where=where,
                path=path,
                saved=is_saved,
                used=number == 0,
            )
            for number, (where, path, is_saved) in enumerate(found)
        ]
    return tuple(places)


def _path(saved: Saved) -> str:
    if saved.is_path:
        return saved.value or ""
    return str(keys_path()) if saved.store == "file" else ""


def require_key_variable(
    name: str, providers: Iterable[Provider], *, any_name: bool = False
) -> None:
    """See to it that a variable is one that may be saved.

    Args:
        name: The variable.
        providers: Who is installed.
        any_name: Whether a name may be near to one that somebody looks for, without being it.

    Raises:
        UsageError: It is none, or is most likely another one that is meant.
    """
    providers = tuple(providers)
    users = users_of_variables(providers)
    if name in users:
        return
    if not re.fullmatch(VARIABLE_NAME, name):
        raise UsageError(
            f"{name!r} is not the name of a variable", hint="type: mediasense providers"
        )
    if name == OWN_KEY_VARIABLE:
        raise UsageError(
            f"{name} goes to whatever --base-url names, and so is not saved",
            hint="type: mediasense providers add NAME --base-url URL --api-key-env VARIABLE",
        )
    addresses = {variable for p in providers for variable in p.base_url_variables}
    if name in addresses or name.startswith("MEDIASENSE_"):
        raise UsageError(
            f"{name} holds no key",
            hint="set it in the environment, or type: mediasense config show",
        )
    near = difflib.get_close_matches(name, users, 1, _NEAR)
    if near and not any_name:
        raise UsageError(
            f"no installed provider looks for {name}",
            hint=f"did you mean {near[0]}? add --yes to save it under this name",
        )
