"""Answers on a terminal: Markdown that grows, drawn once and for all."""

from __future__ import annotations

import io
import os
import re
import tty

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.output.blocks import Blocks
from mediasense.output.live import Live, Plain, printer
from mediasense.output.terminal import say


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def coloured(monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")


def screen(written: str, *, columns: int = 80) -> list[str]:
    """What a terminal shows of all that was written to it, however far it scrolled.

    It knows what is written here: line breaks, the way to the beginning of a line and up, clearing
    a line from the cursor on. Anything else is an error.
    """
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", written):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part == "\x1b[A":
            row -= 1
            assert row >= 0
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        elif part.startswith("\x1b"):
            assert part.endswith("m"), part
        else:
            assert part.isprintable()
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
            assert column < columns
    while len(lines) > row + 1 and not lines[-1]:
        lines.pop()  # below the cursor nothing was written, or it was cleared
    return lines


def drawn(text: str, **options) -> list[str]:
    terminal = Terminal()
    live = Live(terminal, **options)
    live.add(text)
    live.end()
    return screen(terminal.getvalue())


def chopped(text: str, sizes: list[int]) -> list[str]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    return [piece for piece in (*pieces, text[start:]) if piece]


LINES = st.sampled_from(
    [
        "",
        "# A heading",
        "a word",
        "two words",
        "- an item",
        "- ",
        "  - inside",
        "  more of it",
        "1. first",
        "2. second",
        "10) tenth",
        "```",
        "```python",
        "    code",
        "~~~~",
        "> said",
        ">> twice",
        "---",
        "===",
        "| a | b |",
        "|---|:-:|",
        "| 1 | 2 | 3 |",
        "[a]: https://a.example",
        "[a](https://a.example) **b** `c`",
        "<div>",
        "* * *",
        "\\",
    ]
)
MARKDOWN = st.lists(LINES, max_size=14).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(text=MARKDOWN | st.text(st.sampled_from("ab #-*`>|\n1.)[]("), max_size=60), data=st.data())
def test_however_it_comes_the_blocks_are_the_same(text, data):
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=30))
    whole, grown = Blocks(), Blocks()
    whole.add(text)
    found = []
    for piece in chopped(text, sizes):
        grown.add(piece)
        grown.rest()
        found += grown.take()
    assert [*found, *grown.end()] == [*whole.take(), *whole.end()]


def test_empty_lines_that_come_later_change_no_block():
    whole, grown = Blocks(), Blocks()
    whole.add("a word\n\n\n")
    grown.add("a word\n\n")
    found = grown.take()
    grown.add("\n")
    assert (*found, *grown.end()) == whole.take()


@settings(max_examples=200, deadline=None)
@given(text=MARKDOWN, data=st.data())
def test_however_it_comes_the_screen_is_the_same(text, data):
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=30))
    terminal = Terminal()
    live = Live(terminal)
    for piece in chopped(text, sizes):
        live._blocks.add(piece)  # what its thread does, without its pauses
        live._canvas.show(live._blocks.take(), live._blocks.rest())
    live._canvas.show(live._blocks.end(), ())
    assert screen(terminal.getvalue()) == drawn(text)


def test_what_was_begun_and_turned_out_to_be_nothing_leaves_nothing():
    terminal = Terminal()
    live = Live(terminal)
    for piece in ("# A heading\n`", "``"):
        live._blocks.add(piece)
        live._canvas.show(live._blocks.take(), live._blocks.rest())
    live._canvas.show(live._blocks.end(), ())
    assert screen(terminal.getvalue()) == ["A heading", ""]


@settings(max_examples=200, deadline=None)
@given(text=MARKDOWN)
def test_no_word_is_lost(text):
    shown = " ".join(drawn(text))
    for word in re.findall(r"[a-z]{2,}|https://a\.example", text.replace("```python", "")):
        assert word in shown


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_whatever_a_model_writes_nothing_but_lines_are_drawn(text):
    drawn(text)


def test_markdown_is_drawn():
    text = (
        "# Seen\n\nA **red** `car`:\n\n1. it *comes*\n2. it goes\n   - away\n\n> said\n\n---\nend"
    )
    assert drawn(text) == [
        "Seen",
        "",
        "A red car:",
        "",
        "1. it comes",
        "2. it goes",
        "   • away",
        "",
        "│ said",
        "",
        "─" * 79,
        "",
        "end",
        "",
    ]


def test_line_breaks_of_a_paragraph_stay():
    assert drawn("one\ntwo") == ["one", "two", ""]


def test_code_is_drawn_as_it_is():
    assert drawn("```sh\n$ a  **b** [red]x[/red]\n\n  c\n```\n") == [
        "$ a  **b** [red]x[/red]",
        "",
        "  c",
        "",
    ]


def test_a_table_is_drawn_in_columns():
    shown = drawn("| a | b |\n|---|--:|\n| long text | 1 |\n| x | 22 |\n")
    assert shown[0].split() == ["a", "b"]
    assert shown[2].endswith("   1")
    assert shown[3].endswith("  22")


def test_a_table_too_wide_for_columns_is_shown_as_it_was_written():
    row = "|" + " cell |" * 20
    text = f"{row}\n{'|---' * 20}|\n{row}"
    assert "".join(drawn(text)).count("cell") == 40


def test_cells_beyond_the_head_of_a_table_are_not_lost():
    assert "three" in "".join(drawn("| a | b |\n|---|---|\n| one | two | three |"))


def test_markup_of_rich_means_nothing():
    assert drawn("[bold]a[/bold] :smile: [link=https://x.example]y[/link]") == [
        "[bold]a[/bold] :smile: [link=https://x.example]y[/link]",
        "",
    ]


