"""Make the example media anew: `python examples/media/make.py`.

The examples need files with a known content and no rights of others on them, so all three are
made here: the pages beside this script are drawn by Chromium, the voice is espeak-ng's. Needs
both programs on PATH, and the packages av, numpy and pillow.
"""

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

SENTENCE = "Please restart the billing service before noon, and tell me when it is done."
SENTENCE_RATE = 16_000

SECONDS = 13
FPS = 20
KEY_FRAME_EVERY = 2 * FPS
SOUND_RATE = 48_000

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Shot:
    """What the screen shows from `start` (in seconds) until the next shot."""

    start: float
    page: str
    state: dict[str, str]


# When the voice begins to say what. No sentence may run into the next one.
NARRATION = (
    (0.2, "First, I sign in with my e-mail address."),
    (3.9, "Then I search for overdue invoices."),
    (7.4, "When I open one, the session has expired."),
    (10.6, "So I have to sign in again."),
)

# Where the tip of the cursor is when; it glides from each point to the next.
CURSOR = (
    (0.0, 980, 560),
    (0.7, 600, 257),
    (2.2, 600, 257),
    (2.5, 600, 331),
    (3.1, 600, 331),
    (3.5, 640, 393),
    (3.8, 640, 393),
    (4.3, 400, 136),
    (5.3, 400, 136),
    (5.7, 1110, 136),
    (6.1, 1110, 136),
    (7.2, 1111, 381),
    (8.6, 1111, 381),
    (9.8, 1195, 97),
    (10.5, 1195, 97),
    (11.5, 640, 330),
    (13.0, 600, 309),
)


def storyboard() -> list[Shot]:
    """List the shots of the recording in order, one for each key that is typed."""
    email = "anna@example.com"
    signing_in = [Shot(0.0, "sign-in.html", {})]
    for count in range(len(email) + 1):
        state = {"email": email[:count], "focus": "email"}
        signing_in.append(Shot(0.7 + 0.09 * count, "sign-in.html", state))
    for count in range(9):
        state = {"email": email, "password": str(count), "focus": "password"}
        signing_in.append(Shot(2.5 + 0.07 * count, "sign-in.html", state))

    query = "overdue"
    searching = [
        Shot(3.7 if count == 0 else 4.3 + 0.12 * count, "search.html", {"query": query[:count]})
        for count in range(len(query) + 1)
    ]
    found = {"query": query, "found": "1"}
    return [
        *signing_in,
        *searching,
        Shot(5.9, "search.html", found),
        Shot(7.4, "search.html", {**found, "expired": "1"}),
        Shot(10.2, "sign-in.html", {"notice": "1"}),
        Shot(11.7, "sign-in.html", {"notice": "1", "focus": "email"}),
    ]


def program(*names: str) -> str:
    """Return the first of these programs that is on PATH."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise SystemExit(f"not found on PATH: {' or '.join(names)}")


def screenshot(
    page: str, size: tuple[int, int], state: dict[str, str] | None = None
) -> Image.Image:
    """Draw a page as Chromium shows it; `state` goes to the page's script as its query string.

    Each call has a profile of its own, so that calls can run side by side.
    """
    url = f"{(HERE / 'pages' / page).as_uri()}?{urlencode(state or {})}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        target = Path(scratch, "page.png")
        command = [
            program(*BROWSERS),
            "--headless",
            "--no-sandbox",  # Chromium refuses to start as a container's root without this.
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            f"--user-data-dir={scratch}/profile",
            f"--window-size={size[0]},{size[1]}",
            f"--screenshot={target}",
            url,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return Image.open(target).convert("RGB")


def speak(text: str, rate: int) -> Samples:
    """Say a text in American English and return it as mono samples at `rate`."""
    with tempfile.TemporaryDirectory() as scratch:
        spoken = Path(scratch, "spoken.wav")
        command = [program("espeak-ng"), "-v", "en-us", "-s", "160", "-w", str(spoken), text]
        subprocess.run(command, check=True, timeout=60)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        with av.open(str(spoken)) as container:
            parts = [
                part.to_ndarray()[0]
                for frame in (*container.decode(audio=0), None)
                for part in resampler.resample(frame)
            ]
    return np.concatenate(parts)


def narrate() -> Samples:
    """Place the narration's sentences on one track as long as the recording."""
    track = np.zeros(SECONDS * SOUND_RATE, np.int16)
    free_from = 0
    for start, text in NARRATION:
        voice = speak(text, SOUND_RATE)
        first = round(start * SOUND_RATE)
        if first < free_from or first + len(voice) > len(track):
            raise SystemExit(f"no room for this sentence at {start} s: {text}")
        free_from = first + len(voice)
        track[first:free_from] = voice
    return track


