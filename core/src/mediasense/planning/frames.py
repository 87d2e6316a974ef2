"""How many frames of a video are chosen, and how they are parted into calls."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mediasense.media.images.fitting import Pixels, scale_into
from mediasense.planning.images import MAX_CALLS, legible, share_of
from mediasense.planning.limits import facts
from mediasense.planning.options import MAX_FRAMES as MOST_FRAMES
from mediasense.planning.plans import FrameWork
from mediasense.providers import ImageLimits
from mediasense.types import Media, Question

FRAME_SIDE = 1920
"""Pixels: a frame is sent no larger, and a screen of 1920 x 1080 stays as it is."""

PER_CALL = 60
"""Images in one call, where the service states no limit."""

MAX_FRAMES = 240
_LEAST_FRAMES = 30
_COUNTED = 1e9
_SECONDS_PER_FRAME = 5.0

SINGLE_CALLS = 30
"""Calls with one image each that one question may cost."""

SHEETS = (2, 3, 4)
"""Columns, and rows, of the contact sheets that are tried, the most legible first."""

_LEAST_CELL = 160
"""Pixels of a frame and its time on a contact sheet: on smaller ones nothing can be told."""


def frame_work(
    media: Media, question: Question, limits: ImageLimits, seconds: float | None, *, joins: bool
) -> FrameWork:
    """Decide how many frames are sent, and how large.

    Args:
        media: The video.
        question: What is asked, with its ``frames``, ``every`` and ``fps``.
        limits: What the provider takes of images.
        seconds: How much of the recording is asked about.
        joins: Whether answers of several calls can be joined.
    """
    per_call = min(limits.max_items or PER_CALL, legible(limits) or PER_CALL)
    calls = 1 if not joins else SINGLE_CALLS if per_call == 1 else MAX_CALLS
    every = question.every or (1 / question.fps if question.fps else None)
    wanted = None if every is None else regular_frames(media, seconds, every)
    side = _sheet_side(limits)
    possible = min(MOST_FRAMES, per_call * calls * _columns(side)[-1] ** 2)
    most = min(question.frames or _budget(seconds, every), possible)
    per_call = min(per_call, most)
    size = _frame_size(media, limits)
    return FrameWork(
        most=most,
        possible=possible,
        every=every,
        wanted=wanted,
        apart=every if wanted is None or wanted <= most else (seconds or 0) / max(1, most - 1),
        per_call=per_call,
        calls=min(calls, -(-most // per_call)),
        width=size.width,
        height=size.height,
        sheet_side=side,
        max_bytes=share_of(limits, per_call),
        mime_type="image/jpeg" if "image/jpeg" in limits.mime_types else "image/png",
    )


def regular_frames(media: Media, seconds: float | None, every: float) -> int | None:
    """How many frames there are at regular times; ``None`` when the length is not known."""
    if seconds is None:
        return None
    found = facts(media)
    pictures = seconds * found.fps if found is not None and found.fps else math.inf
    return max(1, math.ceil(min(seconds / every, pictures, _COUNTED)))


def few_frames(work: FrameWork, question: Question) -> str:
    """What is told where fewer frames are sent than were asked for; ``""`` where none are missing.

    Args:
        work: What was planned.
        question: What was asked.
    """
    if work.every is None:
        asked = question.frames or 0
        return f"takes {work.most} frames in all, not {asked}" if asked > work.most else ""
    if work.wanted is None or work.wanted <= work.most:
        return ""
    words = f"{work.wanted - work.most} of {work.wanted} frames asked for are left out"
    if work.most > 1:
        words += f": one each {work.apart:.3g} s is sent, not one each {work.every:.3g} s"
    return words + more_frames(work)


def more_frames(work: FrameWork) -> str:
    """What to do for more frames, where something can be done."""
    return "; raise --frames" if work.most < work.possible else ""


def _budget(seconds: float | None, every: float | None) -> int:
    """Frames that a recording of that length may be worth."""
    if seconds is None:
        return MAX_FRAMES
    if every is not None:
        return math.floor(min(MAX_FRAMES, seconds / every + 2))
    return min(MAX_FRAMES, _LEAST_FRAMES + math.ceil(seconds / _SECONDS_PER_FRAME))


def _frame_size(media: Media, limits: ImageLimits) -> Pixels:
    return scale_into(
        Pixels(width=media.width or FRAME_SIDE, height=media.height or FRAME_SIDE),
        max_pixels=limits.max_pixels,
        max_side=min(FRAME_SIDE, limits.max_side or FRAME_SIDE),
    )


def _columns(side: int) -> tuple[int, ...]:
    """Columns that a sheet may have, 1 for no sheet at all, the fewest first."""
    return (1, *(columns for columns in SHEETS if side // columns >= _LEAST_CELL))


def _sheet_side(limits: ImageLimits) -> int:
    side = min(FRAME_SIDE, limits.max_side or FRAME_SIDE)
    return side if limits.max_pixels is None else min(side, math.isqrt(limits.max_pixels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How frames are parted into images and calls.

    Attributes:
        frames: How many are sent; when there are more, they are thinned evenly.
        columns: Of a contact sheet, as many as it has rows; 1 is the frames themselves.
        per_call: Images in one call.
        calls: How many calls.
    """

    frames: int
    columns: int
    per_call: int
    calls: int


def arrange(count: int, work: FrameWork) -> Arrangement:
    """Part the frames that were found into calls, so that most of what they show is kept.

    Several calls keep every frame as it is, so they come first; contact sheets make frames smaller
    and come when the calls would be too many.

    Args:
        count: How many frames there are.
        work: What was planned for them.
    """
    if count <= work.per_call * work.calls:
        calls = max(1, -(-count // work.per_call))
        return Arrangement(
            frames=count, columns=1, per_call=max(1, -(-count // calls)), calls=calls
        )
    possible = _columns(work.sheet_side)
    columns = next(
        (c for c in possible if work.per_call * work.calls * c * c >= count), possible[-1]
    )
    frames = min(count, work.per_call * work.calls * columns * columns)
    sheets = -(-frames // (columns * columns))
    calls = -(-sheets // work.per_call)
    return Arrangement(frames=frames, columns=columns, per_call=-(-sheets // calls), calls=calls)
