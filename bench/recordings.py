"""Screen recordings whose changes are known, for benchmarks and tests of key frames.

A recording is a list of screens, each with the second at which it appears, and what moves over
them: a cursor, a caret, a spinner. Text is drawn by Pillow once a screen; frames that stand still
are encoded again without being drawn, so that ten minutes take about two to make.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TEXT = (
    "the quick report shows that every server was idle between noon and four while users waited "
    "for settings invoice total warning network folder window account table column release"
)
WORDS = _TEXT.split()

Luma = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What stands on screen, from when it stands still.

    Attributes:
        start: Second at which it has come to stand.
        kind: What it took: page, dialog, line, status, fade, scroll, back.
        luma: The picture, without what moves.
        before: Seconds of fading or scrolling that led to it.
        pixels: For scrolling, how far.
    """

    start: float
    kind: str
    luma: Luma
    before: float = 0.0
    pixels: int = 0


@dataclass(slots=True, kw_only=True)
class Script:
    """A recording to make.

    Attributes:
        cursor: Seconds during which it moves, from and to.
        caret, spinner: Seconds during which it blinks or turns.
    """

    width: int
    height: int
    seconds: float
    screens: list[Screen] = field(default_factory=list)
    cursor: list[tuple[float, float]] = field(default_factory=list)
    caret: list[tuple[float, float]] = field(default_factory=list)
    spinner: list[tuple[float, float]] = field(default_factory=list)

    def end_of(self, index: int) -> float:
        """When the screen begins to go."""
        if index + 1 == len(self.screens):
            return self.seconds
        following = self.screens[index + 1]
        return following.start - following.before


