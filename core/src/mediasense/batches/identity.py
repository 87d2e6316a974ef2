"""What makes two runs runs of the same batch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

from mediasense.tasks import Task
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


def described(question: Question, endpoint: str = "") -> str:
    """All that is asked, in lines of words: what differs between two batches can be told.

    Args:
        question: What is asked.
        endpoint: Where the endpoint of the config file is that is asked; its name says less.
    """
    told = [f"endpoint: {endpoint}"] if endpoint else []
    for field in fields(Question):
        value = getattr(question, field.name)
        if field.name == "access":
            told += [
                f"{name}: {getattr(value, name)}"
                for name in ("base_url", "project", "location", "api_version")
                if getattr(value, name) is not None
            ]
        elif field.name not in _OF_THE_RUN and value != field.default:
            told.append(f"{field.name}: {_short(_words(value))}")
    return "\n".join(told)


def fingerprint(question: Question, endpoint: str = "") -> str:
    """The same in few digits, and whole."""
    shaping = [
        (field.name, repr(getattr(question, field.name)))
        for field in fields(Question)
        if field.name not in (*_OF_THE_RUN, "access")
    ]
    access = question.access
    where = (access.base_url, access.project, access.location, access.api_version)
    asked = (shaping, where, endpoint) if endpoint else (shaping, where)
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def _words(value: object) -> str:
    if isinstance(value, Task):
        # A task that was changed meanwhile is another one.
        digest = hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:8]
        return f"{value.name} ({digest})"
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    """A long text by its beginning and its digest."""
    text = " ".join(text.split())
    if len(text) <= _SHOWN:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{text[:_SHOWN]}… ({digest})"
