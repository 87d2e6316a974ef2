"""Nothing leaves the machine, nothing is printed, Ctrl-C ends it: in a fresh process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mediasense_whisper_local
from mediasense_whisper_local.parrot import SENTENCE

from .conftest import media, tone

HEAR = """
import sys
import mediasense_whisper_local as plugin
from mediasense import AudioRequest, Media
from pathlib import Path

def watch(event, args):
    if event.startswith("socket.") and event != "socket.__new__":
        raise SystemExit(f"{event} {args}")

sys.addaudithook(watch)
(provider,) = plugin.capabilities()
sound = Media(modality="audio", mime_type="audio/wav", path=Path(sys.argv[1]))
request = AudioRequest(provider=provider, audio=sound)
print("begun", flush=True)
print(plugin.analyze_audio(request=request, on_text=None).text)
"""


@pytest.fixture
def process(models, tmp_path):
    """The start of a process that hears so many seconds."""
    home = tmp_path / "home"
    home.mkdir()

    def start(seconds: float, *before: str, **options) -> subprocess.Popen:
        path = tmp_path / "tone.wav"
        path.write_bytes(media(tone(seconds)).data)
        return subprocess.Popen(
            [*before, sys.executable, "-c", HEAR, str(path)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "MEDIASENSE_WHISPER_MODELS": str(models),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start


def no_network() -> list[str]:
    """A command that runs another in a network of its own, with no way out; empty for none."""
    command = ["unshare", "--map-root-user", "--net"]
    found = (
        shutil.which("unshare") and not subprocess.run([*command, "true"], check=False).returncode
    )
    return command if found else []


def test_hearing_opens_no_connection_and_leaves_no_trace(process, tmp_path):
    with process(6, *no_network()) as running:
        out, errors = running.communicate()
    assert (out, errors, running.returncode) == (f"begun\n{SENTENCE}\n", "", 0)
    assert list((tmp_path / "home").rglob("*")) == []


def test_ctrl_c_ends_it(process, heed_ctrl_c):
    """A stretch of half a minute at most is heard to its end."""
    with process(1700, preexec_fn=heed_ctrl_c) as running:
        assert running.stdout.readline() == "begun\n"
        time.sleep(2)
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=20)
    assert running.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors
    assert SENTENCE not in out


# --- the package ---------------------------------------------------------------------------------

HEAVY = {"av", "ctranslate2", "faster_whisper", "huggingface_hub", "numpy", "onnxruntime"}


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, mediasense_whisper_local as plugin; plugin.capabilities(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_what_it_offers_is_a_device(provider):
    assert (provider.name, provider.kind, provider.aliases) == (
        "whisper_local",
        "device",
        ("whisper",),
    )
    assert provider.credentials is provider.base_url is provider.image is provider.video is None
    audio = provider.audio
    assert (audio.transcribes, audio.timestamps, audio.words, audio.streaming) == (True,) * 4
    assert not audio.answers


def test_the_readme_names_the_default_model_and_every_variable():
    folder = Path(mediasense_whisper_local.__file__).parent
    readme = (Path(__file__).parents[2] / "plugins" / "whisper_local" / "README.md").read_text()
    assert "| `base` (the default) |" in readme
    named = re.findall(
        r"MEDIASENSE_WHISPER_\w+", "".join(p.read_text() for p in folder.glob("*.py"))
    )
    assert set(named) == set(re.findall(r"MEDIASENSE_WHISPER_\w+", readme))
