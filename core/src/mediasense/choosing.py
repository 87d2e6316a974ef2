"""Which provider answers: the one that is named, or the first that can."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace

from mediasense.config import PROVIDER_VARIABLE, Config
from mediasense.connection import find_credential
from mediasense.discovery import EntryPoint
from mediasense.errors import (
    MediasenseError,
    MissingCredentials,
    NoPlugins,
    UnknownProvider,
    UnsupportedModality,
    UsageError,
)
from mediasense.known import PACKAGES, package_for
from mediasense.planning import REFUSALS, can_take, make_plan
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.types import Media, Question


@dataclass(frozen=True, slots=True)
class Chooser:
    """Finds providers by name, and chooses one where none is named.

    Attributes:
        plugins: What is loaded.
        config: The user's settings.
    """

    plugins: Plugins
    config: Config

    def provider(self, name: str) -> Provider:
        """The provider of that name or alias.

        Raises:
            ConfigError: The config file describes it, and it cannot be.
            ProviderConflict: Two plugins claim it.
            UnknownProvider: None offers it; the message says what to install, or what failed.
        """
        found = self.plugins.find(name)
        if found is not None:
            return found
        package = package_for(name)
        failed = next((f for f in self.plugins.failures if _is_from(f.entry_point, package)), None)
        if failed is not None:
            raise UnknownProvider(
                f"{failed.entry_point} offers {name!r} and failed to load: {failed.cause}",
                hint="type: mediasense plugins",
            )
        if package is not None and not any(
            _is_from(plugin.entry_point, package) for plugin in self.plugins.loaded
        ):
            off = [name for name in self.plugins.disabled if package.endswith(_dashed(name))]
            hint = f"{off[0]} is switched off" if off else f"type: pip install {package}"
            raise UnknownProvider(f"no installed plugin offers {name!r}", hint=hint)
        raise UnknownProvider(f"no installed plugin offers {name!r}", hint=self._did_you_mean(name))

    def named(self, question: Question) -> Provider | None:
        """The provider that the user, the environment or the config names, if any does.

        Raises:
            UnknownProvider: There is none of that name.
            UsageError: A key is named, and nobody it could belong to.
        """
        if question.provider is not None:
            return self.provider(question.provider)
        if question.access.base_url is not None:
            anywhere = [p for p in self.plugins.providers.values() if p.takes_any_base_url]
            if not anywhere:
                raise UnknownProvider(
                    "no installed plugin takes --base-url alone",
                    hint="type: pip install mediasense-openai-compat",
                )
            return anywhere[0]
        name = os.environ.get(PROVIDER_VARIABLE) or self.config.provider
        if name:
            return self.provider(name)
        if question.access.api_key_env or question.access.credentials_file:
            # Whoever is chosen would be sent a key that is somebody else's.
            raise UsageError(
                "a key is named, and not whose it is", hint="add --provider NAME or --base-url URL"
            )
        return None

    def listener(self, question: Question) -> Provider | None:
        """Who is named to write down sound, if anybody is.

        Raises:
            UnknownProvider: There is none of that name.
        """
        if question.audio_provider is None:
            return None
        return self.provider(question.audio_provider)

    def candidates(self) -> tuple[Provider, ...]:
        """Who may be chosen unasked: services with credentials, then what runs on this device."""
        providers = self.plugins.providers.values()
        unclear = {*self.plugins.conflicts, *self.plugins.broken}
        free = [p for p in providers if p.name not in unclear]
        keyed = [p for p in free if p.kind == "service" and _has_credentials(p)]
        return (*keyed, *(p for p in free if p.kind == "device"))

    def choose(self, media: tuple[Media, ...], question: Question) -> Provider:
        """The first service with credentials that takes this, or else what runs on the device.

        Raises:
            NoPlugins: Nothing is installed.
            MediasenseError: Nobody can; the error is the reason of the first that could answer.
        """
        if not self.plugins.providers:
            raise NoPlugins(
                "no provider plugin is installed",
                hint=f"type: pip install {next(iter(PACKAGES))} (works without a key)",
            )
        listener = self.listener(question)
        reasons: list[MediasenseError] = []
        for provider in self.candidates():
            try:
                make_plan(media, question, provider, listener, prices=None)
            except REFUSALS as error:
                reasons.append(error)
            else:
                return provider
        # Nobody can: the first one's own reason says why.
        for reason in reasons:
            if not isinstance(reason, UnsupportedModality):
                raise reason
        raise UnsupportedModality(
            f"no provider with credentials takes this {media[0].modality}",
            hint=self.who_can(media, question, None),
        )

    def who_can(
        self, media: tuple[Media, ...], question: Question, provider: Provider | None
    ) -> str:
        """What to type instead: providers that are installed, or packages that are not."""
        modality = media[0].modality
        asked = replace(question, model=None, audio_model=None, audio_provider=None)
        able = [
            p.name
            for p in self.plugins.providers.values()
            if p is not provider and can_take(p, media, asked)
        ]
        if able:
            return f"try --provider {' or '.join(able[:4])}"
        installed = {plugin.entry_point.distribution for plugin in self.plugins.loaded}
        wide = [p for p in PACKAGES if p != "mediasense-on-device"]
        if modality != "audio" or question.prompt is not None:
            wide.remove("mediasense-whisper-local")
        missing = [p for p in wide if p not in installed]
        if missing:
            return f"for {modality}, type: pip install {missing[0]}"
        return "no installed provider takes it"

    def _did_you_mean(self, name: str) -> str:
        known = [n for p in self.plugins.providers.values() for n in (p.name, *p.aliases)]
        near = difflib.get_close_matches(name, known, 3)
        return f"did you mean {' or '.join(near)}?" if near else "type: mediasense providers"


def _has_credentials(provider: Provider) -> bool:
    try:
        return find_credential(provider) is not None
    except MissingCredentials:  # a key that cannot be one: this provider is not chosen unasked
        return False


def _is_from(entry_point: EntryPoint, package: str | None) -> bool:
    return entry_point.distribution == package


def _dashed(name: str) -> str:
    return name.replace("_", "-")
