"""From what the user names to checked :class:`~mediasense.types.Media`.

A path, ``-`` for standard input, a ``data:`` URI, a link, or the bytes. A link stays one until it
is known whether the provider fetches it itself.
"""

from __future__ import annotations

import mimetypes
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UnsafeEndpoint, UnsupportedMedia, UsageError
from mediasense.media.inspecting import display_name, inspect_bytes, inspect_file
from mediasense.media.sniff import modality_of, registered
from mediasense.media.workspace import Workspace
from mediasense.names import MediaModality
from mediasense.sending import Transfer
from mediasense.turns import apart
from mediasense.types import Media, Question

if TYPE_CHECKING:
    from mediasense.media.fetch import Fetched

Source = str | os.PathLike[str] | bytes


@dataclass(frozen=True, slots=True)
class FileRead:
    """A small file that was read: what is looked at, and known again, is what is sent.

    Attributes:
        path: Where it is.
        data: What is in it.
    """

    path: Path
    data: bytes = field(repr=False)


_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")
_DATA_URI = re.compile(r"\s*data:[^,]{0,200},", re.IGNORECASE)
_PAGES = ("application/xhtml+xml", "text/html")
_YOUTUBE_HOSTS = ("youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be")


def resolve(
    source: Source | FileRead,
    expected: MediaModality | None,
    question: Question,
    workspace: Workspace,
) -> Media:
    """Look at what the user named.

    Args:
        source: A path, a URI, ``-`` or the bytes themselves.
        expected: The kind of media the user asked for; ``None`` takes what it is.
        question: How far a download may go.
        workspace: Where what is no file becomes one.

    Returns:
        The media. Of a local file everything is checked that can be without a provider; of a link
        nothing is, as long as it does not have to be downloaded.

    Raises:
        MediaNotFound: No such file, or one that cannot be read.
        UnsupportedMedia: It is no image, video or sound.
        CorruptMedia: It is empty, truncated or damaged.
        MediaTooLarge: It has more pixels or bytes than anybody takes.
        UsageError: It is of another kind than expected.
    """
    if isinstance(source, FileRead):
        name = display_name(source.path)
        return _expect(inspect_bytes(source.data, name, workspace, path=source.path), expected)
    if isinstance(source, bytes):
        return _expect(inspect_bytes(source, "the data", workspace), expected)
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            f"a {type(source).__name__} is no source", hint="give a path, a link or bytes"
        )
    path = plain_path(source)
    if path is not None:
        return _expect(inspect_file(path, display_name(path), workspace), expected)
    text = str(source)
    if text == "-":
        return _expect(_standard_input(question, workspace), expected)
    if scheme := _URI.match(text):
        return _uri(text, scheme[1].lower(), expected, question, workspace)
    return _expect(_data_uri(text, question, workspace), expected)


def plain_path(source: Source) -> Path | None:
    """The path of a source that is one; ``None`` for bytes, links and standard input."""
    if isinstance(source, bytes) or not isinstance(source, str | os.PathLike):
        return None
    if isinstance(source, str) and (source == "-" or is_uri(source)):
        return None
    return Path(os.fsdecode(source))


def is_uri(source: Source) -> bool:
    """Whether it is a link or a ``data:`` URI, and so no path."""
    return isinstance(source, str) and (is_link(source) or is_data_uri(source))


def is_data_uri(source: Source) -> bool:
    """Whether the media are in it themselves."""
    return isinstance(source, str) and _DATA_URI.match(source) is not None


def is_link(source: str) -> bool:
    """Whether it is a link, and no path, ``data:`` URI or standard input."""
    return _URI.match(source) is not None


def source_name(source: Source) -> str:
    """What a source is called where it is told of, without secrets of a link and without media."""
    from mediasense.media.fetch.addresses import display_url

    path = plain_path(source)
    if path is not None:
        return display_name(path)
    if isinstance(source, bytes):
        return "the data"
    text = str(source)
    if is_link(text):
        return display_url(text)
    return "standard input" if text == "-" else "the data: URI"


def fetched(
    link: Media, expected: MediaModality | None, question: Question, workspace: Workspace
) -> Media:
    """Download a link that the provider does not fetch itself.

    Args:
        link: Media with a URI.
        expected: As for :func:`resolve`.
        question: How far the download may go.
        workspace: Where the file is kept.

    Raises:
        UnsafeEndpoint: It leads to a private address.
        MediaNotFound: There is nothing.
        MediaTooLarge: It is larger than ``question.max_download``.
        MediasenseError: It cannot be downloaded, or is not what is expected.
    """
    if link.uri is None or uri_kind(link.uri) not in ("http", "https", "youtube"):
        return link  # it is here already, or nobody here can fetch it: the plan says so
    return _expect(_downloaded(link.uri, question, workspace), expected or link.modality)


