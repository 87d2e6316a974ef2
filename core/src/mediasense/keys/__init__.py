"""Where keys are found: by the name of the variable that holds one.

Looked for in this order, and only for variables that are to hold a key, a credentials file or the
value of a header:

1. the environment;
2. what ``mediasense keys set`` saved (:mod:`mediasense.keys.saved`);
3. the ``.env`` files that the user named (:mod:`mediasense.keys.env_files`).

A base URL or any other setting is never looked for here: no file may send a key elsewhere.
Nothing but the environment is looked at, and nothing imported, before a variable is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

OWN_KEY_VARIABLE = "MEDIASENSE_API_KEY"
"""Holds the key for whatever base URL is named. It counts in the environment alone: one that is
saved would go to every host that anybody ever names."""

LONGEST_KEY = 8192
"""Characters; tokens that hold claims have some thousands."""

Store = Literal["keyring", "file"]
"""Where a key can be saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value that was found.

    Attributes:
        variable: Under what name.
        value: It, without the white space around it. Never shown by ``repr``.
        place: Where, such as ``saved``; ``""`` is the environment.
    """

    variable: str
    value: str = field(repr=False)
    place: str = ""

    @property
    def source(self) -> str:
        """The name and the place, for messages."""
        return f"{self.variable} ({self.place})" if self.place else self.variable


_tried: dict[str, str] = {}
_chosen: list[tuple[Path, ...]] = [()]


def choose_env_files(paths: Iterable[Path]) -> None:
    """Say which ``.env`` files this process looks into first; the command line's option does."""
    _chosen[0] = tuple(path.absolute() for path in paths)


def chosen_env_files() -> tuple[Path, ...]:
    """The files that were chosen."""
    return _chosen[0]


def find_key(variable: str) -> Kept | None:
    """What a variable holds, wherever it is kept; ``None`` when nothing is.

    Args:
        variable: The name of a variable that is to hold a secret, or to name a file of secrets.

    Raises:
        ConfigError: The saved keys, or an ``.env`` file that the user named, cannot be read, or
            others may read the saved keys.
        MissingCredentials: It is saved in the system keyring, which does not give it.
    """
    if variable in _tried:
        return Kept(variable=variable, value=_tried[variable], place="as entered")
    if value := os.environ.get(variable, "").strip():
        return Kept(variable=variable, value=value)
    if variable == OWN_KEY_VARIABLE:
        return None
    from mediasense.config import keys_are_on, keys_path

    if not keys_are_on():
        return None
    if keys_path().exists():
        from mediasense.keys.saved import find_saved

        if (kept := find_saved(variable)) is not None:
            return kept
    from mediasense.keys.env_files import find_in_env_files

    return find_in_env_files(variable)


def is_in_environment(variable: str) -> bool:
    """Whether the environment has it, which comes before all that is saved."""
    return bool(os.environ.get(variable, "").strip())


@contextmanager
def tried_out(variable: str, value: str) -> Iterator[None]:
    """Let a variable hold a value for a while, before it is saved, in this process alone."""
    _tried[variable] = value
    try:
        yield
    finally:
        _tried.pop(variable, None)
