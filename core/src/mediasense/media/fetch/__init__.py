"""Media that does not come as a file: downloads, ``data:`` URIs and standard input."""

from __future__ import annotations

import os
import re
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes, urljoin

from mediasense.errors import (
    CorruptMedia,
    MediaError,
    MediaNotFound,
    MediaTooLarge,
    UnsafeEndpoint,
    UsageError,
    one_line,
)
from mediasense.media.fetch.addresses import Link, display_url, is_public, parse_link
from mediasense.media.fetch.sockets import Limits, answer, network_errors

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = [
    "DATA_URI_BYTES",
    "MAX_BYTES",
    "TOTAL_SECONDS",
    "WAIT_SECONDS",
    "Fetched",
    "OnBytes",
    "Readable",
    "display_url",
    "download",
    "read_data_uri",
    "spool",
    "too_large",
]

MAX_BYTES = 2 * 1024**3
DATA_URI_BYTES = 64 * 1024**2
WAIT_SECONDS = 30.0
TOTAL_SECONDS = 3600.0

OnBytes = Callable[[int, int | None], None]

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_BLOCK = 256 * 1024
_MIME_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BASE64_MARK = re.compile(r";[ ]*base64[ ]*", re.IGNORECASE)
_YOURSELF = "download it yourself, and give the file"
_IN_BROWSER = "check the link in a browser, or download it yourself and give the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that came over the network.

    Attributes:
        path: The file, readable by its owner alone.
        size: Its bytes.
        mime_type: What the server calls it, in lower case and without parameters; ``""`` when it
            says nothing. Not to be believed.
        url: Where it came from in the end, without credentials and query: for display.
    """

    path: Path
    size: int
    mime_type: str
    url: str


class Readable(Protocol):
    """A stream of bytes. ``None`` is what a stream that does not wait says without bytes."""

    def read(self, size: int, /) -> bytes | None:
        """At most so many bytes; none at the end."""


def download(
    url: str,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    timeout: float = WAIT_SECONDS,
    total_timeout: float | None = TOTAL_SECONDS,
    allow_private: bool = False,
    allow_http: bool = False,
    on_progress: OnBytes | None = None,
    allowed: Callable[[str], bool] = is_public,
) -> Fetched:
    """Download a public http or https link into a private file.

    At most 5 redirects are followed, and each is checked like the first link. No credentials,
    cookies or referrer are sent, and no proxy is used: through a proxy nobody could tell here which
    address is reached. Only with ``allow_private``, where that does not matter, https goes through
    the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``).

    Args:
        url: The link.
        folder: Where the file is put; it exists and is private. Nothing is left there on failure.
        max_bytes: The largest file that is taken.
        timeout: Seconds to wait for each step: a connection (10 at most), a piece of the answer.
            The look-up of a name takes as long as the system's resolver lets it.
        total_timeout: Seconds for everything; ``None`` for no end.
        allow_private: Whether addresses may be used that are not public.
        allow_http: Whether plain http to another machine is wanted. This machine needs no flag for
            that, but ``allow_private``.
        on_progress: Called with the bytes so far and the bytes in all, ``None`` when not known.
        allowed: Which addresses may be dialled, when ``allow_private`` is not given.

    Returns:
        The file, and what the server says about it.

    Raises:
        UsageError: It is no such link.
        UnsafeEndpoint: It leads to an address that is not public, holds a password, or would be
            fetched without encryption.
        MediaNotFound: The server has no such file.
        MediaTooLarge: The file is larger than ``max_bytes``.
        CorruptMedia: The file is empty.
        MediaError: Anything else went wrong on the way.
    """
    limits = Limits(
        allowed=(lambda _: True) if allow_private else allowed,
        allow_http=allow_http,
        through_proxy=allow_private,
        timeout=timeout,
        total=total_timeout,
        ends=None if total_timeout is None else time.monotonic() + total_timeout,
    )
    link = parse_link(url)
    for _ in range(_MAX_REDIRECTS + 1):
        with answer(link, limits) as response:
            location = response.getheader("Location")
            if response.status not in _REDIRECTS or location is None:
                return _keep(response, link, folder, max_bytes, limits, on_progress)
        link = _redirected(link, location)
    raise MediaError(
        f"{display_url(url)} redirects more than {_MAX_REDIRECTS} times", hint=_IN_BROWSER
    )


def read_data_uri(uri: str, *, max_bytes: int = DATA_URI_BYTES) -> bytes:
    """The bytes that a ``data:`` URI holds (RFC 2397).

    Args:
        uri: ``data:TYPE;base64,...``, with or without padding, or ``data:TYPE,...`` with percent
            signs. White space in the data is skipped. The type is not looked at.
        max_bytes: The most bytes that are taken.

    Raises:
        UsageError: It is no such URI. The message never shows the data.
        MediaTooLarge: It holds more.
        CorruptMedia: It holds nothing.
    """
    scheme, colon, rest = uri.partition(":")
    described, comma, held = rest.partition(",")
    if not colon or scheme.strip().lower() != "data" or not comma:
        raise UsageError("the data: URI has no comma before its data", hint=_DATA_URI)
    if len(held) > 5 * max_bytes + 16:  # a byte takes three characters, or four with base64
        raise too_large("the data: URI", max_bytes)
    held = "".join(held.partition("#")[0].split())
    if not held.isascii():
        raise UsageError("the data: URI has characters outside ASCII", hint=_DATA_URI)
    data = unquote_to_bytes(held)
    _, mark, last = described.rpartition(";")
    if _BASE64_MARK.fullmatch(mark + last):
        data = _from_base64(b"".join(data.split()))
    if len(data) > max_bytes:
        raise too_large("the data: URI", max_bytes)
    if not data:
        raise CorruptMedia("the data: URI is empty", hint=_DATA_URI)
    return data


_DATA_URI = "give data:TYPE;base64,DATA"


def spool(
    stream: Readable, folder: Path, *, max_bytes: int = MAX_BYTES, name: str = "standard input"
) -> Path:
    """Copy a stream into a private file, in blocks.

    Args:
        stream: Opened for reading bytes; it is read to its end and not closed.
        folder: Where the file is put; it exists and is private. Nothing is left there on failure.
        max_bytes: The most bytes that are taken.
        name: How errors call it.

    Returns:
        The file.

    Raises:
        MediaTooLarge: There are more bytes.
        CorruptMedia: There are none.
        MediaError: The stream cannot be read, or the file not written.
    """
    with _private_file(folder, "input-") as file:
        size = 0
        while block := _read(stream, min(_BLOCK, max_bytes - size + 1), name):
            size += len(block)
            if size > max_bytes:
                raise too_large(name, max_bytes)
            file.write(block)
        if size == 0:
            raise CorruptMedia(f"{name} is empty", hint="give an image, a video or a sound")
    return file.path


def too_large(name: str, max_bytes: int) -> MediaTooLarge:
    """The error for a source with more bytes than are taken."""
    limit = f"{max_bytes / 1024**2:.4g} MiB" if max_bytes >= 1024**2 else f"{max_bytes} bytes"
    return MediaTooLarge(f"{name} has more than {limit}", hint="give a smaller one, or a part")


# --- an answer -----------------------------------------------------------------------------------


def _redirected(link: Link, location: str) -> Link:
    with suppress(UnicodeError):  # headers are read as Latin-1, and many are written in UTF-8
        location = location.encode("latin-1").decode()
    try:
        return parse_link(urljoin(link.url, location.strip().replace(" ", "%20")))
    except UnsafeEndpoint as error:
        raise UnsafeEndpoint(f"{link.host} redirects: {error.message}", hint=error.hint) from None
    except (UsageError, ValueError) as error:
        cause = error.message if isinstance(error, UsageError) else "the link is not a URL"
        raise MediaError(f"{link.host} redirects: {cause}", hint=_IN_BROWSER) from None


def _keep(
    response: HTTPResponse,
    link: Link,
    folder: Path,
    max_bytes: int,
    limits: Limits,
    on_progress: OnBytes | None,
) -> Fetched:
    _require_file(response, link)
    total = response.length
    if total is not None and total > max_bytes:
        raise too_large(link.shown, max_bytes)
    with _private_file(folder, "download-") as file:
        size = 0
        for block in _blocks(response, total, link, limits):
            size += len(block)
            if size > max_bytes:
                raise too_large(link.shown, max_bytes)
            file.write(block)
            if on_progress is not None:
                on_progress(size, total)
        _require_whole(link, size, total, limits)
    return Fetched(path=file.path, size=size, mime_type=_mime_type(response), url=link.shown)


def _blocks(
    response: HTTPResponse, total: int | None, link: Link, limits: Limits
) -> Iterator[bytes]:
    """The body as it comes in: ``read1`` returns what is there, and does not wait for more."""
    size = 0
    while total is None or size < total:
        with network_errors(link, limits):
            block = response.read1(_BLOCK if total is None else min(_BLOCK, total - size))
        if not block:
            return
        size += len(block)
        yield block


def _require_file(response: HTTPResponse, link: Link) -> None:
    status = response.status
    if status in (404, 410):
        raise MediaNotFound(f"there is no {link.shown} ({status})", hint="check the link")
    if status not in (200, 203):
        raise MediaError(f"{link.shown} answered {status}", hint=_status_hint(status))
    encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise MediaError(
            f"{link.shown} is sent compressed ({one_line(encoding, limit=20)}), unasked",
            hint=_YOURSELF,
        )


def _status_hint(status: int) -> str:
    if status in (401, 403):
        return f"it needs a login or has expired: {_YOURSELF}"
    if status == 429 or status >= 500:
        return f"try again later, or {_YOURSELF}"
    return _IN_BROWSER


def _require_whole(link: Link, size: int, total: int | None, limits: Limits) -> None:
    if total is None or size < total:
        # A connection that was shut down ends like a body of unknown length.
        limits.require_time(link)
    if total is not None and size < total:
        raise MediaError(f"{link.shown} broke off at {size} of {total} bytes", hint="try again")
    if size == 0:
        raise CorruptMedia(f"{link.shown} is empty", hint=_IN_BROWSER)


def _mime_type(response: HTTPResponse) -> str:
    stated = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return stated if _MIME_TYPE.fullmatch(stated) else ""


# --- bytes ---------------------------------------------------------------------------------------


class _PrivateFile:
    """A file being written; errors of the disk are errors of ours."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.path = path
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise MediaError(
                f"a copy cannot be kept: {error.strerror}", hint="make room, or set TMPDIR"
            ) from None


@contextmanager
def _private_file(folder: Path, prefix: str) -> Iterator[_PrivateFile]:
    """A new file that only its owner can read, gone again if the block fails."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=folder)
    except OSError as error:
        raise MediaError(
            f"a copy cannot be kept: {error.strerror}", hint="make room, or set TMPDIR"
        ) from None
    try:
        yield _PrivateFile(descriptor, Path(name))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _read(stream: Readable, size: int, name: str) -> bytes:
    try:
        block = stream.read(size)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it is closed"
        raise MediaError(f"{name} cannot be read: {cause}", hint="give a file") from None
    if block is None:
        raise MediaError(f"{name} does not wait for its bytes", hint="write it to a file first")
    return block


def _from_base64(text: bytes) -> bytes:
    letters = text.rstrip(b"=")
    padded = len(text) > len(letters)
    wrong = len(letters) % 4 == 1 or (padded and len(text) % 4 != 0)
    if wrong or not _BASE64.fullmatch(text):
        raise UsageError("the data: URI holds no valid base64", hint=_DATA_URI)
    return b64decode(letters + b"=" * (-len(letters) % 4))
