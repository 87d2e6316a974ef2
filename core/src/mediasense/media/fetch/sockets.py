"""Connections to checked addresses: one request, one answer, a bounded time.

Names are resolved here, every address of a host is checked, and exactly a checked address is
dialled. So a name that changes its address between two look-ups leads nowhere else.

The standard library's HTTP client is used, since it takes a socket that is already connected and
never logs a link: links carry signatures in their queries.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from mediasense.errors import MediaError, UnsafeEndpoint, one_line
from mediasense.media.fetch.addresses import Link, is_loopback, is_public

if TYPE_CHECKING:
    from http.client import HTTPResponse

_CONNECT_SECONDS = 10.0
_MAX_ADDRESSES = 4
_HEADERS = {
    "User-Agent": "mediasense",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be reached, and for how long.

    Attributes:
        allowed: Whether an address may be dialled.
        allow_http: Whether plain http to another machine is wanted.
        through_proxy: Whether https goes through the proxy that the environment names.
        timeout: Seconds to wait for each step.
        total: Seconds for everything; ``None`` for no end.
        ends: When ``total`` is over, on the clock of :func:`time.monotonic`.
    """

    allowed: Callable[[str], bool] = is_public
    allow_http: bool = False
    through_proxy: bool = False
    timeout: float
    total: float | None
    ends: float | None

    @property
    def left(self) -> float:
        """Seconds that the next step may wait."""
        if self.ends is None:
            return self.timeout
        return min(self.timeout, max(self.ends - time.monotonic(), 0.001))

    def require_time(self, link: Link) -> None:
        """Raise :class:`MediaError` when the time is over."""
        if self.ends is not None and time.monotonic() >= self.ends:
            raise MediaError(
                f"{link.shown} did not arrive within {self.total:g} s",
                hint="try again, or download it yourself and give the file",
            )


def check_host(link: Link, *, allowed: Callable[[str], bool] | None, allow_http: bool) -> None:
    """Make sure that a link may be followed; for clients that make their own connections.

    Args:
        link: Where to.
        allowed: Whether an address may be used; with ``None`` the host is not even looked up.
        allow_http: Whether plain http to another machine is wanted.

    Raises:
        UnsafeEndpoint: One of its addresses is not allowed, or it is plain http to another machine.
        MediaError: There is no such host.
    """
    _require_encryption(link, allow_http)
    if allowed is not None:
        _addresses(link, allowed)


@contextmanager
def answer(link: Link, limits: Limits) -> Iterator[HTTPResponse]:
    """Ask for a link, and hang up afterwards.

    Args:
        link: Where to.
        limits: What is allowed.

    Yields:
        The answer, of any status; nothing of its body is read. Read it under
        :func:`network_errors`.

    Raises:
        UnsafeEndpoint: As :func:`check_host`.
        MediaError: No answer came.
    """
    _require_encryption(link, limits.allow_http)
    with network_errors(link, limits):
        connection = _connected(link, limits)
    with connection, _cut_off(connection, limits):
        with network_errors(link, limits):
            response = _ask(connection, link)
        with response:
            yield response


@contextmanager
def network_errors(link: Link, limits: Limits) -> Iterator[None]:
    """Turn what the network raises into :class:`MediaError`."""
    from http.client import HTTPException

    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        limits.require_time(link)
        raise MediaError(
            f"{link.authority} cannot be read from: {_cause(error, limits)}",
            hint=_network_hint(link, limits.through_proxy),
        ) from None


# --- where to ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """An address that may be dialled: the family, and what ``connect`` takes."""

    family: socket.AddressFamily
    sockaddr: tuple[str | int, ...] | tuple[int, bytes]


def _require_encryption(link: Link, allow_http: bool) -> None:
    if link.scheme == "http" and not is_loopback(link.host) and not allow_http:
        raise UnsafeEndpoint(
            f"{link.authority} would be reached without encryption",
            hint="use https, or add --allow-http if anybody may see and change what is sent",
        )


