"""The words of the contract, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Modality = Literal["image", "video", "audio", "text"]
MediaModality = Literal["image", "video", "audio"]
Option = Literal[
    "fps", "json_schema", "language", "max_output_tokens", "resolution", "start_end", "temperature"
]
AccessOption = Literal["api_version", "credentials_file", "location", "project"]
Resolution = Literal["low", "medium", "high"]
Strategy = Literal[
    "images",
    "native",
    "frames",
    "frame_by_frame",
    "segments",
    "transcript",
    "transcript_then_text",
]
Channel = Literal["picture", "sound"]
Action = Literal[
    "ask",
    "ask again",
    "choose frames",
    "copy",
    "encode",
    "extract",
    "join",
    "prepare",
    "subtitles",
    "transcribe",
]
Refusal = Literal["count", "size", "type"]
"""What a service does not take of media: so many, so large, or of this kind."""
Subtitles = Literal["ignore", "prefer"]
CacheUse = Literal["use", "refresh", "off"]
OnError = Literal["skip", "stop", "retry"]
OnText = Callable[[str], None]
OnProgress = Callable[[str, float | None], None]
"""Called with what is being done, and how much of it is: 0 to 1, or ``None`` when nobody knows."""

PROVIDER_NAME = "[a-z0-9][a-z0-9_-]{0,63}"
"""What a provider may be called, as a pattern."""

HOOK_OF: dict[Modality, str] = {
    "audio": "analyze_audio",
    "image": "analyze_image",
    "text": "generate",
    "video": "analyze_video",
}

MODALITIES: tuple[MediaModality, ...] = ("image", "video", "audio")
