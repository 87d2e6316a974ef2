"""From a request to an answer: open, read, tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mediasense import (
    Answer,
    CorruptMedia,
    ImageRequest,
    Request,
    UnknownModel,
    VideoRequest,
    sample_frames,
)
from mediasense_on_device import answers, engine
from mediasense_on_device.pictures import picture
from mediasense_on_device.provider import MODEL
from mediasense_on_device.screens import affordable, screens
from mediasense_on_device.timeline import Timeline

if TYPE_CHECKING:
    from mediasense import Frame

_FPS = 4.0


def read_images(request: ImageRequest) -> Answer:
    """Read one image after the other."""
    _check_model(request)
    readings = [engine.read(picture(image)) for image in request.images]
    return answers.about_images(request, readings)


def read_video(request: VideoRequest) -> Answer:
    """Find the screens of a recording, read as many as can be afforded."""
    _check_model(request)
    fps = request.fps or _FPS
    with request.video.open() as file:
        tape = _Tape(sample_frames(file, fps=fps, start=request.start, end=request.end))
        kept, left_out = affordable(screens(tape, fps))
    timeline = Timeline(engine.read)
    for screen in kept:
        timeline.show(screen)
    end = _end(request, tape)
    watched = answers.Watched(
        lines=timeline.stop(end),
        unread=len(timeline.unread),
        start=request.start or 0.0,
        end=end,
        screens=len(kept) + left_out,
        left_out=left_out,
        damage=tape.damage,
    )
    return answers.about_video(request, watched)


def _check_model(request: Request) -> None:
    if request.model not in (None, MODEL):
        raise UnknownModel(
            f"{request.provider.name} has no model {request.model!r}", hint=f"type --model {MODEL}"
        )


def _end(request: VideoRequest, tape: _Tape) -> float:
    """When the last frame goes: it may stand long after it came."""
    known = request.video.seconds
    if known is None or tape.damage:
        return tape.end
    return max(tape.end, known if request.end is None else min(known, request.end))


class _Tape:
    """The frames of a recording as they go by; damage ends it early.

    Attributes:
        end: The timestamp of the last frame that went by.
        damage: What is wrong with the recording, or ``""``.
    """

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self.end = 0.0
        self.damage = ""

    def __iter__(self) -> Iterator[Frame]:
        seen = False
        try:
            for frame in self._frames:
                seen = True
                self.end = frame.timestamp
                yield frame
        except CorruptMedia as error:
            if not seen:
                raise
            self.damage = error.message
