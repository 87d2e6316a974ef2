"""The sound of any recording, made fit for a service.

A service takes certain formats, so many bytes, so many seconds. :func:`extract_sound` makes files
that keep within them, cut where nobody speaks, and remembers which true time stands where in them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediasense.media.sound.background import BackgroundEncoder
from mediasense.media.sound.cutting import Cutter, Limits, SilenceSkipper
from mediasense.media.sound.encoders import EncodedFormat, Encoder, fitting_samples, open_encoder
from mediasense.media.sound.pieces import SoundPiece, Stretch
from mediasense.media.sound.remux import copy_sound
from mediasense.media.sound.resampling import RATE
from mediasense.media.sound.samples import Progress, SoundTrack, open_sound
from mediasense.media.sound.silence import Pause, find_pauses

__all__ = [
    "Pause",
    "Sound",
    "SoundFormat",
    "SoundPiece",
    "Stretch",
    "extract_sound",
    "find_pauses",
]

SoundFormat = Literal["copy", "wav", "flac", "mp3", "opus", "m4a"]

# A RIFF header counts in 32 bits.
_LARGEST_WAV = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The sound of a recording, or of a part of it.

    Attributes:
        pieces: Files in the order of time; none, when all was silence that was left out.
        seconds: How much of the recording was listened to.
        silent: How many of these seconds were left out: pauses, and gaps in the recording.
        damage: What could not be read; ``""`` when nothing is wrong.
    """

    pieces: tuple[SoundPiece, ...]
    seconds: float
    silent: float = 0.0
    damage: str = ""


def extract_sound(
    source: Path,
    folder: Path,
    *,
    format: SoundFormat,  # noqa: A002 - what everybody calls it
    max_bytes: int | None = None,
    max_seconds: float | None = None,
    start: float | None = None,
    end: float | None = None,
    skip_silence: bool = False,
    track: int | None = None,
    on_progress: Progress | None = None,
) -> Sound:
    """Take the sound out of a recording.

    Args:
        source: A local file.
        folder: Where to put the pieces.
        format: ``copy`` takes the sound as it is (AAC in M4A, MP3, Opus and Vorbis in Ogg, FLAC,
            PCM in WAV); the others encode 16 kHz mono: ``wav`` and ``flac`` without loss, ``mp3``
            and ``m4a`` with 48 kb/s, ``opus`` with 24 kb/s.
        max_bytes: The most bytes a piece may have.
        max_seconds: The most seconds a piece may play, at least 1.
        start: Where to begin, in seconds from the start of the recording.
        end: Where to stop, in the same seconds.
        skip_silence: Leave out the middle of pauses of 2 s and more; 0.3 s stay at either side.
        track: Which of the sound tracks, counted from 0; by default the default or first one.
        on_progress: Told the share that is done, 0 to 1.

    Returns:
        The pieces. All but the last end at a pause where there is one. Of a recording that breaks
        off there is what can be heard, and ``damage``.

    Raises:
        MediaNotFound: The file cannot be read.
        UnsupportedMedia: It holds no sound, not that track, or none that can be decoded or copied.
        CorruptMedia: Nothing of it can be decoded.
        MediaTooLarge: The copy does not fit, or ``max_bytes`` cannot hold a second of sound.
        ValueError: Options that contradict each other.
    """
    if format == "copy" and skip_silence:
        raise ValueError("a copy cannot leave out silence; choose a format that is encoded")
    path = folder / f"sound-{os.urandom(6).hex()}"
    with open_sound(source, track=track, start=start, end=end, on_progress=on_progress) as sound:
        if format == "copy":
            found = _copied(sound, path, max_bytes, max_seconds)
        else:
            limits = _limits(format, max_bytes, max_seconds)
            found = _encoded(sound, path, format, limits, skip_silence=skip_silence)
    if on_progress is not None:
        on_progress(1.0)
    return found


def _copied(
    sound: SoundTrack, path: Path, max_bytes: int | None, max_seconds: float | None
) -> Sound:
    piece = copy_sound(sound, path, max_bytes=max_bytes, max_seconds=max_seconds)
    if piece is None:
        return Sound(pieces=(), seconds=0.0, damage=sound.damage)
    listened = piece.end - piece.start
    return Sound(pieces=(piece,), seconds=listened, damage=sound.damage)


def _limits(form: EncodedFormat, max_bytes: int | None, max_seconds: float | None) -> Limits:
    """The limits of the caller, and that of the format."""
    if form == "wav" and max_bytes is not None:
        max_bytes = min(max_bytes, _LARGEST_WAV)
    return Limits(
        samples=None if max_seconds is None else int(max_seconds * RATE),
        size=max_bytes,
        fitting=None if max_bytes is None else fitting_samples(form, max_bytes),
        ceiling=_LARGEST_WAV if form == "wav" else None,
    )


def _encoded(
    sound: SoundTrack, path: Path, form: EncodedFormat, limits: Limits, *, skip_silence: bool
) -> Sound:
    spans = SilenceSkipper().pass_on(sound.spans()) if skip_silence else sound.spans()
    cutter = Cutter(limits, _Encoders(path, form))
    try:
        for span in spans:
            cutter.add(span)
        pieces = cutter.finish()
    except BaseException:
        cutter.abandon()
        raise
    kept = sum(piece.seconds for piece in pieces)
    silent = round(max(0.0, sound.seconds - kept), 7)  # a sample has seven digits
    return Sound(pieces=pieces, seconds=sound.seconds, silent=silent, damage=sound.damage)


class _Encoders:
    """Begins one file after the other: piece 1, 2 and so on."""

    def __init__(self, path: Path, form: EncodedFormat) -> None:
        self._path, self._form = path, form
        self._count = 0

    def __call__(self) -> Encoder:
        self._count += 1
        path = self._path.with_name(f"{self._path.name}-{self._count}")
        encoder = open_encoder(path, self._form)
        return encoder if self._form == "wav" else BackgroundEncoder(encoder)