def page(width: int, height: int, seed: int, *, dark: bool = False) -> Luma:
    """A page of text with a title, a bar and a picture or two."""
    dice = random.Random(seed)
    scale = max(1.0, height / 1080)
    paper, ink = (30, 220) if dark else (250, 25)
    picture = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, round(48 * scale)), fill=200 if not dark else 60)
    title = ImageFont.load_default(round(26 * scale))
    draw.text((20, 8 * scale), " ".join(dice.choices(WORDS, k=4)), fill=ink, font=title)
    body = ImageFont.load_default(round(16 * scale))
    left = round(dice.uniform(0.05, 0.3) * width)
    for row in range(round(80 * scale), height - round(80 * scale), round(24 * scale)):
        if dice.random() < 0.15:
            continue
        text = " ".join(dice.choices(WORDS, k=dice.randint(3, max(4, int(width / scale) // 90))))
        draw.text((left, row), text, fill=ink, font=body)
    box = [round(v) for v in (width * 0.72, height * 0.2, width * 0.95, height * 0.45)]
    shades = np.linspace(60, 200, box[2] - box[0])[None, :].repeat(box[3] - box[1], 0)
    shades = shades + np.random.default_rng(seed).normal(0, 6, shades.shape)
    picture.paste(Image.fromarray(shades.clip(0, 255).astype(np.uint8)), (box[0], box[1]))
    return np.array(picture)


def dialog(under: Luma, seed: int) -> Luma:
    """A small window with a question over a screen."""
    height, width = under.shape
    dice = random.Random(seed)
    picture = Image.fromarray(under)
    draw = ImageDraw.Draw(picture)
    wide, high = round(width * 0.3), round(height * 0.22)
    left, top = round(dice.uniform(0.1, 0.55) * width), round(dice.uniform(0.2, 0.6) * height)
    draw.rectangle((left, top, left + wide, top + high), fill=235, outline=40, width=2)
    font = ImageFont.load_default(max(12, round(18 * height / 1080)))
    draw.text((left + 20, top + 20), " ".join(dice.choices(WORDS, k=4)) + "?", fill=10, font=font)
    draw.text((left + 20, top + high // 2), "Cancel      OK", fill=10, font=font)
    return np.array(picture)


def line(under: Luma, seed: int) -> Luma:
    """One more line of text, at the bottom."""
    height, width = under.shape
    dice = random.Random(seed)
    picture = Image.fromarray(under)
    size = max(12, round(16 * height / 1080))
    draw = ImageDraw.Draw(picture)
    top = height - round(size * 4.6)
    draw.rectangle((20, top, width // 2, top + size * 2), fill=int(under[top, 5]))
    ink = 25 if under[top, 5] > 128 else 220
    font = ImageFont.load_default(size)
    draw.text((24, top + 2), f"$ {' '.join(dice.choices(WORDS, k=4))}", fill=ink, font=font)
    return np.array(picture)


def status(under: Luma, seed: int) -> Luma:
    """Another word of 80 by 16 pixels in the corner."""
    height, width = under.shape
    picture = Image.fromarray(under)
    draw = ImageDraw.Draw(picture)
    left, top = width - 110, height - 24
    shade = int(under[top, 5])
    draw.rectangle((left, top, left + 79, top + 15), fill=shade)
    dice, font = random.Random(seed), ImageFont.load_default(13)
    text = dice.choice(WORDS)
    while draw.textlength(text, font) < 66:
        text = f"{text} {dice.choice(WORDS)}"
    ink = 25 if shade > 128 else 220
    draw.text((left + 1, top), text, fill=ink, font=font)
    picture.paste(Image.fromarray(under[:, left + 80 :]), (left + 80, 0))
    return np.array(picture)


def scrolled(under: Luma, pixels: int) -> Luma:
    """The screen under its bar moved up."""
    bar = round(50 * max(1.0, under.shape[0] / 1080))
    moved = under.copy()
    moved[bar:] = np.roll(under[bar:], -pixels, axis=0)
    return moved


_SCROLLED = 0.3  # of the height

KINDS = ("page", "dialog", "back", "line", "status", "scroll", "page", "fade", "line", "status")


def script(
    width: int,
    height: int,
    seconds: float,
    screens: int,
    *,
    seed: int = 1,
    kinds: tuple[str, ...] = KINDS,
    movement: bool = True,
) -> Script:
    """Screens of the given kinds in turn, each at least 1.4 seconds."""
    dice = random.Random(seed)
    made = Script(width=width, height=height, seconds=seconds)
    gaps = [1.6 + dice.random() ** 2 * 2 for _ in range(screens)]
    room = [0.0 if k == 0 else _before(kinds[k % len(kinds)]) for k in range(screens)]
    stretch = (seconds - sum(room)) / sum(gaps)
    assert min(gaps) * stretch > 1.3, "too many screens"
    now, screen = 0.0, _Drawn(page(width, height, seed), page(width, height, seed))
    for index in range(screens):
        kind = kinds[index % len(kinds)] if index else "page"
        screen = _next(screen, kind, index, seed)
        now += room[index]
        made.screens.append(
            Screen(
                start=now,
                kind=kind,
                luma=screen.current,
                before=room[index],
                pixels=round(height * _SCROLLED) if kind == "scroll" else 0,
            )
        )
        now += gaps[index] * stretch
    if movement:
        _move(made)
    return made


def _move(made: Script) -> None:
    """A cursor over every third screen, a caret or a spinner over others."""
    for index, shown in enumerate(made.screens):
        length = made.end_of(index) - shown.start
        if index % 3 == 1:
            made.cursor.append((shown.start + 0.1 * length, shown.start + 0.6 * length))
        elif index % 6 == 2:
            made.caret.append((shown.start, shown.start + length))
        elif index % 6 == 5:
            made.spinner.append((shown.start + 0.2 * length, shown.start + 0.9 * length))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A screen, and what is under its dialog."""

    current: Luma
    ground: Luma


def _next(screen: _Drawn, kind: str, index: int, seed: int) -> _Drawn:
    """What the screen becomes."""
    height, width = screen.current.shape
    number = seed * 1000 + index
    if kind in ("page", "fade"):
        fresh = page(width, height, number, dark=index % 7 == 3)
        return _Drawn(fresh, fresh)
    if kind == "dialog":
        return _Drawn(dialog(screen.current, index), screen.current)
    if kind == "back":
        return _Drawn(screen.ground, screen.ground)
    if kind == "scroll":
        return _Drawn(scrolled(screen.current, round(height * _SCROLLED)), screen.ground)
    return _Drawn({"line": line, "status": status}[kind](screen.current, number), screen.ground)


def _before(kind: str) -> float:
    return {"fade": 2.0, "scroll": 1.2, "line": 1.0}.get(kind, 0.0)


def _within(spans: list[tuple[float, float]], now: float) -> bool:
    return any(start <= now < end for start, end in spans)


def _arrow(size: int) -> tuple[Luma, Luma]:
    """The shape of a mouse cursor and where it covers."""
    picture = Image.new("L", (size, size * 3 // 2), 0)
    mask = Image.new("L", picture.size, 0)
    points = [(0, 0), (0, size * 1.3), (size * 0.35, size), (size * 0.9, size * 0.9)]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    ImageDraw.Draw(picture).polygon(points, fill=10, outline=255)
    return np.array(picture), np.array(mask) > 0


def pictures(script: Script, fps: int) -> Iterator[tuple[Luma, bool]]:
    """Every frame, and whether it differs from the one before it."""
    scale = max(1, script.height // 1080)
    shape, covers = _arrow(14 * scale)
    index, last_key, last = 0, None, None
    place = (script.width * 0.3, script.height * 0.4)
    for number in range(round(script.seconds * fps)):
        now = number / fps
        while index + 1 < len(script.screens) and now >= script.end_of(index):
            index += 1
        shown = script.screens[index]
        moving = _within(script.cursor, now)
        if moving:
            place = (
                script.width * (0.5 + 0.42 * math.sin(now * 1.3)),
                script.height * (0.5 + 0.4 * math.sin(now * 1.9)),
            )
        caret = _within(script.caret, now) and int(now * 2) % 2
        spin = int(now * 10) % 8 if _within(script.spinner, now) else -1
        progress = 1.0
        if now < shown.start and index:
            progress = 1 - (shown.start - now) / shown.before
        key = (index, round(progress, 4), place, caret, spin)
        if key == last_key:
            assert last is not None
            yield last, False
            continue
        base = shown.luma
        if progress < 1:
            base = _between(script.screens[index - 1].luma, shown, progress)
        drawn = base.copy()
        if caret:
            drawn[300 * scale : 318 * scale, 200 * scale : 202 * scale] = 20
        if spin >= 0:
            middle, angle = 60 * scale, spin * math.pi / 4
            x, y = (round(middle + 12 * scale * f(angle)) for f in (math.cos, math.sin))
            drawn[y + 200 : y + 200 + 6 * scale, x : x + 6 * scale] = 128
        left, top = (round(v) for v in place)
        part = drawn[top : top + shape.shape[0], left : left + shape.shape[1]]
        seen = covers[: part.shape[0], : part.shape[1]]
        part[seen] = shape[: part.shape[0], : part.shape[1]][seen]
        last_key, last = key, drawn
        yield drawn, True


def _between(old: Luma, new: Screen, progress: float) -> Luma:
    if new.kind == "fade":
        mixed = old.astype(np.float32) * (1 - progress) + new.luma.astype(np.float32) * progress
        return mixed.astype(np.uint8)
    if new.kind == "scroll":
        return scrolled(old, round(new.pixels * progress))
    shown = old.copy()  # typing, from left to right
    edge = round(20 + (new.luma.shape[1] // 2 - 20) * progress)
    shown[:, :edge] = new.luma[:, :edge]
    return shown


def record(
    script: Script,
    path: Path,
    *,
    keys: float | None,
    fps: int = 30,
    crf: int = 23,
    codec: str = "libx264",
    preset: str = "veryfast",
    options: dict[str, str] | None = None,
) -> Path:
    """Encode a script.

    Args:
        script: What to draw.
        path: The file; one that exists is left as it is.
        fps: Frames a second.
        crf: The quality; 18 is good, 35 is bad.
        codec: FFmpeg's name of the encoder.
        preset: Its preset.
        options: Further options.
        keys: A key frame at least each so many seconds; ``None`` for one at the start only, and
            none where the encoder sees a new scene.
    """
    if path.exists():
        return path
    settings = {"crf": str(crf), "preset": preset}
    if codec == "libx264":
        settings |= {"g": str(round(keys * fps))} if keys else {"g": "100000", "sc_threshold": "0"}
    settings |= options or {}
    part = path.with_name("part-" + path.name)
    with av.open(str(part), "w") as out:
        stream = out.add_stream(codec, rate=fps, options=settings)
        stream.width, stream.height, stream.pix_fmt = script.width, script.height, "yuv420p"
        stream.codec_context.thread_count = 2
        chroma = np.full((script.height // 2, script.width), 128, np.uint8)
        frame = None
        for number, (luma, fresh) in enumerate(pictures(script, fps)):
            if fresh or frame is None:
                frame = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    part.rename(path)
    return path
