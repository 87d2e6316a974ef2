"""Past answers: found by their words, never too many, and what was spent is never forgotten."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense.errors import StoreError
from mediasense.ledger import Spent
from mediasense.store import fulltext
from mediasense.store import history as module
from mediasense.store.history import Entry, History, Paid, SpentOn
from mediasense.store.words import holds, query, wanted

HALF_A_PAIR = "\ud83d"
NOON = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
DAY = 86_400


def paid(cost: float = 0.25, provider: str = "acme", **counts) -> Paid:
    return Paid(provider=provider, spent=Spent(**{"calls": 1, "cost": cost} | counts))


def entry(text: str = "a red car", **changes) -> Entry:
    facts = {
        "sources": ("IMG_2034.jpg",),
        "modality": "image",
        "prompt": "what is it?",
        "text": text,
        "provider": "acme",
        "model": "acme-eye",
        "strategy": "image",
        "envelope": json.dumps({"text": text}),
        "paid": (paid(),),
    }
    return Entry(**facts | changes)


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(tmp_path, clock) -> History:
    made = History(tmp_path / "kept" / "history.db", clock=clock)
    yield made
    made.close()


@pytest.fixture(params=["index", "no index"])
def either(history, request, monkeypatch) -> History:
    """A history where SQLite has full text, and where it has not."""
    if request.param == "no index":
        monkeypatch.setattr(fulltext, "has_full_text", lambda: False)
    return history


def texts(found) -> list[str]:
    return [past.text for past in found]


# --- what is kept ---------------------------------------------------------------------------------


def test_an_entry_comes_back_as_it_was(history):
    kept = entry(
        sources=("a.png", "b.png"),
        prompt=None,
        paid=(
            paid(0.0, "a", calls=2, unpriced=2, input_tokens=5),
            paid(0.5, "b", output_tokens=7),
        ),
    )
    history.add(kept)
    (past,) = history.find()
    assert (past.number, past.at) == (1, NOON)
    assert {name: getattr(past, name) for name in Entry.__slots__} == {
        name: getattr(kept, name) for name in Entry.__slots__
    }


@pytest.mark.parametrize("odd", [HALF_A_PAIR, "a\0b", "😀", "\x1b[2J", "", "e\u0301"])
def test_odd_texts_come_back_as_they_were(history, odd):
    kept = entry(
        text=odd,
        prompt=odd,
        sources=(odd,),
        model=odd,
        provider=odd,
        envelope=odd,
        failure=odd,
        paid=(paid(provider=odd),),
    )
    history.add(kept)
    assert history.problem is None
    (past,) = history.find()
    assert (past.text, past.prompt, past.sources, past.model) == (odd, odd, (odd,), odd)
    assert (past.provider, past.envelope, past.failure) == (odd, odd, odd)
    assert past.paid == kept.paid
    assert history.find(provider=odd) == (past,)


def test_the_newest_comes_first_and_no_more_than_asked_for(history):
    for number in range(5):
        history.add(entry(str(number)))
    assert texts(history.find(limit=3)) == ["4", "3", "2"]
    assert history.find(limit=0) == ()
    assert history.find(limit=-1) == ()


def test_an_answer_is_got_by_its_number(history):
    for text in ("one", "two", "three"):
        history.add(entry(text))
    assert history.get(2).text == "two"


@pytest.mark.parametrize("number", [0, -1, 4, 10**30, -(10**30)])
def test_a_number_that_was_not_given_is_none(history, number):
    history.add(entry())
    assert history.get(number) is None


def test_the_file_is_its_owners_alone(history):
    history.add(entry())
    assert stat.S_IMODE(history.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(history.path.parent.stat().st_mode) == 0o700


def test_nothing_is_made_before_it_is_needed(history):
    assert not history.path.parent.exists()


def test_an_empty_history_has_nothing(history):
    assert history.find() == ()
    assert history.find("car") == ()
    assert history.get(1) is None
    assert history.spent("day") == ()
    assert history.clear() == 0
    assert not history.path.parent.exists()


# --- several at once -----------------------------------------------------------------------------


def test_several_are_kept_in_their_order(history):
    history.add_all([entry("one"), entry("two"), entry("three", provider="ear")])
    assert [(past.number, past.text) for past in history.find()] == [
        (3, "three"),
        (2, "two"),
        (1, "one"),
    ]
    assert {on.name: on.answers for on in history.spent("provider")} == {"acme": 2, "ear": 1}
    assert history.spent("day")[0].spent == Spent(calls=3, cost=0.75)


def test_none_at_all_make_no_file(history):
    history.add_all([])
    assert not history.path.parent.exists()


def test_of_several_all_are_kept_or_none(history):
    history.add_all([entry("one"), entry("two", strategy=None)])
    assert "NOT NULL" in history.problem
    assert history.find() == ()
    assert history.spent("day") == ()


def test_in_groups_too_words_are_taken_up_and_the_oldest_go(small):
    for first in range(0, 497, 7):
        small.add_all([entry(f"answer w{first + more}") for more in range(7)])
        assert len(small.find(limit=1000)) <= 100
    kept = small.find(limit=1000)
    assert texts(kept) == [f"answer w{number}" for number in range(496, 496 - len(kept), -1)]
    assert len(indexed_words(small)) > 1
    assert small.find("answer", limit=1000) == kept


# --- finding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("car", True),
        ("CAR", True),
        ("red car", True),
        ("car red", True),
        ("car blue", False),
        ("ca", True),  # the beginning of the last word
        ("ca red", False),  # no other word is cut short
        ("ar", False),
        ("cafe", True),
        ("café", True),
        ("cafe\u0301", True),
        ("asked", True),  # of the prompt
        ("2034", True),  # of the source
        ("img_2034.jpg", True),
        ("img_20", True),
        ("東京", True),
        ("京タ", True),  # no spaces there: in the middle of a sentence
        ("京東", False),
        ("กรุงเทพ", True),
        ("straße", True),
        ("???", False),
        ("car ???", True),
        ("red-car", True),
        ("car-red", False),  # joined: in a row
        ("NEAR car", False),
        ("car AND red", False),  # a word like any other
        ('"red car"', True),
        ("text:car", False),
        ("-car", True),
        ("car*", True),
        ("(car", True),
        (HALF_A_PAIR, False),
        (f"car{HALF_A_PAIR}", True),
        ("car\0", True),
    ],
)
def test_words_find_what_holds_them_all(either, words, found):
    either.add(entry("A red car at the café. 東京タワー. กรุงเทพ. Straße.", prompt="what is asked"))
    either.add(entry("nothing of the kind", prompt="hm", sources=("x.png",)))
    assert [past.number for past in either.find(words)] == ([1] if found else [])


def test_no_words_find_everything(either):
    either.add(entry())
    assert len(either.find("  \n ")) == 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> History:
    made = History(tmp_path_factory.mktemp("shared") / "history.db")
    made.add(entry())
    yield made
    made.close()


def indexed_words(history: History) -> list[str]:
    with history._database.transaction() as database:
        database.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.learned USING fts5vocab(main, found, row)"
        )
        return [row[0] for row in database.execute("SELECT term FROM learned")]


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@given(words=st.one_of(ANY_TEXT, st.text('"*^(){}:+-, ANDORTNE\0', max_size=30)))
@settings(max_examples=300, deadline=None)
def test_no_words_are_an_error(shared, words):
    shared.find(words)


@pytest.mark.parametrize("words", ["car " * 5000, "x" * 100_000, "東" * 20_000, '"' * 999])
def test_very_many_words_are_no_error(either, words):
    either.add(entry())
    either.find(words)


def test_only_the_first_64_words_count(either):
    either.add(entry("a " + " ".join(f"w{n}" for n in range(100))))
    assert len(either.find(" ".join(f"w{n}" for n in range(64)) + " missing")) == 1


@given(
    text=st.text("abcéE .-_1東ñ", max_size=40),
    words=st.lists(st.text("abcéE1東ñ", min_size=1, max_size=4), min_size=1, max_size=3),
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_without_an_index_the_same_is_found(shared, text, words):
    asked = " ".join(words)
    shared.add(entry(text, prompt=None, sources=()))
    newest = shared.find(limit=1)[0].number
    indexed = newest in {past.number for past in shared.find(asked, limit=1)}
    assert indexed == holds(f"\n{text}", wanted(asked))


@given(text=ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_any_text_is_kept_and_forgotten(shared, text):
    """An index that was told another text when it forgets than when it learned is damaged."""
    shared.add(entry(text, prompt=text, sources=(text,)))
    assert shared.problem is None
    assert shared.find(limit=1)[0].text == text
    shared.find("car")  # takes it up
    assert shared.clear(before=time.time() + DAY) >= 1
    assert indexed_words(shared) == []


def test_a_query_is_quoted_words():
    assert query(wanted('say "hi" OR')) == '"say" " hi " "OR"*'


def test_only_those_of_one_provider(either):
    either.add(entry("one"))
    either.add(entry("two", provider="other"))
    assert texts(either.find(provider="other")) == ["two"]
    assert texts(either.find("what", provider="acme")) == ["one"]
    assert either.find(provider="nobody") == ()


def test_only_those_not_older(either, clock):
    either.add(entry("old"))
    clock.now += DAY
    either.add(entry("new"))
    assert texts(either.find(since=clock.now)) == ["new"]
    assert texts(either.find("what", since=NOON + 1)) == ["new"]
    assert texts(either.find(since=NOON)) == ["new", "old"]


def test_all_are_found_however_many_were_taken_up(either):
    """Some when they were added, and the last ones when they are looked for."""
    count = module._TEND_EVERY + 300
    for number in range(count):
        either.add(entry(f"answer {number}"))
    assert len(either.find("answer", limit=10_000)) == count
    assert texts(either.find(f"answer {count - 1}")) == [f"answer {count - 1}"]
    assert texts(either.find("answer", limit=2)) == [f"answer {count - 1}", f"answer {count - 2}"]


def test_words_are_taken_up_many_at_once(history):
    for number in range(module._TEND_EVERY + 1):
        history.add(entry(f"w{number}"))
    learned = set(indexed_words(history))
    assert f"w{module._TEND_EVERY - 1}" in learned
    assert f"w{module._TEND_EVERY}" not in learned


def test_what_a_python_without_full_text_added_is_found_by_one_with_it(history, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(fulltext, "has_full_text", lambda: False)
        history.add(entry("blue"))
        assert texts(history.find("blue")) == ["blue"]
    assert texts(history.find("blue")) == ["blue"]


# --- what was spent ------------------------------------------------------------------------------


def test_sums_by_provider_the_dearest_first(history):
    acme = Spent(calls=1, cost=0.25, input_tokens=10, output_tokens=1)
    ear = Spent(calls=2, cost=0.5, unpriced=1, output_tokens=2)
    both = (Paid(provider="acme", spent=acme), Paid(provider="ear", spent=ear))
    history.add(entry(paid=both))
    history.add(entry(paid=()))
    history.add(entry(provider="ear", paid=both))
    assert history.spent("provider") == (
        SpentOn(name="ear", answers=1, spent=ear + ear),
        SpentOn(name="acme", answers=2, spent=acme + acme),
    )


def test_what_was_spent_on_one_is_told_of_all_providers():
    spent = entry(paid=(paid(0.25), paid(0.5, "ear", unpriced=1))).spent
    assert spent == Spent(calls=2, cost=0.75, unpriced=1)


def test_sums_by_day_the_newest_first(history, clock):
    history.add(entry())
    clock.now += DAY
    history.add(entry())
    history.add(entry())
    assert [(on.name, on.answers, on.spent.cost) for on in history.spent("day")] == [
        ("2026-11-25", 2, 0.5),
        ("2026-11-24", 1, 0.25),
    ]


def test_a_failure_costs_and_is_no_answer(history):
    history.add(entry("", failure="the second call failed"))
    (on,) = history.spent("provider")
    assert (on.answers, on.spent.calls, on.spent.cost) == (0, 1, 0.25)


def test_a_failure_that_nobody_was_asked_about_is_nobodys(history):
    history.add(entry("", provider="", failure="no such file", paid=()))
    assert history.spent("provider") == ()


# --- never too many ------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path, clock, monkeypatch) -> History:
    monkeypatch.setattr(module, "_TEND_EVERY", 16)
    made = History(tmp_path / "small.db", clock=clock, max_entries=100)
    yield made
    made.close()


def test_the_oldest_go_and_their_words_with_them(small):
    for number in range(500):
        small.add(entry(f"answer w{number}"))
        assert number % 50 or len(small.find(limit=1000)) <= 100
    kept = small.find(limit=1000)
    assert 80 <= len(kept) <= 100
    assert texts(kept) == [f"answer w{number}" for number in range(499, 499 - len(kept), -1)]
    assert len(small.find("answer", limit=1000)) == len(kept)
    assert small.find("w3 answer") == ()
    assert {f"w{n}" for n in range(500 - len(kept))}.isdisjoint(indexed_words(small))


def test_what_was_spent_on_those_that_are_gone_still_counts(small):
    for _ in range(300):
        small.add(entry())
    (on,) = small.spent("day")
    assert (on.answers, on.spent) == (300, Spent(calls=300, cost=75))


def test_the_file_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TEND_EVERY", 16)
    small = History(tmp_path / "history.db", max_bytes=1_000_000)
    for number in range(300):
        small.add(entry(f"{number} " + "some words " * 1000))
    assert 10 < len(small.find(limit=1000)) < 60
    small.close()
    assert small.path.stat().st_size < 2_000_000


# --- forgetting ----------------------------------------------------------------------------------


def test_all_of_it_is_forgotten(either):
    for number in range(600):
        either.add(entry(f"secret {number}"))
    either.find("secret")
    assert either.clear() == 600
    assert either.find() == either.find("secret") == ()
    assert either.spent("day") == ()


def test_what_was_added_later_has_new_numbers(history):
    history.add(entry())
    history.clear()
    history.add(entry("later"))
    assert [past.number for past in history.find("later")] == [2]


def test_only_what_is_older_is_forgotten(either, clock):
    either.add(entry("old"))
    clock.now += DAY
    either.add(entry("new"))
    either.find("what")
    assert either.clear(before=clock.now) == 1
    assert texts(either.find("what")) == ["new"]
    assert [on.name for on in either.spent("day")] == ["2026-11-25"]


def disk_use(history: History) -> int:
    return sum(path.stat().st_size for path in history.path.parent.iterdir())


@pytest.mark.parametrize("before", [None, NOON + DAY])
def test_nothing_of_it_is_left_in_the_file(history, before):
    for number in range(600):
        history.add(entry(f"topsecret{number}"))
    history.find("topsecret")
    assert disk_use(history) > 200_000
    history.clear(before=before)
    assert disk_use(history) < 100_000
    assert not any(b"topsecret" in path.read_bytes() for path in history.path.parent.iterdir())


# --- files that are broken -----------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path) -> History:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database " * 100)
    return History(path)


def test_a_broken_file_does_not_cost_an_answer(broken):
    broken.add(entry())
    assert "history" in broken.problem
    assert str(broken.path) in broken.problem


def test_after_a_problem_nothing_is_tried_again(broken):
    broken.add(entry())
    broken.path.unlink()
    broken.add(entry())
    assert not broken.path.exists()


@pytest.mark.parametrize(
    "ask",
    [
        lambda h: h.find(),
        lambda h: h.find("x"),
        lambda h: h.get(1),
        lambda h: h.spent("day"),
        lambda h: h.clear(),
    ],
)
def test_who_asks_is_told_that_it_is_broken(broken, ask):
    with pytest.raises(StoreError):
        ask(broken)


def test_a_broken_file_is_not_replaced(broken):
    before = broken.path.read_bytes()
    broken.add(entry())
    assert broken.path.read_bytes() == before


# --- many at once --------------------------------------------------------------------------------


def test_threads_lose_nothing(history):
    def work(name: int) -> None:
        for number in range(100):
            history.add(entry(f"thread{name} {number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.problem is None
    assert len(history.find("thread1", limit=1000)) == 400 / 4
    assert history.spent("day")[0].spent.calls == 400


ADDS = """
import sys
from pathlib import Path
from mediasense.store import history
from mediasense.ledger import Spent
from mediasense.store.history import Entry, History, Paid

history._TEND_EVERY = 16
kept = History(Path(sys.argv[1]), max_entries=300)
for number in range(0, 150, 5):
    kept.add_all([
        Entry(
            sources=("a.png",), modality="image", prompt=None,
            text=f"said by{sys.argv[2]} {number + more}", provider="acme", model="m",
            strategy="image", paid=(Paid(provider="acme", spent=Spent(calls=1, cost=0.25)),),
        )
        for more in range(5)
    ])
    if number % 40 == 0:
        kept.find("said")
sys.exit(kept.problem)
"""


def test_processes_lose_nothing(tmp_path: Path):
    path = tmp_path / "history.db"
    started = [
        subprocess.Popen([sys.executable, "-c", ADDS, str(path), str(name)]) for name in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    kept = History(path)
    (on,) = kept.spent("provider")
    assert (on.answers, on.spent) == (450, Spent(calls=450, cost=112.5))
    assert 250 <= len(kept.find("said", limit=1000)) <= 300
    assert kept.find("said", limit=1000) == kept.find(limit=1000)
    kept.close()
