"""What the conformance suite shows to this plugin: a tone, and a model that knows one sentence."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense import Media, Provider
from mediasense.testing import Device, Sample
from mediasense_whisper_local import parrot
from mediasense_whisper_local.models import FOLDER_VARIABLE
from mediasense_whisper_local.provider import MODEL

if TYPE_CHECKING:
    from mediasense import MediaModality

_SECONDS = 5


class Parrot(Device):
    """This machine, with a model that says its sentence whenever something sounds."""

    def sample(self, provider: Provider, modality: MediaModality, folder: Path) -> Sample:
        """A tone; what it is taken for is known."""
        del provider, folder
        buffer, rate = io.BytesIO(), 16_000
        tone = [round(8000 * math.sin(at / 8)) for at in range(_SECONDS * rate)]
        with wave.open(buffer, "wb") as out:
            out.setparams((1, 2, rate, 0, "NONE", ""))
            out.writeframes(struct.pack(f"<{len(tone)}h", *tone))
        data = buffer.getvalue()
        media = Media(
            modality=modality,
            mime_type="audio/wav",
            data=data,
            size=len(data),
            seconds=float(_SECONDS),
        )
        return Sample(media=media, expected=parrot.SENTENCE)

    def environment(self, provider: Provider, folder: Path) -> Mapping[str, str]:
        """The folder of models, with one in it; nothing is fetched."""
        del provider
        if not (folder / MODEL).is_dir():
            parrot.write(folder / MODEL)
        return {FOLDER_VARIABLE: str(folder)}


SERVICE = Parrot()
