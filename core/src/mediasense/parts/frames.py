"""Frames of a video on their way into calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mediasense.media.workspace import Workspace
from mediasense.parts.images import image_of, prepared
from mediasense.parts.records import Part, Parts
from mediasense.planning.frames import Arrangement, arrange, more_frames
from mediasense.planning.plans import FrameWork, Plan
from mediasense.planning.steps import frames_words
from mediasense.prompts import sheet_note
from mediasense.steps import FrameUsed, LeftOut, Step, clock
from mediasense.types import ImageFacts, Media

if TYPE_CHECKING:
    from mediasense.media.keyframes import ChosenFrame, KeyFrames

_EARLIEST_CUT = 0.7
"""Of the images a call should have: before that no call ends."""


def frame_parts(plan: Plan, work: FrameWork, video: Media, workspace: Workspace) -> Parts:
    """Frames of the video, as they are or on contact sheets, a part for each call."""
    from mediasense.media.keyframes import choose_key_frames

    found = workspace.decode(
        partial(
            choose_key_frames,
            source=workspace.file_of(video),
            folder=workspace.subfolder(),
            most=work.most,
            every=work.every,
            start=plan.start,
            end=plan.end,
            max_width=work.width,
            max_height=work.height,
            max_bytes=work.max_bytes,
        ),
        "choosing frames",
    )
    arranged = arrange(len(found.frames), work)
    frames = thinned(found.frames, arranged.frames)
    start, end = plan.start or 0.0, _end(plan, video, found.end)
    step = Step(
        action="choose frames",
        words=_frames_words(frames, work, found),
        channels=("picture",),
        start=start,
        end=end,
        images=len(frames),
    )
    groups = grouped(frames, arranged, work)
    bounds = [start, *(group[0].timestamp for group in groups[1:]), end]
    parts = tuple(
        _frame_part(group, arranged, work, workspace, begin, finish)
        for group, begin, finish in zip(groups, bounds, bounds[1:], strict=False)
    )
    if arranged.columns > 1:
        sheets = sum(len(part.media) for part in parts)
        step = replace(
            step,
            words=f"{step.words}; on {sheets} contact sheets of up to "
            f"{arranged.columns} x {arranged.columns}",
        )
    return Parts(
        parts=parts,
        steps=(step,),
        frames=tuple(FrameUsed(timestamp=round(f.timestamp, 3), reason=f.reason) for f in frames),
        left_out=_frames_left_out(plan, found.worthwhile, len(frames), work, start, end),
        warnings=(found.damage,) if found.damage else (),
    )


def _end(plan: Plan, video: Media, watched: float) -> float:
    known = video.seconds if plan.end is None else min(plan.end, video.seconds or plan.end)
    return max(watched, known or 0.0)


def _frames_words(frames: Sequence[ChosenFrame], work: FrameWork, found: KeyFrames) -> str:
    apart = work.every
    if apart is not None and len(frames) > 1 and found.worthwhile > len(frames):
        apart = (frames[-1].timestamp - frames[0].timestamp) / (len(frames) - 1)
    words = frames_words(len(frames), work, at_most=False, apart=apart)
    return words if work.every is not None else f"{words}; {found.method}"


def _frames_left_out(
    plan: Plan, worthwhile: int, sent: int, work: FrameWork, start: float, end: float
) -> tuple[LeftOut, ...]:
    told = any("picture" in left.channels for left in plan.left_out)
    if worthwhile <= sent or told:
        return ()
    what = "worth sending" if work.every is None else "asked for"
    words = f"{worthwhile - sent} of {worthwhile} frames {what} were left out"
    more = more_frames(work) if sent >= work.most else ""
    return (LeftOut(words=words + more, channels=("picture",), start=start, end=end),)


def thinned(frames: Sequence[ChosenFrame], count: int) -> tuple[ChosenFrame, ...]:
    """So many frames, evenly over all of them, the first and the last among them."""
    if count >= len(frames):
        return tuple(frames)
    if count == 1:
        return (frames[0],)
    step = (len(frames) - 1) / (count - 1)
    return tuple(frames[round(i * step)] for i in range(count))


def grouped(
    frames: Sequence[ChosenFrame], arranged: Arrangement, work: FrameWork
) -> list[tuple[ChosenFrame, ...]]:
    """Frames by calls; a call begins with a new screen where one is near."""
    cells = arranged.columns**2
    target, most = arranged.per_call * cells, work.per_call * cells
    groups: list[tuple[ChosenFrame, ...]] = []
    left = list(frames)
    while left:
        calls = max(1, arranged.calls - len(groups))
        # What is left behind must still fit into the calls that are left.
        least = max(1, len(left) - (calls - 1) * most, round(_EARLIEST_CUT * target))
        cuts = [
            n for n in range(least, min(most, len(left) - 1) + 1) if left[n].reason == "new screen"
        ]
        near = min(cuts, key=lambda n: abs(n - target)) if cuts and calls > 1 else None
        cut = max(target, least) if near is None else near
        groups.append(tuple(left[:cut]))
        left = left[cut:]
    return groups


def _frame_part(
    frames: tuple[ChosenFrame, ...],
    arranged: Arrangement,
    work: FrameWork,
    workspace: Workspace,
    start: float,
    end: float,
) -> Part:
    fresh = frames[0].reason in ("first", "new screen")
    if arranged.columns == 1:
        images = tuple(_frame_image(frame, work, workspace) for frame in frames)
        notes = tuple(clock(frame.timestamp) for frame in frames)
        return Part(media=images, notes=notes, start=start, end=end, fresh=fresh)
    cells = arranged.columns**2
    sheets = [frames[i : i + cells] for i in range(0, len(frames), cells)]
    return Part(
        media=tuple(_sheet(sheet, arranged.columns, work, workspace) for sheet in sheets),
        notes=tuple(sheet_note([f.timestamp for f in s], arranged.columns) for s in sheets),
        start=start,
        end=end,
        fresh=fresh,
    )


def _frame_image(frame: ChosenFrame, work: FrameWork, workspace: Workspace) -> Media:
    media = Media(
        modality="image",
        mime_type="image/jpeg",
        path=frame.path,
        size=frame.size,
        width=frame.width,
        height=frame.height,
        timestamp=frame.timestamp,
    )
    return _as_type(media, work, workspace)


def _sheet(
    frames: Sequence[ChosenFrame], columns: int, work: FrameWork, workspace: Workspace
) -> Media:
    from mediasense.media.images.sheets import SheetFrame, make_sheet

    made = workspace.decode(
        partial(
            make_sheet,
            frames=tuple(SheetFrame(path=f.path, timestamp=f.timestamp) for f in frames),
            folder=workspace.subfolder(),
            columns=columns,
            width=work.sheet_side,
            height=work.sheet_side,
            max_bytes=work.max_bytes,
        ),
        "making contact sheets",
    )
    sheet = replace(image_of(made), timestamp=frames[0].timestamp)
    return _as_type(sheet, work, workspace)


def _as_type(image: Media, work: FrameWork, workspace: Workspace) -> Media:
    """The image as a type that the provider takes; nearly all take JPEG."""
    from mediasense.media.images.fitting import fit_image

    if image.mime_type == work.mime_type or image.path is None:
        return image
    fit = fit_image(
        image.mime_type,
        image.size or 0,
        ImageFacts(width=image.width, height=image.height),
        mime_types=(work.mime_type,),
        max_bytes=work.max_bytes,
        max_pixels=None,
        max_side=None,
        most=1,
    )
    (made,) = prepared(image.path, image.mime_type, fit, workspace)
    return replace(image_of(made), timestamp=image.timestamp, shows=image.shows)
