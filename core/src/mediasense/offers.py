"""What the loaded plugins offer: their providers, checked, and who owns each."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mediasense.discovery import EntryPoint
from mediasense.errors import PluginError, ProviderConflict
from mediasense.names import HOOK_OF

if TYPE_CHECKING:
    from mediasense.providers import Provider

DISABLE_VARIABLE = "MEDIASENSE_DISABLE_PLUGINS"

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin that is loaded.

    Attributes:
        entry_point: Where it came from.
        hooks: The names of the hooks it implements.
        providers: The names of the providers it offers.
    """

    entry_point: EntryPoint
    hooks: tuple[str, ...]
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What the loaded plugins offer."""

    loaded: tuple[Plugin, ...]
    providers: dict[str, Provider]
    owners: dict[str, Plugin]
    conflicts: dict[str, ProviderConflict]

    def with_plugin(self, plugin: Plugin, offered: tuple[Provider, ...]) -> Offers:
        """The same, and what one more plugin offers; the first to claim a name keeps it."""
        taken = {
            name: self.owners[provider.name]
            for provider in self.providers.values()
            for name in (provider.name, *provider.aliases)
        }
        claimed = [name for provider in offered for name in (provider.name, *provider.aliases)]
        fresh = {p.name: p for p in offered if p.name not in self.providers}
        return Offers(
            loaded=(*self.loaded, plugin),
            providers={**self.providers, **fresh},
            owners={**self.owners, **dict.fromkeys(fresh, plugin)},
            conflicts={
                **self.conflicts,
                **{n: _conflict(n, taken[n], plugin) for n in claimed if n in taken},
            },
        )


def offered_by(module: Any) -> tuple[Provider, ...]:
    """The providers a plugin offers, each checked.

    Raises:
        PluginError: What it offers breaks the contract.
    """
    from mediasense.providers import Provider

    offered = module.capabilities()
    if not isinstance(offered, tuple) or not all(isinstance(p, Provider) for p in offered):
        raise PluginError(
            "capabilities() did not return a tuple of Provider", hint="see mediasense.hookspecs"
        )
    for provider in offered:
        _require_possible_options(provider)
        for name in (provider.name, *provider.aliases):
            if not _PROVIDER_NAME.fullmatch(name):
                raise PluginError(
                    f"{name!r} is no provider name", hint="use lower-case letters, digits, - and _"
                )
    names = [name for provider in offered for name in (provider.name, *provider.aliases)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PluginError(f"capabilities() names {twice!r} twice", hint="name each provider once")
    return offered


def _require_possible_options(provider: Provider) -> None:
    """The options that limits list must be fields of the requests they are about."""
    from mediasense.types import AudioRequest, ImageRequest, TextRequest, VideoRequest

    requests = {
        "image": ImageRequest,
        "video": VideoRequest,
        "audio": AudioRequest,
        "text": TextRequest,
    }
    for rules in (provider, *provider.models):
        for modality, request in requests.items():
            limits = getattr(rules, modality)
            listed = (
                (*limits.options, *(getattr(limits, "answer_options", None) or ()))
                if limits
                else ()
            )
            possible = {item.name for item in fields(request)}
            for option in listed:
                if option.removesuffix("_end") not in possible:
                    raise PluginError(
                        f"{provider.name}: {modality} has no option {option!r}",
                        hint="leave it out of the limits",
                    )


def require_hooks(offered: tuple[Provider, ...], hooks: tuple[str, ...]) -> None:
    """What a provider declares, its plugin must have a hook for."""
    for provider in offered:
        for rules in (provider, *provider.models):
            for modality, hook in HOOK_OF.items():
                if getattr(rules, modality) is not None and hook not in hooks:
                    raise PluginError(
                        f"{provider.name} declares {modality}, and {hook} is missing",
                        hint="implement it, or leave the modality out",
                    )


def _conflict(name: str, one: Plugin, two: Plugin) -> ProviderConflict:
    return ProviderConflict(
        f"two plugins offer {name!r}: {one.entry_point} and {two.entry_point}",
        hint=f"switch one off: {DISABLE_VARIABLE}={two.entry_point.name}",
    )
