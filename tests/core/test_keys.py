"""Where keys are kept: saved ones, and those in .env files that the user named."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    ConfigError,
    Credentials,
    ImageRequest,
    MissingCredentials,
    connect,
    find_credential,
)
from mediasense.config import NamedFile, keys_path
from mediasense.errors import MediasenseError
from mediasense.keys import LONGEST_KEY, choose_env_files, find_key, tried_out
from mediasense.keys.env_files import names_in_usual_file, read_env_file
from mediasense.keys.saved import (
    MOST_KEYS,
    list_saved,
    remove_key,
    save_key,
    save_path,
)

KEY = "sk-acme-4f9d8a7c6b5e"


@pytest.fixture(autouse=True)
def _no_env_files():
    yield
    choose_env_files(())


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def keys_file(text: str | bytes, mode: int = 0o600) -> Path:
    return write(keys_path(), text, mode)


# --- what is saved -------------------------------------------------------------------------------


def test_a_saved_key_is_found_by_the_name_of_its_variable():
    save_key("ACME_KEY", KEY, store="file")
    kept = find_key("ACME_KEY")
    assert (kept.value, kept.source) == (KEY, "ACME_KEY (saved)")
    assert find_key("OTHER_KEY") is None


def test_the_environment_comes_before_what_is_saved(monkeypatch):
    save_key("ACME_KEY", KEY, store="file")
    monkeypatch.setenv("ACME_KEY", "from-outside")
    assert (find_key("ACME_KEY").value, find_key("ACME_KEY").source) == ("from-outside", "ACME_KEY")


def test_an_empty_variable_of_the_environment_counts_as_none(monkeypatch):
    save_key("ACME_KEY", KEY, store="file")
    monkeypatch.setenv("ACME_KEY", " ")
    assert find_key("ACME_KEY").value == KEY


def test_the_file_and_the_folder_it_makes_are_their_owner_s_alone():
    os.umask(0)
    try:
        save_key("ACME_KEY", KEY, store="file")
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(keys_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(keys_path().parent.stat().st_mode) == 0o700


def test_keys_stand_in_the_users_folder_whatever_config_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(tmp_path / "shared.toml"))
    save_key("ACME_KEY", KEY, store="file")
    assert list(tmp_path.iterdir()) == []
    assert Path.home() in keys_path().parents


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o622])
def test_a_file_that_others_may_read_is_refused_with_what_to_type(mode):
    path = keys_file(f'[ACME_KEY]\nkey = "{KEY}"\n', mode)
    with pytest.raises(ConfigError, match=f"others may read it; type: chmod 600 '{path}'"):
        find_key("ACME_KEY")
    path.chmod(0o600)
    assert find_key("ACME_KEY").value == KEY


def test_nothing_is_saved_in_a_file_that_others_may_read():
    path = keys_file(f'[ACME_KEY]\nkey = "{KEY}"\n', 0o644)
    with pytest.raises(ConfigError, match="others may read"):
        save_key("OTHER_KEY", KEY, store="file")
    assert "OTHER_KEY" not in path.read_text()


def test_removing_leaves_the_others():
    save_key("ACME_KEY", KEY, store="file")
    save_key("OTHER_KEY", KEY, store="file")
    assert remove_key("ACME_KEY").variable == "ACME_KEY"
    assert remove_key("ACME_KEY") is None
    assert [saved.variable for saved in list_saved()] == ["OTHER_KEY"]


def test_a_change_by_another_process_is_seen():
    save_key("ACME_KEY", KEY, store="file")
    assert find_key("ACME_KEY").value == KEY
    code = "from mediasense.keys.saved import save_key; save_key('ACME_KEY', 'new', store='file')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert find_key("ACME_KEY").value == "new"


def test_two_writers_at_once_lose_nothing():
    code = (
        "import sys; from mediasense.keys.saved import save_key\n"
        "for n in range(15): save_key(f'KEY_{sys.argv[1]}_{n}', 'v', store='file')"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, letter]) for letter in ("A", "B", "C")]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(list_saved()) == 45
    assert [p.name for p in keys_path().parent.iterdir()] == ["keys.toml"]


def test_threads_of_one_process_lose_nothing_either():
    threads = [
        threading.Thread(target=save_key, args=(f"KEY_{n}", "v"), kwargs={"store": "file"})
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list_saved()) == 12


@pytest.mark.parametrize("value", ["", "a\nb", "a\x00b", "schlüssel", " a", "x" * 8193])
def test_what_cannot_be_a_key_is_refused_without_being_shown(value):
    with pytest.raises(ConfigError) as caught:
        save_key("ACME_KEY", value, store="file")
    assert len(value) < 3 or value not in str(caught.value)
    assert not keys_path().exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[ACME_KEY]\nkey = "{KEY}', "cannot be understood"),
        (f'ACME_KEY = "{KEY}"', "not a table"),
        (f'[ACME_KEY]\nsecret = "{KEY}"', "unknown setting"),
        (f'[ACME_KEY]\nkey = "{KEY}"\nkeyring = true', "not one of key, path or keyring"),
        ("[ACME_KEY]\nkeyring = false", "not true"),
        ("[ACME_KEY]\nkey = 12345678901", "not a text"),
        (f'["a b"]\nkey = "{KEY}"', "not the name of a variable"),
        (f'[ACME_KEY]\nkey = "{KEY}\\n"', "not a text of one line"),
        (f'[ACME_KEY]\nkey = "{"x" * (LONGEST_KEY + 1)}"', "not a text of one line"),
        ("".join(f'[K{n}]\nkey = "v"\n' for n in range(MOST_KEYS + 1)), "more than 500 keys"),
        ("#" * (1024 * 1024 + 1), "larger than 1024 KiB"),
        (b"\xff\xfe", "cannot be understood"),
    ],
)
def test_a_hostile_file_is_one_line_without_any_key(text, said):
    keys_file(text)
    with pytest.raises(ConfigError, match=said) as caught:
        find_key("ACME_KEY")
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for():
    keys_path().parent.mkdir(parents=True)
    os.mkfifo(keys_path(), 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        find_key("ACME_KEY")


NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,30}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(entries=st.dictionaries(NAMES, VALUES, max_size=6))
def test_whatever_is_saved_comes_back(entries):
    keys_path().unlink(missing_ok=True)
    for name, value in entries.items():
        save_key(name, value, store="file")
    assert {saved.variable: saved.value for saved in list_saved()} == entries


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_by_name(data):
    path = keys_file(data)
    try:
        list_saved()
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_no_record_shows_its_key():
    save_key("ACME_KEY", KEY, store="file")
    assert KEY not in repr(list_saved())
    assert KEY not in repr(find_key("ACME_KEY"))


def test_a_saved_path_of_a_credentials_file_is_used(acme, tmp_path):
    path = write(tmp_path / "account.json", "{}")
    save_path("ACME_FILE", path)
    provider = acme(credentials=Credentials(file_variables=("ACME_FILE",)))
    found = find_credential(provider)
    assert (found.file, found.source) == (path, "ACME_FILE (saved)")


# --- where saved keys go -------------------------------------------------------------------------


def request_of(provider, access=None):
    asked = {"provider": provider, "model": "m", "prompt": "?", "images": ()}
    return ImageRequest(**asked, access=access or Access())


def test_a_saved_key_is_sent_to_its_own_host_and_to_no_other(acme):
    save_key("ACME_KEY", KEY, store="file")
    assert connect(request_of(acme())).key == KEY
    with pytest.raises(MissingCredentials, match=r"ACME_KEY is not sent to other\.example"):
        connect(request_of(acme(), Access(base_url="https://other.example")))


def test_a_saved_key_that_is_named_for_another_host_goes_there(acme):
    save_key("OTHER_KEY", KEY, store="file")
    access = Access(base_url="https://other.example", api_key_env="OTHER_KEY")
    assert connect(request_of(acme(), access)).key == KEY


def test_the_key_for_any_base_url_counts_in_the_environment_alone(acme, monkeypatch, tmp_path):
    keys_file(f'[MEDIASENSE_API_KEY]\nkey = "{KEY}"\n')
    choose_env_files([write(tmp_path / ".env", f"MEDIASENSE_API_KEY={KEY}\n")])
    access = Access(base_url="https://other.example")
    with pytest.raises(MissingCredentials):
        connect(request_of(acme(), access))
    monkeypatch.setenv("MEDIASENSE_API_KEY", KEY)
    assert connect(request_of(acme(), access)).key == KEY


def test_no_file_of_keys_says_where_a_provider_is(acme, tmp_path):
    keys_file('[ACME_URL]\nkey = "https://evil.example"\n')
    choose_env_files([write(tmp_path / ".env", "ACME_URL=https://evil.example\n")])
    save_key("ACME_KEY", KEY, store="file")
    provider = acme(base_url_variables=("ACME_URL",))
    assert connect(request_of(provider)).base_url == "https://api.acme.example/v1"


@pytest.mark.parametrize(
    "line", ["MEDIASENSE_CONFIG=/tmp/x.toml", "MEDIASENSE_PROVIDER=evil", "HTTPS_PROXY=http://evil"]
)
def test_an_env_file_changes_no_setting_and_no_environment(line, tmp_path, monkeypatch):
    from mediasense.config import config_path, load_config

    before = (dict(os.environ), config_path(), load_config())
    choose_env_files([write(tmp_path / ".env", f"{line}\nACME_KEY={KEY}\n")])
    assert find_key("ACME_KEY").value == KEY
    assert (dict(os.environ), config_path(), load_config()) == before


def test_switched_off_neither_saved_keys_nor_env_files_are_read(monkeypatch, tmp_path):
    keys_file("nonsense", 0o644)
    choose_env_files([tmp_path / "missing.env"])
    monkeypatch.setenv("MEDIASENSE_KEYS", "off")
    assert find_key("ACME_KEY") is None


def test_a_key_that_is_tried_out_comes_first_and_is_gone_afterwards(monkeypatch):
    monkeypatch.setenv("ACME_KEY", "from-outside")
    with tried_out("ACME_KEY", KEY):
        assert find_key("ACME_KEY").value == KEY
    assert find_key("ACME_KEY").value == "from-outside"


# --- .env files ----------------------------------------------------------------------------------


def test_an_env_file_of_the_working_directory_is_not_read_unasked(acme):
    write(Path(".env"), f"ACME_KEY={KEY}\n")
    assert find_key("ACME_KEY") is None


def test_the_error_names_an_env_file_that_has_the_key(acme):
    write(Path(".env"), f"ACME_KEY={KEY}\n")
    with pytest.raises(MissingCredentials, match=r"add --env-file \.env") as caught:
        connect(request_of(acme()))
    assert "./.env names ACME_KEY" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("text", ["OTHER=1\n", "ACME_KEY=\n", "\xff", "#" * 70_000])
def test_the_usual_hint_stands_where_the_env_file_does_not_help(acme, text):
    write(Path(".env"), text.encode("latin-1"))
    with pytest.raises(MissingCredentials, match="type: export ACME_KEY="):
        connect(request_of(acme()))


def test_saved_keys_come_before_env_files_and_the_first_file_first(tmp_path):
    first = write(tmp_path / "a.env", "ACME_KEY=first\n")
    second = write(tmp_path / "b.env", "ACME_KEY=second\nB_KEY=b\n")
    choose_env_files([first, second])
    assert find_key("ACME_KEY").source == f"ACME_KEY (in {first})"
    assert find_key("B_KEY").value == "b"
    save_key("ACME_KEY", KEY, store="file")
    assert find_key("ACME_KEY").value == KEY


def test_the_variable_and_the_setting_name_env_files(monkeypatch, tmp_path):
    config = write(tmp_path / "conf" / "config.toml", 'env_file = "keys.env"\n')
    write(tmp_path / "conf" / "keys.env", "A_KEY=from-setting\n")
    write(tmp_path / "own.env", "B_KEY=from-variable\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    monkeypatch.setenv("MEDIASENSE_ENV_FILE", str(tmp_path / "own.env"))
    assert (find_key("A_KEY").value, find_key("B_KEY").value) == ("from-setting", "from-variable")


def test_a_named_file_that_is_missing_is_an_error_that_says_who_names_it(monkeypatch, tmp_path):
    config = write(tmp_path / "config.toml", '\nenv_file = "none.env"\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    with pytest.raises(ConfigError, match=r"config.toml:2: env_file names .*none.env, which does"):
        find_key("A_KEY")


def test_values_are_taken_as_they_stand(monkeypatch, tmp_path):
    monkeypatch.setenv("OUTER", "leak")
    text = "export A_KEY=\"quoted\"\nB_KEY='a b'\nC_KEY=${OUTER}$(id) # why\nD_KEY\n=x\n"
    found = read_env_file(NamedFile(path=write(tmp_path / ".env", text), named_by="--env-file"))
    assert found.values == {
        "A_KEY": "quoted",
        "B_KEY": "a b",
        "C_KEY": "${OUTER}$(id)",
        "D_KEY": "",
    }
    assert found.odd == (5,)


def test_a_line_that_is_not_understood_is_not_printed(tmp_path, capfd, caplog):
    path = write(tmp_path / ".env", f'={KEY}\n"{KEY}\n')
    with caplog.at_level(logging.DEBUG):
        choose_env_files([path])
        find_key("A_KEY")
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"A_KEY=\xff", "not UTF-8"),
        (b"#" * (64 * 1024 + 1), "larger than 64 KiB"),
        (b"A=" + b" " * 10_001, "more than 10000 characters"),
    ],
)
def test_a_file_that_is_too_much_is_refused(data, said, tmp_path):
    choose_env_files([write(tmp_path / ".env", data)])
    with pytest.raises(ConfigError, match=said):
        find_key("A_KEY")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_is_read_or_refused(text, tmp_path):
    path = write(tmp_path / ".env", text.encode("utf-8", "surrogatepass"))
    try:
        found = read_env_file(NamedFile(path=path, named_by="--env-file"))
    except MediasenseError:
        return
    assert all(name.isascii() for name in found.values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=300))
def test_looking_for_a_hint_never_fails(data):
    write(Path(".env"), data)
    assert all(isinstance(name, str) for name in names_in_usual_file())
