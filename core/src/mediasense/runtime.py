"""What is installed and configured here, looked up once in a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from mediasense.config import Config, load_config
from mediasense.plugins import Plugins, load_plugins

if TYPE_CHECKING:
    from mediasense.dispatch import Dispatcher
    from mediasense.store.cache import Cache
    from mediasense.store.history import History


@functools.cache
def config() -> Config:
    """The user's settings."""
    return load_config()


@functools.cache
def plugins() -> Plugins:
    """Every plugin that is installed and not switched off."""
    return load_plugins(disabled=config().disable_plugins)


@functools.cache
def cache() -> Cache | None:
    """Where answers are kept; ``None`` when that is switched off."""
    settings = config()
    if not settings.cache:
        return None
    from mediasense.config import cache_path
    from mediasense.store.cache import Cache

    return Cache(
        cache_path(),
        max_bytes=settings.cache_megabytes * 1_000_000,
        max_days=settings.cache_days,
    )


@functools.cache
def history() -> History | None:
    """What was asked and answered; ``None`` when that is switched off."""
    if not config().history:
        return None
    from mediasense.config import history_path
    from mediasense.store.history import History

    return History(history_path())


@functools.cache
def dispatcher() -> Dispatcher:
    """The dispatcher over all of them."""
    from mediasense.desk import Desk
    from mediasense.dispatch import Dispatcher
    from mediasense.prices import KeptPrices

    desk = Desk(prices=KeptPrices(), cache=cache(), history=history())
    return Dispatcher(plugins(), config(), desk)
