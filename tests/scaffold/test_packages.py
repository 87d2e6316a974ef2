"""What ``mediasense new-plugin`` writes is sound as it stands: no line of it is changed here."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from mediasense.testing import Call, Reply, Said, Wire
from mediasense.types import Usage

pytestmark = pytest.mark.timeout(900)

PICTURE = Path(__file__).parents[2] / "examples" / "media" / "error-dialog.png"
SAID = Said(
    text="a disk is full",
    pieces=("a disk ", "is full"),
    model="eye-9",
    usage=Usage(input_tokens=7, output_tokens=2),
)


@pytest.fixture
def offering(made):
    if made.flavour == "policy":
        pytest.skip("rules offer no provider")
    return made


def test_ruff_finds_nothing(made):
    done = made.run("ruff", "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


def test_it_is_formatted(made):
    done = made.run("ruff", "format", "--no-cache", "--check", "--diff", ".")
    assert done.returncode == 0, done.stdout


def test_its_types_are_right_strictly(made):
    done = made.run("mypy")
    assert done.returncode == 0, done.stdout


def test_its_own_tests_pass(made):
    done = made.run("pytest", "-q", "-W", "error")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_its_wheel_holds_the_plugin(made, tmp_path):
    with zipfile.ZipFile(made.build(tmp_path)) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith("entry_points.txt")]
        assert f"{made.name} = {made.module}" in archive.read(metadata).decode()
    assert {f"{made.module}/__init__.py", f"{made.module}/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith("tests")]


def test_it_is_loaded(made):
    done = made.run("mediasense", "--strict-plugins", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    (plugin,) = [row for row in json.loads(done.stdout)["plugins"] if row["name"] == made.name]
    assert plugin["state"] == "loaded"


def test_its_provider_is_listed(offering):
    done = offering.run("mediasense", "providers", offering.name)
    assert done.returncode == 0, done.stderr
    assert offering.name in done.stdout


def test_it_stands_the_check_of_the_command_line(offering):
    done = offering.run("mediasense", "plugins", "check", offering.name)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_a_question_about_a_picture_is_answered(offering):
    service = _module(offering, "service").SERVICE
    with Wire(lambda call: service.answer(call, SAID)) as wire:
        done = offering.run(
            "mediasense", "image", str(PICTURE), "what?", "--provider", offering.name, "--json",
            "--base-url", wire.url,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["text"], answer["model"]) == (SAID.text, SAID.model)
    assert wire.calls[-1].holds(PICTURE.read_bytes())


def test_rules_hold_for_a_provider_of_somebody_else(made):
    if made.flavour != "policy":
        pytest.skip("it offers a provider")

    def answer(call: Call) -> Reply:
        assert call.headers["x-team"] == made.name
        return Reply.of({"text": SAID.text})

    with Wire(answer) as wire:
        done = made.run(
            "mediasense", "--plugin", "tests/services.py", "image", str(PICTURE), "what?",
            "--provider", "example", SERVICES_URL=wire.url,
        )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, SAID.text), done.stderr
    assert wire.problems == []


def _module(made, name: str) -> ModuleType:
    file = made.folder / "src" / made.module / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"made_{made.flavour}_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
