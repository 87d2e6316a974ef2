"""Copying and encoding parts of a recording, against the ffmpeg program with the same settings.

    python bench/clips.py

Each row is a fresh process (Linux only), timed from start to end; the smallest of three. Memory is
the peak of the process above what it had with the library loaded. The recording is a screen of
1920 x 1080 on which text scrolls, at 30 pictures a second, with sound.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

MIB = 1 << 20
SETTINGS = [
    *("-vf", "fps=10,scale=1280:720"),
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", "200", "-threads", "2"),
    *("-c:a", "aac", "-ac", "1", "-ar", "24000", "-b:a", "48k", "-movflags", "+faststart"),
]


def write_screen(path: Path, seconds: int) -> Path:
    """A screen recording: ten seconds are encoded and repeated."""
    import numpy as np
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (1920, 3240), "white")
    draw = ImageDraw.Draw(page)
    for line in range(150):
        words = f"{line:4}  for name, value in sorted(table.items()):  # {line * 7919 % 10007}"
        draw.text((40, line * 21), words * 2, fill=(30, 30, 60))
    pixels = np.asarray(page)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "g": "60"})
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        audio = out.add_stream("aac", rate=48000, layout="mono")
        for index in range(300):
            # Half a second of scrolling, then two seconds of reading.
            top = (index // 75 * 15 + min(index % 75, 15)) * 24
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(pixels[top : top + 1080]), format="rgb24"
            )
            out.mux(video.encode(frame))
        noise = np.random.default_rng(0).normal(0, 0.05, (1, 480_000)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        sound.sample_rate = 48000
        out.mux([*audio.encode(sound), *audio.encode(), *video.encode()])
    with av.open(str(path), "w") as out:
        for round_ in range(seconds // 10):
            with av.open(str(part)) as source:
                if not out.streams:
                    tracks = [out.add_stream_from_template(s) for s in source.streams]
                for packet in source.demux():
                    if packet.size and (packet.stream.type == "video" or _inside(packet)):
                        shift = round(round_ * 10 / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = tracks[packet.stream_index]
                        out.mux(packet)
    part.unlink()
    return path


def _inside(packet: av.Packet) -> bool:
    """Whether it is none that an encoder of sound puts before the start or after the end."""
    return 0 <= packet.pts * packet.time_base < 9.99


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def copy(source: Path, folder: Path) -> None:
    from mediasense.media.recordings.clips import copy_clips

    copy_clips(source, folder, max_bytes=None, max_seconds=None)


def cut(source: Path, folder: Path) -> None:
    from mediasense.media.recordings.clips import copy_clips

    copy_clips(source, folder, max_bytes=20 * MIB, max_seconds=120)


def encode(source: Path, folder: Path) -> None:
    from mediasense.media.recordings.clips import encode_clip

    encode_clip(source, folder, max_bytes=None)


def inspect(source: Path, folder: Path) -> None:  # noqa: ARG001
    from mediasense.media.recordings import inspect_recording

    inspect_recording(source, "a")


WORK: dict[str, Callable[[Path, Path], None]] = {
    "copy": copy,
    "cut": cut,
    "encode": encode,
    "inspect": inspect,
}


def measure(work: str, source: str, folder: str) -> None:
    import numpy as np  # noqa: F401

    import mediasense.media.recordings.clips  # noqa: F401

    Path("/proc/self/clear_refs").write_text("5")
    before, start = _status("VmRSS"), time.perf_counter()
    WORK[work](Path(source), Path(folder))
    print(time.perf_counter() - start, _status("VmHWM") - before)


def ours(work: str, source: Path, times: int = 3) -> tuple[float, int]:
    found = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, work, str(source), folder]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            seconds, peak = said.split()
            found.append((float(seconds), int(peak)))
    return min(s for s, _ in found), max(p for _, p in found)


def theirs(options: list[str], source: Path, times: int = 3) -> float:
    found = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            target = str(Path(folder, "a.mp4"))
            command = ["ffmpeg", "-v", "error", "-threads", "2", "-i", str(source), *options]
            start = time.perf_counter()
            subprocess.run([*command, target], check=True)
            found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        long = write_screen(Path(folder, "long.mp4"), 600)
        short = write_screen(Path(folder, "short.mp4"), 60)
        faststart = ["-c", "copy", "-movflags", "+faststart"]
        size = long.stat().st_size / MIB
        print(f"10 minutes of 1080p, {size:.0f} MiB{'':<12} {'seconds':>8} {'ratio':>6} {'MiB':>6}")
        plain = theirs(faststart, long)
        print(f"{'copy, ffmpeg -c copy':<40} {plain:8.2f}")
        for work in ("copy", "cut"):
            seconds, peak = ours(work, long)
            print(f"{work:<40} {seconds:8.2f} {seconds / plain:6.2f} {peak / MIB:6.1f}")
        _, peak = ours("cut", short)
        print(f"{'cut, 1 minute':<40} {'':8} {'':6} {peak / MIB:6.1f}")
        seconds, peak = ours("inspect", long)
        print(f"{'inspect':<40} {seconds:8.3f} {seconds / plain:6.3f} {peak / MIB:6.1f}")
        plain = theirs(SETTINGS, short)
        print(f"{'encode 1 minute, ffmpeg':<40} {plain:8.2f}")
        seconds, peak = ours("encode", short)
        print(f"{'encode 1 minute':<40} {seconds:8.2f} {seconds / plain:6.2f} {peak / MIB:6.1f}")
        _, peak = ours("encode", long, times=1)
        print(f"{'encode 10 minutes':<40} {'':8} {'':6} {peak / MIB:6.1f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
    else:
        main()
