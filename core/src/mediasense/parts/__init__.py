"""From a plan and a file to the media that are sent, parted into calls."""

from __future__ import annotations

from mediasense.media.workspace import Workspace
from mediasense.parts.records import Part, Parts
from mediasense.planning.plans import ClipWork, FrameWork, ImageWork, Plan, SoundWork
from mediasense.types import Media

__all__ = ["Part", "Parts", "make_parts"]


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
            from mediasense.parts.images import image_parts

            return image_parts(plan.sends, media, workspace)
        case FrameWork():
            from mediasense.parts.frames import frame_parts

            return frame_parts(plan, plan.sends, media[0], workspace)
        case ClipWork():
            from mediasense.parts.clips import clip_parts

            return clip_parts(plan, plan.sends, media[0], workspace)
        case SoundWork():
            from mediasense.parts.sounds import sound_parts

            return sound_parts(plan, plan.sends, media[0], workspace)
        case None:
            return Parts(parts=(Part(),))
        case _:
            end = media[0].seconds if plan.end is None else plan.end
            return Parts(parts=(Part(media=media, start=plan.start or 0.0, end=end),))
