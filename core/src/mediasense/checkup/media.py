"""What can be decoded and encoded here, and whether that is done in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mediasense.checkup.records import Check, Finding

_DECODERS = ("h264", "hevc", "vp9", "av1", "aac", "mp3", "opus")
_ENCODERS = ("libx264", "aac", "libmp3lame", "libopus", "flac")
"""What recordings are cut and converted with."""
_REPAIR = "type: pip install --force-reinstall av"

_found = partial(Finding, group="media")


def media_checks() -> tuple[Check, ...]:
    """The checks of this module."""
    makers = {"codecs": _codecs, "pictures": _pictures, "decoding": _decoding}
    return tuple(Check(group="media", name=name, run=run) for name, run in makers.items())


def _codecs() -> Iterator[Finding]:
    import av

    version = f"PyAV {av.__version__}"
    for name, wanted, mode in (("decoders", _DECODERS, "r"), ("encoders", _ENCODERS, "w")):
        lacking = [codec for codec in wanted if not _has_codec(codec, mode)]
        yield _found(
            name=name,
            status="warning" if lacking else "ok",
            detail=f"{version}: no {', '.join(lacking)}" if lacking else ", ".join(wanted),
            hint=_REPAIR if lacking else "",
        )


def _has_codec(name: str, mode: str) -> bool:
    import av

    try:
        av.codec.Codec(name, mode)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def _pictures() -> Iterator[Finding]:
    from PIL import features

    for name, feature in (("WebP", "webp"), ("AVIF", "avif"), ("JPEG", "jpg"), ("PNG", "zlib")):
        there = features.check(feature)
        yield _found(
            name=name,
            status="ok" if there else "warning",
            detail="it can be read" if there else "Pillow cannot read it",
            hint="" if there else "type: pip install --force-reinstall pillow",
        )
    import pillow_heif

    yield _found(name="HEIC", status="ok", detail=f"pillow-heif {pillow_heif.__version__}")


def _decoding() -> Iterator[Finding]:
    """A tiny video goes the way of every other: into a process of its own and back."""
    from mediasense.media.inspecting import inspect_bytes
    from mediasense.media.workspace import Workspace
    from mediasense.specimens import video

    made = video("green")
    assert made.data is not None
    with Workspace() as workspace:
        found = inspect_bytes(made.data, "a tiny video", workspace)
    right = (found.width, found.height) == (made.width, made.height)
    yield _found(
        name="decoding",
        status="ok" if right else "failed",
        detail=f"a tiny video was decoded in a process of its own ({found.width}x{found.height})",
        hint="" if right else _REPAIR,
    )
