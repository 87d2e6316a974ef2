"""The hooks of Acme Template.

What they need is imported when they are called: this module loads at every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from mediasense import Answer, ImageRequest, Model, ModelsRequest, OnText, Provider


@hookimpl
def capabilities() -> tuple[Provider, ...]:
    """Say what it takes."""
    from mediasense_acme_template.provider import PROVIDER

    return (PROVIDER,)


@hookimpl
def analyze_image(request: ImageRequest, on_text: OnText | None) -> Answer:
    """Answer a question about images."""
    from mediasense_acme_template import client

    return client.ask(request, on_text)


@hookimpl
def list_models(request: ModelsRequest) -> tuple[Model, ...]:
    """Ask which models there are."""
    from mediasense_acme_template import client

    return client.list_models(request)
