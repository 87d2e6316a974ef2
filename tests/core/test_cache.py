"""Answers that were given before: what comes back, what goes, and who may be at it at once."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import StoreError
from mediasense.store import database as database_module
from mediasense.store.cache import Cache

DAY = 86_400.0
AROUND = 256


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "answers.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def put(cache: Cache, name: object, value: str = "{}", provider: str = "acme") -> None:
    cache.put(key(name), "call", value, provider=provider)


def size_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir() if "-shm" not in file.name)


def check_totals(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        kept = connection.execute("SELECT count(*), total(size) FROM entries").fetchone()
        assert connection.execute("SELECT entries, bytes FROM totals").fetchone() == kept
        texts = "SELECT count(*) FROM texts JOIN entries USING (id) WHERE size = length(text) + ?"
        assert connection.execute(texts, (AROUND,)).fetchone()[0] == kept[0]
        assert connection.execute("SELECT count(*) FROM texts").fetchone()[0] == kept[0]
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()


# --- one text ------------------------------------------------------------------------------------


def test_what_is_kept_comes_back_in_every_process(path):
    cache = Cache(path)
    assert cache.get(key(1)) is None
    put(cache, 1, '{"text": "a kite"}')
    assert cache.get(key(1)) == Cache(path).get(key(1)) == '{"text": "a kite"}'
    assert cache.get(key(2)) is None
    assert cache.problem is None


def test_the_last_text_of_a_key_counts(path, clock):
    cache = Cache(path, clock=clock)
    put(cache, 1, "old", "acme")
    clock.now += 5
    put(cache, 1, "newer", "zenith")
    assert cache.get(key(1)) == "newer"
    stats = cache.stats()
    assert (stats.entries, stats.bytes, stats.oldest) == (1, 5 + AROUND, clock.now)
    assert [part.name for part in stats.providers] == ["zenith"]


@pytest.mark.parametrize("text", ["", "\0", "half a pair \ud83d", "\udcff", "🪁" * 1000, "é\r\n"])
def test_any_text_comes_back_as_it_was(path, text):
    cache = Cache(path)
    put(cache, 1, text, provider=text)
    assert cache.problem is None
    assert cache.get(key(1)) == text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=5))
def test_all_texts_come_back_as_they_were(texts):
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder) / "answers.db")
        for n, text in enumerate(texts):
            put(cache, n, text)
        assert [cache.get(key(n)) for n in range(len(texts))] == texts
        cache.close()


@pytest.mark.parametrize("bad", ["", "abc", "g" * 64, "a" * 63, "a" * 65, "ab " * 21 + "a"])
def test_a_key_is_a_sha256(path, bad):
    for use in (Cache(path).get, lambda k: Cache(path).put(k, "call", "x", provider="acme")):
        with pytest.raises((AssertionError, ValueError)):
            use(bad)


def test_a_text_that_is_too_large_is_not_kept(path):
    cache = Cache(path)
    put(cache, 1, "x" * 16_000_001)
    assert not path.exists()
    put(cache, 1, "x" * 16_000_000)
    assert len(cache.get(key(1))) == 16_000_000


@pytest.mark.parametrize("max_bytes", [0, 100 + AROUND - 1])
def test_a_text_above_all_there_is_room_for_is_not_kept(path, max_bytes):
    cache = Cache(path, max_bytes=max_bytes)
    put(cache, 1, "x" * 100)
    assert cache.get(key(1)) is None


# --- age and use ---------------------------------------------------------------------------------


def test_a_text_is_given_for_so_many_days(path, clock):
    cache = Cache(path, max_days=2, clock=clock)
    put(cache, 1)
    clock.now += 2 * DAY
    assert cache.get(key(1)) == "{}"
    clock.now += 1
    assert cache.get(key(1)) is None


def test_being_used_does_not_make_it_younger(path, clock):
    cache = Cache(path, max_days=2, clock=clock)
    put(cache, 1)
    for _ in range(4):
        clock.now += DAY / 2
        assert cache.get(key(1)) == "{}"
    clock.now += DAY / 2
    assert cache.get(key(1)) is None
    assert cache.prune() == 1


def test_what_is_too_old_goes_once_a_day_by_itself(path, clock):
    cache = Cache(path, max_days=2, clock=clock)
    for n in range(10):
        put(cache, n)
    clock.now += 3 * DAY
    put(cache, "new")
    assert cache.stats().entries == 1


def test_what_was_not_used_for_the_longest_time_goes_first(path, clock):
    cache = Cache(path, max_bytes=4 * (100 + AROUND), clock=clock)
    for n in range(4):
        put(cache, n, "x" * 100)
        clock.now += 4000
    cache.get(key(0))
    clock.now += 4000
    put(cache, 4, "x" * 100)
    assert [cache.get(key(n)) is not None for n in range(5)] == [True, False, True, True, True]


def test_the_last_use_is_noted_once_an_hour(path, clock):
    cache = Cache(path, clock=clock)
    put(cache, 1)

    def noted() -> float:
        with sqlite3.connect(path) as connection:
            found = connection.execute("SELECT used FROM entries").fetchone()[0]
        connection.close()
        return found

    begun = clock.now
    clock.now += 3600
    cache.get(key(1))
    assert noted() == begun
    clock.now += 1
    cache.get(key(1))
    assert noted() == clock.now


def test_a_clock_that_was_wrong_does_no_lasting_harm(path, clock):
    cache = Cache(path, clock=clock)
    clock.now += 1000 * DAY
    put(cache, 1)
    clock.now -= 1000 * DAY
    assert cache.get(key(1)) == "{}"
    put(cache, 2)
    assert cache.prune() == 0


# --- bounds --------------------------------------------------------------------------------------


def test_it_makes_room_by_itself(path, clock):
    limit = 200_000
    cache = Cache(path, max_bytes=limit, clock=clock)
    for n in range(2000):
        clock.now += 1
        put(cache, n, "x" * (n % 700))
        assert n % 50 or cache.stats().bytes <= limit * 1.05
    assert cache.get(key(1999)) is not None
    assert cache.stats().bytes > limit / 2
    cache.close()
    assert size_on_disk(path) < 1.5 * limit
    check_totals(path)


def test_clearing_gives_the_room_back(path):
    cache = Cache(path)
    for n in range(1500):
        put(cache, n, "x" * 2000)
    assert size_on_disk(path) > 3_000_000
    assert cache.clear() == 1500
    assert size_on_disk(path) < 100_000
    assert cache.get(key(1)) is None
    assert cache.stats().entries == 0
    put(cache, 1)
    assert cache.get(key(1)) == "{}"
    check_totals(path)


def test_pruning_gives_the_room_back(path):
    cache = Cache(path)
    for n in range(300):
        put(cache, n, "x" * 5000)
    before = size_on_disk(path)
    small = Cache(path, max_bytes=100_000)
    went = small.prune()
    assert cache.stats().entries == 300 - went
    assert cache.stats().bytes <= 100_000
    assert size_on_disk(path) < min(before / 5, 200_000)
    check_totals(path)


def test_pruning_what_fits_drops_nothing(path):
    cache = Cache(path)
    for n in range(20):
        put(cache, n)
    assert cache.prune() == 0
    assert cache.stats().entries == 20


OPERATIONS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 7), st.integers(0, 3000)),
    st.tuples(st.just("get"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("wait"), st.floats(0, 3 * DAY), st.just(0)),
    st.tuples(st.just("prune"), st.just(0), st.just(0)),
    st.tuples(st.just("clear"), st.just(0), st.just(0)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(OPERATIONS, max_size=30), st.integers(0, 6000))
def test_it_is_a_dictionary_that_may_forget(operations, max_bytes):
    """And forgets only what is too old, or what there was no room for."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        cache = Cache(Path(folder) / "c.db", max_bytes=max_bytes, max_days=4, clock=clock)
        model: dict[int, tuple[str, float]] = {}
        crowded = False
        for turn, (what, n, size) in enumerate(operations):
            if what == "put":
                value = str(turn) * (size // len(str(turn)))
                put(cache, n, value)
                model[n] = (value, clock.now)
                taken = sum(len(text) + AROUND for text, _ in model.values())
                crowded = crowded or taken > max_bytes
                assert cache.stats().bytes <= max_bytes * 1.05
            elif what == "get":
                value, created = model.get(n, (None, clock.now))
                found = cache.get(key(n))
                old = clock.now - created > 4 * DAY
                # A text for which there is no room at all leaves what was there before.
                assert (
                    found == value
                    or (found is None and (old or crowded))
                    or too_large(value, max_bytes)
                )
                assert found is None or not old or too_large(value, max_bytes)
            elif what == "wait":
                clock.now += n
            elif what == "prune":
                cache.prune()
                assert cache.stats().bytes <= max_bytes
            else:
                cache.clear()
                model, crowded = {}, False
                assert cache.stats().entries == 0
        assert cache.problem is None
        cache.close()


def too_large(value: str | None, max_bytes: int) -> bool:
    return value is not None and len(value) + AROUND > max_bytes


# --- what is told --------------------------------------------------------------------------------


def test_stats_tell_by_kind_and_by_provider(path, clock):
    cache = Cache(path, max_bytes=10_000, max_days=3, clock=clock)
    begun = clock.now
    cache.put(key(1), "analysis", "x" * 10, provider="zenith")
    clock.now += 7
    cache.put(key(2), "call", "x" * 20, provider="acme")
    cache.put(key(3), "call", "x" * 30, provider="zenith")
    stats = cache.stats()
    assert (stats.path, stats.max_bytes, stats.max_days) == (path, 10_000, 3)
    assert (stats.entries, stats.bytes) == (3, 60 + 3 * AROUND)
    assert (stats.oldest, stats.newest) == (begun, clock.now)
    kinds = [(part.name, part.entries, part.bytes) for part in stats.kinds]
    assert kinds == [("analysis", 1, 10 + AROUND), ("call", 2, 50 + 2 * AROUND)]
    providers = [(part.name, part.entries, part.bytes) for part in stats.providers]
    assert providers == [("acme", 1, 20 + AROUND), ("zenith", 2, 40 + 2 * AROUND)]


def test_looking_makes_no_file(path):
    cache = Cache(path)
    assert (cache.stats().entries, cache.stats().oldest, cache.clear(), cache.prune()) == (
        0,
        None,
        0,
        0,
    )
    assert not path.parent.exists()


# --- failing -------------------------------------------------------------------------------------


def test_one_that_cannot_be_used_fails_no_question_and_says_so_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "answers.db")
    put(cache, 1)
    assert cache.get(key(1)) is None
    assert cache.problem.startswith("answers are not kept: the cache ")
    (tmp_path / "file").unlink()
    put(cache, 1)
    assert cache.get(key(1)) is None
    assert not (tmp_path / "file").exists()


