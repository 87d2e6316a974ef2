"""How Acme Template is asked, through its SDK.

This is the one module that imports the SDK; it loads on first use. Here the SDK is ``anthropic``,
as an example. Whatever yours is, keep this: it is told everything that it would otherwise look for
in the environment, it follows no redirects, and each of its errors becomes one of mediasense.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Literal, cast

import anthropic
import httpx2
from anthropic.types import ContentBlockParam, Message, OutputConfigParam
from mediasense import (
    Answer,
    Connection,
    ConnectionFailed,
    ContentBlocked,
    ImageRequest,
    InvalidAnswer,
    Media,
    Model,
    ModelsRequest,
    OnText,
    ProviderError,
    Timeout,
    Usage,
    connect,
    error_for_status,
    one_line,
    shared,
)

# Variables that change what the SDK sends, and that no argument of it overrides.
_AMBIENT = ("ANTHROPIC_CUSTOM_HEADERS",)
# The service wants a limit; this is the one where the user gives none.
_MAX_TOKENS = 8192
_FINISHED: dict[str, Literal["stop", "length"]] = {"end_turn": "stop", "max_tokens": "length"}
# An error in the middle of a stream comes under status 200.
_STATUSES = {"overloaded_error": 529, "rate_limit_error": 429}
# What the SDK raises over an answer that has not the shape of one.
_SHAPELESS = (AssertionError, AttributeError, LookupError, TypeError, ValueError)


def ask(request: ImageRequest, on_text: OnText | None) -> Answer:
    """Answer a question about images.

    Raises:
        ProviderError: The service failed or refused.
    """
    connection = connect(request)
    with closing(_events(request, connection)) as events:
        for event in events:
            if isinstance(event, Message):
                with _named_errors(connection, request.model):
                    return _answer(event, connection)
            if on_text is not None:
                on_text(event)
    raise InvalidAnswer(f"{connection.provider} did not end its answer", hint="try again")


def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """Ask which models there are.

    Raises:
        ProviderError: The service failed or refused.
    """
    connection = connect(request)
    with _named_errors(connection, None):
        listed = tuple(_client(connection).models.list(extra_headers=_headers(connection)))
    if not listed:  # the SDK takes any object for a list, and this service always has models
        raise InvalidAnswer(f"{connection.provider} listed no models", hint="check --base-url")
    return tuple(Model(name=model.id, modalities=("image", "text")) for model in listed)


def _events(request: ImageRequest, connection: Connection) -> Generator[str | Message]:
    """The pieces of an answer, and then the whole of it.

    Always as a stream: there is one way, and no long answer comes too late for a timeout. A
    generator, so that errors of whoever takes the pieces stay theirs.
    """
    output: OutputConfigParam | anthropic.Omit = anthropic.omit
    if request.json_schema is not None:
        output = {"format": {"type": "json_schema", "schema": json.loads(request.json_schema)}}
    question: list[ContentBlockParam] = [
        *(block for image in request.images for block in _blocks(image)),
        {"type": "text", "text": request.prompt or ""},
    ]
    with (
        _named_errors(connection, request.model),
        _client(connection).messages.stream(
            model=request.model or "",
            max_tokens=request.max_output_tokens or _MAX_TOKENS,
            messages=[{"role": "user", "content": question}],
            output_config=output,
            extra_headers=_headers(connection),
        ) as stream,
    ):
        yield from stream.text_stream
        yield stream.get_final_message()


def _blocks(image: Media) -> Iterator[ContentBlockParam]:
    if image.timestamp is not None:
        yield {"type": "text", "text": f"Frame at {image.timestamp:.2f} s:"}
    data = base64.b64encode(image.read()).decode("ascii")
    kind = cast("Literal['image/png']", image.mime_type)  # provider.py lists the others too
    yield {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _answer(message: Message, connection: Connection) -> Answer:
    if message.stop_reason == "refusal":
        raise ContentBlocked(f"{one_line(message.model)} refused to answer", hint="ask otherwise")
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text.strip():
        raise InvalidAnswer(f"{connection.provider} answered without any text", hint="try again")
    return Answer(
        text=text,
        model=message.model,
        usage=Usage(
            input_tokens=message.usage.input_tokens, output_tokens=message.usage.output_tokens
        ),
        finish_reason=_FINISHED.get(message.stop_reason or ""),
    )


@shared
def _client(connection: Connection) -> anthropic.Anthropic:
    """One client for each connection, for all threads."""
    with _hidden(_AMBIENT):
        return anthropic.Anthropic(
            # Never empty: without a key the SDK looks into the environment.
            api_key=connection.key or "none",
            base_url=connection.base_url,
            timeout=httpx2.Timeout(connection.timeout, connect=min(connection.timeout, 10.0)),
            max_retries=connection.retries,
            open_telemetry=False,
            http_client=anthropic.DefaultHttpxClient(
                # A redirect would carry key and media to another host; without https, a proxy of
                # the environment would see them.
                follow_redirects=False,
                mounts={"http://": None},
            ),
        )


def _headers(connection: Connection) -> dict[str, str | anthropic.Omit]:
    """Those of this call; a server on this machine may do without a key."""
    own = {} if connection.key else {"Authorization": anthropic.omit}
    return {**own, **dict(connection.headers)}


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Hide environment variables from what is done meanwhile."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _named_errors(connection: Connection, model: str | None) -> Iterator[None]:
    """Raise the errors of mediasense in place of the SDK's."""
    try:
        yield
    except (anthropic.AnthropicError, httpx2.HTTPError, *_SHAPELESS) as error:
        # The cause is left out: its text is the service's, and may repeat the key.
        raise _failure(error, connection, model) from None


def _failure(error: Exception, connection: Connection, model: str | None) -> ProviderError:
    """The error of mediasense for one of the SDK, by its class and status."""
    name = connection.provider
    match error:
        case anthropic.APIStatusError():
            status = error.status_code
            return error_for_status(
                status if status >= 300 else _STATUSES.get(error.type or "", 500),
                one_line(error.api_message or "", *connection.secrets),
                provider=name,
                model=model,
                credential=connection.source,
                retry_after=_seconds(error.response.headers.get("retry-after", "")),
            )
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return Timeout(f"{name} did not answer in time", hint="try again, or raise --timeout")
        case anthropic.APIConnectionError() | httpx2.TransportError():
            return ConnectionFailed(
                f"no connection to {name}, or it broke", hint="check --base-url, and try again"
            )
    return InvalidAnswer(
        f"{name} answered with something that is no answer ({type(error).__name__})",
        hint="check --base-url",
    )


def _seconds(header: str) -> float | None:
    return float(header) if header.isdecimal() else None
