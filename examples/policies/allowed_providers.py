"""Forbids providers, in general and for kinds of media.

Promises: a call goes only to a provider whose kind or name is allowed, and at its own address or on
a host that is allowed: ``--base-url`` does not lead around the rule. It holds for stand-ins, for
whoever writes down the sound of a video, and for listings. Answers that were kept under another
rule are not given. Whoever is refused is told whom to ask, with a key or without.

Does not: choose. Where nobody is named and the first service with a key is forbidden, that is told,
and no other one is tried; name one, or give ``--fallback``. A name is what an installed plugin or
the config file says it is: the rule keeps from mistakes, not from people who mean to break it.

The rule is the TOML file that ``HOUSE_PROVIDERS`` names; without it, only this device is allowed::

    kinds = ["device"]          # also "server" and "service"
    providers = ["mistral"]     # by name, besides
    hosts = ["gpu.acme.example"]  # besides the provider's own
    [only]                      # of a kind of media: these, and no others
    audio = ["whisper_local"]
"""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mediasense import ConfigError, Forbidden, Provider, Request, base_url_of, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is allowed."""

    kinds: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)


@hookimpl(tryfirst=True)  # nobody else has to work on what is refused
def prepare_request(request: Request) -> None:
    rule, provider = _rule(), request.provider
    kind = type(request).__name__.removesuffix("Request").lower()
    only = rule.only.get(kind)
    if provider.name not in (only or ()) and (
        only is not None
        or (provider.kind not in rule.kinds and provider.name not in rule.providers)
    ):
        what = "" if only is None else f" for {kind}"
        allowed = rule.providers if only is None else only
        named = " or ".join(allowed) or "on_device"
        option = "--audio-provider" if kind == "audio" else "--provider"
        raise Forbidden(
            f"{provider.name} is not allowed{what}", hint=f"name another one: {option} {named}"
        )
    if provider.kind == "device":
        return
    host = urlsplit(base_url_of(provider, request.access)).hostname
    if host and host not in rule.hosts and not _is_own(provider, host):
        raise Forbidden(
            f"{provider.name} is not allowed at {host}",
            hint="leave out --base-url and its variable",
        )


def _is_own(provider: Provider, host: str) -> bool:
    if host == urlsplit(provider.base_url or "").hostname:
        return True
    return any(host == own or host.endswith(f".{own}") for own in provider.hosts)


@hookimpl
def policy_version() -> str:
    return repr(_rule())


def _rule() -> Rule:
    path = os.environ.get("HOUSE_PROVIDERS")
    if not path:
        return Rule(kinds=("device",))
    try:
        read = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        only = {kind: _names(names) for kind, names in read.pop("only", {}).items()}
        return Rule(**{name: _names(value) for name, value in read.items()}, only=only)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        what = f"the rule {path} cannot be read: {error}"
        raise ConfigError(what, hint="mend the file that HOUSE_PROVIDERS names") from None


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{value!r} is no list of names")
    return tuple(value)
