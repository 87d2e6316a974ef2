"""The root options about plugins, over plugins that are really installed or really files."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner, Result

from mediasense.cli.app import build

ONE_FILE = '''
"""A plugin in one file, whose server is whatever ACME_URL names."""

from mediasense import Answer, ImageLimits, Provider, hookimpl, post_json


@hookimpl
def capabilities():
    return (
        Provider(
            name="filed",
            description="Acme's own vision service",
            kind="server",
            base_url_variables=("ACME_URL",),
            default_model="eye",
            image=ImageLimits(mime_types=("image/png",)),
        ),
    )


@hookimpl
def analyze_image(request):
    reply = post_json(request, "/look", {"question": request.prompt})
    return Answer(text=reply["answer"], model="eye")
'''

TALKER = """
import os, subprocess, sys
from mediasense import Answer, ImageLimits, Provider, hookimpl

@hookimpl
def capabilities():
    limits = ImageLimits(mime_types=("image/png",))
    return (Provider(name="talker", description="d", kind="device", image=limits),)

@hookimpl
def analyze_image(request):
    print("from the hook")
    sys.stdout.flush()
    os.write(1, b"from the system\\n")
    subprocess.run([sys.executable, "-S", "-c", "print('from a child')"], check=True)
    return Answer(text="a cat", model="m")
"""

POLICY = """
from mediasense import hookimpl

@hookimpl(tryfirst=True)
def prepare_request(request):
    return None

@hookimpl(wrapper=True, trylast=True)
def analyze_image(request):
    return (yield)
"""

COMMAND = """
import typer
from mediasense import hookimpl

@hookimpl
def register_commands(app):
    print("registering")

    @app.command()
    def quota() -> None:
        "Show what is left."
        typer.echo("much")
