"""Sound out of a video of ten minutes, against the ffmpeg binary doing the same.

    python bench/sound.py [ROUNDS]

Both are measured as whole processes, and again less what an idle start of each takes: the engine's
process is started once for many jobs, and loads FFmpeg's libraries before the first. The two take
turns; the least of all rounds counts. At the end: the peak of memory for one minute and for ten.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
MONO = ["-vn", "-ar", "16000", "-ac", "1"]
FORMATS = {
    "copy": ["-vn", "-c:a", "copy", "{}.m4a"],
    "wav": [*MONO, "-c:a", "pcm_s16le", "{}.wav"],
    "flac": [*MONO, "-c:a", "flac", "{}.flac"],
    "mp3": [*MONO, "-c:a", "libmp3lame", "-b:a", "48k", "{}.mp3"],
    "opus": [*MONO, "-c:a", "libopus", "-b:a", "24k", "{}.ogg"],
    "m4a": [*MONO, "-c:a", "aac", "-b:a", "48k", "-movflags", "+faststart", "{}.m4a"],
}
WORK: dict[str, Any] = {
    "flac": {"format": "flac"},
    "flac, pieces of 1 MB": {"format": "flac", "max_bytes": 1_000_000},
    "flac, pieces, no silence": {"format": "flac", "max_bytes": 1_000_000, "skip_silence": True},
    "wav, pieces of 60 s": {"format": "wav", "max_seconds": 60.0},
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds on the wall and of the processors, and its peak in MiB."""

    wall: float
    cpu: float
    peak: float


def run(command: list[str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, command
    wall = time.perf_counter() - began
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def least(costs: list[Cost]) -> Cost:
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), min(c.peak for c in costs))


def ours(work: str, source: Path, folder: Path) -> list[str]:
    return [sys.executable, "-P", __file__, work, str(source), str(folder)]


def perform(work: str, source: str, folder: str) -> None:
    import av  # noqa: F401 - the idle start loads it too

    from mediasense.media.sound import extract_sound, find_pauses

    if work == "idle":
        return
    if work == "find pauses":
        find_pauses(Path(source))
        return
    extract_sound(Path(source), Path(folder), **WORK.get(work, {"format": work}))
    for made in Path(folder).iterdir():
        made.unlink()


def make(folder: Path, seconds: int) -> Path:
    """A 720p screen with speech-like sound: AAC, 44.1 kHz, stereo."""
    clip, path = folder / "clip.mp4", folder / f"{seconds}.mp4"
    if not clip.exists():
        words = "0.3*sin(2*PI*220*t)*(1+sin(2*PI*4*t))*gt(mod(t,7),2.5)+0.004*(random(0)-0.5)"
        words = words.replace(",", "\\,")
        sound = ["-f", "lavfi", "-i", f"aevalsrc='{words}|{words}':s=44100:d=20"]
        picture = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=20"]
        coding = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "1500k"]
        coding += ["-c:a", "aac", "-b:a", "128k", str(clip)]
        subprocess.run([*FFMPEG, *picture, *sound, *coding], check=True)
    loop = ["-stream_loop", str(seconds // 20 - 1), "-i", str(clip), "-c", "copy", str(path)]
    subprocess.run([*FFMPEG, *loop], check=True)
    return path


def speed(source: Path, folder: Path, rounds: int) -> None:
    idle = least([run(ours("idle", source, folder)) for _ in range(rounds)])
    start = least([run(["ffmpeg", "-version"]) for _ in range(rounds)])
    print(
        f"start-up: ffmpeg {start.wall:.2f} s, Python with FFmpeg's libraries {idle.wall:.2f} s\n"
    )
    heads = ("ffmpeg s", "mediasense s", "ratio", "less start-up")
    print(f"{'600 s to':<8}" + "".join(f" {head:>15}" for head in heads))
    print(f"{'':<8}" + " {:>15}".format("wall / cpu") * len(heads))
    for form, options in FORMATS.items():
        coding = [option.format(folder / "ffmpeg") for option in options]
        theirs, mine = [], []
        for _ in range(rounds):
            theirs.append(run([*FFMPEG, "-i", str(source), *coding]))
            mine.append(run(ours(form, source, folder / "ours")))
        a, b = least(theirs), least(mine)
        pairs = (
            (a.wall, a.cpu),
            (b.wall, b.cpu),
            (b.wall / a.wall, b.cpu / a.cpu),
            (
                (b.wall - idle.wall) / (a.wall - start.wall),
                (b.cpu - idle.cpu) / (a.cpu - start.cpu),
            ),
        )
        print(f"{form:<8}" + "".join(f" {wall:8.2f} / {cpu:4.2f}" for wall, cpu in pairs))


def memory(short: Path, long: Path, folder: Path) -> None:
    print(f"\n{'peak MiB':<28} {'60 s':>6} {'600 s':>6}")
    for work in (*WORK, "find pauses"):
        small, large = (run(ours(work, source, folder)).peak for source in (short, long))
        print(f"{work:<28} {small:6.0f} {large:6.0f}")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ours").mkdir()
        short, long = make(folder, 60), make(folder, 600)
        speed(long, folder, rounds)
        memory(short, long, folder / "ours")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        perform(*sys.argv[1:])
    else:
        main()
