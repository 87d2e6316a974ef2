"""What crosses between the program and the process that decodes.

Media that took the decoder over may make it say anything. So nothing that comes from it is
unpickled: answers are JSON, read against what the function is annotated to return. The program's
own code names every class that is made; the bytes never do. Requests go the other way, from the
program, and are pickled.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import os
import pickle
import struct
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MAX_BYTES = 16 * 1024 * 1024
"""The longest message; what is larger goes to a file."""

_LENGTH = struct.Struct(">I")
_LARGEST_INTEGER = 2**63
_PLAIN = (bool, int, float, str)


class Nonsense(ValueError):
    """Bytes that are no message, or a message that is not what was asked for."""


class TooLong(ValueError):
    """A message of more than :data:`MAX_BYTES`."""


# --- bytes ---------------------------------------------------------------------------------------


def send(pipe: int, message: bytes) -> None:
    """Write a message to a pipe.

    Raises:
        TooLong: Nothing was written.
        OSError: Nobody reads the pipe.
    """
    if len(message) > MAX_BYTES:
        raise TooLong(f"a message of {len(message)} bytes; at most {MAX_BYTES} are taken")
    left = memoryview(_LENGTH.pack(len(message)) + message)
    while left:
        left = left[os.write(pipe, left) :]


def receive(pipe: int) -> bytes | None:
    """Read the next message of a pipe; ``None`` when the other end is gone.

    Raises:
        Nonsense: It claims to be longer than any message is.
    """
    head = _read(pipe, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise Nonsense(f"it claims to hold {length} bytes")
    return _read(pipe, length)


def _read(pipe: int, length: int) -> bytes | None:
    found = bytearray()
    while len(found) < length:
        block = os.read(pipe, length - len(found))
        if not block:
            return None
        found += block
    return bytes(found)


# --- requests ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A function to call.

    Attributes:
        prefixes: What the name of its module must start with.
        module, name: Where it is defined.
        arguments: What to call it with; ``on_progress`` is added where it takes that.
        folder: The current folder of the program, so that paths mean the same there.
    """

    prefixes: tuple[str, ...]
    module: str
    name: str
    arguments: dict[str, Any]
    folder: str | None = None

    def pack(self) -> bytes:
        """For :meth:`unpack`, in the process that decodes and nowhere else."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def unpack(message: bytes) -> Request:
        """Read a request of the program, which is trusted."""
        found = pickle.loads(message)  # noqa: S301
        assert isinstance(found, Request)
        return found


# --- answers -------------------------------------------------------------------------------------


def dump(value: object) -> bytes:
    """Write plain data as JSON: the form that :func:`read_as` reads.

    Raises:
        TypeError: There is something in it that is not plain data.
    """
    return json.dumps(value, separators=(",", ":")).encode()


def load(message: bytes) -> object:
    """Read JSON from a process that is not trusted.

    Raises:
        Nonsense: It is none.
    """
    try:
        found: object = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"it is not JSON: {error}") from None
    return found


def plain(value: Any) -> object:
    """Turn what a function returns into what JSON can hold.

    Args:
        value: Numbers, text, bytes, paths, tuples, lists, dictionaries and dataclasses.

    Raises:
        TypeError: It is, or holds, something else.
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {"pairs": [[plain(key), plain(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {name: plain(getattr(value, name)) for name in _fields(kind)}
        return {"record": _name(kind), "fields": fields}
    raise TypeError(f"{type(value).__name__} is not plain data")


def read_as(kind: Any, value: object, *, allowed: Callable[[Path], bool]) -> Any:
    """Read back what :func:`plain` made, as the type that it must have.

    Args:
        kind: The type: plain ones, ``Path``, ``Literal``, unions, ``tuple``, ``list``, ``dict`` and
            frozen dataclasses of these.
        value: What came out of the JSON.
        allowed: Says whether a path may be in the answer.

    Raises:
        Nonsense: The value is of another type, or holds a path that is not allowed.
        TypeError: ``kind`` is none of the types above.
    """
    return _Reader(allowed).read(kind, value)


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values against types."""

    allowed: Callable[[Path], bool]

    def read(self, kind: Any, value: Any) -> Any:
        origin = typing.get_origin(kind)
        if origin in (typing.Union, types.UnionType):
            return self._one_of(typing.get_args(kind), value)
        if origin is typing.Literal:
            return self._literal(typing.get_args(kind), value)
        if origin is tuple:
            return tuple(self._items(typing.get_args(kind), value))
        if origin is list:
            return list(self._items((*typing.get_args(kind), ...), value))
        if origin is dict:
            return self._dictionary(typing.get_args(kind), value)
        if origin is None and isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self._record(kind, value)
        return self._simple(kind, value)

    def _simple(self, kind: Any, value: Any) -> Any:
        if kind is None or kind is types.NoneType:
            return value if value is None else _refuse("nothing", value)
        if kind is float and type(value) is int:
            value = float(_integer(value))
        if kind in _PLAIN:
            matches = type(value) is kind  # a truth is no number
            return _integer(value) if matches else _refuse(kind.__name__, value)
        if kind is bytes:
            return self._bytes(value)
        if kind is Path:
            return self._path(value)
        raise TypeError(f"{kind!r} cannot come out of a decoder")

    def _bytes(self, value: Any) -> bytes:
        match value:
            case {"bytes": str(text), **others} if not others:
                try:
                    return base64.b64decode(text, validate=True)
                except (binascii.Error, ValueError):
                    pass
        return _refuse("bytes", value)

    def _path(self, value: Any) -> Path:
        match value:
            case {"path": str(text), **others} if not others:
                path = Path(text)
                if self.allowed(path):
                    return path
                raise Nonsense("it names a file that is not its own")
        return _refuse("a path", value)

    def _one_of(self, kinds: tuple[Any, ...], value: Any) -> Any:
        problems = []
        for kind in kinds:
            try:
                return self.read(kind, value)
            except Nonsense as error:
                problems.append(error)
        raise problems[0]  # the first kind is usually the one that is meant

    def _literal(self, words: tuple[Any, ...], value: Any) -> Any:
        for word in words:
            if type(word) is type(value) and word == value:
                return word
        return _refuse("one of the words it may be", value)

    def _items(self, kinds: tuple[Any, ...], value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            _refuse("a row", value)
        if len(kinds) == 2 and kinds[1] is ...:
            kinds = (kinds[0],) * len(value)
        if len(kinds) != len(value):
            raise Nonsense(f"a row of {len(value)} where {len(kinds)} belong")
        return (self.read(kind, item) for kind, item in zip(kinds, value, strict=True))

    def _dictionary(self, kinds: tuple[Any, ...], value: Any) -> dict[Any, Any]:
        match value:
            case {"pairs": list(pairs), **others} if not others:
                return dict(tuple(self._items(kinds, pair)) for pair in pairs)
        return _refuse("pairs", value)

    def _record(self, kind: type, value: Any) -> Any:
        if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise TypeError(f"{kind.__name__} is not frozen: it cannot come out of a decoder")
        expected = _fields(kind)
        match value:
            case {"record": str(name), "fields": dict(fields), **others} if not others:
                if name == _name(kind) and fields.keys() == expected.keys():
                    return _made(kind, {n: self.read(expected[n], fields[n]) for n in fields})
        return _refuse(kind.__name__, value)


def _made(kind: type, fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except (TypeError, ValueError) as error:  # its own check
        raise Nonsense(str(error)) from None


def _integer(value: Any) -> Any:
    if type(value) is int and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        raise Nonsense("a number without end")
    return value


def _refuse(wanted: str, value: object) -> typing.NoReturn:
    raise Nonsense(f"{type(value).__name__} where {wanted} belongs")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@functools.lru_cache(maxsize=256)
def _fields(kind: type) -> dict[str, Any]:
    """The fields that a dataclass is made of, and their types."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
