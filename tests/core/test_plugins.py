"""Find, load and keep apart: one plugin's failure is its own."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediasense import PluginError, ProviderConflict, hookimpl
from mediasense.discovery import EntryPoint, find_entry_points
from mediasense.plugins import load_plugins


@pytest.fixture
def good(acme, offers):
    """The hook functions of a plugin that works."""
    return offers(acme(name="good"))


def point(name: str, module: str = "") -> EntryPoint:
    return EntryPoint(
        name=name, module=module or f"site_{name}", distribution=f"mediasense-{name}", version="1.0"
    )


def leave(request):
    return None


# --- loading -------------------------------------------------------------------------------------


def test_plugins_are_loaded_in_the_order_of_their_names(load, offers, acme):
    plugins = load(
        zoo=offers(acme(name="z")), acme=offers(acme(name="a")), mid=offers(acme(name="m"))
    )
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["acme", "mid", "zoo"]
    assert list(plugins.providers) == ["a", "m", "z"]


def test_a_loaded_plugin_tells_its_hooks_and_providers(load, good):
    (plugin,) = load(one=good).loaded
    assert plugin.hooks == ("analyze_image", "capabilities")
    assert plugin.providers == ("good",)
    assert str(plugin.entry_point) == "one (fake-one 1.0)"


def test_a_provider_is_found_by_name_and_by_alias(load, offers, acme):
    plugins = load(one=offers(acme(name="good", aliases=("fine", "ok"))))
    assert plugins.find("good") is plugins.find("ok") is plugins.providers["good"]
    assert plugins.find("bad") is None


def test_a_plugin_of_house_policy_offers_nothing(load):
    plugins = load(house={"prepare_request": leave})
    assert plugins.loaded[0].providers == ()
    assert plugins.providers == {}


def test_what_a_plugin_offers_is_asked_once(load, offers, acme):
    asked = []

    def capabilities():
        asked.append(1)
        return (acme(),)

    plugins = load(one={**offers(), "capabilities": capabilities})
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: plugins.providers, range(16)))
    assert len(asked) == 1


def test_nothing_installed_is_nothing_loaded(load):
    plugins = load()
    assert (plugins.loaded, plugins.failures, plugins.providers) == ((), (), {})


# --- plugins that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
        ("from json import no_such_name", "ImportError: cannot import name"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise SystemExit", "SystemExit"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ("raise RecursionError", "RecursionError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_remembered(installed, load, source, cause):
    installed.install("broken", source)
    installed.install(
        "zoo", "from mediasense import hookimpl\n@hookimpl\ndef prepare_request(request): pass"
    )
    plugins = load_plugins((point("broken"), point("zoo")))
    (failure,) = plugins.failures
    assert failure.entry_point.name == "broken"
    assert failure.cause.startswith(cause)
    assert "\n" not in failure.cause
    assert isinstance(failure.error, BaseException)
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["zoo"]


def test_a_plugin_whose_error_cannot_be_shown_is_remembered(installed, load):
    installed.install(
        "broken",
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
    )
    installed.install(
        "zoo", "from mediasense import hookimpl\n@hookimpl\ndef prepare_request(request): pass"
    )
    plugins = load_plugins((point("broken"), point("zoo")))
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["zoo"]
    assert plugins.failures[0].cause.startswith("Odd")


def test_a_cause_cannot_write_to_the_terminal_what_it_likes(installed):
    installed.install("broken", "raise ValueError('\\x1b[2J' + 'x' * 10_000)")
    (failure,) = load_plugins((point("broken"),)).failures
    assert failure.cause.isprintable()
    assert len(failure.cause) < 1000


def test_ctrl_c_is_not_a_failure_of_a_plugin(installed):
    installed.install("broken", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins((point("broken"),))


def too_curious(request, depth):
    pytest.fail("it was called")


def raising():
    raise RuntimeError("no table")


def leaving():
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("functions", "cause"),
    [
        ({"capabilities": raising}, "RuntimeError: no table"),
        ({"capabilities": leaving}, "SystemExit"),
        ({"capabilities": lambda: ["acme"]}, "capabilities() did not return a tuple"),
        ({"capabilities": lambda: ("acme",)}, "capabilities() did not return a tuple"),
        ({"capabilities": lambda: None}, "capabilities() did not return a tuple"),
        ({"capabilites": lambda: ()}, "capabilites is no hook; did you mean capabilities?"),
        ({"analyze_image": too_curious}, "its analyze_image takes 'depth', which mediasense "),
        ({}, "fake_bad implements no hook; mark its functions with @hookimpl"),
    ],
    ids=[
        "raises",
        "leaves",
        "list",
        "names",
        "nothing",
        "misspelt hook",
        "unknown argument",
        "no hooks",
    ],
)
def test_a_plugin_that_breaks_the_contract_is_remembered(load, good, functions, cause):
    plugins = load(bad=functions, zoo=good)
    (failure,) = plugins.failures
    assert failure.entry_point.name == "bad"
    assert failure.cause.startswith(cause)
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["zoo"]
    assert list(plugins.providers) == ["good"]


@pytest.mark.parametrize(
    "functions",
    [
        {"capabilities": raising, "prepare_request": leave},
        {"capabilites": lambda: (), "prepare_request": leave},
    ],
    ids=["raises", "misspelt hook"],
)
def test_a_plugin_that_failed_hears_of_nothing(load, good, functions):
    plugins = load(bad=functions, zoo=good)
    assert plugins.failures
    assert plugins.manager.hook.prepare_request.get_hookimpls() == []


@pytest.mark.parametrize("name", ["", "Acme", "ac me", "-acme", "acmé", "a" * 65, "acme\n", "a/b"])
def test_a_bad_provider_name_is_refused(load, offers, acme, good, name):
    plugins = load(bad=offers(acme(name=name)), zoo=good)
    assert "is no provider name" in plugins.failures[0].cause
    assert list(plugins.providers) == ["good"]


def test_a_bad_alias_is_refused(load, offers, acme, good):
    plugins = load(bad=offers(acme(aliases=("A B",))), zoo=good)
    assert "'A B' is no provider name" in plugins.failures[0].cause


def test_a_name_twice_in_one_plugin_is_refused(load, offers, acme, good):
    plugins = load(bad=offers(acme(name="a"), acme(name="b", aliases=("a",))), zoo=good)
    assert "capabilities() names 'a' twice" in plugins.failures[0].cause
    assert list(plugins.providers) == ["good"]


def test_the_second_plugin_of_one_name_is_refused_and_the_first_stays(installed):
    source = "from mediasense import hookimpl\n@hookimpl\ndef prepare_request(request): pass"
    installed.install("one", source)
    installed.install("two", source)
    plugins = load_plugins((point("same", "site_one"), point("same", "site_two")))
    assert [plugin.entry_point.module for plugin in plugins.loaded] == ["site_one"]
    assert plugins.failures[0].cause == (
        "another plugin is already named 'same': same (mediasense-same 1.0); uninstall one of them"
    )


def test_one_module_under_two_names_is_loaded_once(installed):
    source = "from mediasense import hookimpl\n@hookimpl\ndef prepare_request(request): pass"
    installed.install("one", source)
    plugins = load_plugins((point("a", "site_one"), point("b", "site_one")))
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["a"]
    assert [failure.entry_point.name for failure in plugins.failures] == ["b"]


@pytest.mark.parametrize("module", ["", ".", ".relative", "a b", "site_one:thing"])
def test_an_entry_point_that_names_no_module_is_remembered(installed, good, load, module):
    installed.install("one", "thing = 1")
    (failure,) = load_plugins((point("bad", module or " "),)).failures
    assert failure.cause


# --- two plugins, one name -----------------------------------------------------------------------


def test_two_plugins_of_one_provider_are_a_conflict(load, offers, acme):
    plugins = load(one=offers(acme()), two=offers(acme()))
    with pytest.raises(ProviderConflict) as caught:
        plugins.find("acme")
    assert "'acme': one (fake-one 1.0) and two (fake-two 1.0)" in str(caught.value)
    assert "MEDIASENSE_DISABLE_PLUGINS=two" in caught.value.hint
    assert issubclass(ProviderConflict, PluginError)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "acme"}, {"name": "other", "aliases": ("acme",)}),
        ({"name": "other", "aliases": ("acme",)}, {"name": "acme"}),
        ({"name": "one", "aliases": ("acme",)}, {"name": "two", "aliases": ("acme",)}),
    ],
)
def test_an_alias_conflicts_as_a_name_does(load, offers, acme, first, second):
    plugins = load(one=offers(acme(**first)), two=offers(acme(**second)))
    assert list(plugins.conflicts) == ["acme"]
    with pytest.raises(ProviderConflict):
        plugins.find("acme")


def test_a_conflict_leaves_the_other_names_alone(load, offers, acme):
    plugins = load(one=offers(acme()), two=offers(acme(), acme(name="fine")))
    assert plugins.find("fine").name == "fine"


def test_switching_one_off_ends_the_conflict(load, offers, acme):
    plugins = load(one=offers(acme()), two=offers(acme()), disabled=("two",))
    assert plugins.owners["acme"].entry_point.name == "one"
    assert plugins.conflicts == {}


# --- switched off --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_plugin_that_is_switched_off_is_never_imported(installed, monkeypatch, how):
    installed.install("broken", "raise SystemExit('it was imported')")
    names = ("broken",) if how == "argument" else ()
    if how == "variable":
        monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", " other , broken,,")
    plugins = load_plugins((point("broken"),), disabled=names)
    assert (plugins.loaded, plugins.failures) == ((), ())
    assert "site_broken" not in sys.modules
    assert "broken" in plugins.disabled


# --- finding -------------------------------------------------------------------------------------


def found_in(*folders: Path) -> list[EntryPoint]:
    """What is found when these folders are all there is."""
    kept = sys.path[:]
    sys.path[:] = [str(folder) for folder in folders]
    try:
        return list(find_entry_points())
    finally:
        sys.path[:] = kept


def metadata_says(*folders: Path) -> list[EntryPoint]:
    """The same, from ``importlib.metadata``."""
    seen: set[str] = set()
    found = []
    for distribution in importlib.metadata.distributions(path=[str(f) for f in folders]):
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        if name in seen:
            continue
        seen.add(name)
        found += [
            EntryPoint(name=e.name, module=e.value, distribution=name, version=distribution.version)
            for e in distribution.entry_points
            if e.group == "mediasense"
        ]
    return found


def by_name(points: list[EntryPoint]) -> list[EntryPoint]:
    return sorted(points, key=str)


def write_metadata(folder: Path, name: str, text: str | bytes, *, version: str = "1.0") -> Path:
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    data = text.encode() if isinstance(text, str) else text
    (metadata / "entry_points.txt").write_bytes(data)
    return metadata


def test_it_finds_what_is_really_installed():
    assert by_name(list(find_entry_points())) == by_name(metadata_says(*map(Path, sys.path)))


ENTRY_POINTS = """\
[console_scripts]
acme = acme.cli:main

