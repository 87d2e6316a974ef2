"""A real Chromium without a window, and pages to look at in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mediasense.steps import FrameUsed
from mediasense.types import Analysis, Box, Media, Segment, TextLine, Timings, Usage, Word

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser; tests are skipped where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*_FLAGS])
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page in the browser, and what went wrong in it.

    Attributes:
        page: Playwright's page.
        said: What was written to its console, policy violations among it.
        asked: Addresses it asked for that are no files and no data.
        dialogs: What was put before the user.
    """

    page: object
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium) -> Iterator[Callable[..., Tab]]:
    """Open a page as a file: ``visit(path, width=…, dark=…, script=…)``."""
    contexts = []

    def open_page(
        path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        tab = Tab(page=context.new_page())
        tab.page.on("console", lambda message: tab.said.append(message.text))
        tab.page.on("pageerror", lambda error: tab.said.append(str(error)))
        tab.page.on("request", lambda request: _note(tab, request.url))

        def dismiss(dialog) -> None:
            tab.dialogs.append(dialog.message)
            dialog.dismiss()

        tab.page.on("dialog", dismiss)
        tab.page.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()


def _note(tab: Tab, url: str) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        tab.asked.append(url)


@pytest.fixture
def make_analysis() -> Callable[..., Analysis]:
    """An answer about a video of four seconds, with what is said and read in it."""

    def make(**changes) -> Analysis:
        said = ("Good morning.", "Here it starts.", "And here it ends.")
        facts = {
            "text": "It **starts** at 0:01 and ends at 0:03.",
            "provider": "acme",
            "model": "acme-eye",
            "strategy": "frames",
            "frames": tuple(FrameUsed(timestamp=float(at), reason="asked") for at in range(4)),
            "timings": Timings(total=2.5, prepare=0.5, provider=2.0),
            "media": (
                Media(
                    modality="video",
                    mime_type="video/mp4",
                    name="clip.mp4",
                    width=160,
                    height=120,
                    seconds=4.0,
                ),
            ),
            "usage": Usage(input_tokens=1200, output_tokens=34),
            "segments": tuple(
                Segment(
                    start=at + 0.1,
                    end=at + 1.0,
                    text=text,
                    speaker="Anna",
                    words=(Word(start=at + 0.1, end=at + 0.6, text=text),),
                )
                for at, text in enumerate(said)
            ),
            "cost": 0.0123,
        }
        return Analysis(**facts | changes)

    return make


@pytest.fixture
def make_image_analysis(make_analysis) -> Callable[..., Analysis]:
    """An answer about an image, with two lines that were read in it."""

    def make(**changes) -> Analysis:
        lines = tuple(
            TextLine(text=text, confidence=0.9, box=Box(left=4, top=top, right=60, bottom=top + 8))
            for text, top in (("Save", 4), ("Cancel", 30))
        )
        media = Media(modality="image", mime_type="image/png", name="shot.png", width=64, height=48)
        facts = {"media": (media,), "lines": lines, "segments": (), "text": "Save\nCancel"}
        return make_analysis(**facts | changes)

    return make
