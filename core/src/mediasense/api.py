"""What users call from Python."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from mediasense import runtime
from mediasense.media.source import Source
from mediasense.names import (
    CacheUse,
    MediaModality,
    OnError,
    OnProgress,
    OnText,
    Resolution,
    Subtitles,
)
from mediasense.providers import Access
from mediasense.run import Planned
from mediasense.schemas.models import SchemaLike, wanted
from mediasense.stopping import Stop
from mediasense.streaming import Ask, AsyncStream, Stream
from mediasense.types import Analysis, Fallback, KeyFrame, Question

if TYPE_CHECKING:
    from mediasense.batches.run import Batch
    from mediasense.pacing.lane import RateLimit
    from mediasense.statuses import ProviderStatus
    from mediasense.tasks import Task

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
Streamed = TypeVar("Streamed")


def analyze(
    source: Source | Sequence[Source],
    prompt: str | None = None,
    *,
    task: Task | str | None = None,
    context: str | os.PathLike[str] | None = None,
    provider: str | None = None,
    model: str | None = None,
    modality: MediaModality | None = None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    credentials_file: str | None = None,
    project: str | None = None,
    location: str | None = None,
    api_version: str | None = None,
    allow_http: bool = False,
    timeout: float | None = None,
    retries: int | None = None,
    max_output_tokens: int | None = None,
    temperature: float | None = None,
    schema: SchemaLike | None = None,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    resolution: Resolution | None = None,
    language: str | None = None,
    frames: int | None = None,
    every: float | None = None,
    audio_provider: str | None = None,
    audio_model: str | None = None,
    subtitles: Subtitles = "ignore",
    min_confidence: float | None = None,
    timed: bool = False,
    jobs: int = 4,
    cache: CacheUse = "use",
    fallback: str | Sequence[Fallback | str] = (),
    max_cost: float | None = None,
    allow_private: bool = False,
    max_download: int = 2_000_000_000,
    on_text: OnText | None = None,
    on_progress: OnProgress | None = None,
) -> Analysis:
    """Answer a question about an image, several images, a video or a sound.

    Args:
        source: A path, a link, ``-`` for standard input, a ``data:`` URI or the bytes; a sequence
            of them for several images.
        prompt: The question. Without one: a description, or a transcript of sound. Besides a task:
            what is asked in particular.
        task: The name of a ready question, such as ``"bug-report"``; see :func:`list_tasks`.
        context: What helps to understand the media: a text, or the ``Path`` of a text file, of at
            most 200 kB. The model is told that it is data, and no instructions.
        provider: Who answers: a name or an alias. By default ``MEDIASENSE_PROVIDER``, the config
            file, the first service whose key is set, or what runs on this device.
        model: By default the provider's.
        modality: What the source is to be taken for, such as ``"audio"`` for the sound of a video.
        base_url: In place of the provider's own; without a provider, any server that speaks the
            OpenAI protocol.
        api_key_env: The *name* of the environment variable that holds the key.
        credentials_file: A service account's JSON file.
        project: Of a cloud provider.
        location: Of a cloud provider.
        api_version: Of the provider's API.
        allow_http: Allow plain http to another machine.
        timeout: Seconds to wait for the service.
        retries: How often to try again after a failure that can pass.
        max_output_tokens: At most so many tokens of answer.
        temperature: Sampling temperature.
        schema: What the answer must be: the short form of a schema, such as
            ``"title, severity int, steps list"``; a JSON Schema, as a mapping, as JSON text or as
            the ``Path`` of a file; or a pydantic model. ``Analysis.data`` is the answer in that
            form, of a model an instance of it. See ``docs/how-to/structured.md``.
        start: Look at the recording from this second on.
        end: Look at the recording up to this second.
        fps: Frames a second the service should look at.
        resolution: How closely the service should look at each frame.
        language: The language spoken, as an ISO 639-1 code.
        frames: Send at most so many frames of a video, as images.
        every: Send a frame each so many seconds, instead of choosing them.
        audio_provider: Who writes down the sound of a video, where that is not the provider.
        audio_model: The model that does.
        subtitles: ``"prefer"`` takes the recording's own subtitles instead of a transcript.
        min_confidence: Leave out what was heard with less, 0 to 1, where the service tells.
        timed: Whether ``Analysis.segments`` is wanted; refused where nobody tells times.
        jobs: How many calls may be under way at once.
        cache: ``"use"`` takes an answer that was kept, ``"refresh"`` asks anew and keeps the
            answer, ``"off"`` does neither.
        fallback: Who is asked where the provider fails in a way that somebody else could cure.
        max_cost: US dollars: the call that could pass it is not made.
        allow_private: Allow links to this machine and to private networks.
        max_download: Bytes of a download at most.
        on_text: Called with each piece of the answer as it arrives, where the provider streams.
        on_progress: Called with what is being done, and how much of it (0 to 1, or ``None``).

    Returns:
        The answer, and how it was made.

    Raises:
        MediasenseError: Of the class that fits the failure; see :mod:`mediasense.errors`.
    """
    dispatcher = runtime.dispatcher()
    form = None if schema is None else wanted(schema)
    question = Question(
        prompt=prompt,
        task=task,
        context=_context(context),
        provider=provider,
        model=model,
        access=Access(
            base_url=base_url,
            api_key_env=api_key_env,
            credentials_file=credentials_file,
            project=project,
            location=location,
            api_version=api_version,
            allow_http=allow_http,
        ),
        timeout=dispatcher.config.timeout if timeout is None else timeout,
        retries=dispatcher.config.retries if retries is None else retries,
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        json_schema=None if form is None else form.json_schema,
        start=start,
        end=end,
        fps=fps,
        resolution=resolution,
        language=language,
        frames=frames,
        every=every,
        audio_provider=audio_provider,
        audio_model=audio_model,
        subtitles=subtitles,
        min_confidence=min_confidence,
        timed=timed,
        jobs=jobs,
        cache=cache,
        fallback=tuple(
            Fallback(provider=other) if isinstance(other, str) else other
            for other in ([fallback] if isinstance(fallback, str) else fallback)
        ),
        max_cost=max_cost,
        allow_private=allow_private,
        max_download=max_download,
    )
    analysis = dispatcher.analyze(
        _sources(source),
        question,
        expected=modality,
        on_text=on_text,
        on_progress=on_progress,
        check=None if form is None else form.check,
    )
    return analysis if form is None else replace(analysis, data=form.made(analysis.data))


def plan(
    source: Source | Sequence[Source], question: Question, *, modality: MediaModality | None = None
) -> Planned:
    """Say how a question would be answered, without sending anything to a provider.

    Args:
        source: As for :func:`analyze`.
        question: What would be asked, of whom, and how.
        modality: As for :func:`analyze`.

    Returns:
        The plan: its steps with their sizes, tokens and cost, as far as these are known, and what
        would be left out.

    Raises:
        MediasenseError: It could not be answered, or an option is wrong.
    """
    from mediasense.prices import KeptPrices

    return runtime.dispatcher().plan(
        _sources(source), question, expected=modality, prices=KeptPrices()
    )


def batch(
    sources: Iterable[Source | Sequence[Source] | Mapping[str, object]],
    question: Question | str | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int = 8,
    on_error: OnError = "skip",
    retry_failed: bool = False,
    limits: Mapping[str, RateLimit] | None = None,
    engine: Literal["threads", "ray"] = "threads",
    address: str | None = None,
) -> Batch:
    """Ask about many files; what comes back is iterated over for the results, as they come.

    Args:
        sources: Paths, links, bytes, sequences of images that are asked about together, or mappings
            like rows of a manifest (``source``, ``id``, ``prompt``, ``task``, ``schema``,
            ``modality``, ``start``, ``end``, ``language``). Any iterable: it is read as fast as it
            is worked off. A path that is a folder is walked.
        question: What is asked, of whom and how; a text is the prompt alone. Its ``max_cost`` and
            ``fallback`` count for the batch; its ``jobs`` does not.
        out: The results file, a line of JSON for each item, with its journal beside it: the same
            call goes on where it stopped, and gives what is answered already first. Without it
            nothing of the batch is kept.
        jobs: How many calls are under way at once.
        on_error: ``skip`` keeps a failure and goes on, ``stop`` ends the batch after the first,
            ``retry`` tries what may pass twice more when all else is done.
        retry_failed: Ask only about what failed, or was cut short, in an earlier run.
        limits: Requests and tokens a minute by the name of the provider; ``""`` is any other.
        engine: Who does the work: threads of this process, or a Ray cluster.
        address: Of the cluster.

    Returns:
        The batch: iterate over it for each :class:`Result`; ``standing()`` says how far it is, and
        ``problem`` why it ended before its list did.

    Raises:
        UsageError: An option is wrong.
    """
    from mediasense.batches.engines import engine_for
    from mediasense.batches.run import Batch, Setting
    from mediasense.batches.sources import items_of

    given = question if isinstance(question, Question) else Question(prompt=question)
    asked = runtime.dispatcher().settled(given)
    setting = Setting(
        out=None if out is None else Path(out),
        jobs=jobs,
        on_error=on_error,
        retry_failed=retry_failed,
        limits=limits or {},
        engine=engine,
        address=address,
        # Of an iterator nobody knows when it gives the next one.
        ready=isinstance(sources, Sized),
        endpoint=runtime.dispatcher().endpoint_url(asked),
    )
    return Batch(
        items_of(sources),
        asked,
        setting,
        engine_for(runtime.dispatcher(), asked, setting),
    )


def key_frames(
    source: Source,
    *,
    most: int = 12,
    start: float | None = None,
    end: float | None = None,
    max_side: int = 768,
) -> tuple[KeyFrame, ...]:
    """Choose the pictures of a video that show all there is to see; no provider is asked.

    A picture is chosen when the screen shows something new for about a second; see
    ``docs/media.md``. It is decoded in a process of its own.

    Args:
        source: A path, a link, ``-`` for standard input, a ``data:`` URI or the bytes.
        most: How many at most, 1 or more.
        start: Begin at this second of the recording.
        end: Stop at this second.
        max_side: Pixels: larger pictures are scaled down, so that no side is longer.

    Returns:
        The pictures in order of time, one at least.

    Raises:
        UsageError: It is no video, or a number is wrong.
        MediasenseError: It cannot be read; of the class that fits the failure.
    """
    from mediasense.media.pictures import read_key_frames

    return read_key_frames(source, most=most, start=start, end=end, max_side=max_side)


def report(
    analysis: Analysis,
    out: str | os.PathLike[str],
    *,
    source: Source | Sequence[Source] | None = None,
    question: Question | str | None = None,
) -> Path:
    """Write an answer as a page to look at: one HTML file that needs no network.

    It shows the question, the answer, the pictures with their times and reasons, what is said
    beside them, what was sent and left out, and what it cost. Media that lie below the page's
    folder can be played in it.

    Args:
        analysis: The answer.
        out: The file; a report that is there is replaced, anything else is left alone.
        source: What was asked about, whose pictures are read again; without it the files that the
            answer names. A link is not downloaded again.
        question: What was asked; a text is the prompt alone.

    Returns:
        The file.

    Raises:
        UsageError: There is something else than a report, or its folder is missing.
        StoreError: It cannot be written.
    """
    from mediasense.reports import write_report

    path = Path(out)
    asked = Question(prompt=question) if isinstance(question, str) else question
    given = () if source is None else _sources(source)
    write_report(path, analysis, sources=given, question=asked)
    return path


def list_providers() -> tuple[ProviderStatus, ...]:
    """Who can answer here, what each takes, and whether its key was found.

    Nothing is asked of any service. It is what ``mediasense providers`` shows.

    Returns:
        One for each provider of the plugins that are installed, in the order of their plugins;
        nothing where none is.

    Raises:
        PluginError: Something is wrong with a plugin, and strictness was asked for.
        ConfigError: The config file cannot be used.
    """
    from mediasense.statuses import status_of

    runtime.require_sound_plugins()
    plugins = runtime.plugins()
    return tuple(status_of(provider, plugins) for provider in plugins.providers.values())


def _context(given: str | os.PathLike[str] | None) -> str | None:
    """The context as text; a path is read."""
    if given is None or isinstance(given, str):
        return given
    from mediasense.tasks.context import read_context

    return read_context(given)


def _sources(source: Source | Sequence[Source]) -> tuple[Source, ...]:
    if isinstance(source, str | bytes | os.PathLike):
        return (source,)
    return tuple(source)


def _in_thread(
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Awaitable[Returned]]:
    @functools.wraps(function)
    async def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        import asyncio

        stop = Stop()

        def call() -> Returned:
            with stop.reaching():
                return function(*args, **kwargs)

        try:
            return await asyncio.to_thread(call)
        except asyncio.CancelledError:
            stop.stop()
            raise

    return run


def _streamed(
    function: Callable[Parameters, Analysis], into: Callable[[Ask], Streamed]
) -> Callable[Parameters, Streamed]:
    """What takes the same arguments but ``on_text``, and gives the answer in pieces."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Streamed:
        if "on_text" in kwargs:
            raise TypeError("the pieces come from the stream: leave out on_text")

        def ask(on_text: OnText) -> Analysis:
            given: dict[str, Any] = {**kwargs, "on_text": on_text}
            return function(*args, **given)

        return into(ask)

    whole = inspect.signature(function)
    kept = [item for name, item in whole.parameters.items() if name != "on_text"]
    run.__signature__ = whole.replace(  # type: ignore[attr-defined]
        parameters=kept, return_annotation=getattr(into, "__name__", "")
    )
    return run


analyze_async = _in_thread(analyze)
analyze_async.__doc__ = """:func:`analyze` without blocking the event loop.

It takes the same arguments. Cancelling stops the call too, unless it is made by a plugin whose SDK
cannot be woken: that one ends by itself, in its thread.
"""

stream = _streamed(analyze, Stream)
stream.__name__ = stream.__qualname__ = "stream"
stream.__doc__ = """:func:`analyze`, whose answer is iterated over while it is written.

It takes the same arguments but ``on_text``. Where a provider does not stream, a rule of the house
may change the answer, or the answer follows a schema, it comes in one piece.

Returns:
    The pieces; and, when they have come, the whole answer as their ``analysis``.
"""

stream_async = _streamed(analyze, AsyncStream)
stream_async.__name__ = stream_async.__qualname__ = "stream_async"
stream_async.__doc__ = """:func:`stream` for ``async for``, without blocking the event loop."""
