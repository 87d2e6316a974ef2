"""What the house allows, as data, and the rules as functions that can be tested alone."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from mediasense import Answer, Forbidden, Request, base_url_of

# Providers that may be asked, each at the address that its plugin or the config file gives it.
PROVIDERS = ("example",)
# Hosts of the house: whatever answers there may be asked, by whichever provider.
HOSTS: tuple[str, ...] = ()
TEAM = ("X-Team", "acme_template")
MARK = "a model wrote this: check it before you pass it on"


def require_allowed(request: Request) -> None:
    """Let no media out to anybody who is not listed: neither by name nor by ``--base-url``.

    Raises:
        Forbidden: It is somebody else.
    """
    provider = request.provider
    if provider.kind == "device":
        return
    host = urlsplit(base_url_of(provider, request.access)).hostname
    if host in HOSTS:
        return
    if provider.name not in PROVIDERS:
        raise Forbidden(
            f"{provider.name} may not be asked from here",
            hint=f"use one of: {', '.join(PROVIDERS)}, or on_device",
        )
    if host != urlsplit(provider.base_url or "").hostname:
        raise Forbidden(
            f"{provider.name} may not be asked at {host}",
            hint="leave out --base-url and its variable",
        )


def with_team(request: Request) -> Request:
    """The request, with a header that says whose it is."""
    return replace(request, headers=(*request.headers, TEAM))


def marked(answer: Answer) -> Answer:
    """The answer, with a warning that comes with every one."""
    return replace(answer, warnings=(*answer.warnings, MARK))
