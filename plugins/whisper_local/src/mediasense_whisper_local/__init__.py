"""Write down speech on this machine, with the times of words: no key, nothing leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import hookimpl

if TYPE_CHECKING:
    from mediasense import Answer, AudioRequest, Model, ModelsRequest, OnText, Provider


@hookimpl
def capabilities() -> tuple[Provider, ...]:
    """The one provider of this package."""
    from mediasense_whisper_local.provider import PROVIDER

    return (PROVIDER,)


@hookimpl
def analyze_audio(request: AudioRequest, on_text: OnText | None) -> Answer:
    """Write down what is said; each segment goes to ``on_text`` as it is heard."""
    from mediasense_whisper_local.hearing import hear

    return hear(request, on_text)


@hookimpl
def policy_version() -> str:
    """Which models the names stand for: an answer of another one is not this one's."""
    from mediasense_whisper_local import models

    return models.state()


@hookimpl
def list_models(request: ModelsRequest) -> tuple[Model, ...]:  # noqa: ARG001
    """Tell the models that are on this machine, and then those that would be fetched when named.

    The machine is the service: the folders are looked at now, and nothing is asked of the network.
    """
    from mediasense import Model
    from mediasense_whisper_local import models

    return tuple(Model(name=name, modalities=("audio",)) for name in models.listed())
