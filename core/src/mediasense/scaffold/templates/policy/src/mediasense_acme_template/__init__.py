"""The rules of Acme Template: hooks that are called whoever is asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from mediasense import Answer, Request


@hookimpl
def prepare_request(request: Request) -> Request:
    """Refuse what is not allowed, and name the team; called before every call."""
    from mediasense_acme_template import rules

    rules.require_allowed(request)
    return rules.with_team(request)


@hookimpl(wrapper=True)
def analyze_image() -> Generator[None, Answer, Answer]:
    """Mark the answer; a wrapper stands around whoever gives it."""
    from mediasense_acme_template import rules

    answer = yield
    return rules.marked(answer)


# The same rule for answers of every kind.
analyze_video = analyze_audio = generate = analyze_image
