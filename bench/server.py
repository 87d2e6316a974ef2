"""A loopback server that answers at once, or after a while.

It speaks the OpenAI chat protocol, and that of Gemini with its Files API.

Request bodies are read and thrown away. Run in a process of its own, so that neither its time nor
its memory is counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CHAT = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "A red square."},
            }
        ],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 5, "total_tokens": 1205},
    }
).encode()
GEMINI = json.dumps(
    {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "A red square."}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 1200, "candidatesTokenCount": 5},
        "modelVersion": "bench",
    }
).encode()


def _file(port: int) -> dict[str, str]:
    return {
        "name": "files/bench",
        "uri": f"http://127.0.0.1:{port}/v1beta/files/bench",
        "mimeType": "video/mp4",
        "state": "ACTIVE",
    }


def _answer(method: str, path: str, headers: dict[str, str], port: int) -> tuple[str, bytes]:
    if path.startswith("/upload/") and "x-goog-upload-command" in headers:
        if headers["x-goog-upload-command"] == "start":
            url = f"http://127.0.0.1:{port}/upload/data"
            return f"X-Goog-Upload-URL: {url}\r\nX-Goog-Upload-Status: active\r\n", b"{}"
        done = "finalize" in headers["x-goog-upload-command"]
        state = "final" if done else "active"
        body = json.dumps({"file": _file(port)}).encode() if done else b""
        return f"X-Goog-Upload-Status: {state}\r\n", body
    if "/files/" in path:
        return "", b"{}" if method == "DELETE" else json.dumps(_file(port)).encode()
    if "transcriptions" in path:
        return "", b'{"text": "Nothing is said."}'
    return "", GEMINI if "generateContent" in path else CHAT


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    port = writer.get_extra_info("sockname")[1]
    latency = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
            }
            left = int(headers.get("content-length", "0"))
            while left:
                left -= len(await reader.read(min(left, 1 << 20)))
            if latency:
                await asyncio.sleep(latency)
            extra, body = _answer(method, path, headers, port)
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(latency: float = 0.0) -> Iterator[str]:
    """Run the server in a process of its own; gives its base URL.

    Args:
        latency: Seconds it thinks before it answers.
    """
    command = [sys.executable, __file__, str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_main())
