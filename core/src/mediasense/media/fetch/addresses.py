"""Links and addresses, without any network: what a link names, and which addresses are public."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NoReturn
from urllib.parse import SplitResult, quote, urlsplit

from mediasense.errors import UnsafeEndpoint, UsageError, one_line

_MAX_LINK = 16 * 1024
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
# Two standards of names outside ASCII make different hosts of these: ß, final sigma, the joiners.
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

# What `ipaddress` calls global, depending on its version, and what is no plain address of a server.
# From IANA's registries of special-purpose addresses, and each cloud's documentation.
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a carrier; Alibaba's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform, as seen from its machines
        "169.254.0.0/16",  # link-local; the metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",  # of protocols; Oracle's metadata service
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # of protocols: Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address is a plain one of the open internet.

    Everything else is refused: private, loopback, link-local, shared, multicast, reserved and
    documentation addresses, the metadata services of clouds, and IPv6 addresses that carry an IPv4
    one (mapped, compatible, 6to4, Teredo). Of NAT64 only the well-known prefix with a public IPv4
    address is taken: in a network without IPv4 every old server has such an address (RFC 6052).

    Args:
        address: An IPv4 or IPv6 literal; anything else is not public.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    if parsed.scope_id is not None:
        return False
    if parsed in _NAT64:
        return _is_public_v4(IPv4Address(int(parsed) & 0xFFFFFFFF))
    if parsed not in _UNICAST_V6 or not parsed.is_global:
        return False
    return not any(parsed in network for network in _REFUSED_V6)


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _REFUSED_V4)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as a link writes it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An http or https link, taken apart and checked.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The name or literal in ASCII and lower case; IPv6 without brackets.
        port: The port, also where the link leaves it out.
        target: The path and the query in ASCII, as a request names them. Never shown: queries
            carry signatures.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host as a ``Host`` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole link, with its query."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """The link as messages have it: without its query."""
        return display_url(self.url)


def parse_link(url: str) -> Link:
    """Take an http or https link apart.

    Args:
        url: As the user or a server wrote it.

    Raises:
        UsageError: It is no such link. The message does not show it.
        UnsafeEndpoint: It holds a user name or password.
    """
    if len(url) > _MAX_LINK:
        _refuse(f"the link has more than {_MAX_LINK} characters")
    if "\\" in url or not url.isprintable() or any(c.isspace() for c in url):
        _refuse("the link has spaces, line breaks or stray characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("the link is not a URL")
    if parts.scheme not in _PORTS:
        _refuse("the link is neither http nor https")
    if "@" in parts.netloc:
        raise UnsafeEndpoint(
            "the link holds a user name or password",
            hint="download it yourself, and give the file",
        )
    if port == 0:
        _refuse("the link names port 0")
    return Link(
        scheme=parts.scheme,
        host=_host(parts.hostname or "", bracketed="[" in parts.netloc),
        port=port or _PORTS[parts.scheme],
        target=_target(parts),
    )


def display_url(url: str) -> str:
    """A link as it can be printed anywhere: no credentials, query or fragment, one short line."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "a link that cannot be read"
    if not host:
        scheme = _SCHEME.match(url)
        return f"{scheme[1].lower()}:…" if scheme else "a link that cannot be read"
    host = f"[{host}]" if ":" in host else host
    authority = f"{host}:{port}" if port is not None else host
    return one_line(f"{parts.scheme}://{authority}{parts.path}", limit=200)


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        try:
            parsed = IPv6Address(host)
        except ValueError:
            _refuse("the link has no valid host")
        if parsed.scope_id is not None:
            _refuse("the link names a network interface")
        return str(parsed)
    if not _AMBIGUOUS.isdisjoint(host):
        _refuse("the host of the link is ambiguous", hint="write its name in ASCII (xn--...)")
    try:
        name = host.encode("idna").decode("ascii").lower() if len(host) <= 253 else ""
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        _refuse("the link has no valid host")
    return name


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return quote(f"{path}?{parts.query}" if parts.query else path, safe=_VISIBLE)


def _refuse(message: str, *, hint: str = "give https://HOST/PATH, in quotes") -> NoReturn:
    raise UsageError(message, hint=hint)
