"""What every test stands on: an empty environment, real media, servers that misbehave."""

from __future__ import annotations

import io
import os
import signal
import socket
import struct
import threading
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mediasense.types import Media

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """No variable, no home folder and no current folder of the person who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name not in _KEPT_VARIABLES and not name.startswith(("PYTEST_", "COV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    # Tests ask the same again and again; those of the stores switch them on.
    monkeypatch.setenv("MEDIASENSE_CACHE", "off")
    monkeypatch.setenv("MEDIASENSE_HISTORY", "off")
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def heed_ctrl_c() -> Callable[[], object]:
    """For ``preexec_fn``: what is started from the background would ignore Ctrl-C."""
    return lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)


# --- real media ----------------------------------------------------------------------------------


def image_bytes(kind: str = "PNG", size: tuple[int, int] = (64, 48), **save) -> bytes:
    from PIL import Image

    picture = Image.effect_noise(size, 64).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, kind, **save)
    return buffer.getvalue()


def wav_bytes(seconds: float = 0.5, rate: int = 16000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        count = int(seconds * rate)
        out.writeframes(b"".join(struct.pack("<h", (i * 331) % 16000 - 8000) for i in range(count)))
    return buffer.getvalue()


def write_video(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: int = 10,
    size: tuple[int, int] = (160, 120),
    pictures: bool = True,
    sound: bool = False,
) -> Path:
    """A real H.264 (and AAC) recording whose picture changes twice a second."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        video = audio = None
        if pictures:
            video = container.add_stream("libx264", rate=fps, options={"crf": "30"})
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
        if sound:
            audio = container.add_stream("aac", rate=16000, layout="mono")
        if video is not None:
            for index in range(int(seconds * fps)):
                shade = (index * 2 // fps) * 60 % 256
                frame = np.full((size[1], size[0], 3), shade, np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(video.encode())
        if audio is not None:
            samples = (np.sin(np.arange(int(seconds * 16000)) / 8) * 8000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
            frame.sample_rate = 16000
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    return image_bytes


@pytest.fixture
def make_wav() -> Callable[..., bytes]:
    return wav_bytes


@pytest.fixture
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture
def image() -> Media:
    data = image_bytes()
    return Media(
        modality="image", mime_type="image/png", data=data, size=len(data), width=64, height=48
    )


@pytest.fixture
def sound() -> Media:
    data = wav_bytes()
    return Media(modality="audio", mime_type="audio/wav", data=data, size=len(data), seconds=0.5)


@pytest.fixture
def video(tmp_path: Path) -> Media:
    path = write_video(tmp_path / "clip.mp4", sound=True)
    return Media(
        modality="video",
        mime_type="video/mp4",
        path=path,
        size=path.stat().st_size,
        width=160,
        height=120,
        seconds=1.0,
        has_sound=True,
    )


# --- servers that misbehave ----------------------------------------------------------------------


@dataclass
class RawServer:
    """A TCP server that answers every connection with one scripted thing.

    Attributes:
        url: Its base URL.
        received: The bytes of each connection, in the order of arrival.
    """

    url: str
    received: list[bytes] = field(default_factory=list)


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Start servers that send given bytes, wait, or reset the connection.

    ``raw_server(reply, delay=0, reset=False)``: read one request, wait ``delay`` seconds, send
    ``reply``, then close; ``reset`` closes with a TCP reset.
    """
    stop = threading.Event()
    listeners: list[socket.socket] = []

    def start(reply: bytes = b"", *, delay: float = 0, reset: bool = False) -> RawServer:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        server = RawServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve(connection: socket.socket) -> None:
            with connection:
                server.received.append(_read_request(connection))
                stop.wait(delay)
                if stop.is_set():
                    return
                try:
                    connection.sendall(reply)
                except OSError:
                    return
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return server

    yield start
    stop.set()
    for listener in listeners:
        listener.close()


def _read_request(connection: socket.socket) -> bytes:
    """One HTTP request with a Content-Length, as bytes."""
    connection.settimeout(10)
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return data
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        block = connection.recv(65536)
        if not block:
            break
        body += block
    return head + b"\r\n\r\n" + body
