"""What the loaded plugins offer: their providers, checked, and who owns each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from mediasense.discovery import EntryPoint
from mediasense.errors import ConfigError, PluginError, ProviderConflict
from mediasense.known import package_for
from mediasense.names import HOOK_OF, PROVIDER_NAME

if TYPE_CHECKING:
    from mediasense.endpoints import Endpoint
    from mediasense.providers import Provider

DISABLE_VARIABLE = "MEDIASENSE_DISABLE_PLUGINS"

_PROVIDER_NAME = re.compile(PROVIDER_NAME)


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
class Implementation:
    """One hook of a loaded plugin.

    Attributes:
        hook: Its name.
        wraps: Whether it stands around those that answer.
        first, last: Whether it wants to be asked before, or after, those of other plugins.
    """

    hook: str
    wraps: bool
    first: bool
    last: bool

    @property
    def rules(self) -> bool:
        """Whether it may change what is asked or answered."""
        return self.wraps or self.hook == "prepare_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What the loaded plugins offer.

    Attributes:
        loaded: The plugins.
        providers: By name, in the order of loading; endpoints of the config file come last.
        owners: The plugin that serves each.
        conflicts: For each name or alias that two plugins claim, the error to raise.
        broken: The same for each endpoint of the config file that cannot be.
        endpoints: The names of those that can.
    """

    loaded: tuple[Plugin, ...]
    providers: dict[str, Provider]
    owners: dict[str, Plugin]
    conflicts: dict[str, ProviderConflict]
    broken: dict[str, ConfigError] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ()

    def with_endpoints(self, endpoints: tuple[Endpoint, ...]) -> Offers:
        """The same, and these in place of all other endpoints of a config file.

        Args:
            endpoints: What the file describes; one that cannot be takes no other down.
        """
        offered = {n: p for n, p in self.providers.items() if n not in self.endpoints}
        own = replace(self, providers=offered, broken={}, endpoints=())
        made: dict[str, Provider] = {}
        broken: dict[str, ConfigError] = {}
        for endpoint in endpoints:
            try:
                made[endpoint.name] = own.provider_of(endpoint)
            except ConfigError as error:
                broken[endpoint.name] = error
        serving = {name: own.owners[provider.like or ""] for name, provider in made.items()}
        return replace(
            own,
            providers={**offered, **made},
            owners={**{n: o for n, o in self.owners.items() if n in offered}, **serving},
            broken=broken,
            endpoints=tuple(made),
        )

    def provider_of(self, endpoint: Endpoint) -> Provider:
        """The provider that an endpoint of the config file is.

        Raises:
            ConfigError: It cannot be, with the plugins that are loaded.
        """
        from mediasense.endpoints import provider_of

        for provider in self.providers.values():
            if endpoint.name in (provider.name, *provider.aliases):
                owner = self.owners[provider.name].entry_point
                raise endpoint.error("", f"{owner} offers {endpoint.name!r}", "use another name")
        like = self._like(endpoint)
        provider = provider_of(endpoint, like, self.owners[like.name].hooks)
        try:
            _require_possible_options(provider)
        except PluginError as error:
            raise endpoint.error("", error.message, error.hint) from None
        return provider

    def _like(self, endpoint: Endpoint) -> Provider:
        """The provider whose protocol an endpoint speaks."""
        name, offered = endpoint.like, self.providers.values()
        if name in self.conflicts:
            conflict = self.conflicts[name]
            raise endpoint.error("like", conflict.message, conflict.hint)
        if name is None:
            found = next((p for p in offered if p.takes_any_base_url), None)
            what, package = "no installed plugin takes any base URL", package_for("custom")
        else:
            found = next((p for p in offered if name in (p.name, *p.aliases)), None)
            what, package = f"no installed plugin offers {name!r}", package_for(name)
        if found is None:
            hint = "type: mediasense plugins" + (f", or: pip install {package}" if package else "")
            raise endpoint.error("like", what, hint)
        return found

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
