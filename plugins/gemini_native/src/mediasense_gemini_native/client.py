"""Ask Google. Loading this module loads the SDK, so it is loaded on first use only."""

from __future__ import annotations

import logging
import math
import os
import re
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import httpx2
from google import genai
from google.genai import client as sdk
from google.genai import types

from mediasense import (
    Answer,
    Connection,
    InvalidAnswer,
    Model,
    ModelsRequest,
    OnText,
    Request,
    TextRequest,
    UnknownModel,
    UsageError,
    connect,
    shared,
)
from mediasense_gemini_native.contents import config, contents
from mediasense_gemini_native.credentials import endpoint, located, login
from mediasense_gemini_native.failures import translated
from mediasense_gemini_native.outgoing import complete, outgoing, remember
from mediasense_gemini_native.providers import VERTEX
from mediasense_gemini_native.replies import read
from mediasense_gemini_native.uploads import stored

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

# Of the Gemini API, v1beta is a superset of v1: it alone has the "-latest" models, and it is the
# only one most gateways serve (google-genai 3.0 changed its own default to v1).
_GEMINI_VERSION = "v1beta"
_VERTEX_VERSION = "v1beta1"
# 408 and 429 can pass, and so can every failure of the service itself.
_RETRIED = [408, 429, *range(500, 600)]
_MOST_MODELS = 5000

# Where nobody has set up logging, Python would print the SDK's warnings.
logging.getLogger("google_genai").addHandler(logging.NullHandler())
# The same for what it does not know yet, such as a new reason to finish; the answer tells of those.
warnings.filterwarnings("ignore", r".* is not a valid \w+", UserWarning)

# Variables that change what the SDK does and that no argument overrides.
_AMBIENT = ("GOOGLE_API_USE_MTLS_ENDPOINT", "GOOGLE_GENAI_HTTP_CLIENT")


def answer(request: TextRequest, on_text: OnText | None) -> Answer:
    """Ask a question.

    Args:
        request: Of any kind that has a question.
        on_text: Called with each piece of the answer, which is then streamed.

    Raises:
        ProviderError: Google was asked, and failed or refused.
    """
    connection = _connection(request)
    request = replace(request, model=_model(request))
    with outgoing(connection.headers) as extra:
        client = _connected(connection)
        with stored(client, connection, request) as file:
            message = contents(request, extra, file)
            chunks = _chunks(client, connection, request, message, streamed=on_text is not None)
            with closing(chunks):
                found = read(chunks, request, on_text)
    if file is not None and file.left_behind:
        name = connection.provider
        kept = f"The uploaded file could not be deleted; {name} keeps it for 48 hours."
        return replace(found, warnings=(*found.warnings, kept))
    return found


def _chunks(
    client: genai.Client,
    connection: Connection,
    request: TextRequest,
    message: types.Content,
    *,
    streamed: bool,
) -> Generator[types.GenerateContentResponse]:
    """The reply, in one piece or as it arrives."""
    model, options = request.model or "", config(request)
    with translated(connection, model):
        if streamed:
            yield from client.models.generate_content_stream(
                model=model, contents=message, config=options
            )
        else:
            yield client.models.generate_content(model=model, contents=message, config=options)


def models(request: ModelsRequest) -> tuple[Model, ...]:
    """List the models that generate content, in Google's order.

    Raises:
        ProviderError: Google was asked, and failed or refused.
    """
    connection = _connection(request)
    with outgoing(connection.headers), translated(connection, None):
        listed = list(islice(_client(connection).models.list(), _MOST_MODELS))
    if not listed:  # Google always has some: whoever answered is not Google
        raise InvalidAnswer(
            f"{connection.provider} answered with no list of models", hint="check --base-url"
        )
    return tuple(
        Model(name=row.name.removeprefix("models/").removeprefix("publishers/google/models/"))
        for row in listed
        if row.name and (not row.supported_actions or "generateContent" in row.supported_actions)
    )


def _model(request: TextRequest) -> str:
    model = request.model or request.provider.default_model or ""
    # It becomes a part of the address.
    if not re.fullmatch(r"[A-Za-z0-9_.:@/-]+", model) or ".." in model:
        raise UnknownModel(
            f"{model!r} is not the name of a model",
            hint=f"try: mediasense models --provider {request.provider.name}",
        )
    return model


def _connection(request: Request) -> Connection:
    connection = connect(request)
    return located(connection) if _protocol(connection) == VERTEX.name else connection


def _protocol(connection: Connection) -> str:
    return connection.like or connection.provider


def _connected(connection: Connection) -> genai.Client:
    with translated(connection, None):
        return _client(connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where a client asks, and as whom."""

    vertex: bool
    base_url: str
    api_version: str
    key: str | None = field(default=None, repr=False)
    credentials: Credentials | None = None
    project: str | None = None
    location: str | None = None


def _target(connection: Connection) -> _Target:
    if _protocol(connection) == VERTEX.name:
        return _vertex(connection)
    return _Target(
        vertex=False,
        base_url=connection.base_url,
        api_version=connection.access.api_version or _GEMINI_VERSION,
        # A server on this machine may do without; the SDK does not, and would look for one itself.
        key=connection.key or "none",
    )


def _vertex(connection: Connection) -> _Target:
    access = connection.access
    target = _Target(
        vertex=True,
        base_url=connection.base_url or endpoint(access.location),
        api_version=access.api_version or _VERTEX_VERSION,
        key=connection.key,
        project=access.project,
        location=access.location or ("global" if access.project else None),
    )
    if connection.key is not None:
        return target
    found = login(connection)
    project = access.project or found.project
    if project is None:
        raise UsageError(
            f"{connection.provider} needs a project, and none is known",
            hint="add --project NAME, or type: export GOOGLE_CLOUD_PROJECT=NAME",
        )
    return replace(target, credentials=found.credentials, project=project)


@shared
def _client(connection: Connection) -> genai.Client:
    target = _target(connection)
    with _without(_AMBIENT):
        return genai.Client(
            vertexai=target.vertex,
            api_key=target.key,
            credentials=target.credentials,
            project=target.project,
            location=target.location,
            debug_config=sdk.DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
            http_options=_http_options(connection, target),
        )


def _http_options(connection: Connection, target: _Target) -> types.HttpOptions:
    certificates = httpx2.create_ssl_context()
    return types.HttpOptions(
        base_url=target.base_url,
        api_version=target.api_version,
        timeout=math.ceil(connection.timeout * 1000),
        retry_options=types.HttpRetryOptions(
            attempts=connection.retries + 1,
            initial_delay=0.5,
            max_delay=8.0,
            http_status_codes=_RETRIED,
        ),
        httpx_client=httpx2.Client(
            verify=certificates,
            follow_redirects=False,
            # Without https a proxy would see the key and the media.
            mounts={"http://": None},
            event_hooks={"request": [complete], "response": [remember]},
        ),
        # Never used; left out, the SDK would make one that follows redirects, and two more
        # SSL contexts.
        httpx_async_client=httpx2.AsyncClient(verify=certificates, follow_redirects=False),
        async_client_args={"ssl": certificates},
    )


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Hide environment variables from what is done meanwhile."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
