"""The world as the pages see it: every https service there is, on this machine.

``HTTPS_PROXY`` leads to a proxy of ours, and ``SSL_CERT_FILE`` to an authority of ours. So the
command line, the SDKs and the plugins run as they are, and reach scripts in place of services.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import trustme

from mediasense import Segment, Usage
from mediasense.connection import OWN_KEY_VARIABLE
from mediasense.plugins import load_plugins
from mediasense.testing import Call, Reply, Said, Wire
from mediasense_gemini_native.service import SERVICE as GOOGLE
from mediasense_openai_compat.service import SERVICE as OPENAI

SAID = "The dialog says: the update could not be installed."
_SPOKEN = (
    (0.0, 1.8, "The update could not be installed."),
    (1.8, 3.0, "Restart the service."),
)
# To questions of their own; of a schema, both that the pages have.
_SAID_TO = {
    b"Which colour": "Green and purple.",
    b"json_schema": json.dumps({"fault": "a scratch"}),
    b'"birthday"': json.dumps({"name": "Ada Lovelace", "birthday": "1815-12-10"}),
    b'"numbers"': json.dumps({"numbers": [1, 2, 3]}),
    b"damage": json.dumps({"title": "a scratched door", "damage": "slight", "parts": ["door"]}),
}


@contextlib.contextmanager
def world(folder: Path) -> Iterator[dict[str, str]]:
    """Start it; gives the variables that lead there, with a made-up key for every provider."""
    authority = trustme.CA()
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    with Wire(answer) as wire, _Proxy(authority, wire) as proxy:
        yield {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(trusted), **_keys()}


def _keys() -> dict[str, str]:
    providers = load_plugins().providers.values()
    found = [p.credentials.variables[0] for p in providers if p.credentials]
    return {name: "made-up" for name in found if name != OWN_KEY_VARIABLE}


def answer(call: Call) -> Reply:
    """What the services say."""
    host = call.headers.get("host", "")
    if "/api/files" in call.path:
        return Reply.of({"id": "file-1"} if call.method == "POST" else {})
    if host.endswith("vision.acme.example"):
        return _acme(call)
    service = GOOGLE if host.endswith(".googleapis.com") else OPENAI
    return service.answer(call, _said(call))


def _said(call: Call) -> Said:
    asked = call.json or {}
    texts = [text for mark, text in _SAID_TO.items() if mark in call.body]
    text = texts[-1] if texts else SAID
    return Said(
        text=text,
        pieces=(text[:10], text[10:]),
        model=asked.get("model") or "the-model",
        usage=Usage(input_tokens=812, output_tokens=14),
        segments=(Segment(start=0.0, end=2.5, text=SAID),),
        models=("the-model",),
    )


def _acme(call: Call) -> Reply:
    """Acme's own protocol: that of the example plugin, with paths for sound, video and text."""
    if call.method == "GET":
        return Reply.of({"eyes": [{"name": "acme-eye-2"}, {"name": "acme-eye-1"}]})
    reply = {"finding": SAID, "eye": call.json["eye"], "cost": {"read": 812, "written": 14}}
    if call.path.endswith("/hear"):
        return Reply.of({**reply, "finding": " ".join(w for _, _, w in _SPOKEN), "parts": _parts()})
    return Reply.of(reply)


def _parts() -> list[dict[str, object]]:
    return [{"from": start, "to": end, "words": words} for start, end, words in _SPOKEN]


class _Proxy:
    """Takes ``CONNECT``, and is itself whoever was asked for."""

    def __init__(self, authority: trustme.CA, wire: Wire) -> None:
        self._authority = authority
        self._target = ("127.0.0.1", int(wire.url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> _Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1) or _broken()
            host = head.split()[1].decode().partition(":")[0]
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with (
                self._context(host).wrap_socket(client, server_side=True) as inner,
                socket.create_connection(self._target) as wire,
            ):
                threading.Thread(target=_pump, args=(wire, inner), daemon=True).start()
                _pump(inner, wire)

    def _context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _broken() -> bytes:
    raise ConnectionError
