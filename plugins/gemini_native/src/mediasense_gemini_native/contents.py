"""From a request to what the SDK sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.genai import types

from mediasense import (
    AudioRequest,
    ImageRequest,
    Media,
    TextRequest,
    UnsupportedMedia,
    VideoRequest,
    uri_kind,
)
from mediasense_gemini_native.providers import wire_type

if TYPE_CHECKING:
    from mediasense_gemini_native.outgoing import Outgoing
    from mediasense_gemini_native.uploads import StoredFile

_TRANSCRIBE = (
    "Write down, word for word, everything that is said in this recording, in the language it is "
    "said in. Answer with the transcript alone: no introduction, no remarks, no times. "
    "If nobody speaks, answer with nothing at all."
)


def contents(request: TextRequest, outgoing: Outgoing, stored: StoredFile | None) -> types.Content:
    """The one message of a request: the media first, then the question.

    Args:
        request: What is asked.
        outgoing: Where inline media is left for the wire.
        stored: The recording, where it was uploaded.

    Raises:
        UnsupportedMedia: A URI whose type must be known, and is not.
    """
    parts = _media_parts(request, outgoing, stored)
    return types.Content(role="user", parts=[*parts, types.Part(text=_prompt(request))])


def config(request: TextRequest) -> types.GenerateContentConfig:
    """The options of a request; nothing that could call twice or run tools."""
    asks_json = request.json_schema is not None
    return types.GenerateContentConfig(
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        max_output_tokens=request.max_output_tokens,
        temperature=request.temperature,
        response_mime_type="application/json" if asks_json else None,
        response_json_schema=json.loads(request.json_schema) if request.json_schema else None,
        media_resolution=_resolution(request),
    )


def _media_parts(
    request: TextRequest, outgoing: Outgoing, stored: StoredFile | None
) -> list[types.Part]:
    provider = request.provider.like or request.provider.name
    if isinstance(request, ImageRequest):
        return [p for image in request.images for p in _image_parts(image, provider, outgoing)]
    if isinstance(request, VideoRequest):
        part = _part(request.video, provider, outgoing, stored)
        part.video_metadata = _video_metadata(request)
        return [part]
    if isinstance(request, AudioRequest):
        part = _part(request.audio, provider, outgoing, stored)
        part.audio_metadata = _audio_metadata(request)
        return [part]
    return []


def _image_parts(image: Media, provider: str, outgoing: Outgoing) -> list[types.Part]:
    part = _part(image, provider, outgoing, None)
    if image.timestamp is None:
        return [part]
    return [types.Part(text=f"The recording at {image.timestamp:.1f} s:"), part]


def _part(media: Media, provider: str, outgoing: Outgoing, stored: StoredFile | None) -> types.Part:
    if stored is not None:
        return types.Part.from_uri(file_uri=stored.uri, mime_type=stored.mime_type)
    if media.uri is not None:
        mime_type = _remote_type(media.uri, media, provider)
        return types.Part(file_data=types.FileData(file_uri=media.uri, mime_type=mime_type))
    data = outgoing.placeholder(media)
    return types.Part.from_bytes(data=data, mime_type=wire_type(media, provider))


def _remote_type(uri: str, media: Media, provider: str) -> str | None:
    """The type to tell with a URI; ``None`` leaves it to the service to find out."""
    mime_type = wire_type(media, provider) or None
    if mime_type is not None or provider == "gemini":
        return mime_type
    # Vertex AI wants a type with every URI, also with a link to YouTube.
    if uri_kind(uri) == "youtube":
        return "video/mp4"
    raise UnsupportedMedia(
        f"{provider} must be told the type of {uri}, and its name does not say it",
        hint=f"give a URI that ends in the extension of the {media.modality}",
    )


def _video_metadata(request: VideoRequest) -> types.VideoMetadata | None:
    if request.start is None and request.end is None and request.fps is None:
        return None
    return types.VideoMetadata(
        start_offset=_duration(request.start), end_offset=_duration(request.end), fps=request.fps
    )


def _audio_metadata(request: AudioRequest) -> types.AudioMetadata | None:
    if request.start is None and request.end is None:
        return None
    return types.AudioMetadata(
        start_offset=_duration(request.start), end_offset=_duration(request.end)
    )


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{f'{seconds:.3f}'.rstrip('0').rstrip('.')}s"


def _resolution(request: TextRequest) -> types.MediaResolution | None:
    if not isinstance(request, VideoRequest) or request.resolution is None:
        return None
    return types.MediaResolution[f"MEDIA_RESOLUTION_{request.resolution.upper()}"]


def _prompt(request: TextRequest) -> str:
    asked = request.prompt or (_TRANSCRIBE if isinstance(request, AudioRequest) else "")
    if isinstance(request, AudioRequest) and request.language is not None:
        return f"{asked}\n\nThe language spoken has the ISO 639-1 code {request.language!r}."
    return asked
