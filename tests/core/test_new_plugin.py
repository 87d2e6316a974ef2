"""``mediasense new-plugin``: what it writes, under which names, and what it refuses."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from mediasense.errors import UnsafeEndpoint, UsageError
from mediasense.known import PACKAGES
from mediasense.offers import offered_by
from mediasense.providers import Provider
from mediasense.scaffold.naming import PluginName, plugin_name
from mediasense.scaffold.packages import TEMPLATES, Flavour, PluginPackage, requirement

FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
PLACEHOLDER = re.compile(r"acme.?template|==0\.0\.0", re.IGNORECASE)
EXTRAS = metadata("mediasense").get_all("Provides-Extra")

names = st.from_regex(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?", fullmatch=True).filter(
    lambda name: (
        not PLACEHOLDER.search(name)
        and not any(name in n for n in PACKAGES.values())
        and not re.match(r"mediasense\b|mediasense_", name)
        and name not in EXTRAS
    )
)
flavours = st.sampled_from(FLAVOURS)


def package(name: str = "acme", flavour: Flavour = "http", **fields) -> PluginPackage:
    return PluginPackage(name=plugin_name(name), flavour=flavour, core="0.1.0", **fields)


def project(made: PluginPackage) -> dict:
    return tomllib.loads(made.files()[Path("pyproject.toml")])


@given(names, flavours)
def test_whatever_the_name_what_is_written_can_be_read(name, flavour):
    made = package(name, flavour)
    for path, text in made.files().items():
        if path.suffix == ".py":
            ast.parse(text)
    assert project(made)["project"]["entry-points"]["mediasense"] == {name: made.name.module}


@given(names, flavours)
def test_no_placeholder_is_left(name, flavour):
    for path, text in package(name, flavour).files().items():
        assert PLACEHOLDER.search(f"{path}\n{text}") is None


@given(names, st.sampled_from(["http", "sdk"]))
def test_its_provider_bears_the_name_and_is_one_that_loads(name, flavour):
    made = package(name, flavour)
    text = made.files()[Path("src", made.name.module, "provider.py")]
    found: dict[str, Provider] = {}
    exec(compile(text, "provider.py", "exec"), found)

    class Module:
        @staticmethod
        def capabilities():
            return (found["PROVIDER"],)

    assert [provider.name for provider in offered_by(Module)] == [name]


@given(names)
def test_every_form_of_a_name_is_legal(name):
    forms = plugin_name(name)
    assert forms.module.isidentifier()
    assert forms.variable.isidentifier()
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", forms.distribution)


def test_a_name_that_holds_a_placeholder_is_put_in_once():
    made = package("my-acme_template-acme")
    assert project(made)["project"]["name"] == "mediasense-my-acme-template-acme"


@pytest.mark.parametrize(
    "name",
    ["", "Acme", "acme eye", "-acme", "acme-", "_acme", "ac/me", "../acme", "é", "a" * 33, "a\n"],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(UsageError, match="is no name for a plugin"):
        plugin_name(name)


@pytest.mark.parametrize(
    "name", ["groq", "openai_compat", "openai-compat", "on_device", "gemini", "custom"]
)
def test_a_name_that_somebody_has_is_refused(name):
    with pytest.raises(UsageError, match="already"):
        plugin_name(name)


@pytest.mark.parametrize("name", ["mediasense-foo", "mediasense_foo", "mediasense__foo"])
def test_a_name_that_says_mediasense_already_is_refused(name):
    with pytest.raises(UsageError, match="type: mediasense new-plugin foo"):
        plugin_name(name)


@pytest.mark.parametrize("name", ["mediasense", "acme_template", "acme-template", "acme__template"])
def test_a_name_that_means_something_else_is_refused(name):
    with pytest.raises(UsageError, match="take another"):
        plugin_name(name)


@pytest.mark.parametrize("name", EXTRAS)
def test_the_name_of_an_extra_of_the_core_is_refused(name):
    assert {"all", "ray", "testing"} <= set(EXTRAS)
    with pytest.raises(UsageError, match=re.escape(f"mediasense[{name}]")):
        plugin_name(name)


def test_a_name_that_begins_alike_is_none_of_these():
    assert plugin_name("mediasensei").distribution == "mediasense-mediasensei"


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    kept = tmp_path / "mediasense-acme" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        package().write(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "mediasense-acme").mkdir()
    folder = package().write(tmp_path)
    written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert written == set(package().files())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        package().write(tmp_path / "file")


@pytest.mark.parametrize("flavour", ["http", "sdk"])
def test_the_base_url_becomes_that_of_the_provider(flavour):
    made = package(flavour=flavour, base_url="https://gpu.acme-template.example/v2/")
    text = made.files()[Path("src/mediasense_acme/provider.py")]
    assert '    base_url="https://gpu.acme-template.example/v2",\n' in text


@pytest.mark.parametrize(
    "url", ["gpu.example", "ftp://gpu.example", "https://me:pw@gpu.example", "https://a.b/?x=1"]
)
def test_a_base_url_that_is_none_is_refused(url):
    with pytest.raises(UnsafeEndpoint):
        package(base_url=url)


def test_a_base_url_cannot_leave_its_string():
    with pytest.raises(UsageError, match="quotation mark"):
        package(base_url='https://a.b/",evil="')


def test_rules_have_no_base_url():
    with pytest.raises(UsageError, match="no --base-url"):
        package(flavour="policy", base_url="https://gpu.example")


@pytest.mark.parametrize(
    ("core", "wanted"),
    [
        ("0.1.0", ">=0.1,<1"),
        ("0.9.3", ">=0.9,<1"),
        ("1.0.0", ">=1.0,<2"),
        ("2.14.1rc1", ">=2.14.1rc1,<3"),
        ("0.2.0rc1", ">=0.2.0rc1,<1"),
        ("1.0rc1", ">=1.0rc1,<2"),
        ("0.2.dev3+g1a2b3c", ">=0.2.dev3,<1"),
        ("1.0a2.dev3", ">=1.0a2.dev3,<2"),
        ("1.0.post1", ">=1.0,<2"),
        ("2", ">=2.0,<3"),
    ],
)
def test_it_asks_for_the_core_it_is_written_for(core, wanted):
    assert requirement(core) == wanted


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda n: ".".join(map(str, n))),
    st.sampled_from(["", "a1", "b2", "rc3"]),
    st.sampled_from(["", ".post1"]),
    st.sampled_from(["", ".dev4"]),
)
def test_the_core_that_writes_it_is_one_that_it_asks_for(release, pre, post, dev):
    core = f"{release}{pre}{post}{dev}"
    assert SpecifierSet(requirement(core)).contains(core, prereleases=True)
    assert SpecifierSet(requirement(core)).contains(core) or post


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_it_requires_of_the_core_is_said_alike(flavour):
    found = project(package(flavour=flavour))["project"]
    wanted = [*found["dependencies"], *found["optional-dependencies"]["test"]]
    said = {line.partition(">")[2] for line in wanted if line.startswith("mediasense")}
    assert said == {"=0.1,<1"}
    assert found["requires-python"] == metadata("mediasense")["Requires-Python"]


def test_the_tools_are_set_alike_in_every_flavour():
    settings = [project(package(flavour=flavour))["tool"] for flavour in FLAVOURS]
    for found in settings:
        found["ruff"]["lint"].pop("flake8-tidy-imports", None)
        found["ruff"]["lint"]["per-file-ignores"].pop("src/*/client.py", None)
    assert settings[0] == settings[1] == settings[2]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_module_of_the_hooks_imports_the_core_alone(flavour):
    text = package(flavour=flavour).files()[Path("src/mediasense_acme/__init__.py")]
    imported = [n for n in ast.parse(text).body if isinstance(n, ast.ImportFrom | ast.Import)]
    modules = {n.module for n in imported if isinstance(n, ast.ImportFrom)}
    assert len(modules) == len(imported)
    assert modules <= {"__future__", "typing", "collections.abc", "mediasense"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_author_can_read_it_in_minutes(flavour):
    lines = sum(text.count("\n") for text in package(flavour=flavour).files().values())
    assert lines < 550


def test_what_tools_leave_beside_the_templates_is_not_written(tmp_path, monkeypatch):
    from mediasense.scaffold import packages

    for folder in ("shared", "http/src/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "shared/README.md").write_text("read me")
    (tmp_path / "http/src/__pycache__/client.cpython-311.pyc").write_bytes(b"\xff")
    monkeypatch.setattr(packages, "TEMPLATES", tmp_path)
    assert package().files() == {Path("README.md"): "read me"}


def test_the_templates_are_whole_packages_for_their_own_name():
    for flavour in FLAVOURS:
        found = tomllib.loads((TEMPLATES / flavour / "pyproject.toml").read_text())
        name = PluginName("acme_template")
        assert found["project"]["name"] == name.distribution
        assert (TEMPLATES / flavour / "src" / name.module / "__init__.py").is_file()


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_the_folder_and_says_what_comes_next(site, tmp_path):
    done = site.run("new-plugin", "acme", "--into", str(tmp_path))
    folder = tmp_path / "mediasense-acme"
    assert (done.returncode, done.stdout) == (0, f"{folder}\n"), done.stderr
    assert f"cd {folder}\n" in done.stderr
    assert "-m pytest\n" in done.stderr
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"] == [
        f"mediasense{requirement(version('mediasense'))}"
    ]


def test_the_command_refuses_in_one_line(site, tmp_path):
    done = site.run("new-plugin", "groq", "--into", str(tmp_path))
    assert done.returncode == UsageError.exit_code
    assert done.stdout == ""
    assert done.stderr.startswith("error: mediasense-openai-compat offers 'groq' already")
    assert list(tmp_path.glob("mediasense-*")) == []
