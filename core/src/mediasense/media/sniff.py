"""What bytes are, from the bytes themselves and never from a name."""

from __future__ import annotations

from mediasense.names import MODALITIES, MediaModality

# How many bytes :func:`sniff` wants to see.
HEAD_BYTES = 8192

# The registered names for what `filetype` 1.2 and `mimetypes` call otherwise.
_REGISTERED = {
    "audio/mp4a-latm": "audio/mp4",
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "video/x-m4v": "video/mp4",
}
_NO_PICTURE = ("image/vnd.dwg", "image/x-xcf", "audio/midi")


def sniff(head: bytes) -> str | None:
    """The MIME type of a file that starts with ``head``; ``None`` when it is nobody's."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    # Nearly every image is one of these; the library that knows the rest takes 5 ms to load.
    import filetype  # type: ignore[import-untyped]

    found: str | None = filetype.guess_mime(head)
    if found is None or found in _NO_PICTURE:
        return None
    return registered(found)


def registered(mime_type: str) -> str:
    """The registered name of a MIME type that also goes by others."""
    return _REGISTERED.get(mime_type, mime_type)


def modality_of(mime_type: str) -> MediaModality | None:
    """The kind of media a MIME type names, or ``None`` for anything else."""
    kind = mime_type.partition("/")[0]
    return next((modality for modality in MODALITIES if modality == kind), None)
