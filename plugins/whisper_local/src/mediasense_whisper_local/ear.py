"""A model that is loaded, and what it hears.

The one file that runs faster-whisper. Each model is loaded once in a process and hears one sound at
a time, with all the cores that the process may use: several at once take turns.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, BinaryIO

from mediasense import CorruptMedia, PluginError, RequestRejected, one_line
from mediasense_whisper_local import models
from mediasense_whisper_local.provider import NAME

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
"""Samples a second that Whisper hears."""

DEVICE_VARIABLE = "MEDIASENSE_WHISPER_DEVICE"
"""Where a model runs: ``cpu`` or ``cuda``. Not found out: many machines have a graphics card and
not the libraries (cuBLAS, cuDNN) that CTranslate2 needs to use it, which shows when it is used."""

_COMPUTE = {"cpu": "int8", "cuda": "default"}
"""8 bits on a processor: half the time and memory of 32 (faster-whisper's README, 1.2.1)."""

_NAMED_OTHERWISE = {"jv": "jw", "nb": "no"}
"""Languages that Whisper knows by another name than ISO 639-1."""

_lock = threading.Lock()
_ears: OrderedDict[tuple[Path, str], Ear] = OrderedDict()
_loading: dict[tuple[str, str], threading.Lock] = {}
_KEPT_MODELS = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard in a sound.

    Attributes:
        language: The language that was told, or found.
        segments: As they come: each is heard when it is asked for.
    """

    language: str
    segments: Iterator[Segment]


def ear_for(name: str) -> Ear:
    """The model of that name; it is fetched and loaded where it was not yet.

    Raises:
        ProviderError: It cannot be fetched, or there is none.
        PluginError: It cannot be loaded.
    """
    device = os.environ.get(DEVICE_VARIABLE) or "cpu"
    if device not in _COMPUTE:
        raise PluginError(f"{DEVICE_VARIABLE} is {device!r}", hint="it is cpu or cuda")
    with _lock:
        own = _loading.setdefault((name, device), threading.Lock())
    with own:  # not all: who has a model does not wait for another one to be fetched
        key = models.folder_of(name).resolve(), device
        with _lock:
            ear = _ears.get(key)
        ear = ear or Ear(key[0], name, device)
    with _lock:
        _ears[key] = ear
        _ears.move_to_end(key)
        while len(_ears) > _KEPT_MODELS:
            _ears.popitem(last=False)
    return ear


class Ear:
    """A loaded model.

    Args:
        folder: Where its files are.
        name: What the user calls it.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, folder: Path, name: str, device: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        try:
            self._model: WhisperModel = models.library().WhisperModel(
                str(folder),
                device=device,
                compute_type=_COMPUTE[device],
                cpu_threads=_cores(),
            )
        except Exception as error:  # ctranslate2 and tokenizers raise anything
            raise _broken(f"the model {name!r} cannot be loaded", error) from error

    @contextmanager
    def hears(self, samples: Samples, language: str | None) -> Iterator[Heard]:
        """Hear a sound, while the block lasts.

        Each stretch of 30 seconds is heard by itself: a mistake in one, such as a word that is said
        again and again, is not carried into the next. Nothing is taken out as silence before; the
        model itself says where nobody speaks, and does not miss what is sung or whispered.

        Args:
            samples: 16,000 a second.
            language: As an ISO 639-1 code; ``None`` lets the model find it out.

        Raises:
            RequestRejected: The model does not know the language.
        """
        spoken = self._known(language)
        with self._turn:
            try:
                segments, found = self._model.transcribe(
                    samples,
                    language=spoken,
                    word_timestamps=True,
                    condition_on_previous_text=False,
                )
                yield Heard(language=found.language, segments=iter(segments))
            except RuntimeError as error:  # ctranslate2's: no memory, no cuBLAS
                raise _broken(f"the model {self._name!r} failed", error) from error

    def _known(self, language: str | None) -> str | None:
        if language is None:
            return None
        spoken = _NAMED_OTHERWISE.get(language.lower(), language.lower())
        if spoken in self._model.supported_languages:
            return spoken
        raise RequestRejected(
            f"{NAME} {self._name} does not know the language {language!r}",
            hint="leave out --language, or name another --model",
        )


def decode(file: BinaryIO) -> Samples:
    """The sound in a file: its first track, in mono.

    Raises:
        CorruptMedia: There is none that can be decoded.
    """
    import av

    # Without its name, which FFmpeg would read: it takes "12:30.mp3" for a protocol.
    nameless = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
    try:
        samples: Samples = models.library().decode_audio(nameless, sampling_rate=RATE)
    except (av.FFmpegError, OSError, ValueError, IndexError, TypeError) as error:
        said = one_line(f"{type(error).__name__}: {error}")
        raise CorruptMedia(f"the sound cannot be decoded: {said}", hint="check the file") from error
    return samples


def _broken(what: str, error: Exception) -> PluginError:
    said = one_line(f"{type(error).__name__}: {error}")
    return PluginError(f"{what}: {said}", hint="name another --model, or fetch this one anew")


def _cores() -> int:
    """The cores this process may use; in a container the machine has more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
