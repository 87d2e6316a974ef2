"""Base URLs, checked before a key or media goes there."""

from __future__ import annotations

import functools
import re
from urllib.parse import SplitResult, urlsplit

from mediasense.errors import UnsafeEndpoint

_HOST = re.compile(r"[a-z0-9._:-]+")
# Printable ASCII without a backslash, a question mark or a hash.
_PLAIN = re.compile(r"[!\"$->@-\[\]-~]+")
_BELOW = re.compile(r"(?:/[\w~-][\w.~-]*)+", re.ASCII)
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")


@functools.lru_cache(maxsize=64)
def checked_url(url: str, named: str, allow_http: bool) -> str:
    """A base URL that may be asked, without a trailing slash.

    Args:
        url: What was given.
        named: By what it was given, for messages: an option, a variable or a provider.
        allow_http: Whether plain http to another machine is wanted.

    Raises:
        UnsafeEndpoint: It would expose a key or media, or is no URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnsafeEndpoint(f"{named}: {error}", hint="give https://HOST/PATH") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnsafeEndpoint(f"{named} is not an http or https URL", hint="give https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise UnsafeEndpoint(
            f"{named} holds a user name or password",
            hint="give the key with --api-key-env NAME instead",
        )
    # What is checked here and what is dialled later must be the same host: of "a\\.b" urlsplit and
    # HTTP clients make two different ones.
    if not _HOST.fullmatch(parts.hostname) or not _PLAIN.fullmatch(url):
        raise UnsafeEndpoint(
            f"{named} has a query, a fragment or stray characters",
            hint="give https://HOST/PATH and nothing after it",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not allow_http:
        raise UnsafeEndpoint(
            f"{parts.hostname}{f':{port}' if port else ''} would be reached without encryption",
            hint="use https, or add --allow-http if the network between is your own",
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    return host in ("localhost", "::1") or _LOOPBACK.fullmatch(host) is not None


def host_of(url: str) -> str:
    """The host of a URL that was checked; ``""`` for none."""
    return urlsplit(url).hostname or ""


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs lead to the same server: one scheme, one host, one port."""
    return _origin(urlsplit(one)) == _origin(urlsplit(other))


def is_under(url: str, base_url: str) -> bool:
    """Whether a URL is a base URL, or a plain path below it, on the same server.

    A path that a server could take for another one, by dots or by escapes, is not plain.
    """
    if not same_origin(url, base_url):
        return False
    path, base = (urlsplit(each).path.rstrip("/") for each in (url, base_url))
    below = path.removeprefix(base)
    return path == base or (path.startswith(base) and _BELOW.fullmatch(below) is not None)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port
