"""Media for the benchmarks."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path


def jpeg(size: int) -> bytes:
    """A JPEG of about ``size`` bytes, with the detail of a photograph."""
    from PIL import Image

    picture = Image.effect_noise((640, 400), 40).resize((1280, 800)).convert("RGB")
    for quality in range(95, 5, -3):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() <= size:
            break
    return out.getvalue()


def write_png(path: Path, size: int) -> Path:
    """A whole PNG of ``size`` bytes or a little more; most of it is one private chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    with path.open("wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n")
        out.write(chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)))
        out.write(chunk(b"IDAT", zlib.compress(b"\0" * 65 * 64)))
        for _ in range(size >> 20):
            out.write(chunk(b"prVt", os.urandom(1 << 20)))
        out.write(chunk(b"IEND", b""))
    return path


def write_mp4(path: Path, size: int) -> Path:
    """A whole MP4 of ``size`` bytes or a little more: a short recording, and a box of padding."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for shade in range(20):
            frame = np.full((120, 160, 3), shade * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with path.open("ab") as out:
        out.write(struct.pack(">I4sQ", 1, b"free", size + 16))
        for _ in range(size >> 20):
            out.write(bytes(1 << 20))
        out.write(bytes(size & ((1 << 20) - 1)))
    return path
