"""Pictures of the command line for the README: each command is run, and what it prints is drawn.

    python docs/screens/make.py            # draw them all
    python docs/screens/make.py --check    # say which no longer show what the command prints

Nothing is asked of a service: what is shown needs no key. Notes stand behind the answer.
"""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One picture.

    Attributes:
        name: Of its file.
        commands: As they are typed, from the root of the repository.
        columns: How wide the terminal is.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    columns: int = 96


_RECORDING = "examples/media/screen-recording.mp4"
_ASKED = ("plan", _RECORDING, "when does the error appear?", "--provider")

SCREENS = (
    Screen(name="video", commands=(("video", _RECORDING),)),
    Screen(
        name="plan",
        commands=((*_ASKED, "gemini"), (*_ASKED, "openai", "--audio-provider", "groq")),
        columns=122,
    ),
)


def main() -> int:
    """Draw the pictures, or see whether they are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="draw nothing; 1 if one is wrong")
    check = parser.parse_args().check
    wrong = []
    for screen in SCREENS:
        file = HERE / f"{screen.name}.svg"
        drawn = draw(screen)
        if not check:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            wrong.append(file.name)
    if wrong:
        sys.stderr.write(f"not what is printed now: {', '.join(wrong)}\n")
    if not check:
        draw_report(HERE / "report.png")
    return 1 if wrong else 0


def draw(screen: Screen) -> str:
    """Run the commands, and draw what they print as SVG."""
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    for number, command in enumerate(screen.commands):
        words = " ".join(f'"{word}"' if " " in word else word for word in command)
        answer, notes = run(command, screen.columns)
        before = "\n" if number else ""
        console.print(Text.assemble(before, ("$ ", "bold green"), (f"mediasense {words}", "bold")))
        console.print(Text.from_ansi(answer.rstrip("\n")))
        if notes:
            console.print(Text.from_ansi(notes.rstrip("\n")), style="dim")
    drawn = console.export_svg(title="mediasense", unique_id=f"screen-{screen.name}")
    return _FONTS.sub("", drawn)  # which would be fetched from elsewhere


def draw_report(picture: Path) -> None:
    """Take a picture of a report, where there is a browser; it is not part of what is checked."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"no browser: {picture.name} is left as it is\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "screen-recording.mp4"
        shutil.copy(ROOT / "examples" / "media" / recording.name, recording)
        run(("video", str(recording), "--report", f"{folder}/report.html"), 96)
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                "--window-size=1200,1040",
                "--virtual-time-budget=5000",
                f"--screenshot={folder}/report.png",
                f"file://{folder}/report.html",
            ],
            check=True,
            capture_output=True,
        )
        with Image.open(Path(folder) / "report.png") as taken:
            taken.convert("RGB").save(picture, optimize=True)


def run(command: tuple[str, ...], columns: int) -> tuple[str, str]:
    """What a command prints on a terminal as its answer, and its notes; nothing kept is read."""
    with tempfile.TemporaryDirectory() as home:
        reader, terminal = pty.openpty()
        environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "COLUMNS": str(columns),
            "TERM": "xterm-256color",
        }
        program = shutil.which("mediasense", path=str(Path(sys.executable).parent))
        assert program is not None, "mediasense is not installed beside this Python"
        process = subprocess.Popen(
            [program, *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
        )
        os.close(terminal)
        answer = _all_of(reader)
        _, notes = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: {notes.decode()}")
        return answer.decode().replace("\r\n", "\n"), notes.decode()


def _all_of(reader: int) -> bytes:
    found = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # Linux says so when the terminal is closed
            piece = b""
        if not piece:
            os.close(reader)
            return found
        found += piece


if __name__ == "__main__":
    sys.exit(main())
