"""The keyring of the system, through the package ``keyring``, which need not be there.

A keyring may be locked, and its service dead: each call is made on a thread of its own, and waited
for only so long. Facts: https://keyring.readthedocs.io (25.7, 2026-11).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from mediasense.errors import one_line

SERVICE = "mediasense"
READ_SECONDS = 5.0
WRITE_SECONDS = 60.0
"""The user may have to unlock it, and to find the password for that."""

_PAUSE = 60.0
_SILENT = "it does not answer; it may be locked"
_RECOMMENDED = 1
"""The priority from which the package recommends a keyring."""
_NONE = ("keyring.backends.fail", "keyring.backends.null")

Result = TypeVar("Result")


class NoKeyring(Exception):
    """The keyring cannot be used; the text says why, without any key."""


_hung: list[float] = []
"""Until when, by the monotonic clock, it is not asked again."""


def keyring_name() -> str:
    """What keyring keys would be saved in.

    Raises:
        NoKeyring: None that could be trusted with them.
    """
    return _within(READ_SECONDS, _name)


def recall(variable: str) -> str | None:
    """The value under a name; ``None`` when there is none.

    Raises:
        NoKeyring: It cannot be asked.
    """
    found = _within(READ_SECONDS, lambda: _module().get_password(SERVICE, variable))
    return found if isinstance(found, str) and found else None


def keep(variable: str, value: str) -> None:
    """Save a value under a name, and see that it is there.

    Raises:
        NoKeyring: It cannot be.
    """

    def act() -> bool:
        module = _module()
        module.set_password(SERVICE, variable, value)
        return bool(module.get_password(SERVICE, variable) == value)

    if not _within(WRITE_SECONDS, act, value):
        raise NoKeyring("it did not keep it")


def forget(variable: str) -> None:
    """Take out what is under a name.

    Raises:
        NoKeyring: It cannot be.
    """

    def act() -> None:
        module = _module()
        if module.get_password(SERVICE, variable) is not None:
            module.delete_password(SERVICE, variable)

    _within(WRITE_SECONDS, act)


def _name() -> str:
    backend = _module().get_keyring()
    if type(backend).__module__ in _NONE:
        raise NoKeyring("there is none on this machine")
    if backend.priority < _RECOMMENDED:
        raise NoKeyring(f"{backend.name} is not one that its package recommends")
    return str(backend.name)


def _module() -> Any:
    import keyring

    return keyring


def _within(seconds: float, act: Callable[[], Result], secret: str | None = None) -> Result:
    """Do it on a thread, for a bounded time; one that hung is left alone for a while."""
    if find_spec("keyring") is None:
        raise NoKeyring("the package keyring is not installed")
    if _hung and time.monotonic() < _hung[0]:
        raise NoKeyring(_SILENT)
    results: list[Result] = []
    failures: list[str] = []

    def run() -> None:
        try:
            results.append(act())
        except NoKeyring as error:
            failures.append(str(error))
        except Exception as error:  # noqa: BLE001  whatever a backend raises is its own
            failures.append(one_line(f"{type(error).__name__}: {error}", secret, limit=200))

    # A daemon: one that never answers does not keep the program from ending.
    thread = threading.Thread(target=run, name="mediasense keyring", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if failures:
        raise NoKeyring(failures[0])
    _hung[:] = [time.monotonic() + _PAUSE]
    raise NoKeyring(_SILENT)
