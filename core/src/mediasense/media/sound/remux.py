"""The sound of a recording as it is: its packets in a file of their own, not decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mediasense.errors import CorruptMedia, MediaTooLarge, UnsupportedMedia
from mediasense.media.sound.encoders import open_output
from mediasense.media.sound.pieces import SoundPiece, Stretch

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

    from mediasense.media.sound.samples import SoundTrack

_REPORT_PACKETS = 256


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a codec is at home: FFmpeg's name of the container, and what the world calls it."""

    container: str
    suffix: str
    mime_type: str


_MP4 = _Home("ipod", "m4a", "audio/mp4")
_OGG = _Home("ogg", "ogg", "audio/ogg")
_WAV = _Home("wav", "wav", "audio/wav")
_HOMES = {
    "aac": _MP4,
    "alac": _MP4,
    "mp3": _Home("mp3", "mp3", "audio/mpeg"),
    "opus": _OGG,
    "vorbis": _OGG,
    "flac": _Home("flac", "flac", "audio/flac"),
    "pcm_u8": _WAV,
    "pcm_s16le": _WAV,
    "pcm_s24le": _WAV,
    "pcm_s32le": _WAV,
    "pcm_f32le": _WAV,
    "amr_nb": _Home("amr", "amr", "audio/amr"),
    "amr_wb": _Home("amr", "amr", "audio/amr"),
}
_MUXING = {"ipod": {"movflags": "+faststart"}, "mp3": {"id3v2_version": "0"}}


def copy_sound(
    sound: SoundTrack, path: Path, *, max_bytes: int | None, max_seconds: float | None
) -> SoundPiece | None:
    """Put the packets of a track into a file, without tags, covers or other tracks.

    Args:
        sound: The open track.
        path: The file to make; the suffix is added.
        max_bytes: The most bytes it may have.
        max_seconds: The most seconds it may play.

    Returns:
        The piece; ``None`` where there is nothing between start and end.

    Raises:
        UnsupportedMedia: The codec has no container of its own.
        MediaTooLarge: It does not fit.
        CorruptMedia: The packets cannot be put in a container.
    """
    codec = sound.stream.codec_context.codec.canonical_name
    home = _HOMES.get(codec)
    if home is None:
        raise UnsupportedMedia(
            f"sound encoded as {codec} cannot be copied as it is", hint="encode it"
        )
    path = path.with_suffix(f".{home.suffix}")
    try:
        with path.open("xb") as file:
            copied = _copy(sound, file, path, home, max_bytes, max_seconds)
        size = path.stat().st_size
        if max_bytes is not None and size > max_bytes:
            raise _too_large(f"{max_bytes} bytes")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not copied.stretches:
        path.unlink()
        return None
    return SoundPiece(
        path=path,
        mime_type=home.mime_type,
        size=size,
        seconds=copied.seconds,
        stretches=tuple(copied.stretches),
    )


def _too_large(limit: str) -> MediaTooLarge:
    return MediaTooLarge(
        f"the sound as it is has more than {limit}", hint="encode it, or cut it into pieces"
    )


def _copy(
    sound: SoundTrack,
    file: BinaryIO,
    path: Path,
    home: _Home,
    max_bytes: int | None,
    max_seconds: float | None,
) -> _Copied:
    import av

    copied, written = _Copied(sound), 0
    most_seconds = math.inf if max_seconds is None else max_seconds
    try:
        with open_output(file, path, home.container, _MUXING.get(home.container, {})) as out:
            stream = _like(out, sound.stream)
            for packet in copied.packets():
                written += packet.size
                if max_bytes is not None and written > max_bytes:
                    raise _too_large(f"{max_bytes} bytes")
                if copied.seconds > most_seconds:
                    raise _too_large(f"{max_seconds} s")
                packet.stream = stream
                out.mux_one(packet)
    except (av.FFmpegError, ValueError) as error:
        raise CorruptMedia(
            f"the sound cannot be copied as it is: {error}", hint="encode it"
        ) from None
    return copied


def _like(out: OutputContainer, stream: AudioStream) -> AudioStream:
    if not stream.codec_context.sample_rate:
        raise UnsupportedMedia(
            "the sound cannot be copied as it is: the recording does not describe it",
            hint="encode it",
        )
    try:
        made = out.add_stream_from_template(stream)
    except ValueError as error:
        raise UnsupportedMedia(
            f"the sound cannot be copied as it is: {error}", hint="encode it"
        ) from None
    made.metadata.clear()
    return made


class _Copied:
    """The packets of a track between start and end, with timestamps that begin at 0.

    Players pass over gaps in timestamps, so they are closed, and noted as stretches.

    Attributes:
        seconds: How much was given.
        stretches: Which parts of the recording; there when all packets were given.
    """

    def __init__(self, sound: SoundTrack) -> None:
        self.seconds = 0.0
        self.stretches: list[Stretch] = []
        self._sound = sound
        self._unit = float(sound.stream.time_base or 1)
        self._last: int | None = None
        self._left_out = 0.0
        self._began = 0.0  # of the stretch that is not yet noted, with its end and offset
        self._ended = 0.0
        self._offset = 0.0

    def packets(self) -> Iterator[Packet[AudioStream]]:
        sound, clock, unit = self._sound, self._sound.clock, self._unit
        follow, start, end = clock.follow, sound.start, sound.end
        for count, packet in enumerate(sound.packets()):
            if not packet.size:
                continue
            if packet.is_corrupt:
                sound.note("it has damaged packets")
            gap = follow(packet.pts, (packet.duration or 0) * unit)
            if clock.began >= end:
                break
            if count % _REPORT_PACKETS == 0:
                sound.report()
            reached = clock.at or 0.0
            if reached > start:
                self._stamp(packet, clock.began, reached, gap)
                yield packet
        else:
            sound.require_end()
        self._note()
        if sound.damage and clock.at is None:
            raise CorruptMedia(f"the recording cannot be heard: {sound.damage}")

    def _stamp(self, packet: Packet[AudioStream], at: float, reached: float, gap: float) -> None:
        if self._last is None:
            # Before 0 is what the encoder put in front: the container tells players to drop it.
            self._left_out = self._began = max(0.0, at)
        elif gap:
            self._note()
            self._left_out += gap
            self._offset, self._began = self.seconds, at
        stamp = round((at - self._left_out) / self._unit)
        if self._last is not None and stamp <= self._last:
            stamp = self._last + 1
        self._last = packet.pts = packet.dts = stamp
        if reached > self._ended:
            self._ended = reached
            self.seconds = self._offset + reached - self._began

    def _note(self) -> None:
        """Note the stretch that ends here."""
        if self._last is not None and self._ended > self._began:
            self.stretches.append(Stretch(start=self._began, end=self._ended, offset=self._offset))
