"""How a request reaches a service: the one module that uses the SDK, loaded on first use.

The SDK does transport, retries and parsing. It is handed bodies that are ready, so that media is
never in memory four times over, and it is told everything it would otherwise look for in the
environment: a variable meant for one service must not steer, or show itself to, another.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2
import openai

from mediasense import (
    Answer,
    AudioRequest,
    Connection,
    ConnectionFailed,
    InvalidAnswer,
    Model,
    ModelsRequest,
    OnText,
    ProviderError,
    Request,
    RequestRejected,
    TextRequest,
    Timeout,
    UnsupportedModality,
    UsageError,
    connect,
    error_for_status,
    error_text,
    json_body,
    one_line,
    shared,
)
from mediasense_openai_compat.answers import Reply, read_models, read_transcript, said_error
from mediasense_openai_compat.messages import chat_payload, transcription_fields
from mediasense_openai_compat.presets import PRESETS, Preset
from mediasense_openai_compat.transport import DirectClient

_Chunks = Generator[object, None, None]

_STREAM_OPTIONS = "stream_options"
_REFUSED = (400, 422)
"""What servers answer that do not take a field."""


def chat(request: TextRequest, on_text: OnText | None) -> Answer:
    """Ask a question, with any media in it, through ``/chat/completions``.

    Args:
        request: What to ask, about what.
        on_text: Called with each piece of the answer as it arrives.

    Raises:
        ProviderError: The service failed or refused.
    """
    service = _service(request)
    preset = service.preset
    stream = on_text is not None and (preset.streams_schemas or request.json_schema is None)
    payload = chat_payload(request, preset, model=service.model, stream=stream)
    if on_text is None:
        return service.ask(payload)
    if stream:
        return service.stream(payload, on_text)
    answer = service.ask(payload)
    on_text(answer.text)
    return answer


def transcribe(request: AudioRequest, on_text: OnText | None) -> Answer:
    """Have speech written down through ``/audio/transcriptions``.

    Raises:
        ProviderError: The service failed or refused.
    """
    service = _service(request)
    fields = transcription_fields(request, service.preset, model=service.model)
    answer = service.transcribe(fields, request)
    if on_text is not None:
        on_text(answer.text)
    return answer


def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """Ask which models there are.

    Raises:
        UnsupportedModality: The service has no list of them.
        ProviderError: The service failed or refused.
    """
    service = _service(request)
    if service.preset.unlisted:
        raise UnsupportedModality(service.preset.unlisted, hint="give --model")
    return service.models()


class _Client(openai.OpenAI):
    """The SDK's client, made from a connection and from nothing else."""

    def __init__(self, connection: Connection) -> None:
        base_url = _full_base_url(connection)
        super().__init__(
            # Never empty: for an empty key the SDK looks into the environment.
            api_key=connection.key or "not-needed",
            base_url=base_url,
            max_retries=connection.retries,
            timeout=openai.Timeout(connection.timeout, connect=min(connection.timeout, 10.0)),
            http_client=_http_client(base_url),
        )
        # Whole, so that it is not put together, and taken apart, for each request anew.
        self.chat_url = f"{base_url}/chat/completions"
        self.refuses_stream_options = False
        self.first_model: str | None = None
        self.first_model_lock = threading.Lock()

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """All of them: neither headers from the environment nor facts about this machine."""
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
        }

    @property
    def user_agent(self) -> str:
        return f"OpenAI/Python {openai.__version__}"


@shared
def _client(connection: Connection) -> _Client:
    return _Client(connection)


def _preset(connection: Connection) -> Preset:
    return PRESETS[connection.like or connection.provider]


def _full_base_url(connection: Connection) -> str:
    if urlsplit(connection.base_url).path:
        return connection.base_url
    return connection.base_url + _preset(connection).base_path


def _http_client(base_url: str) -> httpx2.Client:
    """Straight to the service; through a proxy of the environment where https keeps it out."""
    if urlsplit(base_url).scheme == "https" and not {"all", "https"}.isdisjoint(getproxies()):
        # A redirect would carry media, and some keys, to another host.
        return openai.DefaultHttpxClient(follow_redirects=False)
    return DirectClient(openai.DEFAULT_CONNECTION_LIMITS)


def _is_json(stream: openai.Stream[object]) -> bool:
    kind: str = stream.response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().endswith("json")


