"""The config file: every error names the file and the key."""

from __future__ import annotations

import math
import os
import string
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import ConfigError
from mediasense.config import (
    _FIELDS,
    _SETTINGS,
    Config,
    cache_path,
    config_path,
    history_path,
    load_config,
)
from mediasense.document import MAX_BYTES


@pytest.fixture(autouse=True)
def stores_as_they_come(monkeypatch):
    monkeypatch.delenv("MEDIASENSE_CACHE")
    monkeypatch.delenv("MEDIASENSE_HISTORY")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a config file and have it found."""
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))

    def make(content: str | bytes):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_without_a_file_there_are_defaults():
    assert load_config() == Config(
        provider=None,
        disable_plugins=(),
        timeout=600.0,
        retries=2,
        cache=True,
        cache_days=30.0,
        cache_megabytes=1000,
        history=True,
        plugins=(),
        endpoints=(),
    )


def test_every_setting_is_read(write):
    write(
        'provider = "acme"\ndisable_plugins = ["a", "b"]\ntimeout = 30\nretries = 0\n'
        "cache = false\ncache_days = 0.5\ncache_megabytes = 20\nhistory = false\n"
    )
    assert load_config() == Config(
        provider="acme",
        disable_plugins=("a", "b"),
        timeout=30,
        retries=0,
        cache=False,
        cache_days=0.5,
        cache_megabytes=20,
        history=False,
    )


def test_an_empty_file_is_the_defaults(write):
    write("")
    assert load_config() == Config()


def test_the_file_lies_in_the_folder_for_settings(empty_environment):
    path = config_path()
    assert path.name == "config.toml"
    assert path.parent.name == "mediasense"
    assert empty_environment in path.parents


def test_the_variable_names_another_file_from_home(monkeypatch, empty_environment):
    monkeypatch.setenv("MEDIASENSE_CONFIG", "~/mine.toml")
    assert config_path() == empty_environment / "mine.toml"


# --- the stores ----------------------------------------------------------------------------------

STORES = ("cache", "history")


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize(
    ("variable", "wanted"), [("on", True), ("off", False), (" ON ", True), ("", None)]
)
def test_the_variable_of_a_store_says_more_than_the_file(
    write, monkeypatch, store, said, variable, wanted
):
    write(f"{store} = {str(said).lower()}")
    monkeypatch.setenv(f"MEDIASENSE_{store.upper()}", variable)
    assert getattr(load_config(), store) is (said if wanted is None else wanted)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("variable", ["0", "1", "no", "true", "of", "on off"])
def test_a_variable_that_says_neither_is_named(monkeypatch, store, variable):
    monkeypatch.setenv(f"MEDIASENSE_{store.upper()}", variable)
    with pytest.raises(ConfigError, match=f"MEDIASENSE_{store.upper()} is ") as caught:
        load_config()
    assert caught.value.hint == "set it to on or off"


def test_the_stores_lie_in_the_home_of_the_user_and_apart(empty_environment):
    assert empty_environment in cache_path().parents
    assert empty_environment in history_path().parents
    assert len({cache_path(), history_path(), config_path()}) == 3


def test_the_stores_lie_where_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    assert cache_path() == tmp_path / "c" / "mediasense" / "answers.sqlite"
    assert history_path() == tmp_path / "s" / "mediasense" / "history.sqlite"


@pytest.mark.parametrize("key", ["cache_days", "cache_megabytes"])
@pytest.mark.parametrize("value", ["0", "-1", "10000001"])
def test_a_cache_of_no_size_is_told(write, key, value):
    path = write(f"{key} = {value}")
    with pytest.raises(ConfigError, match=f"{key}: not ") as caught:
        load_config()
    assert str(path) in caught.value.message


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("provider = 1", "provider", "not a text"),
        ("provider = true", "provider", "not a text"),
        ('provider = "a\\nb"', "provider", "not a text of one line"),
        ('disable_plugins = "a"', "disable_plugins", "not an array"),
        ("disable_plugins = [1]", "disable_plugins", "not a text"),
        ('timeout = "1"', "timeout", "not a number"),
        ("timeout = true", "timeout", "not a number"),
        ("timeout = -1", "timeout", "not above 0 and up to 86400"),
        ("retries = 1.5", "retries", "not a whole number"),
        ("retries = -1", "retries", "not 0 to 10"),
        ("retries = false", "retries", "not a whole number"),
        ("cache = 1", "cache", "not true or false"),
        ('cache = "on"', "cache", "not true or false"),
        ("history = 0", "history", "not true or false"),
        ("cache_days = true", "cache_days", "not a number"),
        ("cache_days = nan", "cache_days", "not above 0"),
        ("cache_megabytes = 1.5", "cache_megabytes", "not a whole number"),
        ("[provider]\nname = 1", "provider", "not a text"),
        ('plugins = "./a.py"', "plugins", "not an array"),
        ("plugins = [1]", "plugins", "not a text"),
        ('plugins = ["a b"]', "plugins", "not the name of a module, or a file"),
        ('plugins = ["a..b"]', "plugins", "not the name of a module, or a file"),
        ('plugins = ["a.py\\u0000"]', "plugins", "not a text of one line"),
        ("providers = 1", "providers", "not a table"),
        ("[[providers]]\nname = 1", "providers", "not a table"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(write, content, key, message):
    path = write("# settings of mine\n" + content)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert caught.value.message.startswith(f"{path}:2: {key}: {message}")
    assert caught.value.hint


@pytest.mark.parametrize("value", ["0", "0.0", "nan", "inf"])
def test_a_timeout_that_no_client_can_keep_is_told(write, value):
    path = write(f"timeout = {value}")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(path) in caught.value.message
    assert "timeout" in caught.value.message


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("providr", "provider"),
        ("time_out", "timeout"),
        ("disabled_plugins", "disable_plugins"),
        ("cache_mb", "cache"),
        ("cache_megabyte", "cache_megabytes"),
        ("histroy", "history"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_is_meant(write, misspelt, meant):
    path = write(f"{misspelt} = 1")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert caught.value.message == f"{path}:1: {misspelt}: unknown setting"
    assert caught.value.hint == f"did you mean {meant}?"


def test_a_key_that_is_like_none_is_told_with_all(write):
    write("colour = 1")
    with pytest.raises(ConfigError) as caught:
        load_config()
    known = [field.name.replace("endpoints", "providers") for field in fields(Config)]
    assert caught.value.hint == f"known: {', '.join(known)}"


def test_every_setting_has_a_place_in_the_record():
    assert {_FIELDS.get(name, name) for name in _SETTINGS} == {f.name for f in fields(Config)}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("\nprovider =", 2),
        ("a\n", 1),
        ("provider = 'a'\nprovider = 'b'\n\n", 2),
        ("retries = 1\r\n[providers.a\r\n", 2),
        ('provider = """\n\n', 3),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(write, content, line):
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert "line" not in caught.value.message.removeprefix(str(path))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param("retries = " + "1" * 5000, id="a number of too many digits"),
        pytest.param("retries = " + "[" * 20_000 + "]" * 20_000, id="nested too deeply"),
        pytest.param("#" * (MAX_BYTES + 1), id="too large"),
    ],
)
def test_a_file_that_cannot_be_settings_is_named(write, content):
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(path) in str(caught.value)


