"""Any samples made 16 kHz, mono, 16 bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from mediasense.errors import UnsupportedMedia

if TYPE_CHECKING:
    import av
    from av.filter.context import FilterContext

RATE = 16_000
"""Samples a second: what speech recognition works with."""

WIDTH = 2
"""Bytes of a sample."""

_BATCH_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class _Filter:
    name: str
    options: str


# Mixing first leaves one channel to resample. Unless told, FFmpeg adds up channels without regard
# to what 16 bits can hold, and loud speech in the middle of a stereo recording is clipped.
_MIX = _Filter("aresample", "out_chlayout=mono:out_sample_fmt=fltp:rematrix_maxval=1")
_JOIN = _Filter("asetnsamples", "n=16384:p=0")
_CONVERT = _Filter("aresample", f"out_sample_rate={RATE}:out_sample_fmt=s16:out_chlayout=mono")


class Resampler:
    """From any samples to 16 kHz mono s16, many frames at a time.

    PyAV's own ``AudioResampler`` pulls after each frame, and half of its time goes into raising the
    exception that says there is nothing yet.
    """

    def __init__(self) -> None:
        self._add: Callable[[av.AudioFrame | None], None] | None = None
        self._pull: FilterContext
        self._waiting = 0
        self._batch = 0
        self._rest: list[bytes] = []

    def push(self, frame: av.AudioFrame) -> bool:
        """Add a frame; say whether it is time to take what is ready."""
        try:
            if self._add is None:
                self._build(frame)
            self._add(frame)  # type: ignore[misc]
        except ValueError:  # frames of another kind than those before
            self._rest.extend(self.flush())
            self._build(frame)
            self._add(frame)  # type: ignore[misc]
        self._waiting += frame.samples
        return self._waiting >= self._batch

    def ready(self) -> Iterator[bytes]:
        """Give what is ready."""
        self._waiting = 0
        blocks, self._rest = self._rest, []
        try:
            while True:
                frame = cast("av.AudioFrame", self._pull.pull())
                blocks.append(bytes(memoryview(frame.planes[0])[: frame.samples * WIDTH]))
        except (BlockingIOError, EOFError):
            pass
        if blocks:
            yield b"".join(blocks)

    def flush(self) -> Iterator[bytes]:
        """Give the rest, and be ready for other frames."""
        if self._add is not None:
            self._add(None)
            yield from self.ready()
            self._add = None

    def _build(self, frame: av.AudioFrame) -> None:
        import av

        try:
            self._link(frame, _MIX)
        except (av.FFmpegError, ValueError):
            # More channels than have names, as recorders for music make: the first two are heard.
            try:
                self._link(frame, _Filter("pan", _first_two(frame)))
            except (av.FFmpegError, ValueError):
                raise UnsupportedMedia(
                    f"the sound has {frame.layout.nb_channels} channels of {frame.format.name} at "
                    f"{frame.sample_rate} Hz, which cannot be mixed",
                    hint="convert it to mono",
                ) from None

    def _link(self, frame: av.AudioFrame, mix: _Filter) -> None:
        from av.filter import Graph

        self._graph = graph = Graph()
        layout, rate = frame.layout.name, frame.sample_rate
        kind = f"sample_rate={rate}:sample_fmt={frame.format.name}:channel_layout={layout}"
        last = entry = graph.add("abuffer", f"{kind}:time_base=1/{rate}")
        for step in (mix, _JOIN, _CONVERT):
            following = graph.add(step.name, step.options)
            last.link_to(following)
            last = following
        self._pull = graph.add("abuffersink")
        last.link_to(self._pull)
        graph.configure()
        graph.set_audio_frame_size(RATE)
        self._add = entry.push
        self._batch = round(_BATCH_SECONDS * rate)


def _first_two(frame: av.AudioFrame) -> str:
    return "mono|c0=0.5*c0+0.5*c1" if frame.layout.nb_channels > 1 else "mono|c0=c0"
