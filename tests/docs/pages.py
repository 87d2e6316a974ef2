"""Run the code blocks of a page, in order, as a reader would.

What a block is for is told by its language, and by its first line where that names a file:

* ``console``: each ``$`` line is run in a shell, all in the same folder with the same variables.
  Output that is shown is compared; ``...`` stands for what varies. A command may fail only where a
  line that begins with ``error:`` is shown, and then it must.
* ``python``: is run, all blocks of a page in one process. A ``text`` block behind it is what it
  prints.
* any, beginning with ``# NAME.EXT``: is written to that file; with ``# NAME.EXT, continued`` at its
  end. ``~/`` is a home folder made for the page.
* ``toml`` and ``json``: are parsed; a file ``config.toml`` is loaded as one, too.
* ``sh``: as ``console``, without the dollar.

``<!-- skip: next "reason" -->`` leaves the next block out, and the reason is printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

LANGUAGES = ("console", "json", "python", "sh", "text", "toml")

_FILE = re.compile(r"# ((?:~/)?[\w./-]+\.(?:py|toml|md|csv|jsonl?))(, continued)?\n")
_SECONDS = 60
_VENV = Path(sys.prefix)
_SCRIPTS = {
    "mediasense": "mediasense.cli:main",
    "pip": "pip._internal.cli.main:main",
    "pytest": "pytest:main",
}
_SHELL = """
[ -f "$STATE/variables" ] && source "$STATE/variables"
[ -f "$STATE/folder" ] && cd "$(cat "$STATE/folder")"
eval "$COMMAND"
code=$?
export -p | grep -v -E '^declare -x (STATE|COMMAND|PWD|OLDPWD|SHLVL|_)=' > "$STATE/variables"
pwd > "$STATE/folder"
exit $code
"""


class WrongOutput(AssertionError):
    """A page shows something else than there is."""


class Page:
    """A page with a folder, a home and an interpreter of its own.

    Args:
        folder: An empty folder.
        samples: The files the page may speak of.
        variables: What leads to the services.
    """

    def __init__(self, folder: Path, samples: Path, variables: Mapping[str, str]) -> None:
        self.here = folder / "here"
        shutil.copytree(samples, self.here, copy_function=os.link)
        self.home, self._state = folder / "home", folder / "state"
        for made in (self.home, self._state):
            made.mkdir()
        bin_folder = _make_environment(folder / "venv")
        self._variables = {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "VIRTUAL_ENV": str(folder / "venv"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "110",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # it says: without
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **variables,
        }
        self._python: subprocess.Popen[str] | None = None
        self._groups: list[int] = []
        self._outputs = 0
        self._printed = ""

    # --- languages ---

    def console(self, example: Example) -> None:
        """Run each command, and compare what it prints with what is shown."""
        for command, shown in _commands(example.parsed):
            self._run(command, shown)

    def sh(self, example: Example) -> None:
        """Run the block as a script."""
        self._run(example.parsed, "")

    def python(self, example: Example) -> None:
        """Write a file, or run the block."""
        if self._written(example.parsed):
            compile(example.parsed, example.path, "exec")
            return
        line = example.line + example.parsed.line_offset + 1
        block = {"source": example.parsed, "filename": example.path, "line": line}
        done = self._interpreter(block)
        self._printed = done["printed"]
        if done["problem"]:
            raise AssertionError(done["problem"])

    def text(self, example: Example) -> None:
        """Compare what the Python block before printed."""
        _compare(str(example.parsed), self._printed, "the block before")

    def toml(self, example: Example) -> None:
        """Parse it; load it where it is a config file."""
        tomllib.loads(example.parsed)
        path = self._written(example.parsed)
        if path is not None and path.name == "config.toml":
            code = "from mediasense.config import load_config; load_config()"
            self._run(f"MEDIASENSE_CONFIG={path} python -c '{code}'", "")

    def json(self, example: Example) -> None:
        """Parse it."""
        json.loads(example.parsed)

    # --- how ---

    def _written(self, block: str) -> Path | None:
        found = _FILE.match(block)
        if found is None:
            return None
        name = found[1]
        path = self.home / name[2:] if name.startswith("~/") else self._folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block[found.end() :]
        path.write_text(path.read_text() + "\n\n" + text if found[2] else text)
        return path

    def _folder(self) -> Path:
        kept = self._state / "folder"
        return Path(kept.read_text().strip()) if kept.exists() else self.here

    def _run(self, command: str, shown: str) -> None:
        # A file for each: what is started in the background goes on writing to its own.
        self._outputs += 1
        output = self._state / f"output{self._outputs}"
        given = {**self._variables, "STATE": str(self._state), "COMMAND": command}
        with output.open("wb") as file:
            shell = subprocess.Popen(
                ["bash", "-c", _SHELL],
                cwd=self.here,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(shell.pid)
            code = shell.wait(_SECONDS)
        if command.rstrip().endswith("&"):
            _wait_for_output(output)
        said = output.read_text(errors="replace")
        fails = re.search(r"^error:", shown, re.MULTILINE) is not None
        if fails != (code != 0):
            raise AssertionError(f"$ {command}\n{said}\nexit code {code}")
        if shown.strip():
            _compare(shown, said, f"$ {command}")

    def _interpreter(self, block: object) -> dict[str, str]:
        if self._python is None:
            script = str(Path(__file__).with_name("interpreter.py"))
            self._python = subprocess.Popen(
                ["python", script],
                cwd=self.here,
                env=self._variables,
                executable=shutil.which("python", path=self._variables["PATH"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._groups.append(self._python.pid)
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(block) + "\n")
        self._python.stdin.flush()
        done: dict[str, str] = json.loads(self._python.stdout.readline())
        return done

    def close(self) -> None:
        """End everything that was started."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._python is not None:
            self._python.communicate()


