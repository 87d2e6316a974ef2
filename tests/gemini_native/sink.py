"""A Google that throws away what it gets, in a process of its own so that it costs no memory here.

Prints its port.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BLOCK = 1 << 18
_REPLY = {"candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}


class Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        size = self._drain()
        command = self.headers["X-Goog-Upload-Command"] or ""
        if command == "start":
            self._say({}, "X-Goog-Upload-URL", "http://127.0.0.1/upload/there")
        elif "finalize" in command:
            file = {"uri": "https://127.0.0.1/files/x", "state": "ACTIVE"}
            self._say({"file": file}, "X-Goog-Upload-Status", "final")
        elif command:
            self._say({}, "X-Goog-Upload-Status", "active")
        else:
            self._say({**_REPLY, "modelVersion": str(size)}, "X-Nothing", "")

    def do_DELETE(self) -> None:
        self._say({}, "X-Nothing", "")

    def log_message(self, *arguments: object) -> None:
        pass

    def _drain(self) -> int:
        size = left = int(self.headers["Content-Length"] or 0)
        while left:
            left -= len(self.rfile.read(min(left, _BLOCK)))
        return size

    def _say(self, body: object, name: str, value: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_port, flush=True)
    server.serve_forever()
