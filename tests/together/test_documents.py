"""The documents say what is true."""

import json
import re
from pathlib import Path

import pytest

from mediasense.plugins import load_plugins

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Every ``mediasense`` command line in the README, without the prompt."""
    found = re.findall(r"^\$ (?:\.venv/bin/)?(mediasense .*?)(?:\s+#.*)?$", README, re.MULTILINE)
    assert len(found) > 10
    return found


@pytest.mark.parametrize("command", commands())
def test_every_option_in_the_readme_exists(mediasense, command):
    _, *words = re.split(r"\s+", command)
    while words and words[0].startswith("--"):  # an option of the root, and its value
        option = words.pop(0)
        assert re.search(rf"(?<!\S){option}(?!\S)", mediasense("--help", COLUMNS="200").out)
        if option in ("--plugin", "--no-plugin"):
            words.pop(0)
    if not words:
        return
    name, *rest = words
    groups = dict.fromkeys(("cache", "config", "history", "keys", "plugins", "providers"), 1)
    shown = mediasense(name, *rest[: groups.get(name, 0)], "--help", COLUMNS="200").out
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(rest)):
        assert re.search(rf"(?<!\S){option}(?!\S)", shown), f"{option} of {command}"


def test_every_provider_in_the_readme_exists():
    known = load_plugins()
    for name in re.findall(r"(?:--provider|-p) (\w+)", README):
        assert known.find(name) is not None, name


def test_the_number_of_presets_is_right():
    owners = load_plugins().owners
    presets = [n for n, o in owners.items() if o.entry_point.name == "openai_compat"]
    assert len(presets) - 1 == 23  # all but `custom`
    assert "Twenty-three services and local servers" in README
    assert "23 services and local servers" in README


def test_the_envelope_is_documented_field_by_field(mediasense):
    document = (ROOT / "docs" / "envelope.md").read_text()
    shot = ROOT / "examples" / "media" / "error-dialog.png"
    envelope = json.loads(mediasense("image", shot, "--json").out)
    table = re.findall(r"^\| `(\w+)` \|", document.split("`usage`: ")[0], re.MULTILINE)
    assert table == list(envelope)
    for name in ("media", "lines"):
        for field in envelope[name][0]:
            assert f"`{field}`" in document


def test_the_two_commands_of_the_readme_are_one_line_each():
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert [block.count("\n") for block in blocks] == [1, 1]
