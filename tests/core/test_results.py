"""The results file: whatever happens to it or to the process, it ends up as the journal tells."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.batches.items import Item
from mediasense.batches.kept import decode_item, encode_item
from mediasense.batches.results import Results, check_place
from mediasense.errors import StoreError, UsageError
from mediasense.store.journal import Finished, Journal

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "results.jsonl"


@contextmanager
def run(out: Path | None, journal_path: Path | None = None):
    """One run of a batch."""
    journal = Journal(journal_path or out.with_name(f"{out.name}.journal"))
    results = Results(out, journal)
    journal.open("ab12", "what is it?")
    try:
        results.restore()
        yield results
        results.close()
    finally:
        with suppress(StoreError, UsageError):
            results.close()
        journal.close()


def good(one: str, line: str | None = None) -> Finished:
    return Finished(id=one, line=line or f"answer {one}")


def bad(one: str) -> Finished:
    return Finished(id=one, line=f"failure {one}", failed=True)


def after_kill(out: Path, *ends: Finished) -> None:
    """A run that never came to its end: no failures behind the answers."""
    with run(out) as results:
        for end in ends:
            results.add(end)
        os.close(results._file)
        results._file = None


# --- what stands in it ---------------------------------------------------------------------------


def test_answers_stand_in_it_at_once_and_failures_behind_them_at_the_end(out):
    with run(out) as results:
        results.add(good("a"))
        results.add(bad("b"))
        results.add(good("c"))
        assert out.read_text() == "answer a\nanswer c\n"
    assert out.read_text() == "answer a\nanswer c\nfailure b\n"


def test_the_next_run_goes_on_behind_the_answers(out):
    with run(out) as results:
        results.add(good("a"))
        results.add(bad("b"))
    with run(out) as results:
        assert out.read_text() == "answer a\n"
        results.add(good("b"))
        results.add(bad("c"))
    assert out.read_text() == "answer a\nanswer b\nfailure c\n"


def test_what_is_answered_already_gets_no_second_line(out):
    with run(out) as results:
        results.add(good("a"))
        results.add(good("a", "another answer"))
    assert out.read_text() == "answer a\n"


def test_any_text_is_utf_8(out):
    with run(out) as results:
        results.add(good("a", '"ü 🎬 \u2028"'))
        results.add(good("b", '"\ud800"'))
        results.add(good("c"))
    assert out.read_bytes() == '"ü 🎬 \u2028"\n"\\ud800"\nanswer c\n'.encode()
    with run(out):
        pass
    assert out.read_bytes().endswith(b'"\\ud800"\nanswer c\n')


def test_without_a_path_there_is_no_file(tmp_path):
    journal = tmp_path / "journal"
    with run(None, journal) as results:
        results.add(good("a"))
    assert [file.name for file in tmp_path.iterdir()] == ["journal"]
    with run(None, journal) as results:
        assert results._journal.claim(["a"]) == ("done",)


@POSIX
def test_a_new_file_is_its_owners_alone_and_an_old_one_stays_as_it_is(out):
    before = os.umask(0)
    try:
        with run(out) as results:
            results.add(good("a"))
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o600
    out.chmod(0o640)
    with run(out) as results:
        results.add(good("b"))
    assert out.stat().st_mode & 0o777 == 0o640


def test_many_threads_write_whole_lines_in_the_order_of_the_journal(out):
    def work(name: int) -> None:
        for number in range(50):
            results.add(good(f"{name}-{number}", f"{name}-{number} {'x' * (number * 37)}"))

    with run(out) as results:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = list(results._journal.lines())
    assert len(kept) == 400
    assert out.read_text().splitlines() == kept


def test_an_answer_that_comes_after_the_end_is_kept_for_the_next_run(out):
    with run(out) as results:
        results.close()
        results.add(good("late"))
        assert out.read_text() == ""
    with run(out):
        assert out.read_text() == "answer late\n"


# --- what can happen to it -----------------------------------------------------------------------

LINES = ["one", "zwei ü", "x" * 70, "four"]
WHOLE = "".join(f"{line}\n" for line in LINES).encode()


@pytest.fixture
def killed(out) -> Path:
    """A results file of a run that was killed."""
    after_kill(out, bad("bad"), *(good(line, line) for line in LINES))
    assert out.read_bytes() == WHOLE
    return out


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_it_may_be_cut_anywhere(killed, size):
    os.truncate(killed, size)
    with run(killed):
        assert killed.read_bytes() == WHOLE


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole + b"failure bad\n",
        lambda whole: whole + b"half a li",
        lambda whole: whole + whole,
        lambda whole: whole[:-5] + whole,
        lambda whole: whole[4:],
        lambda whole: whole[:20] + b"\0" * (len(whole) - 20),
        lambda whole: whole.replace(b"zwei", b"edited by hand"),
        lambda whole: whole[:-2] + b"X\n",
        lambda whole: whole[:-6] + b"Xfour\n",
        lambda whole: whole[:0] + b"something else\n" * 100,
        lambda whole: whole[:0],
    ],
)
def test_it_is_made_whole_again(killed, damage):
    killed.write_bytes(damage(WHOLE))
    with run(killed) as results:
        assert killed.read_bytes() == WHOLE
        results.add(good("more"))
    assert killed.read_bytes() == WHOLE + b"answer more\nfailure bad\n"
    assert {file.suffix for file in killed.parent.iterdir()} == {".jsonl", ".journal"}


@pytest.mark.parametrize("size", [0, 4, 30, len(WHOLE)])
def test_what_is_good_of_it_is_kept(killed, size):
    os.truncate(killed, size)
    before = killed.stat().st_ino
    with run(killed):
        assert killed.stat().st_ino == before


def test_it_is_made_again_when_it_was_deleted(killed):
    killed.unlink()
    with run(killed):
        assert killed.read_bytes() == WHOLE
    assert killed.stat().st_mode & 0o777 == 0o600


def test_what_was_left_of_making_it_anew_is_no_obstacle(killed):
    killed.write_bytes(b"something else\n" * 100)
    killed.with_name(".results.jsonl.new").write_bytes(b"left over")
    with run(killed):
        assert killed.read_bytes() == WHOLE


def test_an_answer_that_was_committed_and_not_written_is_written(killed):
    with run(killed) as results:
        results._journal.finish(good("a"))
        results._journal.finish(good("b"))
        assert killed.read_bytes() == WHOLE
        results.add(good("c"))
        assert killed.read_bytes() == WHOLE + b"answer a\nanswer b\nanswer c\n"
        results._journal.finish(good("d"))
    assert killed.read_bytes().endswith(b"answer c\nanswer d\nfailure bad\n")


TEXTS = st.text(st.characters(blacklist_characters="\n"), max_size=30)
STEPS = st.one_of(
    st.tuples(st.just("answer"), TEXTS),
    st.tuples(st.just("fail"), TEXTS),
    st.tuples(st.just("commit only"), TEXTS),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("append"), st.binary(max_size=40)),
    st.tuples(st.just("twice"), st.integers(1, 60)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("end"), st.none()),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_whatever_happens_each_run_begins_with_the_answers_and_ends_with_the_failures(steps):
    with tempfile.TemporaryDirectory() as folder:
        _live_through(Path(folder) / "results.jsonl", steps)


def _live_through(out: Path, steps: list) -> None:
    answers: list[bytes] = []
    failures: list[bytes] = []
    steps = [*steps, ("end", None)]
    while steps:
        with run(out) as results:
            assert out.read_bytes() == b"".join(answers)
            while steps:
                what, detail = steps.pop(0)
                line = f"{len(answers)}.{len(failures)}{detail}".encode("utf-8", "backslashreplace")
                one = f"{len(answers)}.{len(failures)}"
                if what == "fail":
                    results.add(Finished(id=one, line=line.decode(), failed=True))
                    failures.append(line + b"\n")
                elif what in ("answer", "commit only"):
                    keep = results.add if what == "answer" else results._journal.finish
                    keep(Finished(id=one, line=line.decode()))
                    answers.append(line + b"\n")
                elif what == "end":
                    results.close()
                    assert out.read_bytes() == b"".join(answers + failures)
                    break
                else:
                    # Killed here; what damages the file comes after that.
                    os.close(results._file)
                    results._file = None
                    _damage(out, what, detail)
                    break


def _damage(out: Path, what: str, detail) -> None:
    data = out.read_bytes()
    if what == "cut":
        os.truncate(out, int(len(data) * detail))
    elif what == "append":
        out.write_bytes(data + detail)
    elif what == "twice":
        out.write_bytes(data + data[-detail:])
    else:
        out.unlink()


# --- disks that fail -----------------------------------------------------------------------------


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which a write ends half way, and the next fails."""
    write = os.write
    full = threading.Event()

    def half(file: int, data: bytes) -> int:
        if not full.is_set():
            return write(file, data)
        if len(data) > 3:
            return write(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)
    return full


