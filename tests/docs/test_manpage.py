"""The man page is the one of this program, and man can show it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import manpage
import pytest
import typer.main

from mediasense.cli.app import build

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "core" / "man" / "mediasense.1"


def shown() -> str:
    """What man shows, without bold and underlined letters."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=200n"]
    done = subprocess.run([*command, PAGE], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_page_that_is_built_into_the_wheel_is_of_this_program():
    told = "type: python docs/manpage.py core/man/mediasense.1"
    assert PAGE.read_text(encoding="utf-8") == manpage.manpage(), told


def test_the_wheel_puts_it_where_man_looks():
    settings = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text())["tool"]["hatch"]
    shared = settings["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {"man/mediasense.1": "share/man/man1/mediasense.1"}


def test_every_command_and_every_option_is_on_it():
    page = shown()
    for path, command in manpage._walk(typer.main.get_command(build()), ()):
        if not hasattr(command, "commands"):
            assert f" {' '.join(path)}\n" in page
        for param in command.params:
            assert param.hidden or all(option in page for option in param.opts if option[0] == "-")


def test_codes_variables_and_files_are_on_it():
    page = shown()
    assert "MEDIASENSE_CONFIG" in page
    assert "NO_COLOR" in page
    assert "config.toml" in page
    assert "\n       130" in page


@pytest.mark.parametrize("text", [".br", "'quoted'", "a\\b", "-", "^~`", "[bold]x[/bold]"])
def test_no_text_is_a_request_of_roff(text):
    made = manpage._text(text)
    assert not made.startswith((".", "'"))
    assert "\\b" not in made.replace("\\eb", "")


def test_a_checker_of_pages_has_nothing_to_say():
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True, check=False
    )
    kinds = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert kinds == []
