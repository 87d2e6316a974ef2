"""Everything that is proved of a plugin, in order."""

from __future__ import annotations

import functools

from mediasense.testing.registry import Check, checks_of


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Every check, in the order in which they are run and shown."""
    from mediasense.testing.checks import (
        answers,
        broken,
        declared,
        devices,
        failures,
        limits,
        load,
        models,
        options,
        reach,
        refusals,
        secrecy,
        streams,
        waiting,
    )

    modules = (
        declared,
        answers,
        refusals,
        limits,
        options,
        streams,
        failures,
        broken,
        secrecy,
        reach,
        load,
        waiting,
        models,
        devices,
    )
    return tuple(check for module in modules for check in checks_of(module))
