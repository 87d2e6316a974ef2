"""The keys that were saved: a file that says where each is, and holds those of no keyring.

The file is its owner's alone, like the folder it makes, and is replaced in one step. It stands in
the user's own config folder, whatever config file is named. What is in it is not trusted: names,
numbers and lengths are bounded, and nothing of a value stands in a message.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mediasense.config import keys_path
from mediasense.document import Document, Value
from mediasense.endpoints import VARIABLE_NAME
from mediasense.errors import ConfigError, MissingCredentials, one_line
from mediasense.keys import LONGEST_KEY, Kept, Store
from mediasense.keys.fresh import Fresh
from mediasense.keys.ring import NoKeyring, forget, keep, keyring_name, recall
from mediasense.private import alone_in, make_folder, replace_file

MAX_BYTES = 1024 * 1024
MOST_KEYS = 500

_HEAD = "# Written by `mediasense keys`. Whoever can read this file can use these keys.\n"
_SHARED = 0o077
_recalls: dict[str, str] = {}
"""What the keyring gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A key that was saved.

    Attributes:
        variable: Under what name.
        store: Where it is.
        value: The key, or the path of a credentials file; ``None`` for one in the keyring. Never
            shown by ``repr``.
        is_path: Whether it is the path of a credentials file.
        left_in_keyring: Whether the keyring, which cannot be asked, may still hold an older key.
    """

    variable: str
    store: Store
    value: str | None = field(default=None, repr=False)
    is_path: bool = False
    left_in_keyring: bool = False


def find_saved(variable: str) -> Kept | None:
    """What was saved under a name.

    Raises:
        ConfigError: The file cannot be read, or others may read it.
        MissingCredentials: It is in the system keyring, which does not give it.
    """
    saved = (_files.of(keys_path()) or {}).get(variable)
    if saved is None:
        return None
    value = saved.value if saved.store == "file" else _recalled(variable)
    return Kept(variable=variable, value=value, place="saved") if value else None


def list_saved() -> tuple[Saved, ...]:
    """All that was saved, by name.

    Raises:
        ConfigError: The file cannot be read, or others may read it.
    """
    found = _files.of(keys_path()) or {}
    return tuple(found[name] for name in sorted(found))


def save_key(variable: str, value: str, *, store: Store | None = None) -> Saved:
    """Save a key, in the place of one that was saved under that name.

    Args:
        variable: The name under which it is looked for.
        value: The key.
        store: Where; ``None`` is the system keyring if there is a good one, and else the file.

    Returns:
        What was saved, and where it went.

    Raises:
        ConfigError: The value cannot be a key, or the keyring or the file cannot be used.
    """
    require_key(variable, value)
    store = store or best_store()
    before = _read_whole()
    saved = Saved(variable=variable, store=store, value=value if store == "file" else None)
    if store == "keyring":
        try:
            keep(variable, value)
        except NoKeyring as error:
            raise ConfigError(
                f"{variable} cannot be saved in the system keyring: {error}",
                hint="give --store file",
            ) from None
    _change(variable, saved)
    return _alone(saved, before.get(variable))


def save_path(variable: str, path: Path) -> Saved:
    """Save where a credentials file is.

    Raises:
        ConfigError: The path cannot be written down, or the file cannot be used.
    """
    text = str(path.expanduser().absolute())
    if not text.isprintable() or len(text) > LONGEST_KEY:
        raise ConfigError(f"{one_line(text)} is no path that can be saved", hint="rename the file")
    before = _read_whole()
    saved = Saved(variable=variable, store="file", value=text, is_path=True)
    _change(variable, saved)
    return _alone(saved, before.get(variable))


def _alone(saved: Saved, before: Saved | None) -> Saved:
    """Take out of the keyring what the file now has in its place, if the keyring can be asked."""
    if saved.store != "file" or before is None or before.store != "keyring":
        return saved
    try:
        _forget(saved.variable)
    except ConfigError:
        return replace(saved, left_in_keyring=True)
    return saved


def remove_key(variable: str) -> Saved | None:
    """Remove a key; ``None`` when there was none.

    Raises:
        ConfigError: The file or the keyring cannot be used.
    """
    found = _read_whole().get(variable)
    if found is None:
        return None
    if found.store == "keyring":
        _forget(variable)
    _change(variable, None)
    return found


def best_store() -> Store:
    """Where a key is saved that nobody says a place for."""
    try:
        keyring_name()
    except NoKeyring:
        return "file"
    return "keyring"


def require_key(variable: str, value: str) -> None:
    """See to it that a text could be a key.

    Raises:
        ConfigError: It could not; the message does not hold it.
    """
    if not value:
        raise ConfigError(f"there is nothing to save as {variable}", hint="give the key")
    if len(value) > LONGEST_KEY:
        raise ConfigError(
            f"what is to be saved as {variable} has more than {LONGEST_KEY} characters",
            hint="give the key alone; for a file type --file PATH",
        )
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ConfigError(
            f"what is to be saved as {variable} holds characters that no key has",
            hint="give the key alone, without line breaks",
        )


# --- the file ------------------------------------------------------------------------------------


def require_private(path: Path, found: os.stat_result) -> None:
    """See to it that a file is this user's alone.

    Raises:
        ConfigError: It is another user's, or others may read or change it.
    """
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} belongs to another user", hint="remove it")
    if found.st_mode & _SHARED:
        raise ConfigError(
            f"{path} holds keys, and others may read it", hint=f"type: chmod 600 '{path}'"
        )


def _parsed(path: Path, found: os.stat_result, data: bytes) -> Mapping[str, Saved]:
    require_private(path, found)
    _recalls.clear()  # it was changed, and so may be what the keyring has
    try:
        text = data.decode("utf-8")
        document = Document(path, text, tomllib.loads(text))
    except (ValueError, RecursionError):
        # Not the parser's words: they may hold a piece of what is there.
        raise ConfigError(
            f"{path} cannot be understood",
            hint="mend the file, or remove it and save the keys anew",
        ) from None
    tables = document.root.table()
    if len(tables) > MOST_KEYS:
        raise ConfigError(f"{path} has more than {MOST_KEYS} keys", hint="remove some")
    return {name: _saved(name, value) for name, value in tables.items()}


def _saved(name: str, value: Value) -> Saved:
    if not re.fullmatch(VARIABLE_NAME, name):
        raise value.error("not the name of a variable")
    said = value.table(("key", "path", "keyring"))
    if len(said) != 1:
        raise value.error("not one of key, path or keyring")
    ((kind, found),) = said.items()
    if kind == "keyring":
        if not found.flag():
            raise found.error("not true")
        return Saved(variable=name, store="keyring")
    text = found.value
    if not isinstance(text, str) or not text or len(text) > LONGEST_KEY or not text.isprintable():
        raise found.error("not a text of one line")
    return Saved(variable=name, store="file", value=text, is_path=kind == "path")


_files = Fresh(_parsed, most=MAX_BYTES)


def _read_whole() -> dict[str, Saved]:
    return dict(_files.of(keys_path()) or {})


def _change(variable: str, saved: Saved | None) -> None:
    """Write the file with another entry; nobody else's change is lost."""
    path = keys_path()
    try:
        path = path.resolve()
        make_folder(path.parent)
        with alone_in(path.parent):
            entries = dict(_files.of(path) or {})
            entries.pop(variable, None)
            if saved is not None:
                entries[variable] = saved
            if len(entries) > MOST_KEYS:
                raise ConfigError(
                    f"{path} would have more than {MOST_KEYS} keys", hint="remove one"
                )
            replace_file(path, _written(entries))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}", hint="check the folder"
        ) from None


