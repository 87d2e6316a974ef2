"""What makes two runs runs of the same batch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

from mediasense.types import Question

_OF_THE_RUN = (
    "allow_private",
    "cache",
    "fallback",
    "jobs",
    "max_cost",
    "max_download",
    "retries",
    "timeout",
)
"""What may change from one run to the next: it shapes no answer."""
_SHOWN = 200


def described(question: Question) -> str:
    """All that is asked, in lines of words: what differs between two batches can be told."""
    told = []
    for field in fields(Question):
        value = getattr(question, field.name)
        if field.name == "access":
            told += [
                f"{name}: {getattr(value, name)}"
                for name in ("base_url", "project", "location", "api_version")
                if getattr(value, name) is not None
            ]
        elif field.name not in _OF_THE_RUN and value != field.default:
            text = value if isinstance(value, str) else json.dumps(value)
            told.append(f"{field.name}: {_short(text)}")
    return "\n".join(told)


def fingerprint(question: Question) -> str:
    """The same in few digits, and whole."""
    shaping = [
        (field.name, repr(getattr(question, field.name)))
        for field in fields(Question)
        if field.name not in (*_OF_THE_RUN, "access")
    ]
    access = question.access
    where = (access.base_url, access.project, access.location, access.api_version)
    return hashlib.sha256(repr((shaping, where)).encode()).hexdigest()


def _short(text: str) -> str:
    """A long text by its beginning and its digest."""
    text = " ".join(text.split())
    if len(text) <= _SHOWN:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{text[:_SHOWN]}… ({digest})"
