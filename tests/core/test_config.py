"""The config file: every error names the file and the key."""

from __future__ import annotations

import math
import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import ConfigError
from mediasense.config import Config, config_path, load_config


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
    assert load_config() == Config(provider=None, disable_plugins=(), timeout=600.0, retries=2)


def test_every_setting_is_read(write):
    write('provider = "acme"\ndisable_plugins = ["a", "b"]\ntimeout = 30\nretries = 0\n')
    assert load_config() == Config(
        provider="acme", disable_plugins=("a", "b"), timeout=30, retries=0
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


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("provider = 1", "provider", "is not a str"),
        ("provider = true", "provider", "is not a str"),
        ('disable_plugins = "a"', "disable_plugins", "is not a list"),
        ("disable_plugins = [1]", "disable_plugins", "is not a list of names"),
        ('timeout = "1"', "timeout", "is not a int or float"),
        ("timeout = true", "timeout", "is not a int or float"),
        ("timeout = -1", "timeout", "is not"),
        ("retries = 1.5", "retries", "is not a int"),
        ("retries = -1", "retries", "is not"),
        ("retries = false", "retries", "is not a int"),
        ("[provider]\nname = 1", "provider", "is not a str"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(write, content, key, message):
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(path) in caught.value.message
    assert f"{key} {message}" in caught.value.message
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
    [("providr", "provider"), ("time_out", "timeout"), ("disabled_plugins", "disable_plugins")],
)
def test_a_misspelt_key_is_told_with_the_one_that_is_meant(write, misspelt, meant):
    path = write(f"{misspelt} = 1")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert caught.value.message == f"{path}: unknown setting {misspelt!r}"
    assert caught.value.hint == f"did you mean {meant}?"


def test_a_key_that_is_like_none_is_told_with_all(write):
    write("colour = 1")
    with pytest.raises(ConfigError, match="known: provider, disable_plugins, timeout, retries"):
        load_config()


@pytest.mark.parametrize(
    "content", ["provider =", "a\n", b"\xff\xfe", "provider = 'a'\nprovider = 'b'"]
)
def test_a_file_that_is_no_toml_is_named(write, content):
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(path) in str(caught.value)


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
)


@settings(max_examples=50, deadline=None)
@given(
    key=st.sampled_from(["provider", "timeout", "retries", "disable_plugins", "other"]),
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
