"""The page of an answer: what it shows, what it never tells, and that it stays whole."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediasense
from mediasense.errors import StoreError, UsageError
from mediasense.reports import write_report
from mediasense.reports.page import Place, Subject, page_of
from mediasense.reports.stills import Room, evenly
from mediasense.steps import FrameUsed, LeftOut, Step
from mediasense.types import (
    Analysis,
    Box,
    Media,
    Question,
    Segment,
    TextLine,
    Timings,
    Usage,
    Word,
)

PIECES = (
    "<script>alert(1)</script>",
    '"',
    "'",
    "</script>",
    "<!--",
    "<img src=x onerror=a()>",
    "x",
)
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=9), max_size=6).map("".join)


def analysis(said: str = "x", **changes) -> Analysis:
    """An answer with something in every field; all that is said in it is ``said``."""
    facts = {
        "text": said,
        "provider": f"x{said}",
        "model": f"x{said}",
        "strategy": "frames",
        "timings": Timings(total=2.5, prepare=0.5, provider=2.0),
        "media": (Media(modality="video", mime_type="video/mp4", name=f"{said}.mp4", seconds=4.0),),
        "usage": Usage(input_tokens=1200, output_tokens=34),
        "segments": (
            Segment(start=0.5, end=1.5, text=f"x{said}", speaker=f"x{said}"),
            Segment(
                start=2,
                end=3,
                text="x",
                speaker=f"x{said}",
                words=(Word(start=2, end=3, text=f"x{said}"),),
            ),
        ),
        "lines": (
            TextLine(
                text=f"x{said}",
                confidence=0.9,
                box=Box(left=1, top=2, right=30, bottom=12),
                start=0.0,
                end=2.0,
            ),
        ),
        "language": f"x{said}",
        "warnings": (f"x{said}",),
        "steps": (
            Step(action="ask", words=said, provider=f"x{said}", model=said, calls=1, cost=0.0123),
        ),
        "left_out": (LeftOut(words=f"y{said}", start=0, end=1),),
        "cost": 0.0123,
    }
    return Analysis(**facts | changes)


def page(
    found: Analysis, *sources, question: Question | None = None, path=Path("/r/a.html")
) -> str:
    subject = Subject(analysis=found, sources=sources, question=question)
    return "".join(page_of(subject, Place(path=path)))


class Skeleton(HTMLParser):
    """The elements of a page, and the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))


@settings(deadline=None)
@given(hostile)
def test_no_field_can_add_an_element_or_an_attribute(said):
    # The answer itself is Markdown, which may: here it stays the same.
    asked = Question(prompt=f"x{said}", task=f"x{said}", context=f"x{said}")
    bland = Question(prompt="x", task="x", context="x")
    hostile_page = page(analysis(said, text="x", lines=()), question=asked)
    bland_page = page(analysis("x", lines=()), question=bland)
    assert Skeleton(hostile_page).elements == Skeleton(bland_page).elements


@settings(deadline=None)
@given(hostile, st.recursive(hostile, lambda inner: st.dictionaries(hostile, inner, max_size=3)))
def test_an_answer_and_its_data_run_nothing(said, data):
    shown = Skeleton(page(analysis(said, data={"found": data}))).elements
    names = {name for element in shown for name in element[1:]}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    assert sum(element[0] == "script" for element in shown) == 2
    forbidden = {"iframe", "object", "embed", "form", "base", "foreignobject", "template", "math"}
    assert {element[0] for element in shown}.isdisjoint(forbidden)


def test_it_shows_the_answer_and_how_it_was_made():
    shown = page(analysis("the answer"), question=Question(prompt="what is it?"))
    for words in (
        "what is it?",
        "the answer",
        "$0.0123",
        "1,200 input, 34 output",
        "2.5 s: 500 ms to prepare, 2.0 s waiting for the provider",
        "0:00.5",
        "Left out",
    ):
        assert words in shown


def test_an_unknown_cost_is_no_zero():
    assert "cost unknown" in page(analysis(cost=None))


def test_what_was_kept_cost_nothing_now():
    assert "from the cache" in page(analysis(cached=True, cost=0.0))


def test_structured_data_is_laid_out_and_kept_as_json():
    shown = page(analysis('{"due_date": "May"}', data={"due_date": "May", "items": [1, 2]}))
    assert "due" in shown.lower()
    assert "As JSON" in shown
    assert "&quot;due_date&quot;: &quot;May&quot;" in shown


def test_a_task_and_its_context_are_named():
    shown = page(analysis(), question=Question(task="bug_report", context="of the <shop>"))
    assert "the task bug_report" in shown
    assert "of the &lt;shop&gt;" in shown


