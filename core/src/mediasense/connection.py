"""Where a request goes, and with which key.

The one place that asks for keys. Its rules, in words:

* A provider's key comes from its own variables, wherever they are kept (:mod:`mediasense.keys`),
  and is sent to its own hosts only.
* With another base URL, only a key that the user names for it is sent: the variable given as
  ``api_key_env``, or ``MEDIASENSE_API_KEY``.
* A server on this machine may do without a key.
* The key and the headers that the config file names for an endpoint are sent to its own base URL
  only, and to what is below it: a host may be a gateway of many.
* Plain http to another machine is refused unless the user asks for it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from mediasense.errors import MissingCredentials, UsageError
from mediasense.keys import OWN_KEY_VARIABLE, find_key
from mediasense.masking import secrets_in_header
from mediasense.providers import Access, Header, Provider
from mediasense.types import Request
from mediasense.urls import checked_url, host_of, is_loopback, is_under, same_origin

_KEPT_CLIENTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What was found, and where.

    Attributes:
        source: The name of the variable, and where it is kept if not in the environment; or the
            path of the file.
        key: The key; ``None`` for a file. Never shown by ``repr``.
        file: The credentials file; ``None`` for a key.
    """

    source: str
    key: str | None = field(default=None, repr=False)
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything a client needs, and what tells two clients apart.

    Attributes:
        provider: The provider's name.
        base_url: Checked, without a trailing slash; ``""`` for providers that have none.
        key: The key, or ``None``. Never shown by ``repr``.
        credentials_file: The credentials file, or ``None``.
        source: The name of the variable or file the credentials came from, for error messages.
        access: What the user asked for.
        timeout: Seconds.
        retries: How often to try again.
        like: The provider whose protocol an endpoint of the config file speaks; ``None`` for all
            others.
        headers: The extra headers of this one call, to be sent with it: clients are shared by
            calls that differ in nothing else. Never shown by ``repr``.
        hidden: Values of headers that came from variables, and of those that a rule added and that
            look like credentials.
    """

    provider: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    credentials_file: Path | None = None
    source: str | None = None
    access: Access = Access()
    timeout: float = 600.0
    retries: int = 2
    like: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    hidden: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat, for :func:`mediasense.one_line`."""
        return self.hidden if self.key is None else (self.key, *self.hidden)


def connect(request: Request) -> Connection:
    """Find the base URL and the credentials for a request.

    Args:
        request: Any request; its provider and access say where to look.

    Returns:
        What a client is made from.

    Raises:
        MissingCredentials: No key was found, or a credentials file is not there, or the variable
            of a header is not set.
        UnsafeEndpoint: The base URL would expose a key or media.
        UsageError: The provider has no base URL and none was given.
    """
    provider, access = request.provider, request.access
    base_url = base_url_of(provider, access)
    credential = _credential(provider, access, base_url)
    own = _own_headers(provider, base_url)
    return Connection(
        provider=provider.name,
        base_url=base_url,
        key=credential.key if credential else None,
        credentials_file=credential.file if credential else None,
        source=credential.source if credential else None,
        access=access,
        timeout=request.timeout,
        retries=request.retries,
        like=provider.like,
        headers=_with(own, _legal(request.headers)),
        hidden=_hidden(provider, own, request.headers),
    )


def find_credential(provider: Provider, access: Access = Access()) -> Credential | None:
    """The credentials a request to this provider would use, or ``None`` when there are none.

    Raises:
        MissingCredentials: The user named a variable or a file, and it is not there.
    """
    if access.credentials_file is not None:
        return _file(access.credentials_file)
    if access.api_key_env is not None:
        credential = _variable(access.api_key_env)
        if credential is None:
            raise MissingCredentials(
                f"{access.api_key_env} is not set",
                hint=_hint(access.api_key_env),
            )
        return credential
    if provider.credentials is None:
        return None
    for name in provider.credentials.file_variables:
        if kept := find_key(name):
            return Credential(source=kept.source, file=_file(kept.value, variable=name).file)
    for name in provider.credentials.variables:
        if credential := _variable(name):
            return credential
    return None


