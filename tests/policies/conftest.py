"""Rules of the house, installed as a package is, between this process and services on a wire."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mediasense import runtime
from mediasense.testing.wire import Call, Reply, Wire

POLICIES = Path(__file__).parents[2] / "examples" / "policies"

SERVICES = '''
"""Services on a wire: `near`, `far`, `sheet` and `tall` see, `film` watches, `ear` hears.

`dark` is this device.
"""

from dataclasses import replace

from mediasense import (
    Answer, AudioLimits, Base64, ImageLimits, Model, Provider, Segment, TextLimits, TextLine, Usage,
    Box, VideoLimits, Word, get_json, hookimpl, post_json,
)

SEES = ImageLimits(mime_types=("image/jpeg", "image/png"), max_items=4, streaming=True)


@hookimpl
def capabilities():
    near = Provider(
        name="near", description="", base_url="{url}/near", default_model="eye",
        image=SEES, text=TextLimits(streaming=True),
    )
    far = replace(near, name="far", base_url="{url}/far", default_model="far-eye")
    one = replace(near, image=replace(SEES, max_items=1))
    sheet = replace(one, name="sheet", base_url="{url}/sheet", text=None)
    tall = replace(near, name="tall", base_url="{url}/tall", image=replace(SEES, max_side=600))
    film = replace(
        near, name="film", base_url="{url}/film", video=VideoLimits(mime_types=("video/mp4",))
    )
    ear = Provider(
        name="ear", description="", base_url="{url}/ear", default_model="ear",
        audio=AudioLimits(
            mime_types=("audio/wav", "audio/mpeg", "audio/mp4", "audio/flac"), transcribes=True,
            timestamps=True,
        ),
    )
    dark = Provider(name="dark", description="", kind="device", image=replace(SEES, answers=True))
    return near, far, sheet, tall, film, ear, dark


def asked(request, media, on_text=None):
    if request.provider.name == "dark":
        return Answer(text="read in the dark", model="dark")
    reply = post_json(
        request, "/ask", {{"prompt": request.prompt, "media": [Base64(m) for m in media]}}
    )
    for piece in reply.get("pieces", ()) if on_text else ():
        on_text(piece)
    return Answer(
        text=reply["text"],
        model=request.model,
        usage=Usage(input_tokens=1000, output_tokens=10),
        segments=tuple(map(said, reply.get("segments", ()))),
        lines=tuple(
            TextLine(text=text, confidence=1.0, box=Box(left=0, top=0, right=1, bottom=1))
            for text in reply.get("lines", ())
        ),
        warnings=tuple(reply.get("warnings", ())),
        cost=reply.get("cost"),
    )


def said(segment):
    words = tuple(Word(**word) for word in segment.get("words", ()))
    return Segment(**{{**segment, "words": words}})


@hookimpl
def analyze_image(request, on_text):
    return asked(request, request.images, on_text)


@hookimpl
def analyze_video(request, on_text):
    return asked(request, (request.video,), on_text)


@hookimpl
def analyze_audio(request):
    return asked(request, (request.audio,))


@hookimpl
def generate(request, on_text):
    return asked(request, (), on_text)


@hookimpl
def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/models")["models"])
'''


@dataclass
class House:
    """What is installed, and the services it speaks to.

    Attributes:
        folder: Where it is installed.
        wire: The services.
        says: What they answer, by the name of the provider.
        down: The status that each of these answers with.
    """

    folder: Path
    wire: Wire
    says: dict[str, dict[str, object]] = field(default_factory=dict)
    down: dict[str, int] = field(default_factory=dict)

    def answer(self, call: Call) -> Reply:
        name = call.path.split("/")[1]
        if name in self.down:
            said = {"error": {"message": "not now"}}
            return Reply.of(said, status=self.down[name], headers=(("Retry-After", "0"),))
        if call.path.endswith("/models"):
            return Reply.of({"models": ["eye"]})
        return Reply.of({"text": f"{name} saw it", **self.says.get(name, {})})

    @property
    def asked(self) -> list[str]:
        """Who was asked, in order."""
        return [call.path.split("/")[1] for call in self.wire.calls]

    def install(self, *names: str) -> None:
        """Install examples, each as its wheel has it."""
        for name in names:
            self.add(name, (POLICIES / f"{name}.py").read_text())

    def add(self, name: str, source: str) -> None:
        """Install a plugin."""
        package = self.folder / "mediasense_policies"
        package.mkdir(exist_ok=True)
        (package / f"{name}.py").write_text(source)
        metadata = self.folder / f"house_{name}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        points = f"[mediasense]\n{name} = mediasense_policies.{name}\n"
        (metadata / "entry_points.txt").write_text(points)
        self.forget()

    def forget(self) -> None:
        """Have this process look again at what is installed and configured."""
        for lookup in vars(runtime).values():
            if hasattr(lookup, "cache_clear") and not isinstance(lookup, type):
                lookup.cache_clear()
        for name in [n for n in sys.modules if n.startswith("mediasense_policies")]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def run(self, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "mediasense", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            **options,
        )

    def results(self, path: Path) -> list[dict]:
        """The lines of a results file."""
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The services alone; rules are added by :meth:`House.install`."""
    folder = tmp_path / "house"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    with Wire(lambda _: Reply()) as wire:
        one = House(folder, wire)
        wire.answer = one.answer
        one.add("services", SERVICES.format(url=wire.url))
        yield one
        assert wire.problems == []
    one.forget()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """Answers are kept, in the home folder of this test."""
    monkeypatch.delenv("MEDIASENSE_CACHE")
    monkeypatch.delenv("MEDIASENSE_HISTORY")
    house.forget()


@pytest.fixture
def shot(tmp_path: Path, make_image: Callable[..., bytes]) -> Path:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return path


@pytest.fixture
def shots(tmp_path: Path, make_image: Callable[..., bytes]) -> list[Path]:
    paths = [tmp_path / f"shot{number}.png" for number in range(4)]
    for path in paths:
        path.write_bytes(make_image())
    return paths


@pytest.fixture
def clip(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """Two seconds of pictures with sound."""
    return make_video(tmp_path / "clip.mp4", seconds=2, sound=True)
