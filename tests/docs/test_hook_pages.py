"""The pages of the hooks are about the hooks that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from generated import hooks, signature, summary

PAGES = Path(__file__).parents[2] / "docs" / "hooks"
HOOKS = hooks()
SECTIONS = [
    "When it is called",
    "Arguments",
    "What to return",
    "Errors",
    "Example",
]


def test_every_hook_has_a_page_and_every_page_a_hook():
    assert {path.stem for path in PAGES.glob("*.md")} - {"index"} == set(HOOKS)


def test_the_contents_name_them_in_the_order_of_the_contract():
    contents = (PAGES / "index.md").read_text().partition(":hidden:")[2]
    assert re.findall(r"^\w+$", contents, re.MULTILINE) == list(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_the_heading_is_the_signature(name):
    assert read(name).splitlines()[0] == f"# `{signature(HOOKS[name])}`"


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_begins_with_the_docstring_s_first_line(name):
    assert read(name).splitlines()[2] == summary(HOOKS[name])


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_says_since_when(name):
    assert re.search(r"^\*Since \d+\.\d+\. ", read(name), re.MULTILINE)


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_has_every_section(name):
    found = re.findall(r"^## (.*)$", read(name), re.MULTILINE)
    assert [section for section in found if section != "See also"] == SECTIONS


@pytest.mark.parametrize("name", HOOKS)
def test_the_page_tells_of_every_argument(name):
    arguments = read(name).partition("## Arguments")[2].partition("\n## ")[0]
    told = re.findall(r"^`(\w+)`$", arguments, re.MULTILINE)
    assert told == re.findall(r"\w+", signature(HOOKS[name]))[1:]


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_has_the_hook(name):
    assert f"@hookimpl\ndef {name}(" in read(name).partition("## Example")[2]


def read(name: str) -> str:
    """The text of a hook's page."""
    return (PAGES / f"{name}.md").read_text()
