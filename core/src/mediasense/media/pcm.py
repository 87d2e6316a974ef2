"""The samples of a sound, for plugins that hear on this machine."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from functools import partial

from mediasense.media.workspace import Workspace
from mediasense.types import Media

PCM_RATE = 16_000
"""Samples a second that :func:`read_pcm` gives: what models of speech recognition hear."""

_BLOCK = 4 * PCM_RATE


def read_pcm(media: Media, *, max_seconds: float | None = None) -> Iterator[bytes]:
    """Give the samples of a sound, or of the sound in a recording, a few seconds at a time.

    It is decoded in a process of its own, which a damaged or hostile file may take down, into a
    file that is removed at the end: memory is taken for one block only. Where the timestamps skip
    there is silence of as many seconds, up to 10.

    Args:
        media: A sound or a video, with its bytes or a local file.
        max_seconds: Stop after so many; above 0.

    Yields:
        Samples in mono, 16,000 a second, each a signed number of 16 bits in the byte order of this
        machine, as ``array("h")`` and NumPy's ``int16`` have them; nothing where it is empty.

    Raises:
        UnsupportedMedia: It holds no sound, or none that can be decoded.
        CorruptMedia: Nothing of it can be decoded.
        MediaTooLarge: Decoding it takes more memory than it may.
    """
    import wave

    from mediasense.media.sound import extract_sound

    with Workspace() as workspace:
        work = partial(
            extract_sound,
            source=workspace.file_of(media),
            folder=workspace.subfolder(),
            format="wav",
            end=max_seconds,
        )
        for piece in workspace.decode(work, "decoding the sound").pieces:
            with wave.open(str(piece.path)) as file:
                while block := file.readframes(_BLOCK):
                    yield _native(block)


def _native(block: bytes) -> bytes:
    """Samples of a WAV file, which has the lower byte first."""
    if sys.byteorder == "little":
        return block
    samples = array("h", block)
    samples.byteswap()
    return samples.tobytes()
