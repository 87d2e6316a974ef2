"""The pictures of a report: what was sent of a recording, or what is worth seeing; images small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mediasense.errors import MediasenseError
from mediasense.media.workspace import Workspace
from mediasense.names import OnProgress
from mediasense.reports.sources import Shown
from mediasense.steps import FrameUsed
from mediasense.types import Analysis, ImageFacts, KeyFrame, Media, Question

_ROUNDED = 0.001
"""Seconds that the time of a frame may have lost when it was written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much room pictures may take.

    Attributes:
        bytes: All together, before they are encoded for the page, which adds a third.
        most: How many.
        frame_side: Pixels of the longer side of a frame.
        image_side: Pixels of the longer side of an image.
        key_frames: How many are chosen of a video of which none were sent.
    """

    bytes: int = 6_000_000
    most: int = 60
    frame_side: int = 960
    image_side: int = 1600
    key_frames: int = 24

    def each(self, count: int) -> int:
        """Bytes of each of so many pictures."""
        return max(8_000, min(600_000, self.bytes // max(1, count)))


PAGE = Room()
IN_A_BATCH = Room(bytes=700_000, most=12, frame_side=640, image_side=1024, key_frames=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of a page.

    Attributes:
        image: With its bytes.
        name: What it is called.
        timestamp: Of a frame, in seconds from the start of its recording.
        reason: Of a frame: why it was chosen.
        source: Of several images, which one, from 1.
    """

    image: Media
    name: str = ""
    timestamp: float | None = None
    reason: str = ""
    source: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stills:
    """The pictures of a page.

    Attributes:
        pictures: In order of time, or as they were given.
        sent: How many frames were sent; 0 where the video itself was, or nothing.
        given: How many images there are.
        problem: Why pictures are missing; ``""`` where none are.
    """

    pictures: tuple[Picture, ...] = ()
    sent: int = 0
    given: int = 0
    problem: str = ""


def read_stills(
    analysis: Analysis,
    sources: Sequence[Shown],
    room: Room,
    on_progress: OnProgress | None = None,
) -> Stills:
    """Read the pictures of an answer's media again; what cannot be read is said to be.

    Args:
        analysis: The answer.
        sources: Its media.
        room: How much room they may take.
        on_progress: Called with what is being done.
    """
    modality = analysis.media[0].modality if analysis.media else "audio"
    if modality == "image":
        return _images(sources, room, on_progress)
    if modality == "audio" or not sources:
        return Stills()
    sent, source = analysis.frames, sources[0]
    if source.readable is None:
        return Stills(sent=len(sent), problem=source.why)
    try:
        frames = _frames(source, sent, room, on_progress)
    except MediasenseError as error:
        return Stills(sent=len(sent), problem=error.message)
    pictures = tuple(
        Picture(image=f.image, name=source.name, timestamp=f.timestamp, reason=f.reason)
        for f in frames
    )
    return Stills(pictures=pictures, sent=len(sent))


def _frames(
    source: Shown, sent: Sequence[FrameUsed], room: Room, on_progress: OnProgress | None
) -> tuple[KeyFrame, ...]:
    from mediasense.media.pictures import pictures_at, read_key_frames

    assert source.readable is not None
    if not sent:
        return read_key_frames(
            source.readable,
            most=room.key_frames,
            max_side=room.frame_side,
            max_bytes=room.each(room.key_frames),
            on_progress=on_progress,
        )
    chosen = evenly(sorted(sent, key=lambda f: f.timestamp), room.most)
    moments = [max(0.0, f.timestamp) + _ROUNDED for f in chosen]
    found = pictures_at(
        source.readable,
        moments,
        max_side=room.frame_side,
        max_bytes=room.each(len(chosen)),
        on_progress=on_progress,
    )
    sent_at = dict(zip(moments, chosen, strict=True))
    return tuple(
        KeyFrame(
            timestamp=sent_at[frame.timestamp].timestamp,
            reason=sent_at[frame.timestamp].reason,
            image=frame.image,
        )
        for frame in found
        if frame.timestamp in sent_at
    )


def evenly(frames: Sequence[FrameUsed], most: int) -> list[FrameUsed]:
    """So many frames at most, evenly spread, the first and the last among them."""
    if len(frames) <= most or most < 2:
        return list(frames[:most])
    return [frames[at * (len(frames) - 1) // (most - 1)] for at in range(most)]


def _images(sources: Sequence[Shown], room: Room, on_progress: OnProgress | None) -> Stills:
    pictures, problems = [], []
    kept = sources[: room.most]
    for number, source in enumerate(kept, 1):
        if source.readable is None:
            problems.append(f"{source.name}: {source.why}")
            continue
        try:
            image = _small(source, room, room.each(len(kept)), on_progress)
        except MediasenseError as error:
            problems.append(error.message)
            continue
        pictures.append(Picture(image=image, name=source.name, source=number))
    return Stills(pictures=tuple(pictures), given=len(sources), problem="; ".join(problems))


def _small(source: Shown, room: Room, max_bytes: int, on_progress: OnProgress | None) -> Media:
    """An image as a JPEG that is no larger than it has to be, and says nothing of its place."""
    from mediasense.media.images.fitting import fit_image
    from mediasense.media.images.pictures import prepare_image
    from mediasense.media.source import resolve

    assert source.readable is not None
    with Workspace(on_progress) as workspace:
        found = resolve(source.readable, "image", Question(), workspace)
        fit = fit_image(
            found.mime_type,
            found.size or 0,
            found.facts if isinstance(found.facts, ImageFacts) else _unknown(found),
            mime_types=("image/jpeg",),
            max_bytes=max_bytes,
            max_pixels=room.image_side * room.image_side,
            max_side=room.image_side,
            most=1,
            name=source.name,
        )
        work = partial(
            prepare_image,
            source=workspace.file_of(found),
            folder=workspace.subfolder(),
            mime_type=found.mime_type,
            fit=fit,
            name=source.name,
        )
        made = workspace.decode(work, "making pictures small")[0]
        return Media(
            modality="image",
            mime_type=made.mime_type,
            data=made.path.read_bytes(),
            size=made.size,
            width=found.width or made.width,
            height=found.height or made.height,
        )


def _unknown(media: Media) -> ImageFacts:
    return ImageFacts(width=media.width, height=media.height)
