"""Peak memory of the whole engine: a question about a video as frames, for one minute and for ten.

    python bench/engine.py [FOLDER]

A recording of 1080p with sound is asked about through a loopback server, with the command line, as
a user would. What counts is the most that the program and its decoders hold together (Linux only,
sampled 50 times a second). The baseline is the one-minute recording in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from server import running

MIB = 1 << 20
TARGET_MIB = 300
PAGE = os.sysconf("SC_PAGE_SIZE")


def write_recording(path: Path, seconds: int) -> Path:
    """1080p, 30 pictures a second, a new screen each 7 s, and a tone in bursts."""
    import av
    import numpy as np

    if path.exists():
        return path
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "28"})
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        audio = out.add_stream("aac", rate=44_100, layout="mono")
        for second in range(seconds):
            if second % 7 == 0:
                small = random.integers(0, 255, (68, 120, 3), np.uint8)
                screen = small.repeat(16, 0).repeat(16, 1)[:1080]
                picture = av.VideoFrame.from_ndarray(screen, format="rgb24").reformat(
                    format="yuv420p"
                )
            for index in range(30):
                picture.pts = second * 30 + index
                out.mux(video.encode(picture))
            loud = 8000 if second % 3 else 0
            samples = (np.sin(np.arange(44_100) / 20) * loud).astype(np.int16)
            sound = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
            sound.sample_rate, sound.pts = 44_100, second * 44_100
            out.mux(audio.encode(sound))
        out.mux(video.encode())
        out.mux(audio.encode())
    return path


def held(pid: int) -> int:
    """Bytes that a process and its children hold in memory; shared pages count in each."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return own + sum(held(int(child)) for child in children)


def peak(command: list[str], environment: dict[str, str]) -> int:
    """The most that a command and its children held."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, held(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{command} failed: {process.returncode}")
    return most


def main(folder: Path) -> None:
    with running() as url:
        environment = {**os.environ, "MEDIASENSE_API_KEY": "bench"}
        first = 0
        for seconds in (60, 600):
            video = write_recording(folder / f"engine-{seconds}.mp4", seconds)
            command = [sys.executable, "-m", "mediasense", "video", str(video), "what happens?"]
            command += ["--provider", "groq", "--base-url", f"{url}/v1"]
            most = peak(command, environment)
            first = first or most
            print(
                f"{seconds:>4} s of 1080p as frames with its sound: peak {most / MIB:.0f} MiB, "
                f"{most / first:.2f} of the first (target: below {TARGET_MIB} MiB, not growing)"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
