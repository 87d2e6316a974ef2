"""The journal of a batch: who is given out, what is kept, and one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mediasense.errors import StoreError, UsageError
from mediasense.ledger import Spent
from mediasense.store import journal as journals
from mediasense.store import locking
from mediasense.store.journal import Counts, Earlier, FailedItem, Finished, Journal, line_bytes
from mediasense.store.locking import Lock

SPENT = Spent(calls=2, cost=0.25, unpriced=1, input_tokens=10, output_tokens=3)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "results.jsonl.journal"


@pytest.fixture
def begin(path):
    """Begin a run, after the end of the last one."""
    begun = []

    def make(question: str = "ab12", told: str = "what is it?") -> Journal:
        end()
        begun.append(Journal(path))
        begun[-1].open(question, told)
        return begun[-1]

    def end() -> None:
        while begun:
            begun.pop().close()

    yield make
    end()


def answered(one: str, line: str = "", **changes) -> Finished:
    return replace(Finished(id=one, line=line or f'{{"id":"{one}"}}'), **changes)


def failed(one: str, **changes) -> Finished:
    return answered(one, f'{{"failed":"{one}"}}', failed=True, **changes)


# --- who is given out ----------------------------------------------------------------------------


def test_what_was_never_seen_is_new(begin):
    assert begin().claim(["a", "b"]) == ("new", "new")


def test_what_comes_twice_in_a_run_is_repeated(begin):
    journal = begin()
    assert journal.claim(["a", "b", "a"]) == ("new", "new", "repeated")
    assert journal.claim(["b"]) == ("repeated",)


@pytest.mark.parametrize("end", [answered, failed])
def test_what_ended_in_this_run_is_repeated(begin, end):
    journal = begin()
    journal.claim(["a"])
    journal.finish(end("a"))
    assert journal.claim(["a"]) == ("repeated",)
    assert journal.claim(["a"], retry_failed=True) == ("repeated",)


def test_what_ended_in_an_earlier_run_is_done_or_failed_and_then_repeated(begin):
    journal = begin()
    journal.claim(["a", "b"])
    journal.finish(answered("a"))
    journal.finish(failed("b"))
    journal = begin()
    assert journal.claim(["a", "b", "c"]) == ("done", "failed", "new")
    assert journal.claim(["a", "b", "c"]) == ("repeated",) * 3


def test_what_was_under_way_when_a_run_ended_is_given_out_again(begin):
    begin().claim(["a"])
    journal = begin()
    assert journal.claim(["a", "a"]) == ("again", "repeated")


def test_only_what_failed_or_was_interrupted_is_retried(begin):
    journal = begin()
    journal.claim(["good", "bad", "cut"])
    journal.finish(answered("good"))
    journal.finish(failed("bad"))
    journal = begin()
    claims = journal.claim(["good", "bad", "cut", "unseen"], retry_failed=True)
    assert claims == ("done", "again", "again", "skipped")


def test_what_is_skipped_is_not_marked(begin):
    journal = begin()
    assert journal.claim(["a", "a"], retry_failed=True) == ("skipped", "skipped")
    assert journal.claim(["a"]) == ("new",)


def test_what_was_killed_while_it_was_retried_is_given_out_again(begin):
    begin().finish(failed("a"))
    assert begin().claim(["a"], retry_failed=True) == ("again",)
    journal = begin()
    assert [one.id for one in journal.failures()] == ["a"]
    assert journal.claim(["a"]) == ("again",)


def test_what_is_released_was_never_seen(begin):
    journal = begin()
    journal.claim(["a", "b"])
    journal.released(["a"])
    assert journal.counts() == Counts(answered=0, failed=0, under_way=1, interrupted=0)
    assert begin().claim(["a", "b"]) == ("new", "again")


def test_what_is_released_while_it_was_retried_has_failed(begin):
    begin().finish(failed("a"))
    journal = begin()
    journal.claim(["a"], retry_failed=True)
    journal.released(["a"])
    assert journal.counts() == Counts(answered=0, failed=1, under_way=0, interrupted=0)
    assert [one.id for one in journal.failures()] == ["a"]
    assert begin().claim(["a"]) == ("failed",)


def test_what_has_ended_or_was_never_claimed_cannot_be_released(begin):
    journal = begin()
    journal.claim(["a", "b"])
    journal.finish(answered("a"))
    journal.finish(failed("b"))
    journal.released(["a", "b", "never"])
    assert journal.counts() == Counts(answered=1, failed=1, under_way=0, interrupted=0)
    assert begin().claim(["a", "b"]) == ("done", "failed")


def test_what_is_released_while_it_was_retried_can_be_retried_in_the_same_run(begin):
    begin().finish(failed("a"))
    journal = begin()
    for _ in range(2):
        assert journal.claim(["a"], retry_failed=True) == ("again",)
        journal.released(["a"])


@pytest.mark.parametrize("end", [answered, failed])
def test_what_was_interrupted_may_end_without_being_claimed(begin, end):
    begin().claim(["a", "b"])
    journal = begin()
    journal.finish(end("a"))
    assert journal.counts().interrupted == 1


# --- what is kept --------------------------------------------------------------------------------


def test_lines_stand_one_behind_the_other(begin):
    journal = begin()
    lines = ["one", "zwei und ü", "three 🎬", ""]
    starts = [journal.finish(answered(str(n), line or " ")) for n, line in enumerate(lines)]
    whole = "".join(f"{line or ' '}\n" for line in lines).encode()
    assert starts == [0, 4, 16, 27]
    assert journal.length() == len(whole)
    assert "".join(f"{line}\n" for line in journal.lines()).encode() == whole


@pytest.mark.parametrize(
    ("offset", "left"), [(0, "abc"), (1, "bc"), (2, "bc"), (3, "c"), (4, "c"), (5, ""), (99, "")]
)
def test_lines_can_be_read_from_a_byte_on(begin, offset, left):
    journal = begin()
    for letter in "abc":
        journal.finish(answered(letter, letter))
    assert "".join(journal.lines(offset)) == left


def test_many_and_long_lines_are_read_in_order(begin):
    journal = begin()
    lines = [f"{n}{'x' * (300_000 if n % 7 == 0 else 1)}" for n in range(30)]
    for n, line in enumerate(lines):
        journal.finish(answered(str(n), line))
    assert list(journal.lines()) == lines


@pytest.mark.parametrize("size", range(1, 12))
def test_lines_are_read_in_pieces_and_none_is_left_out(begin, monkeypatch, size):
    monkeypatch.setattr(journals, "_BYTES_AT_ONCE", size)
    journal = begin()
    lines = [letter * (n % 5) for n, letter in enumerate("abcdefghij")]
    for line in lines:
        journal.finish(Finished(id=line or "none", line=line))
    assert list(journal.lines()) == list(dict.fromkeys(lines))


@pytest.mark.parametrize(
    ("within", "line"), [(0, None), (1, None), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (9, "b")]
)
def test_the_last_line_that_is_whole(begin, within, line):
    journal = begin()
    journal.finish(answered("1", "a"))
    journal.finish(answered("2", "b"))
    last = journal.last_line(within)
    assert (last and last.line) == line


def test_half_a_surrogate_pair_is_kept_as_its_escape(begin):
    journal = begin()
    journal.finish(answered("a", '"\ud800"'))
    journal.finish(answered("b", "b"))
    assert list(journal.lines()) == ['"\\ud800"', "b"]
    assert journal.length() == len(line_bytes('"\ud800"')) + 2


def test_a_line_with_a_newline_is_refused_and_nothing_is_kept(begin):
    journal = begin()
    with pytest.raises(ValueError, match="newline"):
        journal.finish(answered("a", "one\ntwo"))
    assert journal.length() == 0


def test_a_failure_has_no_place_in_the_file_yet(begin):
    journal = begin()
    assert journal.finish(failed("a")) == -1
    assert journal.length() == 0
    assert list(journal.lines()) == []


def test_failures_are_told_in_the_order_of_the_list(begin):
    journal = begin()
    journal.claim(["z", "a", "\udcff.png"])
    journal.finish(failed("\udcff.png", passing=True))
    journal.finish(failed("a", again='{"id":"a"}'))
    journal.finish(failed("z"))
    assert list(journal.failures()) == [
        FailedItem(id="z", line='{"failed":"z"}', again=None, passing=False),
        FailedItem(id="a", line='{"failed":"a"}', again='{"id":"a"}', passing=False),
        FailedItem(id="\udcff.png", line='{"failed":"\\udcff.png"}', again=None, passing=True),
    ]


def test_a_failure_that_is_answered_is_none_any_more(begin):
    begin().finish(failed("a"))
    journal = begin()
    journal.claim(["a"], retry_failed=True)
    assert journal.finish(answered("a")) == 0
    assert list(journal.failures()) == []
    assert journal.counts() == Counts(answered=1, failed=0, under_way=0, interrupted=0)


def test_a_failure_that_fails_again_is_the_new_one(begin):
    begin().finish(failed("a", passing=True))
    journal = begin()
    journal.claim(["a"], retry_failed=True)
    journal.finish(failed("a", passing=False))
    assert [one.passing for one in journal.failures()] == [False]
    assert journal.counts() == Counts(answered=0, failed=1, under_way=0, interrupted=0)


def test_failures_can_be_retried_while_they_are_read(begin):
    journal = begin()
    ids = [str(n) for n in range(200)]
    journal.claim(ids)
    for one in ids:
        journal.finish(failed(one))
    journal = begin()
    seen = []
    for one in journal.failures():
        assert journal.claim([one.id], retry_failed=True) == ("again",)
        journal.finish(answered(one.id) if len(seen) % 2 else failed(one.id))
        seen.append(one.id)
    assert seen == ids
    assert journal.counts().failed == 100


@pytest.mark.parametrize("end", [answered, failed])
def test_an_answer_is_never_kept_twice_but_its_cost_is(begin, end):
    journal = begin()
    journal.claim(["a"])
    journal.finish(answered("a", "first", spent=SPENT))
    assert journal.finish(replace(end("a"), spent=SPENT)) == -1
    assert list(journal.lines()) == ["first"]
    assert list(journal.failures()) == []
    assert journal.spent() == SPENT + SPENT
    assert journal.counts() == Counts(answered=1, failed=0, under_way=0, interrupted=0)


def test_what_is_spent_on_nothing_counts(begin):
    begin().pay(SPENT)
    assert begin().spent() == SPENT


def test_what_all_runs_left_is_told_at_the_start(begin, path):
    journal = begin()
    journal.claim(["a", "b", "c", "d"])
    journal.finish(answered("a", spent=SPENT))
    journal.finish(failed("b", spent=SPENT))
    journal.close()
    journal = Journal(path)
    earlier = journal.open("ab12", "what is it?")
    journal.close()
    assert earlier == Earlier(done=1, failed=1, interrupted=2, spent=SPENT + SPENT)


def test_what_was_interrupted_twice_counts_once(begin):
    begin().claim(["a", "b"])
    begin().claim(["a"])
    assert begin().counts() == Counts(answered=0, failed=0, under_way=0, interrupted=2)


def test_it_can_be_read_by_nobody_else(begin, path):
    begin().claim(["a"])
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert {"results.jsonl.journal", "results.jsonl.journal.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_only_the_journal_is_left_behind(begin, path):
    begin().claim(["a"])
    begin().close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_damaged_journal_is_told(path):
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StoreError, match=r"results\.jsonl\.journal"):
        Journal(path).open("ab12", "what is it?")
    assert path.read_bytes().startswith(b"no database")


# --- whose it is ---------------------------------------------------------------------------------


def test_another_question_is_refused_and_what_differs_is_named(begin, path):
    begin("ab12", "prompt: what is it?\nmodel: eye").claim(["a"])
    begin("ab12", "prompt: what is it?\nmodel: eye").close()
    with pytest.raises(UsageError) as caught:
        Journal(path).open("cd34", "prompt: who is it?\nmodel: eye")
    assert str(caught.value) == (
        "results.jsonl belongs to another batch: prompt: what is it?, not prompt: who is it?; "
        "give another --out"
    )
    assert begin("ab12").claim(["a"]) == ("again",)


def test_a_question_that_differs_in_what_is_not_told_is_refused(begin, path):
    begin("ab12", "prompt").claim(["a"])
    begin("ab12", "prompt").close()
    with pytest.raises(UsageError, match="belongs to another batch: what was asked or how differs"):
        Journal(path).open("cd34", "prompt")


def test_a_journal_in_which_nothing_was_asked_is_anybodys(begin):
    journal = begin("ab12")
    journal.claim(["a"])
    journal.released(["a"])
    assert begin("cd34").claim(["a"]) == ("new",)
    assert begin("cd34").claim(["a"]) == ("again",)


def test_it_exists_once_it_was_opened(begin, path):
    assert not Journal(path).exists()
    begin().close()
    assert Journal(path).exists()


def test_a_second_one_is_refused_until_the_first_is_closed(begin, path):
    first = begin()
    second = Journal(path)
    with pytest.raises(UsageError, match=r"another mediasense works on results\.jsonl \(process"):
        second.open("ab12", "what is it?")
    first.claim(["a"])
    first.close()
    second.open("ab12", "what is it?")
    assert second.claim(["a"]) == ("again",)
    second.close()


HOLDER = """
import sys
from pathlib import Path
from mediasense.store.journal import Journal

