"""``mediasense batch``: what it prints, how it ends, and how it is interrupted."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from werkzeug import Request as Asked
from werkzeug import Response

from mediasense.cli.app import build

SOON = 20.0


class Service:
    """The server of acme.

    Attributes:
        answer: Called with the question: its text, or a response.
        asked: The questions, in order.
        gate: Answers wait for it.
    """

    def __init__(self, server) -> None:
        self.answer: Callable[[str], str | Response] = lambda question: f"seen {question}"
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        server.expect_request("/look").respond_with_handler(self._handle)

    def _handle(self, request: Asked) -> Response:
        question = str(request.json["question"])
        self.asked.append(question)
        self.gate.wait(SOON)
        said = self.answer(question)
        if isinstance(said, Response):
            return said
        return Response(json.dumps({"answer": said}), content_type="application/json")


def refused(status: int) -> Response:
    return Response('{"error": {"message": "no"}}', status, content_type="application/json")


@pytest.fixture
def service(threaded_server, monkeypatch) -> Iterator[Service]:
    monkeypatch.setenv("ACME_URL", threaded_server.url_for(""))
    monkeypatch.setenv("MEDIASENSE_PROVIDER", "acme")
    made = Service(threaded_server)
    yield made
    made.gate.set()


@pytest.fixture
def cli(acme_installed, service) -> Callable[..., Result]:
    def run(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(build("batch"), ["batch", *map(str, arguments)], input=stdin)

    return run


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


@pytest.fixture
def pictures(tmp_path, make_image) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.png").write_bytes(make_image())
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture
def manifest(tmp_path, picture) -> Callable[..., Path]:
    """Write a list of questions about one picture."""

    def make(*prompts: str, name: str = "rows.jsonl", more: tuple[dict, ...] = ()) -> Path:
        path = tmp_path / name
        rows = [{"source": picture, "prompt": p, "id": f"i{p}"} for p in prompts]
        path.write_text("".join(json.dumps(row) + "\n" for row in (*rows, *more)))
        return path

    return make


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def statuses(out: Path) -> Counter[str]:
    found = lines(out.read_text())
    assert len({line["id"] for line in found}) == len(found)
    return Counter(line["status"] for line in found)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- what is printed -----------------------------------------------------------------------------


def test_without_a_file_the_results_are_all_there_is_on_stdout(cli, pictures):
    done = cli(pictures, "--prompt", "what?")
    assert done.exit_code == 0
    found = lines(done.stdout)
    assert {line["source"] for line in found} == {str(pictures / f"{n}.png") for n in range(3)}
    assert {line["answer"]["text"] for line in found} == {"seen what?"}
    assert done.stderr.splitlines()[0].startswith("batch: 3 answered, 0 failed, in ")
    assert done.stderr.splitlines()[1] == "batch: 3 calls of unknown cost"


def test_with_a_file_nothing_is_printed_on_stdout(cli, pictures, out):
    done = cli(pictures, "--out", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert statuses(out) == {"answered": 3}
    assert f"batch: the results are in {out}" in done.stderr
    assert out.stat().st_mode & 0o777 == 0o600


def test_without_a_terminal_no_cursor_is_moved(cli, pictures):
    done = cli(pictures, "--prompt", "break")
    assert done.exit_code == 31
    assert not set(done.output) & set("\x1b\r\x07\x08")


def test_what_fails_is_told_and_is_31(cli, pictures, service, out):
    (pictures / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    done = cli(pictures, "--out", out)
    assert done.exit_code == 31
    assert f"failed: {pictures / '1.png'}: " in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: 1 item failed; add --retry-failed")
    assert statuses(out) == {"answered": 2, "failed": 1}


def test_a_failure_of_an_earlier_run_is_31_too_until_it_is_mended(
    cli, pictures, service, out, make_image
):
    (pictures / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    cli(pictures, "--out", out)
    assert cli(pictures, "--out", out).exit_code == 31
    (pictures / "1.png").write_bytes(make_image())
    assert cli(pictures, "--out", out).exit_code == 31
    assert cli(pictures, "--out", out, "--retry-failed").exit_code == 0
    assert cli(pictures, "--out", out).exit_code == 0
    assert statuses(out) == {"answered": 3}
    assert len(service.asked) == 3


def test_what_failed_and_is_in_the_list_no_longer_is_31(cli, pictures, out):
    """Its line still stands in the results."""
    (pictures / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    cli(pictures, "--out", out)
    (pictures / "1.png").unlink()
    done = cli(pictures, "--out", out)
    assert (done.exit_code, statuses(out)["failed"]) == (31, 1)
    assert "1 failed in an earlier run" in done.stderr


def test_only_the_first_failures_are_told_one_by_one(cli, manifest, service):
    service.answer = lambda _: refused(400)
    done = cli("--manifest", manifest(*map(str, range(30))))
    told = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(told) == 20
    assert "note: further failures stand in the results alone" in done.stderr
    assert len(lines(done.stdout)) == 30


def test_a_bug_of_a_plugin_is_told_with_its_trace(cli, manifest):
    done = cli("--manifest", manifest("break", "0"))
    assert done.exit_code == 31
    assert "KeyError: 'a bug of the plugin'" in done.stderr
    assert "Traceback" in done.stderr
    failed, answered = sorted(lines(done.stdout), key=lambda line: line["status"], reverse=True)
    assert "a bug of the plugin" in failed["error"]["trace"]
    assert answered["answer"]["text"] == "seen 0"


def test_a_key_that_is_refused_ends_it_with_41(cli, manifest, service, out):
    service.answer = lambda _: refused(401)
    arguments = ("--manifest", manifest(*map(str, range(50))), "--out", out, "--jobs", "3")
    done = cli(*arguments)
    assert done.exit_code == 41
    assert done.stderr.splitlines()[-1].startswith("error: stopped: ")
    assert len(service.asked) <= 3
    assert out.read_text() == ""
    service.answer = lambda _: "yes"
    assert cli(*arguments).exit_code == 0
    assert statuses(out) == {"answered": 50}


def test_what_is_still_to_be_asked_about_has_no_line_on_stdout(cli, manifest, service):
    service.answer = lambda q: refused(401) if q == "1" else "yes"
    done = cli("--manifest", manifest("0", "1", "2"), "--jobs", "1")
    assert done.exit_code == 41
    assert [line["id"] for line in lines(done.stdout)] == ["i0"]


def test_on_error_stop_says_so(cli, manifest, service, out):
    service.answer = lambda q: refused(400) if q == "1" else "yes"
    rows = manifest(*map(str, range(30)))
    done = cli("--manifest", rows, "--out", out, "--jobs", "1", "--on-error", "stop")
    assert done.exit_code == 31
    assert "note: stopped after the first failure" in done.stderr
    assert statuses(out) == {"answered": 1, "failed": 1}


def test_a_limit_of_cost_that_cannot_be_kept_is_30_and_sends_nothing(cli, pictures, service):
    done = cli(pictures, "--max-cost", "1")
    assert (done.exit_code, done.stdout, service.asked) == (30, "", [])
    assert "--max-cost cannot be kept" in done.stderr


def test_another_prompt_is_another_batch(cli, pictures, out, service):
    cli(pictures, "--prompt", "this", "--out", out)
    before = out.read_bytes()
    done = cli(pictures, "--prompt", "that", "--out", out)
    assert done.exit_code == 2
    assert "results.jsonl belongs to another batch: prompt: this, not prompt: that" in done.stderr
    assert out.read_bytes() == before
    assert len(service.asked) == 3


# --- what is asked -------------------------------------------------------------------------------


def test_the_prompt_may_come_from_a_file(cli, picture, tmp_path, service):
    (tmp_path / "ask.md").write_bytes("\ufeff\nwas ist das? äöü\n\n".encode())
    assert cli(picture, "--prompt-file", tmp_path / "ask.md").exit_code == 0
    assert service.asked == ["was ist das? äöü"]


@pytest.mark.parametrize("question", ["what?", "what is wrong here"])
def test_a_question_among_the_files_is_refused_before_anybody_is_asked(
    cli, picture, service, question
):
    done = cli(picture, question)
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: there is no file '{question}'; if it is a question, give it as --prompt\n"
    )
    assert service.asked == []


@pytest.mark.parametrize("data", [None, b"", b" \n", b"\xff\xfe\x00", b"x" * 1_000_001])
def test_a_prompt_file_that_is_none_is_refused(cli, picture, tmp_path, service, data):
    path = tmp_path / "ask.md"
    if data is not None:
        path.write_bytes(data)
    done = cli(picture, "--prompt-file", path)
    assert (done.exit_code, service.asked) == (2, [])
    assert "ask.md" in done.stderr


def test_two_prompts_are_refused(cli, picture, tmp_path):
    done = cli(picture, "--prompt", "a", "--prompt-file", tmp_path / "ask.md")
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("shot.png", "--jobs", "0"),
        ("shot.png", "--max-cost", "-1"),
        ("shot.png", "--rpm", "many"),
        ("shot.png", "--rpm", "0"),
        ("shot.png", "--tpm", "nan"),
        ("shot.png", "--address", "auto"),
        ("shot.png", "--retry-failed"),
        ("shot.png", "--out", "results.jsonl", "--retry-failed"),
        ("--manifest", "missing.jsonl"),
        ("--manifest", "."),
        ("shot.png", "--manifest", "missing.csv", "--out", "results.jsonl"),
        ("shot.png", "--out", "no/such/folder.jsonl"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_begun(
    cli, tmp_path, picture, service, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    done = cli(*arguments)
    assert (done.exit_code, done.stdout, service.asked) == (2, "", [])
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_limits_are_for_all_or_for_one(cli, picture):
    assert cli(picture, "--rpm", "acme=6000,60000", "--tpm", "1e9").exit_code == 0
    done = cli(picture, "--rpm", "acmee=60")
    assert done.exit_code == 7
    assert "did you mean acme?" in done.stderr


def test_a_schema_may_be_for_all_or_for_one_row(cli, manifest, picture, tmp_path, service):
    service.answer = lambda q: '{"n": 1}' if q == "0" else '{"m": 2}'
    schemas = [
        {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}
        for name in "nm"
    ]
    (tmp_path / "s.json").write_text(json.dumps(schemas[0]))
    own = {"source": picture, "prompt": "own", "id": "own", "schema": schemas[1]}
    done = cli("--manifest", manifest("0", more=(own,)), "--schema", tmp_path / "s.json")
    found = {line["id"]: line["answer"]["data"] for line in lines(done.stdout)}
    assert found == {"i0": {"n": 1}, "own": {"m": 2}}
    assert done.exit_code == 0


def test_bad_rows_fail_and_once_mended_are_answered(cli, manifest, picture, out):
    bad = {"source": picture, "start": "noon"}
    path = manifest("0", more=(bad, {"prompt": "no source", "colour": "red"}))
    done = cli("--manifest", path, "--out", out)
    assert done.exit_code == 31
    assert statuses(out) == {"answered": 1, "failed": 2}
    assert "row 2: start is no number of seconds" in done.stderr
    assert "note: columns not used: colour" in done.stderr
    path = manifest("0", more=({"source": picture}, {"source": picture, "prompt": "p"}))
    assert cli("--manifest", path, "--out", out).exit_code == 0
    assert statuses(out) == {"answered": 3}


@pytest.mark.parametrize("again", [(), ("--retry-failed",)])
def test_bad_rows_of_two_lists_are_two_failures(cli, manifest, picture, out, again):
    first = manifest(name="a.jsonl", more=({"prompt": "nothing"},))
    second = manifest(name="b.jsonl", more=({"prompt": "nothing"},))
    arguments = ("--manifest", first, "--manifest", second, "--out", out)
    assert cli(*arguments).exit_code == 31
    assert statuses(out) == {"failed": 2}
    causes = {line["error"]["message"].partition(";")[0] for line in lines(out.read_text())}
    assert causes == {f"{first}, row 1: no source", f"{second}, row 1: no source"}
    manifest("0", name="a.jsonl")
    manifest("1", name="b.jsonl")
    assert cli(*arguments, *again).exit_code == 0
    assert statuses(out) == {"answered": 2}


def test_what_is_left_out_of_folders_is_noted(cli, pictures):
    (pictures / "notes.txt").write_text("no picture")
    done = cli(pictures)
    assert done.exit_code == 0
    assert "note: 1 file was left out: no image, video or sound" in done.stderr


def test_the_cache_answers_a_second_batch(cli, pictures, service, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    assert cli(pictures).exit_code == 0
    done = cli(pictures)
    assert "3 answered (3 from the cache)" in done.stderr
    assert "batch: $0" in done.stderr
    assert len(service.asked) == 3


def test_names_that_are_no_text_can_be_printed(acme_site, service, tmp_path, make_image):
    folder = tmp_path / "odd"
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(make_image())
    except OSError:
        pytest.skip("this file system takes no such names")
    service.answer = lambda _: refused(400)
    done = acme_site.run("batch", str(folder))
    assert done.returncode == 31, done.stderr
    (line,) = lines(done.stdout)
    assert line["source"].startswith(str(folder))
    assert "Traceback" not in done.stderr


# --- pipes ---------------------------------------------------------------------------------------


def test_a_list_on_stdin_is_worked_off_as_it_comes(acme_site, service, pictures):
    process = acme_site.start("batch", "-", stdin=subprocess.PIPE)
    try:
        process.stdin.write(f"{pictures / '0.png'}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["source"] == str(pictures / "0.png")
        rest, stderr = process.communicate(
            json.dumps({"source": str(pictures / "1.png"), "prompt": "whose?"}) + "\n",
            timeout=SOON,
        )
    finally:
        process.kill()
    assert process.returncode == 0, stderr
    assert json.loads(rest)["answer"]["text"] == "seen whose?"


def test_whoever_reads_slowly_gets_everything(acme_site, service, manifest):
    process = acme_site.start("batch", "--manifest", str(manifest(*map(str, range(60)))))
    found = []
    for line in process.stdout:
        found.append(json.loads(line)["id"])
        time.sleep(0.01)
    assert process.wait(SOON) == 0
    process.stderr.close()
    assert Counter(found) == Counter(f"i{n}" for n in range(60))


def test_whoever_stops_reading_ends_it_cleanly(acme_site, service, manifest):
    process = acme_site.start("batch", "--manifest", str(manifest(*map(str, range(400)))))
    assert process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(SOON) != 0
    process.stderr.close()
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr
    assert len(service.asked) < 400


# --- Ctrl-C --------------------------------------------------------------------------------------


@pytest.fixture
def waiting(acme_site, service, manifest, out, heed_ctrl_c):
    """A batch whose calls are under way, on a service that answers nothing."""
    service.gate.clear()
    command = ("batch", "--manifest", str(manifest(*map(str, range(20)))), "--out", str(out))
    process = acme_site.start(*command, "--jobs", "4", preexec_fn=heed_ctrl_c)
    wait_for(lambda: len(service.asked) == 4)
    yield process, command
    process.kill()
    process.communicate()


def test_ctrl_c_waits_for_what_is_under_way_and_the_same_command_goes_on(
    waiting, acme_site, service, out
):
    process, command = waiting
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == (
        "note: stopping: 4 under way are waited for; Ctrl-C again leaves them\n"
    )
    service.gate.set()
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 130
    assert "batch: 4 answered" in stderr
    assert statuses(out) == {"answered": 4}
    assert len(service.asked) == 4

    done = acme_site.run(*command)
    assert done.returncode == 0, done.stderr
    assert statuses(out) == {"answered": 20}
    assert Counter(service.asked) == Counter(map(str, range(20)))
    assert "16 answered, 0 failed, 4 answered in an earlier run" in done.stderr
    assert "killed" not in done.stderr


def test_ctrl_c_twice_leaves_at_once(waiting, acme_site, service, out):
    process, command = waiting
    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    service.gate.set()
    done = acme_site.run(*command)
    assert done.returncode == 0, done.stderr
    assert statuses(out) == {"answered": 20}
    assert "4 were under way when an earlier run was killed" in done.stderr


def test_ctrl_c_twice_leaves_what_was_stopped_by_an_error_too(
    acme_site, service, manifest, out, heed_ctrl_c
):
    service.gate.clear()
    rows = str(manifest("0", "1", "2"))
    process = acme_site.start(
        *("batch", "--manifest", rows, "--out", str(out), "--jobs", "2"), preexec_fn=heed_ctrl_c
    )
    held = threading.Event()
    service.answer = lambda q: refused(401) if q == service.asked[0] else str(held.wait(SOON))
    wait_for(lambda: len(service.asked) == 2)
    service.gate.set()
    try:
        time.sleep(0.5)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        process.communicate(timeout=5)
    finally:
        process.kill()
        held.set()
    assert process.returncode == 130


def test_ctrl_c_ends_a_list_that_goes_on(acme_site, service, picture, heed_ctrl_c):
    """Nothing comes through the pipe, and nobody closes it."""
    process = acme_site.start("batch", "-", stdin=subprocess.PIPE, preexec_fn=heed_ctrl_c)
    try:
        process.stdin.write(f"{picture}\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_on_one_file_is_refused(waiting, acme_site, service, out):
    _, command = waiting
    done = acme_site.run(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "another" in done.stderr
    assert len(service.asked) == 4


# --- a terminal ----------------------------------------------------------------------------------


def on_a_terminal(site, *arguments: str, columns: int = 100, **streams) -> tuple[int, str, str]:
    """Run a command whose stderr is a terminal: exit code, stdout, and what was drawn."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, **site.environment, "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        site.command("batch", *arguments),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        text=True,
    ) as process:
        os.close(theirs)
        drawn: list[bytes] = []
        reader = threading.Thread(target=_read, args=(ours, drawn))
        reader.start()
        stdout = process.stdout.read()
        code = process.wait(SOON)
        reader.join()
    os.close(ours)
    return code, stdout, b"".join(drawn).decode()


