"""A thousand image calls, 64 at once, against a service that thinks for 200 ms.

    python bench/batch.py [CALLS] [ROUNDS]

The baseline is the openai SDK's own async client making the same requests (200 KB JPEGs from disk)
in the same run. The batch also does what a batch does: it looks at each file, keeps the answer in
the cache, the history, the journal and the results file. The ideal is what the latency allows:
64 / 0.2 s. Methods take turns; medians of the rounds.
"""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import openai
from media import jpeg
from server import running

from mediasense import Access, Question
from mediasense.batches.local import local_engine
from mediasense.batches.run import Batch, Setting
from mediasense.batches.sources import find_items
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.plugins import load_plugins
from mediasense.prices import KeptPrices
from mediasense.store.cache import Cache
from mediasense.store.history import History

LATENCY = 0.2
JOBS = 64
PROMPT = "What is it?"
SHARE, CPU, CACHED, KEEPING = 0.85, 0.5, 2000, 1.02


@dataclass(frozen=True)
class Took:
    """Seconds of wall clock and of processor for all calls."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Took:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Took(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


async def _plain(url: str, pictures: list[Path]) -> None:
    gate = asyncio.Semaphore(JOBS)

    async def ask(client: openai.AsyncOpenAI, picture: Path) -> None:
        async with gate:
            data = base64.b64encode(picture.read_bytes()).decode()
            await client.chat.completions.create(
                model="bench",
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": PROMPT},
                            {
                                "type": "image_url",
                                "image_url": {"url": f"data:image/jpeg;base64,{data}"},
                            },
                        ],
                    }
                ],
            )

    async with openai.AsyncOpenAI(api_key="bench", base_url=f"{url}/v1") as client:
        await asyncio.gather(*(ask(client, picture) for picture in pictures))


class Batches:
    """Batches over the same pictures, each with stores of its own or with none."""

    def __init__(self, url: str, folder: Path, pictures: Path) -> None:
        self._plugins = load_plugins()
        self._folder = folder
        self._pictures = pictures
        access = Access(base_url=f"{url}/v1")
        self._question = Question(prompt=PROMPT, model="bench", access=access)
        self._count = 0

    def desk(self) -> Desk:
        """New stores."""
        self._count += 1
        folder = self._folder / str(self._count)
        return Desk(
            prices=KeptPrices(),
            cache=Cache(folder / "answers.sqlite"),
            history=History(folder / "history.sqlite"),
        )

    def run(self, desk: Desk, *, keep: bool = True) -> None:
        """Ask about every picture."""
        self._count += 1
        question = self._question if keep else replace(self._question, cache="off")
        out = self._folder / f"{self._count}.jsonl" if keep else None
        setting = Setting(out=out, jobs=JOBS)
        batch = Batch(
            find_items([str(self._pictures)]),
            question,
            setting,
            local_engine(Dispatcher(self._plugins, desk=desk), question, setting),
        )
        failed = [outcome.failure for outcome in batch.outcomes() if outcome.failure]
        assert not failed, failed[0]


def pictures_in(folder: Path, count: int) -> list[Path]:
    picture = jpeg(200_000)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(picture + number.to_bytes(4, "big"))
    return paths


def median(found: list[Took]) -> Took:
    return Took(
        wall=statistics.median(took.wall for took in found),
        cpu=statistics.median(took.cpu for took in found),
    )


def rounds(methods: dict[str, Callable[[], object]], count: int) -> Iterator[tuple[str, Took]]:
    for number in range(count + 1):
        for name, method in methods.items():
            took = measured(method)
            if number:  # the first loads what is loaded once
                yield name, took


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.environ["MEDIASENSE_API_KEY"] = "bench"
    with tempfile.TemporaryDirectory() as name, running(LATENCY) as url:
        folder = Path(name)
        (folder / "pictures").mkdir()
        pictures = pictures_in(folder / "pictures", calls)
        batches = Batches(url, folder, folder / "pictures")
        warm = batches.desk()
        batches.run(warm)
        methods: dict[str, Callable[[], object]] = {
            "openai SDK, async": lambda: asyncio.run(_plain(url, pictures)),
            "batch, nothing kept": lambda: batches.run(Desk(), keep=False),
            "batch": lambda: batches.run(batches.desk()),
            "batch, all from the cache": lambda: batches.run(warm),
        }
        found: dict[str, list[Took]] = {name: [] for name in methods}
        for method, took in rounds(methods, count):
            found[method].append(took)
    medians = {name: median(times) for name, times in found.items()}
    ideal = calls / JOBS * LATENCY
    plain = medians["openai SDK, async"]
    print(f"{'':<26} {'wall s':>7} {'of ideal':>9} {'CPU ms':>7} {'ratio':>6} {'items/s':>8}")
    for name, took in medians.items():
        each = took.cpu / calls * 1000
        share = "" if "cache" in name else f"{ideal / took.wall:9.2f}"
        print(
            f"{name:<26} {took.wall:7.2f} {share:>9} {each:7.2f} {took.cpu / plain.cpu:6.2f} "
            f"{calls / took.wall:8.0f}"
        )
    keeping = medians["batch"].wall / medians["batch, nothing kept"].wall
    print(f"keeping adds {keeping - 1:.1%} of wall clock (target below {KEEPING - 1:.0%})")
    print(f"targets: {SHARE} of ideal, CPU ratio {CPU}, {CACHED} items/s from the cache")


if __name__ == "__main__":
    main()
