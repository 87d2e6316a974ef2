"""Every setting: what it is, and where that is said; and what people type, as a value of one."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mediasense.config import (
    config_path,
    default_of,
    read_setting,
    setting_names,
    told_by_variable,
)
from mediasense.document import Document, Value, read_document
from mediasense.errors import ConfigError, UsageError

_FLAGS = {"on": True, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: As the config file calls it.
        value: What it is.
        source: Where that is said: a file with its line, a variable, or ``default``.
        problem: Why what the file or the variable says cannot be used, or ``""``.
    """

    name: str
    value: object
    source: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them.

    Attributes:
        path: The config file.
        exists: Whether it is there.
        problem: Why it cannot be read as a whole, or ``""``.
        settings: Each setting.
        endpoints: The names of the endpoints that it describes.
    """

    path: Path
    exists: bool
    problem: str = ""
    settings: tuple[Setting, ...] = ()
    endpoints: tuple[str, ...] = ()


def list_settings() -> Settings:
    """Every setting, also where the config file is broken; nothing is raised."""
    path = config_path()
    problem, document = "", None
    try:
        document = read_document(path)
        problem = _whole_problem(document)
    except FileNotFoundError:
        pass
    except ConfigError as error:
        problem = str(error)
    tables = document.settings.get("providers") if document else None
    return Settings(
        path=path,
        exists=path.exists(),
        problem=problem,
        settings=tuple(_setting(name, document) for name in setting_names()),
        endpoints=tuple(tables) if isinstance(tables, dict) else (),
    )


def _whole_problem(document: Document) -> str:
    from mediasense.config import config_of

    try:
        config_of(document)
    except ConfigError as error:
        return str(error)
    return ""


def _setting(name: str, document: Document | None) -> Setting:
    try:
        if (told := told_by_variable(name)) is not None:
            return Setting(name=name, value=told.value, source=told.variable)
    except ConfigError as error:
        return Setting(name=name, value=None, source="environment", problem=str(error))
    if document is None or name not in document.settings:
        return Setting(name=name, value=default_of(name), source="default")
    value = Value(document, (name,), document.settings[name])
    source = document.place((name,))
    try:
        return Setting(name=name, value=read_setting(value), source=source)
    except ConfigError as error:
        return Setting(name=name, value=value.value, source=source, problem=str(error))


def require_setting(name: str) -> None:
    """See to it that there is a setting of that name.

    Raises:
        UsageError: There is none; the hint says which could be meant.
    """
    names = setting_names()
    if name in names:
        return
    if name.partition(".")[0] == "providers":
        raise UsageError(
            "endpoints are not set one value at a time",
            hint="type: mediasense providers add NAME --base-url URL, or write into the file",
        )
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    raise UsageError(f"there is no setting {name!r}", hint=hint)


def value_of(name: str, words: tuple[str, ...], path: Path) -> object:
    """What is to be written for what somebody typed, such as ``off``, ``120`` or two names.

    Args:
        name: Of the setting.
        words: What was typed.
        path: The config file: paths begin in its folder.

    Returns:
        The value, as TOML has it.

    Raises:
        UsageError: It is no value of that setting.
    """
    problems = []
    for candidate in _candidates(words):
        try:
            read_setting(Value(Document(path, "", {}), (name,), candidate))
        except ConfigError as error:
            problems.append(error)
        else:
            return candidate
    first = problems[0]
    what = first.message.rpartition(f"{name}: ")[2]
    raise UsageError(f"{name}: {what}", hint="type: mediasense config show")


def _candidates(words: tuple[str, ...]) -> list[object]:
    """What the words may mean, the likeliest first."""
    if len(words) != 1:
        return [list(words)]
    (word,) = words
    if word in _FLAGS:
        return [_FLAGS[word], word, [word]]
    try:
        parsed = tomllib.loads(f"x = {word}")
    except (ValueError, RecursionError):
        return [word, [word]]
    return [parsed["x"], word, [word]] if set(parsed) == {"x"} else [word, [word]]
