"""Two services, as a plugin for the tests: ``example``, which may be asked, and another."""

from __future__ import annotations

import os

import mediasense
from mediasense import Answer, Base64, ImageLimits, ImageRequest, Provider, hookimpl


def _service(name: str) -> Provider:
    limits = ImageLimits(mime_types=("image/png",))
    return Provider(
        name=name,
        description="for tests",
        base_url=os.environ["SERVICES_URL"],
        default_model="eye",
        image=limits,
    )


@hookimpl
def capabilities() -> tuple[Provider, ...]:
    return (_service("example"), _service("elsewhere"))


@hookimpl
def analyze_image(request: ImageRequest) -> Answer:
    reply = mediasense.post_json(request, "/look", [Base64(image) for image in request.images])
    return Answer(text=reply["text"], model="eye")
