"""What users call from Python."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from mediasense import runtime
from mediasense.media.source import Source
from mediasense.names import MediaModality, OnText, Resolution
from mediasense.providers import Access
from mediasense.types import Analysis, Question

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


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
    on_text: OnText | None = None,
) -> Analysis:
    """Answer a question about an image, several images, a video or a sound.

    Args:
        source: A path, a URI or the bytes; a sequence of them for several images.
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
        on_text: Called with each piece of the answer as it arrives, where the provider streams.

    Returns:
        The answer, and how it was made.

    Raises:
        MediasenseError: Of the class that fits the failure; see :mod:`mediasense.errors`.
    """
    dispatcher = runtime.dispatcher()
    single = isinstance(source, str | bytes | os.PathLike)
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
    )
    return dispatcher.analyze(
        (source,) if single else tuple(source),  # type: ignore[arg-type]
        question,
        expected=modality,
        on_text=on_text,
    )


def _in_thread(
    function: Callable[Parameters, Result],
) -> Callable[Parameters, Awaitable[Result]]:
    @functools.wraps(function)
    async def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        import asyncio

        return await asyncio.to_thread(function, *args, **kwargs)

    return run


analyze_async = _in_thread(analyze)
analyze_async.__doc__ = """:func:`analyze` without blocking the event loop.

It takes the same arguments. Cancelling stops the waiting; the call that is under way ends by
itself, in its thread.
"""
