"""Key frames of screen recordings: processor time, wall clock, and what is found and missed.

    python bench/keyframes.py [FOLDER] [--long] [--large]

Recordings are made once into the folder and kept there (default: a temporary one). Processor time
is quoted against decoding every frame with two threads by PyAV in the same run; wall clock, on the
recordings of a minute, against one ffmpeg process for each two seconds. ``--long`` adds ten minutes
with 80 screens, ``--large`` a minute of 4K.

A screen is found when a frame shows it at a time when it stood; ``twice`` counts frames chosen for
a change that show the same standing screen again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from recordings import Script, record, script

from mediasense.media.changes import changed_blocks, is_more_than_a_cursor
from mediasense.media.keyframes import KeyFrames, choose_key_frames

# The last tenth of a fade looks like what it leads to; a line may be there before its time is up.
_EARLY_SECONDS = 0.3


@dataclass(slots=True)
class Cost:
    """Seconds of the processor and of the clock."""

    processor: float = 0.0
    wall: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    cost, before, began = Cost(), os.times(), time.perf_counter()
    yield cost
    after = os.times()
    cost.processor = sum(after[:4]) - sum(before[:4])
    cost.wall = time.perf_counter() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well the frames show the screens."""

    missed: list[str]
    twice: int
    wrong: int


def judge(result: KeyFrames, made: Script) -> Quality:
    """Compare the frames with the screens they should show."""
    screens = [_small(shown.luma) for shown in made.screens]
    found: set[int] = set()
    twice = wrong = 0
    for frame in result.frames:
        with Image.open(frame.path) as picture:
            seen = np.array(_shrunk(picture.convert("L"), screens[0].shape))
        standing = [
            index
            for index, shown in enumerate(made.screens)
            if shown.start - max(_EARLY_SECONDS, shown.before) <= frame.timestamp
            and frame.timestamp < made.end_of(index)
            and not is_more_than_a_cursor(changed_blocks(screens[index], seen, tolerance=40))
        ]
        if not standing:
            wrong += 1
        elif standing[0] in found and frame.reason in ("new screen", "change"):
            twice += 1
        found.update(standing[:1])
    missed = [
        f"{shown.kind} at {shown.start:.1f} s"
        for index, shown in enumerate(made.screens)
        if index not in found
    ]
    return Quality(missed=missed, twice=twice, wrong=wrong)


def _small(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape
    return np.array(_shrunk(Image.fromarray(luma), (-(-height // 4), -(-width // 4))))


def _shrunk(picture: Image.Image, shape: tuple[int, int]) -> Image.Image:
    return picture.resize(shape[::-1], Image.Resampling.BOX)


def decode_everything(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2
        for _ in container.decode(stream):
            pass


def one_process_each_two_seconds(path: Path, seconds: float, folder: Path) -> None:
    for number in range(int(seconds / 2)):
        command = ["ffmpeg", "-v", "error", "-y", "-ss", str(number * 2), "-i", str(path)]
        subprocess.run([*command, "-frames:v", "1", str(folder / f"{number}.jpg")], check=True)


def row(path: Path, made: Script, *, processes: bool) -> None:
    """Measure one recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with measured() as ours:
            result = choose_key_frames(path, folder, most=200)
        with measured() as plain:
            decode_everything(path)
        quality = judge(result, made)
        ratio = "-"
        if processes and shutil.which("ffmpeg"):
            with measured() as many:
                one_process_each_two_seconds(path, made.seconds, folder)
            ratio = f"{many.wall / ours.wall:.1f}"
        count = len(made.screens)
        print(
            f"{path.stem:<26} {ours.processor:7.2f} {ours.processor / plain.processor:7.3f} "
            f"{ours.wall:7.2f} {ratio:>7} {count - len(quality.missed):4d} of {count:<3d} "
            f"{quality.twice:5d} {quality.wrong:5d} {len(result.frames):6d}  {result.method}"
        )
        reasons = [frame.reason for frame in result.frames]
        print("    " + ", ".join(f"{reasons.count(r)} {r}" for r in dict.fromkeys(reasons)))
        for missed in quality.missed:
            print(f"    missed: {missed}")


def minute(folder: Path) -> None:
    made = script(1920, 1080, 60, 12)
    variants: dict[str, Callable[[Path], Path]] = {
        "keys 2 s": lambda path: record(made, path, keys=2),
        "keys 8 s": lambda path: record(made, path, keys=8),
        "keys 8 s, no scene cut": lambda path: record(
            made, path, keys=8, options={"sc_threshold": "0"}
        ),
        "keys 8 s, crf 35": lambda path: record(made, path, keys=8, crf=35),
        "one key": lambda path: record(made, path, keys=None),
    }
    for variant, make in variants.items():
        row(make(folder / f"1080p {variant}.mp4"), made, processes=True)


def large(folder: Path) -> None:
    made = script(3840, 2160, 60, 12)
    for keys in (2, 8):
        row(record(made, folder / f"4K keys {keys} s.mp4", keys=keys), made, processes=False)


def ten_minutes(folder: Path) -> None:
    made = script(1920, 1080, 600, 80, seed=2)
    for keys in (2, 8):
        path = record(made, folder / f"1080p 600 s keys {keys} s.mp4", keys=keys)
        row(path, made, processes=False)


def main() -> None:
    given = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given[0] if given else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        warm = record(script(320, 240, 4, 2), Path(temporary) / "warm.mp4", keys=2)
        choose_key_frames(warm, Path(temporary), most=2)  # imports are not measured
        print(
            f"{'':<26} {'CPU s':>7} {'of all':>7} {'wall s':>7} {'faster':>7} {'found':>10} "
            f"{'twice':>5} {'wrong':>5} {'frames':>6}  method"
        )
        minute(folder)
        if "--large" in sys.argv:
            large(folder)
        if "--long" in sys.argv:
            ten_minutes(folder)


if __name__ == "__main__":
    main()
