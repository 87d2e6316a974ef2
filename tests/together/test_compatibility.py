"""The promise of docs/compatibility.md: what a plugin was written against goes on working."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mediasense import hookimpl, hookspecs
from mediasense.discovery import EntryPoint
from mediasense.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[2]
SHOT = ROOT / "examples" / "media" / "error-dialog.png"
FROZEN = Path(__file__).with_name("plugins_of_0_1")


@pytest.fixture
def folder(tmp_path):
    """A folder in which the example plugin is installed as it was in version 0.1.0."""
    shutil.copy(FROZEN / "mediasense_acme.py", tmp_path)
    metadata = tmp_path / "mediasense_acme-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mediasense-acme\nVersion: 0.1.0\n"
    )
    (metadata / "entry_points.txt").write_text("[mediasense]\nacme = mediasense_acme\n")
    return str(tmp_path)


def test_a_plugin_of_0_1_answers(mediasense, folder, httpserver):
    found = {"finding": "It failed.", "eye": "acme-eye-2", "cost": {"read": 7, "written": 5}}
    httpserver.expect_request("/api/look", "POST").respond_with_json(found)
    reach = ("--provider", "acme", "--base-url", httpserver.url_for("/api"))
    run = mediasense("image", SHOT, "?", *reach, "--json", PYTHONPATH=folder)
    assert (run.code, run.json["text"]) == (0, "It failed.")
    assert run.json["usage"]["input_tokens"] == 7


def test_a_plugin_of_0_1_is_loaded_without_a_remark(mediasense, folder):
    run = mediasense("plugins", "--json", PYTHONPATH=folder)
    [acme] = [row for row in run.json["plugins"] if row["name"] == "acme"]
    assert (acme["version"], acme["state"]) == ("0.1.0", "loaded")
    assert acme.get("remarks", []) == []


def loaded(monkeypatch, **functions) -> tuple[Plugins, EntryPoint]:
    """The plugins, where one of these functions is the only one."""
    module = ModuleType("plugin_of_a_test")
    module.__file__ = __file__
    vars(module).update(functions)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint(
        name="old", module=module.__name__, distribution="mediasense-old", version="0.1"
    )
    return load_plugins((point,)), point


def test_a_deprecated_hook_is_a_remark_and_goes_on_working(monkeypatch):
    @hookspecs.hookspec(warn_on_impl=DeprecationWarning("policy_version goes in 0.9"))
    def policy_version(): ...

    @hookimpl(specname="policy_version")
    def mine():
        return "mine"

    monkeypatch.setattr(hookspecs, "policy_version", policy_version)
    plugins, point = loaded(monkeypatch, policy_version=mine)
    assert plugins.failures == ()
    assert plugins.manager.hook.policy_version() == ["mine"]
    assert any("policy_version goes in 0.9" in said for said in plugins.remarks(point))


def test_a_deprecated_argument_is_a_remark_and_goes_on_working(monkeypatch):
    warned = {"request": DeprecationWarning("request will be called question")}

    @hookspecs.hookspec(warn_on_impl_args=warned)
    def prepare_request(request, question): ...

    @hookimpl(specname="prepare_request")
    def mine(request):
        return request

    monkeypatch.setattr(hookspecs, "prepare_request", prepare_request)
    plugins, point = loaded(monkeypatch, prepare_request=mine)
    assert plugins.manager.hook.prepare_request(request=1, question=1) == [1]
    assert any("will be called question" in said for said in plugins.remarks(point))


def test_a_hook_of_a_newer_core_may_be_optional(monkeypatch):
    @hookimpl(optionalhook=True)
    def analyze_smell(request):
        raise AssertionError

    @hookimpl
    def policy_version():
        return "1"

    plugins, _ = loaded(monkeypatch, analyze_smell=analyze_smell, policy_version=policy_version)
    assert plugins.failures == ()


def test_a_hook_that_nobody_knows_is_an_error_unless_it_is_optional(monkeypatch):
    @hookimpl
    def analyze_smell(request): ...

    plugins, _ = loaded(monkeypatch, analyze_smell=analyze_smell)
    [failure] = plugins.failures
    assert "analyze_smell" in failure.cause


def test_an_argument_of_a_newer_core_may_have_a_default(monkeypatch):
    @hookimpl
    def prepare_request(request, deadline=None):
        return (request, deadline)

    plugins, _ = loaded(monkeypatch, prepare_request=prepare_request)
    assert plugins.failures == ()
    assert plugins.manager.hook.prepare_request(request=1) == [(1, None)]
