"""The pages of a batch: one for each item, and one that lists them."""

from __future__ import annotations

import json
import re
import stat

import pytest

from mediasense.batches.records import result_of_line
from mediasense.errors import StoreError, UsageError
from mediasense.reports import index
from mediasense.reports.batch import BatchReport, write_batch
from mediasense.reports.items import page_name
from mediasense.types import Question


def line(name="a.jpg", *, item="", answer="fine", error=None, seconds=1.0, **facts) -> str:
    """A line of results."""
    envelope = {
        "version": 1,
        "text": answer,
        "data": None,
        "provider": "acme",
        "model": "eye",
        "strategy": "images",
        "usage": None,
        "cost": 0.25,
        "cached": False,
        "media": [
            {
                "source": name,
                "modality": "image",
                "mime_type": "image/jpeg",
                "size": 10,
                "width": 4,
                "height": 3,
                "seconds": None,
                "has_sound": None,
            }
        ],
        "timings": {"total": 1.0, "prepare": 0.5, "provider": 0.5},
        **facts,
    }
    failure = None
    if error is not None:
        failure = {"kind": error, "message": f"{name} {answer}", "exit_code": 3, "passing": True}
    return json.dumps(
        {
            "id": item or f"id-of-{name}",
            "source": name,
            "status": "failed" if error else "answered",
            "answer": None if error else envelope,
            "error": failure,
            "seconds": seconds,
        }
    )


@pytest.fixture
def write(tmp_path):
    """Write a batch of lines; gives the folder."""

    def make(*lines: str, question: Question | None = None, **facts):
        results = tmp_path / "results.jsonl"
        results.write_text("".join(f"{each}\n" for each in lines))
        folder = tmp_path / "report"
        asked = question or Question(prompt="what is wrong?")
        write_batch(BatchReport(folder=folder, results=results, question=asked, **facts))
        return folder

    return make


def listed(folder) -> str:
    return (folder / "index.html").read_text()


def test_each_item_has_its_page_and_its_row(write):
    folder = write(line("a.jpg", answer="**one**"), line("b.jpg", answer="two"))
    links = re.findall(r'href="(pages/[^"]+)"', listed(folder))
    assert len(links) == 2
    assert "<strong>one</strong>" in (folder / links[0]).read_text()
    assert "two" in (folder / links[1]).read_text()
    assert 'href="../index.html"' in (folder / links[0]).read_text()


def test_numbers_stand_above_the_list(write):
    folder = write(line("a"), line("b", cost=None), line("c", error="RateLimited"))
    shown = listed(folder)
    for words in ("<dd>2</dd>", "<dd>1</dd>", "$0.2500", "and 1 of unknown cost", "3.0 s"):
        assert words in shown


def test_a_failure_is_shown_with_its_class_and_what_to_do(write):
    folder = write(line("a.jpg", answer="is damaged; copy it anew", error="CorruptMedia"))
    (page,) = (folder / "pages").iterdir()
    for shown in (listed(folder), page.read_text()):
        assert "CorruptMedia" in shown
        assert "is damaged; copy it anew" in shown
    assert "--retry-failed" in page.read_text()


def test_what_an_item_was_asked_stands_on_its_page(write):
    own = {"id-of-b.jpg": "and what is right?"}
    folder = write(line("a.jpg"), line("b.jpg"), own_prompts=own)
    pages = {page.name[0]: page.read_text() for page in (folder / "pages").iterdir()}
    assert "what is wrong?" in pages["a"]
    assert "and what is right?" in pages["b"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/abs/x.jpg", "a/\0/b", "..", "", "CON", "x" * 400, "ü/ß.jpg", "a\nb"],
)
def test_a_name_is_no_path(name):
    found = page_name(result_of_line(line(name, item="the id")))
    assert re.fullmatch(r"([a-z0-9-]{1,40}-)?[0-9a-f]{12}\.html", found)


