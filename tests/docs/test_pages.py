"""Every code block of every page does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
DIRECTIVES = {"{eval-rst}", "{toctree}"}


def name(path: Path) -> str:
    return str(path.relative_to(DOCS).with_suffix(""))


def fences(path: Path) -> list[str]:
    """The language of each block of a page."""
    return re.findall(r"^```(\S+)\n.*?^```$", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if set(fences(p)) - DIRECTIVES], ids=name)
def test_every_block_of_the_page_does_what_it_says(page, run):
    run(page)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_is_in_a_language_that_nobody_runs(page):
    from pages import LANGUAGES

    assert set(fences(page)) <= {*LANGUAGES, *DIRECTIVES}


def test_the_python_of_the_readme_runs(tmp_path, run):
    readme = (DOCS.parent / "README.md").read_text()
    blocks = re.findall(r"^```python\n.*?^```$", readme, re.MULTILINE | re.DOTALL)
    assert blocks
    page = tmp_path / "README.md"
    page.write_text("\n\n".join(blocks))
    run(page)


def test_the_first_plugin_of_the_tutorial_has_twelve_lines():
    tutorial = (DOCS / "tutorial.md").read_text()
    block = re.search(r"```python\n# acme.py\n(.*?)```", tutorial, re.DOTALL)[1]
    assert len([line for line in block.splitlines() if line]) == 12


def test_what_is_shown_and_not_so_is_found(tmp_path, run):
    page = DOCS / "wrong.md"
    wrong = tmp_path / page.name
    wrong.write_text("```console\n$ echo one\ntwo\n```\n")
    with pytest.raises(
        AssertionError, match=r"wrong.md:1.*\n--- shown ---\ntwo\n--- found ---\none"
    ):
        run(wrong)


def test_a_command_that_fails_unannounced_is_found(tmp_path, run):
    wrong = tmp_path / "wrong.md"
    wrong.write_text("```console\n$ mediasense image nothing.png\n```\n")
    with pytest.raises(AssertionError, match="exit code 21"):
        run(wrong)
