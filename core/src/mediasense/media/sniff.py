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
# The brands of pictures in an ISO container; `filetype` 1.2 misses animations and deep colours.
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF = frozenset((b"avif", b"avis"))
_ANY_CODEC = frozenset((b"mif1", b"mif2", b"msf1", b"miaf"))
_MOST_BRANDS = 64
_NO_PICTURE = ("image/vnd.dwg", "image/x-xcf", "audio/midi")


def sniff(head: bytes) -> str | None:
    """The MIME type of a file that starts with ``head``; ``None`` when it is nobody's."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[4:8] == b"ftyp" and (still := _iso_picture(head)):
        return still
    # Nearly every image is one of these; the library that knows the rest takes 5 ms to load.
    import filetype  # type: ignore[import-untyped]

    found: str | None = filetype.guess_mime(head)
    if found is None or found in _NO_PICTURE:
        return None
    return registered(found)


def _iso_picture(head: bytes) -> str | None:
    """The type by the brands that the first box lists, the main one first (ISO/IEC 23008-12)."""
    end = min(int.from_bytes(head[:4], "big"), len(head), 16 + 4 * _MOST_BRANDS)
    main = head[8:12]
    others = {head[place : place + 4] for place in range(16, end - 3, 4)}
    if main in _AVIF or (main in _ANY_CODEC and others & _AVIF):
        return "image/avif"
    if main in _HEIC or (main in _ANY_CODEC and others & _HEIC):
        return "image/heic"
    return "image/heif" if main in _ANY_CODEC else None


def registered(mime_type: str) -> str:
    """The registered name of a MIME type that also goes by others."""
    return _REGISTERED.get(mime_type, mime_type)


def modality_of(mime_type: str) -> MediaModality | None:
    """The kind of media a MIME type names, or ``None`` for anything else."""
    kind = mime_type.partition("/")[0]
    return next((modality for modality in MODALITIES if modality == kind), None)
