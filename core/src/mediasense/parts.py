"""From a plan and a file to the media that are sent, parted into calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UnsupportedMedia
from mediasense.media.workspace import Workspace
from mediasense.names import Channel
from mediasense.planning.frames import Arrangement, arrange, more_frames
from mediasense.planning.plans import ClipWork, FrameWork, ImageWork, Plan, SoundWork
from mediasense.planning.steps import clips_words, frames_words, sound_words
from mediasense.prompts import sheet_note
from mediasense.steps import FrameUsed, LeftOut, Step, clock
from mediasense.types import ImageFacts, Media

if TYPE_CHECKING:
    from mediasense.media.images.fitting import ImageFit
    from mediasense.media.images.pictures import Prepared
    from mediasense.media.keyframes import KeyFrame, KeyFrames
    from mediasense.media.recordings.clips import Clip
    from mediasense.media.sound import Sound, SoundPiece

_EARLIEST_CUT = 0.7
"""Of the images a call should have: before that no call ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What goes into one call.

    Attributes:
        media: The images in order, or the one video or sound.
        notes: What each image is, in words; ``""`` for an image that is simply one.
        start, end: Which seconds of the recording it covers; ``None`` for images.
        fresh: Whether it shows something else than the part before it.
    """

    media: tuple[Media, ...] = ()
    notes: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    fresh: bool = True

    def halves(self) -> tuple[Part, Part]:
        """The same images in two parts."""
        half = -(-len(self.media) // 2)
        notes = self.notes if self.start is not None else numbered(self.notes)
        second = self.media[half].timestamp
        middle = self.start if second is None else second
        return (
            replace(self, media=self.media[:half], notes=notes[:half], end=middle),
            replace(self, media=self.media[half:], notes=notes[half:], start=middle),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that is asked about.

    Attributes:
        parts: One for each call.
        steps: What was done to make them.
        frames: The frames that are in them.
        left_out: What is in none.
        warnings: What else to know.
    """

    parts: tuple[Part, ...]
    steps: tuple[Step, ...] = ()
    frames: tuple[FrameUsed, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def numbered(notes: Sequence[str]) -> tuple[str, ...]:
    """Notes that say which image each is, for images that are not all in one call."""
    count = len(notes)
    return tuple(note or f"number {n} of {count}" for n, note in enumerate(notes, 1))


def make_parts(plan: Plan, media: tuple[Media, ...], workspace: Workspace) -> Parts:
    """Prepare the media as planned.

    Args:
        plan: What to do with them.
        media: What the question is about.
        workspace: Where they are kept.

    Raises:
        CorruptMedia: They cannot be decoded.
        MediaTooLarge: They cannot be made small enough after all.
        UnsupportedMedia: There is nothing to hear.
    """
    match plan.sends:
        case ImageWork():
            return _images(plan.sends, media, workspace)
        case FrameWork():
            return _frames(plan, plan.sends, media[0], workspace)
        case ClipWork():
            return _clips(plan, plan.sends, media[0], workspace)
        case SoundWork():
            return _sounds(plan, plan.sends, media[0], workspace)
        case None:
            return Parts(parts=(Part(),))
        case _:
            end = media[0].seconds if plan.end is None else plan.end
            return Parts(parts=(Part(media=media, start=plan.start or 0.0, end=end),))


# --- images --------------------------------------------------------------------------------------


def _images(work: ImageWork, media: tuple[Media, ...], workspace: Workspace) -> Parts:
    images: list[Media] = []
    notes: list[str] = []
    steps = []
    for number, (image, fit) in enumerate(zip(media, work.fits, strict=True), 1):
        if fit.work == "none":
            images.append(image)
            notes.append("")
            continue
        steps.append(Step(action="prepare", words=f"image {number}: {', '.join(fit.actions)}"))
        for made in _prepared(workspace.file_of(image), image.mime_type, fit, workspace):
            images.append(_image(made))
            of = f" of image {number}" if made.words and len(media) > 1 else ""
            notes.append(made.words + of)
    if len(images) > work.per_call:
        notes = list(numbered(notes))
    groups = range(0, len(images), work.per_call)
    parts = tuple(
        Part(media=tuple(images[i : i + work.per_call]), notes=tuple(notes[i : i + work.per_call]))
        for i in groups
    )
    return Parts(parts=parts, steps=tuple(steps))


def _prepared(
    source: Path, mime_type: str, fit: ImageFit, workspace: Workspace
) -> tuple[Prepared, ...]:
    from mediasense.media.images.pictures import prepare_image

    work = partial(
        prepare_image, source=source, folder=workspace.subfolder(), mime_type=mime_type, fit=fit
    )
    return workspace.decode(work, "preparing the image")


def _image(made: Prepared) -> Media:
    return Media(
        modality="image",
        mime_type=made.mime_type,
        path=made.path,
        size=made.size,
        width=made.width,
        height=made.height,
        timestamp=made.timestamp,
    )


# --- frames --------------------------------------------------------------------------------------


def _frames(plan: Plan, work: FrameWork, video: Media, workspace: Workspace) -> Parts:
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


def _frames_words(frames: Sequence[KeyFrame], work: FrameWork, found: KeyFrames) -> str:
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


def thinned(frames: Sequence[KeyFrame], count: int) -> tuple[KeyFrame, ...]:
    """So many frames, evenly over all of them, the first and the last among them."""
    if count >= len(frames):
        return tuple(frames)
    if count == 1:
        return (frames[0],)
    step = (len(frames) - 1) / (count - 1)
    return tuple(frames[round(i * step)] for i in range(count))


def grouped(
    frames: Sequence[KeyFrame], arranged: Arrangement, work: FrameWork
) -> list[tuple[KeyFrame, ...]]:
    """Frames by calls; a call begins with a new screen where one is near."""
    cells = arranged.columns**2
    target, most = arranged.per_call * cells, work.per_call * cells
    groups: list[tuple[KeyFrame, ...]] = []
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
    frames: tuple[KeyFrame, ...],
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


def _frame_image(frame: KeyFrame, work: FrameWork, workspace: Workspace) -> Media:
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
    frames: Sequence[KeyFrame], columns: int, work: FrameWork, workspace: Workspace
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
    sheet = replace(_image(made), timestamp=frames[0].timestamp)
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
    (made,) = _prepared(image.path, image.mime_type, fit, workspace)
    return replace(_image(made), timestamp=image.timestamp)


# --- clips and sound -----------------------------------------------------------------------------


def _clips(plan: Plan, work: ClipWork, video: Media, workspace: Workspace) -> Parts:
    from mediasense.media.recordings.clips import copy_clips, encode_clip

    source = workspace.file_of(video)
    damage = ""
    clips: tuple[Clip, ...]
    if work.encode:
        encoded = workspace.decode(
            partial(
                encode_clip,
                source=source,
                folder=workspace.subfolder(),
                max_bytes=work.max_bytes,
                max_side=work.max_side,
                fps=work.fps,
                start=plan.start,
                end=plan.end,
                sound=video.has_sound is not False,
            ),
            "making the video smaller",
        )
        clips = (encoded,)
    else:
        copied = workspace.decode(
            partial(
                copy_clips,
                source=source,
                folder=workspace.subfolder(),
                max_bytes=work.max_bytes,
                max_seconds=work.max_seconds,
                most=work.clips,
                start=plan.start,
                end=plan.end,
                pauses=_pauses(plan, work, source, video, workspace),
            ),
            "copying the video",
        )
        clips, damage = copied.clips, copied.damage
    channels: tuple[Channel, ...] = ("picture", "sound") if video.has_sound else ("picture",)
    step = Step(
        action="encode" if work.encode else "copy",
        words=clips_words(work) + (f"; {len(clips)} clips" if len(clips) > 1 else ""),
        channels=channels,
        start=clips[0].start,
        end=clips[-1].end,
        bytes=sum(clip.size for clip in clips),
    )
    return Parts(
        parts=tuple(_clip_part(clip, video) for clip in clips),
        steps=(step,),
        warnings=(damage,) if damage else (),
    )


def _pauses(
    plan: Plan, work: ClipWork, source: Path, video: Media, workspace: Workspace
) -> tuple[float, ...]:
    from mediasense.media.sound import find_pauses

    if work.clips == 1 or not video.has_sound:
        return ()
    found = workspace.decode(
        partial(find_pauses, source=source, start=plan.start, end=plan.end), "listening for pauses"
    )
    return tuple((pause.start + pause.end) / 2 for pause in found)


def _clip_part(clip: Clip, video: Media) -> Part:
    media = Media(
        modality="video",
        mime_type=clip.mime_type,
        path=clip.path,
        size=clip.size,
        width=clip.width,
        height=clip.height,
        seconds=clip.end - clip.start,
        has_sound=video.has_sound,
    )
    return Part(media=(media,), start=clip.start, end=clip.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Sound that was taken out of a recording, and the step that it was."""

    sound: Sound
    step: Step


def take_sound(plan: Plan, work: SoundWork, media: Media, workspace: Workspace) -> Extracted:
    """Take the sound out of a recording as planned.

    Raises:
        CorruptMedia: It cannot be decoded.
    """
    from mediasense.media.sound import extract_sound

    sound = workspace.decode(
        partial(
            extract_sound,
            source=workspace.file_of(media),
            folder=workspace.subfolder(),
            format=work.format,
            max_bytes=work.max_bytes,
            max_seconds=work.max_seconds,
            start=plan.start,
            end=plan.end,
            skip_silence=work.skip_silence,
        ),
        "taking out the sound",
    )
    pieces = f"; {len(sound.pieces)} pieces" if len(sound.pieces) > 1 else ""
    skipped = f"; {sound.silent:.1f} s of silence left out" if sound.silent >= 0.05 else ""
    start = plan.start or 0.0
    step = Step(
        action="extract",
        words=sound_words(work) + pieces + skipped,
        channels=("sound",),
        start=start,
        end=start + sound.seconds,
        bytes=sum(piece.size for piece in sound.pieces),
    )
    return Extracted(sound=sound, step=step)


def sound_of(piece: SoundPiece) -> Media:
    """A piece of sound, to be sent."""
    return Media(
        modality="audio",
        mime_type=piece.mime_type,
        path=piece.path,
        size=piece.size,
        seconds=piece.seconds,
    )


def _sounds(plan: Plan, work: SoundWork, media: Media, workspace: Workspace) -> Parts:
    taken = take_sound(plan, work, media, workspace)
    if not taken.sound.pieces:
        raise UnsupportedMedia(
            "there is nothing to hear in that part of the recording",
            hint="choose another --start and --end",
        )
    return Parts(
        parts=tuple(
            Part(media=(sound_of(piece),), start=piece.start, end=piece.end)
            for piece in taken.sound.pieces
        ),
        steps=(taken.step,),
        warnings=(taken.sound.damage,) if taken.sound.damage else (),
    )
