"""The rules, held by the installed plugin in real calls of the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from mediasense import Access, Forbidden, Provider, TextRequest
from mediasense.testing import Reply, Wire
from PIL import Image

from mediasense_acme_template import rules

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


def ask(wire: Wire, picture: Path, *more: str, provider: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mediasense", "--plugin", str(SERVICES), "image"]
    options = ["what?", "--provider", provider, "--json", "--no-cache", *more]
    return subprocess.run(
        [*command, str(picture), *options],
        env={**os.environ, "SERVICES_URL": wire.url},
        capture_output=True,
        text=True,
    )


def test_a_service_that_is_listed_is_asked(wire: Wire, picture: Path) -> None:
    done = ask(wire, picture, provider="example")
    assert done.returncode == 0, done.stderr
    assert wire.calls[0].headers["x-team"] == "acme_template"
    assert rules.MARK in json.loads(done.stdout)["warnings"]


def test_any_other_service_is_sent_nothing(wire: Wire, picture: Path) -> None:
    done = ask(wire, picture, provider="elsewhere")
    assert done.returncode == Forbidden.exit_code, done.stderr
    assert "elsewhere may not be asked" in done.stderr
    assert wire.calls == []


def test_another_address_does_not_lead_around_it(wire: Wire, picture: Path) -> None:
    other = wire.url.replace("127.0.0.1", "localhost")
    done = ask(wire, picture, "--base-url", other, provider="example")
    assert done.returncode == Forbidden.exit_code, done.stderr
    assert "example may not be asked at localhost" in done.stderr
    assert wire.calls == []


def test_a_host_of_the_house_may_be_asked_by_any_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HOSTS", ("gpu.example",))
    rules.require_allowed(request(kind="server", at="https://gpu.example/v1"))


def test_a_server_is_none_of_the_house_because_it_says_so() -> None:
    with pytest.raises(Forbidden, match="eye may not be asked"):
        rules.require_allowed(request(kind="server", at="https://gpu.example/v1"))


def test_this_device_may_be_asked() -> None:
    rules.require_allowed(request(kind="device"))


def request(*, kind: Literal["server", "device"], at: str | None = None) -> TextRequest:
    provider = Provider(name="eye", description="", kind=kind, takes_any_base_url=at is not None)
    return TextRequest(provider=provider, access=Access(base_url=at), model="eye", prompt="what?")
