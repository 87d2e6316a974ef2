"""What people and programs read: valid whatever an answer holds."""

from __future__ import annotations

import io
import json
import re
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Analysis, Box, Media, Segment, TextLine, Timings, Usage, names
from mediasense.envelope import dumps, to_json
from mediasense.output import progress
from mediasense.output.plans import plan_json, print_plan
from mediasense.output.tables import print_table
from mediasense.output.terminal import say, write
from mediasense.planning.plans import Plan
from mediasense.run import Planned
from mediasense.steps import FrameUsed, LeftOut, Step

# Any text, with halves of surrogate pairs, which models do write.
ANY_TEXT = st.text(st.characters(), max_size=40)


class Terminal(io.TextIOWrapper):
    """A stream that says that a person reads it."""

    def __init__(self, encoding: str = "utf-8", *, person: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self._person = person

    def isatty(self) -> bool:
        return self._person

    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def analysis(**changes) -> Analysis:
    facts = {
        "text": "a cat",
        "provider": "acme",
        "model": "acme-eye",
        "strategy": "images",
        "timings": Timings(total=1.23456789, prepare=0.2, provider=1.03456789),
        "media": (),
    }
    return Analysis(**facts | changes)


@pytest.mark.parametrize("kind", ["note", "warning", "error"])
def test_what_is_said_is_one_printable_line_whoever_wrote_it(capsys, kind):
    say(kind, "model m\x1b]0;gone\x07\nof \ud800")
    assert capsys.readouterr().err == f"{kind}: model m ]0;gone of\n"


# --- the envelope ---------------------------------------------------------------------------------


def test_the_envelope_has_these_fields_in_this_order():
    assert list(json.loads(to_json(analysis()))) == [
        "version",
        "text",
        "data",
        "provider",
        "model",
        "strategy",
        "finish_reason",
        "usage",
        "cost",
        "cached",
        "media",
        "segments",
        "lines",
        "language",
        "warnings",
        "steps",
        "frames",
        "left_out",
        "timings",
    ]


def test_an_envelope_of_little_has_nulls_and_empty_lists():
    assert json.loads(to_json(analysis())) == {
        "version": 1,
        "text": "a cat",
        "data": None,
        "provider": "acme",
        "model": "acme-eye",
        "strategy": "images",
        "finish_reason": None,
        "usage": None,
        "cost": None,
        "cached": False,
        "media": [],
        "segments": [],
        "lines": [],
        "language": None,
        "warnings": [],
        "steps": [],
        "frames": [],
        "left_out": [],
        "timings": {"total": 1.234568, "prepare": 0.2, "provider": 1.034568},
    }


def test_an_envelope_of_much_has_it_all(tmp_path):
    full = analysis(
        data={"cats": 1},
        finish_reason="length",
        cost=0.0125,
        cached=True,
        usage=Usage(input_tokens=3, seconds=1.5),
        media=(
            Media(
                modality="video",
                mime_type="video/mp4",
                path=tmp_path / "a.mp4",
                name="a.mp4",
                size=10,
                width=4,
                height=3,
                seconds=2.5,
                has_sound=True,
            ),
            Media(modality="image", mime_type="", uri="https://example.org/a"),
        ),
        segments=(Segment(start=0, end=1.5, text="hello"),),
        lines=(TextLine(text="OK", confidence=0.9, box=Box(left=1, top=2, right=3, bottom=4)),),
        language="en",
        warnings=("short",),
        steps=(
            Step(
                action="ask",
                words="the images",
                channels=("picture",),
                start=0.0,
                end=2.5,
                provider="acme",
                model="acme-eye",
                calls=2,
                images=3,
                bytes=9,
                tokens=7,
                cached=1,
            ),
        ),
        frames=(FrameUsed(timestamp=0.5, reason="first"),),
        left_out=(LeftOut(words="the sound was not heard", channels=("sound",)),),
    )
    envelope = json.loads(to_json(full))
    assert envelope["usage"] == {
        "input_tokens": 3,
        "output_tokens": None,
        "reasoning_tokens": None,
        "cached_tokens": None,
        "cache_write_tokens": None,
        "image_tokens": None,
        "video_tokens": None,
        "audio_tokens": None,
        "seconds": 1.5,
    }
    assert envelope["media"] == [
        {
            "source": "a.mp4",
            "modality": "video",
            "mime_type": "video/mp4",
            "size": 10,
            "width": 4,
            "height": 3,
            "seconds": 2.5,
            "has_sound": True,
        },
        {
            "source": "https://example.org/a",
            "modality": "image",
            "mime_type": None,
            "size": None,
            "width": None,
            "height": None,
            "seconds": None,
            "has_sound": None,
        },
    ]
    assert envelope["segments"] == [
        {
            "start": 0,
            "end": 1.5,
            "text": "hello",
            "speaker": None,
            "confidence": None,
            "words": [],
        }
    ]
    assert envelope["lines"] == [
        {
            "text": "OK",
            "confidence": 0.9,
            "box": {"left": 1, "top": 2, "right": 3, "bottom": 4},
            "image": None,
            "start": None,
            "end": None,
        }
    ]
    assert envelope["steps"] == [
        {
            "action": "ask",
            "words": "the images",
            "channels": ["picture"],
            "start": 0.0,
            "end": 2.5,
            "provider": "acme",
            "model": "acme-eye",
            "calls": 2,
            "images": 3,
            "bytes": 9,
            "tokens": 7,
            "cost": None,
            "cached": 1,
        }
    ]
    assert envelope["frames"] == [{"timestamp": 0.5, "reason": "first"}]
    assert envelope["left_out"] == [
        {"words": "the sound was not heard", "channels": ["sound"], "start": None, "end": None}
    ]
    assert (envelope["cost"], envelope["cached"]) == (0.0125, True)
    assert (envelope["data"], envelope["finish_reason"]) == ({"cats": 1}, "length")
    assert (envelope["language"], envelope["warnings"]) == ("en", ["short"])


def test_media_without_a_name_have_no_source():
    media = Media(modality="image", mime_type="image/png", data=b"x", size=1)
    (item,) = json.loads(to_json(analysis(media=(media,))))["media"]
    assert item["source"] is None


# --- what is documented ---------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[2] / "docs" / "envelope.md"


def documented(after: str) -> list[str]:
    """The first column of the table that follows a line."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(after)[2]
    table = re.search(r"(^\|.*\n)+", text, re.MULTILINE)[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_every_field_is_documented_in_its_order():
    assert documented("# The JSON envelope") == list(json.loads(to_json(analysis())))


def test_every_strategy_and_action_is_documented():
    assert set(documented("The strategies:")) == set(get_args(names.Strategy))
    assert set(documented("The actions:")) == set(get_args(names.Action))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("usage", Usage),
        ("segments", Segment),
        ("lines", TextLine),
        ("steps", Step),
        ("frames", FrameUsed),
        ("left_out", LeftOut),
    ],
)
def test_every_field_of_a_part_is_documented(field, kind):
    text = DOCUMENT.read_text(encoding="utf-8")
    told = re.search(rf"^`{field}`:(.*?)\n\n", text, re.MULTILINE | re.DOTALL)[1]
    assert {f"`{item.name}`" for item in fields(kind)} <= set(re.findall(r"`[^`]+`", told))


def test_every_field_of_a_plan_is_documented(planned):
    assert documented("## A plan") == list(json.loads(plan_json(planned)))


# --- plans ----------------------------------------------------------------------------------------


@pytest.fixture
def planned(acme) -> Planned:
    provider = acme()
    steps = (
        Step(action="extract", words="the sound as FLAC", channels=("sound",), start=0.0, end=2.5),
        Step(
            action="ask",
            words="the images",
            start=0.0,
            end=2.5,
            provider="acme",
            model="acme-eye",
            calls=2,
            images=3,
            bytes=4_100_000,
            tokens=700,
            cost=0.00123,
        ),
    )
    left = LeftOut(words="the sound was not heard", channels=("sound",))
    plan = Plan(
        strategy="frames",
        sends=None,
        listening=None,
        asking=None,
        left_out=(left,),
        warnings=("odd",),
        steps=steps,
    )
    media = Media(
        modality="video",
        mime_type="video/mp4",
        name="a.mp4",
        size=5_000_000,
        width=640,
        height=480,
        seconds=2.5,
        has_sound=True,
    )
    return Planned(plan=plan, media=(media,), provider=provider)


def test_a_plan_in_json_has_it_all(planned):
    whole = json.loads(plan_json(planned))
    assert (whole["provider"], whole["strategy"], whole["warnings"]) == ("acme", "frames", ["odd"])
    assert whole["media"][0]["source"] == "a.mp4"
    assert [step["action"] for step in whole["steps"]] == ["extract", "ask"]
    assert whole["estimate"] == {"tokens": 700, "cost": 0.00123}
    assert whole["left_out"][0]["words"] == "the sound was not heard"


def test_a_plan_for_people_says_it_all(planned, capsys):
    print_plan(planned)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a.mp4: video/mp4, 640 x 480, 0:02.5, sound, 5.0 MB"
    assert lines[1] == "strategy: frames"
    head, extract, ask = lines[3:6]
    assert head.split()[:3] == ["STEP", "WHAT", "WHO"]
    assert extract.split("  ")[0] == "extract"
    assert "the sound as FLAC  this machine" in extract
    assert "this machine" in extract
    for told in ("acme acme-eye", "up to 4.1 MB", "about 700", "about $0.0012"):
        assert told in ask
    assert lines[-3:] == [
        "left out: the sound was not heard",
        "note: odd",
        "estimate: about 700 input tokens, about $0.0012",
    ]


def test_a_plan_for_a_part_says_which(planned, capsys):
    steps = tuple(replace(step, start=1.0, end=2.0) for step in planned.plan.steps)
    print_plan(replace(planned, plan=replace(planned.plan, steps=steps)))
    assert "the sound as FLAC (0:01.0 to 0:02.0)" in capsys.readouterr().out


def test_what_is_not_known_is_not_nothing(planned, capsys):
    steps = tuple(replace(step, tokens=None, cost=None) for step in planned.plan.steps)
    unknown = replace(planned, plan=replace(planned.plan, steps=steps))
    print_plan(unknown)
    assert capsys.readouterr().out.endswith("estimate: unknown input tokens, unknown cost\n")
    assert json.loads(plan_json(unknown))["estimate"] == {"tokens": None, "cost": None}


def test_what_costs_nothing_is_told(planned, capsys):
    steps = tuple(replace(step, tokens=0, cost=0.0) for step in planned.plan.steps)
    print_plan(replace(planned, plan=replace(planned.plan, steps=steps)))
    assert capsys.readouterr().out.endswith("estimate: about 0 input tokens, nothing\n")


# --- progress -------------------------------------------------------------------------------------


def test_progress_is_never_shown_in_a_pipe(monkeypatch):
    stream = Terminal(person=False)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 0.0)
    before = threading.active_count()
    with progress.Display() as display:
        display.report("choosing frames", 0.5)
        assert threading.active_count() == before
    assert stream.shown() == ""


def watched(monkeypatch) -> Terminal:
    """A terminal on which progress is shown at once."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 0.0)
    return stream


def wait_for(stream: Terminal, words: str) -> None:
    for _ in range(500):
        if words in stream.shown():
            return
        threading.Event().wait(0.02)
    pytest.fail(f"{words!r} is not in {stream.shown()!r}")


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(monkeypatch):
    shown = watched(monkeypatch)
    with progress.Display() as display:
        display.report("choosing [bold]frames", 0.5)
        wait_for(shown, "choosing [bold]frames")
    assert shown.shown().rstrip().endswith("\x1b[2K")  # the line is erased


def test_after_the_line_is_taken_away_nothing_is_shown(monkeypatch):
    shown = watched(monkeypatch)
    with progress.Display() as display:
        display.report("one", None)
        wait_for(shown, "one")
        display.clear()
        before = shown.shown()
        display.report("two", None)
    assert shown.shown() == before


def test_what_is_over_soon_is_not_shown(monkeypatch):
    shown = watched(monkeypatch)
    monkeypatch.setattr(progress, "_AFTER_SECONDS", 60.0)
    with progress.Display() as display:
        display.report("one", None)
    assert shown.shown() == ""


# --- any answer -----------------------------------------------------------------------------------


@settings(max_examples=100)
@given(text=ANY_TEXT)
def test_any_answer_makes_valid_json(text):
    envelope = to_json(analysis(text=text, data=[text]))
    envelope.encode()
    assert json.loads(envelope)["text"] == text


def refuse(constant: str):
    raise ValueError(constant)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_makes_valid_json(number):
    json.loads(to_json(analysis(data={"x": number})), parse_constant=refuse)


def test_people_can_read_it():
    assert dumps({"a": "é"}) == '{\n  "a": "é"\n}'


# --- writing --------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(text=ANY_TEXT, encoding=st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]))
def test_any_answer_can_be_written_in_any_encoding(text, encoding):
    stream = Terminal(encoding, person=False)
    write(stream, text)
    assert stream.shown() == text.encode(encoding, "replace").decode(encoding)


@settings(max_examples=100)
@given(text=ANY_TEXT)
def test_on_a_terminal_nothing_can_move_the_cursor(text):
    stream = Terminal()
    write(stream, text)
    assert all(c.isprintable() or c in "\n\t" for c in stream.shown())


def test_on_a_terminal_text_stays_text():
    stream = Terminal()
    write(stream, "é\t“x”\n\x1b[31mred\x07\r")
    assert stream.shown() == "é\t“x”\n[31mred"


def test_in_a_pipe_control_characters_are_kept():
    stream = Terminal(person=False)
    write(stream, "a\0b\x1b[31m")
    assert stream.shown() == "a\0b\x1b[31m"


def test_what_is_written_is_written_now():
    stream = Terminal()
    write(stream, "a piece")
    assert stream.buffer.getvalue() == b"a piece"


# --- tables ---------------------------------------------------------------------------------------


def test_in_a_pipe_columns_are_aligned_and_whole(capsys):
    print_table(("name", "takes"), [("a", "image " * 40), ("longer", "")])
    assert capsys.readouterr().out == (
        f"NAME    TAKES\na       {('image ' * 40).strip()}\nlonger\n"
    )


def test_a_table_without_rows_has_its_head(capsys):
    print_table(("name", "takes"), [])
    assert capsys.readouterr().out == "NAME  TAKES\n"


def plain(shown: str) -> str:
    """Without the bold of the head."""
    return shown.replace("\x1b[1m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize("person", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize(
    "cell",
    [
        "[bold]markup[/]",
        "half \ud800",
        "two\nlines",
        "\x1b[2Jgone",
    ],
)
def test_any_cell_can_be_printed_in_its_row(monkeypatch, person, cell):
    """A name of a model comes from a service."""
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal(person=person)
    monkeypatch.setattr("sys.stdout", stream)
    print_table(("model", "takes"), [(cell, "image")])
    shown = plain(stream.shown())
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) == 2


def test_on_a_terminal_long_cells_are_wrapped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    print_table(("model", "takes"), [("eye", "image " * 20)])
    lines = plain(stream.shown()).splitlines()
    assert len(lines) > 2
    assert all(len(line.rstrip()) <= 40 for line in lines)