def test_a_full_disk_is_told_and_leaves_no_half_line(out, full_disk):
    with run(out) as results:
        results.add(good("a"))
        full_disk.set()
        with pytest.raises(StoreError, match=r"No space left.*the same command again"):
            results.add(good("b"))
        assert out.read_text() == "answer a\n"
        full_disk.clear()
        results.add(good("c"))
        assert out.read_text() == "answer a\nanswer b\nanswer c\n"


def test_what_a_full_disk_did_not_take_is_there_in_the_next_run(out, full_disk):
    with pytest.raises(StoreError), run(out) as results:  # noqa: PT012  the end of a run fails too
        full_disk.set()
        with pytest.raises(StoreError):
            results.add(good("a"))
    assert out.read_text() == ""
    full_disk.clear()
    with run(out):
        assert out.read_text() == "answer a\n"


def test_a_disk_that_is_full_while_it_is_made_anew_costs_nothing(killed, full_disk):
    killed.write_bytes(b"edited " * 100)
    full_disk.set()
    with pytest.raises(StoreError, match="No space left"), run(killed):
        pass
    assert killed.read_bytes() == b"edited " * 100
    assert not killed.with_name(".results.jsonl.new").exists()


# --- places where it cannot be -------------------------------------------------------------------


def test_a_file_without_a_journal_is_never_overwritten(out):
    out.write_text("mine\n")
    for _ in range(2):
        with pytest.raises(UsageError, match="has no journal; give another --out"), run(out):
            pass
        assert out.read_text() == "mine\n"
        assert list(out.parent.iterdir()) == [out]
    out.unlink()
    with run(out) as results:
        results.add(good("a"))
    assert out.read_text() == "answer a\n"


