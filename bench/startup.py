"""Whole processes, from nothing to the last line, against plain programs in the same run.

    python bench/startup.py [RUNS]

Needs every package of the project, and the openai SDK, in the environment it runs in. The two
programs of a pair run in turn; the figure is the median of the ratios of neighbours.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from media import jpeg
from server import running

BARE = """
import typer
app = typer.Typer()

@app.command()
def hello(name: str = "you"):
    "Say hello."
    print(name)

@app.command()
def bye(name: str = "you"):
    "Say good-bye."
    print(name)

app()
"""
PLAIN_SDK = """
import base64, sys
from openai import OpenAI

picture = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
client = OpenAI(api_key="bench", base_url=sys.argv[2])
answer = client.chat.completions.create(
    model="bench",
    messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}},
    ]}],
)
print(answer.choices[0].message.content)
"""
MEDIASENSE = [sys.executable, "-m", "mediasense"]


# Nothing is taken from the cache: a call is a call.
SETTINGS = {"NO_COLOR": "1", "MEDIASENSE_CACHE": "off"}


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **SETTINGS})
    return time.perf_counter() - started


def compare(name: str, ours: list[str], baseline: list[str], target: float, runs: int) -> None:
    seconds(ours), seconds(baseline)
    pairs = [(seconds(ours), seconds(baseline)) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    mine, theirs = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    print(f"{name:<58} {mine:7.0f} {theirs:9.0f} {ratio:7.2f} {target:7.2f}")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"{'':<58} {'ms':>7} {'baseline':>9} {'ratio':>7} {'target':>7}")
    with tempfile.TemporaryDirectory() as folder, running() as url:
        bare, plain, picture = (Path(folder, name) for name in ("bare.py", "plain.py", "a.jpg"))
        bare.write_text(BARE)
        plain.write_text(PLAIN_SDK)
        picture.write_bytes(jpeg(200_000))
        python = [sys.executable]
        help_ = [*MEDIASENSE, "--help"]
        compare("--help / bare typer --help", help_, [*python, str(bare), "--help"], 1.2, runs)
        listing = [*MEDIASENSE, "providers"]
        compare("providers / bare typer command", listing, [*python, str(bare), "hello"], 1.5, runs)
        call = [*MEDIASENSE, "image", str(picture), "What is it?", "--base-url", f"{url}/v1"]
        script = [*python, str(plain), str(picture), f"{url}/v1"]
        compare("one image call / plain openai script", [*call, "-m", "bench"], script, 1.0, runs)


if __name__ == "__main__":
    main()
