"""``mediasense history`` and ``mediasense cache``: what is printed where, and that it is true."""

from __future__ import annotations

import json
import re
import time

import pytest
import typer
from typer.testing import CliRunner, Result

from mediasense import runtime
from mediasense.cli.app import ErrorBoundary
from mediasense.cli.cache import cache_app
from mediasense.cli.history import history_app
from mediasense.ledger import Spent
from mediasense.output.money import cost_words
from mediasense.store.history import Entry, History, Paid

HALF_A_PAIR = "\ud83d"
DAY = 86_400


@pytest.fixture(autouse=True)
def own_stores(installed, monkeypatch):
    """The stores of this test's own home folder, switched on."""
    for variable in ("MEDIASENSE_HISTORY", "MEDIASENSE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    runtime.config.cache_clear()
    for lookup in (runtime.cache, runtime.history):
        lookup.cache_clear()
    yield
    for lookup in (runtime.cache, runtime.history):
        if (store := lookup()) is not None:
            store.close()
        lookup.cache_clear()


@pytest.fixture
def cli():
    app = typer.Typer(cls=ErrorBoundary, pretty_exceptions_enable=False)
    app.add_typer(history_app, name="history")
    app.add_typer(cache_app, name="cache")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def paid(*costs: float | None, provider: str = "acme", **counts) -> tuple[Paid]:
    """What calls of these costs came to."""
    known = [cost for cost in costs if cost is not None]
    spent = Spent(calls=len(costs), cost=sum(known), unpriced=len(costs) - len(known), **counts)
    return (Paid(provider=provider, spent=spent),)


def keep(text: str = "a red car", *, ago: float = 0, **changes) -> None:
    facts = {
        "sources": ("IMG_2034.jpg",),
        "modality": "image",
        "prompt": "what is it?",
        "text": text,
        "provider": "acme",
        "model": "acme-eye",
        "strategy": "image",
        "envelope": json.dumps({"text": text, "version": 1}),
        "paid": paid(0.25),
    }
    history = runtime.history()
    History(history.path, clock=lambda: time.time() - ago).add(Entry(**facts | changes))


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


# --- list and search -----------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", [(), ("list",)])
def test_the_list_is_a_table_the_newest_first(cli, spelled):
    keep("one")
    keep("two\nlines")
    table = lines(cli("history", *spelled))
    assert table[0].split() == ["NUMBER", "WHEN", "PROVIDER", "COST", "SOURCE", "ANSWER"]
    now = time.strftime("%Y-%m-%d")
    assert table[1].split()[:2] == ["2", now]
    assert table[1].split()[3:] == ["acme", "$0.2500", "IMG_2034.jpg", "two", "lines"]
    assert table[2].split()[-1] == "one"


def test_options_need_no_name_of_the_command(cli):
    keep("one")
    keep("two")
    assert len(lines(cli("history", "--limit", "1"))) == 2


def test_help_is_of_the_group(cli):
    assert "search" in cli("history", "--help").stdout


def test_search_takes_words_as_they_are_typed(cli):
    keep("a red car")
    keep("a blue car")
    assert [line.split()[0] for line in lines(cli("history", "search", "car", "red"))[1:]] == ["1"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--provider", "other"), ["2"]),
        (("-p", "nobody"), []),
        (("--since", "2h"), ["3", "2"]),
        (("--since", "5d"), ["3", "2"]),
        (("--since", "3w"), ["3", "2", "1"]),
        (("--since", "2001-01-01"), ["3", "2", "1"]),
        (("--since", "30m"), ["3"]),
        (("--limit", "2"), ["3", "2"]),
    ],
)
def test_the_list_is_narrowed(cli, options, found):
    keep("one", ago=10 * DAY)
    keep("two", ago=3600, provider="other")
    keep("three")
    assert [line.split()[0] for line in lines(cli("history", *options))[1:]] == found


def test_since_a_date_is_since_its_midnight_here(cli):
    keep("today")
    keep("before", ago=2 * DAY)
    found = lines(cli("history", "--since", time.strftime("%Y-%m-%d")))[1:]
    assert [line.split()[0] for line in found] == ["1"]


@pytest.mark.parametrize(
    "when", ["yesterday", "", "d", "-1d", "7", "7y", "2026-13-01", "9" * 400 + "d", "٣d ", "１x"]
)
def test_what_is_no_date_is_said_to_be_none(cli, when):
    result = cli("history", "--since", when)
    assert result.exit_code == 2
    assert "is no date; give one such as 2026-11-01, 7d or 12h" in result.stderr


