"""What shells offer to complete, asked by their protocol and by the shells themselves."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.store.listings import Listings

SHELLS = ("bash", "zsh", "fish")
KNOWN = """
from mediasense import AudioLimits, Credentials, ImageLimits, ModelRule, Provider, hookimpl

@hookimpl
def capabilities():
    return (
        Provider(
            name="acme",
            description="Acme's own: vision & more",
            aliases=("best",),
            base_url="https://api.acme.example",
            credentials=Credentials(variables=("ACME_KEY",)),
            default_model="acme-eye",
            image=ImageLimits(mime_types=("image/png",)),
            audio=AudioLimits(
                mime_types=("audio/wav",), transcribes=True, default_model="acme-ear"
            ),
            models=(ModelRule(pattern="acme-old"), ModelRule(pattern="acme-*-x")),
        ),
        Provider(
            name="another",
            description="Another one",
            kind="device",
            image=ImageLimits(mime_types=("image/png",)),
        ),
    )

@hookimpl
def analyze_image(request):
    raise AssertionError("nobody is asked")

@hookimpl
def analyze_audio(request):
    raise AssertionError("nobody is asked")
"""


@pytest.fixture
def known(site, monkeypatch):
    """A plugin with two providers, for processes."""
    site.install("known", KNOWN)
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    return site


@pytest.fixture
def asked(known) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Ask as the script in a user's shell does; the last word is the one that is completed."""

    def ask(shell: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        line = shlex.join(words[:-1]) + " " + words[-1]
        told = {
            "_MEDIASENSE_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        return subprocess.run(
            known.command(),
            env={**os.environ, **known.environment, **told, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return ask


@pytest.fixture
def offered(asked) -> Callable[..., list[str]]:
    """What bash is offered for the last word."""

    def offer(*words: str, **variables: str) -> list[str]:
        done = asked("bash", "mediasense", *words, **variables)
        assert done.stderr == ""
        return done.stdout.split()

    return offer


# --- what is offered ------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_offered_names_of_providers(asked, shell):
    done = asked(shell, "mediasense", "image", "a.png", "--provider", "a")
    assert "acme" in done.stdout
    assert "another" in done.stdout
    assert done.stderr == ""


def test_zsh_and_fish_are_told_what_each_is(asked):
    words = ("mediasense", "image", "a.png", "--provider", "ac")
    assert asked("fish", *words).stdout == "acme\tAcme's own: vision & more\n"
    assert '"acme":"Acme' in asked("zsh", *words).stdout


def test_an_alias_is_offered_where_no_name_fits(offered):
    assert offered("image", "a.png", "-p", "b") == ["best"]


def test_commands_are_offered(offered):
    assert {"image", "video", "audio", "batch", "providers"} <= set(offered(""))
    assert offered("im") == ["image"]


def test_options_are_offered(offered):
    assert offered("image", "a.png", "--qu") == ["--quiet"]


def test_formats_are_offered(offered):
    assert {"text", "json", "srt", "vtt", "md"} <= set(offered("image", "a.png", "--format", ""))


def test_tasks_are_offered(offered):
    assert "describe" in offered("image", "a.png", "--task", "d")


def test_plugins_are_offered(offered):
    assert offered("plugins", "") == ["check", "known"]
    assert offered("--no-plugin", "k") == ["known"]
    assert offered("plugins", "check", "k") == ["known"]


def test_a_plugin_that_is_switched_off_is_offered_too(offered):
    assert offered("plugins", "k", MEDIASENSE_DISABLE_PLUGINS="known") == ["known"]


def test_a_name_that_is_typed_is_not_offered_again(offered):
    assert offered("providers", "acme", "a") == ["another"]


def test_beside_names_the_commands_of_a_group_are_offered(offered):
    assert {"add", "acme", "another"} <= set(offered("providers", ""))


def test_providers_are_offered_after_a_comma(offered):
    assert offered("image", "a.png", "--fallback", "acme,") == ["acme,another"]


def test_a_source_is_completed_by_the_shell_itself(offered):
    assert offered("image", "") == []


# --- models ---------------------------------------------------------------------------------------


def test_models_that_a_plugin_names_are_offered_and_no_patterns(offered):
    found = offered("image", "a.png", "--provider", "acme", "--model", "")
    assert found == ["acme-eye", "acme-ear", "acme-old"]


def test_models_are_those_of_whom_the_environment_names(offered):
    assert offered("image", "a.png", "--model", "", MEDIASENSE_PROVIDER="another") == []


def test_models_of_an_alias_are_offered(offered):
    assert "acme-eye" in offered("image", "a.png", "-p", "best", "-m", "acme")


def test_models_that_were_listed_are_offered(acme_site, offered, httpserver, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "known")
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    httpserver.expect_request("/models").respond_with_json({"models": ["eye:7b", "eye-13b"]})
    assert acme_site.run("models", "-p", "acme").returncode == 0
    httpserver.clear()
    assert offered("image", "a.png", "-p", "acme", "-m", "eye-") == ["eye-13b"]
    assert httpserver.log == []


def test_what_was_listed_is_the_users_alone(known, acme_site, httpserver, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "known")
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    httpserver.expect_request("/models").respond_with_json({"models": ["eye"]})
    acme_site.run("models", "-p", "acme")
    kept = Path(os.environ["HOME"]) / ".cache/mediasense/models/acme.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert kept.read_text() == '["eye"]'


def test_what_another_address_lists_is_not_kept(acme_site, known, httpserver, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "known")
    monkeypatch.setenv("MEDIASENSE_API_KEY", "sk-other")
    httpserver.expect_request("/models").respond_with_json({"models": ["eye"]})
    acme_site.run("models", "-p", "acme", "--base-url", httpserver.url_for(""))
    assert not (Path(os.environ["HOME"]) / ".cache/mediasense/models/acme.json").exists()


def test_where_nothing_is_to_be_kept_no_listing_is(acme_site, known, httpserver, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "known")
    monkeypatch.setenv("MEDIASENSE_CACHE", "off")
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    httpserver.expect_request("/models").respond_with_json({"models": ["eye"]})
    assert acme_site.run("models", "-p", "acme").stdout
    assert not (Path(os.environ["HOME"]) / ".cache/mediasense/models").exists()


def test_a_listing_is_bounded(tmp_path):
    listings = Listings(tmp_path)
    listings.keep("acme", [f"eye-{number}" for number in range(5000)] + ["x" * 1000, "a\nb"])
    assert len(listings.models("acme")) == 2000


def test_no_listing_is_kept_or_read_beside_its_folder(tmp_path):
    listings = Listings(tmp_path / "inner")
    (tmp_path / "outside.json").write_text('["secret"]')
    assert listings.models("../outside") == ()
    listings.keep("../new", ["eye"])
    assert not (tmp_path / "new.json").exists()


@given(content=st.binary(max_size=200) | st.from_type(type(None)))
def test_a_listing_that_is_damaged_is_none(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("listings")
    (folder / "acme.json").write_bytes(content or b"[" * 100_000)
    assert all(isinstance(name, str) for name in Listings(folder).models("acme"))


@given(names=st.lists(st.text(max_size=30), max_size=20))
def test_what_is_kept_is_what_can_be_typed(tmp_path_factory, names):
    listings = Listings(tmp_path_factory.mktemp("listings"))
    listings.keep("acme", names)
    assert list(listings.models("acme")) == [name for name in names if name.isprintable()]


# --- words that bash parts ------------------------------------------------------------------------


def test_a_name_with_a_colon_is_completed_behind_it(known, offered, tmp_path):
    Listings(Path(os.environ["HOME"]) / ".cache/mediasense/models").keep("acme", ["eye:7b"])
    words = ("image", "a.png", "-p", "acme", "-m")
    assert offered(*words, "eye", ":", "7") == ["7b"]
    assert offered(*words, "eye", ":") == ["7b"]


def test_a_value_behind_an_equals_sign_is_completed(offered):
    assert offered("image", "a.png", "--provider", "=", "ac") == ["acme"]
    assert "acme" in offered("image", "a.png", "--provider", "=")


# --- whatever is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_broken_plugin_is_not_told(known, asked, shell):
    known.install("broken", "raise RuntimeError('no')")
    done = asked(shell, "mediasense", "image", "a.png", "--provider", "ac")
    assert "acme" in done.stdout
    assert done.stderr == ""


def test_what_a_plugin_prints_is_not_completed(known, offered):
    known.install("loud", "print('hello')\nimport sys; print('there', file=sys.stderr)")
    assert offered("image", "a.png", "--provider", "ac") == ["acme"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_config_that_is_wrong_completes_nothing_and_says_nothing(asked, shell, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("providr = 1\n")
    words = ("mediasense", "image", "a.png", "--provider", "ac")
    done = asked(shell, *words, MEDIASENSE_CONFIG=str(config))
    assert "acme" not in done.stdout
    assert done.stderr == ""
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("strange", ["'", '"', "\\", "$(touch pwned)", "--provider=\x00", "é"])
def test_whatever_is_typed_is_no_traceback(asked, strange, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = asked("bash", "mediasense", "image", strange.replace("\x00", ""))
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "pwned").exists()


def test_no_key_is_looked_for(known, asked, tmp_path):
    """A file of keys that cannot be read would be an error to whoever reads it."""
    done = asked("bash", "mediasense", "image", "a.png", "-p", "ac", ACME_KEY="a key\nthat is none")
    assert (done.stdout, done.stderr) == ("acme\n", "")


def test_nothing_else_of_the_program_is_done(asked):
    done = asked("bash", "mediasense", "image", "gone.png", "--jo")
    assert (done.stdout, done.stderr) == ("--jobs\n", "")


# --- real shells ----------------------------------------------------------------------------------


@pytest.fixture
def bin_folder(known, tmp_path) -> Path:
    """A folder with the program under its name, as the shells call it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "mediasense"
    exports = "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in known.environment.items()
    )
    script.write_text(
        f'#!/bin/sh\n{exports}exec {shlex.quote(sys.executable)} -S -m mediasense "$@"\n'
    )
    script.chmod(0o755)
    return folder


def in_shell(shell: str, folder: Path, script: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [found, *(["-f"] if shell == "zsh" else []), "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


BASH = """
eval "$(mediasense --show-completion)"
COMP_WORDS=(mediasense image a.png --provider ac)
COMP_CWORD=4
_mediasense_completion mediasense
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
mediasense --show-completion | source
complete --do-complete 'mediasense image a.png --provider ac'
"""
# What zsh would show in its menu is printed instead: there is no menu without a terminal.
ZSH = """
compdef() { : }
_arguments() { print -r -- "$@" }
eval "$(mediasense --show-completion)"
words=(mediasense image a.png --provider ac)
CURRENT=5
_mediasense_completion
"""


def test_bash_completes_a_provider(bin_folder):
    assert in_shell("bash", bin_folder, BASH) == "acme\n"


def test_fish_completes_a_provider(bin_folder):
    assert in_shell("fish", bin_folder, FISH).startswith("acme\tAcme")


def test_zsh_completes_a_provider(bin_folder):
    assert in_shell("zsh", bin_folder, ZSH).startswith('*: :(("acme":"Acme')


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_calls_the_program_by_its_variable(bin_folder, shell):
    script = in_shell(shell, bin_folder, "mediasense --show-completion; :")
    assert f"_MEDIASENSE_COMPLETE=complete_{shell}" in script
