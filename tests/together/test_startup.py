"""Nothing heavy is loaded before a call needs it, with every package installed."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "PIL", "asyncio", "av", "ctranslate2", "cv2", "faster_whisper", "genai_prices", "google.genai",
    "httpx2", "huggingface_hub", "mediasense.media.isolation.decoder", "numpy", "onnxruntime",
    "openai", "pillow_heif", "rapidocr", "requests", "urllib3", "yt_dlp",
)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["image", "--help"], ["providers"], ["providers", "--json"], ["plugins"]],
)
def test_looking_around_loads_no_sdk_and_no_codec(arguments):
    script = (
        "import sys\n"
        f"sys.argv = ['mediasense', *{arguments!r}]\n"
        "from mediasense.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"


def test_a_picture_is_asked_about_without_loading_a_codec():
    """JPEG and PNG, which is nearly every picture, need neither a codec nor a decoder's process."""
    shot = Path(__file__).parents[2] / "examples" / "media" / "error-dialog.png"
    script = (
        "import sys\n"
        "from mediasense import Question\n"
        "from mediasense.runtime import dispatcher\n"
        f"made = dispatcher().plan(({str(shot)!r},), Question(provider='groq'))\n"
        "assert made.plan.strategy == 'images'\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
