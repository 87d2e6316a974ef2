"""What the house allows, as data, and the rules as functions that can be tested alone."""

from __future__ import annotations

from dataclasses import replace

from mediasense import Answer, Forbidden, Request

# Services that may be asked. Servers of the house and this device always may.
SERVICES = ("example",)
TEAM = ("X-Team", "acme_template")
MARK = "a model wrote this: check it before you pass it on"


def require_allowed(request: Request) -> None:
    """Let no media out to a service that is not listed.

    Raises:
        Forbidden: It is not.
    """
    provider = request.provider
    if provider.kind == "service" and provider.name not in SERVICES:
        raise Forbidden(
            f"{provider.name} may not be asked from here",
            hint=f"use one of: {', '.join(SERVICES)}, or on_device",
        )


def with_team(request: Request) -> Request:
    """The request, with a header that says whose it is."""
    return replace(request, headers=(*request.headers, TEAM))


def marked(answer: Answer) -> Answer:
    """The answer, with a warning that comes with every one."""
    return replace(answer, warnings=(*answer.warnings, MARK))