# house plugins
[mediasense]
acme = mediasense_acme
zoo=mediasense_zoo

[other]
mediasense = not.this
"""


def test_it_finds_what_importlib_metadata_finds(tmp_path):
    write_metadata(tmp_path, "Acme.Vision_X", ENTRY_POINTS, version="2.0.post1")
    write_metadata(tmp_path, "nothing_here", "[console_scripts]\na = b\n")
    found = found_in(tmp_path)
    assert by_name(found) == by_name(metadata_says(tmp_path))
    assert [str(e) for e in found] == [
        "acme (acme-vision-x 2.0.post1)",
        "zoo (acme-vision-x 2.0.post1)",
    ]


def test_an_old_egg_is_found_too(tmp_path):
    egg = tmp_path / "acme-1.5-py3.11.egg-info"
    egg.mkdir()
    (egg / "entry_points.txt").write_text(ENTRY_POINTS)
    assert {str(e) for e in found_in(tmp_path)} == {"acme (acme 1.5)", "zoo (acme 1.5)"}


@pytest.mark.parametrize(
    "first",
    [
        "[mediasense]\nacme = new\n",
        "[console_scripts]\na = b\n",
        "",
    ],
)
def test_the_first_distribution_of_a_name_hides_the_others(tmp_path, first):
    write_metadata(tmp_path / "a", "Acme_x", first, version="2.0")
    write_metadata(tmp_path / "b", "acme_x", "[mediasense]\nacme = old\n")
    folders = tmp_path / "a", tmp_path / "b"
    assert found_in(*folders) == metadata_says(*folders)


def test_a_folder_named_twice_is_read_once(tmp_path):
    write_metadata(tmp_path, "acme", "[mediasense]\nacme = acme\n")
    assert len(found_in(tmp_path, tmp_path)) == 1


def test_the_current_folder_counts_where_the_path_says_so(tmp_path, monkeypatch):
    write_metadata(tmp_path, "acme", "[mediasense]\nacme = acme\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [""])
    assert len(list(find_entry_points())) == 1


def test_folders_that_are_not_there_are_passed_over(tmp_path):
    archive = tmp_path / "packages.zip"
    archive.write_bytes(b"PK")
    write_metadata(tmp_path / "a", "acme", "[mediasense]\nacme = acme\n")
    assert len(found_in(tmp_path / "gone", archive, tmp_path / "a")) == 1


@pytest.mark.parametrize("damage", ["folder", "missing", "dangling", "file"])
def test_metadata_that_cannot_be_read_hides_no_other(tmp_path, damage):
    metadata = write_metadata(tmp_path, "a", "[mediasense]\na = a\n")
    (metadata / "entry_points.txt").unlink()
    if damage == "folder":
        (metadata / "entry_points.txt").mkdir()
    if damage == "dangling":
        (metadata / "entry_points.txt").symlink_to("nowhere")
    if damage == "file":
        (tmp_path / "b.egg-info").write_text("[mediasense]")
    write_metadata(tmp_path, "zoo", "[mediasense]\nzoo = zoo\n")
    assert [e.name for e in found_in(tmp_path)] == ["zoo"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_metadata_without_permission_hides_no_other(tmp_path):
    (write_metadata(tmp_path, "a", "[mediasense]\na = a\n") / "entry_points.txt").chmod(0)
    write_metadata(tmp_path, "zoo", "[mediasense]\nzoo = zoo\n")
    assert [e.name for e in found_in(tmp_path)] == ["zoo"]


def parsed(tmp_path_factory, text: str | bytes) -> tuple[list[EntryPoint], Path]:
    folder = tmp_path_factory.mktemp("m")
    write_metadata(folder, "acme", text)
    return found_in(folder), folder


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=200), shape=st.sampled_from([b"%s", b"[mediasense]\n%s", b"\xff%s"]))
@example(data=b"[mediasense]\nacme\n= acme\nacme =\n[", shape=b"%s")
def test_garbled_metadata_is_survived(tmp_path_factory, data, shape):
    found, _ = parsed(tmp_path_factory, shape % data)
    assert all(isinstance(e, EntryPoint) and e.distribution == "acme" for e in found)


NAMES = st.text("abcXYZ09._- ", min_size=1, max_size=8).map(str.strip).filter(bool)
LINES = st.one_of(
    st.builds("{}={}".format, NAMES, NAMES),
    st.builds(" {} = {} ".format, NAMES, NAMES),
    st.sampled_from(["[mediasense]", "[console_scripts]", "", "  ", "# a = b", "[other]"]),
)


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(LINES, max_size=12), newline=st.sampled_from(["\n", "\r\n"]))
def test_whatever_an_installer_writes_is_read_as_importlib_metadata_does(
    tmp_path_factory, lines, newline
):
    found, folder = parsed(tmp_path_factory, newline.join(["[mediasense]", *lines]))
    assert found == metadata_says(folder)


def test_installed_plugins_are_loaded_by_default(installed):
    installed.install(
        "acme", "from mediasense import hookimpl\n@hookimpl\ndef prepare_request(): pass"
    )
    assert [str(plugin.entry_point) for plugin in load_plugins().loaded] == [
        "acme (mediasense-acme 1.0)"
    ]


def test_hook_functions_may_leave_out_what_they_do_not_need(load, acme):
    @hookimpl
    def analyze_image():
        return None

    plugins = load(one={"capabilities": lambda: (acme(),), "analyze_image": analyze_image})
    assert plugins.failures == ()


def test_threads_that_ask_first_load_plugins_once(acme_installed):
    """Loading changes stdout and the filters of warnings for a moment: one at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from mediasense import runtime

    before = sys.stdout
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: runtime.plugins(), range(8)))
    assert len(set(map(id, found))) == 1
    assert sys.stdout is before
