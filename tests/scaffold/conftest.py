"""A package as ``mediasense new-plugin`` writes it, installed beside the core and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from mediasense.scaffold.packages import Flavour

ROOT = Path(__file__).parents[2]
# Taken before each test gets an empty one: what installs packages needs its settings and its cache.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("MEDIASENSE_", "PYTHON", "PYTEST_", "VIRTUAL_ENV"))
}


NAME, MODULE = "my-eye", "mediasense_my_eye"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A package that was written, and the environment it is installed in.

    Attributes:
        flavour: Of the package.
        folder: Where it is.
        environment: The folder of its environment.
        name: Of the plugin, which is not its module's.
        module: Of the plugin.
    """

    flavour: Flavour
    folder: Path
    environment: Path
    name: str = NAME
    module: str = MODULE

    def run(self, tool: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a tool of the environment in the folder of the package."""
        return _run(
            str(self.environment / "bin" / tool),
            *arguments,
            cwd=self.folder,
            variables={
                "MEDIASENSE_CACHE": "off",
                "MEDIASENSE_HISTORY": "off",
                "MEDIASENSE_CONFIG": str(self.environment / "config.toml"),
                **variables,
            },
        )

    def build(self, out: Path) -> Path:
        """Build its wheel."""
        uv = _uv()
        pip = [str(self.environment / "bin" / "python"), "-m", "pip", "wheel", "--no-deps", "-w"]
        command = [uv, "build", "-q", "--wheel", "--out-dir"] if uv else pip
        _require(_run(*command, str(out), str(self.folder)))
        (wheel,) = out.glob("*.whl")
        return wheel


@pytest.fixture(scope="session", params=get_args(Flavour))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One for each flavour: written by the core that is installed, so its wheel has templates."""
    home = tmp_path_factory.mktemp(request.param)
    environment = home / "venv"
    _make_environment(environment)
    _install(environment, f"{ROOT / 'core'}[testing]")
    command = environment / "bin" / "mediasense"
    flavour = ("--flavour", request.param)
    written = _require(_run(str(command), "new-plugin", NAME, *flavour, "--into", str(home)))
    folder = Path(written.stdout.strip())
    assert folder == home / "mediasense-my-eye"
    _install(environment, "-e", f"{folder}[test]", "ruff>=0.15", "mypy>=2")
    (environment / "config.toml").touch()
    return Made(flavour=request.param, folder=folder, environment=environment)


def _make_environment(folder: Path) -> None:
    uv = _uv()
    make = [uv, "venv", "-q", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    _require(_run(*make, str(folder)))


def _install(environment: Path, *what: str) -> None:
    python, uv = str(environment / "bin" / "python"), _uv()
    install = [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip"]
    _require(_run(*install, *([] if uv else ["install", "-q"]), *what))


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv", path=ENVIRONMENT.get("PATH"))


def _run(
    *command: str, cwd: Path | None = None, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**ENVIRONMENT, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def _require(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done
