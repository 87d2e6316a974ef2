"""Transcripts as files that players and people read: whatever is said, the same cues come back."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Analysis, Segment, Timings
from mediasense.output.subtitles import to_markdown, to_srt, to_vtt

ODD = st.text(
    st.one_of(st.sampled_from(list("->\n\r<>&:;#1 \u2028\x85\x0b\0*_`[]|~\\")), st.characters()),
    max_size=30,
)
SECONDS = st.floats(0, 400_000, allow_nan=False)


@st.composite
def segments(draw) -> list[Segment]:
    made = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(SECONDS)
        length = draw(st.one_of(st.just(0.0), st.just(0.001), st.floats(0, 100)))
        speaker = draw(st.one_of(st.none(), ODD))
        made.append(Segment(start=start, end=start + length, text=draw(ODD), speaker=speaker))
    return made


def spoken(text: str | None) -> str:
    return " ".join((text or "").split())


def expected(made: list[Segment]) -> list[Segment]:
    return sorted((s for s in made if spoken(s.text)), key=lambda s: s.start)


TIMES = r"(\d\d+):(\d\d):(\d\d){0}(\d\d\d) --> (\d\d+):(\d\d):(\d\d){0}(\d\d\d)"


def cues(text: str, point: str) -> list[tuple[float, float, list[str]]]:
    """Read cues as players do: blocks of lines, one of which has the arrow."""
    found = []
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = block.split("\n")
        arrows = [number for number, line in enumerate(lines) if "-->" in line]
        if not arrows:
            assert lines in (["WEBVTT"], [""])
            continue
        assert len(arrows) == 1
        times = re.fullmatch(TIMES.format(re.escape(point)), lines[arrows[0]])
        numbers = [int(number) for number in times.groups()]
        start, end = (
            (h * 3600 + m * 60 + s) + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:])
        )
        found.append((start, end, lines[arrows[0] + 1 :]))
    return found


def require_times(found, made: list[Segment]) -> None:
    for (start, end, _), segment in zip(found, made, strict=True):
        assert abs(start - segment.start) <= 0.0006
        assert end > start
        assert end - segment.end <= 0.0016
        assert end >= segment.end - 0.0006


@settings(max_examples=200, deadline=None)
@given(made=segments())
def test_any_transcript_comes_back_from_srt(made):
    found, wanted = cues(to_srt(made), ","), expected(made)
    require_times(found, wanted)
    for (_, _, lines), segment in zip(found, wanted, strict=True):
        speaker = spoken(segment.speaker)
        told = f"{speaker}: {spoken(segment.text)}" if speaker else spoken(segment.text)
        assert lines == [re.sub("-{2,}>", "->", told)]


@settings(max_examples=200, deadline=None)
@given(made=segments())
def test_any_transcript_comes_back_from_webvtt(made):
    text = to_vtt(made)
    assert text.startswith("WEBVTT\n")
    found, wanted = cues(text, "."), expected(made)
    require_times(found, wanted)
    assert [start for start, *_ in found] == sorted(start for start, *_ in found)
    for (_, _, lines), segment in zip(found, wanted, strict=True):
        (line,) = lines
        voice = re.match(r"<v ([^>]*)>", line)
        speaker = spoken(segment.speaker)
        assert (html.unescape(voice[1]) if voice else "") == unescaped(speaker)
        rest = line[voice.end() :] if voice else line
        assert "<" not in rest
        assert html.unescape(rest) == unescaped(spoken(segment.text))


def unescaped(text: str) -> str:
    """What Python's reader of character references makes of text that is escaped as a whole."""
    return html.unescape(html.escape(text, quote=False))


@settings(max_examples=200, deadline=None)
@given(made=segments())
def test_any_transcript_is_one_line_of_markdown_each(made):
    lines = [line for line in told(made).split("\n") if line.startswith("- ")]
    assert len(lines) == len(expected(made))
    for line, segment in zip(lines, expected(made), strict=True):
        plain = re.sub(r"\\([\\`*_\[\]<>#|~&])", r"\1", line)
        assert plain.endswith(spoken(segment.text))


def told(made, text="the answer", strategy="transcript") -> str:
    analysis = Analysis(
        text=text,
        provider="acme",
        model="m",
        strategy=strategy,
        timings=Timings(total=1, prepare=1, provider=0),
        media=(),
        segments=tuple(made),
    )
    return to_markdown(analysis)


HELLO = Segment(start=1.5, end=3661.25, text=" Hello <b>&\nall --> ", speaker="A & B")


def test_srt_to_the_letter():
    two = Segment(start=4000, end=4000, text="bye")
    assert to_srt([two, HELLO]) == (
        "1\n00:00:01,500 --> 01:01:01,250\nA & B: Hello <b>& all ->\n\n"
        "2\n01:06:40,000 --> 01:06:40,001\nbye\n"
    )


def test_webvtt_to_the_letter():
    assert to_vtt([HELLO]) == (
        "WEBVTT\n\n00:00:01.500 --> 01:01:01.250\n<v A &amp; B>Hello &lt;b&gt;&amp; all --&gt;\n"
    )


def test_markdown_to_the_letter():
    assert told([HELLO]) == (
        "## Transcript\n\n- **0:01.5** *A \\& B:* Hello \\<b\\>\\& all --\\>\n"
    )
    assert told([HELLO], strategy="frames").startswith(
        "the answer\n\n## Transcript\n\n- **0:01.5**"
    )


def test_an_answer_without_a_transcript_is_the_answer():
    assert told([], "the *answer*\n") == "the *answer*\n"


@pytest.mark.parametrize("arrow", ["-->", "--->", "----->", "-->-->"])
def test_no_arrow_is_left_in_srt(arrow):
    (cue,) = cues(to_srt([Segment(start=0, end=1, text=f"a {arrow} b", speaker=arrow)]), ",")
    assert "-->" not in cue[2][0]


def test_no_segments_are_an_empty_file():
    assert to_srt([]) == ""
    assert to_vtt([]) == "WEBVTT\n"
