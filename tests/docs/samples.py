"""The files that the pages speak of, under the names they use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples" / "media"
_RATE = 16_000


def make(folder: Path) -> Path:
    """Make them all."""
    for name in ("shot.png", "before.png", "after.png", "form.png", "a.png", "b.png"):
        shutil.copy(EXAMPLES / "error-dialog.png", folder / name)
    shutil.copy(EXAMPLES / "spoken-sentence.wav", folder / "talk.wav")
    shutil.copytree(EXAMPLES.parent / "policies", folder / "policies")
    (folder / "photos").mkdir()
    for index in range(3):
        Image.new("RGB", (320, 240), (80 * index, 90, 120)).save(folder / f"photos/{index}.jpg")
    (folder / "recordings" / "monday").mkdir(parents=True)
    _record(folder / "clip.mp4", seconds=4, size=(320, 240))
    for name in ("recordings/monday/1.mp4", "recordings/monday/2.mp4"):
        shutil.copy(folder / "clip.mp4", folder / name)
    _record(folder / "demo.mp4", seconds=63.2, size=(1920, 1080))
    shutil.copy(folder / "clip.mp4", folder / "meeting.mp4")
    _keep_sound(folder / "talk.wav", folder / "meeting.m4a")
    _save_heic(folder / "shot.png", folder / "before.heic")
    (folder / "ask.md").write_text("What happens?\n")
    (folder / "rows.csv").write_text("source,prompt\nshot.png,what is it?\nphotos/1.jpg,\n")
    fault = {"type": "object", "properties": {"fault": {"type": "string"}}, "required": ["fault"]}
    (folder / "fault.json").write_text(json.dumps({**fault, "additionalProperties": False}))
    return folder


def _save_heic(source: Path, path: Path) -> None:
    import pillow_heif

    with Image.open(source) as picture:
        pillow_heif.from_pillow(picture.convert("RGB")).save(path)


def _keep_sound(source: Path, path: Path) -> None:
    """The same sound, as a telephone records it."""
    with av.open(str(source)) as given, av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=given.streams.audio[0].rate)
        for frame in given.decode(audio=0):
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _record(path: Path, *, seconds: float, size: tuple[int, int], fps: int = 5) -> None:
    """A recording of a screen that is another one every five seconds, with a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=_RATE, layout="mono")
        for index in range(round(seconds * fps)):
            picture = np.full((size[1], size[0], 3), index // (5 * fps) * 37 % 256, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        samples = (np.sin(np.arange(int(seconds * _RATE)) / 8) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = _RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