# --- plugins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("acme_rules", "acme_rules"),
        ("acme.rules", "acme.rules"),
        ("./rules.py", "{folder}/rules.py"),
        ("rules.py", "{folder}/rules.py"),
        ("house/rules", "{folder}/house/rules"),
        ("../rules.py", "{folder}/../rules.py"),
        ("/srv/rules.py", "/srv/rules.py"),
        ("~/rules.py", "{home}/rules.py"),
    ],
)
def test_a_plugin_is_a_module_or_a_file_from_the_folder_of_the_settings(
    write, empty_environment, named, found
):
    path = write(f'plugins = ["{named}"]')
    wanted = found.format(folder=path.parent, home=empty_environment)
    assert load_config().plugins == (wanted,)


def test_a_folder_in_its_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(write):
    write("").chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config()


VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.text(string.ascii_letters).map(lambda text: f'"{text}"'),
    st.just("[]"),
    st.just("2026-01-01"),
    st.just("{}"),
    st.just("{ a = { base_url = 'https://a.example', text = true } }"),
)


@settings(max_examples=50, deadline=None)
@given(
    key=st.sampled_from([*_SETTINGS, "endpoints", "other"]),
    value=VALUES,
)
def test_any_setting_is_taken_or_refused(tmp_path_factory, key, value):
    path = tmp_path_factory.mktemp("c") / "c.toml"
    path.write_text(f"{key} = {value}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIASENSE_CONFIG", str(path))
        try:
            config = load_config()
        except ConfigError as error:
            told, config = str(error), None
    if config is None:
        assert str(path) in told
        return
    assert isinstance(config.timeout, int | float)
    assert math.isnan(config.timeout) or config.timeout >= 0
    assert isinstance(config.retries, int)
    assert config.retries >= 0
    assert {type(config.cache), type(config.history)} == {bool}
    assert 0 < config.cache_days <= 1e6
    assert 0 < config.cache_megabytes <= 1e6