def test_a_provider_is_found_by_its_other_names(cli, installed):
    installed.install(
        "acme",
        "from mediasense import Provider, hookimpl\n@hookimpl\ndef capabilities():\n"
        "    return (Provider(name='acme', description='d', aliases=('ac',), kind='device'),)\n",
    )
    keep("one")
    assert len(lines(cli("history", "--provider", "ac"))) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "$0.2500"),
        ({"paid": paid(None)}, "unknown"),
        ({"paid": paid(None, 0.5)}, "at least $0.5000"),
        ({"paid": paid(None) + paid(0.5, provider="ear")}, "at least $0.5000"),
        ({"paid": paid(None, 0.0)}, "unknown"),
        ({"paid": paid(0.0)}, "nothing"),
        ({"paid": ()}, "nothing"),
        ({"paid": paid(0.000001)}, "below $0.0001"),
    ],
)
def test_the_list_says_what_each_cost(cli, changes, said):
    keep(sources=("a.png",), **changes)
    assert re.split("  +", lines(cli("history"))[1])[3] == said


def test_long_things_are_cut(cli):
    keep("word " * 1000, sources=("/very/long" * 20 + "/clip.mp4", "b", "c"))
    (_, row) = lines(cli("history"))
    assert "/clip.mp4 and 2 more" in row
    assert row.endswith("…")
    assert len(row) < 200


def test_a_failure_is_told_from_an_answer(cli):
    keep("", failure="the service is overloaded", envelope="")
    assert "failed: the service is overloaded" in lines(cli("history"))[1]


def test_programs_get_everything_but_the_envelope(cli):
    keep("x " * 500, ago=0, paid=paid(None, 0.5))
    (found,) = json.loads("".join(lines(cli("history", "--json"))))
    assert found["text"] == "x " * 500
    assert found["number"] == 1
    assert found["cost"] is None  # not known, so no number
    assert found["paid"] == [
        {
            "provider": "acme",
            "calls": 2,
            "cost": 0.5,
            "unpriced": 1,
            "input_tokens": 0,
            "output_tokens": 0,
        }
    ]
    assert found["at"].endswith("+00:00")
    assert "envelope" not in found


@pytest.mark.parametrize("odd", [HALF_A_PAIR, "\x1b[2J", "\0", "[red]"])
def test_odd_answers_are_printed(cli, odd):
    keep(odd, sources=(odd,), prompt=odd, model=odd, provider=odd)
    for arguments in ((), ("--json",), ("show", "1"), ("costs",), ("search", odd)):
        result = cli("history", *arguments)
        assert result.exit_code == 0, result.exception


