"""What makes an item the same in every run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence

from mediasense.media.source import Source, is_uri

_ID_DIGITS = 16
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def item_id(sources: Sequence[Source], facts: Mapping[str, object] | None = None) -> str:
    """Name an item by what is asked about.

    ``./a.png`` and ``a.png`` are one path. ``x/../a.png`` is another, because ``x`` may be a link
    to elsewhere, and so is the same path written from the root: the current folder is not part
    of an id, so that a batch can be moved with its files.

    Args:
        sources: Paths as they were typed, links, or bytes.
        facts: Whatever else the item was given, as JSON data.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of all that, as canonical JSON.
    """
    names = [_identity(source) for source in sources]
    text = _canonical({**facts, "sources": names} if facts else {"sources": names})
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_ID_DIGITS]


def _identity(source: Source) -> object:
    if isinstance(source, bytes):
        return {"sha256": hashlib.sha256(source).hexdigest()}
    if isinstance(source, str):
        return source if is_uri(source) else _plain(source)
    return _plain(os.fsdecode(source))


def _plain(path: str) -> str:
    path = path.replace(os.sep, "/")
    if "./" in path or "//" in path or path.endswith(("/", "/.")):
        root = "/" if path.startswith("/") else ""
        path = root + "/".join(part for part in path.split("/") if part not in ("", "."))
    return path or "."
