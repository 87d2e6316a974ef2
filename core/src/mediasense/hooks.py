"""Calling hooks: a request reaches the plugin that offers its provider, and no other one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from mediasense.discovery import EntryPoint, digest, module_digest, package_digest, read_bytes
from mediasense.errors import MediasenseError, PluginError
from mediasense.names import HOOK_OF, OnText
from mediasense.offers import Plugin
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.types import (
    AnyRequest,
    AudioRequest,
    ImageRequest,
    ModelsRequest,
    Request,
    TextRequest,
    VideoRequest,
)

_HOOKS: dict[type[Request], str] = {
    AudioRequest: HOOK_OF["audio"],
    ImageRequest: HOOK_OF["image"],
    ModelsRequest: "list_models",
    TextRequest: HOOK_OF["text"],
    VideoRequest: HOOK_OF["video"],
}


class Hooks:
    """Calls the hooks of loaded plugins; what a plugin breaks becomes a :class:`PluginError`."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._callers: dict[tuple[str, str], Any] = {}

    def call(self, request: Request, on_text: OnText | None = None) -> Any:
        """Prepare a request as the house wants it, and make it."""
        return self.make(self.prepare(request), on_text)

    def make(self, request: Request, on_text: OnText | None = None) -> Any:
        """Call the hook for a request, with every other provider plugin left out.

        Raises:
            PluginError: The plugin failed in a way that is not one of the known errors.
        """
        hook = _HOOKS[type(request)]
        owner = self._owner(request.provider)
        caller = self._caller(hook, owner)
        if hook == "list_models":
            return self._guarded(request.provider, hook, lambda: caller(request=request))
        listener = _Listener(on_text) if on_text is not None else None
        try:
            return self._guarded(
                request.provider, hook, lambda: caller(request=request, on_text=listener)
            )
        except PluginError as error:
            if listener is not None and error.__cause__ is listener.failure is not None:
                raise listener.failure from None  # it is the caller's own
            raise

    @property
    def changes_requests(self) -> bool:
        """Whether there is a house rule that may change a request before it is made."""
        return bool(self._plugins.manager.hook.prepare_request.get_hookimpls())

    @property
    def house_rules(self) -> tuple[str, ...]:
        """The plugins that may change any request or any answer, and which rules hold now.

        Raises:
            PluginError: A plugin cannot say which.
        """
        told = self._plugins.manager.hook.policy_version.get_hookimpls()
        return (*self._ruling, *map(_version_told, told))

    @cached_property
    def _ruling(self) -> tuple[str, ...]:
        """The plugins of house policy, with their versions and the digests of their code."""
        hooks = self._plugins.manager.hook
        ruling = [i.plugin_name for i in hooks.prepare_request.get_hookimpls()]
        ruling += [
            i.plugin_name
            for name in set(_HOOKS.values())
            for i in getattr(hooks, name).get_hookimpls()
            if i.wrapper or i.hookwrapper
        ]
        found = [p.entry_point for p in self._plugins.loaded if p.entry_point.name in ruling]
        plugin = self._plugins.manager.get_plugin
        return tuple(f"{point} {_code(plugin(point.name))}" for point in found)

    @cached_property
    def plugin_names(self) -> dict[str, str]:
        """The plugin of each provider by name, with its version."""
        told = {plugin: _told(plugin.entry_point) for plugin in self._plugins.loaded}
        return {name: told[plugin] for name, plugin in self._plugins.owners.items()}

    def changes_answers(self, request: Request) -> bool:
        """Whether a wrapper stands around the hook: it may change an answer before it is seen."""
        strangers = self._strangers(request.provider)
        hook = getattr(self._plugins.manager.hook, _HOOKS[type(request)])
        return any(
            (implementation.wrapper or implementation.hookwrapper)
            and implementation.plugin_name not in strangers
            for implementation in hook.get_hookimpls()
        )

    def broken(self, provider: Provider, what: str) -> PluginError:
        """The error for a plugin that breaks the contract."""
        return _broken(str(self._owner(provider).entry_point), what)

    def _guarded(self, provider: Provider, hook: str, call: Any) -> Any:
        try:
            return call()
        except MediasenseError:
            raise
        except Exception as error:
            what = f"{hook} failed: {type(error).__name__}: {error}"
            raise self.broken(provider, what) from error

    def prepare(self, request: AnyRequest) -> AnyRequest:
        """The request after every ``prepare_request``, in order.

        Raises:
            PluginError: One of them failed, or returned another kind of request.
            MediasenseError: A rule refuses it.
        """
        implementations = self._plugins.manager.hook.prepare_request.get_hookimpls()
        if not implementations:
            return request
        strangers = self._strangers(request.provider)
        order = [plugin.entry_point.name for plugin in self._plugins.loaded]
        for implementation in sorted(
            (i for i in implementations if i.plugin_name not in strangers),
            key=lambda i: (not i.tryfirst, i.trylast, order.index(i.plugin_name)),
        ):
            request = _changed(request, implementation)
        return request

    def _caller(self, hook: str, owner: Plugin) -> Any:
        key = hook, owner.entry_point.name
        if key not in self._callers:
            manager = self._plugins.manager
            others = [manager.get_plugin(p.entry_point.name) for p in self._others(owner)]
            self._callers[key] = manager.subset_hook_caller(hook, others)
        return self._callers[key]

    def _owner(self, provider: Provider) -> Plugin:
        return self._plugins.owners[provider.name]

    def _others(self, owner: Plugin) -> list[Plugin]:
        return [plugin for plugin in self._plugins.loaded if plugin.providers and plugin != owner]

    def _strangers(self, provider: Provider) -> set[str]:
        return {plugin.entry_point.name for plugin in self._others(self._owner(provider))}


