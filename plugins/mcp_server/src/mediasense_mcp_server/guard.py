"""Who may call over HTTP: whoever shows the token, and no web page of somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mediasense_mcp_server.tokens import Token

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """Stands before the application, and lets in what may come in.

    A page in a browser may call any address, and by a name of its own that leads here (DNS
    rebinding). It says so in ``Host`` and ``Origin``, which it cannot change.

    Args:
        app: What it guards.
        host: The address that is listened on.
        local: Whether only this machine reaches it.
        token: What has to be shown; ``None`` for nothing.
    """

    def __init__(self, app: ASGIApp, *, host: str, local: bool, token: Token | None) -> None:
        self._app = app
        self._hosts = {*_LOOPBACK, host} if local else None
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "http":
            headers: list[tuple[bytes, bytes]] = scope["headers"]
            refused = self._refused(dict(headers), [name for name, _ in headers])
            if refused is not None:
                await refused(scope, receive, send)
                return
        elif scope["type"] != "lifespan":
            return
        await self._app(scope, receive, send)

    def _refused(self, headers: dict[bytes, bytes], names: list[bytes]) -> PlainTextResponse | None:
        if any(names.count(name) > 1 for name in (b"host", b"origin", b"authorization")):
            return PlainTextResponse("a header is there twice", status_code=400)
        host = _host(f"//{headers.get(b'host', b'').decode('latin-1')}")
        if not host or (self._hosts is not None and host not in self._hosts):
            return PlainTextResponse("this host is not served", status_code=421)
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own(origin.decode("latin-1"), host):
            return PlainTextResponse("this origin may not call", status_code=403)
        if self._token is not None and not self._token.is_shown_by(headers.get(b"authorization")):
            return PlainTextResponse(
                "a token is needed", status_code=401, headers={"WWW-Authenticate": "Bearer"}
            )
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        caller = _host(origin)
        return bool(caller) and (
            caller == host or (self._hosts is not None and caller in self._hosts)
        )


def _host(url: str) -> str:
    """The host of an address; ``""`` where there is none, as for the origin ``null``."""
    try:
        parts = urlsplit(url)
        return "" if "@" in parts.netloc else (parts.hostname or "")
    except ValueError:
        return ""
