"""Use the installed wheels as a new user would; run by ``nox -s wheels`` in a clean environment."""

import json
import subprocess
import sys
from importlib.metadata import files
from importlib.resources import files as resources
from pathlib import Path

PACKAGES = (
    "mediasense",
    "mediasense_gemini_native",
    "mediasense_mcp_server",
    "mediasense_on_device",
    "mediasense_openai_compat",
    "mediasense_whisper_local",
)
MEDIA = Path(__file__).parents[1] / "examples" / "media"
COMMAND = str(Path(sys.executable).parent / "mediasense")


def run(*arguments: object) -> str:
    command = [COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    print("$ mediasense", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


assert "Payment could not be saved" in run("image", MEDIA / "error-dialog.png")
assert "Session expired (401)" in run("video", MEDIA / "screen-recording.mp4")
names = {row["name"] for row in json.loads(run("providers", "--json"))}
assert {"on_device", "gemini", "vertex", "openai", "groq", "custom", "whisper_local"} <= names
assert len(json.loads(run("plugins", "--json"))["plugins"]) == 5
assert "image" in run("--help")
assert "--allow" in run("mcp", "--help")
assert run("--version").startswith("mediasense 0.")
for package in PACKAGES:
    assert (resources(package) / "py.typed").is_file(), package
    listed = {path.name for path in files(package.replace("_", "-")) or ()}
    assert "LICENSE" in listed, package
print("the wheels work")