Client = TypeVar("Client")


def shared(make: Callable[[Connection], Client]) -> Callable[[Connection], Client]:
    """Make one client for each connection, for all threads: a decorator for plugins.

    A client is dear to make and safe to share; one for each call costs more than the call. The
    clients of the 32 connections used last are kept.
    """
    kept: OrderedDict[Connection, _Kept[Client]] = OrderedDict()
    lock = threading.Lock()

    def client(connection: Connection) -> Client:
        with lock:
            entry = kept.setdefault(connection, _Kept())
            kept.move_to_end(connection)
            if len(kept) > _KEPT_CLIENTS:
                kept.popitem(last=False)
        # A lock for each: making one may wait for the network, which is no concern of the others.
        with entry.lock:
            if entry.client is None:
                entry.client = make(connection)
            return entry.client

    return client


class _Kept(Generic[Client]):
    """A client, once it is made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client: Client | None = None


def base_url_of(provider: Provider, access: Access) -> str:
    """Where a provider is reached.

    No key is looked for, so a rule can tell the host before anything else is asked of the user.

    Args:
        provider: Whose address it is.
        access: What the user asked for; ``request.access``.

    Returns:
        The base URL, checked, without a trailing slash; ``""`` where only the provider's SDK knows.

    Raises:
        UnsafeEndpoint: The base URL would expose a key or media.
        UsageError: The provider has no base URL and none was given.
    """
    if access.base_url is not None:
        return checked_url(access.base_url, "--base-url", access.allow_http)
    for name in provider.base_url_variables:
        if value := os.environ.get(name, "").strip():
            return checked_url(value, name, access.allow_http)
    if provider.base_url is not None:
        return checked_url(provider.base_url, provider.name, access.allow_http)
    if provider.base_url_variables or provider.takes_any_base_url:
        wanted = " or ".join(("--base-url", *provider.base_url_variables))
        raise UsageError(f"{provider.name} has no base URL of its own", hint=f"give {wanted}")
    return ""


def _credential(provider: Provider, access: Access, base_url: str) -> Credential | None:
    named = access.api_key_env is not None or access.credentials_file is not None
    if named or _belongs(provider, base_url):
        credential = find_credential(provider, access)
    else:
        credential = _variable(OWN_KEY_VARIABLE)
    if credential is not None:
        return credential
    rules = provider.credentials
    if rules is None or not rules.required or rules.ambient:
        return None
    host = host_of(base_url)
    if is_loopback(host):
        return None
    raise _missing(provider, base_url)


def _own_headers(provider: Provider, base_url: str) -> tuple[tuple[str, str], ...]:
    """The headers the provider's own server wants; another one is told none of them."""
    if not provider.headers or not _is_own(provider, base_url):
        return ()
    return tuple((header.name, _header_value(provider, header)) for header in provider.headers)