"""


@pytest.fixture
def cli(installed):
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(), list(arguments))

    return run


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


@pytest.fixture
def file(tmp_path, httpserver, monkeypatch) -> str:
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    path = tmp_path / "filed.py"
    path.write_text(ONE_FILE)
    return str(path)


# --- one file ------------------------------------------------------------------------------------


def test_a_plugin_in_one_file_answers(site, picture, file, httpserver):
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    done = site.run("--plugin", file, "image", picture, "what?", "-p", "filed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a cat\n", "")
    assert httpserver.log[0][0].json == {"question": "what?"}


def test_a_relative_path_is_of_this_folder(site, picture, file, httpserver, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    for named in ("filed.py", "./filed.py"):
        done = site.run("--plugin", named, "image", picture, "-p", "filed")
        assert (done.returncode, done.stdout) == (0, "a cat\n")


def test_the_config_names_a_file(cli, picture, file, httpserver, monkeypatch, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('plugins = ["./filed.py"]\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    assert cli("image", picture, "-p", "filed").stdout == "a cat\n"
    (row,) = json.loads(cli("plugins", "--json").stdout)["plugins"]
    assert (row["origin"], row["module"], row["state"]) == ("config", file, "loaded")


def test_a_changed_file_is_not_answered_from_the_cache(
    site, picture, file, httpserver, tmp_path, monkeypatch
):
    """What is kept is known by the version of the plugin, which is that of its code."""
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    ask = ("--plugin", file, "image", picture, "what?", "-p", "filed")
    assert [site.run(*ask).stdout for _ in range(2)] == ["a cat\n", "a cat\n"]
    asked = len(httpserver.log)
    (tmp_path / "filed.py").write_text(f"{ONE_FILE}\n# changed\n")
    assert site.run(*ask).stdout == "a cat\n"
    assert (asked, len(httpserver.log)) == (1, 2)


def test_an_option_holds_for_one_run(cli, file):
    assert "filed" in cli("--plugin", file, "plugins").stdout
    assert cli("plugins").exit_code == 5


def test_a_plugin_that_was_named_and_fails_is_4(site, picture, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import acme_sdk")
    done = site.run("--plugin", str(path), "image", picture)
    assert (done.returncode, done.stdout) == (4, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: plugin broken ({path} ")
    assert last.endswith("'acme_sdk'; install the package that has it")
    assert "warning:" not in done.stderr


def test_a_file_that_is_missing_is_one_line(cli, picture):
    done = cli("--plugin", "./gone.py", "image", picture)
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == (
        "error: plugin gone (./gone.py) failed to load: there is no file ./gone.py; "
        "check the path\n"
    )


def test_a_missing_command_of_a_broken_file_names_the_file(cli):
    done = cli("--plugin", "./gone.py", "quota")
    assert done.exit_code == 4
    assert "there is no file ./gone.py" in done.stderr


def test_a_broken_plugin_of_the_config_is_a_warning(cli, file, picture, monkeypatch, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('plugins = ["./gone.py"]\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    done = cli("providers", "--json")
    assert done.exit_code == 5
    assert done.stderr.count("warning: plugin gone") == 1


def test_what_both_name_has_to_be_there(cli, monkeypatch, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('plugins = ["./gone.py"]\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    assert cli("--plugin", str(tmp_path / "gone.py"), "providers").exit_code == 4


def test_other_machines_cannot_have_a_file(cli, picture, file, tmp_path):
    out = str(tmp_path / "out.jsonl")
    ask = ("batch", picture, "-p", "filed", "--engine", "ray", "--out", out)
    done = cli("--plugin", file, *ask)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --engine ray uses plugins that are installed on every")
    for option in (["--no-plugin", "x"], ["--trace"]):
        done = cli(*option, "--plugin", file, *ask)
        assert done.exit_code == 2
        assert "are for this process" in done.stderr


# --- commands ------------------------------------------------------------------------------------


@pytest.fixture
def command_file(tmp_path) -> str:
    path = tmp_path / "quotas.py"
    path.write_text(COMMAND)
    return str(path)


def test_the_commands_of_a_file_are_there(cli, command_file):
    assert cli("--plugin", command_file, "quota").stdout == "much\n"
    assert "Show what is left." in cli("--plugin", command_file, "--help").stdout
    assert "Show what is left." not in cli("--help").stdout


def test_what_is_printed_while_commands_are_added_is_remarked(cli, command_file):
    shown = cli("--plugin", command_file, "plugins").stdout
    assert "quotas: it printed 'registering' in register_commands()\n" in shown


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("@app.command()\n    def image(): pass", "there is already a command 'image'"),
        ("@app.command()\n    def odd(x: 'no such'): pass", ""),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_commands_that_cannot_be_are_named(installed, cli, body, told):
    source = (
        f"from mediasense import hookimpl\n@hookimpl\ndef register_commands(app):\n    {body}\n"
    )
    installed.install("house", source)
    done = cli("plugins")
    assert done.exit_code == 0
    assert f"house: {told}" in done.stdout
    assert cli("--strict-plugins", "providers").exit_code == 4


# --- stdout is the answer's ----------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--json"], ["--stream"]])
def test_what_is_printed_in_a_call_is_not_in_the_answer(site, picture, options):
    site.install("talker", TALKER)
    done = site.run("image", picture, "-p", "talker", *options)
    assert done.returncode == 0
    if options == ["--json"]:
        assert json.loads(done.stdout)["text"] == "a cat"
    else:
        assert done.stdout == "a cat\n"
    for line in ("from the hook", "from the system", "from a child"):
        assert line in done.stderr.splitlines()


def test_what_is_printed_in_a_batch_is_not_in_its_results(site, picture):
    site.install("talker", TALKER)
    done = site.run("batch", picture, "-p", "talker")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["answer"]["text"] == "a cat"


def test_what_is_printed_in_process_is_not_in_the_answer(installed, cli, picture):
    installed.install("talker", TALKER.replace('os.write(1, b"from the system\\n")', ""))
    done = cli("image", picture, "-p", "talker", "--json")
    assert json.loads(done.stdout)["text"] == "a cat"
    assert "from the hook" in done.stderr


def test_a_reader_that_leaves_early_is_no_traceback(site, picture):
    site.install("talker", TALKER)
    reading, writing = os.pipe()
    process = site.start("image", picture, "-p", "talker", stdout=writing)
    os.close(reading)
    os.close(writing)
    _, told = process.communicate(timeout=30)
    assert "Traceback" not in told


# --- switched off --------------------------------------------------------------------------------


def test_a_plugin_that_is_left_out_is_not_imported(site, tmp_path):
    mark = tmp_path / "imported"
    site.install("broken", f"open({str(mark)!r}, 'w').close()\n1 / 0")
    site.install("talker", TALKER)
    done = site.run("--no-plugin", "broken", "plugins", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {row["name"]: row["state"] for row in json.loads(done.stdout)["plugins"]} == {
        "talker": "loaded",
        "broken": "disabled",
    }
    assert not mark.exists()
    assert site.run("plugins").returncode == 0
    assert mark.exists()


# --- strict --------------------------------------------------------------------------------------


@pytest.fixture
def unsound(installed):
    """A plugin that fails, one that prints, and two in conflict."""
    installed.install("broken", "import acme_sdk")
    installed.install("loud", f"print('hello')\n{POLICY}")
    installed.install("talker", TALKER)
    installed.install("walker", TALKER)
    return installed


@pytest.mark.parametrize("how", ["option", "variable"])
def test_strictness_names_all_that_is_wrong_and_does_nothing(
    unsound, cli, picture, how, monkeypatch
):
    if how == "variable":
        monkeypatch.setenv("MEDIASENSE_STRICT_PLUGINS", "1")
    options = ["--strict-plugins"] if how == "option" else []
    done = cli(*options, "image", picture, "-p", "talker")
    assert (done.exit_code, done.stdout) == (4, "")
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert error.startswith("error: 3 things are wrong with plugins: ")
    for part in (
        "plugin broken (mediasense-broken 1.0) failed to load: ModuleNotFoundError",
        "two plugins offer 'talker'",
        "plugin loud (mediasense-loud 1.0): it printed 'hello' when it was imported",
    ):
        assert part in error


def test_strictness_holds_for_python_too(unsound, monkeypatch, picture):
    import mediasense

    monkeypatch.setenv("MEDIASENSE_STRICT_PLUGINS", "1")
    with pytest.raises(mediasense.PluginError, match="3 things are wrong"):
        mediasense.analyze(picture, provider="talker")


def test_strictness_shows_the_plugins_and_fails(unsound, cli):
    done = cli("--strict-plugins", "plugins")
    assert done.exit_code == 4
    assert "talker" in done.stdout
    assert "error: 3 things are wrong" in done.stderr


def test_strictness_is_content_with_sound_plugins(installed, cli, picture):
    installed.install("talker", TALKER.replace('os.write(1, b"from the system\\n")', ""))
    assert cli("--strict-plugins", "image", picture, "-p", "talker").stdout == "a cat\n"


def test_a_strictness_that_is_none_is_3(installed, cli, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_STRICT_PLUGINS", "maybe")
    installed.install("house", POLICY)
    done = cli("providers")
    assert done.exit_code == 3
    assert "set it to 1 or 0" in done.stderr


# --- what is shown -------------------------------------------------------------------------------


def test_house_rules_are_shown_and_come_in_the_order_in_which_they_are_asked(installed, cli):
    installed.install("a", POLICY.replace("tryfirst=True", ""))
    installed.install("b", POLICY)
    listing = json.loads(cli("plugins", "--json").stdout)["plugins"]
    # The wrapper of each is last, so it is the request that decides.
    assert [row["name"] for row in listing] == ["b", "a"]
    assert listing[0]["wrappers"] == ["analyze_image"]
    assert listing[0]["rules"] == ["analyze_image", "prepare_request"]
    assert (listing[0]["tryfirst"], listing[0]["trylast"]) == (
        ["prepare_request"],
        ["analyze_image"],
    )
    assert "analyze_image (wrapper, last), prepare_request (first)" in cli("plugins").stdout


def test_one_plugin_is_shown_in_full(installed, cli):
    installed.install("house", POLICY)
    for words in (["plugins", "house"], ["plugins", "show", "house"]):
        done = cli(*words)
        assert (done.exit_code, done.stderr) == (0, "")
        lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
        assert lines == [
            ["house"],
            ["state", "loaded"],
            ["from", "mediasense-house 1.0 (installed)"],
            ["module", "site_house"],
            ["hook", "analyze_image (wrapper, last)"],
            ["hook", "prepare_request (first)"],
            ["rules", "stands around analyze_image of every provider"],
            ["rules", "may change every request of every provider"],
        ]


def test_the_traceback_of_a_failure_is_shown_on_stderr(installed, cli):
    installed.install("broken", "def deep(): 1 / 0\ndeep()")
    done = cli("plugins", "broken")
    assert done.exit_code == 0
    assert "ZeroDivisionError: division by zero" in done.stdout
    assert "Traceback" not in done.stdout
    assert "in deep" in done.stderr
    assert "loading.py" not in done.stderr


def test_a_plugin_nobody_knows_is_2(installed, cli):
    installed.install("house", POLICY)
    done = cli("plugins", "hous")
    assert done.exit_code == 2
    assert "no plugin is named 'hous'; did you mean house?" in done.stderr


# --- the trace -----------------------------------------------------------------------------------


def test_the_trace_is_on_stderr_and_tells_no_secret(site, picture, file, httpserver, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_API_KEY", "sk-secret")
    site.install("house", POLICY)
    httpserver.expect_request("/look").respond_with_json({"answer": "a secret answer"})
    done = site.run(
        *("--plugin", file, "--trace", "image", picture, "a secret question", "-p", "filed")
    )
    assert (done.returncode, done.stdout) == (0, "a secret answer\n")
    assert "secret" not in done.stderr
    traces = [line for line in done.stderr.splitlines() if line.startswith("trace: ")]
    rule, call, around = traces[-3:]
    assert " s prepare_request filed eye, 1 image, " in rule
    assert rule.endswith(" (house 1.0): left it as it is")
    assert " s analyze_image filed eye, 1 image, " in call
    assert call.endswith("): answered")
    assert " s around analyze_image filed eye, 1 image, " in around
    assert around.endswith(" (house 1.0): passed it on")
    assert any(" s import (filed " in line for line in traces)
    assert any(" s capabilities (filed " in line for line in traces)


def test_the_trace_of_a_batch(site, tmp_path, make_image):
    site.install("talker", TALKER)
    paths = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        path.write_bytes(make_image(size=(20 + number, 20)))
        paths.append(str(path))
    done = site.run("--trace", "batch", *paths, "-p", "talker", "--jobs", "3")
    assert done.stderr.count(" (talker 1.0): answered") == 3
    assert len(done.stdout.splitlines()) == 3


def test_without_the_option_nothing_is_traced(site, picture):
    site.install("talker", TALKER)
    assert "trace" not in site.run("image", picture, "-p", "talker").stderr


# --- one way to stdout ---------------------------------------------------------------------------


def test_commands_write_answers_in_one_way():
    """Whatever is printed in another way while a command runs is on stderr."""
    from pathlib import Path

    import mediasense

    root = Path(mediasense.__file__).parent
    naming = {
        path.name
        for folder in ("cli", "output")
        for path in (root / folder).glob("*.py")
        if "sys.stdout" in path.read_text(encoding="utf-8")
    }
    assert naming == {"terminal.py"}
