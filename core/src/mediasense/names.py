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
Strategy = Literal["images", "native", "transcript", "transcript_then_text"]
OnText = Callable[[str], None]

HOOK_OF: dict[Modality, str] = {
    "audio": "analyze_audio",
    "image": "analyze_image",
    "text": "generate",
    "video": "analyze_video",
}

MODALITIES: tuple[MediaModality, ...] = ("image", "video", "audio")