def test_one_that_cannot_be_read_says_so_too(path, tmp_path):
    path.mkdir(parents=True)
    cache = Cache(path)
    assert cache.get(key(1)) is None
    assert "not a file" in cache.problem
    for use in (cache.stats, cache.clear, cache.prune):
        with pytest.raises(StoreError):
            use()


def test_one_that_stays_busy_is_done_without(path, monkeypatch):
    monkeypatch.setattr(database_module, "PATIENCE", 0.05)
    put(Cache(path), 1)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    cache = Cache(path)
    assert cache.get(key(1)) == "{}"
    put(cache, 2)
    assert "another process holds it" in cache.problem
    other.close()


@pytest.mark.parametrize("first", ["get", "put"])
@pytest.mark.parametrize("spoiled", ["all of it", "all but the head"])
def test_a_damaged_one_is_begun_anew(path, spoiled, first):
    cache = Cache(path)
    for n in range(200):
        put(cache, n, "x" * 1000)
    cache.close()
    start = 0 if spoiled == "all of it" else 4096
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * (path.stat().st_size - start))
    if first == "get":
        assert cache.get(key(1)) is None
    put(cache, 1)
    assert cache.get(key(1)) == "{}"
    assert cache.problem is None


@pytest.mark.parametrize("text", [b"\xff\xfe", "plain text", 7, 1.5])
def test_a_text_that_was_changed_by_hand_harms_nobody(path, text):
    cache = Cache(path)
    put(cache, 1)
    other = sqlite3.connect(path)
    with other:
        other.execute("UPDATE texts SET text = ?", (text,))
    other.close()
    assert cache.get(key(1)) is None
    assert cache.problem is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), min_size=1))
