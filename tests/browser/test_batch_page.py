"""The page that lists the answers of a batch: found, filtered and sorted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mediasense import Question
from mediasense.envelope import to_plain
from mediasense.reports.batch import BatchReport, write_batch

ITEMS = {"b2.mp4": 0.5, "b10.mp4": None, "a1.mp4": 0.25}


@pytest.fixture
def make_index(tmp_path, make_analysis):
    def make(items):
        results = tmp_path / "results.jsonl"
        envelope = to_plain(make_analysis())
        with results.open("w") as file:
            for seconds, (name, cost) in enumerate(items.items()):
                answer = {**envelope, "cost": cost, "text": f"about *{name}*"}
                failure = {"kind": "RateLimited", "message": f"{name}: wait", "exit_code": 22}
                failed = name.startswith("bad")
                line = {
                    "id": name,
                    "source": name,
                    "answer": None if failed else answer,
                    "error": failure if failed else None,
                    "seconds": float(seconds),
                }
                file.write(json.dumps(line) + "\n")
        asked = replace(Question(), prompt="what is it?")
        write_batch(BatchReport(folder=tmp_path / "report", results=results, question=asked))
        return tmp_path / "report" / "index.html"

    return make


def names(tab) -> list[str]:
    shown = tab.page.locator("tbody tr:not([hidden]) th").all()
    return [cell.text_content() for cell in shown]


def test_names_are_sorted_with_their_numbers(visit, make_index):
    tab = visit(make_index(ITEMS))
    assert names(tab) == ["b2.mp4", "b10.mp4", "a1.mp4"]
    tab.page.get_by_role("button", name="Item").click()
    assert names(tab) == ["a1.mp4", "b2.mp4", "b10.mp4"]
    tab.page.get_by_role("button", name="Item").click()
    assert names(tab) == ["b10.mp4", "b2.mp4", "a1.mp4"]


def test_an_unknown_cost_is_last_either_way(visit, make_index):
    tab = visit(make_index(ITEMS))
    tab.page.get_by_role("button", name="Cost").click()
    assert names(tab) == ["b2.mp4", "a1.mp4", "b10.mp4"]
    assert tab.page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    tab.page.get_by_role("button", name="Cost").click()
    assert names(tab) == ["a1.mp4", "b2.mp4", "b10.mp4"]


def test_all_words_that_are_searched_must_be_there(visit, make_index):
    tab = visit(make_index(ITEMS))
    tab.page.get_by_role("searchbox").fill("ABOUT b10")
    assert names(tab) == ["b10.mp4"]
    assert tab.page.locator("#count").text_content() == "1 of 3 items"
    tab.page.get_by_role("searchbox").fill("nowhere")
    assert tab.page.get_by_text("Nothing matches.").is_visible()


def test_what_failed_is_found_by_itself(visit, make_index):
    tab = visit(make_index({**ITEMS, "bad.mp4": None}))
    tab.page.get_by_role("radio", name="Failed").check()
    assert names(tab) == ["bad.mp4"]


def test_a_row_leads_to_its_page_and_back(visit, make_index):
    tab = visit(make_index(ITEMS))
    tab.page.get_by_role("link", name="a1.mp4").click()
    assert tab.page.locator("h1").text_content() == "a1.mp4"
    tab.page.get_by_role("link", name="All answers").click()
    assert len(names(tab)) == 3
    assert tab.said == []


def test_it_can_be_read_without_a_script_and_on_a_phone(visit, make_index):
    tab = visit(make_index(ITEMS), width=360, script=False)
    assert len(names(tab)) == 3
    assert not tab.page.locator(".controls").is_visible()
    tab = visit(make_index(ITEMS), width=360)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_thousands_of_rows_are_searched_at_once(visit, make_index, monkeypatch):
    from mediasense.reports import batch

    # Only the list matters here.
    monkeypatch.setattr(batch, "_write_item", lambda *_: None)
    tab = visit(make_index({f"clip-{number}.mp4": number / 100 for number in range(1500)}))
    tab.page.get_by_role("searchbox").fill("clip-1499.mp4")
    assert names(tab) == ["clip-1499.mp4"]
    tab.page.get_by_role("searchbox").fill("")
    tab.page.get_by_role("button", name="Cost").click()
    assert tab.page.locator("tbody th").first.text_content() == "clip-1499.mp4"
