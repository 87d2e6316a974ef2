"""A TOML document of the user's, whose errors say in which file, on which line and of what."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mediasense.errors import ConfigError, one_line

MAX_BYTES = 1_000_000
_LONGEST_TEXT = 1000
_LONGEST_ARRAY = 1000
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    Attributes:
        path: The file.
        text: What is in it.
        settings: The same, parsed.
    """

    path: Path
    text: str = field(repr=False)
    settings: Mapping[str, object] = field(repr=False)

    @property
    def root(self) -> Value:
        """The whole document, as a table."""
        return Value(self, (), self.settings)

    def place(self, key: tuple[str, ...]) -> str:
        """The file and the line of a key, as ``/path/config.toml:12``."""
        lines = _lines(self.text)
        known = (key[:length] for length in range(len(key), 0, -1))
        line = next((lines[part] for part in known if part in lines), None)
        return f"{self.path}:{line}" if line is not None else str(self.path)


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a document.

    Attributes:
        document: Where it stands.
        key: Under what.
        value: As it was parsed.
    """

    document: Document
    key: tuple[str, ...]
    value: object

    def error(self, what: str, hint: str = "mend the file") -> ConfigError:
        """The error that says what is wrong with it."""
        named = one_line(dotted(self.key))
        return ConfigError(f"{self.document.place(self.key)}: {named}: {what}", hint=hint)

    def table(self, known: Iterable[str] | None = None) -> dict[str, Value]:
        """The values of a table.

        Args:
            known: The keys it may have; ``None`` takes any.

        Raises:
            ConfigError: It is no table, or has another key.
        """
        if not isinstance(self.value, dict):
            raise self.error("not a table")
        values = {k: Value(self.document, (*self.key, k), v) for k, v in self.value.items()}
        if known is not None:
            known = tuple(known)
            for name, value in values.items():
                if name not in known:
                    raise value.error("unknown setting", _meant(name, known))
        return values

    def items(self) -> tuple[Value, ...]:
        """The items of an array.

        Raises:
            ConfigError: It is none.
        """
        if not isinstance(self.value, list):
            raise self.error("not an array")
        if len(self.value) > _LONGEST_ARRAY:
            raise self.error(f"more than {_LONGEST_ARRAY} items")
        return tuple(Value(self.document, self.key, item) for item in self.value)

    def said(self, pattern: str = r".+", what: str = "") -> str:
        """A text of printable characters.

        Args:
            pattern: What the whole of it matches.
            what: What it then is, such as ``the name of a variable``.

        Raises:
            ConfigError: It is none, or another one.
        """
        if not isinstance(self.value, str):
            raise self.error("not a text")
        if len(self.value) > _LONGEST_TEXT:
            raise self.error(f"longer than {_LONGEST_TEXT} characters")
        if not self.value.isprintable() or not re.fullmatch(pattern, self.value):
            raise self.error(f"not {what or 'a text of one line'}")
        return self.value

    def prose(self, *, most: int) -> str:
        """A text of any number of lines, without the space around it.

        Args:
            most: Characters it may have.

        Raises:
            ConfigError: It is none, is empty, or is longer.
        """
        if not isinstance(self.value, str):
            raise self.error("not a text")
        if len(self.value) > most:
            raise self.error(f"longer than {most} characters")
        if not self.value.strip():
            raise self.error("empty")
        return self.value.strip()

    def flag(self) -> bool:
        """True or false.

        Raises:
            ConfigError: It is neither.
        """
        if not isinstance(self.value, bool):
            raise self.error("not true or false")
        return self.value

    def number(self, *, most: float) -> float:
        """A number above 0.

        Raises:
            ConfigError: It is none, or more than ``most``.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error("not a number")
        if math.isnan(self.value) or not 0 < self.value <= most:
            raise self.error(f"not above 0 and up to {most:g}")
        return self.value

    def whole(self, *, least: int, most: int) -> int:
        """A whole number.

        Raises:
            ConfigError: It is none, or not from ``least`` to ``most``.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.error("not a whole number")
        if not least <= self.value <= most:
            raise self.error(f"not {least} to {most}")
        return self.value


def dotted(key: tuple[str, ...]) -> str:
    """A key as it may be written in a document."""
    return ".".join(part if _PLAIN_KEY.fullmatch(part) else f'"{part}"' for part in key)


def read_document(path: Path) -> Document:
    """Read and parse a file.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It cannot be read, is too large, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES / 1e6:g} MB", hint="shorten it")
        text = data.decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="check the file") from None
    import tomllib

    try:
        settings = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deeply", hint="mend the file") from None
    except ValueError as error:
        raise ConfigError(_syntax(path, text, str(error)), hint="mend the file") from None
    return Document(path, text, settings)


@lru_cache(maxsize=1)
def _lines(text: str) -> Mapping[tuple[str, ...], int]:
    from mediasense.toml_lines import find_lines

    return find_lines(text)


def _syntax(path: Path, text: str, said: str) -> str:
    """The parser's words, with the line where those of all other errors have it."""
    line = text.count("\n") + 1
    if found := re.search(r" \(at line (\d+), column \d+\)$", said):
        line = int(found[1])
    elif not said.endswith(" (at end of document)"):
        return f"{path}: {one_line(said)}"  # a number of thousands of digits, by Python itself
    return f"{path}:{line}: {one_line(said.rpartition(' (at ')[0])}"


def _meant(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
