"""Serve until the client goes or a signal comes; then leave, and leave nothing running."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import anyio

from mediasense import UsageError, one_line
from mediasense_mcp_server.server import Desk

if TYPE_CHECKING:
    from mediasense_mcp_server.settings import Settings
    from mediasense_mcp_server.streams import Streams
    from mediasense_mcp_server.tokens import Token

PATH = "/mcp"
_BODY_BYTES = 1_000_000
"""Of a request over HTTP: it holds paths and words, and no media."""
_SESSIONS = 64
_PATIENCE = 1.0
"""Seconds for work to stop when all ends; hosts kill a server that takes more than two."""
_LAST = 5.0
"""Seconds after which the program leaves, whatever is in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen.

    Attributes:
        host: An address or a name of this machine.
        port: 0 for any that is free.
        token: What whoever calls has to show.
    """

    host: str
    port: int
    token: Token | None = None


def serve_streams(settings: Settings, streams: Streams) -> int:
    """Serve one client on standard input and output.

    Args:
        settings: What the user allows.
        streams: The streams.

    Returns:
        The number of the signal that ended it; 0 when the client went.
    """

    async def serve(desk: Desk, ending: anyio.Event) -> None:
        from mcp.server.stdio import stdio_server

        loop = asyncio.get_running_loop()
        # The SDK wants files of anyio, and uses these methods of them.
        lines = cast("anyio.AsyncFile[str]", streams.reading(loop))
        writer = cast("anyio.AsyncFile[str]", streams.writing(loop))
        options = desk.server.create_initialization_options()

        async def until_it_ends(scope: anyio.CancelScope) -> None:
            await ending.wait()
            scope.cancel()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_it_ends, tasks.cancel_scope)
                async with stdio_server(lines, writer) as (reading, writing):
                    await desk.server.run(reading, writing, options)
                tasks.cancel_scope.cancel()
        except* OSError:  # nobody reads any more: the client went
            pass

    return _run(settings, serve)


def serve_http(settings: Settings, place: Place) -> int:
    """Serve any number of clients over streamable HTTP.

    Args:
        settings: What the user allows.
        place: Where to listen.

    Returns:
        The number of the signal that ended it.

    Raises:
        UsageError: Nobody can listen there, or nobody should without a token.
    """
    listener, local = _listener(place)
    address = f"[{place.host}]" if ":" in place.host else place.host
    say("note", f"listening on http://{address}:{listener.getsockname()[1]}{PATH}")
    if not local:
        say("note", "what is sent can be read on its way: put a proxy with TLS before it")

    async def serve(desk: Desk, ending: anyio.Event) -> None:
        import uvicorn
        from mcp.server.transport_security import TransportSecuritySettings

        from mediasense_mcp_server.guard import Guard

        app = desk.server.streamable_http_app(
            streamable_http_path=PATH,
            max_request_body_size=_BODY_BYTES,
            max_sessions=_SESSIONS,
            # The guard looks at the hosts and origins, also where others than this machine call.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        config = uvicorn.Config(
            Guard(app, host=place.host, local=local, token=place.token),
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(_PATIENCE),
            ws="none",
        )

        class Server(uvicorn.Server):
            """Leaves the signals to whoever runs it."""

            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        server = Server(config)

        async def until_it_ends() -> None:
            await ending.wait()
            # What breaks off from now on breaks off because all ends.
            logging.getLogger("uvicorn.error").disabled = True
            server.handle_exit(signal.SIGTERM, None)  # open streams listen for it, too

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_it_ends)
            await server.serve(sockets=[listener])
            tasks.cancel_scope.cancel()

    with listener:
        return _run(settings, serve)


def say(kind: str, text: str) -> None:
    """Write a line on standard error."""
    sys.stderr.write(one_line(f"{kind}: {text}", limit=2000) + "\n")
    sys.stderr.flush()


def _run(settings: Settings, serve: Callable[[Desk, anyio.Event], Awaitable[None]]) -> int:
    ended_by: list[int] = []

    async def heed(desk: Desk, ending: anyio.Event) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                ended_by.append(number)
                _leave_for_sure(128 + number)
                desk.crew.stop()
                ending.set()

    async def main() -> None:
        desk, ending = Desk(settings), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heed, desk, ending)
            await serve(desk, ending)
            tasks.cancel_scope.cancel()
        desk.crew.stop()
        if not await desk.crew.wait(_PATIENCE):
            _leave_for_sure(0)

    anyio.run(main)
    return ended_by[0] if ended_by else 0


def _leave_for_sure(code: int) -> None:
    """Leave in a while, whatever is in the way: a service that does not answer, or a full pipe."""
    timer = threading.Timer(_LAST, os._exit, (code,))
    timer.daemon = True
    timer.start()


def _listener(place: Place) -> tuple[socket.socket, bool]:
    """A socket that listens, and whether only this machine can reach it."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UsageError(f"--host {place.host} is no address", hint="leave it out") from None
    family, _, _, _, address = found[0]
    local = ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
    if not local and place.token is None:
        raise UsageError(
            f"other machines could reach {place.host}, and no token is asked of them",
            hint="add --token-env NAME or --token-file FILE, or leave out --host",
        )
    try:
        return socket.create_server(address[:2], family=family), local
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"cannot listen on {place.host}, port {place.port}: {reason}", hint="add --port N"
        ) from None
