"""A real Whisper model that knows one sentence, sounds for it to hear, and requests about both."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

import mediasense_whisper_local
from mediasense import AudioRequest, Media, Provider
from mediasense_whisper_local import parrot

RATE = 16_000


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder of models with one in it, called as the default is."""
    folder = tmp_path_factory.mktemp("models")
    parrot.write(folder / "base")
    return folder


@pytest.fixture
def here(models, monkeypatch) -> Path:
    """The default model is on this machine."""
    monkeypatch.setenv("MEDIASENSE_WHISPER_MODELS", str(models))
    return models


@pytest.fixture
def provider() -> Provider:
    (only,) = mediasense_whisper_local.capabilities()
    return only


def tone(seconds: float) -> np.ndarray:
    return (np.sin(np.arange(round(seconds * RATE)) / 8) * 8000).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.int16)


def media(samples: np.ndarray, mime_type: str = "audio/wav") -> Media:
    """A sound as a file in memory."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    data = buffer.getvalue()
    seconds = len(samples) / RATE
    return Media(modality="audio", mime_type=mime_type, data=data, size=len(data), seconds=seconds)


def record(path: Path, samples: np.ndarray, codec: str, container: str | None = None) -> Path:
    """A sound in any container."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48_000 if codec == "libopus" else RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture
def hear(provider) -> Callable:
    """Ask the hook about a sound."""

    def ask(sound: Media, on_text=None, **options):
        request = AudioRequest(provider=provider, audio=sound, **options)
        return mediasense_whisper_local.analyze_audio(request=request, on_text=on_text)

    return ask