def test_two_items_of_one_name_have_two_pages():
    one, other = line("a.jpg", item="1"), line("a.jpg", item="2")
    assert page_name(result_of_line(one)) != page_name(result_of_line(other))


def test_no_folder_of_this_machine_is_told(write, tmp_path, make_image):
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    lost = str(tmp_path / "lost.png")
    folder = write(
        line(str(path)), line(lost), line(f"{lost}2", answer="gone", error="MediaNotFound")
    )
    for page in (folder / "index.html", *(folder / "pages").iterdir()):
        assert str(tmp_path) not in page.read_text()


def test_pages_of_an_earlier_run_are_left_alone(write):
    folder = write(line("a.jpg"), line("b.jpg"))
    times = {page: page.stat().st_mtime_ns for page in (folder / "pages").iterdir()}
    write(line("a.jpg"), line("b.jpg"), line("c.jpg"))
    again = {page: page.stat().st_mtime_ns for page in (folder / "pages").iterdir()}
    assert len(again) == 3
    assert times.items() <= again.items()


def test_a_page_is_made_anew_when_its_answer_changed(write):
    folder = write(line("a.jpg", answer="bad", error="RateLimited"))
    write(line("a.jpg", answer="better now"))
    (page,) = (folder / "pages").iterdir()
    assert "better now" in page.read_text()


def test_pages_and_folders_are_the_owners_alone(write):
    folder = write(line())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "pages")}
    assert modes == {0o700}
    files = [folder / "index.html", *(folder / "pages").iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_an_index_of_somebody_else_is_not_written_over(tmp_path, write):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="is no report"):
        write(line())


def test_a_page_of_somebody_else_is_not_written_over(tmp_path, write):
    pages = tmp_path / "report" / "pages"
    pages.mkdir(parents=True)
    (pages / page_name(result_of_line(line()))).write_text("mine")
    with pytest.raises(UsageError, match="is no report"):
        write(line())


def test_lines_that_are_none_are_counted(write):
    folder = write(line(), "{}", "not json", "[1]", '{"id": 1}')
    assert "4 lines of the results cannot be read" in listed(folder)


def test_results_that_are_gone_are_an_error(tmp_path):
    with pytest.raises(StoreError, match="cannot be read"):
        write_batch(
            BatchReport(folder=tmp_path / "r", results=tmp_path / "no.jsonl", question=Question())
        )


def test_a_list_that_is_too_long_says_so(write, monkeypatch):
    monkeypatch.setattr(index, "MOST_ROWS", 2)
    shown = listed(write(line("a"), line("b"), line("c")))
    assert "The first 2 are listed" in shown
    assert shown.count('data-status="answered"') == 2


def test_a_hostile_row_adds_no_element(write):
    bad = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    names = {"provider": bad, "model": bad}
    hostile = listed(write(line(bad, answer=bad, **names), line(bad, answer=bad, error=bad)))
    bland = listed(write(line("x"), line("x", error="x", item="y")))
    assert _elements(hostile) == _elements(bland)


def _elements(page: str) -> list[tuple[str, ...]]:
    from html.parser import HTMLParser

    found: list[tuple[str, ...]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, *(name for name, _ in attrs)))

    Reader().feed(page)
    return found


def test_many_items_take_no_more_memory_than_a_few(tmp_path):
    few, many = _peak(tmp_path, 40), _peak(tmp_path, 400)
    assert many < few + 360 * 1000  # a row of the list is a part of what a line of 3,000 bytes is


def _peak(tmp_path, count: int) -> int:
    """Bytes in use at most while a batch of failures is written."""
    import tracemalloc

    results = tmp_path / f"{count}.jsonl"
    with results.open("w") as file:
        for number in range(count):
            file.write(line(f"{number}.jpg", answer="word " * 500, error="RateLimited") + "\n")
    made = BatchReport(folder=tmp_path / str(count), results=results, question=Question())
    tracemalloc.start()
    try:
        write_batch(made)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
