"""Who can be asked: the config file, the keys by their names, and endpoints."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial

from mediasense import runtime
from mediasense.checkup.records import Check, Finding, Status
from mediasense.config import keys_are_on, keys_path
from mediasense.errors import ConfigError, MediasenseError
from mediasense.keys import is_in_environment
from mediasense.keys.env_files import named_files, read_env_file
from mediasense.keys.places import Place, list_places
from mediasense.keys.ring import NoKeyring, recall
from mediasense.keys.saved import list_saved
from mediasense.known import PACKAGES
from mediasense.providers import Provider

ONLINE_SECONDS = 15.0
_FINE = ("ready", "unchecked")
_SHOWN = 6


def access_checks(*, online: bool) -> tuple[Check, ...]:
    """The checks of this module.

    Args:
        online: Whether endpoints, and providers whose keys were found, are asked for real.
    """
    return (
        Check(group="config", name="config file", run=_config),
        Check(group="keys", name="saved keys", run=_saved),
        Check(group="keys", name=".env files", run=_env_files),
        Check(group="keys", name="keys", run=_keys),
        Check(group="keys", name="other keys", run=_keys_of_nobody),
        Check(group="endpoints", name="endpoints", run=partial(_endpoints, online=online)),
    )


def _config() -> Iterator[Finding]:
    from mediasense.settings import list_settings

    found = list_settings()
    say = partial(Finding, group="config")
    if found.problem:
        what, _, todo = found.problem.rpartition("; ")
        yield say(name="config file", status="failed", detail=what or todo, hint=todo)
        return
    for setting in found.settings:
        if setting.problem:
            yield say(name=setting.name, status="failed", detail=setting.problem)
    detail = str(found.path) if found.exists else f"none; it would be {found.path}"
    yield say(name="config file", status="ok", detail=detail)
    if found.exists and found.path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield say(
            name="config file",
            status="warning",
            detail="others may change it, and so say where your keys and media go",
            hint=f"type: chmod go-w '{found.path}'",
        )
    provider = runtime.config().provider
    if provider is not None:
        try:
            known = runtime.plugins().find(provider) is not None
        except MediasenseError as error:
            yield say(name="provider", status="failed", detail=error.message, hint=error.hint)
            return
        yield say(
            name="provider",
            status="ok" if known else "failed",
            detail=provider if known else f"no installed plugin offers {provider!r}",
            hint="" if known else "type: mediasense config set provider NAME",
        )


def _saved() -> Iterator[Finding]:
    say = partial(Finding, group="keys")
    if not keys_are_on():
        yield say(name="saved keys", status="note", detail="MEDIASENSE_KEYS is off")
        return
    saved = list_saved()
    path = keys_path()
    if not saved:
        yield say(name="saved keys", status="note", detail="none", hint="type: mediasense init")
        return
    yield say(name="saved keys", status="ok", detail=f"{len(saved)} in {path}, yours alone")
    if path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield say(
            name=str(path.parent),
            status="warning",
            detail="others may replace the files in it",
            hint=f"type: chmod 700 '{path.parent}'",
        )
    for entry in saved:
        if entry.store == "keyring":
            yield _in_keyring(entry.variable)


def _in_keyring(variable: str) -> Finding:
    say = partial(Finding, group="keys", name=variable)
    try:
        there = recall(variable) is not None
    except NoKeyring as error:
        return say(
            status="failed",
            detail=f"it is in the system keyring, which cannot be asked: {error}",
            hint=f"unlock it, or type: mediasense keys set {variable} --store file",
        )
    if there:
        return say(status="ok", detail="it is in the system keyring")
    return say(
        status="failed",
        detail="it is not in the system keyring any more",
        hint=f"type: mediasense keys set {variable}",
    )


def _env_files() -> Iterator[Finding]:
    for named in named_files():
        say = partial(Finding, group="keys", name=str(named.path))
        try:
            found = read_env_file(named)
        except ConfigError as error:
            yield say(status="failed", detail=error.message, hint=error.hint)
            continue
        if found.odd:
            lines = ", ".join(map(str, found.odd[:5]))
            yield say(
                status="warning", detail=f"not understood: line {lines}", hint="write NAME=VALUE"
            )
        elif found.shared:
            hint = f"type: chmod 600 '{named.path}'"
            yield say(status="warning", detail="others may read it", hint=hint)
        else:
            yield say(status="ok", detail=f"named by {named.named_by}")


def _keys() -> Iterator[Finding]:
    """For each key that was found: where. Who has none is told in one line."""
    providers = tuple(runtime.plugins().providers.values())
    for place in list_places(providers):
        if place.used:
            yield Finding(group="keys", name=place.variable, status="ok", detail=_whose(place))
    without = []
    for provider in providers:
        if not _needs_key(provider):
            continue
        found, problem = _found(provider)
        if problem is not None:
            yield Finding(
                group="keys",
                name=provider.name,
                status="failed",
                detail=problem.message,
                hint=problem.hint,
            )
        elif not found:
            without.append(provider.name)
    if without:
        yield Finding(
            group="keys",
            name="no key",
            status="note",
            detail=f"for {_some(without)}",
            hint="type: mediasense init --provider NAME",
        )


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _whose(place: Place) -> str:
    where = {"environment": "in the environment", "keyring": "in the system keyring"}.get(
        place.where, place.path or place.where
    )
    return f"for {', '.join(place.providers) or 'nobody installed'}: {where}"


def _needs_key(provider: Provider) -> bool:
    rules = provider.credentials
    return rules is not None and rules.required and not rules.ambient


def _found(provider: Provider) -> tuple[bool, MediasenseError | None]:
    from mediasense.connection import find_credential

    try:
        return find_credential(provider) is not None, None
    except MediasenseError as error:
        return False, error


def _keys_of_nobody() -> Iterator[Finding]:
    """Keys of providers whose package is not installed; most are named after their provider."""
    installed = runtime.plugins().providers
    saved = {entry.variable for entry in list_saved()}
    for package, names in PACKAGES.items():
        for name in names:
            variable = f"{name.upper()}_API_KEY"
            if name not in installed and (is_in_environment(variable) or variable in saved):
                yield Finding(
                    group="keys",
                    name=variable,
                    status="warning",
                    detail="no installed plugin looks for it",
                    hint=f"type: pip install {package}",
                )


def _endpoints(*, online: bool) -> Iterator[Finding]:
    say = partial(Finding, group="endpoints")
    plugins = runtime.plugins()
    for name, error in plugins.broken.items():
        yield say(name=name, status="failed", detail=error.message, hint=error.hint)
    described = [p for p in plugins.providers.values() if p.like is not None]
    if not online:
        for provider in described:
            detail = f"{provider.base_url}: not asked"
            yield say(name=provider.name, status="note", detail=detail, hint="add --online")
        return
    own = {provider.name for provider in described}
    asked = tuple(
        p
        for p in plugins.providers.values()
        if p.name in own or (p.kind == "service" and _found(p)[0])
    )
    yield from _asked(asked)


def _asked(providers: tuple[Provider, ...]) -> Iterator[Finding]:
    from mediasense.checks import check_providers
    from mediasense.types import Question

    asked = Question(timeout=ONLINE_SECONDS, retries=0)
    for check in check_providers(runtime.dispatcher(), providers, asked):
        fine = check.status in _FINE
        status: Status = "ok" if fine else "failed"
        if check.status == "unknown model":
            status = "warning"
        yield Finding(
            group="endpoints",
            name=check.provider,
            status=status,
            detail=f"{check.status}{f': {check.detail}' if check.detail else ''}",
            hint="" if fine else f"type: mediasense providers {check.provider} --check",
        )