class _Listener:
    """Passes pieces of text on, and remembers if whoever takes them fails."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self.failure: Exception | None = None

    def __call__(self, text: str) -> None:
        try:
            self._on_text(text)
        except Exception as error:
            self.failure = error
            raise


def _changed(request: AnyRequest, implementation: Any) -> AnyRequest:
    name = implementation.plugin_name
    try:
        given = {"request": request} if "request" in implementation.kwargnames else {}
        changed = implementation.function(*[request for _ in implementation.argnames], **given)
    except MediasenseError:
        raise
    except Exception as error:
        what = f"prepare_request failed: {type(error).__name__}: {error}"
        raise _broken(name, what) from error
    if changed is None:
        return request
    if type(changed) is not type(request) or changed.provider != request.provider:
        what = "prepare_request returned another kind of request, or another provider"
        raise _broken(name, what)
    return changed


def _version_told(implementation: Any) -> str:
    name = implementation.plugin_name
    try:
        version = implementation.function()
    except MediasenseError:
        raise
    except Exception as error:
        what = f"policy_version failed: {type(error).__name__}: {error}"
        raise _broken(name, what) from error
    if version is not None and not isinstance(version, str):
        raise _broken(name, "policy_version returned something that is no text")
    return f"{name}: {version or ''}"


def _told(entry_point: EntryPoint) -> str:
    """A plugin with its version, which for a module that somebody named is that of its code."""
    if entry_point.origin == "installed" or entry_point.is_file:
        return str(entry_point)
    return f"{entry_point} {module_digest(entry_point.module)}"


def _code(module: Any) -> str:
    """The digest of a plugin's code: a rule that is edited is another one, whatever its version."""
    if folders := getattr(module, "__path__", None):
        return package_digest(folders)
    path = getattr(module, "__file__", None)
    return digest(read_bytes(Path(path))) if path else ""


def _broken(plugin: str, what: str) -> PluginError:
    return PluginError(f"{plugin}: {what}", hint="report it to the plugin's author")
