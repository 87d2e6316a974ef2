"""Nothing leaves the machine, nothing is left on it, nothing is printed: in a fresh process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import media, page

READ = """
import sys
import mediasense_on_device as plugin
from mediasense import ImageRequest, Media
from pathlib import Path

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(watch)
image = Media(modality="image", mime_type="image/png", path=Path(sys.argv[1]))
(provider,) = plugin.capabilities()
print(plugin.analyze_image(request=ImageRequest(provider=provider, images=(image,))).text)
"""


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(media(page((60, 60, "Sign in"))).read())
    return path


def no_network() -> list[str]:
    """A command that runs another in a network of its own, with no way out; empty for none."""
    command = ["unshare", "--map-root-user", "--net"]
    found = (
        shutil.which("unshare") and not subprocess.run([*command, "true"], check=False).returncode
    )
    return command if found else []


@pytest.mark.parametrize("telemetry", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_reading_leaves_no_trace_and_needs_no_network(picture, tmp_path, telemetry):
    """onnxruntime's telemetry writes a device id below the home folder as soon as it is loaded."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [*no_network(), sys.executable, "-c", READ, str(picture)],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **telemetry},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Sign in\n", "", 0)
    assert list(home.rglob("*")) == []


def test_the_log_of_the_program_stays_as_it_was(picture):
    code = f"import logging, sys; sys.argv[1:] = [{str(picture)!r}]\n{READ}\n" + (
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 30"


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_ctrl_c_stops_it_at_once(tmp_path, heed_ctrl_c):
    """Lines that wait to be read are not read first, and no thread holds up the end."""
    import resource

    rows = [(10 + 500 * (n % 3), 10 + 24 * (n // 3), "many words to read " * 2) for n in range(150)]
    path = tmp_path / "dense.png"
    path.write_bytes(media(page(*rows, size=(1500, 1240), print_size=15)).read())
    code = READ.replace(
        "image = ", "plugin.list_models(None)\nprint('begun', flush=True)\nimage = "
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_ctrl_c,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    # Of the processor, whatever else the machine does: all of it takes 22 seconds.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 11
    assert b"KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
