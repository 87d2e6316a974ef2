"""Pictures of the command line for the README: each command is run, and what it prints is drawn.

    python docs/screens/make.py            # draw them all
    python docs/screens/make.py --check    # say which no longer show what the command prints

Nothing is asked of a service: what is shown needs no key. The answer stands on a terminal of
``WIDTH`` columns, notes behind it.
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

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WIDTH = 96
_UNIQUE = "mediasense"
_VARYING = re.compile(r"</?style>|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One picture.

    Attributes:
        name: Of its file.
        command: As it is typed, from the root of the repository.
        lines: Of the answer at most; the rest is left out, which the picture shows.
    """

    name: str
    command: tuple[str, ...]
    lines: int = 40


SCREENS = (
    Screen(name="video", command=("video", "examples/media/screen-recording.mp4")),
    Screen(
        name="plan",
        command=(
            "plan",
            "examples/media/screen-recording.mp4",
            "when does the error appear?",
            "--provider",
            "openrouter",
            "--audio-provider",
            "groq",
        ),
    ),
    Screen(name="providers", command=("providers",)),
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
        print(f"not what is printed now: {', '.join(wrong)}; run {Path(__file__).name}")
    return 1 if wrong else 0


def draw(screen: Screen) -> str:
    """Run a command, and draw what it prints as SVG."""
    words = " ".join(f"'{word}'" if " " in word else word for word in screen.command)
    answer, notes = run(screen.command)
    lines = answer.rstrip("\n").split("\n")
    if len(lines) > screen.lines:
        lines = [*lines[: screen.lines], "…"]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (f"mediasense {words}", "bold")))
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=False)
    console.print(Text.from_ansi(notes.rstrip("\n")), style="dim")
    return console.export_svg(title="mediasense", unique_id=f"{_UNIQUE}-{screen.name}")


def run(command: tuple[str, ...]) -> tuple[str, str]:
    """What a command prints on a terminal as its answer, and its notes; nothing kept is read."""
    with tempfile.TemporaryDirectory() as home:
        reader, terminal = pty.openpty()
        environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "COLUMNS": str(WIDTH),
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
