"""The two providers and what they take, as data.

Facts are those of google-genai 3.4.0 and of these pages, read 2026-11:
ai.google.dev/gemini-api/docs (audio, video-understanding, file-input-methods) and
docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from mediasense import (
    AudioLimits,
    Credentials,
    ImageLimits,
    Media,
    ModelRule,
    Provider,
    TextLimits,
    VideoLimits,
)

# What each service calls a type that has another registered name.
_WIRE_TYPES: dict[str, dict[str, str]] = {
    "gemini": {
        "audio/mp4": "audio/m4a",
        "audio/mpeg": "audio/mp3",
        "video/x-ms-wmv": "video/wmv",
        "video/x-msvideo": "video/avi",
    },
    "vertex": {"audio/aac": "audio/x-aac", "video/x-ms-wmv": "video/wmv"},
}


def _inline(request_megabytes: int) -> int:
    """Bytes of media in a request of that size: base64 takes a third more, the prompt a little."""
    return (request_megabytes * 1_000_000 - 1_000_000) * 3 // 4


# A request takes 100 MB since 2026-01-12 (blog.google, "Increased file size limits").
_GEMINI_INLINE = _inline(100)
# Not verified: Google states no limit for a whole Vertex request; 20 MB is what other clients use.
_VERTEX_INLINE = _inline(20)

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif")
_VIDEO_TYPES = (
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "video/mpeg",
    "video/3gpp",
    "video/x-flv",
    "video/x-ms-wmv",
)
# Of the Gemini API, audio/mp4 and audio/webm are in the SDK (AudioContent) and not on the page.
_AUDIO_TYPES = (
    "audio/mpeg",
    "audio/wav",
    "audio/flac",
    "audio/ogg",
    "audio/aac",
    "audio/mp4",
    "audio/webm",
)

_GEMINI_IMAGE = ImageLimits(
    mime_types=_IMAGE_TYPES,
    max_bytes=_GEMINI_INLINE,
    max_request_bytes=_GEMINI_INLINE,
    uri_schemes=("https",),
    options=("json_schema", "max_output_tokens", "temperature"),
    streaming=True,
)
# How many seconds fit depends on model, frame rate and resolution: the service judges.
_GEMINI_VIDEO = VideoLimits(
    mime_types=(*_VIDEO_TYPES, "video/x-msvideo"),
    max_bytes=_GEMINI_INLINE,
    max_upload_bytes=2_000_000_000,
    uri_schemes=("https", "youtube"),
    options=("fps", "json_schema", "max_output_tokens", "resolution", "start_end", "temperature"),
    streaming=True,
    hears=True,
    # ai.google.dev/gemini-api/docs/video-understanding: about 300, a frame of 258 and 32 of sound.
    # Gemini 3 usually counts less: 70 for a frame.
    tokens_per_second=300,
)
# A language model's times of speech are guesses, so transcripts come without.
_GEMINI_AUDIO = AudioLimits(
    mime_types=(*_AUDIO_TYPES, "audio/aiff"),
    max_bytes=_GEMINI_INLINE,
    max_upload_bytes=2_000_000_000,
    max_seconds=9.5 * 3600,
    uri_schemes=("https",),
    transcribes=True,
    answers=True,
    options=("json_schema", "language", "max_output_tokens", "start_end", "temperature"),
    streaming=True,
    # ai.google.dev/gemini-api/docs/audio.
    tokens_per_second=32,
)
_TEXT = TextLimits(options=("json_schema", "max_output_tokens", "temperature"), streaming=True)

_VERTEX_IMAGE = replace(
    _GEMINI_IMAGE,
    max_bytes=7_000_000,
    max_request_bytes=_VERTEX_INLINE,
    max_items=3000,
    uri_schemes=("gs", "https"),
)
_VERTEX_VIDEO = replace(
    _GEMINI_VIDEO,
    mime_types=_VIDEO_TYPES,
    max_bytes=_VERTEX_INLINE,
    max_upload_bytes=None,
    uri_schemes=("gs", "https", "youtube"),
)
_VERTEX_AUDIO = replace(
    _GEMINI_AUDIO,
    mime_types=_AUDIO_TYPES,
    max_bytes=_VERTEX_INLINE,
    max_upload_bytes=None,
    max_seconds=8.4 * 3600,
    uri_schemes=("gs", "https"),
)

# These answer 400 to sampling parameters; what a "latest" stands for changes, so it counts too.
_WITHOUT_TEMPERATURE = ("*gemini-3.8-flash*", "*gemini-3.5-flash-lite*", "*gemini-*-latest")

_AnyLimits = TypeVar("_AnyLimits", ImageLimits, VideoLimits, AudioLimits, TextLimits)


def _cold(limits: _AnyLimits) -> _AnyLimits:
    options = tuple(option for option in limits.options if option != "temperature")
    return replace(limits, options=options)


def _rules(image: ImageLimits, video: VideoLimits, audio: AudioLimits) -> tuple[ModelRule, ...]:
    return tuple(
        ModelRule(
            pattern=pattern,
            image=_cold(image),
            video=_cold(video),
            audio=_cold(audio),
            text=_cold(_TEXT),
        )
        for pattern in _WITHOUT_TEMPERATURE
    )


GEMINI = Provider(
    name="gemini",
    description="Google's Gemini API, with a key of Google AI Studio",
    base_url="https://generativelanguage.googleapis.com",
    credentials=Credentials(variables=("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    access_options=("api_version",),
    default_model="gemini-3.1-flash-lite",
    image=_GEMINI_IMAGE,
    video=_GEMINI_VIDEO,
    audio=_GEMINI_AUDIO,
    text=_TEXT,
    models=_rules(_GEMINI_IMAGE, _GEMINI_VIDEO, _GEMINI_AUDIO),
)

# Its base URL depends on the location, so the client computes it.
VERTEX = Provider(
    name="vertex",
    description="Gemini on Vertex AI, with a Google Cloud account",
    hosts=("googleapis.com",),
    credentials=Credentials(
        variables=("GOOGLE_VERTEX_API_KEY",),
        file_variables=("GOOGLE_APPLICATION_CREDENTIALS",),
        ambient="application default credentials",
    ),
    access_options=("api_version", "credentials_file", "location", "project"),
    default_model="gemini-3.1-flash-lite",
    image=_VERTEX_IMAGE,
    video=_VERTEX_VIDEO,
    audio=_VERTEX_AUDIO,
    text=_TEXT,
    models=_rules(_VERTEX_IMAGE, _VERTEX_VIDEO, _VERTEX_AUDIO),
)


def wire_type(media: Media, provider: str) -> str:
    """The media's own MIME type, under the name the service knows it by."""
    return _WIRE_TYPES[provider].get(media.mime_type, media.mime_type)
