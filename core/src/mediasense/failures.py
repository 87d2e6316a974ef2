"""Plugins that failed: which of them may not be missing, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mediasense.discovery import EntryPoint, Origin
from mediasense.errors import MediasenseError


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be loaded, or one of its hooks at the start, and why.

    Attributes:
        entry_point: Where it came from.
        cause: One line.
        error: The exception, for those who want its traceback.
        loaded: Whether it is loaded all the same: only its commands are missing.
    """

    entry_point: EntryPoint
    cause: str
    error: BaseException
    loaded: bool = False

    def __str__(self) -> str:
        failed = "could not add its commands" if self.loaded else "failed to load"
        return f"plugin {self.entry_point} {failed}: {self.cause}"


def has_to_be(failure: PluginFailure, named: Mapping[str, Origin]) -> bool:
    """Whether somebody names a plugin that failed, and lacks what it is named for.

    Args:
        failure: Of any plugin.
        named: Who names what, by module.
    """
    origin = named.get(failure.entry_point.module)
    return origin == "option" or (origin == "config" and not failure.loaded)


def mending(
    failed: Sequence[PluginFailure], named: Mapping[str, Origin], place: Callable[[], str]
) -> str:
    """What to type where the config file names what failed: that comes again each time.

    Args:
        failed: What failed.
        named: Who names what, by module.
        place: Tells where the config file names plugins.
    """
    points = [failure.entry_point for failure in failed if not failure.loaded]
    names = [point.name for point in points if named.get(point.module) == "config"]
    if not names:
        return ""
    return (
        f"{place() or 'the config file'} names {', '.join(names)}: mend it, take it out of "
        f"`plugins`, or leave it out once: {' '.join(f'--no-plugin {name}' for name in names)}"
    )


def own_mistake(failed: Sequence[PluginFailure]) -> BaseException | None:
    """What its author needs the whole story of: the one failure that is no rule of ours."""
    if len(failed) != 1 or isinstance(failed[0].error, MediasenseError):
        return None
    return failed[0].error