def test_frames_that_were_sent_are_shown_with_their_reasons(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4", seconds=3.0)
    frames = (FrameUsed(timestamp=0.0, reason="first"), FrameUsed(timestamp=1.0, reason="change"))
    shown = page(analysis(frames=frames), clip)
    assert shown.count('src="data:image/jpeg;base64,') == 2
    assert "2 frames sent" in shown
    assert '<time>0:01.0</time> <span class="reason">change</span>' in shown
    assert 'href="#frame-2" data-at="2"' in shown


def test_a_video_that_was_sent_whole_shows_key_frames_of_our_own(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4", seconds=3.0)
    shown = page(analysis(strategy="native"), clip)
    assert "chosen for this page; none was sent as an image" in shown


def test_many_frames_are_thinned_and_that_is_said(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4", seconds=4.0)
    frames = tuple(FrameUsed(timestamp=at / 2, reason="asked") for at in range(8))
    subject = Subject(analysis=analysis(frames=frames), sources=(clip,))
    place = Place(path=tmp_path / "a.html", room=Room(most=3))
    shown = "".join(page_of(subject, place))
    assert "3 of 8 frames that were sent" in shown
    assert shown.count("data:image/jpeg") == 3


def test_thinned_frames_keep_the_first_and_the_last():
    frames = [FrameUsed(timestamp=float(at), reason="asked") for at in range(100)]
    kept = [frame.timestamp for frame in evenly(frames, 7)]
    assert (len(kept), kept[0], kept[-1]) == (7, 0.0, 99.0)


def test_pictures_stay_within_their_room(tmp_path, make_image):
    path = tmp_path / "noise.png"
    path.write_bytes(make_image(size=(500, 500)))
    found = analysis(media=(Media(modality="image", mime_type="image/png", name="noise.png"),))
    subject = Subject(analysis=replace(found, segments=(), lines=()), sources=(path,))
    whole = sum(
        map(len, page_of(subject, Place(path=tmp_path / "a.html", room=Room(bytes=20_000))))
    )
    assert whole < 20_000 * 4 / 3 + 40_000


def test_boxes_lie_on_their_image_in_its_pixels(tmp_path, make_image):
    path = tmp_path / "shot.png"
    path.write_bytes(make_image(size=(64, 48)))
    line = TextLine(text="Save", confidence=1.0, box=Box(left=4, top=8, right=34, bottom=18))
    found = analysis(
        media=(Media(modality="image", mime_type="image/png", name="shot.png"),), lines=(line,)
    )
    shown = page(found, path)
    assert 'viewBox="0 0 64 48"' in shown
    assert '<rect data-box="0" x="4" y="8" width="30" height="10" rx="3"><title>Save' in shown


def test_a_sound_is_drawn(tmp_path, make_wav):
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav(2.0))
    found = analysis(media=(Media(modality="audio", mime_type="audio/wav", name="talk.wav"),))
    assert 'class="wave"' in page(found, path)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("gone.mp4", "it is not where it was"),
        ("https://media.example/a.mp4?key=secret", "it is a link"),
        ("-", "it came from standard input"),
    ],
)
def test_a_source_that_cannot_be_read_again_is_said_to_be(source, why):
    shown = page(analysis(), source)
    assert f"No pictures: {why}" in shown
    assert "secret" not in shown


def test_a_damaged_source_does_not_end_the_report(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video at all")
    shown = page(analysis(), path)
    assert "No pictures: " in shown
    assert str(tmp_path) not in shown


def test_media_below_the_page_are_played_by_a_relative_address(tmp_path, make_video):
    clip = make_video(tmp_path / "a b#1?.mp4")
    shown = page(analysis(), clip, path=tmp_path / "report.html")
    assert 'src="./a%20b%231%3F.mp4"' in shown
    assert "media-src 'self' file:;" in shown


def test_media_elsewhere_are_not_linked(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4")
    (tmp_path / "reports").mkdir()
    shown = page(analysis(), clip, path=tmp_path / "reports" / "report.html")
    assert "<video" not in shown
    assert "media-src" not in shown


def test_media_and_page_below_the_current_folder_reach_each_other(
    tmp_path, make_video, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    (tmp_path / "reports").mkdir()
    shown = page(analysis(), "clip.mp4", path=Path("reports/report.html"))
    assert 'src="../clip.mp4"' in shown


def test_no_folder_of_this_machine_is_told(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4")
    found = analysis(
        warnings=(f"{clip}: it breaks off",),
        left_out=(LeftOut(words=f"the end of {clip}"),),
        media=(Media(modality="video", mime_type="video/mp4", path=clip, name=str(clip)),),
    )
    for shown in (page(found, clip), page(found, str(clip)), page(found)):
        assert "clip.mp4: it breaks off" in shown
        assert str(tmp_path) not in shown


def test_a_report_is_the_owners_alone(tmp_path):
    path = mediasense.report(analysis(), tmp_path / "a.html", question="what?")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


def test_a_report_is_written_anew_over_a_report(tmp_path):
    path = mediasense.report(analysis("the first"), tmp_path / "a.html")
    mediasense.report(analysis("the second"), path)
    assert "the second" in path.read_text()


def test_nothing_else_is_written_over(tmp_path):
    path = tmp_path / "notes.html"
    path.write_text("<!doctype html><p>mine</p>")
    with pytest.raises(UsageError, match="is no report"):
        write_report(path, analysis())
    assert path.read_text() == "<!doctype html><p>mine</p>"


def test_a_link_is_not_followed(tmp_path):
    target = mediasense.report(analysis(), tmp_path / "real.html")
    (tmp_path / "link.html").symlink_to(target)
    with pytest.raises(UsageError, match="is no report"):
        write_report(tmp_path / "link.html", analysis())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="mkdir -p"):
        write_report(tmp_path / "no" / "a.html", analysis())


def test_a_page_that_cannot_be_finished_leaves_nothing_behind(tmp_path):
    from mediasense.reports.places import write_page

    def breaks_off():
        yield "<!doctype html>"
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        write_page(tmp_path / "a.html", breaks_off())
    assert list(tmp_path.iterdir()) == []


def test_a_page_without_anything_is_still_a_page():
    bare = Analysis(
        text="",
        provider="acme",
        model="",
        strategy="images",
        timings=Timings(total=0, prepare=0, provider=0),
        media=(),
    )
    assert "The answer is empty." in page(bare)


def test_a_transcript_alone_can_be_skipped_to():
    shown = page(analysis(strategy="transcript"))
    assert 'href="#content"' in shown
    assert '<main id="content">' in shown


def test_every_id_is_there_once_and_every_fragment_leads_somewhere(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4", seconds=3.0)
    shown = page(analysis("At 0:01 it starts."), clip, question=Question(prompt="when?"))
    ids = re.findall(r' id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', shown)) <= set(ids)
