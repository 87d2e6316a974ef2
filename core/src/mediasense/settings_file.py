"""Changing the config file: what is not meant is kept byte for byte.

A header of a table is right at the end of any TOML document (toml.io/en/v1.0.0#table), so nothing
that is there has to be understood to add one. A setting is put in the place of the one that is
there, or before the first header; one that is removed goes with its line. Whether the new document
says what the old one did, but for what was meant, is checked by the parser. The file is replaced in
one step, by a whole one that was read and checked before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mediasense.document import MAX_BYTES, Document
from mediasense.errors import ConfigError, one_line
from mediasense.private import alone_in, make_folder, replace_file
from mediasense.toml_edits import with_setting, without

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"
_INDENT = "    "
_LONGEST_LINE = 96

Toml = str | bool | int | float | Iterable["Toml"] | Mapping[str, "Toml"]
Key = tuple[str, ...]


# --- text ----------------------------------------------------------------------------------------


def toml_table(key: Key, values: Mapping[str, Toml], comments: Iterable[str] = ()) -> str:
    """A table with its header, its values and, behind those, the tables in it.

    Args:
        key: What the table is called.
        values: What is in it. Those one level down become tables of their own, unless the name is
            ``headers``, which is short, and stands in one line; those below are inline.
        comments: Lines that explain it, without the sign; anything unprintable in them is left out.

    Raises:
        ConfigError: A text in it cannot be written in UTF-8.
    """
    lines = [f"# {one_line(comment, limit=_LONGEST_LINE)}" for comment in comments]
    lines.append(f"[{'.'.join(map(_key, key))}]")
    tables = {n: v for n, v in values.items() if isinstance(v, Mapping) and n != "headers"}
    lines += [f"{_key(n)} = {toml_value(v)}" for n, v in values.items() if n not in tables]
    for name, table in tables.items():
        lines += ["", toml_table((*key, name), table).rstrip("\n")]
    return "\n".join(lines) + "\n"


def toml_value(value: Toml) -> str:
    """A value as it is written in a TOML document.

    Raises:
        ConfigError: A text in it cannot be written in UTF-8.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {toml_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    items = [toml_value(item) for item in value]
    line = f"[{', '.join(items)}]"
    if len(line) <= _LONGEST_LINE - len(_INDENT):
        return line
    return "[\n" + "".join(f"{_INDENT}{item},\n" for item in items) + "]"


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A basic string. What JSON escapes, and how, is right in TOML too; DEL it leaves as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{one_line(ascii(text), limit=80)} cannot be written in UTF-8",
            hint="give another text",
        ) from None
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")


# --- the file ------------------------------------------------------------------------------------


def require_new(path: Path, key: Key) -> None:
    """Refuse a table that is in the file already.

    Raises:
        ConfigError: It is there, and on which line, or the file cannot be read.
    """
    _require_new(_document(path, _read(path)), key)


def add_table(
    path: Path, key: Key, text: str, *, check: Callable[[Document], object] | None = None
) -> Path:
    """Add a table to a file, or make the file.

    Args:
        path: The file; where it is a link, what it leads to is changed. A file that is made is its
            owner's alone.
        key: What the table is called.
        text: The table, as :func:`toml_table` makes it.
        check: Called with the new document before it is written; what it raises is raised.

    Returns:
        The file that was written.

    Raises:
        ConfigError: The table is there already, or the file cannot be read, changed or written.
    """

    def change(old: bytes) -> bytes:
        _require_new(_document(path, old), key)
        new = _joined(old, text)
        document = _document(path, new, adding=True)
        if check is not None:
            check(document)
        return new

    return _changed(path, change)


