"""The short form of a schema: ``title, severity low|medium|high, steps list {action, at float}``.

::

    fields = field ("," or line break) field ...
    field  = name [what] ["list"] ["?"] [":" description]
    what   = "str" | "int" | "float" | "bool" | "date"     a text, when nothing is said
           | word "|" word ...                             one of these words, or numbers
           | "{" fields "}"                                an object

``list`` may stand before or after what it is a list of. ``?`` is a field that may be left out, or
null. A word or a description with a comma, a brace or a space in it stands in double quotes. The
object that comes of it holds nothing else.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NoReturn

from mediasense.errors import UsageError, one_line

MOST_LETTERS = 20_000
MOST_LEVELS = 8

_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "text": {"type": "string"},
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}
_NAME = re.compile(r"[^\W\d][\w-]*")
_WORD = re.compile(r'[^\s,{}|?:"]+')
_QUOTED = re.compile(r'"([^"\n]*)"')
_PLAIN_DESCRIPTION = re.compile(r"[^,{}\n]*")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})")
_EXAMPLE = "write for example 'title, severity low|medium|high, steps list {action, at float}'"


def parse_shorthand(text: str) -> dict[str, Any]:
    """The JSON Schema that a short form stands for.

    Args:
        text: The short form, at most :data:`MOST_LETTERS` long.

    Raises:
        UsageError: It is none; the message says where and why.
    """
    if len(text) > MOST_LETTERS:
        raise UsageError(
            f"the schema is longer than {MOST_LETTERS} characters", hint="give a JSON Schema"
        )
    return _Parser(text).whole()


class _Parser:
    """Reads one short form from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> dict[str, Any]:
        made = self._fields(1)
        if self._at < len(self._text):
            self._fail("there is no { to close" if self._next == "}" else "a comma is missing")
        return made

    def _fields(self, level: int) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        self._skip(lines=True)
        while True:
            started = self._at
            name, described, optional = self._field(level)
            if name in properties:
                self._fail(f"there are two fields {name}", started)
            properties[name] = described
            required += [] if optional else [name]
            if not self._separated() or self._next in ("", "}"):
                break
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _separated(self) -> bool:
        """Pass what stands between two fields: a comma, line breaks, or both."""
        started = self._at
        self._skip(lines=True)
        broken = "\n" in self._text[started : self._at]
        if self._eat(","):
            self._skip(lines=True)
            return True
        return broken

    def _field(self, level: int) -> tuple[str, dict[str, Any], bool]:
        found = _NAME.match(self._text, self._at)
        if found is None:
            self._fail("a name is missing" if self._next in ("", ",", "}") else "this is no name")
        self._at = found.end()
        what: dict[str, Any] | None = None
        many = optional = False
        while True:
            self._skip(lines=False)
            if not optional and self._eat("?"):
                optional = True
            elif not many and self._is_list():
                many = True
            elif what is None and self._next == "{":
                what = self._object(level)
            elif what is None and self._next not in _ENDS:
                what = self._type()
            else:
                break
        described = what or _TYPES["str"]
        if many:
            described = {"type": "array", "items": described}
        if optional:
            described = _or_null(described)
        if description := self._description():
            described = {**described, "description": description}
        return found[0], described, optional

    def _object(self, level: int) -> dict[str, Any]:
        if level == MOST_LEVELS:
            self._fail(f"objects are nested deeper than {MOST_LEVELS}")
        opened = self._at
        self._eat("{")
        made = self._fields(level + 1)
        self._skip(lines=True)
        if not self._eat("}"):
            if self._at < len(self._text):
                self._fail("a comma is missing")
            self._fail("this { is not closed", opened)
        return made

    def _is_list(self) -> bool:
        """Pass ``list``; it is a word like any other where it is one of several to choose from."""
        found = _WORD.match(self._text, self._at)
        if found is None or found[0] != "list":
            return False
        started, self._at = self._at, found.end()
        self._skip(lines=False)
        if self._next == "|":
            self._at = started
            return False
        return True

    def _type(self) -> dict[str, Any]:
        started, quoted = self._at, self._next == '"'
        words = [self._word()]
        self._skip(lines=False)
        while self._eat("|"):
            self._skip(lines=False)
            at = self._at
            words.append(self._word())
            if words[-1] in words[:-1]:
                self._fail(f"{words[-1]} stands there twice", at)
            self._skip(lines=False)
        if len(words) == 1 and not quoted:
            return self._named(words[0], started)
        if not quoted and all(_NUMBER.fullmatch(word) for word in words):
            return {"type": "integer", "enum": [int(word) for word in words]}
        return {"type": "string", "enum": words}

    def _named(self, word: str, at: int) -> dict[str, Any]:
        known = _TYPES.get(word)
        if known is not None:
            return known
        if word == "list":
            self._fail("list stands there twice", at)
        near = difflib.get_close_matches(word[:40], (*_TYPES, "list"), 1)
        meant = f"did you mean {near[0]}?" if near else "there are str, int, float, bool and date"
        return self._fail(f"{one_line(word, limit=40)} is no type ({meant})", at)

    def _word(self) -> str:
        if found := _QUOTED.match(self._text, self._at):
            self._at = found.end()
            return found[1]
        if self._next == '"':
            self._fail("this quotation mark is not closed")
        found = _WORD.match(self._text, self._at)
        if found is None:
            self._fail("a word is missing")
        self._at = found.end()
        return found[0]

    def _description(self) -> str:
        if not self._eat(":"):
            return ""
        self._skip(lines=False)
        if self._next == '"':
            text = self._word()
            self._skip(lines=False)
            return text
        found = _PLAIN_DESCRIPTION.match(self._text, self._at)
        assert found is not None  # it may be empty
        self._at = found.end()
        return found[0].strip()

    # --- letters ---------------------------------------------------------------------------------

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _eat(self, letter: str) -> bool:
        if self._next != letter:
            return False
        self._at += 1
        return True

    def _skip(self, *, lines: bool) -> None:
        while (letter := self._next) and letter.isspace() and (lines or letter != "\n"):
            self._at += 1

    def _fail(self, why: str, at: int | None = None) -> NoReturn:
        at = self._at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        column = at - (self._text.rfind("\n", 0, at) + 1) + 1
        place = f"character {column}" if "\n" not in self._text else f"line {line}, {column}"
        rest = one_line(self._text[at : at + 60], limit=24)
        near = f" ({rest})" if rest else ", its end"
        raise UsageError(f"the short schema at {place}{near}: {why}", hint=_EXAMPLE)


_ENDS = ("", ",", "\n", "}", ":", "?", "|", "{")


def _or_null(described: dict[str, Any]) -> dict[str, Any]:
    """The same, or null: models write it for what they do not find."""
    plain = isinstance(described["type"], str) and described["type"] not in ("object", "array")
    if plain and "enum" not in described:
        return {**described, "type": [described["type"], "null"]}
    return {"anyOf": [described, {"type": "null"}]}
