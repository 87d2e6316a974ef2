"""The rules, held by the installed plugin in real calls of the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mediasense import Forbidden
from mediasense.testing import Reply, Wire
from PIL import Image

from mediasense_acme_template.rules import MARK

SERVICES = Path(__file__).with_name("services.py")


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire(lambda call: Reply.of({"text": "a cat"})) as wire:
        yield wire


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), "teal").save(file)
    return file


def ask(wire: Wire, picture: Path, *, provider: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mediasense", "--plugin", str(SERVICES), "image"]
    options = ["what?", "--provider", provider, "--base-url", wire.url, "--json", "--no-cache"]
    return subprocess.run([*command, str(picture), *options], capture_output=True, text=True)


def test_a_service_that_is_listed_is_asked(wire: Wire, picture: Path) -> None:
    done = ask(wire, picture, provider="example")
    assert done.returncode == 0, done.stderr
    assert wire.calls[0].headers["x-team"] == "acme_template"
    assert MARK in json.loads(done.stdout)["warnings"]


def test_any_other_service_is_sent_nothing(wire: Wire, picture: Path) -> None:
    done = ask(wire, picture, provider="elsewhere")
    assert done.returncode == Forbidden.exit_code, done.stderr
    assert "elsewhere may not be asked" in done.stderr
    assert wire.calls == []
