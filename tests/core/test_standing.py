"""How far a batch is: one line on a terminal, and a summary."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest

from mediasense.batches.run import Standing
from mediasense.ledger import Spent
from mediasense.output.standing import BatchDisplay, standing_line, summary


def standing(**changes: object) -> Standing:
    facts = {
        **dict.fromkeys(("answered", "cached", "failed", "earlier", "left_failed", "repeated"), 0),
        "interrupted": 0,
        "running": 0,
        "seconds": 0.0,
        "spent": Spent(),
        "waiting": "",
    }
    return Standing(**facts | changes)


# --- the line ------------------------------------------------------------------------------------


def test_the_line_tells_everything():
    line = standing_line(
        standing(
            answered=1500,
            failed=3,
            running=8,
            seconds=501.0,
            waiting="groq rate limited: 12 s",
            spent=Spent(calls=1500, cost=1.239, input_tokens=1_000_000, output_tokens=2),
        ),
        10_000,
    )
    assert line == (
        "1,503 of 10,000 done · 3 failed · 8 running · groq rate limited: 12 s · 3/s · "
        "0:47:12 left · 1,000,002 tokens, $1.24"
    ).replace("0:47:12", "47:12")


@pytest.mark.parametrize("total", [None, 0])
def test_where_nobody_knows_how_many_there_are_no_time_is_told(total):
    line = standing_line(standing(answered=2, seconds=1.0), total)
    assert line == "2 done · 0 failed · 0 running · 2/s · $0"


def test_more_than_were_counted_is_no_negative_time():
    line = standing_line(standing(answered=5, seconds=1.0), 3)
    assert line.startswith("5 of 5 done")
    assert "0:00 left" in line


@pytest.mark.parametrize(
    ("spent", "told"),
    [
        (Spent(), "$0"),
        (Spent(calls=2, input_tokens=5, output_tokens=2), "7 tokens, $0"),
        (Spent(calls=2, cost=0.00125), "$0.0013"),
        (Spent(calls=2, cost=1234.5), "$1,234.50"),
        (Spent(calls=2, unpriced=2), "2 calls of unknown cost"),
        (
            Spent(calls=3, unpriced=1, cost=0.5, output_tokens=9),
            "9 tokens, $0.5000 and 1 call of unknown cost",
        ),
    ],
)
def test_what_is_not_known_is_no_zero(spent, told):
    assert standing_line(standing(spent=spent), None).endswith(f" · {told}")
    assert summary(standing(spent=spent), None)[1] == told


# --- the summary ---------------------------------------------------------------------------------


def test_a_summary_of_nothing_special_is_short():
    assert summary(standing(answered=2, seconds=61.2), None) == [
        "2 answered, 0 failed, in 1:01",
        "$0",
    ]


def test_a_summary_tells_of_earlier_runs_the_cache_and_what_was_killed():
    lines = summary(
        standing(
            answered=12,
            cached=3,
            failed=1,
            earlier=7,
            left_failed=2,
            repeated=4,
            interrupted=5,
            seconds=3725.0,
        ),
        Path("results.jsonl"),
    )
    assert lines[0] == (
        "12 answered (3 from the cache), 1 failed, 7 answered in an earlier run, "
        "2 failed in an earlier run, 4 named twice, in 1:02:05"
    )
    assert lines[2].startswith("5 were under way when an earlier run was killed")
    assert lines[3] == "the results are in results.jsonl"


# --- drawing -------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


def shown() -> BatchDisplay:
    return BatchDisplay(lambda: standing(answered=3, running=1), lambda: 12)


@contextmanager
def drawing(terminal: Terminal, display: BatchDisplay) -> Iterator[BatchDisplay]:
    """The line on a terminal; pytest puts its own streams back before each test."""
    with redirect_stderr(terminal), display:
        yield display


def test_without_a_terminal_nothing_is_drawn_and_nothing_is_counted(capsys):
    def count() -> int:
        raise AssertionError("nobody wants to know")

    with BatchDisplay(standing, count) as display:
        display.write("a result\n")
        display.say("note", "something")
        display.show("Traceback\n")
    done = capsys.readouterr()
    assert done.out == "a result\n"
    assert done.err == "note: something\nTraceback\n"


def test_a_line_is_drawn_and_taken_away(terminal):
    with drawing(terminal, shown()):
        pass
    drawn = terminal.getvalue()
    assert "3 of 12 done" in drawn or "3 done" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")


def test_results_go_to_standard_output_while_the_line_is_drawn(terminal, capsys):
    """The library that draws would send them to the terminal instead."""
    with drawing(terminal, shown()) as display:
        display.write('{"id": "1"}\n')
        print("from somewhere else")
    assert capsys.readouterr().out == '{"id": "1"}\nfrom somewhere else\n'
    assert '"id"' not in terminal.getvalue()


def test_results_on_the_same_terminal_stand_above_the_line_as_they_are(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal)
    long = '{"text": ":smile: [red]x[/red] \x1b]0;title\x07 \x9b2J ' + "wide " * 30 + '"}'
    with drawing(terminal, shown()) as display:
        display.write(f"{long}\n")
    text = terminal.getvalue()
    assert ":smile: [red]x[/red] ]0;title 2J" in text
    assert "wide " * 30 in text
    assert "\x9b" not in text
    assert "\x1b]" not in text


def test_notes_and_traces_stand_above_the_line_and_move_no_cursor(terminal):
    with drawing(terminal, shown()) as display:
        display.say("failed", "a\x1b[2Jb.png: no [bold]way[/bold]")
        display.show("Traceback:\n  KeyError: '\x1b[2J'\n")
    text = terminal.getvalue()
    assert "failed: a [2Jb.png: no [bold]way[/bold]" in text
    assert "Traceback:\n  KeyError: '[2J'" in text.replace("\x1b[2K", "").replace("\r", "")
    assert "\x1b[2J" not in text


def test_a_name_that_is_no_text_can_be_shown(terminal):
    with drawing(terminal, shown()) as display:
        display.say("failed", os.fsdecode(b"\xff.png"))
    assert ".png" in terminal.getvalue()


def test_a_count_that_fails_is_no_news(terminal):
    def count() -> int:
        raise PermissionError("no")

    with drawing(terminal, BatchDisplay(standing, count)):
        pass
    assert "Traceback" not in terminal.getvalue()


def test_without_a_terminal_it_is_said_once_whom_a_batch_waits_for(monkeypatch, capsys):
    monkeypatch.setattr("mediasense.output.standing._LOOKING", 0.01)
    looks = threading.Semaphore(0)

    def waiting() -> Standing:
        looks.release()
        return standing(waiting="acme down: 12 s")

    with BatchDisplay(waiting, lambda: None):
        for _ in range(3):
            assert looks.acquire(timeout=5)
    assert capsys.readouterr().err == "note: waiting: acme down: 12 s\n"