def test_a_file_that_comes_before_the_first_line_is_never_overwritten(out):
    journal = Journal(out.with_name("results.jsonl.journal"))
    results = Results(out, journal)
    journal.open("ab12", "what is it?")
    out.write_text("mine\n")
    with pytest.raises(UsageError, match="has no journal"):
        results.restore()
    journal.close()
    with pytest.raises(UsageError, match="has no journal"), run(out):
        pass
    assert out.read_text() == "mine\n"


def test_an_empty_file_may_be_used(out):
    out.touch()
    with run(out) as results:
        results.add(good("a"))
    assert out.read_text() == "answer a\n"


@POSIX
def test_a_symbolic_link_is_refused(out, tmp_path):
    out.symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match=r"is a symbolic link; .*--out .*/other"):
        check_place(out)
    with pytest.raises(UsageError, match="is a symbolic link"), run(out):
        pass
    assert not (tmp_path / "other").exists()


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder; give a file: --out .*/results\.jsonl"):
        check_place(tmp_path)


@POSIX
def test_a_pipe_is_refused(out):
    os.mkfifo(out)
    with pytest.raises(UsageError, match="leave out --out to write to standard output"):
        check_place(out)


@POSIX
@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/dev/null"])
def test_a_device_is_refused(path):
    with pytest.raises(UsageError, match="leave out --out to write to standard output"):
        check_place(Path(path))


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"there is no folder .*/no; type: mkdir -p .*/no"):
        check_place(tmp_path / "no" / "results.jsonl")


def test_a_file_in_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        check_place(tmp_path / "file" / "results.jsonl")


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: File name too long"):
        check_place(tmp_path / ("x" * 300))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_is_told(out):
    with run(out):
        pass
    out.chmod(0o400)
    with pytest.raises(UsageError, match="cannot be written: Permission denied"), run(out):
        pass


def test_a_place_that_will_do_is_left_alone(out):
    check_place(out)
    assert not out.exists()


# --- killed at any moment ------------------------------------------------------------------------

