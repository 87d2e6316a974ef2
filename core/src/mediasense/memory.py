"""Answers that were given before, found by everything that shaped them.

An answer is known again by the bytes it is about and by all that decides what is made of them: the
question, who is asked and where, what that provider says of itself, the rules of the house, and the
version of the planner, which is a function of these. So a kept answer is found without looking at
the media, and without planning. Single calls are kept too: what was written down of a recording
serves the next question about it.

Keys to services, file names and the bytes themselves are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense.connection import base_url_of
from mediasense.envelope import from_plain, to_plain
from mediasense.errors import MediasenseError
from mediasense.media.inspecting import display_name
from mediasense.media.source import Source, plain_path
from mediasense.names import MediaModality
from mediasense.planning import PLAN_VERSION
from mediasense.providers import Provider
from mediasense.types import (
    Analysis,
    Answer,
    Box,
    Media,
    Question,
    Request,
    Segment,
    TextLine,
    Timings,
    Usage,
)

if TYPE_CHECKING:
    from mediasense.store.cache import Cache
    from mediasense.store.later import LaterCache

_BLOCK = 1 << 20
_FORMAT = 1
"""Of what is kept; raised when it changes."""

_SHAPING = (
    "prompt",
    "model",
    "max_output_tokens",
    "temperature",
    "json_schema",
    "start",
    "end",
    "fps",
    "resolution",
    "language",
    "frames",
    "every",
    "audio_model",
    "subtitles",
    "min_confidence",
    "timed",
)
"""The fields of a question that change its answer, besides who is asked."""

_NOT_SHAPING = (
    "provider",
    "access",
    "audio_provider",
    "fallback",
    "cache",
    "jobs",
    "timeout",
    "retries",
    "allow_private",
    "max_cost",
    "max_download",
)
"""Those that do not; providers are told by what they are and where."""

assert {field.name for field in fields(Question)} == {*_SHAPING, *_NOT_SHAPING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Sources as they were when they were looked at.

    Attributes:
        key: Of the answer to the question about them.
        states: Of each file: size, time and identity; ``None`` for bytes.
        names: What the user calls them, fit to be printed.
    """

    key: str
    states: tuple[tuple[int, ...] | None, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """What was answered before to one question.

    Attributes:
        cache: Where answers are kept.
        question: What is asked.
        asked: Who may be asked, in order, and who writes down sound.
        plugins: The plugin, with its version, of each provider by name.
        rules: The rules of the house.
        expected: The kind of media they must be.
    """

    cache: Cache | LaterCache
    question: Question
    asked: tuple[Provider, ...]
    plugins: Mapping[str, str]
    rules: tuple[str, ...]
    expected: MediaModality | None

    def look(self, sources: Sequence[Source]) -> Seen | None:
        """Read the sources, if all of them are files or bytes; links are not known by name."""
        digests: list[str] = []
        states: list[tuple[int, ...] | None] = []
        names: list[str] = []
        for source in sources:
            if isinstance(source, bytes):
                digests.append(hashlib.sha256(source).hexdigest())
                states.append(None)
                names.append("the data")
                continue
            path = plain_path(source)
            found = _digest(path) if path is not None else None
            if path is None or found is None:
                return None
            digests.append(found[0])
            states.append(found[1])
            names.append(display_name(path))
        return Seen(key=self._key(digests), states=tuple(states), names=tuple(names))

    def look_at(self, media: Sequence[Media]) -> Seen | None:
        """The same for media that were fetched; nothing is known of links that are passed on."""
        if any(item.uri is not None for item in media):
            return None
        digests = [_digest_of(item) for item in media]
        names = tuple(item.name for item in media)
        return Seen(key=self._key(digests), states=(None,) * len(media), names=names)

    def recall(self, seen: Seen) -> Analysis | None:
        """The answer, if it was given before."""
        if self.question.cache != "use":
            return None
        text = self.cache.get(seen.key)
        if text is None:
            return None
        try:
            analysis = from_plain(json.loads(text))
        except (ValueError, RecursionError):
            return None
        if len(analysis.media) != len(seen.names):
            return None
        media = tuple(
            replace(item, name=name)
            for item, name in zip(analysis.media, seen.names, strict=True)
        )
        used = Usage(input_tokens=0, output_tokens=0)
        nothing = Timings(total=0.0, prepare=0.0, provider=0.0)
        return replace(
            analysis, media=media, usage=used, timings=nothing, cost=0.0, cached=True
        )

    def keep(self, seen: Seen, sources: Sequence[Source], analysis: Analysis) -> None:
        """Keep an answer, unless a file changed meanwhile, or nobody knows which model answered."""
        for source, state in zip(sources, seen.states, strict=False):
            if state is not None and _state(plain_path(source)) != state:
                return
        text = json.dumps(to_plain(analysis))
        self.cache.put(seen.key, "analysis", text, provider=analysis.provider)

    def recall_call(self, key: str) -> Answer | None:
        """The answer to one call, if it was made before."""
        if self.question.cache != "use":
            return None
        text = self.cache.get(key)
        if text is None:
            return None
        try:
            return replace(_answer(json.loads(text)), cost=0.0, cached=True)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def keep_call(self, key: str, request: Request, answer: Answer) -> None:
        """Keep the answer to one call."""
        plain = {name: getattr(answer, name) for name in _ANSWER}
        plain["usage"] = _flat(answer.usage) if answer.usage else None
        plain["segments"] = [_flat(segment) for segment in answer.segments]
        plain["lines"] = [{**_flat(line), "box": _flat(line.box)} for line in answer.lines]
        self.cache.put(key, "call", json.dumps(plain), provider=request.provider.name)

    def call_key(self, request: Request) -> str | None:
        """What a call is known by; ``None`` where nobody can say what would answer it again."""
        if request.model is None and request.provider.kind != "device":
            return None  # the server answers with whatever model it has loaded
        media = getattr(request, "images", None) or [
            getattr(request, name) for name in ("video", "audio") if hasattr(request, name)
        ]
        if any(item.uri is not None for item in media):
            return None  # what a link leads to may change
        told = [(item.mime_type, item.timestamp, _digest_of(item)) for item in media]
        options = [
            (field.name, getattr(request, field.name))
            for field in fields(request)
            if field.name not in _NOT_IN_CALLS
        ]
        asked = self._place(request.provider), request.access.base_url
        return _hashed("call", type(request).__name__, asked, self.rules, options, told)

    def _key(self, digests: Sequence[str]) -> str:
        asked = [(_told(provider), self._place(provider)) for provider in self.asked]
        shape = _shape(self.question)
        return _hashed("analysis", shape, asked, self.rules, self.expected, digests)

    def _place(self, provider: Provider) -> tuple[str | None, ...]:
        """Where a provider is reached, and by which plugin."""
        access = self.question.access
        try:
            url = base_url_of(provider, access)
        except MediasenseError as error:  # found to be wrong when it is used, if it is
            url = type(error).__name__
        plugin = self.plugins[provider.name]
        return provider.name, plugin, url, access.project, access.location, access.api_version


_ANSWER = tuple(
    field.name for field in fields(Answer) if field.name not in ("cost", "cached")
)
_NOT_IN_CALLS = ("provider", "access", "timeout", "retries", "images", "video", "audio")


@lru_cache(maxsize=256)
def _told(provider: Provider) -> str:
    return _hashed(repr(provider))


@lru_cache(maxsize=64)
def _shape(question: Question) -> str:
    return _hashed([(name, getattr(question, name)) for name in _SHAPING])


def _hashed(*parts: object) -> str:
    # Half a character in a prompt is escaped by `repr` already.
    return hashlib.sha256(repr((_FORMAT, PLAN_VERSION, *parts)).encode()).hexdigest()


def _digest(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """A file's digest, and its state before it was read; ``None`` where it cannot be read."""
    state = _state(path)
    if state is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), state
    except OSError:
        return None


def _state(path: Path | None) -> tuple[int, ...] | None:
    try:
        found = path.stat() if path is not None else None
    except (OSError, ValueError):
        return None
    # A pipe would wait for somebody to write into it.
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev


def _digest_of(media: Media) -> str:
    if media.data is not None:
        return hashlib.sha256(media.data).hexdigest()
    digest = hashlib.sha256()
    with media.open() as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flat(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _answer(plain: dict[str, Any]) -> Answer:
    usage = plain["usage"]
    return Answer(
        text=plain["text"],
        model=plain["model"],
        usage=Usage(**usage) if usage else None,
        finish_reason=plain["finish_reason"],
        segments=tuple(Segment(**segment) for segment in plain["segments"]),
        lines=tuple(TextLine(**{**line, "box": Box(**line["box"])}) for line in plain["lines"]),
        language=plain["language"],
        warnings=tuple(plain["warnings"]),
    )
