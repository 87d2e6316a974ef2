"""Pictures of a video with their bytes in memory, for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mediasense.media.source import Source, fetched, resolve
from mediasense.media.workspace import Workspace
from mediasense.names import OnProgress
from mediasense.types import KeyFrame, Media, Question

if TYPE_CHECKING:
    from mediasense.media import keyframes


def read_key_frames(
    source: Source,
    *,
    most: int,
    start: float | None = None,
    end: float | None = None,
    max_side: int,
    max_bytes: int | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[KeyFrame, ...]:
    """The key frames of a video; see :func:`mediasense.key_frames`.

    Args:
        source: A path, a link, ``-`` or the bytes.
        most: How many at most, 1 or more.
        start: Begin at this second of the recording.
        end: Stop at this second.
        max_side: Pixels of the longer side at most.
        max_bytes: Of each picture.
        on_progress: Called with what is being done.

    Raises:
        MediasenseError: Of the class that fits the failure.
    """
    from mediasense.media.keyframes import choose_key_frames

    choose = partial(choose_key_frames, most=most, start=start, end=end, max_bytes=max_bytes)
    return _taken(choose, source, max_side, on_progress, "choosing frames")


def pictures_at(
    source: Source,
    moments: Sequence[float],
    *,
    max_side: int,
    max_bytes: int | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[KeyFrame, ...]:
    """What a video shows at given moments.

    Args:
        source: A path, a link, ``-`` or the bytes.
        moments: Seconds from the start of the recording, in order; one at least.
        max_side: Pixels of the longer side at most.
        max_bytes: Of each picture.
        on_progress: Called with what is being done.

    Returns:
        One for each moment; of moments that show the same picture, for the first of them.

    Raises:
        MediasenseError: Of the class that fits the failure.
    """
    from mediasense.media.keyframes import frames_at

    choose = partial(frames_at, moments=tuple(moments), max_bytes=max_bytes)
    return _taken(choose, source, max_side, on_progress, "reading frames")


def _taken(
    choose: Callable[..., keyframes.KeyFrames],
    source: Source,
    max_side: int,
    on_progress: OnProgress | None,
    words: str,
) -> tuple[KeyFrame, ...]:
    with Workspace(on_progress) as workspace:
        video = _video(source, workspace)
        work = partial(
            choose,
            source=workspace.file_of(video),
            folder=workspace.subfolder(),
            max_width=max_side,
            max_height=max_side,
        )
        return _read(workspace.decode(work, words).frames)


def _video(source: Source, workspace: Workspace) -> Media:
    asked = Question()
    media = resolve(source, "video", asked, workspace)
    return fetched(media, "video", asked, workspace) if media.uri is not None else media


def _read(frames: Iterable[keyframes.ChosenFrame]) -> tuple[KeyFrame, ...]:
    return tuple(
        KeyFrame(
            timestamp=frame.timestamp,
            reason=frame.reason,
            image=Media(
                modality="image",
                mime_type="image/jpeg",
                data=frame.path.read_bytes(),
                size=frame.size,
                width=frame.width,
                height=frame.height,
                timestamp=frame.timestamp,
            ),
        )
        for frame in frames
    )


def loudness_of(
    source: Source, *, points: int, on_progress: OnProgress | None = None
) -> tuple[float, ...]:
    """How loud a sound is, for a drawing of it; see :func:`mediasense.media.sound.loudness`.

    Args:
        source: A path, ``-`` or the bytes.
        points: How many values at most.
        on_progress: Called with what is being done.

    Raises:
        MediasenseError: Of the class that fits the failure.
    """
    from mediasense.media.sound.loudness import loudness

    with Workspace(on_progress) as workspace:
        sound = resolve(source, "audio", Question(), workspace)
        work = partial(loudness, source=workspace.file_of(sound), points=points)
        return workspace.decode(work, "drawing the sound")
