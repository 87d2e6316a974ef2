"""JSON over HTTP for plugins without an SDK: safe by default, three functions.

No redirects, no plain http to other machines, the key in one header and to one host, answers of
bounded size, retries of what can pass, and the errors every plugin raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mediasense.body import json_body
from mediasense.connection import Connection, connect, shared
from mediasense.errors import (
    ConnectionFailed,
    InvalidAnswer,
    ProviderError,
    Timeout,
    error_for_status,
    error_text,
    one_line,
)
from mediasense.stopping import interruptible
from mediasense.types import Request

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, PoolManager

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
_RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)


def post_json(
    request: Request, path: str, payload: object, *, key_header: str = "Authorization"
) -> Any:
    """Post a payload to the request's provider and return the parsed answer.

    Args:
        request: The request the hook was given.
        path: Joined to the base URL.
        payload: What ``json.dumps`` takes; :class:`mediasense.Base64` stands for media.
        key_header: The header that carries the key; ``Authorization`` carries it as a bearer.

    Returns:
        The parsed JSON.

    Raises:
        ProviderError: Of the class that fits the failure.
    """
    return _call(request, "POST", path, payload, key_header)


def get_json(request: Request, path: str, *, key_header: str = "Authorization") -> Any:
    """Get the parsed answer of a path of the request's provider; else as :func:`post_json`."""
    return _call(request, "GET", path, None, key_header)


@contextmanager
def stream_lines(
    request: Request, path: str, payload: object, *, key_header: str = "Authorization"
) -> Generator[Iterator[str]]:
    """Post a payload and give the answer line by line, as it arrives.

    Use it as a context manager: however the block ends, the connection ends with it. It is tried
    again until an answer begins, and never after.

    Args:
        request: The request the hook was given.
        path: Joined to the base URL.
        payload: What ``json.dumps`` takes; :class:`mediasense.Base64` stands for media.
        key_header: As for :func:`post_json`.

    Yields:
        The lines, without their ends; empty ones are left out. A line is at most 8 MiB long, and
        all are at most 64 MiB.

    Raises:
        ProviderError: Of the class that fits the failure, also while the lines are read. A stream
            that ends too early may look whole: look for the mark that your service sets at its end.
    """
    response = _send(request, "POST", path, payload, key_header, accept="*/*")
    try:
        with closing(_lines(response, request.provider.name)) as lines:
            yield lines
    finally:
        response.close()


def _call(request: Request, method: str, path: str, payload: object, key_header: str) -> Any:
    response = _send(request, method, path, payload, key_header)
    name = request.provider.name
    with _named_errors(name):
        content = _read(response, name)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidAnswer(
            f"{name} answered {response.status} with something that is not JSON",
            hint="check --base-url",
            status=response.status,
        ) from None