BATCH = """
import os
import random
import sys
from pathlib import Path

from mediasense.batches.results import Results
from mediasense.store.journal import Finished, Journal

out, count = Path(sys.argv[1]), int(sys.argv[2])
log = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND)
journal = Journal(Path(f"{out}.journal"))
journal.open("ab12", "what is it?")
results = Results(out, journal)
print("open", flush=True)
results.restore()
ids = [f"item {number}" for number in range(count)]
for start in range(0, count, 16):
    chunk = ids[start : start + 16]
    claims = journal.claim(chunk)
    for one, claim in zip(chunk, claims):
        if claim not in ("new", "again"):
            continue
        os.write(log, f"{one}\\tasked\\n".encode())
        number = int(one.split()[1])
        failed = number % 10 == 3
        text = "x" * (200_000 if number % 100 == 7 else 50)
        line = f'{{"id": "{one}", "failed": {str(failed).lower()}, "text": "{text}"}}'
        results.add(Finished(id=one, line=line, failed=failed))
        os.write(log, f"{one}\\tfinished\\n".encode())
results.close()
journal.close()
"""


@POSIX
def test_a_batch_that_is_killed_again_and_again_loses_nothing_and_asks_nothing_twice(tmp_path):
    out, log, count, kills = tmp_path / "results.jsonl", tmp_path / "log", 6000, 30
    log.touch()
    (tmp_path / "batch.py").write_text(BATCH)
    command = [sys.executable, str(tmp_path / "batch.py"), str(out), str(count), str(log)]
    chance = random.Random(4)
    killed = 0
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"open\n"
            time.sleep(chance.random() * 0.012)
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    assert subprocess.run(command, check=True, capture_output=True, timeout=60).stderr == b""
    assert killed > kills // 2

    found = [json.loads(line) for line in out.read_bytes().split(b"\n")[:-1]]
    assert Counter(one["id"] for one in found) == {f"item {n}": 1 for n in range(count)}
    assert sum(one["failed"] for one in found) == count // 10
    assert sorted(one["failed"] for one in found) == [one["failed"] for one in found]

    events = [line.split("\t") for line in log.read_text().splitlines()]
    finished: set[str] = set()
    for one, event in events:
        assert one not in finished, f"{one} was asked about after it was finished"
        if event == "finished":
            finished.add(one)
    asked = Counter(one for one, event in events if event == "asked")
    assert sum(asked.values()) - count <= kills


# --- items that are asked about again ------------------------------------------------------------

SOURCES = st.one_of(st.text(), st.text(min_size=1).map(Path))
SECONDS = st.none() | st.floats(0, 1e6)
ITEMS = st.builds(
    Item,
    id=st.text(),
    sources=st.lists(SOURCES, max_size=3).map(tuple),
    prompt=st.none() | st.text(),
    modality=st.sampled_from([None, "image", "video", "audio"]),
    json_schema=st.none() | st.text(),
    start=SECONDS,
    end=SECONDS,
    language=st.none() | st.text(),
    row=st.none() | st.integers(1),
    problem=st.text(),
)


@given(ITEMS)
def test_an_item_comes_back_as_it_was(item):
    text = encode_item(item)
    assert text.isascii()
    assert decode_item(text) == item


def test_a_file_whose_name_is_no_unicode_comes_back():
    item = Item(id="a", sources=(Path(os.fsdecode(b"caf\xe9.png")), "b\udcff.png"))
    assert decode_item(encode_item(item)) == item


def test_media_are_never_kept():
    assert encode_item(Item(id="a", sources=("a.png", b"\x89PNG"))) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"id": 1, "sources": []}',
        '{"id": "a"}',
        '{"id": "a", "sources": [1]}',
        '{"id": "a", "sources": [{}]}',
        '{"id": "a", "sources": [], "prompt": 1}',
        '{"id": "a", "sources": [], "modality": "smell"}',
        '{"id": "a", "sources": [], "start": "1"}',
        '{"id": "a", "sources": [], "start": true}',
        '{"id": "a", "sources": [], "row": 1.5}',
    ],
)
def test_a_text_that_is_no_item_is_told(text):
    with pytest.raises(StoreError, match="an item that cannot be read"):
        decode_item(text)
