"""What others say becomes text on a page, and never an element, an attribute or a script."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.reports.html import clean, joined, tag, text
from mediasense.reports.layout import data_block, lay_out
from mediasense.reports.markdown import plain_text, to_html, with_moments

OF_MARKDOWN = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
OF_LINKS = {"class", "href", "rel", "target", "start", "data-at"}
PIECES = (
    "<script>alert(1)</script>", "</script>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>",
    '"', "'", "`", "&lt;", "&#60;", "\\<", "[a](javascript:alert(1))", "![b](https://x.example/i)",
    "[c](data:text/html,x)", "<https://x.example>", "<javascript:alert(1)>",
    "|a|b|\n|:-|-:|\n|1|2|",
    "\n\n", "\n# ", "\n> ", "\n- ", "\n1. ", "```html\n", "0:07", "1:02:03.5", "\x00", "\ud800",
    "[d]: javascript:alert(1)\n\n[d]", " onclick=alert(1) ", "\u2028", "\u202e",
)  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=12).map("".join)


class Seen(HTMLParser):
    """The elements of some HTML, with their attributes, and all text outside of them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.other: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.other.append(data)

    def handle_pi(self, data):
        self.other.append(data)

    def handle_decl(self, decl):
        self.other.append(decl)

    def unknown_decl(self, data):
        self.other.append(data)


@settings(deadline=None)
@given(hostile, hostile)
def test_words_and_values_stay_what_they_are(words, value):
    seen = Seen(tag("p", {"title": value}, words))
    assert seen.elements == [("p", {"title": clean(value)})]
    assert "".join(seen.words) == clean(words)
    assert seen.other == []


@settings(deadline=None)
@given(hostile)
def test_markdown_gives_no_element_that_is_not_its_own(words):
    seen = Seen(to_html(words, moment=lambda second: f"#frame-{int(second)}"))
    assert {name for name, _ in seen.elements} <= OF_MARKDOWN
    assert {name for _, facts in seen.elements for name in facts} <= OF_LINKS
    assert seen.other == []
    for name, facts in seen.elements:
        href = facts.get("href")
        assert href is None or href.lower().startswith(("https:", "http:", "mailto:", "#frame-"))
        if name == "a" and not (href or "#").startswith("#"):
            assert facts["rel"] == "noopener noreferrer"


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHN2Zz4=)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "[x](//elsewhere.example)",
        "[x](&#106;avascript:alert(1))",
        "[x](\tjavascript:alert(1))",
        "<javascript:alert(1)>",
        "[x](./other.html)",
    ],
)
def test_links_lead_to_the_web_or_to_mail_only(link):
    assert "<a" not in to_html(link)


def test_a_picture_is_not_fetched():
    assert to_html("![a chart](https://x.example/chart.png)").strip() == (
        '<p><span class="picture">[picture: a chart]</span></p>'
    )


def test_html_in_an_answer_is_shown_as_it_was_written():
    assert "&lt;b&gt;bold&lt;/b&gt;" in to_html("<b>bold</b>")


def test_tables_and_headings_are_shown():
    shown = to_html("# One\n\n| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert "<h3>One</h3>" in shown
    assert '<td class="right">2</td>' in shown


def test_times_lead_to_their_moment():
    shown = to_html("At 1:07, not 99:59:59", moment=lambda s: "#frame-2" if s < 100 else None)
    assert '<a class="moment" href="#frame-2" data-at="67">1:07</a>, not 99:59:59' in shown


def test_times_in_links_and_code_are_left_alone():
    shown = to_html("[1:07](https://x.example) `1:07`", moment=lambda _: "#frame-1")
    assert "moment" not in shown


def test_ratios_and_dates_are_no_times():
    assert "<a" not in with_moments("1:2:3:4 and 16:9 and 2026-11-30T10:11:12:13", lambda _: "#f")


def test_a_very_long_answer_is_shown_as_it_is():
    assert to_html("*" * 400_000).startswith('<pre class="plain">***')


@settings(deadline=None)
@given(hostile)
def test_the_first_words_of_an_answer_are_one_line(words):
    found = plain_text(words, 40)
    assert len(found) <= 40
    assert found.isprintable()


def test_the_first_words_are_without_marks():
    assert plain_text("# Title\n\nsome **bold** words", 100) == "Title some bold words"


@settings(deadline=None)
@given(st.dictionaries(hostile, hostile, max_size=3))
def test_nothing_ends_a_block_of_data(value):
    block = data_block("copied", value)
    seen = Seen(block)
    assert seen.elements == [("script", {"type": "application/json", "id": "copied"})]
    assert json.loads("".join(seen.words)) == value
    assert block.count("<") == 2


@settings(deadline=None)
@given(hostile)
def test_a_title_cannot_end_the_head(title):
    page = "".join(lay_out([], title=title, kind="page"))
    seen = Seen(page)
    bare = Seen("".join(lay_out([], title="x", kind="page")))
    assert [(name, set(facts)) for name, facts in seen.elements] == [
        (name, set(facts)) for name, facts in bare.elements
    ]


def test_what_is_html_already_is_not_escaped_twice():
    assert joined(tag("b", None, "<"), text("&")) == "<b>&lt;</b>&amp;"


@pytest.mark.parametrize("kind", ["page", "index"])
def test_the_policy_knows_style_and_script_by_their_hash(kind):
    import base64
    import hashlib
    import re

    page = "".join(lay_out(["<p>$body</p>"], title="$style", kind=kind))
    policy = next(
        facts["content"]
        for _, facts in Seen(page).elements
        if facts.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search("<style>(.*)</style>", page, re.DOTALL)[1]
    script = re.search("<script>(.*)</script>", page, re.DOTALL)[1]
    for code in (style, script):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "<p>$body</p>" in page
