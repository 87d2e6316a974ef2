"""Recordings too large to go inline: kept in Google's Files API for the length of one call.

The file's name is chosen here, before anything is sent, so that it can be deleted whatever happens.
Nothing of the local name leaves the machine: the SDK gets an open file, not a path.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from mediasense import (
    AudioLimits,
    AudioRequest,
    Connection,
    InvalidAnswer,
    Media,
    RequestRejected,
    TextRequest,
    Timeout,
    VideoLimits,
    VideoRequest,
    one_line,
)
from mediasense_gemini_native.failures import translated
from mediasense_gemini_native.providers import wire_type

if TYPE_CHECKING:
    import io

    from google import genai
    from google.genai import types

_FIRST_WAIT = 0.25
_LONGEST_WAIT = 5.0
_DELETE_MILLISECONDS = 3000


@dataclass(slots=True)
class StoredFile:
    """A file in Google's store.

    Attributes:
        uri: What stands for it in a request.
        mime_type: As it was uploaded.
        left_behind: Whether it could not be deleted; known when :func:`stored` is over.
    """

    uri: str
    mime_type: str
    left_behind: bool = False


@contextmanager
def stored(
    client: genai.Client, connection: Connection, request: TextRequest
) -> Iterator[StoredFile | None]:
    """Keep the request's recording in Google's store, if it is too large to go inline.

    Raises:
        RequestRejected: The service could not process the recording.
        Timeout: It was still at it after the timeout of the request.
    """
    media = _oversized(request)
    if media is None:
        yield None
        return
    name = f"files/mediasense-{secrets.token_hex(12)}"
    try:
        with translated(connection, None):
            file = _upload(client, connection, name, media)
        yield file
    except BaseException:
        _delete(client, name)
        raise
    file.left_behind = not _delete(client, name)


def _oversized(request: TextRequest) -> Media | None:
    rules = request.provider.limits_for(request.model)
    limits: VideoLimits | AudioLimits | None
    if isinstance(request, VideoRequest):
        media, limits = request.video, rules.video
    elif isinstance(request, AudioRequest):
        media, limits = request.audio, rules.audio
    else:
        return None
    if limits is None or limits.max_upload_bytes is None or limits.max_bytes is None:
        return None
    return media if (media.size or 0) > limits.max_bytes else None


def _upload(client: genai.Client, connection: Connection, name: str, media: Media) -> StoredFile:
    mime_type = wire_type(media, connection.like or connection.provider)
    config: types.UploadFileConfigDict = {
        "name": name,
        "mime_type": mime_type,
        # Else the blocks would go wherever the server's answer says.
        "http_options": {"base_url": connection.base_url},
    }
    with media.open() as content:
        file = client.files.upload(file=cast("io.IOBase", content), config=config)
    file = _processed(client, connection, name, file)
    if file.state == "FAILED":
        said = (file.error and file.error.message) or "it does not say why"
        raise RequestRejected(
            f"{connection.provider} could not process the {media.modality}: {one_line(said)}",
            hint="convert it to another format",
        )
    if not file.uri:
        raise InvalidAnswer(
            f"{connection.provider} took the {media.modality} and gave no URI for it",
            hint="check --base-url and --api-version",
        )
    return StoredFile(uri=file.uri, mime_type=mime_type)


def _processed(
    client: genai.Client, connection: Connection, name: str, file: types.File
) -> types.File:
    deadline = time.monotonic() + connection.timeout
    wait = _FIRST_WAIT
    while file.state in ("PROCESSING", "STATE_UNSPECIFIED"):
        if time.monotonic() + wait > deadline:
            raise Timeout(
                f"{connection.provider} was still processing the file "
                f"after {connection.timeout:g} s",
                hint="try again, or raise --timeout",
            )
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
        file = client.files.get(name=name)
    return file


def _delete(client: genai.Client, name: str) -> bool:
    """Delete a file, in bounded time and without an error: there may be one already."""
    config: types.DeleteFileConfigDict = {
        "http_options": {"timeout": _DELETE_MILLISECONDS, "retry_options": {"attempts": 1}}
    }
    with suppress(Exception):
        client.files.delete(name=name, config=config)
        return True
    return False