def _read(descriptor: int, into: list[bytes]) -> None:
    try:
        while data := os.read(descriptor, 65536):
            into.append(data)
    except OSError:  # Linux says so at the end
        return


def test_on_a_terminal_a_line_is_drawn_and_results_still_go_to_stdout(acme_site, service, manifest):
    service.answer = lambda q: refused(400) if q == "3" else time.sleep(0.1) or "yes"
    code, stdout, drawn = on_a_terminal(
        acme_site, "--manifest", str(manifest(*map(str, range(24)))), "--jobs", "4"
    )
    assert code == 31
    assert len(lines(stdout)) == 24
    assert " of 24 done · " in drawn
    assert "4 running" in drawn
    assert "failed: " in drawn
    assert '"id"' not in drawn
    assert drawn.rstrip().splitlines()[-1].startswith("error: 1 item failed")


def test_the_help_names_what_matters(cli):
    text = " ".join(cli("--help").stdout.split())
    for words in ("--manifest", "--prompt-file", "--retry-failed", "--max-cost", "--rpm", "--out"):
        assert words in text


def test_rows_with_the_id_of_another_are_told_of_and_are_31(cli, picture, tmp_path):
    rows = tmp_path / "same.jsonl"
    both = [{"source": picture, "prompt": text, "id": "1"} for text in ("one", "two")]
    rows.write_text("".join(json.dumps(row) + "\n" for row in both))
    done = cli("--manifest", rows)
    assert (done.exit_code, len(lines(done.stdout))) == (31, 1)
    assert "1 rows have an id that came before" in done.stderr


def test_what_failed_is_tried_again_only_with_a_results_file(cli, pictures):
    done = cli(pictures, "--retry-failed")
    assert done.exit_code == 2
    assert "add --out" in done.stderr
