"""Read the text in images and recordings on this machine: no key, no network, no download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from mediasense import Answer, ImageRequest, Model, ModelsRequest, Provider, VideoRequest


@hookimpl
def capabilities() -> tuple[Provider, ...]:
    """The one provider of this package."""
    from mediasense_on_device.provider import PROVIDER

    return (PROVIDER,)


@hookimpl
def analyze_image(request: ImageRequest) -> Answer:
    """Tell what stands in images, with places and confidences."""
    from mediasense_on_device.reading import read_images

    return read_images(request)


@hookimpl
def analyze_video(request: VideoRequest) -> Answer:
    """Tell what stands on screen in a recording, and when."""
    from mediasense_on_device.reading import read_video

    return read_video(request)


@hookimpl
def list_models(request: ModelsRequest) -> tuple[Model, ...]:  # noqa: ARG001
    """Tell the one model there is, once it has been made to work."""
    from mediasense import Model
    from mediasense_on_device import engine
    from mediasense_on_device.provider import MODEL, PROVIDER

    engine.check()
    return (Model(name=MODEL, modalities=PROVIDER.modalities),)