def _send(
    request: Request,
    method: str,
    path: str,
    payload: object,
    key_header: str,
    *,
    accept: str = "application/json",
) -> BaseHTTPResponse:
    """The answer, of which nothing is read yet; one that is a failure is raised."""
    connection = connect(request)
    headers = {
        "Accept": accept,
        **{
            name: value
            for name, value in connection.headers
            if connection.key is None or name.lower() != key_header.lower()
        },
    }
    if connection.key is not None:
        bearer = key_header.lower() == "authorization"
        headers[key_header] = f"Bearer {connection.key}" if bearer else connection.key
    body: Any = None
    if payload is not None:
        body = json_body(payload).content()
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(body))
    name = request.provider.name
    with _named_errors(name):
        response = _pool(connection).request(
            method,
            f"{connection.base_url}/{path.lstrip('/')}",
            body=body,
            headers=headers,
            redirect=False,
            preload_content=False,
        )
        if response.status < 300:
            return response
        content = _read(response, name)
    raise error_for_status(
        response.status,
        _detail(content, connection.secrets),
        provider=name,
        model=request.model,
        credential=connection.source,
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    import urllib3

    try:
        yield
    except urllib3.exceptions.MaxRetryError as error:
        raise _connection_error(name, error.reason or error) from None
    except urllib3.exceptions.HTTPError as error:
        raise _connection_error(name, error) from None


def _lines(response: BaseHTTPResponse, name: str) -> Generator[str]:
    held = bytearray()
    for block in _blocks(response, name):
        *ended, rest = block.split(b"\n")
        for end in ended:
            held += end
            if line := _text(held, name):
                yield line
            held.clear()
        held += rest
        if len(held) > MAX_LINE_BYTES:
            raise _too_much(name, MAX_LINE_BYTES, "a line of ")
    if line := _text(held, name):
        yield line


def _blocks(response: BaseHTTPResponse, name: str) -> Iterator[bytes]:
    """What has arrived, whenever something has."""
    total = 0
    while True:
        with _named_errors(name), interruptible(response.shutdown):
            block = response.read1(_BLOCK_BYTES, decode_content=True)
        if not block:
            return
        total += len(block)
        if total > MAX_ANSWER_BYTES:
            raise _too_much(name, MAX_ANSWER_BYTES)
        yield block


def _text(line: bytearray, name: str) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise InvalidAnswer(
            f"{name} answered with something that is not text", hint="check --base-url"
        ) from None


@shared
def _pool(connection: Connection) -> PoolManager:
    import urllib3

    class _Retry(urllib3.Retry):
        # Theirs has 413 too; a request does not become smaller by waiting.
        RETRY_AFTER_STATUS_CODES = frozenset((429, 503))

    timeout = urllib3.Timeout(connect=min(connection.timeout, 10.0), read=connection.timeout)
    retries = _Retry(
        total=connection.retries,
        redirect=0,
        status_forcelist=_RETRIED,
        allowed_methods=None,
        backoff_factor=0.5,
        backoff_jitter=0.25,
        backoff_max=8.0,
        retry_after_max=60,
        raise_on_status=False,
    )
    if proxy := _proxy(connection.base_url):
        pool: PoolManager = urllib3.ProxyManager(
            proxy, maxsize=64, timeout=timeout, retries=retries
        )
    else:
        pool = urllib3.PoolManager(maxsize=64, timeout=timeout, retries=retries)
    pool.pool_classes_by_scheme = _interruptible_pools()
    return pool


@cache
def _interruptible_pools() -> dict[str, type[HTTPConnectionPool]]:
    """Pools of connections whose waiting for the head of an answer can be ended."""
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class _Plain(HTTPConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
            with interruptible(partial(self.sock.shutdown, SHUT_RDWR)):
                return super().getresponse()

    class _Secret(HTTPSConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
            with interruptible(partial(self.sock.shutdown, SHUT_RDWR)):
                return super().getresponse()

    class _PlainPool(HTTPConnectionPool):
        ConnectionCls = _Plain

    class _SecretPool(HTTPSConnectionPool):
        ConnectionCls = _Secret

    return {"http": _PlainPool, "https": _SecretPool}


def _proxy(base_url: str) -> str | None:
    """The proxy the environment names, for https alone: it then sees neither key nor media."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(base_url)
    if parts.scheme != "https" or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get("https")


def _read(response: BaseHTTPResponse, name: str) -> bytes:
    with interruptible(response.shutdown):
        content = response.read(MAX_ANSWER_BYTES + 1, decode_content=True)
    if len(content) > MAX_ANSWER_BYTES:
        response.close()
        raise _too_much(name, MAX_ANSWER_BYTES)
    response.release_conn()
    return content


def _too_much(name: str, most: int, what: str = "") -> InvalidAnswer:
    return InvalidAnswer(
        f"{name} answered with {what}more than {most >> 20} MiB", hint="check --base-url"
    )


def _connection_error(name: str, reason: Exception) -> ProviderError:
    import urllib3

    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return ConnectionFailed(
            f"cannot connect to {name}", hint="check --base-url and the network"
        )
    if isinstance(reason, urllib3.exceptions.TimeoutError):
        return Timeout(f"{name} did not answer in time", hint="try again, or raise --timeout")
    return ConnectionFailed(
        f"the connection to {name} broke ({type(reason).__name__})", hint="try again"
    )


def _detail(content: bytes, secrets: tuple[str, ...]) -> str:
    """What the service said about a failure: one short line, without any key."""
    text = content.decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        text = error_text(parsed) or text
    return one_line(text, *secrets)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