def test_html_means_nothing():
    assert drawn("<b>a</b>\n\n<script>x</script>") == ["<b>a</b>", "", "<script>x</script>", ""]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[the bank](https://evil.example)", "the bank (https://evil.example)"),
        ("<https://a.example>", "https://a.example"),
        ("[run](javascript:x)", "[run](javascript:x)"),
        ("![a cat](cat.png)", "a cat (cat.png)"),
        ("[](https://a.example)", "https://a.example"),
    ],
)
def test_where_a_link_leads_is_in_plain_sight(text, shown):
    terminal = Terminal()
    live = Live(terminal)
    live.add(text)
    live.end()
    assert screen(terminal.getvalue()) == [shown, ""]
    assert "\x1b]" not in terminal.getvalue()


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x1b]0;title\x07", "&#27;[2J", "\x9b2J", "&#x202E;"])
def test_control_characters_of_an_answer_never_reach_the_terminal(evil):
    terminal = Terminal()
    live = Live(terminal)
    live.add(f"a {evil} b `{evil}`\n\n```\n{evil}\n```\n\n[x](https://a.example/{evil})")
    live.end()
    left = re.sub(r"\x1b\[(A|K|[0-9;]*m)", "", terminal.getvalue())
    assert "\x1b" not in left
    assert all(c.isprintable() or c in "\n\r" for c in left)


def test_what_is_finished_is_written_once():
    terminal = Terminal()
    live = Live(terminal)
    for piece in ["first\n\n", "sec", "ond\n\n", "th", "ird"]:
        live._blocks.add(piece)
        live._canvas.show(live._blocks.take(), live._blocks.rest())
    assert terminal.getvalue().count("first") == 1


def test_of_a_block_higher_than_the_terminal_its_end_is_shown_and_in_the_end_all(monkeypatch):
    terminal = Terminal()
    live = Live(terminal)
    monkeypatch.setattr(live._canvas, "_size", lambda: os.terminal_size((40, 5)))
    text = "\n".join(f"line {n}" for n in range(30))
    for piece in chopped(text, [7] * 40):
        live._blocks.add(piece)
        live._canvas.show(live._blocks.take(), live._blocks.rest())
        assert len(live._canvas._drawn) <= 4
    live._canvas.show(live._blocks.end(), ())
    assert screen(terminal.getvalue()) == [*text.split("\n"), ""]


def test_where_nothing_may_move_only_what_is_finished_is_drawn():
    terminal = Terminal()
    live = Live(terminal, moves=False)
    live.add("one **bold**\n\ntwo")
    live.end()
    assert "\r" not in terminal.getvalue()
    assert screen(terminal.getvalue()) == ["one bold", "", "two", ""]


def test_what_cannot_be_written_is_raised_where_the_pieces_come_from():
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    live = Live(Gone())
    live.add("a")
    with pytest.raises(BrokenPipeError):
        live.end()
    with pytest.raises(BrokenPipeError):
        live.add("b")


# --- who gets what --------------------------------------------------------------------------------


def test_on_a_terminal_markdown_is_drawn():
    assert isinstance(printer(Terminal(), markdown=True), Live)


def test_what_is_no_markdown_is_written_as_it_is():
    assert isinstance(printer(Terminal(), markdown=False), Plain)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_none_gets_raw_text(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert isinstance(printer(Terminal(), markdown=True), Plain)


def test_in_a_pipe_the_pieces_are_raw():
    assert isinstance(printer(io.StringIO(), markdown=True), Plain)


class Pipe(io.StringIO):
    encoding = "utf-8"


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("ab \n"), max_size=30), data=st.data())
def test_however_it_comes_the_raw_text_is_the_same(text, data):
    pipe = Pipe()
    plain = Plain(pipe)
    for piece in chopped(text, data.draw(st.lists(st.integers(1, 4), max_size=30))):
        plain.add(piece)
    plain.end()
    assert pipe.getvalue() == (text.rstrip("\n") + "\n" if text else "")


# --- beside what else is said --------------------------------------------------------------------


@pytest.fixture
def one_terminal(monkeypatch):
    """Makes standard error a terminal, and gives that for answers too; and all that it was sent."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)  # line breaks stay as they are written
    with (
        os.fdopen(os.dup(theirs), "w", encoding="utf-8") as out,
        os.fdopen(theirs, "w", encoding="utf-8") as err,
        os.fdopen(ours, "rb", buffering=0) as sent,
    ):

        def begin():
            monkeypatch.setattr("sys.stderr", err)
            return out, lambda: sent.read(65_536).decode()

        yield begin


def test_what_is_said_amid_raw_text_stands_on_a_line_of_its_own(one_terminal):
    out, sent = one_terminal()
    plain = printer(out, markdown=False)
    plain.add("half a ")
    say("trace", "it was called")
    plain.end()
    assert re.sub(r"\x1b\[[0-9;]*m", "", sent()) == "half a \ntrace: it was called\n"


def test_what_is_said_amid_markdown_stands_above_what_is_being_written(one_terminal):
    out, sent = one_terminal()
    live = printer(out, markdown=True)
    live.add("done\n\nhalf a")
    written = sent()
    while "half a" not in written:
        written += sent()
    say("trace", "it was called")
    live.add(" line")
    live.end()
    assert screen(written + sent()) == ["done", "trace: it was called", "", "half a line", ""]


def test_what_is_said_beside_an_answer_in_a_file_leaves_it_alone(one_terminal, tmp_path):
    one_terminal()
    with (tmp_path / "answer.txt").open("w") as file:
        plain = printer(file, markdown=False)
        plain.add("half a ")
        say("trace", "it was called")
        plain.add("line")
        plain.end()
    assert (tmp_path / "answer.txt").read_text() == "half a line\n"
