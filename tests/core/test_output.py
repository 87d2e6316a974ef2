"""What people and programs read: valid whatever an answer holds."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Analysis, Box, Media, Segment, TextLine, Timings, Usage
from mediasense.output.envelope import dumps, to_json
from mediasense.output.tables import print_table
from mediasense.output.terminal import say, write

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
        "media",
        "segments",
        "lines",
        "language",
        "warnings",
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
        "media": [],
        "segments": [],
        "lines": [],
        "language": None,
        "warnings": [],
        "timings": {"total": 1.234568, "prepare": 0.2, "provider": 1.034568},
    }


def test_an_envelope_of_much_has_it_all(tmp_path):
    full = analysis(
        data={"cats": 1},
        finish_reason="length",
        usage=Usage(input_tokens=3, seconds=1.5),
        media=(
            Media(
                modality="video",
                mime_type="video/mp4",
                path=tmp_path / "a.mp4",
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
    )
    envelope = json.loads(to_json(full))
    assert envelope["usage"] == {
        "input_tokens": 3,
        "output_tokens": None,
        "reasoning_tokens": None,
        "cached_tokens": None,
        "image_tokens": None,
        "video_tokens": None,
        "audio_tokens": None,
        "seconds": 1.5,
    }
    assert envelope["media"] == [
        {
            "source": str(tmp_path / "a.mp4"),
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
        {"start": 0, "end": 1.5, "text": "hello", "speaker": None, "confidence": None}
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
    assert (envelope["data"], envelope["finish_reason"]) == ({"cats": 1}, "length")
    assert (envelope["language"], envelope["warnings"]) == ("en", ["short"])


def test_bytes_have_no_source():
    media = Media(modality="image", mime_type="image/png", data=b"x", size=1)
    (item,) = json.loads(to_json(analysis(media=(media,))))["media"]
    assert item["source"] is None


def test_an_odd_file_name_is_text_in_the_envelope(tmp_path):
    path = tmp_path / b"caf\xe9\n.png".decode("utf-8", "surrogateescape")
    media = Media(modality="image", mime_type="image/png", path=path, size=1)
    (item,) = json.loads(to_json(analysis(media=(media,))))["media"]
    assert item["source"].isprintable()


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
