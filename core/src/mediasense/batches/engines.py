"""Which engine does the work of a batch."""

from __future__ import annotations

from collections.abc import Callable

from mediasense.batches.run import Engine, Setting
from mediasense.budget import Purse
from mediasense.dispatch import Dispatcher
from mediasense.types import Question


def engine_for(
    dispatcher: Dispatcher, question: Question, setting: Setting
) -> Callable[[Purse], Engine]:
    """Makes the engine that a setting names, once it is known what may be spent.

    Raises:
        UsageError: Other machines cannot have the plugins of this process.
    """
    if setting.engine == "ray":
        from mediasense import runtime
        from mediasense.batches.cluster import ray_engine

        runtime.require_installed_plugins()
        return ray_engine(dispatcher, question, setting)
    from mediasense.batches.local import local_engine

    return local_engine(dispatcher, question, setting)
