"""Structured data as Markdown: readable, in the order of the schema, and safe whatever is in it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mediasense.output.documents import to_markdown
from mediasense.tasks import find_task, list_tasks

STRUCTURED = [task.name for task in list_tasks() if task.schema]


def made(data: object, **properties: object) -> str:
    schema = {"type": "object", "properties": properties} if properties else None
    return to_markdown(data, schema and json.dumps(schema))


def parsed(text: str):
    """The tokens of a document, those within lines too."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        yield token
        yield from token.children or ()


def test_short_values_are_a_table_and_long_ones_have_headings():
    data = {"kind": "bug", "sure": True, "count": 3, "story": "One.\nTwo."}
    assert made(data) == (
        "| What  | Value |\n"
        "| ----- | ----- |\n"
        "| Kind  | bug   |\n"
        "| Sure  | yes   |\n"
        "| Count | 3     |\n"
        "\n"
        "## Story\n"
        "\n"
        "One.\nTwo.\n"
    )


def test_the_schema_gives_order_and_titles_and_what_it_does_not_know_comes_last():
    data = {"odd": "z", "b_c": "2", "a": "1"}
    text = made(data, a={"title": "First"}, b_c={})
    assert re.findall(r"^\| (\w[\w ]*?) +\|", text, re.MULTILINE)[1:] == ["First", "B c", "Odd"]


def test_a_title_is_the_heading_of_the_whole():
    assert made({"title": "It breaks", "n": 1}) == "# It breaks\n\n**N:** 1\n"


def test_seconds_are_shown_as_people_write_them():
    seconds = {"type": "number", "description": "Seconds from the start."}
    assert made({"at": 83.5}, at=seconds) == "**At:** 1:23.5\n"
    assert made({"at": 83.5}) == "**At:** 83.5\n"


def test_what_is_verbatim_is_kept_letter_by_letter():
    verbatim = {"type": "string", "description": "Verbatim: the text."}
    assert made({"x": "a `b` | *c*"}, x=verbatim) == "**X:** ``a `b` | *c*``\n"
    assert made({"x": "# a\n```\nb"}, x=verbatim) == "## X\n\n````text\n# a\n```\nb\n````\n"


def test_a_stack_trace_in_a_list_keeps_its_lines():
    verbatim = {"type": "string", "description": "Verbatim: the text."}
    items = {"type": "object", "properties": {"kind": {}, "text": verbatim}}
    text = made({"x": [{"kind": "trace", "text": "a\n  b"}]}, x={"type": "array", "items": items})
    code = next(token for token in parsed(text) if token.type == "fence")
    assert code.content == "a\n  b\n"


def test_flat_objects_are_a_table_with_their_fields_as_columns():
    assert made({"x": [{"a": "1", "b": 2}, {"a": "3"}]}) == (
        "## X\n\n| A   | B   |\n| --- | --- |\n| 1   | 2   |\n| 3   |     |\n"
    )


def test_longer_objects_are_a_list_with_the_rest_below():
    long = "word " * 20
    assert made({"x": [{"a": "lead", "b": long, "c": ["1", {"d": "2"}]}]}) == (
        f"## X\n\n- lead\n  - B: {long.strip()}\n  - C:\n    - 1\n    - 2\n"
    )


@pytest.mark.parametrize("empty", [None, "", " ", [], {}, [[]], {"a": None}, {"a": {"b": [""]}}])
def test_what_is_empty_is_left_out(empty):
    assert made({"x": empty, "y": "1"}) == "**Y:** 1\n"
    assert made(empty) == "(nothing)\n"


@pytest.mark.parametrize("kept", [0, False, 0.0])
def test_nothing_and_no_are_values(kept):
    assert "**X:**" in made({"x": kept})


def test_references_within_the_schema_are_followed():
    schema = {
        "properties": {"x": {"$ref": "#/$defs/y"}, "loop": {"$ref": "#/properties/loop"}},
        "$defs": {"y": {"anyOf": [{"type": "null"}, {"title": "Found"}]}},
    }
    assert to_markdown({"x": 1, "loop": 2}, json.dumps(schema)).startswith("| What  | Value |")
    assert "| Found | 1     |" in to_markdown({"x": 1, "loop": 2}, json.dumps(schema))


@pytest.mark.parametrize(
    "text",
    [
        *("# a", "> a", "a\n===", "a\n---", "```\na", "~~~", "| a |", "***", "- - -", "    # a"),
        *("<script>alert(1)</script>", "\\<b>", "![x](http://x.example/a.png)", "[a](b)", "[a]: b"),
        *("\\\\<b>", "a\\", "&lt;b&gt;", "<!-- ", "a | b"),
    ],
)
def test_a_text_stays_a_text(text):
    for data in ({"x": text}, {"x": [text]}, {"x": text + "\n\nmore"}, {"x": [{"a": text}]}):
        tokens = [token.type for token in parsed(made(data))]
        assert not {"html_block", "html_inline", "link_open", "image"} & set(tokens)
        assert tokens.count("heading_open") <= 1
        assert {"blockquote_open", "fence", "hr", "code_block"}.isdisjoint(tokens)


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | st.just("x\ny")
)
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=20,
)


@given(_DATA)
@settings(max_examples=300)
def test_any_data_is_a_document_without_markup_of_its_own(data):
    text = to_markdown(data)
    assert text.endswith("\n")
    kinds = {token.type for token in parsed(text)}
    assert not {"html_block", "html_inline", "link_open", "image", "code_block"} & kinds


@given(st.dictionaries(st.sampled_from("abcdef"), st.from_regex(r"[A-Za-z]{1,80}", fullmatch=True)))
def test_no_word_gets_lost(data):
    text = to_markdown(data)
    assert all(word in text for word in data.values())


@given(_DATA, _DATA)
@settings(max_examples=100)
def test_any_schema_does(data, schema):
    assert to_markdown(data, json.dumps(schema))


@pytest.mark.parametrize(
    "schema", ["", "no JSON", "[]", '{"properties": 1}', '{"items": {"$ref": 1}}']
)
def test_a_schema_that_is_none_is_as_good_as_none(schema):
    assert to_markdown({"x": [1]}, schema) == "## X\n\n- 1\n"


def test_what_is_nested_too_deeply_is_shown_as_json_or_left_out():
    data: object = "end"
    for _ in range(50):
        data = {"x": data}
    assert "`{" in to_markdown(data)
    for _ in range(5000):
        data = [data]
    assert "nested too deeply" in to_markdown({"x": data})


@pytest.mark.parametrize("number", [10**5000, float("nan"), float("inf"), -0.0, 1e300], ids="abcde")
def test_any_number_can_be_told(number):
    seconds = {"type": "number", "description": "Seconds from the start."}
    assert made({"x": number}, x=seconds).startswith("**X:** ")


@pytest.mark.parametrize("name", STRUCTURED)
def test_every_task_has_a_title_for_each_field_and_no_heading_twice(name):
    schema = json.loads(find_task(name).schema)
    data = _filled(schema)
    text = to_markdown(data, find_task(name).schema)
    assert text.startswith("#")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert "_" not in text.replace("x_x", "")


def _filled(schema: dict) -> object:
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {name: _filled(inner) for name, inner in schema["properties"].items()}
    if kind == "array":
        return [_filled(schema["items"])] * 2
    return {
        "string": "a sentence of more words than would fit into the cell of a table",
        "number": 1.5,
        "boolean": True,
    }[kind]
