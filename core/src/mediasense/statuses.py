"""Who can answer: what each provider takes, and whether its key was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mediasense.connection import find_credential
from mediasense.errors import MissingCredentials
from mediasense.names import MODALITIES, MediaModality
from mediasense.plugins import Plugins
from mediasense.providers import AudioLimits, ImageLimits, Provider, TextLimits, VideoLimits

KeyState = Literal["found", "missing", "optional", "ambient", "not needed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """A provider, and whether it could be asked as things stand; never a key.

    Attributes:
        name, aliases, description, kind, base_url, default_model: As in :class:`Provider`.
        plugin: The name of the plugin that offers it.
        key: Whether its credentials were ``found`` or are ``missing``; ``optional`` are those of a
            server that may do without, ``ambient`` those that its SDK may find by itself.
        key_found: The variable or file that holds them; ``None`` where none does.
        key_names: Under which names they are looked for, the first that is set wins.
        problem: Why what was named cannot be used; else ``""``.
        image, video, audio, text: What it takes; ``None`` is nothing of the kind.
    """

    name: str
    description: str
    plugin: str
    key: KeyState
    kind: Literal["service", "server", "device"] = "service"
    aliases: tuple[str, ...] = ()
    base_url: str | None = None
    default_model: str | None = None
    key_found: str | None = None
    key_names: tuple[str, ...] = ()
    problem: str = ""
    image: ImageLimits | None = None
    video: VideoLimits | None = None
    audio: AudioLimits | None = None
    text: TextLimits | None = None

    @property
    def modalities(self) -> tuple[MediaModality, ...]:
        """The kinds of media it takes with its default models."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)


def status_of(provider: Provider, plugins: Plugins) -> ProviderStatus:
    """What is told of one provider; nothing is asked of any service.

    Args:
        provider: One of ``plugins``.
        plugins: What is loaded.
    """
    found, problem = _found(provider)
    rules = provider.credentials
    return ProviderStatus(
        name=provider.name,
        description=provider.description,
        plugin=plugins.owners[provider.name].entry_point.name,
        key=_key_state(provider, found),
        kind=provider.kind,
        aliases=provider.aliases,
        base_url=provider.base_url,
        default_model=provider.default_model,
        key_found=found,
        key_names=(*rules.file_variables, *rules.variables) if rules else (),
        problem=problem,
        image=provider.image,
        video=provider.video,
        audio=provider.audio,
        text=provider.text,
    )


def _found(provider: Provider) -> tuple[str | None, str]:
    """Where credentials were found, and why what was named is of no use."""
    if provider.credentials is None:
        return None, ""
    try:
        credential = find_credential(provider)
    except MissingCredentials as error:
        return None, str(error)
    return credential.source if credential else None, ""


def _key_state(provider: Provider, found: str | None) -> KeyState:
    rules = provider.credentials
    if rules is None:
        return "not needed"
    if found is not None:
        return "found"
    if rules.ambient:
        return "ambient"
    return "missing" if rules.required else "optional"