def for_its_sound(video: Media) -> Media:
    """A video, or a link to one, as what is heard in it.

    Raises:
        UnsupportedMedia: It has no sound.
    """
    if video.uri is not None:
        return replace(video, modality="audio", mime_type="")
    return _expect(video, "audio")


def uri_kind(uri: str) -> str:
    """The scheme of a URI, or ``youtube`` for a link to YouTube."""
    scheme, _, rest = uri.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    if scheme.lower() == "https" and host.lower() in _YOUTUBE_HOSTS:
        return "youtube"
    return scheme.lower()


def _standard_input(question: Question, workspace: Workspace) -> Media:
    from mediasense.media.fetch import spool

    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is nothing on standard input", hint="pipe a file into it")
    workspace.report("reading standard input")
    stream = sys.stdin.buffer
    path = spool(stream, workspace.subfolder(), max_bytes=question.max_download)
    return inspect_file(path, "standard input", workspace)


def _data_uri(text: str, question: Question, workspace: Workspace) -> Media:
    from mediasense.media.fetch import DATA_URI_BYTES, read_data_uri

    most = min(question.max_download, DATA_URI_BYTES)
    return inspect_bytes(read_data_uri(text, max_bytes=most), "the data: URI", workspace)


def _downloaded(uri: str, question: Question, workspace: Workspace) -> Media:
    """A link as a file: what it leads to, or what the page there shows."""
    from mediasense.media.fetch import download
    from mediasense.media.fetch.addresses import display_url
    from mediasense.media.fetch.sites import download_site

    shown = display_url(uri)

    def get(way: Callable[..., Fetched]) -> Fetched:
        with apart():
            return way(
                uri,
                workspace.subfolder(),
                max_bytes=question.max_download,
                allow_private=question.allow_private,
                allow_http=question.access.allow_http,
                on_progress=_shares(workspace, shown),
            )

    file = get(download_site if uri_kind(uri) == "youtube" else download)
    if file.mime_type in _PAGES:
        file = get(download_site)
    return inspect_file(file.path, shown, workspace)


def _shares(workspace: Workspace, shown: str) -> Callable[[int, int | None], None]:
    transfer = Transfer(f"downloading {shown}")

    def report(done: int, whole: int | None) -> None:
        if done == whole or transfer.is_due():
            workspace.report(transfer.told(done, whole), done / whole if whole else None)

    return report


def _expect(media: Media, expected: MediaModality | None) -> Media:
    name = media.name
    if expected is None or media.modality == expected:
        return media
    if expected == "audio" and media.modality == "video" and media.has_sound:
        return replace(media, modality="audio")
    if expected == "audio" and media.modality == "video":
        raise UnsupportedMedia(f"{name} is a video without sound", hint="give a sound")
    if expected == "video" and media.modality == "audio":
        raise UnsupportedMedia(
            f"{name} has sound and no pictures", hint="type: mediasense audio FILE"
        )
    article = "an" if media.modality[0] in "ai" else "a"
    raise UsageError(
        f"{name} is {article} {media.modality}, not {expected}",
        hint=f"type: mediasense {media.modality} FILE",
    )


def _uri(
    uri: str,
    scheme: str,
    expected: MediaModality | None,
    question: Question,
    workspace: Workspace,
) -> Media:
    from mediasense.media.fetch.addresses import display_url

    if scheme == "file":
        raise UsageError("file:// is not read", hint="give the plain path")
    shown = display_url(uri)
    if "@" in re.split(r"[/?#]", uri.partition("://")[2], maxsplit=1)[0]:
        raise UnsafeEndpoint(
            f"{shown} holds a user name or a password", hint="give a link without them"
        )
    guessed, _ = mimetypes.guess_type(re.split(r"[?#]", uri, maxsplit=1)[0])
    guessed = registered(guessed) if guessed else None
    by_name = modality_of(guessed) if guessed else None
    if uri_kind(uri) == "youtube":
        by_name, guessed = "video", None
    modality = expected or by_name
    if modality is None:
        if scheme in ("http", "https"):
            return _downloaded(uri, question, workspace)
        raise UsageError(
            f"{shown} does not say what it is",
            hint="type: mediasense image, video or audio with it",
        )
    mime_type = guessed if guessed and by_name == modality else ""
    return Media(modality=modality, mime_type=mime_type, uri=uri, name=shown)
