"""``--report``: a page besides the answer, and nothing that costs before it can be written."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def shop(acme_here, httpserver, tmp_path, make_image):
    """The command line in a folder with a picture, and a service that answers."""
    httpserver.expect_request("/look").respond_with_json({"answer": "a **red** car"})
    acme_here.environment.update(ACME_URL=httpserver.url_for("/"), ACME_KEY="k")
    (tmp_path / "car.png").write_bytes(make_image())
    return acme_here


def ask(shop, tmp_path, *arguments):
    return shop.run("image", str(tmp_path / "car.png"), "what is it?", "-p", "acme", *arguments)


def test_the_answer_is_printed_and_the_page_is_written(shop, tmp_path):
    done = ask(shop, tmp_path, "--report", str(tmp_path / "car.html"))
    assert (done.returncode, done.stdout) == (0, "a **red** car\n")
    assert "the report is in" in done.stderr
    page = (tmp_path / "car.html").read_text()
    assert "a <strong>red</strong> car" in page
    assert "what is it?" in page
    assert str(tmp_path) not in page


def test_the_page_goes_with_json_and_with_streaming(shop, tmp_path):
    done = ask(shop, tmp_path, "--json", "--report", str(tmp_path / "car.html"))
    assert json.loads(done.stdout)["text"] == "a **red** car"
    done = ask(shop, tmp_path, "--stream", "--report", str(tmp_path / "car.html"))
    assert done.stdout == "a **red** car\n"


@pytest.mark.parametrize("place", ["car.png", "no/such/folder/a.html", "."])
def test_a_place_where_none_can_be_is_refused_before_anybody_is_asked(
    shop, tmp_path, httpserver, place
):
    done = ask(shop, tmp_path, "--report", str(tmp_path / place))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert httpserver.log == []


def test_a_plan_alone_writes_none(shop, tmp_path):
    ask(shop, tmp_path, "--dry-run", "--report", str(tmp_path / "car.html"))
    assert not (tmp_path / "car.html").exists()


def test_no_key_is_on_the_page(shop, tmp_path):
    shop.environment["ACME_KEY"] = "sk-very-secret"
    ask(shop, tmp_path, "--report", str(tmp_path / "car.html"))
    assert "sk-very-secret" not in (tmp_path / "car.html").read_text()


def test_a_batch_gets_a_page_for_each_and_a_list(shop, tmp_path):
    out, report = tmp_path / "out.jsonl", tmp_path / "report"
    arguments = (
        "--prompt",
        "what is it?",
        "-p",
        "acme",
        "--out",
        str(out),
        "--report",
        str(report),
    )
    done = shop.run("batch", str(tmp_path / "car.png"), str(tmp_path / "gone.png"), *arguments)
    assert done.returncode == 31
    assert f"the report is in {report / 'index.html'}" in done.stderr
    assert len(list((report / "pages").iterdir())) == 2
    listed = (report / "index.html").read_text()
    assert "a red car" in listed
    assert "MediaNotFound" in listed
    assert "what is it?" in listed


def test_a_batch_that_goes_on_lists_what_was_answered_before(shop, tmp_path, make_image):
    out, report = tmp_path / "out.jsonl", tmp_path / "report"
    arguments = ("-p", "acme", "--out", str(out), "--report", str(report))
    shop.run("batch", str(tmp_path / "car.png"), *arguments)
    (tmp_path / "bus.png").write_bytes(make_image())
    done = shop.run("batch", str(tmp_path / "car.png"), str(tmp_path / "bus.png"), *arguments)
    assert done.returncode == 0
    listed = (report / "index.html").read_text()
    assert "car.png" in listed
    assert "bus.png" in listed


def test_the_question_of_a_row_stands_on_its_page(shop, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"source": str(tmp_path / "car.png"), "prompt": "which colour?"}))
    out, report = tmp_path / "out.jsonl", tmp_path / "report"
    arguments = ("-p", "acme", "--out", str(out), "--report", str(report))
    shop.run("batch", "--manifest", str(rows), *arguments)
    (page,) = (report / "pages").iterdir()
    assert "which colour?" in page.read_text()


def test_a_report_of_a_batch_needs_its_results(shop, tmp_path, httpserver):
    done = shop.run(
        "batch", str(tmp_path / "car.png"), "-p", "acme", "--report", str(tmp_path / "r")
    )
    assert done.returncode == 2
    assert "add --out FILE" in done.stderr
    assert httpserver.log == []