journal = Journal(Path(sys.argv[1]))
journal.open("ab12", "what is it?")
journal.claim(["a"])
print("open", flush=True)
sys.stdin.read()
"""


def test_another_process_is_refused_until_it_is_killed(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        journal = Journal(path)
        with pytest.raises(UsageError, match=rf"another mediasense .*process {holder.pid}"):
            journal.open("ab12", "what is it?")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert journal.open("ab12", "what is it?").interrupted == 1
        journal.close()


def test_a_lock_that_is_removed_while_it_is_taken_is_none(tmp_path, monkeypatch):
    first, second, third = (Lock(tmp_path / "lock", name="it") for _ in range(3))
    first.take()
    really = locking._lock

    def late(file: int) -> bool:
        first.release()
        return really(file)

    monkeypatch.setattr(locking, "_lock", late)
    second.take()
    with pytest.raises(UsageError, match="another mediasense works on it"):
        third.take()
    second.release()
    third.take()
    third.release()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_lock_that_leads_elsewhere_is_not_followed(path, tmp_path):
    (tmp_path / "other").write_text("kept")
    path.with_name(f"{path.name}.lock").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="cannot be made and locked"):
        Journal(path).open("ab12", "what is it?")
    assert (tmp_path / "other").read_text() == "kept"


# --- anything that can happen, against a model of it ---------------------------------------------

IDS = st.sampled_from([*"abc", "\udc80"])


class AnyRuns(RuleBasedStateMachine):
    """Runs that end at any moment: the journal tells what a plain dictionary would."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal"
        self.ended: dict[str, str] = {}
        self.kept: list[str] = []
        self.begun: dict[str, str | None] = {}
        self.cut: set[str] = set()
        self.seen: set[str] = set()
        self.journal = Journal(self.path)
        self.journal.open("q", "t")

    @rule()
    def ends_and_begins(self):
        self.journal.close()
        self.cut |= set(self.begun)
        self.begun, self.seen = {}, set()
        self.journal = Journal(self.path)
        earlier = self.journal.open("q", "t")
        assert earlier.done == len(self.kept)
        assert earlier.interrupted == len(self.cut)

    @rule(ids=st.lists(IDS, max_size=5), retry=st.booleans())
    def claim(self, ids, retry):
        expected = tuple(self._claimed(one, retry) for one in ids)
        assert self.journal.claim(ids, retry_failed=retry) == expected

    def _claimed(self, one: str, retry: bool) -> str:
        if one in self.seen:
            return "repeated"
        before = self.ended.get(one)
        if before is None and one not in self.cut and retry:
            return "skipped"
        self.seen.add(one)
        if before == "done":
            return "done"
        if before == "failed" and one not in self.cut and not retry:
            return "failed"
        claim = "again" if one in self.cut or before else "new"
        self.cut.discard(one)
        self.begun[one] = before
        return claim

    @rule(one=IDS, bad=st.booleans())
    def finish(self, one, bad):
        start = sum(len(line) + 1 for line in self.kept)
        place = self.journal.finish(failed(one) if bad else answered(one, f"line {len(self.kept)}"))
        self.begun.pop(one, None)
        if self.ended.get(one) == "done":
            assert place == -1
            return
        self.cut.discard(one)
        self.seen.add(one)
        self.ended[one] = "failed" if bad else "done"
        assert place == (-1 if bad else start)
        if not bad:
            self.kept.append(f"line {len(self.kept)}")

    @rule(one=IDS)
    def release(self, one):
        self.journal.released([one])
        if one in self.begun:
            del self.begun[one]
            self.seen.discard(one)

    @invariant()
    def tells_what_is_so(self):
        ends = Counter(self.ended.values())
        assert list(self.journal.lines()) == self.kept
        assert {one.id for one in self.journal.failures()} == {
            one for one, end in self.ended.items() if end == "failed"
        }
        assert self.journal.counts() == Counts(
            answered=ends["done"],
            failed=ends["failed"],
            under_way=len(self.begun),
            interrupted=len(self.cut),
        )

    def teardown(self):
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


AnyRuns.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_any_runs = AnyRuns.TestCase
