"""A real server in a process of its own, the SDK's own client, and a provider with a real wire."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

from ..conftest import image_bytes, wav_bytes, write_video  # noqa: TID252

EYE = '''
"""A provider whose server is whatever EYE_URL names; without one it answers by itself."""

import os
import sys
import time

from mediasense import (
    Answer, AudioLimits, Credentials, ImageLimits, Provider, Segment, TextLimits, hookimpl,
    post_json,
)

print("a plugin that prints while it is loaded")


@hookimpl
def capabilities():
    return (
        Provider(
            name="eye",
            description="Sees and hears",
            base_url_variables=("EYE_URL",),
            credentials=Credentials(variables=("EYE_KEY",), required=False),
            default_model="eye-1",
            image=ImageLimits(
                mime_types=("image/png", "image/jpeg"), max_items=40, options=("json_schema",)
            ),
            audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, timestamps=True),
            text=TextLimits(),
        ),
    )


@hookimpl
def analyze_image(request):
    print("a plugin that prints while it works")
    sys.__stdout__.write("and another way of it\\n")
    os.write(1, b"and a third one\\n")
    asked = request.prompt or ""
    if "break" in asked:
        raise KeyError("the key is " + os.environ.get("EYE_KEY", ""))
    if os.environ.get("EYE_URL"):
        post_json(request, "/look", {"question": asked})
    if "slowly" in asked:
        time.sleep(1.5)
    if "data" in asked:
        text = '{"title": "a dialog", "severity": 3}'
    elif "surrogate" in asked:
        text = "half a pair: \\ud83d"
    elif "long" in asked:
        text = "x" * 250_000
    else:
        text = f"{len(request.images)} images; {asked}"
    return Answer(text=text, model=request.model, cost=0.25)


@hookimpl
def analyze_audio(request):
    spoken = [Segment(start=0.0, end=0.2, text="hello"), Segment(start=0.2, end=0.5, text="there")]
    return Answer(text="hello there", model=request.model, segments=tuple(spoken), cost=0.01)


@hookimpl
def generate(request):
    return Answer(text="joined", model=request.model)
'''


@dataclass
class Agent:
    """What an agent does: it calls tools of a server, through the SDK's own client."""

    client: Client
    portal: BlockingPortal
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)

    def call(self, tool: str, **arguments: object) -> CallToolResult:
        async def heard(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        async def ask() -> CallToolResult:
            return await self.client.call_tool(tool, arguments, progress_callback=heard)

        return self.portal.call(ask)

    def tools(self) -> dict[str, Any]:
        found = self.portal.call(self.client.list_tools).tools
        return {tool.name: tool for tool in found}


def words(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


@dataclass
class Place:
    """Where a server runs: a folder it may read, one it may not, and the plugin."""

    folder: Path
    outside: Path
    plugin: Path
    environment: dict[str, str]

    def command(self, *arguments: object, allow: bool = True) -> list[str]:
        given = ["--allow", str(self.folder)] if allow else []
        plugin = ["--plugin", str(self.plugin)]
        return [sys.executable, "-m", "mediasense", *plugin, "mcp", *given, *map(str, arguments)]

    @contextmanager
    def agent(self, *arguments: object, mode: str = "auto", **variables: str) -> Iterator[Agent]:
        """An agent with a server of its own, over real pipes."""
        command = self.command("--provider", "eye", *arguments)
        server = StdioServerParameters(
            command=command[0],
            args=command[1:],
            env={**self.environment, **variables},
            cwd=self.folder,
        )
        with connected(server, mode) as agent:
            yield agent

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """A server alone."""
        variables = options.pop("variables", {})
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.Popen(
            self.command(*arguments, allow=options.pop("allow", True)),
            env={**kept, **self.environment, **variables},
            text=True,
            **{
                "cwd": self.folder,
                "stdin": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )


@contextmanager
def connected(server: Any, mode: str = "auto") -> Iterator[Agent]:
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        client = Client(server, mode=mode)
        stack.enter_context(portal.wrap_async_context_manager(client))
        yield Agent(client, portal)


def make_place(tmp_path: Path) -> Place:
    folder, outside = tmp_path / "allowed", tmp_path / "outside"
    for made in (folder, outside, tmp_path / "home"):
        made.mkdir()
    for made in (folder, outside):
        (made / "shot.png").write_bytes(image_bytes())
    (folder / "talk.wav").write_bytes(wav_bytes())
    write_video(folder / "clip.mp4", seconds=4.0)
    plugin = tmp_path / "eye.py"
    plugin.write_text(EYE)
    environment = {
        "HOME": str(tmp_path / "home"),
        "MEDIASENSE_CACHE": "off",
        "MEDIASENSE_HISTORY": "off",
        "PYTHONSAFEPATH": "1",
    }
    return Place(folder, outside, plugin, environment)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="session")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Agent]]:
    """A server for all tests that leave it as it was."""
    place = make_place(tmp_path_factory.mktemp("shared"))
    with place.agent() as agent:
        yield place, agent


@pytest.fixture
def agent(one_for_all: tuple[Place, Agent]) -> Agent:
    _, shared = one_for_all
    return Agent(shared.client, shared.portal)


@pytest.fixture
def shared_place(one_for_all: tuple[Place, Agent]) -> Place:
    return one_for_all[0]
