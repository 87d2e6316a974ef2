"""The reference has everything, once."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import fields
from pathlib import Path

import generated
import pytest

import mediasense
import mediasense.testing
from mediasense.config import Config
from mediasense.plugins import load_plugins

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = [ROOT / "core" / "src", *(ROOT / "plugins").glob("*/src")]


@pytest.mark.parametrize("module", [mediasense, mediasense.testing], ids=lambda m: m.__name__)
def test_every_public_name_stands_on_one_page(module):
    marks = [
        mark
        for page in REFERENCE.glob("*.md")
        for mark in re.findall(
            rf"<!-- generated: names {re.escape(module.__name__)} (.*?) -->", page.read_text()
        )
    ]
    told = Counter(name for mark in marks for name in mark.split())
    told.update(
        name
        for page in REFERENCE.glob("*.md")
        for name in re.findall(
            rf"^\.\. py:data:: {re.escape(module.__name__)}\.(\w+)$", page.read_text(), re.MULTILINE
        )
    )
    assert set(told) == set(module.__all__)
    assert max(told.values()) == 1


def test_every_variable_of_our_own_is_told():
    used = {
        name
        for folder in SOURCES
        for path in folder.rglob("*.py")
        for name in re.findall(r"\bMEDIASENSE_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())
    }
    told = re.findall(r"^\| `(MEDIASENSE_\w+)`", (REFERENCE / "environment.md").read_text(), re.M)
    assert sorted(told) == sorted(used)


def test_every_variable_of_every_provider_is_told():
    table = generated.keys()
    for provider in load_plugins().providers.values():
        rules = provider.credentials
        for name in (*rules.variables, *rules.file_variables) if rules else ():
            assert f"`{name}`" in table


def test_every_error_has_a_code_of_its_own():
    codes = [error.exit_code for error in generated.tree()]
    assert len(codes) == len(set(codes))
    for error in generated.tree():
        assert f"| {error.exit_code} | " in generated.exit_codes()


def test_every_setting_is_explained():
    for row in generated.settings().splitlines()[2:]:
        assert row.rpartition(" | ")[2].strip(" |"), row


def test_the_config_file_of_the_page_has_every_plain_setting():
    page = (REFERENCE / "settings.md").read_text()
    shown = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    assert {f.name for f in fields(Config)} - {"endpoints"} == set(shown) - {"providers"}


@pytest.mark.parametrize("option", ["--provider", "--max-cost", "--fallback", "--json"])
def test_the_command_line_is_told_with_its_options(option):
    assert f"`{option}" in generated.commands()


def test_names_that_share_a_line_get_one_each():
    lines = [
        "Attributes:",
        "    start, end: Seconds,",
        "        from the start.",
        "    text: What.",
    ]
    generated.split_names(None, "", "", None, None, lines)
    seconds = ": Seconds,\n        from the start."
    assert "\n".join(lines) == (
        f"Attributes:\n    start{seconds}\n    end{seconds}\n    text: What."
    )
