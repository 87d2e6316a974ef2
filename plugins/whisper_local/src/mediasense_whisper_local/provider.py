"""What this package offers, as data."""

from __future__ import annotations

from mediasense import AudioLimits, Provider

NAME = "whisper_local"

MODEL = "base"
"""The smallest that is worth reading: it gets a third fewer words wrong than `tiny` (5.0 % for
7.6 % of LibriSpeech's clean test set; Radford et al. 2022, appendix D), and is fetched in a moment.
"""

PROVIDER = Provider(
    name=NAME,
    description="Writes down speech on this machine, without a key (fetches its model once)",
    kind="device",
    aliases=("whisper",),
    default_model=MODEL,
    audio=AudioLimits(
        transcribes=True,
        timestamps=True,
        words=True,
        streaming=True,
        mime_types=(
            "audio/flac",
            "audio/wav",
            "audio/mpeg",
            "audio/mp4",
            "audio/ogg",
            "audio/webm",
            "audio/aac",
            "audio/aiff",
        ),
        options=("language",),
        # The spectrum of all of it is made before the first word is heard: 1.5 GB for half an hour.
        max_seconds=1800.0,
    ),
)
