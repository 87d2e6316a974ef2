"""The form that an answer is wanted in, and whether it has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from mediasense.errors import InvalidAnswer, MediaError
from mediasense.schemas.answers import Reading, read_answer
from mediasense.schemas.checking import MOST_DATA_LEVELS, misfits, misfits_of
from mediasense.schemas.models import Check
from mediasense.schemas.references import is_quick
from mediasense.schemas.strict_json import deeper_than
from mediasense.turns import heavily

if TYPE_CHECKING:
    from mediasense.media.isolation.decoder import Decoder

_MOST_SECONDS = 5.0
"""For one check of an answer against a schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an answer must be.

    Attributes:
        schema: A JSON Schema, as JSON text.
        check: What else it must hold to.
    """

    schema: str
    check: Check | None = None

    def read(self, text: str) -> Reading:
        """Find the data in an answer.

        Raises:
            InvalidAnswer: It cannot be checked against the schema in a bounded time.
        """
        return read_answer(text, self.misfits)

    def misfits(self, data: object) -> tuple[str, ...]:
        """Where and why data does not fit: a few places, ``()`` when it does.

        Raises:
            InvalidAnswer: It cannot be checked against the schema in a bounded time.
        """
        if is_quick(self.schema) or deeper_than(data, MOST_DATA_LEVELS):
            found = misfits(data, self.schema)
        else:
            found = _misfits_apart(data, self.schema)
        return found or (self.check(data) if self.check is not None else ())


def _misfits_apart(data: object, schema: str) -> tuple[str, ...]:
    """The misfits, found in a process that is ended where it takes too long."""
    work = partial(misfits_of, text=json.dumps(data), schema=schema)
    try:
        with heavily():
            return _checker().decode(work)
    except MediaError:
        raise InvalidAnswer(
            f"whether the answer fits the schema could not be told in {_MOST_SECONDS:g} s",
            hint="make the patterns and references of the schema simpler",
        ) from None


@cache
def _checker() -> Decoder:
    from mediasense.media.isolation.decoder import Decoder, Limits

    return Decoder(prefixes=("mediasense.schemas.",), limits=Limits(idle_seconds=_MOST_SECONDS))