@pytest.mark.parametrize("arguments", [(), ("list",), ("costs",)])
def test_an_empty_history_says_what_to_type(cli, arguments):
    result = cli("history", *arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "the history is empty; type: mediasense image" in result.stderr


@pytest.mark.parametrize("arguments", [("--json",), ("search", "x", "--json"), ("costs", "--json")])
def test_an_empty_history_is_an_empty_list_for_programs(cli, arguments):
    result = cli("history", *arguments)
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_nothing_found_is_said(cli):
    keep()
    result = cli("history", "search", "elephant")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no past answer fits" in result.stderr


# --- show ----------------------------------------------------------------------------------------


def test_an_answer_is_shown_alone_on_stdout(cli):
    keep("a red car\n\nat a café")
    result = cli("history", "show", "1")
    assert result.stdout == "a red car\n\nat a café\n"
    assert "about IMG_2034.jpg: what is it?" in result.stderr
    assert "answered by acme (acme-eye): $0.2500" in result.stderr


def test_the_envelope_is_shown_as_it_was_printed(cli):
    keep("a red car")
    result = cli("history", "show", "1", "--json")
    assert result.stdout == '{\n  "text": "a red car",\n  "version": 1\n}\n'


def test_an_envelope_that_is_none_is_shown_as_it_is(cli):
    keep(envelope="[" * 100_000)
    assert cli("history", "show", "1", "--json").stdout == "[" * 100_000 + "\n"


def test_a_failure_is_shown_as_one(cli):
    keep("", failure="the service is overloaded", envelope="")
    result = cli("history", "show", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "acme gave no answer ($0.2500): the service is overloaded" in result.stderr
    shown = json.loads(cli("history", "show", "1", "--json").stdout)
    assert (shown["failure"], shown["cost"]) == ("the service is overloaded", 0.25)


@pytest.mark.parametrize("number", ["2", "0", "9" * 30])
def test_an_answer_that_is_not_there(cli, number):
    keep()
    result = cli("history", "show", number)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no answer {number} in the history; type: mediasense history" in result.stderr


# --- costs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "calls", "unpriced", "said"),
    [
        (0.0, 0, 0, "nothing"),
        (1.2345, 9, 3, "$1.2345 and 3 calls of unknown cost"),
        (1.2345, 9, 1, "$1.2345 and 1 call of unknown cost"),
        (0.0, 2, 2, "unknown"),
        (0.0, 3, 2, "nothing and 2 calls of unknown cost"),
        (1e-9, 1, 0, "below $0.0001"),
        (1234.5, 1, 0, "$1,234.5000"),
        (0.0, 2000, 1999, "nothing and 1,999 calls of unknown cost"),
    ],
)
def test_an_unknown_cost_is_never_nothing(cost, calls, unpriced, said):
    assert cost_words(cost, calls=calls, unpriced=unpriced) == said


def test_costs_by_provider_with_their_sum(cli):
    keep(paid=paid(0.5, input_tokens=1000, output_tokens=20))
    keep(provider="other", paid=paid(None, provider="other"))
    keep(paid=())
    assert [re.split("  +", line) for line in lines(cli("history", "costs"))] == [
        ["PROVIDER", "ANSWERS", "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST"],
        ["acme", "2", "1", "1000", "20", "$0.5000"],
        ["other", "1", "1", "not told", "not told", "unknown"],
        ["total", "3", "2", "1000", "20", "$0.5000 and 1 call of unknown cost"],
    ]


def test_costs_by_day(cli):
    keep(ago=3 * DAY)
    keep()
    table = lines(cli("history", "costs", "--by", "day"))
    days = [time.strftime("%Y-%m-%d", time.localtime(time.time() - ago)) for ago in (0, 3 * DAY)]
    assert [row.split()[0] for row in table] == ["DAY", *days, "total"]


def test_costs_for_programs(cli):
    keep(paid=paid(0.5, None, input_tokens=1000))
    assert json.loads(cli("history", "costs", "--json").stdout) == [
        {
            "provider": "acme",
            "answers": 1,
            "calls": 2,
            "input_tokens": 1000,
            "output_tokens": 0,
            "cost": 0.5,
            "unpriced": 1,
        }
    ]
    (by_day,) = json.loads(cli("history", "costs", "--by", "day", "--json").stdout)
    assert by_day["day"] == time.strftime("%Y-%m-%d")


# --- clear ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--before", "7d")])
def test_nothing_is_forgotten_without_a_yes(cli, arguments):
    keep(ago=10 * DAY)
    result = cli("history", "clear", *arguments)
    assert result.exit_code == 2
    told = " ".join(["type: mediasense history clear", *arguments, "--yes"])
    assert result.stderr.rstrip().endswith(told)
    assert len(lines(cli("history"))) == 2


def test_all_is_forgotten(cli):
    keep()
    keep()
    result = cli("history", "clear", "--yes")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 entries are forgotten" in result.stderr
    assert lines(cli("history")) == []


def test_only_what_is_older_is_forgotten(cli):
    keep("old", ago=10 * DAY)
    keep("new")
    result = cli("history", "clear", "--before", "7d", "--yes")
    assert "1 entry is forgotten" in result.stderr
    assert [line.split()[-1] for line in lines(cli("history"))[1:]] == ["new"]


# --- switched off, broken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("HISTORY", ("history",)),
        ("HISTORY", ("history", "search", "x")),
        ("HISTORY", ("history", "show", "1")),
        ("HISTORY", ("history", "costs", "--json")),
        ("HISTORY", ("history", "clear", "--yes")),
        ("CACHE", ("cache", "stats")),
        ("CACHE", ("cache", "clear")),
        ("CACHE", ("cache", "prune")),
    ],
)
def test_what_is_switched_off_says_how_to_switch_it_on(cli, monkeypatch, variable, arguments):
    monkeypatch.setenv(f"MEDIASENSE_{variable}", "off")
    runtime.config.cache_clear()
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"the {arguments[0]} is switched off; set MEDIASENSE_{variable}=on" in result.stderr
    assert f"{arguments[0]} = true in" in result.stderr


def test_a_broken_history_is_one_line(cli):
    path = runtime.history().path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database " * 999)
    result = cli("history")
    assert (result.exit_code, result.stdout) == (11, "")
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr


# --- cache ---------------------------------------------------------------------------------------


def fill_cache() -> None:
    cache = runtime.cache()
    cache.put("a" * 64, "analysis", "x" * 5000, provider="acme")
    cache.put("b" * 64, "call", "x" * 700_000, provider="other")


def test_stats_of_the_cache(cli):
    fill_cache()
    said = lines(cli("cache", "stats"))
    rows = {" ".join(line.split()) for line in said}
    assert {"whole answers 1 5.3 kB", "answers of single calls 1 0.7 MB"} <= rows
    assert {"of acme 1 5.3 kB", "of other 1 0.7 MB", "total 2 0.7 MB"} <= rows
    assert f"file: {runtime.cache().stats().path}" in rows
    assert "kept: up to 30 days, up to 1.0 GB" in rows


def test_stats_for_programs(cli):
    fill_cache()
    stats = json.loads(cli("cache", "stats", "--json").stdout)
    assert stats["entries"] == 2
    assert [part["name"] for part in stats["providers"]] == ["acme", "other"]
    assert stats["path"] == str(runtime.cache().stats().path)


def test_an_empty_cache_says_so(cli):
    result = cli("cache", "stats")
    assert result.exit_code == 0
    assert "nothing is kept yet" in result.stderr
    assert json.loads(cli("cache", "stats", "--json").stdout)["entries"] == 0


def test_the_cache_is_cleared(cli):
    fill_cache()
    result = cli("cache", "clear")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 entries are dropped" in result.stderr
    assert runtime.cache().stats().entries == 0


def test_the_cache_is_pruned(cli):
    fill_cache()
    result = cli("cache", "prune")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "0 entries are dropped" in result.stderr
    assert runtime.cache().stats().entries == 2
