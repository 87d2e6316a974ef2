"""What bytes are, from the bytes themselves and never from a name."""

from __future__ import annotations

import filetype  # type: ignore[import-untyped]

from mediasense.names import MODALITIES, MediaModality

# How many bytes :func:`sniff` wants to see.
HEAD_BYTES = 8192

# The registered names for what `filetype` 1.2 calls otherwise.
_REGISTERED = {
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "image/apng": "image/png",
    "video/x-m4v": "video/mp4",
}
_NO_PICTURE = ("image/vnd.dwg", "image/x-xcf", "audio/midi")


def sniff(head: bytes) -> str | None:
    """The MIME type of a file that starts with ``head``; ``None`` when it is nobody's."""
    found: str | None = filetype.guess_mime(head)
    if found is None or found in _NO_PICTURE:
        return None
    return _REGISTERED.get(found, found)


def modality_of(mime_type: str) -> MediaModality | None:
    """The kind of media a MIME type names, or ``None`` for anything else."""
    kind = mime_type.partition("/")[0]
    return next((modality for modality in MODALITIES if modality == kind), None)