def set_setting(
    path: Path, name: str, value: Toml, *, check: Callable[[Document], object] | None = None
) -> Path:
    """Set a setting at the top of a file, or make the file.

    Args:
        path: As for :func:`add_table`.
        name: Of the setting.
        value: What it is to be.
        check: As for :func:`add_table`.

    Raises:
        ConfigError: The file cannot be read, changed or written.
    """

    def change(old: bytes) -> bytes:
        before = _document(path, old)
        new = with_setting(old.decode(), name, toml_value(value)).encode()
        return _checked(path, new, {**before.settings, name: value}, check)

    return _changed(path, change)


def unset_setting(path: Path, name: str) -> bool:
    """Take a setting out of the top of a file; whether it was there.

    Raises:
        ConfigError: The file cannot be read, changed or written.
    """
    return _removed(path, (name,))


def remove_table(path: Path, key: Key) -> bool:
    """Take a table out of a file, with those in it and the comments right above it.

    Args:
        path: As for :func:`add_table`.
        key: What the table is called.

    Returns:
        Whether it was there.

    Raises:
        ConfigError: The file cannot be read, changed or written, or the table is not one that can
            be taken out as it is written.
    """
    return _removed(path, key)


def _removed(path: Path, key: Key) -> bool:
    if not _has(_document(path, _read(path)).settings, key):
        return False

    def change(old: bytes) -> bytes:
        before = _document(path, old)
        new = without(old.decode(), key).encode()
        return _checked(path, new, _lacking(before.settings, key), None)

    _changed(path, change)
    return True


def _checked(
    path: Path,
    new: bytes,
    wanted: Mapping[str, object],
    check: Callable[[Document], object] | None,
) -> bytes:
    document = _document(path, new, adding=True)
    if _plain(document.settings) != _plain(wanted):
        raise ConfigError(
            f"{path} is written in a way that cannot be changed", hint="change it by hand"
        )
    if check is not None:
        check(document)
    return new


def _plain(settings: object) -> object:
    """Settings as they are compared: without tables in which nothing is."""
    if isinstance(settings, Mapping):
        tables = {name: _plain(value) for name, value in settings.items()}
        return {name: value for name, value in tables.items() if value != {}}
    if isinstance(settings, list | tuple):
        return [_plain(item) for item in settings]
    return settings


def _has(settings: Mapping[str, object], key: Key) -> bool:
    found: object = settings
    for name in key:
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True


def _lacking(settings: Mapping[str, object], key: Key) -> dict[str, object]:
    name, *inner = key
    if not inner:
        return {n: value for n, value in settings.items() if n != name}
    table = settings[name]
    assert isinstance(table, Mapping)
    return {**settings, name: _lacking(table, tuple(inner))}


def _changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Put in the place of a file what a function makes of it, alone."""
    try:
        path = path.resolve()
        make_folder(path.parent)
        with alone_in(path.parent):
            replace_file(path, change(_read(path)))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}", hint="check the folder"
        ) from None
    return path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="check the file"
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES / 1e6:g} MB", hint="shorten it")
    return data


def _document(path: Path, data: bytes, *, adding: bool = False) -> Document:
    import tomllib

    try:
        text = data.decode().replace("\r\n", "\n")
        return Document(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        said = one_line(str(error)) or "it is nested too deeply"
        if adding:
            raise ConfigError(
                f"{path}: a table cannot be added: {said}",
                hint="write it into the file by hand; --dry-run prints it",
            ) from None
        raise ConfigError(f"{path}: {said}", hint="mend the file") from None


def _require_new(document: Document, key: Key) -> None:
    found: object = document.settings
    for name in key:
        if not isinstance(found, Mapping) or name not in found:
            return
        found = found[name]
    raise ConfigError(
        f"{document.place(key)}: there is already a {'.'.join(key)}",
        hint="choose another name, or take it out first",
    )


def _joined(old: bytes, text: str) -> bytes:
    ending = b"\r\n" if b"\r\n" in old else b"\n"
    added = text.encode().replace(b"\n", ending)
    if not old:
        return added
    between = ending if old.endswith(b"\n") else ending * 2
    return old + between + added
