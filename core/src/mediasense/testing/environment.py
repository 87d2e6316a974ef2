"""The environment of a plugin under test: only what it is given, and afterwards as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mediasense.config import KEYS_VARIABLE
from mediasense.providers import Provider

_OTHERS = ("MEDIASENSE_", "OPENAI_", "GOOGLE_", "GEMINI_", "ANTHROPIC_", "AZURE_", "AWS_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@contextmanager
def only(given: Mapping[str, str], providers: tuple[Provider, ...]) -> Iterator[None]:
    """Set variables, without any other that the plugin, or an SDK, might look for."""
    before = dict(os.environ)
    own = {name for provider in providers for name in variables_of(provider)}
    for name in before:
        if name in own or name.startswith(_OTHERS) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ[KEYS_VARIABLE] = "off"  # nor a key that somebody saved
    os.environ.update(given)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def besides(given: Mapping[str, str]) -> Iterator[None]:
    """Set variables beside those that are there."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def without(names: tuple[str, ...]) -> Iterator[None]:
    """Take variables away for a while."""
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def variables_of(provider: Provider) -> tuple[str, ...]:
    """The variables that a provider declares."""
    rules = provider.credentials
    keys = (*rules.variables, *rules.file_variables) if rules else ()
    return (*keys, *provider.base_url_variables)
