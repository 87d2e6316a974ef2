"""A call that goes to a child: how it is sent, and what may come back."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mediasense.media.isolation import wire

TEXT_LIMIT = 4000
"""So many characters of what a child says are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function and its arguments, ready to be sent.

    Attributes:
        request: For the child.
        returns: The type of the result.
        arguments: What the paths of the result are checked against.
        name: What errors call the media.
    """

    request: bytes
    returns: Any
    arguments: dict[str, Any]
    name: str

    def allows(self, path: Path) -> bool:
        """Whether the result may name this file: a given one, or one in the given folder."""
        if path in _paths(self.arguments):
            return True
        folder = self.arguments.get("folder")
        try:
            return isinstance(folder, Path) and path.resolve().is_relative_to(folder.resolve())
        except (OSError, RuntimeError, ValueError):  # a name that no file can have
            return False


def prepare(call: partial[Any], prefixes: tuple[str, ...]) -> Call:
    """Make a call ready.

    Args:
        call: The function and its arguments, all by name.
        prefixes: What the name of its module must start with.

    Raises:
        TypeError: An argument has no name, or the function does not say what it returns.
    """
    if call.args:
        raise TypeError("a decoder takes its arguments by name")
    function, arguments = call.func, call.keywords
    request = wire.Request(
        prefixes=prefixes,
        module=function.__module__,
        name=function.__qualname__,
        arguments=arguments,
        folder=current_folder(),
    )
    return Call(
        request=request.pack(),
        returns=_result_type(function),
        arguments=arguments,
        name=printable(str(arguments.get("name") or arguments.get("source") or "the media")),
    )


@functools.lru_cache(maxsize=64)
def _result_type(function: Callable[..., Any]) -> Any:
    hints = typing.get_type_hints(function)
    if "return" not in hints:
        raise TypeError(f"{function.__qualname__} does not say what it returns")
    return hints["return"]


def _paths(value: Any) -> Iterator[Path]:
    """Every path in the arguments of a call."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _paths(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _paths(getattr(value, field.name))


def current_folder() -> str | None:
    """The current folder, if it still exists."""
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return None


def printable(text: str) -> str:
    """A child's words or a name, safe to show: one line of bounded length."""
    return "".join(c if c.isprintable() else " " for c in text[:TEXT_LIMIT])
