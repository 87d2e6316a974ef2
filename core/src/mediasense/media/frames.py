"""Pictures out of a recording: a few a second, and where they differ.

Everything that looks at a recording frame by frame stands on two functions. :func:`sample_frames`
gives what is on screen several times a second, without decoding what it can skip;
:func:`changed_blocks` says where two of these pictures differ. The largest difference in each block
decides, not a mean: a letter typed in small print changes the mean of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mediasense.errors import CorruptMedia, UnsupportedMedia
from mediasense.media.recordings import open_recording

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

SHRINK = 4
"""The small picture of a frame has a pixel for each 4 x 4 of the picture."""

BLOCK_PIXELS = 16
"""Pixels of the picture to each side of a block that :func:`changed_blocks` judges."""

_TOLERANCE = 14
_JUMP_SECONDS = 1.0
_USUAL_RATE = 25
_HINT = "play it to see whether it is damaged"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a recording shows at one moment. It holds the decoded picture: keep few at a time.

    Attributes:
        timestamp: Seconds from the start of the recording to when it appeared.
        luma: How bright it is, 0 to 255, in a quarter of its width and height; upright.
    """

    timestamp: float
    luma: NDArray[np.uint8]
    _decoded: av.VideoFrame = field(repr=False)

    def picture(self) -> NDArray[np.uint8]:
        """The whole picture, upright: rows of RGB pixels. Made anew by each call."""
        return _pixels(self._decoded, self._decoded.reformat(format="rgb24"))


def sample_frames(
    source: Path | BinaryIO,
    *,
    fps: float = 4.0,
    start: float | None = None,
    end: float | None = None,
) -> Iterator[Frame]:
    """Give what a recording shows at regular moments, each frame once.

    Time is cut into ``1 / fps`` seconds; each cut gives the frame that is on screen then, unless it
    was given before. A picture that stands still for a minute in a recording of varying frame rate
    is thus one frame, and none that stands longer than a cut is missed. Frames to which no other
    refers are not decoded: half the work, and for encoders that make them no loss at 4 a second.

    Args:
        source: A file, or an open file that can seek.
        fps: Frames a second to give at most; above 0.
        start: Where to begin, in seconds from the start of the recording.
        end: Where to stop, in the same seconds.

    Yields:
        Frames in the order of their timestamps; the last frame always. The first may have appeared
        before ``start``; its timestamp is then ``start``.

    Raises:
        UnsupportedMedia: The file holds no moving pictures, or names other files.
        CorruptMedia: After the last frame that could be decoded, when anything could not; at once,
            when nothing could.
    """
    with open_recording(source, _name(source)) as container:
        first = start or 0.0
        last = math.inf if end is None else end
        with closing(_decoded(container, first)) as frames:
            yield from _on_screen(frames, fps, first, last)


def changed_blocks(
    before: NDArray[np.uint8], after: NDArray[np.uint8], *, tolerance: int = _TOLERANCE
) -> NDArray[np.bool_]:
    """Say where two small pictures differ: one truth for each block of 16 x 16 picture pixels.

    Args:
        before: The ``luma`` of one frame.
        after: The ``luma`` of another. Where their sizes differ, everything does.
        tolerance: How far brightness may differ, out of 255. Compression shimmers below 14.

    Returns:
        Rows of blocks, as many as ``after`` has.
    """
    import numpy as np

    size = BLOCK_PIXELS // SHRINK
    rows, columns = (-(-length // size) for length in after.shape)
    if before.shape != after.shape:
        return np.ones((rows, columns), np.bool_)
    differs = np.zeros((rows * size, columns * size), np.bool_)
    differs[: after.shape[0], : after.shape[1]] = (
        np.maximum(before, after) - np.minimum(before, after) > tolerance
    )
    blocks: NDArray[np.bool_] = np.logical_or.reduce(
        differs.reshape(rows, size, columns, size), axis=(1, 3)
    )
    return blocks


def _name(source: Path | BinaryIO) -> str:
    return str(source) if isinstance(source, Path) else "the recording"


def _corrupt(what: str) -> CorruptMedia:
    return CorruptMedia(f"the recording cannot be read to its end: {what}", hint=_HINT)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded frame, and since when it is on screen."""

    since: float
    frame: av.VideoFrame


def _on_screen(frames: Iterator[_Shown], fps: float, start: float, end: float) -> Iterator[Frame]:
    """Of all frames those that are on screen at a cut."""
    from av.video.reformatter import VideoReformatter

    shrinker = VideoReformatter()  # keeps its tables from frame to frame
    cut = start
    current: _Shown | None = None
    for following in frames:
        if following.since > end:
            break
        if current is not None and following.since > cut:
            yield _frame(current, start, shrinker)
            cut = start + math.ceil((following.since - start) * fps) / fps
        current = following
    if current is not None:
        yield _frame(current, start, shrinker)


def _frame(shown: _Shown, start: float, shrinker: VideoReformatter) -> Frame:
    frame = shown.frame
    small = shrinker.reformat(
        frame,
        width=-(-frame.width // SHRINK),
        height=-(-frame.height // SHRINK),
        format="gray",
        interpolation="AREA",
    )
    return Frame(max(start, shown.since), _pixels(frame, small), frame)


def _pixels(frame: av.VideoFrame, changed: av.VideoFrame) -> NDArray[np.uint8]:
    """The pixels of a frame that was changed in form or size, upright as the original is meant."""
    import numpy as np

    pixels: NDArray[Any] = changed.to_ndarray()
    return np.rot90(pixels, round(frame.rotation / 90))


def _decoded(container: InputContainer, start: float) -> Generator[_Shown]:
    """Every frame that need be decoded, in order, with the time since the recording's start."""
    import av

    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.codec_context is None:
        raise UnsupportedMedia("the file holds no pictures that can be decoded", hint=_HINT)
    stream.thread_type = "AUTO"
    stream.codec_context.skip_frame = "NONREF"
    clock = _Clock(container, stream)
    failed = ""
    try:
        clock.seek(start)
        for packet in container.demux(stream):
            clock.packets += 1
            try:
                for frame in packet.decode():
                    yield _Shown(clock.seconds(frame), frame)
            except av.FFmpegError as error:
                failed = str(error.strerror)
    except av.FFmpegError as error:
        failed = str(error.strerror)
    if failed or not clock.frames:
        raise _corrupt(failed or "it holds no frame")


class _Clock:
    """Seconds from the start of a recording, whatever its timestamps are like."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._origin = (container.start_time or 0) / 1_000_000
        self._rate = float(stream.average_rate or _USUAL_RATE)
        self._latest = -math.inf
        self.packets = 0
        self.frames = 0

    def seek(self, start: float) -> None:
        """Go to the key frame before ``start``; where that fails, all before it is decoded."""
        import av

        if start > 0:
            with suppress(av.FFmpegError):
                self._container.seek(round((start + self._origin) * 1_000_000))

    def seconds(self, frame: av.VideoFrame) -> float:
        """When the frame appears: never before the one before it."""
        self.frames += 1
        # Without timestamps, as in some old containers, what has gone by is counted.
        told = frame.pts is not None
        seconds = frame.time - self._origin if told else self.packets / self._rate
        if seconds < self._latest - _JUMP_SECONDS:  # joined recordings start again from 0
            self._origin -= self._latest - seconds
            seconds = self._latest
        self._latest = max(self._latest, seconds)
        return max(0.0, self._latest)
