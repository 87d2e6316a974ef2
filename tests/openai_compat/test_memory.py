"""Media is read while it is sent, and never held whole."""

import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

import mediasense_openai_compat as plugin
from mediasense import AudioRequest, ImageRequest, Media, VideoRequest

SIZE = 100 * 1024 * 1024
ALLOWED = 10 * 1024 * 1024


class Sink:
    """A server that counts what it is sent, and keeps none of it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.reply = b""
        self.announced = self.received = 0

    def says(self, body: object) -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
        self.reply = f"{head}\r\n\r\n".encode() + data

    def run(self) -> None:
        buffer = bytearray(1 << 20)
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._take(connection, buffer)
                connection.sendall(self.reply)

    def _take(self, connection: socket.socket, buffer: bytearray) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        head, _, body = head.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")]
        self.announced, self.received = int(lengths[0].split(b":")[1]), len(body)
        while self.received < self.announced:
            self.received += connection.recv_into(buffer)


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.listener.close()


@pytest.fixture
def large(tmp_path):
    """A file of 100 MiB that takes no room."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_a_hundred_megabytes_add_at_most_ten(modality, sink, large, direct, protocol, image):
    from mediasense_openai_compat import client

    request = direct(sink.url)
    kinds = {"image": ("image/png", ImageRequest), "video": ("video/mp4", VideoRequest)}
    mime_type, kind = kinds.get(modality, ("audio/wav", AudioRequest))
    media = Media(modality=modality, mime_type=mime_type, path=large, size=SIZE)
    field = {"images": (media,)} if modality == "image" else {modality: media}
    shared = {"provider": request.provider, "access": request.access, "model": "m"}
    prompt = None if modality == "audio" else "what?"
    asked = kind(prompt=prompt, timeout=request.timeout, **shared, **field)
    sink.says({**protocol.completion(), "text": "hello"})
    client._client(client.connect(asked))
    tracemalloc.start()
    try:
        getattr(plugin, f"analyze_{modality}")(asked, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.received == sink.announced > SIZE
    assert peak < ALLOWED
