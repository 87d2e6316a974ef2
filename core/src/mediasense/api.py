"""What users call from Python."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

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
from mediasense.types import Analysis, Fallback, Question

if TYPE_CHECKING:
    from mediasense.batches.run import Batch
    from mediasense.pacing.lane import RateLimit

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def analyze(
    source: Source | Sequence[Source],
    prompt: str | None = None,
    *,
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
    json_schema: Mapping[str, object] | None = None,
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
        prompt: The question. Without one: a description, or a transcript of sound.
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
        json_schema: The JSON Schema of the answer; the parsed answer is then ``Analysis.data``.
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
    question = Question(
        prompt=prompt,
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
        json_schema=None if json_schema is None else json.dumps(json_schema),
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
    return dispatcher.analyze(
        _sources(source),
        question,
        expected=modality,
        on_text=on_text,
        on_progress=on_progress,
    )


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
            like rows of a manifest (``source``, ``id``, ``prompt``, ``schema``, ``modality``,
            ``start``, ``end``, ``language``). Any iterable: it is read as fast as it is worked off.
            A path that is a folder is walked.
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
    )
    return Batch(
        items_of(sources),
        asked,
        setting,
        engine_for(runtime.dispatcher(), asked, setting),
    )


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

        return await asyncio.to_thread(function, *args, **kwargs)

    return run


analyze_async = _in_thread(analyze)
analyze_async.__doc__ = """:func:`analyze` without blocking the event loop.

It takes the same arguments. Cancelling stops the waiting; the call that is under way ends by
itself, in its thread.
"""
