"""A batch that is killed (SIGKILL) again and again: every item is accounted for."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

KILLS = 100
ITEMS = 300
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
    whole = [line for line in out.read_bytes().split(b"\n")[:-1] if b"?" * 20 not in line]
    answers = [json.loads(line)["answer"] for line in whole]
    return {answer["text"].removeprefix("seen ") for answer in answers if answer}


def damage(out: Path) -> None:
    """Change the last answered line, as nobody who appends could."""
    lines = out.read_bytes().splitlines(keepends=True) if out.exists() else []
    while lines and b'"status": "failed"' in lines[-1]:
        lines.pop()
    if lines:
        out.write_bytes(b"".join(lines)[:-20] + b"?" * 20)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
        if kills % 10 == 9:
            damage(out)  # it is made anew, and that is killed too
        process = acme_site.start(*command)
        if kills % 5 == 0:
            before = len(answered_in(out))
            wait_for(lambda: len(answered_in(out)) > before)  # noqa: B023  it is called here
            time.sleep(chance.uniform(0.0, 0.1))
        else:  # while Python loads, while it goes on where it was, or in the middle
            time.sleep(chance.uniform(0.05, 0.35))
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


# --- at a given place ----------------------------------------------------------------------------

# A plugin that kills the program where KILL_AT says; os.write alone writes the results file.
KILLER = """
import os, signal
from pathlib import Path

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

place, _, number = os.environ.get("KILL_AT", "").partition(" ")
if place == "replace":
    Path.replace = die
elif place == "fsync":
    os.fsync = die
elif place == "truncate":
    os.ftruncate = die
elif place == "summary":
    import mediasense.output.standing
    mediasense.output.standing.summary = die
elif place == "write":
    whole, left = os.write, int(number)
    def write(file, data):
        global left
        left -= 1
        if not left:
            whole(file, data[:len(data) // 2])
            die()
        return whole(file, data)
    os.write = write
"""


@pytest.fixture
def command(acme_site, counting, tmp_path, monkeypatch, make_image):
    """A batch of twelve items of which two fail; and one to be killed at a given place."""
    monkeypatch.setenv("ACME_URL", counting.url)
    acme_site.install("killer", KILLER)
    picture = tmp_path / "shot.png"
    picture.write_bytes(make_image())
    rows = [{"source": str(picture), "prompt": str(n), "id": f"item-{n}"} for n in range(10)]
    rows += [{"source": str(tmp_path / "missing.png"), "id": f"bad-{n}"} for n in range(2)]
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(out: Path, place: str = ""):
        monkeypatch.setenv("KILL_AT", place)
        done = acme_site.run(
            *("batch", "--manifest", str(manifest), "--out", str(out)),
            *("-p", "acme", "--jobs", str(JOBS)),
        )
        assert done.returncode == (-signal.SIGKILL if place else 31), done.stderr
        return done

    return run


def is_whole(out: Path) -> bool:
    lines = lines_of(out)
    return (
        Counter(line["id"] for line in lines)
        == Counter([*(f"item-{n}" for n in range(10)), "bad-0", "bad-1"])
        and [line["status"] for line in lines] == ["answered"] * 10 + ["failed"] * 2
        and not list(out.parent.glob(".*.new"))
    )


@pytest.mark.parametrize("place", ["write 1", "write 2", "truncate", "fsync", "summary"])
def test_killed_at_any_place_it_goes_on(command, tmp_path, counting, place):
    out = tmp_path / "results.jsonl"
    command(out, place)
    answered = answered_in(out)
    asked = Counter(counting.asked)
    command(out)
    assert is_whole(out)
    assert [q for q in answered if counting.asked[q] != asked[q]] == []


@pytest.mark.parametrize("place", ["write 1", "fsync", "replace"])
def test_killed_while_the_file_is_made_anew_it_is_made_anew_again(
    command, tmp_path, counting, place
):
    out = tmp_path / "results.jsonl"
    command(out)
    first = lines_of(out)[:10]
    asked = Counter(counting.asked)
    damage(out)
    damaged = out.read_bytes()
    command(out, place)
    assert out.read_bytes() == damaged, "whoever reads meanwhile sees the old file"
    command(out)
    assert is_whole(out)
    assert lines_of(out)[:10] == first
    assert counting.asked == asked
