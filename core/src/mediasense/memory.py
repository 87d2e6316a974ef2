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
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.connection import base_url_of
from mediasense.envelope import from_plain, record_of, to_plain
from mediasense.errors import MediasenseError
from mediasense.media.inspecting import SMALL, display_name, read_small
from mediasense.media.source import FileRead, Source, plain_path
from mediasense.names import MediaModality
from mediasense.planning import PLAN_VERSION
from mediasense.providers import Access, Provider
from mediasense.turns import apart
from mediasense.types import (
    Analysis,
    Answer,
    Media,
    Question,
    Request,
    Timings,
    Usage,
)

if TYPE_CHECKING:
    from mediasense.store.cache import Cache, Kind
    from mediasense.store.later import LaterCache

_BLOCK = 1 << 20
_SLOW = 0.01
"""Seconds for a small file, from where on others work while the next one is read."""
_FORMAT = 1
"""Of what is kept; raised when it changes."""

_SHAPING = (
    "prompt",
    "task",
    "context",
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


State = tuple[int, ...]
"""Of a file: what is another after it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is asked about, as it was when it was looked at.

    Attributes:
        key: Of the answer to the question about it.
        files: Those that must not have changed when the answer is kept.
        names: What the user calls each, fit to be printed.
        sources: The sources, where they were read: small files with what is in them.
    """

    key: str
    files: tuple[tuple[Path, State], ...]
    names: tuple[str, ...] = ()
    sources: tuple[Source | FileRead, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What was answered before to one question.

    Attributes:
        cache: Where answers are kept.
        question: What is asked.
        asked: Who may be asked, in order.
        plugins: The plugin, with its version, of each provider by name.
        rules: The rules of the house.
        expected: The kind of media they must be.
        listener: Who writes down sound, where somebody is named for it.
    """

    cache: Cache | LaterCache
    question: Question
    asked: tuple[Provider, ...]
    plugins: Mapping[str, str]
    rules: tuple[str, ...]
    expected: MediaModality | None
    listener: Provider | None = None
    _digests: dict[tuple[Path, State], str] = field(default_factory=dict, repr=False, compare=False)

    # --- whole answers ---------------------------------------------------------------------------

    def look(self, sources: Sequence[Source]) -> Seen | None:
        """Read the sources, if all of them are files or bytes; links are not known by name."""
        digests: list[str] = []
        files: list[tuple[Path, State]] = []
        names: list[str] = []
        known: list[Source | FileRead] = []
        for source in sources:
            if isinstance(source, bytes):
                digests.append(_sha256(source))
                names.append("the data")
                known.append(source)
                continue
            path = plain_path(source)
            state = _state(path)
            if path is None or state is None:
                return None
            data = _DISK.read(path, state[0]) if state[0] <= SMALL else None
            digest = self._digest(path, state) if data is None else _sha256(data)
            if digest is None:
                return None
            digests.append(digest)
            files.append((path, state))
            names.append(display_name(path))
            known.append(source if data is None else FileRead(path, data))
        return Seen(
            key=self._key(digests), files=tuple(files), names=tuple(names), sources=tuple(known)
        )

    def look_at(self, media: Sequence[Media], sources: Sequence[Source]) -> Seen | None:
        """The same where some were fetched; nothing is known of links that are passed on.

        Args:
            media: What became of the sources.
            sources: Of which those that are files may change meanwhile.
        """
        if any(item.uri is not None for item in media):
            return None
        paths = [path for source in sources if (path := plain_path(source)) is not None]
        files = [(path, state) for path in paths if (state := _state(path)) is not None]
        digests = [self._digest_of(item) for item in media]
        names = tuple(item.name for item in media)
        return Seen(key=self._key(digests), files=tuple(files), names=names)

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
        return replace(
            _renamed(analysis, seen.names),
            usage=Usage(input_tokens=0, output_tokens=0),
            timings=Timings(total=0.0, prepare=0.0, provider=0.0),
            cost=0.0,
            cached=True,
        )

    def keep(self, seen: Seen, analysis: Analysis) -> None:
        """Keep an answer, unless a file changed meanwhile."""
        self._put(seen, "analysis", lambda: to_plain(analysis), analysis.provider)

    # --- single calls ----------------------------------------------------------------------------

    def look_into(self, request: Request) -> Seen | None:
        """What a call is known by; ``None`` where nobody can say what would answer it again."""
        if request.model is None and request.provider.kind != "device":
            return None  # the server answers with whatever model it has loaded
        if getattr(request, "json_schema", None) is not None:
            return None  # an answer that does not fit the schema would fail every time
        media = getattr(request, "images", None) or [
            getattr(request, name) for name in ("video", "audio") if hasattr(request, name)
        ]
        if any(item.uri is not None for item in media):
            return None  # what a link leads to may change
        paths = [item.path for item in media if item.data is None]
        files = [(path, state) for path in paths if path and (state := _state(path)) is not None]
        told = [(item.mime_type, item.timestamp, self._digest_of(item)) for item in media]
        options = [
            (field.name, _plain(getattr(request, field.name)))
            for field in fields(request)
            if field.name not in _NOT_IN_CALLS
        ]
        asked = self._place(request.provider, request.access)
        key = _hashed("call", type(request).__name__, asked, self.rules, options, told)
        return Seen(key=key, files=tuple(files))

    def recall_call(self, seen: Seen) -> Answer | None:
        """The answer to one call, if it was made before."""
        if self.question.cache != "use":
            return None
        text = self.cache.get(seen.key)
        if text is None:
            return None
        try:
            answer = record_of(Answer, json.loads(text))
        except (ValueError, RecursionError):
            return None
        return replace(answer, cost=0.0, cached=True)

    def keep_call(self, seen: Seen, request: Request, answer: Answer) -> None:
        """Keep the answer to one call, unless a file that was sent changed meanwhile.

        One that may be cut is not kept.
        """
        if answer.may_be_cut:
            return
        self._put(seen, "call", lambda: asdict(answer), request.provider.name)

    # --- both ------------------------------------------------------------------------------------

    def _put(self, seen: Seen, kind: Kind, plain: Callable[[], object], provider: str) -> None:
        if any(_state(path) != state for path, state in seen.files):
            return
        try:
            text = json.dumps(plain())
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
            return  # a plugin's answer that is no plain data is worth no less for that
        self.cache.put(seen.key, kind, text, provider=provider)

    def _key(self, digests: Sequence[str]) -> str:
        access = self.question.access
        asked = [(_told(provider), self._place(provider, access)) for provider in self.asked]
        if (ear := self.listener) is not None:
            # The question's way of reaching a provider is not meant for this one.
            asked.append((_told(ear), self._place(ear, Access())))
        shape = _shape(self.question)
        return _hashed("analysis", shape, asked, self.rules, self.expected, digests)

    def _place(self, provider: Provider, access: Access) -> tuple[str | None, ...]:
        """Where a provider is reached, and by which plugin."""
        try:
            url = base_url_of(provider, access)
        except MediasenseError as error:  # found to be wrong when it is used, if it is
            url = type(error).__name__
        plugin = self.plugins[provider.name]
        # What an endpoint of the config file is told besides: of variables, their names alone.
        told = repr((provider.like, provider.headers))
        cloud = access.project, access.location, access.api_version
        return provider.name, plugin, url, told, *cloud

    def _digest(self, path: Path, state: State) -> str | None:
        """A file's digest; ``None`` where it cannot be read. A large one is not read twice."""
        known = self._digests.get((path, state))
        if known is None:
            try:
                with apart(), path.open("rb") as file:
                    known = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                return None
            self._digests[path, state] = known
        return known

    def _digest_of(self, media: Media) -> str:
        if media.data is not None:
            return _sha256(media.data)
        state = _state(media.path)
        if media.path is not None and state is not None:
            found = self._digest(media.path, state)
            if found is not None:
                return found
        digest = hashlib.sha256()
        with apart(), media.open() as file:  # says what is wrong with it
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()


_NOT_IN_CALLS = ("provider", "access", "timeout", "retries", "images", "video", "audio")


def _told(provider: Provider) -> str:
    try:
        return _told_before(provider)
    except TypeError:  # a plugin has lists in it, where tuples are asked for
        return _hashed(repr(provider))


@lru_cache(maxsize=256)
def _told_before(provider: Provider) -> str:
    return _hashed(repr(provider))


@lru_cache(maxsize=64)
def _shape(question: Question) -> str:
    return _hashed([(name, _plain(getattr(question, name))) for name in _SHAPING])


def _plain(value: object) -> object:
    """Numbers that are equal are one: 5 seconds are 5.0 seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0
    return value


def _hashed(*parts: object) -> str:
    # Half a character in a prompt is escaped by `repr` already.
    return hashlib.sha256(repr((_FORMAT, PLAN_VERSION, *parts)).encode()).hexdigest()


class _Disk:
    """Reads small files; where that takes long, as over a network, others work meanwhile."""

    def __init__(self) -> None:
        self._slow = False

    def read(self, path: Path, size: int) -> bytes | None:
        """The bytes of a file; ``None`` where it cannot be read."""
        began = time.perf_counter()
        with apart() if self._slow else nullcontext():
            data = read_small(path, size)
        self._slow = time.perf_counter() - began > _SLOW
        return data


_DISK = _Disk()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _state(path: Path | None) -> State | None:
    try:
        found = path.stat() if path is not None else None
    except (OSError, ValueError):
        return None
    # A pipe would wait for somebody to write into it.
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    # Programs set the time of writing back; that of the last change they cannot.
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_size, *times, found.st_ino, found.st_dev


def _renamed(analysis: Analysis, names: Sequence[str]) -> Analysis:
    """The answer about files that had other names then; warnings begin with the name they mean."""
    warnings = list(analysis.warnings)
    for item, name in zip(analysis.media, names, strict=True):
        begins = f"{item.name}: "
        for number, warning in enumerate(warnings):
            if item.name and warning.startswith(begins):
                warnings[number] = f"{name}: {warning.removeprefix(begins)}"
    media = [replace(item, name=name) for item, name in zip(analysis.media, names, strict=True)]
    return replace(analysis, media=tuple(media), warnings=tuple(warnings))
