"""Every call has its line, and nothing in it that is nobody's business."""

import json
import os
import pwd
import stat
import subprocess
import sys

import pytest

import mediasense
from mediasense import ConfigError, Question

PROMPT = "is this the confidential drawing?"


@pytest.fixture
def log(house, tmp_path, monkeypatch):
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv("HOUSE_AUDIT_LOG", str(path))
    house.install("audit_log")
    return path


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(path, *names) -> list[tuple]:
    return [tuple(line[name] for name in names) for line in lines(path)]


def test_an_image(house, log, shot):
    mediasense.analyze(shot, PROMPT, provider="near")
    [line] = lines(log)
    assert list(line) == [
        *("time", "user", "provider", "model", "kind", "items", "bytes", "outcome", "usage"),
        "seconds",
    ]
    assert line["usage"]["input_tokens"] == 1000
    seen = [line[name] for name in ("provider", "model", "kind", "items", "bytes", "outcome")]
    assert seen == ["near", "eye", "image", 1, shot.stat().st_size, "answered"]


def test_no_prompt_no_answer_no_file_name_and_no_key(house, log, shot, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret-0123456789")
    house.says["near"] = {"text": "a confidential drawing"}
    mediasense.analyze(
        shot, PROMPT, provider="near", base_url=f"{house.wire.url}/near", api_key_env="SOME_KEY"
    )
    text = log.read_text()
    assert all(word not in text for word in ("confidential", "shot", "secret", "SOME_KEY"))


def test_a_user_without_a_name_is_a_number(house, log, shot, monkeypatch):
    """As in a container that runs as a number of its own."""

    def nobody(uid: int):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    mediasense.analyze(shot, PROMPT, provider="near")
    assert told(log, "user", "outcome") == [(str(os.getuid()), "answered")]


def test_nobody_else_can_read_it(house, log, shot):
    log.touch(0o644)
    mediasense.analyze(shot, PROMPT, provider="near")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_frames_of_a_video_and_its_sound(house, log, clip):
    mediasense.analyze(clip, PROMPT, provider="near", audio_provider="ear", every=0.5)
    found = told(log, "provider", "kind", "outcome")
    assert found[0] == ("ear", "audio", "answered")
    assert set(found[1:]) <= {("near", "image", "answered"), ("near", "text", "answered")}
    assert len(found) == len(house.asked)


def test_a_video_that_is_sent_whole(house, log, clip):
    mediasense.analyze(clip, PROMPT, provider="film")
    assert ("film", "video", 1) in told(log, "provider", "kind", "items")


def test_a_call_that_fails_and_that_of_a_stand_in(house, log, shot):
    house.down["near"] = 503
    mediasense.analyze(shot, PROMPT, provider="near", fallback="far", retries=0)
    assert told(log, "provider", "outcome", "usage")[0] == ("near", "ProviderUnavailable", None)
    assert told(log, "provider", "outcome")[1:] == [("far", "answered")]


def test_a_call_that_another_wrapper_refuses(house, log, shot, monkeypatch, tmp_path):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "0")
    monkeypatch.setenv("HOUSE_TEAM_FILE", str(tmp_path / "team.sqlite"))
    house.install("team_budget")
    with pytest.raises(mediasense.BudgetExceeded):
        mediasense.analyze(shot, PROMPT, provider="near")
    assert (told(log, "outcome"), house.asked) == ([("BudgetExceeded",)], [])


def test_what_was_kept_is_no_call(house, kept, log, shot):
    for _ in range(3):
        mediasense.analyze(shot, PROMPT, provider="near")
    assert len(lines(log)) == len(house.asked) == 1


def test_a_batch_with_many_threads(house, log, tmp_path, make_image):
    shots = [make_image(size=(8, 8)) for _ in range(40)]
    results = list(mediasense.batch(shots, Question(prompt=PROMPT, provider="near"), jobs=16))
    assert len(results) == len(lines(log)) == 40


def test_several_processes_at_once(house, log, shots, tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(house.folder)!r}); import mediasense\n"
        f"question = mediasense.Question(prompt={PROMPT!r}, provider='near')\n"
        f"list(mediasense.batch({[str(s) for s in shots] * 5!r}, question, jobs=8))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(lines(log)) == len(house.asked)


def test_the_command_line_writes_it_too(house, log, shots, tmp_path):
    out = tmp_path / "out.jsonl"
    run = house.run("batch", *shots, "--prompt", PROMPT, "-p", "near", "--out", out)
    assert (run.returncode, len(lines(log))) == (0, 4)


def test_where_nothing_can_be_written_down_nothing_is_sent(house, log, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_AUDIT_LOG", str(log / "no" / "such" / "folder"))
    with pytest.raises(ConfigError, match="export HOUSE_AUDIT_LOG"):
        mediasense.analyze(shot, PROMPT, provider="near")
    assert house.asked == []
