"""What the reader is shown, and what it must find: for proving the plugin.

Used by ``mediasense plugins check`` and by the tests; no call of a user comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediasense import Media
from mediasense.testing import Device, Sample

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from mediasense import MediaModality, Provider

_WORDS = "Payment failed"
_FPS = 5


class Reader(Device):
    """A picture, and a recording of a screen, on which something is written."""

    def sample(self, provider: Provider, modality: MediaModality, folder: Path) -> Sample:
        """The words as a PNG, or two seconds of them as an MP4."""
        if modality == "image":
            return Sample(media=_png(folder), expected=_WORDS)
        if modality == "video":
            return Sample(media=_mp4(folder), expected=_WORDS)
        return super().sample(provider, modality, folder)


def _page() -> Image:
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (480, 160), "white")
    font = ImageFont.load_default(40)
    ImageDraw.Draw(page).text((40, 50), _WORDS, "black", font)
    return page


def _png(folder: Path) -> Media:
    path, page = folder / "page.png", _page()
    page.save(path)
    return Media(
        modality="image",
        mime_type="image/png",
        path=path,
        size=path.stat().st_size,
        width=page.width,
        height=page.height,
    )


def _mp4(folder: Path) -> Media:
    import av
    import numpy as np

    path, page = folder / "page.mp4", _page()
    frame = av.VideoFrame.from_ndarray(np.asarray(page), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = page.width, page.height, "yuv420p"
        for _ in range(2 * _FPS):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Media(
        modality="video",
        mime_type="video/mp4",
        path=path,
        size=path.stat().st_size,
        width=page.width,
        height=page.height,
        seconds=2.0,
        has_sound=False,
    )


SERVICE = Reader()
