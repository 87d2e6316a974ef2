"""The lines of keys: what is written by the test is found where the test wrote it."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.toml_lines import find_lines

DOCUMENT = '''\
# [not.a.table]
provider = "a = b"   # retries = 1

[providers.acme]
base_url = """
timeout = 1
[also.not.a.table]
"""
headers = { X-Team = "blue", "a b" = 'c' }
list = [
  "]",   # ]
  { inner = 1 },
]

[ providers . "acme 2" . audio ]
a.b."c.d" = 1
[[items]]
name = 1
[[items]]
name = 2
[late]
[late.child]
deep = 1
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("provider", 2),
        ("providers.acme", 4),
        ("providers.acme.base_url", 5),
        ("providers.acme.headers", 9),
        ("providers.acme.list", 10),
        ("providers.acme 2", 15),
        ("providers.acme 2.audio", 15),
        ("items", 17),
        ("items.name", 18),
        ("late", 21),
        ("late.child", 22),
        ("late.child.deep", 23),
    ],
)
def test_a_key_is_found_where_it_stands(key, line):
    assert find_lines(DOCUMENT)[tuple(key.split("."))] == line


def test_a_dotted_key_is_found_whole_and_by_its_beginnings():
    lines = find_lines(DOCUMENT)
    table = ("providers", "acme 2", "audio")
    assert {lines[*table, "a"], lines[*table, "a", "b"], lines[*table, "a", "b", "c.d"]} == {16}


def test_what_stands_in_strings_and_comments_is_no_key():
    told = {".".join(key) for key in find_lines(DOCUMENT)}
    assert not {"not", "also", "timeout", "retries", "providers.acme.timeout"} & told


def test_a_header_says_more_than_the_tables_below_it():
    assert find_lines("[a.b]\nc = 1\n[a]\nd = 1\n")[("a",)] == 3


@pytest.mark.parametrize("ends", ['""""', '"""""'])
def test_quotes_at_the_end_of_a_long_string_are_of_it(ends):
    document = f'a = """x\n{ends}\nb = 1\n'
    assert tomllib.loads(document)["b"] == 1
    assert find_lines(document) == {("a",): 1, ("b",): 3}


def test_a_key_of_many_parts_costs_no_more_than_a_short_one():
    key = ".".join(["a"] * 2000)
    assert find_lines(f"{key} = 1\n") == {("a",) * n: 1 for n in range(1, 9)}


# --- any document --------------------------------------------------------------------------------

ANY = st.characters(codec="utf-8")
NAMES = st.text(ANY, max_size=5) | st.sampled_from(
    ["a", "b", "providers", "a.b", "=", "[", '"', "#"]
)
TEXTS = st.text(ANY, max_size=12) | st.sampled_from(
    ["x\ny", "]", '"""', "'''", "# a = 1", "a\n[b]\n"]
)


def quoted(text: str) -> str:
    """As a TOML string: as JSON, but for the one escape that TOML has not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


VALUES = st.recursive(
    st.integers().map(str)
    | TEXTS.map(quoted)
    | TEXTS.map(lambda text: '"""\n' + quoted(text)[1:-1].replace("\\n", "\n") + '"""')
    | st.sampled_from(["'a = \"'", "'''\n[c]\n'''", "1979-05-27T07:32:00Z", "1.5", "true"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n# ]\n" + ",\n".join(items) + "\n]")
        | st.dictionaries(NAMES, inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{quoted(k)} = {v}" for k, v in table.items()) + "}"
        )
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3)
GAPS = st.sampled_from(["", "\n", "# a comment = [\n", "  \n\n"])


@settings(max_examples=200, deadline=None)
@given(tables=TABLES, data=st.data())
def test_every_key_of_any_document_is_found_on_its_line(tables, data):
    written: dict[tuple[str, ...], int] = {}
    text = ""
    for table, values in tables.items():
        text += data.draw(GAPS)
        written[(table,)] = text.count("\n") + 1
        text += f"[ {quoted(table)} ] # [x]\n"
        for name, value in values.items():
            text += data.draw(GAPS)
            written[table, name] = text.count("\n") + 1
            text += f"{quoted(name)} = {value} # {{\n"
    assert tomllib.loads(text).keys() == tables.keys()
    assert find_lines(text) == written
