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
from typing import TYPE_CHECKING

from mediasense import PCM_RATE, Media, PluginError, RequestRejected, one_line, read_pcm
from mediasense_whisper_local import models
from mediasense_whisper_local.provider import NAME

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = PCM_RATE
"""Samples a second that Whisper hears: 16,000 (Radford et al. 2022, section 2.2)."""

DEVICE_VARIABLE = "MEDIASENSE_WHISPER_DEVICE"
"""Where a model runs: ``cpu`` or ``cuda``. Not found out: many machines have a graphics card and
not the libraries (cuBLAS, cuDNN) that CTranslate2 needs to use it, which shows when it is used."""

_COMPUTE = {"cpu": "int8", "cuda": "default"}
"""8 bits on a processor: half the time and memory of 32 (faster-whisper's README, 1.2.1)."""

_NAMED_OTHERWISE = {"jv": "jw", "nb": "no"}
"""Languages that Whisper knows by another name than ISO 639-1."""

_lock = threading.Lock()
_ears: OrderedDict[tuple[str, str], Ear] = OrderedDict()
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
        folder = models.folder_of(name).resolve()
        key = models.stamp(folder), device
        with _lock:
            ear = _ears.get(key)
        ear = ear or Ear(folder, name, device)
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


def samples_of(sound: Media, *, max_seconds: float | None) -> Samples:
    """The samples of a sound, -1 to 1; the core decodes it, in a process that may crash.

    Args:
        sound: A file, or its bytes.
        max_seconds: No more is taken.

    Raises:
        MediaError: There is nothing that can be decoded.
    """
    import numpy as np

    pcm = bytearray()
    for block in read_pcm(sound, max_seconds=max_seconds):
        pcm += block
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(1 << 15)


def _broken(what: str, error: Exception) -> PluginError:
    said = one_line(f"{type(error).__name__}: {error}")
    return PluginError(f"{what}: {said}", hint="name another --model, or fetch this one anew")


def _cores() -> int:
    """The cores this process may use; in a container the machine has more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
