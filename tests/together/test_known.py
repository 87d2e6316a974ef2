"""What the core says can be installed is what the packages offer."""

from mediasense.known import PACKAGES
from mediasense.plugins import load_plugins


def test_the_hints_name_every_provider_of_every_package_and_no_other():
    plugins = load_plugins()
    offered = {
        plugin.entry_point.distribution: plugin.providers
        for plugin in plugins.loaded
        if plugin.entry_point.distribution in PACKAGES
    }
    assert {name: set(providers) for name, providers in offered.items()} == {
        name: set(providers) for name, providers in PACKAGES.items()
    }


def test_every_package_loads_without_a_complaint():
    plugins = load_plugins()
    assert [failure.cause for failure in plugins.failures] == []
    assert {plugin.entry_point.name for plugin in plugins.loaded} == {
        "acme",
        "gemini_native",
        "mcp_server",
        "on_device",
        "openai_compat",
        "whisper_local",
    }
    assert plugins.conflicts == {}
