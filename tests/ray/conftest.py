"""A real cluster of three nodes, a service that counts what it is asked, and media for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WITHOUT_REPORTS = {"RAY_USAGE_STATS_ENABLED": "0"}


def _own_addresses() -> list[str]:
    """Ray's processes find each other by the address of the machine, not by the loopback."""
    import ray

    return ["127.0.0.1", "::1", "localhost", ray.util.get_node_ip_address()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marker = pytest.mark.allow_hosts(_own_addresses())
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(marker)


# --- the cluster ---------------------------------------------------------------------------------


@dataclass
class Machines:
    """The cluster.

    Attributes:
        address: What to give as ``--address``.
        alive: The numbers of its nodes; 0 is the head.
    """

    process: subprocess.Popen[str]
    address: str = ""
    alive: list[int] = field(default_factory=lambda: [0, 1, 2])

    def add(self) -> None:
        """Start one more node."""
        self.alive.append(int(self._say("add")))

    def kill(self) -> None:
        """End a node with everything on it, as when its power goes; never the head."""
        self._say(f"kill {self.alive.pop()}")

    def kill_workers(self) -> None:
        """End the workers of one node at once, as when its memory runs out; the node stays."""
        self._say(f"kill_workers {self.alive[-1]}")

    def restore(self) -> None:
        """Three nodes again."""
        while len(self.alive) < 3:
            self.add()

    def _say(self, command: str) -> str:
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture(scope="session")
def _machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    home = tmp_path_factory.mktemp("nodes")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **WITHOUT_REPORTS,
        "HOME": str(home),
    }
    process = subprocess.Popen(
        [sys.executable, str(HERE / "machines.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    machines = Machines(process)
    machines.address = process.stdout.readline().strip()
    assert machines.address, "the cluster did not start"
    yield machines
    process.stdin.write("end\n")
    process.stdin.close()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def machines(_machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """The cluster, with all its three nodes."""
    for name, value in WITHOUT_REPORTS.items():
        monkeypatch.setenv(name, value)
    _machines.restore()
    return _machines


@pytest.fixture
def connected(machines: Machines):
    """The package, with this program connected to the cluster."""
    import logging

    import ray

    ray.init(address=machines.address, log_to_driver=False, logging_level=logging.ERROR)
    yield ray
    ray.shutdown()


# --- the service ---------------------------------------------------------------------------------


class Service:
    """Speaks the OpenAI protocol, takes its time, and counts.

    Attributes:
        asked: How often each question was asked.
        latency: Seconds before it answers.
        status: What it answers with.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.latency = 0.05
        self.status = 200
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._on_call: Callable[[int], None] | None = None

    def when(self, count: int, then: Callable[[], None]) -> None:
        """Do something, beside answering, when so many calls have come."""
        self._on_call = lambda calls: (
            threading.Thread(target=then, daemon=True).start() if calls == count else None
        )

    def answer(self, question: dict) -> tuple[int, dict]:
        content = question["messages"][-1]["content"]
        said = next(part["text"] for part in content if part["type"] == "text")
        with self._lock:
            self.asked[said] += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            calls = self.asked.total()
        if self._on_call is not None:
            self._on_call(calls)
        time.sleep(self.latency)
        with self._lock:
            self._at_once -= 1
        if self.status != 200:
            return self.status, {"error": {"message": "no"}}
        return 200, {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": question["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": f"answer to {said}"},
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
        }


@pytest.fixture
def service() -> Iterator[Service]:
    """The service; ``service.url`` is its base URL."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, said = service.answer(json.loads(self.rfile.read(length)))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            pass  # a killed node leaves its calls

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield service
    server.shutdown()
    server.server_close()


@pytest.fixture
def pictures(tmp_path: Path, make_image) -> Callable[[int], list[Path]]:
    """So many picture files that differ, in a folder that all nodes see."""

    def make(count: int) -> list[Path]:
        paths = []
        for number in range(count):
            path = tmp_path / f"{number:04}.png"
            path.write_bytes(make_image(size=(16, 16)))
            paths.append(path)
        return paths

    return make
