"""What the README says is so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "plugins" / "mcp_server" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command line of the server, as a host would start it."""
    found = []
    for language, block in BLOCKS:
        if language == "json":
            (servers,) = json.loads(block).values()
            found += [server["args"] for server in servers.values()]
        elif language == "toml":
            found += [s["args"] for s in tomllib.loads(block)["mcp_servers"].values()]
        else:
            lines = [line.partition("-- ")[2] if line.startswith("claude") else line
                     for line in block.splitlines()]  # fmt: skip
            found += [shlex.split(line)[1:] for line in lines if line.startswith("mediasense mcp")]
    return found


def test_the_table_has_every_tool_and_which_ask_a_provider(agent):
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", README, re.MULTILINE)
    assert {name: asks == "yes" for name, asks in rows} == {
        name: tool.annotations.open_world_hint for name, tool in agent.tools().items()
    }


def test_there_is_a_block_for_every_format():
    assert {language for language, _ in BLOCKS} >= {"json", "toml", "sh", "console"}
    assert len(commands()) >= 8


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_of_a_host_has_options_that_there_are(arguments):
    known = subprocess.run(
        [sys.executable, "-m", "mediasense", "mcp", "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert arguments[0] == "mcp"
    for word in arguments:
        assert not word.startswith("--") or word in known


def test_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, typer\n"
        "import mediasense_mcp_server as plugin\n"
        "plugin.register_commands(app=typer.Typer())\n"
        "heavy = {'mcp', 'mcp_types', 'pydantic', 'anyio', 'uvicorn', 'starlette', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_it_is_no_provider_and_no_rule_of_the_house():
    listed = subprocess.run(
        [sys.executable, "-m", "mediasense", "plugins", "--json"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    (row,) = [row for row in json.loads(listed)["plugins"] if row["name"] == "mcp_server"]
    assert (row["state"], row["providers"]) == ("loaded", [])
