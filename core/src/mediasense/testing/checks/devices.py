"""Providers that run in this process: they find what is there, and nothing leaves the machine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from mediasense.testing.registry import check, require
from mediasense.testing.service import Device, Sample
from mediasense.testing.subject import MODALITY_OF, Kind, Outcome, Subject
from mediasense.types import Answer

_THREADS = 4
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname")


@check("images", needs="device")
def check_an_image_is_read(subject: Subject) -> None:
    """What stands in an image is found."""
    _require_found(subject, "image")


@check("video", needs="device")
def check_a_video_is_read(subject: Subject) -> None:
    """What stands in a video is found."""
    _require_found(subject, "video")


@check("transcripts", needs="device")
def check_speech_is_heard(subject: Subject) -> None:
    """What is said is found."""
    _require_found(subject, "transcript")


@check("sound", needs="device")
def check_sound_is_understood(subject: Subject) -> None:
    """A question about sound is answered."""
    _require_found(subject, "sound")


@check("answers", needs="device")
def check_an_answer_names_its_model(subject: Subject) -> None:
    """Answer.model says which engine gave it."""
    for kind in subject.declared():
        answer, _ = _shown(subject, kind)
        require(answer.model.strip(), f"{kind}: Answer.model is empty")


@check("threads", needs="device")
def check_several_threads_find_the_same(subject: Subject) -> None:
    """Asked from several threads at once, it finds what it finds alone."""
    for kind in subject.declared():
        with ThreadPoolExecutor(_THREADS) as pool:
            for done in [pool.submit(_require_found, subject, kind) for _ in range(_THREADS)]:
                done.result()


@check("nothing leaves this machine", needs="device")
def check_the_network_is_not_used(subject: Subject) -> None:
    """Nothing is sent while it works."""
    with _watched() as seen:
        asked(subject)
    require(not seen, f"it runs in this process by its own words, and uses the network: {seen[:1]}")


def asked(subject: Subject) -> None:
    """Ask for all that is declared, of a service or of a device."""
    for kind in subject.declared():
        if isinstance(subject.script, Device):
            _shown(subject, kind)
        else:
            subject.answered(kind, subject.call(subject.request(kind)))


def _require_found(subject: Subject, kind: Kind) -> None:
    subject.declared(kind)
    answer, sample = _shown(subject, kind)
    everything = "\n".join((answer.text, *(line.text for line in answer.lines)))
    require(
        sample.expected.casefold() in everything.casefold(),
        f"{kind}: it was shown {sample.expected!r}, and found {everything!r:.300}",
    )


def _shown(subject: Subject, kind: Kind) -> tuple[Answer, Sample]:
    modality = MODALITY_OF[kind]
    assert modality != "text"
    sample = subject.shown(modality)
    outcome: Outcome = subject.call(subject.request(kind, sample.media, timeout=120.0))
    return subject.answered(kind, outcome), sample


_seen: list[list[str]] = []
_lock = threading.Lock()
_hooked = False


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Whatever goes to the network meanwhile; the hook itself can never be taken out again."""
    global _hooked  # noqa: PLW0603  one hook in a process
    with _lock:
        if not _hooked:
            sys.addaudithook(_note)
            _hooked = True
    found: list[str] = []
    _seen.append(found)
    try:
        yield found
    finally:
        _seen.remove(found)


def _note(event: str, given: tuple[Any, ...]) -> None:
    if _seen and event in _NETWORK:
        for found in _seen:
            found.append(f"{event} {given[1:]!r}")
