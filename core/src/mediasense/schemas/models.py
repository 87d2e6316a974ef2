"""Schemas that users give as a class: pydantic's models, known by their methods."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mediasense.errors import UsageError, one_line
from mediasense.schemas.checking import MOST_MISFITS
from mediasense.schemas.reading import read_schema

Check = Callable[[object], tuple[str, ...]]
"""Says what is wrong with data, besides what its schema says; nothing when it is right."""

SchemaLike = str | Mapping[str, object] | os.PathLike[str] | type[Any]
"""What may be given as a schema; a class is one that :class:`ModelClass` describes."""


@runtime_checkable
class ModelClass(Protocol):
    """A class that tells its JSON Schema, and makes an instance of data (pydantic 2)."""

    def model_json_schema(self) -> dict[str, Any]:
        """Its JSON Schema."""

    def model_validate(self, obj: object) -> Any:
        """An instance; raises :class:`ValueError` for data that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an answer is wanted as.

    Attributes:
        json_schema: The JSON Schema, as JSON text.
        model: The class whose instance the answer becomes; ``None`` leaves it as it is.
    """

    json_schema: str
    model: ModelClass | None = None

    @property
    def check(self) -> Check | None:
        """What the class has against data; ``None`` without one."""
        return None if self.model is None else self._misfits

    def made(self, data: object) -> object:
        """The data, or an instance of the class that is made of it."""
        return data if self.model is None else _instance(self.model, data)

    def _misfits(self, data: object) -> tuple[str, ...]:
        assert self.model is not None
        try:
            _instance(self.model, data)
        except ValueError as error:  # what pydantic raises is one
            return _told(error)
        return ()


def wanted(schema: SchemaLike) -> Wanted:
    """What an answer is wanted as, by a schema or a class.

    Raises:
        UsageError: It is neither; the message says where and why.
    """
    if not isinstance(schema, type):
        return Wanted(json_schema=read_schema(schema))
    model: object = schema
    if not isinstance(model, ModelClass):
        raise UsageError(
            f"the class {schema.__name__} tells no JSON Schema", hint="give a pydantic model"
        )
    return Wanted(json_schema=read_schema(model.model_json_schema()), model=model)


def _instance(model: ModelClass, data: object) -> object:
    # Strict models take dates and the like as text only where it is JSON.
    from_json = getattr(model, "model_validate_json", None)
    return model.model_validate(data) if from_json is None else from_json(json.dumps(data))


def _told(error: ValueError) -> tuple[str, ...]:
    listed = getattr(error, "errors", None)
    found = listed() if callable(listed) else ()
    told = [_one(entry) for entry in _some(found) if isinstance(entry, Mapping)]
    return tuple(told) or (one_line(str(error) or type(error).__name__),)


def _some(found: object) -> list[object]:
    return list(found)[:MOST_MISFITS] if isinstance(found, Iterable) else []


def _one(entry: Mapping[str, object]) -> str:
    place = entry.get("loc")
    steps = place if isinstance(place, tuple | list) else ()
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return f"{one_line(str(entry.get('msg')))} (at {one_line('$' + path, limit=120)})"