def test_whatever_is_in_the_file_nothing_fails(changes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.db"
        cache = Cache(path)
        for n in range(30):
            put(cache, n, "x" * 300)
        cache.close()
        data = bytearray(path.read_bytes())
        for where, new in changes:
            begin = int(where * (len(data) - len(new)))
            data[begin : begin + len(new)] = new
        path.write_bytes(data)
        for n in range(40):
            found = cache.get(key(n))
            assert found is None or isinstance(found, str)
            put(cache, n, "y")
            # What was kept before is as true as what is kept now, where the index is damaged.
            assert cache.get(key(n)) in ("y", "x" * 300, None)
        cache.close()


# --- many at once --------------------------------------------------------------------------------


def test_threads_share_one(path):
    cache = Cache(path, max_bytes=50_000)

    def work(start: int) -> None:
        for n in range(start, start + 60):
            put(cache, n, f"text of {n}")
            assert cache.get(key(n)) in (None, f"text of {n}")

    threads = [threading.Thread(target=work, args=(n * 30,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.problem is None
    assert cache.stats().entries > 100
    check_totals(path)


WORK = """
import hashlib, random, sys
from pathlib import Path
from mediasense.store.cache import Cache

seed, path = int(sys.argv[1]), Path(sys.argv[2])
chance, now = random.Random(seed), [1e9]
cache = Cache(path, max_bytes=60_000, clock=lambda: now[0])
hits = 0
print("ready", flush=True)
sys.stdin.readline()
for turn in range(400):
    n = chance.randrange(150)
    key = hashlib.sha256(str(n).encode()).hexdigest()
    kind = chance.random()
    now[0] += chance.random() * 1000
    if kind < 0.5:
        cache.put(key, "call", str(n) * chance.randrange(1, 600), provider="acme")
    elif kind < 0.97:
        found = cache.get(key)
        hits += found is not None
        assert found is None or found == str(n) * (len(found) // len(str(n))), found
    elif kind < 0.99:
        cache.prune()
    else:
        cache.clear()
assert cache.problem is None, cache.problem
assert hits > 10, hits
"""


def test_processes_that_read_write_prune_and_clear_at_once_all_succeed(path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(seed), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(5)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 5
    cache = Cache(path, max_bytes=60_000, clock=lambda: 1e9)
    assert cache.stats().bytes <= 60_000 * 1.05
    cache.close()
    check_totals(path)


def test_what_is_cleared_by_one_is_gone_for_all(path):
    cache, other = Cache(path), Cache(path)
    put(cache, 1)
    assert other.get(key(1)) == "{}"
    cache.clear()
    assert other.get(key(1)) is None
