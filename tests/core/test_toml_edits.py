"""Changing a TOML document without touching what is not meant."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.settings_file import toml_value
from mediasense.toml_edits import with_setting, without

FULL = """\
# My settings.
timeout = 60   # seconds

# Who answers.
provider = "groq"
plugins = [
    "a.py",  # one
    "b.py",
]

# tried 2026-11-30
[providers.acme]
base_url = "https://acme.example"
image = true

[providers.acme.audio]
transcribes = true

# Another one.
[providers.other]  # see the wiki
base_url = "https://other.example"
text = true
"""


def test_a_setting_takes_the_place_of_the_old_one_and_its_comment_stays():
    assert with_setting(FULL, "timeout", "90") == FULL.replace("60   # s", "90   # s")


def test_a_value_of_several_lines_is_replaced_whole():
    changed = with_setting(FULL, "plugins", '["c.py"]')
    assert changed == FULL.replace('[\n    "a.py",  # one\n    "b.py",\n]', '["c.py"]')


def test_a_new_setting_stands_behind_those_of_the_top():
    assert with_setting(FULL, "retries", "1") == FULL.replace(
        '"b.py",\n]\n', '"b.py",\n]\nretries = 1\n'
    )


def test_in_a_file_of_tables_alone_it_stands_before_them_and_their_comments():
    text = "# acme\n[providers.acme]\ntext = true\n"
    assert with_setting(text, "retries", "1") == f"retries = 1\n\n{text}"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", "retries = 1\n"),
        ("# nothing yet", "# nothing yet\nretries = 1\n"),
        ("timeout = 1", "timeout = 1\nretries = 1\n"),
        ("timeout = 1\r\n[providers]\r\n", "timeout = 1\r\nretries = 1\r\n[providers]\r\n"),
        ("retries=5", "retries=1"),
    ],
)
def test_in_other_files(text, changed):
    assert with_setting(text, "retries", "1") == changed


def test_a_setting_goes_with_its_line():
    assert without(FULL, ("timeout",)) == FULL.replace("timeout = 60   # seconds\n", "")


def test_a_table_goes_with_those_in_it_and_the_comments_right_above_it():
    start, end = FULL.index("# tried"), FULL.index("# Another")
    assert without(FULL, ("providers", "acme")) == FULL[:start] + FULL[end:]


def test_the_last_table_goes_too():
    assert without(FULL, ("providers", "other")) == FULL[: FULL.index("# Another")]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("[providers]\na = { text = true }\nb = {}\n", "[providers]\nb = {}\n"),
        ("providers.a.text = true\nx = 1\n", "x = 1\n"),
        ("[providers.a]\n[providers.b]\n[providers.a.text]\n", "[providers.b]\n"),
        ('[providers."a"]\ntext = true', ""),
    ],
)
def test_a_table_goes_however_it_is_written(text, changed):
    assert without(text, ("providers", "a")) == changed


KEYS = st.sampled_from(["a", "b", "c", '"d e"'])
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text("a\"'#[]=\n\\ é", max_size=6),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@st.composite
def documents(draw):
    """A document of settings, tables and comments, and the newline that ends its lines."""
    lines, top = [], draw(st.dictionaries(KEYS, VALUES, max_size=3))
    tables = draw(st.lists(st.sampled_from(["t", "u", "t.v"]), unique=True, max_size=3))
    for header, table in [("", top), *((t, draw(st.dictionaries(KEYS, VALUES))) for t in tables)]:
        if draw(st.booleans()):
            lines.append('# a [comment] = "x')
        if header:
            lines.append(f"[{header}]{draw(st.sampled_from(['', '  # [no]']))}")
        for key, value in table.items():
            lines.append(f"{key} = {toml_value(value)}{draw(st.sampled_from(['', ' # = 1']))}")
            lines += [""] * draw(st.integers(0, 1))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


@given(text=documents(), name=st.sampled_from(["a", "b", "new"]), value=VALUES)
def test_only_the_setting_that_is_set_changes(text, name, value):
    before = tomllib.loads(text)
    after = tomllib.loads(with_setting(text, name, toml_value(value)))
    assert after == {**before, name: value}


@given(text=documents(), name=st.sampled_from(["a", "b", "t", "u"]))
def test_only_what_is_taken_out_is_gone(text, name):
    before = tomllib.loads(text)
    before.pop(name, None)
    assert tomllib.loads(without(text, (name,))) == before


@given(text=documents())
def test_every_line_that_is_kept_is_kept_as_it_was(text):
    kept = without(text, ("t",)).splitlines()
    lines = iter(text.splitlines())
    assert all(line in lines for line in kept)  # in their order
