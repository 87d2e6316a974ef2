"""``mediasense config`` and ``providers remove``."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

ENDPOINTS = """\
provider = "acme"  # mine

# tried 2026-11-30
[providers.one]
base_url = "http://127.0.0.1:1"
like = "acme"
image = true

# The other.
[providers.two]
base_url = "http://127.0.0.1:2"
like = "acme"
image = true
"""


def config_file() -> Path:
    return Path.home() / ".config" / "mediasense" / "config.toml"


def write(text: str) -> Path:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text)
    return config_file()


def test_the_path_is_printed(acme_here):
    assert acme_here.run("config", "path").stdout == f"{config_file()}\n"


def test_setting_makes_a_private_file(acme_here):
    done = acme_here.run("config", "set", "provider", "acme")
    assert done.returncode == 0, done.stderr
    assert config_file().read_text() == 'provider = "acme"\n'
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["timeout", "90"], "timeout = 90"),
        (["timeout", "1.5"], "timeout = 1.5"),
        (["cache", "off"], "cache = false"),
        (["history", "true"], "history = true"),
        (["disable_plugins", "acme"], 'disable_plugins = ["acme"]'),
        (["disable_plugins", "a", "b"], 'disable_plugins = ["a", "b"]'),
        (["provider", "123"], 'provider = "123"'),
        (["env_file", "~/.env"], 'env_file = "~/.env"'),
    ],
)
def test_what_is_typed_becomes_the_value_that_is_meant(acme_here, words, line):
    done = acme_here.run("config", "set", *words)
    assert done.returncode == 0, done.stderr
    assert config_file().read_text() == f"{line}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["timeout", "soon"], "timeout: not a number"),
        (["retries", "99"], "retries: not 0 to 10"),
        (["cache", "maybe"], "cache: not true or false"),
        (["provder", "acme"], "did you mean provider?"),
        (["providers.one.image", "true"], "mediasense providers add"),
        (["provider", "a", "b"], "provider: not a text"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(acme_here, words, said):
    done = acme_here.run("config", "set", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not config_file().exists()


def test_the_rest_of_the_file_stays_as_it_is(acme_here):
    write(ENDPOINTS)
    acme_here.run("config", "set", "timeout", "90")
    assert config_file().read_text() == ENDPOINTS.replace("# mine\n", "# mine\ntimeout = 90\n")
    acme_here.run("config", "unset", "timeout")
    assert config_file().read_text() == ENDPOINTS


def test_a_provider_of_nobody_is_warned_of(acme_here):
    done = acme_here.run("config", "set", "provider", "nobody")
    assert (done.returncode, "no installed plugin offers 'nobody'" in done.stderr) == (0, True)


def test_two_writers_at_once_lose_nothing(acme_here):
    names = ("timeout", "retries", "cache_days", "cache_megabytes")
    started = [acme_here.start("config", "set", name, "5") for name in names]
    assert [process.wait(60) for process in started] == [0] * 4
    for process in started:
        process.communicate()
    assert sorted(config_file().read_text().split()) == sorted([*names, *["="] * 4, *["5"] * 4])


def test_show_says_where_each_setting_comes_from(acme_here):
    write('\nprovider = "acme"\ntimeout = 90\n')
    acme_here.environment["MEDIASENSE_CACHE"] = "on"
    acme_here.environment["MEDIASENSE_PROVIDER"] = "other"
    told = json.loads(acme_here.run("config", "show", "--json").stdout)
    rows = {row["name"]: (row["value"], row["from"]) for row in told["settings"]}
    assert rows["timeout"] == (90.0, f"{config_file()}:3")
    assert rows["provider"] == ("other", "MEDIASENSE_PROVIDER")
    assert rows["cache"] == (True, "MEDIASENSE_CACHE")
    assert rows["retries"] == (2, "default")


@pytest.mark.parametrize("text", ["timeout =", 'timeout = "soon"\nretries = 1\n', "[x]\n"])
def test_a_broken_file_is_shown_and_help_still_works(acme_here, text):
    write(text)
    shown = acme_here.run("config", "show")
    assert (shown.returncode, "timeout" in shown.stdout) == (3, True)
    assert f"error: {config_file()}:1: " in shown.stderr
    assert acme_here.run("config", "path").returncode == 0
    for arguments in (("--help",), ("config", "--help")):
        helped = acme_here.run(*arguments)
        assert (helped.returncode, "Usage" in helped.stdout) == (0, True)
    assert acme_here.run("providers").returncode == 3


def test_what_is_sound_in_a_broken_file_is_shown(acme_here):
    write('timeout = "soon"\nretries = 1\n')
    told = json.loads(acme_here.run("config", "show", "--json").stdout)
    rows = {row["name"]: row for row in told["settings"]}
    assert rows["retries"]["value"] == 1
    assert rows["timeout"]["problem"].endswith("timeout: not a number; mend the file")


def test_an_endpoint_is_taken_out_and_the_rest_stays(acme_here):
    write(ENDPOINTS)
    done = acme_here.run("providers", "remove", "one", "--yes")
    assert done.returncode == 0, done.stderr
    start, end = ENDPOINTS.index("# tried"), ENDPOINTS.index("# The other")
    assert config_file().read_text() == ENDPOINTS[:start] + ENDPOINTS[end:]
    assert "two" in acme_here.run("providers").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["one"], "add --yes"), (["three", "--yes"], "it describes one, two")],
)
def test_an_endpoint_is_not_taken_out_by_mistake(acme_here, arguments, said):
    write(ENDPOINTS)
    done = acme_here.run("providers", "remove", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert config_file().read_text() == ENDPOINTS


def test_what_was_added_can_be_removed_again(acme_here):
    before = 'provider = "acme"\n'
    write(before)
    code = (
        "from pathlib import Path\n"
        "from mediasense.settings_file import add_table, toml_table\n"
        "key = ('providers', 'new')\n"
        "table = {'base_url': 'http://127.0.0.1:1', 'like': 'acme', 'image': {'max_items': 2}}\n"
        f"add_table(Path({str(config_file())!r}), key, toml_table(key, table, ['tried']))\n"
    )
    done = acme_here.python(code)
    assert done.returncode == 0, done.stderr
    assert isinstance(done, subprocess.CompletedProcess)
    assert acme_here.run("providers", "remove", "new", "--yes").returncode == 0
    assert config_file().read_text().rstrip() == before.rstrip()
