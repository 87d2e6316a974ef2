"""Three hundred image calls, one after another, against the openai SDK used plainly.

    python bench/dispatch.py [CALLS]

Both read a 200 KB JPEG from disk for each call and ask the same loopback server; the methods run in
turn, in blocks of fifty calls, in one process. ``mediasense.analyze`` sniffs and checks the file
too.
"""

from __future__ import annotations

import base64
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import openai
from media import jpeg
from server import running

import mediasense

BLOCK = 50
TARGET = 0.65


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    os.environ["MEDIASENSE_API_KEY"] = "bench"
    os.environ["MEDIASENSE_CACHE"] = "off"
    with tempfile.TemporaryDirectory() as folder, running() as url:
        picture = Path(folder, "a.jpg")
        picture.write_bytes(jpeg(200_000))
        client = openai.OpenAI(api_key="bench", base_url=f"{url}/v1")

        def plain() -> str | None:
            data = base64.b64encode(picture.read_bytes()).decode()
            answer = client.chat.completions.create(
                model="bench",
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "What is it?"},
                            {
                                "type": "image_url",
                                "image_url": {"url": f"data:image/jpeg;base64,{data}"},
                            },
                        ],
                    }
                ],
            )
            return answer.choices[0].message.content

        def ours() -> str:
            return mediasense.analyze(
                picture, "What is it?", base_url=f"{url}/v1", model="bench"
            ).text

        assert plain() == ours()
        times: dict[Callable[[], object], list[float]] = {plain: [], ours: []}
        cpu = dict.fromkeys(times, 0.0)
        for _ in range(max(1, calls // BLOCK)):
            for method, found in times.items():
                cpu_started = time.process_time()
                for _ in range(BLOCK):
                    started = time.perf_counter()
                    method()
                    found.append((time.perf_counter() - started) * 1000)
                cpu[method] += time.process_time() - cpu_started
    p50 = {method: statistics.median(found) for method, found in times.items()}
    print(f"{'':<34} {'p50 ms':>8} {'CPU ms':>8} {'ratio':>7} {'target':>7}")
    for name, method in (("openai SDK, used plainly", plain), ("mediasense.analyze", ours)):
        each = cpu[method] * 1000 / len(times[method])
        target = f"{TARGET:7.2f}" if method is ours else ""
        print(f"{name:<34} {p50[method]:8.2f} {each:8.2f} {p50[method] / p50[plain]:7.2f} {target}")


if __name__ == "__main__":
    main()
