"""Every example in the help of every command is run, as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mediasense.cli.app import build
from mediasense.cli.common import examples_of

DOCS = Path(__file__).parents[2] / "docs"

# What has to be there before; all else is as the pages have it.
BEFORE = {
    "mediasense batch": "export MEDIASENSE_PROVIDER=openai",
    "mediasense mcp": "mkdir -p ~/Pictures ~/Recordings",
    "mediasense init": "echo made-up > key.txt",
    "mediasense keys set": "echo made-up > key.txt",
    "mediasense keys remove": "printf made-up | mediasense keys set groq --stdin",
    "mediasense history": 'mediasense image shot.png "what is it?" -p groq',
    "mediasense providers add": "export LAB_KEY=made-up",
    "mediasense providers remove": "export LAB_KEY=made-up\n$ mediasense providers add lab "
    "--base-url https://lab.example.com/v1 --api-key-env LAB_KEY",
}
# Goes on until somebody ends it: that it had to be ended is what is looked at.
SERVES = ("mediasense mcp --http",)


def commands() -> dict[str, Any]:
    """Every command that can be typed, those of installed plugins too."""
    root: Any = typer.main.get_command(build())
    root.list_commands(None)  # this asks the plugins
    return dict(_walk(root, "mediasense"))


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not command.hidden:
        yield path, command
        for name, found in getattr(command, "commands", {}).items():
            yield from _walk(found, f"{path} {name}")


COMMANDS = commands()


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_every_command_has_examples(path):
    assert examples_of(COMMANDS[path])


@pytest.mark.parametrize("path", COMMANDS)
def test_the_examples_of_a_command_are_of_that_command(path):
    command = COMMANDS[path]
    shorter = path.removesuffix(" show").removesuffix(" list")
    for example in examples_of(command):
        assert example.startswith((f"{path} ", path, shorter))


@pytest.mark.parametrize("path", [p for p, c in COMMANDS.items() if not hasattr(c, "commands")])
def test_every_example_does_what_it_should(path, tmp_path, run):
    lines = [before for start, before in BEFORE.items() if path.startswith(start)]
    for example in examples_of(COMMANDS[path]):
        ended = f"timeout -k 10 10 {example}; [ $? -eq 124 ]"
        lines.append(ended if example.startswith(SERVES) else example)
    page = tmp_path / "examples.md"
    needs_plugin = path.startswith("mediasense plugins")
    page.write_text((_plugin_acme() if needs_plugin else "") + "\n\n" + _console(lines))
    run(page)


def test_the_examples_of_the_program_itself_do_what_they_should(tmp_path, run):
    page = tmp_path / "examples.md"
    page.write_text(_console(list(examples_of(COMMANDS["mediasense"]))))
    run(page)


def _console(lines: list[str]) -> str:
    return "```console\n" + "".join(f"$ {line}\n" for line in lines) + "```\n"


def _plugin_acme() -> str:
    """The blocks of the page that write a plugin and its service; and the config that names it."""
    page = (DOCS / "how-to" / "test-a-plugin.md").read_text()
    blocks = re.findall(r"^```python\n# acme\w*\.py\n.*?^```$", page, re.MULTILINE | re.DOTALL)[:2]
    if not any(point.name == "acme" for point in entry_points(group="mediasense")):
        blocks.append(
            "```sh\nmkdir -p ~/.config/mediasense\n"
            'echo "plugins = [\\"$PWD/acme.py\\"]" > ~/.config/mediasense/config.toml\n```'
        )
    return "\n\n".join(blocks)
