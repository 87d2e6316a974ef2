"""What is installed and configured here, looked up once in a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from mediasense.config import Config, load_config
from mediasense.plugins import Plugins, load_plugins

if TYPE_CHECKING:
    from mediasense.dispatch import Dispatcher


@functools.cache
def config() -> Config:
    """The user's settings."""
    return load_config()


@functools.cache
def plugins() -> Plugins:
    """Every plugin that is installed and not switched off."""
    return load_plugins(disabled=config().disable_plugins)


@functools.cache
def dispatcher() -> Dispatcher:
    """The dispatcher over them."""
    from mediasense.dispatch import Dispatcher

    return Dispatcher(plugins(), config())