def parse(path: Path, page: Page | None) -> Document:
    """The blocks of a page; without somewhere to run them they can be looked at only."""
    parsers = [CodeBlockParser(name, getattr(page, name, None)) for name in LANGUAGES]
    return Sybil(parsers=[*parsers, SkipParser()]).parse(path)


def run(path: Path, page: Page) -> Iterator[tuple[int, str]]:
    """Run a page's blocks; gives line and reason of those that are left out.

    Raises:
        AssertionError: A block does not do what the page says; it names the line.
    """
    for example in parse(path, page).examples():
        try:
            example.evaluate()
        except SkipTest as left_out:
            yield example.line, str(left_out)
        except Exception as error:
            raise AssertionError(f"{path.name}:{example.line}: {error}") from error


@contextmanager
def opened(folder: Path, samples: Path, variables: Mapping[str, str]) -> Iterator[Page]:
    """A page, until everything is run."""
    page = Page(folder, samples, variables)
    try:
        yield page
    finally:
        page.close()


def _commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and the output that is shown for it."""
    for found in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = found.splitlines()
        end = 1 + next((n for n, line in enumerate(lines) if not line.endswith("\\")), 0)
        yield "\n".join(lines[:end]), "\n".join(lines[end:])


def _compare(shown: str, said: str, what: str) -> None:
    wanted = "\n".join(line.rstrip() for line in shown.strip().splitlines())
    found = "\n".join(line.rstrip() for line in said.strip().splitlines())
    pattern = re.escape(wanted).replace(r"\.\.\.", r"[\s\S]*")
    if re.fullmatch(pattern, found) is None:
        raise WrongOutput(f"{what}\n--- shown ---\n{wanted}\n--- found ---\n{found}")


def _wait_for_output(output: Path) -> None:
    """A server that is started in the background says so when it is ready."""
    end = time.monotonic() + _SECONDS
    while not output.stat().st_size and time.monotonic() < end:
        time.sleep(0.02)


def _make_environment(folder: Path) -> Path:
    """A virtual environment that has all of this one, and into which a page may install."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, env=os.environ
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    ours, theirs = (base / "lib" / version / "site-packages" for base in (_VENV, folder))
    (theirs / "ours.pth").write_text(f"import site; site.addsitedir({str(ours)!r})\n")
    for name, entry in _SCRIPTS.items():
        module, function = entry.split(":")
        script = folder / "bin" / name
        script.write_text(
            f"#!{folder}/bin/python\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        script.chmod(0o755)
    return folder / "bin"
