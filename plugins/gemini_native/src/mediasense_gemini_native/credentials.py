"""Where Vertex AI is, and who asks: project, location and login.

The precedence, from first to last:

==========  =====================================================================================
login       ``--credentials``; ``--api-key-env``; ``GOOGLE_APPLICATION_CREDENTIALS``;
            ``GOOGLE_VERTEX_API_KEY``; the application default credentials
project     ``--project``; ``GOOGLE_CLOUD_PROJECT``; the project in the credentials
location    ``--location``; ``GOOGLE_CLOUD_LOCATION``; ``global``
==========  =====================================================================================

The core reads the first four logins. An express key belongs to a project already, so with one only
the options count and not the variables.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google.auth
import google.auth.transport.requests
import requests
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.oauth2 import service_account

from mediasense import Connection, MissingCredentials, UsageError, is_loopback

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_FIELDS = ("client_email", "private_key", "token_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks.

    Attributes:
        credentials: They get access tokens, and get new ones before those expire.
        project: The project they belong to, where they say.
    """

    credentials: Credentials
    project: str | None


def located(connection: Connection) -> Connection:
    """The connection with the project and the location it will have.

    Raises:
        UsageError: One of them has characters that would change the address, or a location is
            given to an express key without a project.
    """
    access = connection.access
    if connection.key is not None:
        project, location = access.project, access.location
        if location and not project:
            raise UsageError(
                f"{connection.provider}: a key alone has no location", hint="add --project"
            )
    else:
        project = access.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or None
        location = access.location or os.environ.get("GOOGLE_CLOUD_LOCATION") or "global"
    _require_name("project", project, r"[A-Za-z0-9.:-]+")
    _require_name("location", location, r"[a-z0-9-]+")
    return replace(connection, access=replace(access, project=project, location=location))


def endpoint(location: str | None) -> str:
    """The base URL of a location, as google-genai 3.4.0 computes it."""
    if location in (None, "global"):
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def login(connection: Connection) -> Login:
    """Log in with the connection's file, or as this machine is logged in.

    Raises:
        MissingCredentials: The file cannot be used; the message names it and says why.
        google.auth.exceptions.DefaultCredentialsError: This machine is not logged in.
    """
    if connection.credentials_file is not None:
        return _with_file(connection.credentials_file, connection.timeout)
    elsewhere = connection.access.base_url is not None or connection.like is not None
    if elsewhere and not _is_google(connection.base_url):
        host = urlsplit(connection.base_url).hostname
        raise MissingCredentials(
            f"{connection.provider}: the application default credentials are not sent to {host}",
            hint="add --credentials FILE or --api-key-env NAME",
        )
    return _as_this_machine(connection.timeout)


def _with_file(path: Path, timeout: float) -> Login:
    info = _read(path)
    try:
        found = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            info, scopes=_SCOPES
        )
        found.sign_bytes(b"try")
    except (ValueError, TypeError, AttributeError):
        raise _unusable(path, "its private_key is damaged") from None
    return Login(credentials=_Credentials(found, timeout), project=found.project_id)


def _as_this_machine(timeout: float) -> Login:
    found, project = google.auth.default(scopes=_SCOPES, request=_Transport(timeout))
    return Login(credentials=_Credentials(found, timeout), project=project)


def _read(path: Path) -> dict[str, Any]:
    """A service account's file, with all that is needed in it."""
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _unusable(path, "it is not JSON") from None
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise _unusable(path, "it is not the key of a service account")
    lacking = [name for name in _FIELDS if not isinstance(info.get(name), str) or not info[name]]
    if lacking:
        raise _unusable(path, f"it lacks {', '.join(lacking)}")
    if not _is_safe(info["token_uri"]):
        raise _unusable(path, "its token_uri is not an https address")
    return info


def _unusable(path: Path, why: str) -> MissingCredentials:
    return MissingCredentials(
        f"{path} cannot be used as credentials: {why}",
        hint="give a service account's JSON key with --credentials",
    )


def _is_safe(url: str) -> bool:
    """Whether what proves the identity may be sent there: encrypted, or to this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    )


def _is_google(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".googleapis.com")


def _require_name(what: str, value: str | None, pattern: str) -> None:
    if value is not None and not re.fullmatch(pattern, value):
        raise UsageError(f"{value!r} is not the name of a {what}", hint=f"check the {what}")


class _NoRedirects(requests.Session):
    """Sends what proves the identity to one address, and nowhere else."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class _Transport(google.auth.transport.requests.Request):
    """Fetches tokens, and waits no longer than the user does."""

    def __init__(self, timeout: float) -> None:
        super().__init__(_NoRedirects())
        self._timeout = timeout

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        wait = min(timeout or self._timeout, self._timeout)
        return super().__call__(url, method, body, headers, wait, **kwargs)  # type: ignore[no-untyped-call]


class _Credentials(Credentials):
    """Credentials that get their access tokens through :class:`_Transport`.

    The SDK brings a transport of its own to a refresh, one that follows redirects and waits two
    minutes.
    """

    def __init__(self, inner: Any, timeout: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inner = inner
        self._transport = _Transport(timeout)
        self._quota_project_id = inner.quota_project_id

    def refresh(self, request: object) -> None:  # noqa: ARG002
        try:
            self._inner.refresh(self._transport)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise _no_token() from None
        if not self._inner.token:
            raise _no_token()
        self.token, self.expiry = self._inner.token, self._inner.expiry


def _no_token() -> auth.RefreshError:
    return auth.RefreshError("there is no token in what it answered")  # type: ignore[no-untyped-call]
