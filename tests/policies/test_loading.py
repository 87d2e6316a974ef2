"""Each example is a file that can be named, and a line of a package that can be installed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mediasense

from .conftest import POLICIES

FILES = {path.stem: path for path in sorted(POLICIES.glob("*.py"))}
PROJECT = tomllib.loads((POLICIES / "pyproject.toml").read_text())
each_file = pytest.mark.parametrize("name", FILES)

# Where the package is installed for real; see the session `policies`.
INSTALLED = os.environ.get("MEDIASENSE_TESTED_POLICIES")


@each_file
def test_it_is_loaded_by_the_name_of_its_file(house, name):
    run = house.run("--strict-plugins", "--plugin", FILES[name], "plugins")
    assert (run.returncode, run.stderr) == (0, "")
    assert name in run.stdout


@each_file
def test_it_says_what_it_promises_and_what_not(name):
    text = FILES[name].read_text()
    assert "\nPromises: " in text.partition('"""\n\n')[0]
    assert "\nDoes not: " in text.partition('"""\n\n')[0]


@each_file
def test_it_uses_what_is_public_and_nothing_else(name):
    lines = FILES[name].read_text().splitlines()
    assert not [line for line in lines if "mediasense." in line and "import" in line]


def test_a_named_file_rules_what_is_asked(house, shot):
    rule = FILES["allowed_providers"]
    assert house.run("image", shot, "what?", "-p", "near").returncode == 0
    run = house.run("--plugin", rule, "image", shot, "what?", "-p", "near")
    assert (run.returncode, house.asked) == (12, ["near"])


def test_a_named_file_rules_a_batch(house, shots, tmp_path, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM", "blue")
    out = tmp_path / "out.jsonl"
    run = house.run(
        *("--plugin", FILES["add_headers"], "batch", *shots, "--prompt", "what?"),
        *("-p", "near", "--out", out),
    )
    assert run.returncode == 0, run.stderr
    assert {call.headers["x-team"] for call in house.wire.calls} == {"blue"}


def test_all_together(house, clip, monkeypatch, tmp_path):
    rule = tmp_path / "rule.toml"
    rule.write_text('kinds = ["service"]')
    monkeypatch.setenv("HOUSE_TEAM", "blue")
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "1")
    monkeypatch.setenv("HOUSE_REGIONS", "0,0,1,0.1")
    monkeypatch.setenv("HOUSE_PROVIDERS", str(rule))
    house.install(*FILES)
    house.says["near"] = {"text": "ask ann@mail.example"}
    answer = mediasense.analyze(
        clip, "what?", provider="near", audio_provider="dark", every=0.5, timeout=20
    )
    assert (answer.text, house.wire.calls[0].headers["x-team"]) == ("ask [e-mail]", "blue")
    log = Path.home() / "mediasense-audit.jsonl"
    assert len(log.read_text().splitlines()) == len(house.asked)


def test_every_example_has_its_line_in_the_package():
    points = PROJECT["project"]["entry-points"]["mediasense"]
    assert points == {name: f"mediasense_policies.{name}" for name in FILES}
    files = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert files == [path.name for path in FILES.values()]


@pytest.mark.skipif(INSTALLED is None, reason="the session `policies` installs the package")
def test_the_package_is_found_where_it_is_installed():
    done = subprocess.run(
        [sys.executable, "-m", "mediasense", "--strict-plugins", "plugins"],
        env={**os.environ, "PYTHONPATH": str(INSTALLED)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in FILES if name not in done.stdout] == []