def _service(request: Request) -> _Service:
    connection = connect(request)
    return _Service(
        request=request,
        preset=_preset(connection),
        connection=connection,
        client=_client(connection),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """The service one request goes to.

    Attributes:
        request: The request.
        preset: How the service wants it.
        connection: Where it is.
        client: What reaches it.
    """

    request: Request
    preset: Preset
    connection: Connection
    client: _Client

    @property
    def model(self) -> str:
        """The model to ask: the one named, or the first that the server has."""
        return self.request.model or self._first_model()

    def ask(self, payload: Mapping[str, object]) -> Answer:
        """The answer to a chat message, whole."""
        with self._named_errors():
            parsed = self.client.post(
                self.client.chat_url,
                cast_to=object,
                content=json_body(payload).content(),
                options={"headers": self._headers()},
            )
        reply = self._reply()
        reply.add(parsed)
        return reply.answer(streamed=False, warnings=self._warnings())

    def stream(self, payload: Mapping[str, object], on_text: OnText) -> Answer:
        """The answer to a chat message, piece by piece; at once where the service does not stream.

        A server of which nobody knows whether it takes ``stream_options`` is asked without them
        when it refuses the request, and from then on.
        """
        stream = self._streaming(payload)
        reply, warnings, streamed = self._reply(), self._warnings(), not _is_json(stream)
        with closing(self._chunks(stream) if streamed else self._whole(stream)) as chunks:
            for chunk in chunks:
                if piece := reply.add(chunk):
                    on_text(piece)
        return reply.answer(streamed=streamed, warnings=warnings)

    def _streaming(self, payload: Mapping[str, object]) -> openai.Stream[object]:
        plain = {name: value for name, value in payload.items() if name != _STREAM_OPTIONS}
        if self.client.refuses_stream_options:
            return self._opened(plain)
        try:
            return self._opened(payload)
        except RequestRejected as error:
            if not self.preset.tries_stream_options or error.status not in _REFUSED:
                raise
        stream = self._opened(plain)
        self.client.refuses_stream_options = True
        return stream

    def _opened(self, payload: Mapping[str, object]) -> openai.Stream[object]:
        with self._named_errors():
            return self.client.post(
                self.client.chat_url,
                cast_to=object,
                content=json_body(payload).content(),
                options={"headers": self._headers()},
                stream=True,
                stream_cls=openai.Stream[object],
            )

    def transcribe(self, fields: Mapping[str, str], request: AudioRequest) -> Answer:
        """The transcript of a sound, whose file is read while it is sent."""
        audio = request.audio
        with audio.open() as file, self._named_errors():
            parsed = self.client.post(
                "/audio/transcriptions",
                cast_to=object,
                body=fields,
                files={"file": (audio.filename, file, audio.mime_type)},
                options={"headers": {"Content-Type": "multipart/form-data", **self._headers()}},
            )
        return read_transcript(parsed, self.connection, model=self.model, warnings=self._warnings())

    def models(self) -> tuple[Model, ...]:
        """The models the service lists."""
        with self._named_errors():
            parsed = self.client.get(
                self.preset.models_path, cast_to=object, options={"headers": self._headers()}
            )
        return read_models(parsed, self.connection)

    def _chunks(self, stream: openai.Stream[object]) -> _Chunks:
        """The chunks of a stream; a generator, so that errors of whoever takes them stay theirs."""
        came = False
        with self._named_errors(), stream:
            for chunk in stream:
                came = True
                yield chunk
        if not came:
            raise InvalidAnswer(
                f"{self.connection.provider} answered with no stream of answers",
                hint="check --base-url",
            )

    def _whole(self, stream: openai.Stream[object]) -> _Chunks:
        """The one chunk of an answer that is not streamed, although that was asked for."""
        with self._named_errors(), stream:
            stream.response.read()
            yield stream.response.json()

    def _reply(self) -> Reply:
        return Reply(connection=self.connection, model=self.model)

    def _headers(self) -> dict[str, str | openai.Omit]:
        # Omitted rather than empty: servers without keys may still refuse a key they do not know.
        own = {} if self.connection.key else {"Authorization": openai.Omit()}
        return {**own, **dict(self.connection.headers)}

    def _warnings(self) -> tuple[str, ...]:
        if self.request.model is not None:
            return ()
        model = one_line(self.model)
        return (f"no model was named: {model}, the first that the server lists, answered",)

    def _first_model(self) -> str:
        if self.preset.unlisted:
            raise UsageError(self.preset.unlisted, hint="give --model")
        with self.client.first_model_lock:
            if self.client.first_model is None:
                found = self.models()
                if not found:
                    raise RequestRejected(
                        f"{self.connection.provider} lists no models", hint="give --model"
                    )
                self.client.first_model = found[0].name
            return self.client.first_model

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        # The cause is left out: its text is the service's, and may repeat the key.
        try:
            yield
        except (openai.OpenAIError, httpx2.RequestError, ValueError, RecursionError) as error:
            raise self._of_schema(
                named_error(error, self.connection, model=self.request.model)
            ) from None

    def _of_schema(self, error: ProviderError) -> ProviderError:
        """The same error, which is not about the model where no service behind it takes a schema.

        OpenRouter answers 404 to that as it does for models that it does not know, and says "No
        endpoints found that can handle the requested parameters." (as users of it report, 2026-07).
        """
        asks = isinstance(self.request, TextRequest) and self.request.json_schema is not None
        if not (asks and self.preset.requires_parameters and error.status == 404):
            return error
        if "requested parameters" not in error.message:
            return error
        return RequestRejected(
            error.message, hint="leave options out, or use another --model", status=404
        )


def named_error(error: Exception, connection: Connection, *, model: str | None) -> ProviderError:
    """The error of mediasense for one of the SDK, by its class and status.

    Args:
        error: What the SDK raised, or let through from the parser of JSON.
        connection: Who was asked.
        model: The model that was asked.
    """
    name = connection.provider
    match error:
        case openai.APIStatusError():
            return _status_error(error, connection, model)
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return Timeout(f"{name} did not answer in time", hint="try again, or raise --timeout")
        case openai.APIConnectionError() | httpx2.RequestError():
            return ConnectionFailed(
                f"no connection to {name}, or it broke ({type(error.__cause__ or error).__name__})",
                hint="check --base-url and the network, and try again",
            )
        case openai.APIResponseValidationError() | ValueError() | RecursionError():
            return InvalidAnswer(
                f"{name} answered with something that is not JSON ({type(error).__name__})",
                hint="check --base-url",
            )
        case openai.APIError():
            return said_error(error.body or error.message, connection, model)
        case _:
            return ProviderError(f"{name}: the SDK failed ({type(error).__name__})")


def _status_error(
    error: openai.APIStatusError, connection: Connection, model: str | None
) -> ProviderError:
    if error.status_code < 400:
        said = "redirects are not followed, since they may lead to another host"
    else:
        said = error_text(error.body)
    return error_for_status(
        error.status_code,
        "" if said.lstrip().startswith("<") else one_line(said, *connection.secrets),
        provider=connection.provider,
        model=model,
        credential=connection.source,
        retry_after=_retry_after(error.response.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a header that holds seconds or a date."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None
