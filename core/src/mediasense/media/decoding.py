"""What everything that decodes a recording's pictures shares: the track, the clock, the luma."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediasense.errors import MediaTooLarge, UnsupportedMedia
from mediasense.media.changes import SHRINK
from mediasense.media.images import MAX_PIXELS, MAX_SIDE
from mediasense.media.recordings import picture_stream

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

HINT = "play it to see whether it is damaged"

_JUMP_SECONDS = 1.0
_USUAL_RATE = 25


def picture_track(container: InputContainer) -> VideoStream:
    """The track of moving pictures, set to skip what no other frame refers to.

    Raises:
        UnsupportedMedia: There is none that can be decoded.
        MediaTooLarge: Its pictures have more pixels than any image that is taken.
    """
    stream = picture_stream(container)
    if stream is None or stream.codec_context is None:
        raise UnsupportedMedia("the file holds no pictures that can be decoded", hint=HINT)
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MediaTooLarge(
            f"the recording is {width} x {height} pixels", hint="scale it down first"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.skip_frame = "NONREF"
    return stream


def small_luma(frame: av.VideoFrame, shrinker: VideoReformatter) -> NDArray[np.uint8]:
    """How bright a frame is, in a quarter of its width and height; upright.

    Args:
        frame: Decoded.
        shrinker: Keeps its tables from frame to frame.
    """
    small = shrinker.reformat(
        frame,
        width=-(-frame.width // SHRINK),
        height=-(-frame.height // SHRINK),
        format="gray",
        interpolation="AREA",
    )
    return upright(frame, small)


def upright(frame: av.VideoFrame, changed: av.VideoFrame) -> NDArray[np.uint8]:
    """The pixels of a frame that was changed in form or size, upright as the original is meant."""
    import numpy as np

    pixels: NDArray[Any] = changed.to_ndarray()
    return np.rot90(pixels, round(frame.rotation / 90))


class Clock:
    """Seconds from the start of a recording, whatever its timestamps are like."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._origin = (container.start_time or 0) / 1_000_000
        self._rate = float(stream.average_rate or _USUAL_RATE)
        self._latest = -math.inf
        self.packets = 0
        self.frames = 0
        self.told = 0.0
        """What the last timestamp came to; below 0 before the start."""

    def seek(self, start: float) -> None:
        """Go to the key frame before ``start``; where that fails, all before it is decoded."""
        import av

        if start > 0:
            with suppress(av.FFmpegError):
                self._container.seek(round((start + self._origin) * 1_000_000))

    def seconds(self, frame: av.VideoFrame) -> float:
        """When the frame appears: never before the one before it."""
        self.frames += 1
        return self.moment(frame.time if frame.pts is not None else None)

    def since_start(self, told: float) -> float:
        """What a timestamp comes to, in seconds, if it follows what was before it."""
        return max(0.0, told - self._origin)

    def moment(self, told: float | None) -> float:
        """When something happens whose timestamp says ``told``: never before what was before it.

        Args:
            told: Seconds. Without timestamps, as in some old containers, packets are counted.
        """
        seconds = told - self._origin if told is not None else self.packets / self._rate
        if seconds < self._latest - _JUMP_SECONDS:  # joined recordings start again from 0
            self._origin -= self._latest - seconds
            seconds = self._latest
        self._latest = self.told = max(self._latest, seconds)
        return max(0.0, self._latest)