def _addresses(link: Link, allowed: Callable[[str], bool]) -> list[_Address]:
    """All addresses of a host; one that is not allowed forbids the others."""
    try:
        found = socket.getaddrinfo(link.host, link.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        cause = getattr(error, "strerror", None) or "not a name"
        raise MediaError(
            f"the host {link.host} is not found: {one_line(cause)}", hint=_network_hint(link)
        ) from None
    for family, *_, sockaddr in found:
        known = family in (socket.AF_INET, socket.AF_INET6)
        if not known or not allowed(str(sockaddr[0])):
            raise UnsafeEndpoint(
                f"{link.host} is at a private or reserved address",
                hint="add --allow-private if you trust the link",
            )
    return [_Address(family=family, sockaddr=sockaddr) for family, *_, sockaddr in found]


def _proxy(link: Link) -> SplitResult | None:
    """The proxy that the environment names, for https alone."""
    from urllib.request import getproxies, proxy_bypass

    if link.scheme != "https" or is_loopback(link.host) or proxy_bypass(link.host):
        return None
    proxy = getproxies().get("https")
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _network_hint(link: Link, through_proxy: bool = False) -> str:
    if not through_proxy and _proxy(link):
        return "add --allow-private to go through the proxy that HTTPS_PROXY names"
    return "check the link and the network"


# --- how -----------------------------------------------------------------------------------------


def _connected(link: Link, limits: Limits) -> socket.socket:
    proxy = _proxy(link) if limits.through_proxy else None
    if proxy is not None:
        connection = _tunnel(proxy, link, limits)
    else:
        connection = _dial(_addresses(link, limits.allowed), limits)
    try:
        connection.settimeout(limits.left)
        if link.scheme == "https":
            import ssl

            context = ssl.create_default_context()
            return context.wrap_socket(connection, server_hostname=link.host.rstrip("."))
    except BaseException:
        connection.close()
        raise
    return connection


def _dial(addresses: list[_Address], limits: Limits) -> socket.socket:
    failure = OSError("it has no address")
    for address in addresses[:_MAX_ADDRESSES]:
        connection = None
        try:
            connection = socket.socket(address.family, socket.SOCK_STREAM)
            connection.settimeout(min(limits.left, _CONNECT_SECONDS))
            connection.connect(address.sockaddr)
        except OSError as error:
            failure = error
            if connection is not None:
                connection.close()
        else:
            return connection
    raise failure


def _tunnel(proxy: SplitResult, link: Link, limits: Limits) -> socket.socket:
    """A connection through an http proxy, which sees the host's name and nothing else."""
    from base64 import b64encode
    from http.client import HTTPConnection

    if proxy.scheme != "http" or not proxy.hostname:
        raise MediaError("HTTPS_PROXY does not name an http:// proxy", hint="set it to http://HOST")
    headers = {}
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    client = HTTPConnection(proxy.hostname, proxy.port or 80, timeout=limits.left)
    client.set_tunnel(link.host, link.port, headers)
    client.connect()
    connection: socket.socket = client.sock
    return connection


def _ask(connection: socket.socket, link: Link) -> HTTPResponse:
    from http.client import HTTPConnection

    client = HTTPConnection(link.host, link.port)
    client.auto_open = 0  # never a connection of its own making
    client.sock = connection
    client.request("GET", link.target, headers={"Host": link.authority, **_HEADERS})
    return client.getresponse()


@contextmanager
def _cut_off(connection: socket.socket, limits: Limits) -> Iterator[None]:
    """Shut a connection down when the time is over, however busily it drips."""

    def shut_down() -> None:
        with suppress(OSError):
            # Not the method of the encrypted socket, which is not made for two threads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    if limits.ends is None:
        yield
        return
    timer = threading.Timer(max(0.0, limits.ends - time.monotonic()), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _cause(error: Exception, limits: Limits) -> str:
    """Why a connection failed, in words that never hold the link."""
    import ssl
    from http.client import IncompleteRead, RemoteDisconnected

    if isinstance(error, TimeoutError):
        return f"no answer in {limits.timeout:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({one_line(error.verify_message)})"
    if isinstance(error, ssl.SSLError):
        return f"no encryption could be agreed on ({one_line(error.reason or 'TLS')})"
    if isinstance(error, RemoteDisconnected):
        return "it hung up without an answer"
    if isinstance(error, IncompleteRead):
        return "it hung up in the middle of the file"
    if isinstance(error, OSError):
        return one_line(error.strerror or str(error) or type(error).__name__)
    return "its answer is not HTTP"
