"""Sound on its way into calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mediasense.errors import UnsupportedMedia
from mediasense.media.workspace import Workspace
from mediasense.parts.records import Part, Parts
from mediasense.planning.plans import Plan, SoundWork
from mediasense.planning.steps import sound_words
from mediasense.steps import Step
from mediasense.types import Media

if TYPE_CHECKING:
    from mediasense.media.sound import Sound, SoundPiece


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


def sound_parts(plan: Plan, work: SoundWork, media: Media, workspace: Workspace) -> Parts:
    """The sound, a part for each piece."""
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