def cursor_image() -> Image.Image:
    """Draw an arrow with its tip at the top left, four times too large and shrunk to be smooth."""
    outline = [(1, 1), (1, 18), (5, 14), (8, 21), (11, 20), (8, 13), (14, 13)]
    large = Image.new("RGBA", (64, 96))
    points = [(4 * x, 4 * y) for x, y in outline]
    ImageDraw.Draw(large).polygon(points, fill="black", outline="white", width=5)
    return large.resize((16, 24), Image.Resampling.LANCZOS)


def cursor_at(second: float) -> tuple[int, int]:
    """Return where the cursor is; it starts and stops gently, as a hand moves it."""
    for (begin, x0, y0), (end, x1, y1) in pairwise(CURSOR):
        if second < end:
            part = (second - begin) / (end - begin)
            eased = part * part * (3 - 2 * part)
            return round(x0 + (x1 - x0) * eased), round(y0 + (y1 - y0) * eased)
    return CURSOR[-1][1:]


def record() -> Iterator[Image.Image]:
    """Yield the recording's pictures, one for each frame."""
    shots = storyboard()
    with ThreadPoolExecutor(4) as pool:
        screens = list(pool.map(lambda shot: screenshot(shot.page, (1280, 720), shot.state), shots))
    cursor = cursor_image()
    for number in range(SECONDS * FPS):
        second = number / FPS
        shown = max(index for index, shot in enumerate(shots) if shot.start <= second)
        picture = screens[shown].copy()
        picture.paste(cursor, cursor_at(second), cursor)
        yield picture


def write_picture(target: Path) -> None:
    """Write the screenshot of the error dialog."""
    screenshot("error-dialog.html", (1280, 800)).save(target, optimize=True)


def write_recording(target: Path) -> None:
    """Write the screen recording, laid out as screen recorders and browsers write theirs.

    The key frames come at fixed times, not where a page changes: real recordings give no such
    hint to a reader that looks for the changes.
    """
    # Picture and sound are encoded one after the other, so the writer must wait for both.
    options = {"movflags": "+faststart", "max_interleave_delta": "0"}
    with av.open(str(target), "w", options=options) as container:
        video = container.add_stream("libx264", FPS, options={"crf": "26", "sc_threshold": "0"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        video.gop_size = KEY_FRAME_EVERY
        video.codec_context.colorspace = Colorspace.ITU709
        video.codec_context.color_range = ColorRange.MPEG
        sound = container.add_stream("aac", SOUND_RATE, layout="mono", bit_rate=64_000)

        for number, picture in enumerate(record()):
            drawn = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame = drawn.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode())

        voice = av.AudioFrame.from_ndarray(narrate()[np.newaxis], format="s16", layout="mono")
        voice.rate = SOUND_RATE
        container.mux(sound.encode(voice))
        container.mux(sound.encode())


def write_sentence(target: Path) -> None:
    """Write the spoken sentence in the format that speech recognisers work in."""
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SENTENCE_RATE)
        file.writeframes(speak(SENTENCE, SENTENCE_RATE).astype("<i2").tobytes())


if __name__ == "__main__":
    write_picture(HERE / "error-dialog.png")
    write_recording(HERE / "screen-recording.mp4")
    write_sentence(HERE / "spoken-sentence.wav")
