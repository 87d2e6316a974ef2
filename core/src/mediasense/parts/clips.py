"""Clips of a video on their way into calls."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.media.workspace import Workspace
from mediasense.names import Channel
from mediasense.parts.records import Part, Parts
from mediasense.planning.plans import ClipWork, Plan
from mediasense.planning.steps import clips_words
from mediasense.steps import Step
from mediasense.types import Media

if TYPE_CHECKING:
    from mediasense.media.recordings.clips import Clip


def clip_parts(plan: Plan, work: ClipWork, video: Media, workspace: Workspace) -> Parts:
    """The video copied, cut or made smaller, a part for each clip."""
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
