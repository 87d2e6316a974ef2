"""What decoding in a child process costs, against the same calls in the program itself.

    python bench/isolation.py [RUNS]

The two of a pair run in turn. "wall" and "CPU" are medians of the ratios of neighbours, child and
program together; "extra" and "extra CPU" are the median differences of one call, in milliseconds.
Needs Linux, and a machine that does nothing else: what runs beside it shows in "wall".
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from mediasense.media.isolation.decoder import Decoder, Limits

PROGRAM = """
from functools import partial
from pathlib import Path
from mediasense.media.isolation.decoder import decode, warm_up
from mediasense.media.recordings import inspect_recording
call = partial(inspect_recording, source=Path({source!r}), name="it")
{before}
assert {run}.mime_type == "video/mp4"
"""


# --- what is called; the child imports this module too -------------------------------------------


def count_frames(
    source: Path, fps: float, on_progress: Callable[[float], None] | None = None
) -> int:
    """Look at a recording frame by frame."""
    from mediasense.media.frames import sample_frames

    count = 0
    for frame in sample_frames(source, fps=fps):
        count += 1
        if on_progress is not None:
            on_progress(min(1.0, frame.timestamp / 60))
    return count


def probe_image(source: Path) -> tuple[int, int]:
    """Open and decode an image."""
    from PIL import Image

    if source.suffix == ".heic":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    with Image.open(source) as picture:
        picture.load()
        return picture.size


def probe_recording(source: Path) -> str:
    """Open a recording, decode its first frame and read its end."""
    from mediasense.media.recordings import inspect_recording

    return inspect_recording(source, "it").mime_type


def nothing(number: int) -> int:
    """What the way there and back costs."""
    return number


def process() -> int:
    """The number of the process that decodes."""
    return os.getpid()


def write_screen(folder: Path) -> Path:
    """A minute of 1080p: noise that moves, 30 frames a second."""
    import av
    import numpy as np

    rng = np.random.default_rng(1)
    tile = rng.integers(0, 255, (1080, 2400, 3), np.uint8) // 4 * 2
    path = folder / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(60 * 30):
            left = number // 30 * 8
            pixels = np.ascontiguousarray(tile[:, left : left + 1920])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_small(folder: Path) -> Path:
    """Two seconds of small pictures."""
    from media import write_mp4

    return write_mp4(folder / "small.mp4", 0)


def write_images(folder: Path) -> tuple[Path, ...]:
    """A photograph, more or less, of a million pixels."""
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    picture = Image.effect_noise((640, 400), 40).resize((1280, 800)).convert("RGB")
    paths = (folder / "a.webp", folder / "a.heic")
    for path in paths:
        picture.save(path)
    return paths


# --- how it is measured --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock, and seconds of all processors."""

    wall: float
    cpu: float


def cpu_of_all(pids: frozenset[int]) -> float:
    """CPU seconds of this process, of those that have ended, and of children that live."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(work: Callable[[], object], row: Row) -> Cost:
    """The cost of one call, out of as many as the row says."""
    cpu, wall = cpu_of_all(row.pids), time.perf_counter()
    for _ in range(row.calls):
        work()
    wall, cpu = time.perf_counter() - wall, cpu_of_all(row.pids) - cpu
    return Cost(wall / row.calls, cpu / row.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A pair to compare: isolated, and here; ``calls`` of it make one measurement."""

    name: str
    isolated: Callable[[], object]
    here: Callable[[], object]
    target: str
    calls: int = 1
    pids: frozenset[int] = frozenset()


def compare(row: Row, runs: int) -> None:
    row.isolated(), row.here()
    pairs = [(measure(row.isolated, row), measure(row.here, row)) for _ in range(runs)]
    wall = statistics.median(a.wall / b.wall for a, b in pairs)
    cpu = statistics.median(a.cpu / b.cpu for a, b in pairs)
    here = statistics.median(b.wall for _, b in pairs) * 1000
    extra = statistics.median(a.wall - b.wall for a, b in pairs) * 1000
    extra_cpu = statistics.median(a.cpu - b.cpu for a, b in pairs) * 1000
    print(
        f"{row.name:<44} {here:8.2f} {extra:8.2f} {extra_cpu:9.2f} {wall:7.3f} {cpu:7.3f}"
        f"   {row.target}",
        flush=True,
    )


def program(source: Path, run: str, before: str = "") -> Callable[[], object]:
    code = PROGRAM.format(source=str(source), run=run, before=before)
    command = [sys.executable, "-c", code]
    return partial(subprocess.run, command, check=True)


def rows(folder: Path, decoder: Decoder) -> list[Row]:
    import isolation as itself  # by a name that the child can import

    # Elsewhere: what a process allocated before decides how fast it decodes.
    makers = Decoder(prefixes=("isolation",), limits=Limits(idle_seconds=3600))
    small = makers.decode(partial(itself.write_small, folder=folder))
    images = makers.decode(partial(itself.write_images, folder=folder))
    long = makers.decode(partial(itself.write_screen, folder=folder))
    makers.close()
    pid = decoder.decode(partial(itself.process))
    pair = partial(_pair, decoder, frozenset({pid}))
    new = Row(
        name="a new process that probes a small MP4",
        isolated=program(small, "decode(call)"),
        here=program(small, "call()"),
        target="extra 60",
    )
    early = Row(
        name="the same, started early; openai is imported",
        isolated=program(small, "decode(call)", "warm_up(); import openai"),
        here=program(small, "call()", "import openai"),
        target="extra 60",
    )
    warm = [
        pair("nothing, on a warm child", partial(itself.nothing, number=1), "extra 2", 300),
        pair("the same MP4", partial(itself.probe_recording, source=small), "extra 2", 100),
    ]
    warm += [
        pair(path.suffix[1:], partial(itself.probe_image, source=path), "extra 2", 10)
        for path in images
    ]
    count = partial(itself.count_frames, source=long, fps=4.0)
    return [new, early, *warm, pair("frames of 60 s of 1080p", count, "1.02", 1)]


def _pair(
    decoder: Decoder, pids: frozenset[int], name: str, call: partial[Any], target: str, calls: int
) -> Row:
    return Row(
        name=name,
        isolated=partial(decoder.decode, call, on_progress=lambda _: None),
        here=call,
        target=target,
        calls=calls,
        pids=pids,
    )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(f"{'':<44} {'here ms':>8} {'extra':>8} {'extra CPU':>9} {'wall':>7} {'CPU':>7}   target")
    decoder = Decoder(prefixes=("isolation",), limits=Limits(calls=1_000_000))
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), decoder):
            compare(row, runs)
    decoder.close()


if __name__ == "__main__":
    main()