def _written(entries: Mapping[str, Saved]) -> bytes:
    tables = [f"\n[{name}]\n{_line(entries[name])}\n" for name in sorted(entries)]
    return (_HEAD + "".join(tables)).encode()


def _line(saved: Saved) -> str:
    if saved.store == "keyring":
        return "keyring = true"
    # What JSON escapes of printable text, and how, is right in TOML too.
    text = json.dumps(saved.value, ensure_ascii=False)
    return f"{'path' if saved.is_path else 'key'} = {text}"


# --- the keyring ---------------------------------------------------------------------------------


def _recalled(variable: str) -> str:
    """A value of the keyring; it is asked once for as long as the file stays as it is."""
    if variable in _recalls:
        return _recalls[variable]
    try:
        found = recall(variable)
    except NoKeyring as error:
        raise MissingCredentials(
            f"{variable} is saved in the system keyring, which cannot be asked: {error}",
            hint=f"unlock it, or type: mediasense keys set {variable} --store file",
        ) from None
    if found is None:
        raise MissingCredentials(
            f"{variable} was saved in the system keyring, and is not there any more",
            hint=f"type: mediasense keys set {variable}",
        )
    _recalls[variable] = found
    return found


def _forget(variable: str) -> None:
    _recalls.pop(variable, None)
    try:
        forget(variable)
    except NoKeyring as error:
        raise ConfigError(
            f"{variable} cannot be removed from the system keyring: {error}",
            hint="unlock it, or save the key anew with --store file and remove that",
        ) from None