def _legal(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers that a rule added; an HTTP client would tell the value of one that cannot be."""
    for name, value in headers:
        if not (name + value).isascii() or not (name + value).isprintable():
            raise UsageError(
                f"a header that a rule adds holds characters that no header has: {name!r}",
                hint="leave out line breaks",
            )
    return headers


def _header_value(provider: Provider, header: Header) -> str:
    if header.variable is None:
        return header.value or ""
    kept = find_key(header.variable)
    value = kept.value if kept else ""
    named = f"providers.{provider.name}.headers.{header.name}"
    if not value:
        raise MissingCredentials(
            f"{named}: {header.variable} is not set",
            hint=_hint(header.variable),
        )
    if not value.isascii() or not value.isprintable():
        raise MissingCredentials(
            f"{named}: {header.variable} holds characters that no header has",
            hint=f"set {header.variable} again, without line breaks",
        )
    return value


def _hidden(
    provider: Provider, own: tuple[tuple[str, str], ...], asked: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """The values that may be keys: what stands in no file, and what looks like one."""
    looked_up = {header.name for header in provider.headers if header.variable is not None}
    found = [value for name, value in own if name in looked_up]
    found += [secret for pair in (*own, *asked) for secret in secrets_in_header(*pair)]
    return tuple(dict.fromkeys(found))


def _with(
    own: tuple[tuple[str, str], ...], asked: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """All headers, each once: those of the request in place of the provider's own."""
    if not own:
        return asked
    replaced = {name.lower() for name, _ in asked}
    return (*(pair for pair in own if pair[0].lower() not in replaced), *asked)


def _belongs(provider: Provider, base_url: str) -> bool:
    """Whether the provider's own key may go to ``base_url``."""
    if not base_url:  # only the provider's SDK knows it
        return True
    if provider.takes_any_base_url or (provider.base_url is None and not provider.hosts):
        return True
    if _is_own(provider, base_url):
        return True
    target = urlsplit(base_url)
    host = target.hostname or ""
    return target.scheme == "https" and any(
        host == domain or host.endswith(f".{domain}") for domain in provider.hosts
    )


def _is_own(provider: Provider, base_url: str) -> bool:
    """Whether a base URL is the provider's; of an endpoint, also the path has to be.

    A gateway may serve several tenants under one host, each with a key of its own; the services
    that plugins know have their hosts to themselves.
    """
    if provider.base_url is None:
        return False
    if provider.like is not None:
        return is_under(base_url, provider.base_url)
    return same_origin(base_url, provider.base_url)


def _missing(provider: Provider, base_url: str) -> MissingCredentials:
    assert provider.credentials is not None
    host = host_of(base_url)
    own = provider.credentials.variables
    if not _belongs(provider, base_url):
        unused = next((name for name in own if find_key(name)), None)
        near = provider.base_url is not None and same_origin(base_url, provider.base_url)
        where = base_url.partition("://")[2] if near else host
        kept = f"{unused} is not sent to {where}" if unused else f"no key was named for {where}"
        return MissingCredentials(
            f"{provider.name}: {kept}",
            hint=f"type --api-key-env {unused or 'NAME'}, or set {OWN_KEY_VARIABLE}",
        )
    names = [*provider.credentials.file_variables, *own]
    if not names:
        return MissingCredentials(f"no key for {provider.name}", hint="type --api-key-env NAME")
    return MissingCredentials(
        f"no key for {provider.name}{f' at {host}' if provider.takes_any_base_url else ''}",
        hint=_hint(*names),
    )


def _hint(*names: str) -> str:
    """What to type where none of the variables is set: another thing where ./.env has one."""
    from mediasense.config import keys_are_on
    from mediasense.keys.env_files import names_in_usual_file

    there = names_in_usual_file()
    if name := next((name for name in names if name in there), None):
        return f"./.env names {name}: add --env-file .env"
    (name, *_) = names
    saved = name != OWN_KEY_VARIABLE and keys_are_on()
    return f"type: export {name}=...{f' (or mediasense keys set {name})' if saved else ''}"


def _variable(name: str) -> Credential | None:
    kept = find_key(name)
    if kept is None:
        return None
    key = kept.value
    if not key.isascii() or not key.isprintable() or " " in key:
        raise MissingCredentials(
            f"{kept.source} holds characters that no key has",
            hint=f"set {name} again, without line breaks",
        )
    return Credential(source=kept.source, key=key)


def _file(value: str, *, variable: str | None = None) -> Credential:
    path = Path(value).expanduser()
    if not path.is_file():
        origin = f"{variable} names {path}" if variable else str(path)
        raise MissingCredentials(f"{origin}, which is not a file", hint="check the path")
    return Credential(source=str(path), file=path)
