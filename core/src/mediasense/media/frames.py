"""Pictures out of a recording: a few a second, and where they differ.

Everything that looks at a recording frame by frame stands on two functions. :func:`sample_frames`
gives what is on screen several times a second, without decoding what it can skip;
:func:`changed_blocks` says where two of these pictures differ.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mediasense.errors import CorruptMedia
from mediasense.media.changes import BLOCK_PIXELS, changed_blocks
from mediasense.media.decoding import HINT, picture_track, small_luma, upright
from mediasense.media.decoding import Clock as _Clock
from mediasense.media.demuxing import demux
from mediasense.media.recordings import open_recording

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from numpy.typing import NDArray

__all__ = ["BLOCK_PIXELS", "Frame", "changed_blocks", "sample_frames"]


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
        return upright(self._decoded, self._decoded.reformat(format="rgb24"))


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


def _name(source: Path | BinaryIO) -> str:
    return str(source) if isinstance(source, Path) else "the recording"


def _corrupt(what: str) -> CorruptMedia:
    return CorruptMedia(f"the recording cannot be read to its end: {what}", hint=HINT)


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
    return Frame(max(start, shown.since), small_luma(shown.frame, shrinker), shown.frame)


def _decoded(container: InputContainer, start: float) -> Generator[_Shown]:
    """Every frame that need be decoded, in order, with the time since the recording's start."""
    import av

    stream = picture_track(container)
    clock = _Clock(container, stream)
    failed = ""
    try:
        clock.seek(start)
        for packet in demux(container, stream):
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
