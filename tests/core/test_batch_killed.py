"""A batch that is killed (SIGKILL) again and again: every item is accounted for."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

KILLS = 100
ITEMS = 2000
JOBS = 4
LATENCY = 0.03


class Counting:
    """A service that counts how often each question is asked of it."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with service._lock:
                    service.asked[body["question"]] += 1
                time.sleep(LATENCY)
                answer = json.dumps({"answer": f"seen {body['question']}"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address) -> None:
                """Whoever asked was killed."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def counting() -> Iterator[Counting]:
    service = Counting()
    thread = threading.Thread(target=service.server.serve_forever, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def answered_in(out: Path) -> set[str]:
    """The questions whose lines are whole; the last line may be cut where it was killed."""
    if not out.exists():
        return set()
    whole = out.read_bytes().rpartition(b"\n")[0]
    return {json.loads(line)["answer"]["text"].removeprefix("seen ") for line in whole.splitlines()}


@pytest.mark.timeout(400)
def test_a_hundred_kills_lose_nothing_and_pay_for_nothing_twice(
    acme_site, counting, tmp_path, monkeypatch, make_image
):
    """Asked again are only items that were under way when it was killed."""
    monkeypatch.setenv("ACME_URL", counting.url)
    picture = tmp_path / "shot.png"
    picture.write_bytes(make_image())
    manifest = tmp_path / "rows.jsonl"
    rows = [{"source": str(picture), "prompt": str(n), "id": f"item-{n}"} for n in range(ITEMS)]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "results.jsonl"
    command = (
        *("batch", "--manifest", str(manifest), "--out", str(out)),
        *("-p", "acme", "--jobs", str(JOBS)),
    )
    chance = random.Random(20261124)
    kills = mistakes = 0
    settled: dict[str, int] = {}
    while kills < KILLS:
        process = acme_site.start(*command)
        time.sleep(chance.uniform(0.2, 1.0))
        process.send_signal(signal.SIGKILL)
        _, stderr = process.communicate()
        assert process.returncode == -signal.SIGKILL, stderr
        kills += 1
        for question in answered_in(out):
            settled.setdefault(question, counting.asked[question])
        mistakes += sum(counting.asked[question] != count for question, count in settled.items())
    assert mistakes == 0, "what was answered was asked again"
    assert 0 < len(settled) < ITEMS, "the kills came before, or after, all the work"

    last = acme_site.start(*command)
    _, stderr = last.communicate(timeout=200)

    assert last.returncode == 0, stderr
    lines = lines_of(out)
    assert Counter(line["id"] for line in lines) == Counter(row["id"] for row in rows)
    assert {line["id"]: line["answer"]["text"] for line in lines} == {
        row["id"]: f"seen {row['prompt']}" for row in rows
    }
    assert set(counting.asked) == {row["prompt"] for row in rows}
    again = sum(count - 1 for count in counting.asked.values())
    assert again <= kills * JOBS
    assert {question: counting.asked[question] for question in settled} == settled
