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
    sys.__stdout__.write("past the stand-in\\n")
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
        return CliRunner().invoke(build(next(iter(arguments), None)), list(arguments))

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


def test_the_help_says_of_which_plugin_it_has_no_commands(cli):
    done = cli("--plugin", "./gone.py", "--help")
    assert (done.exit_code, "Usage" in done.stdout) == (0, True)
    assert done.stderr.count("warning: plugin gone (./gone.py) failed to load") == 1


@pytest.mark.parametrize("named", [".", "", "a b", "x.", ".x"])
def test_what_is_neither_a_file_nor_a_module_is_one_line(cli, named):
    done = cli("--plugin", named, "providers")
    assert (done.exit_code, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert f"{named!r} is neither a file nor the name of a module; name a file as" in line


def test_one_file_by_two_paths_is_one_plugin(cli, file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.py").symlink_to(file)
    named = (file, f"{tmp_path}/folder/../filed.py", f"{tmp_path}/link.py")
    options = [word for name in named for word in ("--plugin", name)]
    done = cli(*options, "plugins", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)["plugins"]
    assert (row["name"], row["distribution"]) == ("filed", file)


# --- a plugin that the config file names has to be there, too -------------------------------------


@pytest.fixture
def config(monkeypatch, tmp_path):
    """Write the config file."""

    def write(text: str):
        path = tmp_path / "config.toml"
        path.write_text(text)
        monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))
        return path

    return write


def test_nothing_is_sent_where_a_plugin_of_the_config_fails(
    cli, file, picture, httpserver, config, tmp_path
):
    """It may be a rule of the house, without which everything would go out."""
    path = config('provider = "filed"\nplugins = ["./gone.py", "./filed.py"]\n')
    done = cli("image", picture, "what?")
    assert (done.exit_code, done.stdout, httpserver.log) == (4, "", [])
    assert done.stderr == (
        f"error: plugin gone ({tmp_path}/gone.py) failed to load: there is no file "
        f"{tmp_path}/gone.py; check the path; {path}:2 names gone: mend it, take it out of "
        "`plugins`, or leave it out once: --no-plugin gone\n"
    )


@pytest.mark.parametrize(
    "body", ["1 / 0", "import acme_sdk", "@hookimpl\ndef capabilities(): 1 / 0"]
)
def test_it_has_to_be_there_wherever_it_fails(cli, picture, config, tmp_path, body):
    config('plugins = ["./house.py"]\n')
    (tmp_path / "house.py").write_text(f"{POLICY}\n{body}\n")
    assert cli("image", picture).exit_code == 4


@pytest.mark.parametrize(("named", "code"), [(True, 4), (False, 5)])
def test_an_installed_plugin_has_to_be_there_if_the_config_names_it(
    installed, cli, config, named, code
):
    installed.install("house", "1 / 0")
    config('plugins = ["site_house"]\n' if named else "")
    assert cli("providers").exit_code == code


def test_what_fails_is_left_out_by_hand(cli, file, picture, httpserver, config):
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    config('plugins = ["./gone.py", "./filed.py"]\n')
    done = cli("--no-plugin", "gone", "image", picture, "-p", "filed")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "a cat\n", "")


def test_python_sends_nothing_either(installed, picture, config):
    import mediasense

    config('plugins = ["./gone.py"]\n')
    with pytest.raises(mediasense.PluginError, match="there is no file"):
        mediasense.analyze(picture, "what?")


def test_what_the_config_names_can_be_looked_at(cli, config):
    config('plugins = ["./gone.py"]\n')
    shown = cli("plugins", "--json")
    assert shown.exit_code == 4
    assert [row["state"] for row in json.loads(shown.stdout)["plugins"]] == ["failed"]
    for words in (["--help"], ["image", "--help"], ["providers", "add", "--help"]):
        done = cli(*words)
        assert (done.exit_code, "Usage" in done.stdout) == (0, True)
        assert done.stderr.count("warning: plugin gone ") == 1


def test_commands_that_a_plugin_of_the_config_cannot_add_are_a_warning(
    cli, picture, config, tmp_path
):
    """Its rules hold all the same."""
    (tmp_path / "house.py").write_text(
        f"{POLICY}\n@hookimpl\ndef register_commands(app):\n    1 / 0\n"
    )
    config('plugins = ["./house.py"]\n')
    done = cli("providers")
    assert done.exit_code == 5
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning:")]
    assert " could not add its commands: ZeroDivisionError" in warning
    assert "failed to load" not in done.stderr


def test_what_both_name_has_to_be_there(cli, monkeypatch, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('plugins = ["./gone.py"]\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    assert cli("--plugin", str(tmp_path / "gone.py"), "providers").exit_code == 4


def test_other_machines_cannot_have_a_file(installed, cli, picture, file, tmp_path):
    out = str(tmp_path / "out.jsonl")
    ask = ("batch", picture, "-p", "filed", "--engine", "ray", "--out", out)
    done = cli("--plugin", file, *ask)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --engine ray uses plugins that are installed on every")
    installed.install("house", POLICY)
    for option in (["--no-plugin", "house"], ["--trace"]):
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
    for line in ("from the hook", "from the system", "past the stand-in", "from a child"):
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


def test_a_name_that_is_to_be_left_out_and_is_none_is_2(installed, cli):
    installed.install("house_rules", POLICY)
    for name, hint in (("house_rule", "did you mean house_rules?"), ("x", "type: mediasense")):
        done = cli("--no-plugin", name, "providers")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: no plugin is named {name!r}; {hint}")


def test_a_name_to_be_left_out_is_taken_as_the_distribution_spells_it(installed, cli):
    installed.install("house_rules", POLICY)
    assert cli("--no-plugin", "mediasense-house-rules", "plugins").exit_code == 0


@pytest.mark.parametrize("how", ["variable", "config"])
def test_a_misspelt_name_in_settings_is_a_warning(
    installed, cli, picture, how, monkeypatch, config
):
    """The same settings may hold where the plugin is installed."""
    installed.install("talker", TALKER.replace('os.write(1, b"from the system\\n")', ""))
    place = "MEDIASENSE_DISABLE_PLUGINS"
    if how == "variable":
        monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "talkr,elsewhere")
    else:
        path = config('disable_plugins = ["talkr", "elsewhere"]')
        place = f"{path}:1"
    done = cli("image", picture, "-p", "talker")
    assert (done.exit_code, done.stdout) == (0, "a cat\n")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning:")]
    misspelt = f"warning: {place}: no plugin is named 'talkr'; did you mean talker?"
    assert warnings == [misspelt]
    shown = cli("plugins").stderr.splitlines()
    assert shown[0] == misspelt
    assert shown[1].startswith(f"warning: {place}: no plugin is named 'elsewhere'; ")


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


def test_a_failure_is_told_once(cli, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def deep(): 1 / 0\ndeep()")
    done = cli("--plugin", str(path), "plugins", "broken")
    assert done.exit_code == 4
    assert done.stderr.count("Traceback") == 1


def test_a_traceback_begins_at_the_plugin(installed, cli):
    installed.install("broken", f"{POLICY}\n@hookimpl\ndef register_commands(app):\n    1 / 0\n")
    told = cli("plugins", "broken").stderr
    assert "in register_commands" in told
    assert "/mediasense/" not in told


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
    assert " s | analyze_image filed eye, 1 image, " in call
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
