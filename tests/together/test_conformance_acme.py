"""The example of a plugin passes the suite, in both of the ways its author runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme_plugin"


def test_it_passes_from_the_command_line(mediasense):
    run = mediasense("plugins", "check", EXAMPLE / "mediasense_acme.py")
    assert (run.code, run.err) == (0, "")
    assert "failed" not in run.out
    assert "not proved" not in run.out


def test_its_own_tests_pass(tmp_path):
    project = shutil.copytree(EXAMPLE, tmp_path / "acme")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "what was proved of mediasense_acme" in run.stdout


def test_the_script_is_in_the_package():
    assert '"mediasense_acme_service.py"' in (EXAMPLE / "pyproject.toml").read_text()
