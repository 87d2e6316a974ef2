"""Adding a table to the config file: what was there stays, and what is added can be read."""

from __future__ import annotations

import os
import stat
import threading
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense import ConfigError
from mediasense.settings_file import add_table, require_new, toml_table, toml_value

KEY = ("providers", "acme")
TABLE = toml_table(KEY, {"base_url": "https://acme.example/v1", "text": {"streaming": True}})

# All of Unicode, with what could end a string or a comment coming up often.
texts = st.text(
    st.one_of(st.characters(), st.sampled_from("\"'\\\n\r\t\x00\x1b\x7f\x85\u2028#[]={}"))
)
values = st.recursive(
    texts | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def is_utf_8(value: object) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in str(value_texts(value)))


def value_texts(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"{name}{value_texts(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "".join(map(value_texts, value))
    return str(value)


@given(values)
def test_every_value_is_read_as_it_was_or_refused(value):
    try:
        written = toml_value(value)
    except ConfigError:
        assert not is_utf_8(value)
        return
    assert tomllib.loads(f"it = {written}") == {"it": value}


@given(st.lists(texts, max_size=2), st.dictionaries(texts, values, max_size=3))
def test_no_comment_and_no_text_gets_out_of_a_table(comments, table):
    try:
        written = toml_table(("providers", "a.b"), table, comments)
    except ConfigError:
        return
    assert tomllib.loads(written) == {"providers": {"a.b": table}}


def test_a_long_list_stands_on_several_lines():
    written = toml_value([f"image/type-{number}" for number in range(20)])
    assert max(map(len, written.splitlines())) < 100
    assert len(tomllib.loads(f"it = {written}")["it"]) == 20


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"# mine\nretries = 0\n",
        b"retries = 0  # no line end",
        b"[providers.other]\nbase_url = 'https://o.example'\ntext = true\n",
        b"plugins = [\n  'a',\n]\n[providers.other.audio]\nx = '''\n[providers.acme]\n'''\n",
        "# grüße\n".encode(),
    ],
)
def test_what_is_there_is_kept_byte_for_byte(tmp_path, before):
    path = tmp_path / "config.toml"
    path.write_bytes(before)
    add_table(path, KEY, TABLE)
    after = path.read_bytes()
    assert after.startswith(before)
    added = tomllib.loads(after.decode())
    assert added["providers"]["acme"] == tomllib.loads(TABLE)["providers"]["acme"]
    known = tomllib.loads(before.decode())
    assert {name: added[name] for name in known if name != "providers"} == {
        name: value for name, value in known.items() if name != "providers"
    }


def test_lines_end_as_those_of_the_file_do(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"retries = 0\r\n")
    add_table(path, KEY, TABLE)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


def test_a_new_file_and_its_folder_are_their_owners_alone(tmp_path):
    path = tmp_path / "new" / "mediasense" / "config.toml"
    before = os.umask(0)
    try:
        add_table(path, KEY, TABLE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_text() == TABLE


def test_the_mode_of_a_file_is_kept(tmp_path):
    path = tmp_path / "config.toml"
    path.touch()
    path.chmod(0o644)
    add_table(path, KEY, TABLE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_is_followed_and_stays_one(tmp_path):
    target = tmp_path / "dotfiles" / "mediasense.toml"
    target.parent.mkdir()
    target.write_text("retries = 0\n")
    link = tmp_path / "config.toml"
    link.symlink_to(target)
    assert add_table(link, KEY, TABLE) == target
    assert link.is_symlink()
    assert "acme" in target.read_text()


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("retries = 0\n\n[providers.acme]\ntext = true\n", 3),
        ("[providers]\nacme.text = true\n", 2),
        ("x = '''\n[providers.acme]\n'''\n[providers.acme.audio]\n", 4),
        ("[providers.'acme']\n", 1),
        ("providers = { acme = { text = true } }\n", 1),
    ],
)
def test_a_name_that_is_there_is_refused_with_its_line(tmp_path, before, line):
    path = tmp_path / "config.toml"
    path.write_text(before)
    for refuse in (
        lambda: require_new(path, KEY),
        lambda: add_table(path, KEY, TABLE),
    ):
        with pytest.raises(ConfigError, match=rf"config\.toml:{line}: there is already"):
            refuse()
    assert path.read_text() == before


def test_a_table_that_cannot_be_opened_again_is_left_to_the_user(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("providers = { other = { text = true } }\n")
    with pytest.raises(ConfigError, match=r"cannot be added: .*; write it into the file by hand"):
        add_table(path, KEY, TABLE)
    assert "acme" not in path.read_text()


@pytest.mark.parametrize("before", [b"retries = ", b"\xff\xfe", b"x = 1\n" * 200_000])
def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path, before):
    path = tmp_path / "config.toml"
    path.write_bytes(before)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        add_table(path, KEY, TABLE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_refused_by_the_check_is_not_written(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("retries = 0\n")

    def check(document):
        assert document.settings["providers"]["acme"]["text"] == {"streaming": True}
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        add_table(path, KEY, TABLE, check=check)
    assert path.read_text() == "retries = 0\n"
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_that_add_at_once_none_is_lost(tmp_path):
    path = tmp_path / "config.toml"
    names = [f"p{number}" for number in range(12)]

    def add(name: str) -> None:
        add_table(path, ("providers", name), toml_table(("providers", name), {"text": True}))

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(tomllib.loads(path.read_text())["providers"]) == set(names)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(ConfigError, match="cannot be"):
        add_table(tmp_path / "folder" / "config.toml", KEY, TABLE)
