"""The order in which people would read lines at places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediasense_on_device import layout
from mediasense_on_device.boxes import moved

from .conftest import line


def column(left: int, top: int, step: int, *texts: str, width: int = 80) -> list:
    return [line(text, left, top + step * n, width) for n, text in enumerate(texts)]


def test_nothing_is_no_text():
    assert layout.text([]) == ""


def test_a_paragraph_is_read_from_top_to_bottom():
    lines = column(0, 0, 26, "one", "two", "three")
    assert layout.text(lines[::-1]) == "one\ntwo\nthree"


def test_paragraphs_are_apart():
    lines = [*column(0, 0, 26, "one", "two"), *column(0, 120, 26, "three", "four")]
    assert layout.text(lines) == "one\ntwo\n\nthree\nfour"


def test_words_of_one_row_are_joined():
    assert layout.text([line("world", 110, 2), line("hello", 0, 0)]) == "hello world"


def test_columns_of_prose_are_read_one_after_the_other():
    """Their lines are level; read across they would be nonsense."""
    left = column(0, 0, 26, "a1", "a2", "a3", width=500)
    right = column(600, 0, 26, "b1", "b2", "b3", width=500)
    assert layout.text(left + right) == "a1\na2\na3\n\nb1\nb2\nb3"


def test_columns_of_a_table_are_read_row_by_row():
    number = column(0, 0, 40, "Line", "1", "2", "3", width=40)
    name = column(200, 0, 40, "Name", "Ash", "Birch", "Cedar")
    price = column(500, 2, 40, "Price", "10", "20", "30")
    assert layout.text(number + name + price) == (
        "Line  Name  Price\n1  Ash  10\n2  Birch  20\n3  Cedar  30"
    )


def test_a_column_with_gaps_is_part_of_its_table():
    name = column(0, 0, 40, "Name", "Ash", "Birch", "Cedar", "Elm")
    state = [line("State", 300, 0, 60), *column(300, 80, 40, "paid", "open", "paid", width=60)]
    assert "Ash\nBirch  paid\n" in layout.text(name + state)


def test_a_menu_beside_an_article_is_read_first():
    menu = column(0, 0, 36, "Home", "News", "About", "Help")
    article = column(300, 3, 22, "Once", "upon", "a", "time", "there", "was", width=500)
    assert layout.text(menu + article).startswith("Home\nNews\nAbout\nHelp\n\nOnce")


def test_headings_and_small_print_do_not_mix():
    heading = line("Heading", 0, 0, 300, 60)
    assert layout.text([line("small", 320, 45, 60, 12), heading]) in (
        "Heading\n\nsmall",
        "Heading  small",
    )


places = st.builds(
    line,
    st.text("abc", min_size=1, max_size=3),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.integers(1, 600),
    st.integers(1, 60),
)


@given(st.lists(places, max_size=25))
def test_every_line_is_read_once(lines):
    assert sorted(layout.in_order(lines), key=repr) == sorted(lines, key=repr)


@given(st.lists(places, max_size=25, unique_by=lambda it: (it.box.left, it.box.top)))
def test_rows_go_down_and_their_lines_to_the_right(lines):
    for block in layout.blocks(lines):
        for row in block:
            assert [cell.box.left for cell in row] == sorted(cell.box.left for cell in row)


@given(st.lists(places, max_size=15), st.integers(0, 500), st.integers(0, 500))
def test_where_the_whole_stands_does_not_matter(lines, right, down):
    from dataclasses import replace

    shifted = [replace(it, box=moved(it.box, right, down)) for it in lines]
    assert layout.text(shifted) == layout.text(lines)
