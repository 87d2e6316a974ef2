"""``mediasense batch --engine ray`` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture
def command(machines, service, pictures, tmp_path):
    """Start the command line over so many pictures."""
    os.chdir(tmp_path)

    def start(count, *more):
        (tmp_path / "rows.jsonl").write_text(
            "".join(
                json.dumps({"id": f"i{n}", "source": p.name, "prompt": f"q{n}"}) + "\n"
                for n, p in enumerate(pictures(count))
            )
        )
        arguments = [
            *("batch", "--manifest", "rows.jsonl", "--engine", "ray"),
            *("--address", machines.address, "--base-url", service.url, "--model", "m"),
            *("--jobs", "12", "--no-cache", *more),
        ]
        return subprocess.Popen(
            [sys.executable, "-m", "mediasense", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What is started from the background would ignore Ctrl-C.
            env={**os.environ, "PYTHONPATH": "/tmp/h/over"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


def test_a_node_is_lost_half_way(command, machines, service, tmp_path):
    service.latency = 0.2
    service.when(50, machines.kill)
    running = command(120)
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    # Standard output is the answers and nothing else; Ray, too, would tell of nodes there.
    lines = [json.loads(line) for line in out.splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(f"i{n}" for n in range(120))
    assert all(line["status"] == "answered" for line in lines)
    assert 0 <= service.asked.total() - 120 <= 12


def test_a_killed_run_goes_on(command, service, tmp_path):
    service.latency = 0.1
    running = command(80, "--out", "out.jsonl")
    while service.asked.total() < 30:
        time.sleep(0.01)
    running.kill()
    running.communicate()
    again = command(80, "--out", "out.jsonl")
    _, err = again.communicate(timeout=90)
    assert again.returncode == 0, err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(f"i{n}" for n in range(80))
    # What was under way when it was killed, and what nobody was there to write down.
    assert service.asked.total() - 80 <= 12
    assert max(service.asked.values()) <= 2


def test_ctrl_c_ends_it_and_leaves_the_cluster(command, service):
    service.latency = 0.1
    running = command(200, "--out", "out.jsonl")
    while service.asked.total() < 20:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    asked = service.asked.total()
    assert asked < 200
    again = command(200, "--out", "out.jsonl")
    _, err = again.communicate(timeout=90)
    assert again.returncode == 0, err
    assert max(service.asked.values()) == 1
