"""Media passes through memory in blocks, whatever its size."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

import mediasense_gemini_native as plugin
from mediasense import ImageRequest, Media, TextRequest, VideoRequest
from mediasense_gemini_native.providers import GEMINI

_MIB = 1 << 20


@pytest.fixture
def provider(monkeypatch):
    """A Gemini API whose server runs in another process; the SDK is loaded and warm."""
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout is not None
        url = f"http://127.0.0.1:{sink.stdout.readline().strip()}"
        provider = replace(GEMINI, base_url=url)
        plugin.generate(TextRequest(provider=provider, prompt="hello"), None)
        yield provider
        sink.terminate()


@pytest.fixture
def sparse(tmp_path):
    """A file of zeros that takes no space."""

    def make(size: int) -> Path:
        path = tmp_path / "zeros"
        with path.open("wb") as file:
            file.truncate(size)
        return path

    return make


def peak(call) -> float:
    """The most memory a call held at once, in MiB."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / _MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["image", "video"])
def test_100_mb_inline_hold_less_than_10_mib(provider, sparse, kind):
    size = 100_000_000
    mime_type = {"image": "image/png", "video": "video/mp4"}[kind]
    media = Media(modality=kind, mime_type=mime_type, path=sparse(size), size=size)
    inline = replace(provider, video=replace(provider.video, max_upload_bytes=None))
    request = (
        ImageRequest(provider=inline, images=(media,), prompt="what?")
        if kind == "image"
        else VideoRequest(provider=inline, video=media, prompt="what?")
    )
    hook = plugin.analyze_image if kind == "image" else plugin.analyze_video
    sent: list[int] = []
    assert peak(lambda: sent.append(int(hook(request, None).model))) < 10
    assert sent[0] > size * 4 / 3


def test_an_upload_of_256_mib_holds_less_than_20_mib(provider, sparse):
    """The blocks are of 8 MiB, so more of them hold no more."""
    size = 256 * _MIB
    media = Media(modality="video", mime_type="video/mp4", path=sparse(size), size=size)
    request = VideoRequest(provider=provider, video=media, prompt="what?")
    assert peak(lambda: plugin.analyze_video(request, None)) < 20
