"""The suite as a class of tests to inherit, for pytest."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mediasense.testing.checks import all_checks
from mediasense.testing.registry import Check
from mediasense.testing.running import Result, checks_for, chosen, left_out_by, prove
from mediasense.testing.sources import Script, find_script, load
from mediasense.testing.subject import Subject

PROPERTY = "mediasense"
"""Under this name results travel in the reports of pytest, also between processes."""


class ProviderTests:
    """Everything that holds for a good plugin; inherit it, and say which plugin.

    ::

        class TestAcme(ProviderTests):
            plugin = "mediasense_acme"
            service = SERVICE

    Each check is a test, run for each provider. None can be overridden: what cannot hold is named
    in ``unproved``, with the reason, and is shown in the report.

    Attributes:
        plugin: The plugin's module, or the path of its file.
        service: The other end of its wire; by default the one that comes with the plugin.
        providers: The names of the providers to prove; ``None`` for all.
        unproved: Checks that cannot hold, each with the reason, besides those of the service.
    """

    plugin: ClassVar[str] = ""
    service: ClassVar[Script | None] = None
    providers: ClassVar[tuple[str, ...] | None] = None
    unproved: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        for check in all_checks():
            name = _test_name(check)
            if getattr(cls, name, None) is not ProviderTests.__dict__[name]:
                raise TypeError(
                    f"{cls.__name__} overrides {name}: a check that cannot hold is named in "
                    f"unproved = {{{check.name!r}: 'the reason'}}"
                )

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run each test for each provider, all tests of one after another."""
        cls = type(self)
        if not cls.plugin:
            raise TypeError(f"{cls.__name__} says no plugin: plugin = 'mediasense_acme'")
        left_out_by(_script(cls), cls.unproved)
        if "provider_name" in metafunc.fixturenames:
            check = next(c for c in all_checks() if _test_name(c) == metafunc.function.__name__)
            offered, script = load(cls.plugin).plugins.providers, _script(cls)
            names = [
                name
                for name in chosen(cls.plugin, cls.providers)
                if check in checks_for(offered[name], script)
            ]
            metafunc.parametrize("provider_name", names, scope="class")


class _Open:
    """The provider that is being proved; one at a time, since each has a server of its own."""

    def __init__(self) -> None:
        self._key: tuple[str, str, int] | None = None
        self._subject: Subject | None = None

    def subject(self, plugin: str, name: str, script: Script | None) -> Subject:
        """The provider, with its server started."""
        key = plugin, name, id(script)
        if self._subject is None or key != self._key:
            self.close()
            source = load(plugin)
            subject = Subject(source, source.plugins.providers[name], script)
            self._subject, self._key = subject.__enter__(), key
        return self._subject

    def close(self) -> None:
        """Stop its server."""
        if self._subject is not None:
            self._subject.__exit__()
            self._subject = None


_open = _Open()
atexit.register(_open.close)


def _script(cls: type[ProviderTests]) -> Script | None:
    return cls.service if cls.service is not None else find_script(cls.plugin)


def _test_name(check: Check) -> str:
    return f"test_{check.name.removeprefix('check_')}"


def _test_of(check: Check) -> Callable[[ProviderTests, str, Callable[[str, object], None]], None]:
    def test(
        self: ProviderTests, provider_name: str, record_property: Callable[[str, object], None]
    ) -> None:
        __tracebackhide__ = True
        cls = type(self)
        script = _script(cls)
        subject = _open.subject(cls.plugin, provider_name, script)
        result = prove(check, subject, left_out_by(script, cls.unproved))
        record_property(PROPERTY, _as_record(cls.plugin, result))
        _end(result)

    test.__name__ = _test_name(check)
    test.__qualname__ = f"ProviderTests.{test.__name__}"
    test.__doc__ = check.words
    return test


def _as_record(plugin: str, result: Result) -> dict[str, str]:
    return {
        "plugin": plugin,
        "provider": result.provider,
        "check": result.check,
        "topic": result.topic,
        "state": result.state,
        "why": result.why,
    }


def _end(result: Result) -> None:
    __tracebackhide__ = True
    if result.state == "proved":
        return
    import pytest

    if result.state == "failed":
        pytest.fail(result.why, pytrace=False)
    pytest.skip(f"{result.state}: {result.why}")


for _check in all_checks():
    setattr(ProviderTests, _test_name(_check), _test_of(_check))
