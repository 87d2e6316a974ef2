"""How the program behaves towards people: how much it says, in which colours and words."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mediasense.cli.app import build

ESCAPE = "\x1b"
TALKS = """
from mediasense import Answer, ImageLimits, Provider, hookimpl

@hookimpl
def capabilities():
    limits = ImageLimits(mime_types=("image/png", "image/jpeg"))
    return (Provider(name="talks", description="d", kind="device", image=limits),)

@hookimpl
def analyze_image(request):
    if request.prompt == "wait":
        import time
        time.sleep(30)
    if request.prompt == "sleep":
        import time
        time.sleep(1.5)
    return Answer(text="a cat", model="m", warnings=("it is blurred",))
"""


@pytest.fixture
def talking(here, monkeypatch):
    """A provider that answers with a warning."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("MEDIASENSE_CACHE", "off")
    here.install("talks", TALKS)
    return here


@pytest.fixture
def cli(installed):
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(next(iter(arguments), None)), list(arguments))

    return run


@pytest.fixture
def picture(make_image, tmp_path) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


class OnTerminal:
    """What a command writes on a terminal; what is not on it is in ``piped``."""

    def __init__(self, site, arguments: tuple[str, ...], *, streams: str, press: bool) -> None:
        main, other = pty.openpty()
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = site.start(*arguments, **pipes | dict.fromkeys(streams.split(), other))
        os.close(other)
        self.shown = _read(main, process, press=press)
        rest = process.communicate(timeout=30)
        self.piped = "".join(filter(None, rest))
        self.code = process.returncode
        os.close(main)


def _read(main: int, process, *, press: bool) -> str:
    shown = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([main], [], [], 0.2)[0]:
            try:
                block = os.read(main, 65536)
            except OSError:  # nobody writes to it any more
                break
            if not block:
                break
            shown += block
            if press and b"waiting" in shown:
                press = False
                process.send_signal(2)
        elif process.poll() is not None:
            break
    return shown.decode()


@pytest.fixture
def on_terminal(talking):
    def run(*arguments: str, streams: str = "stdout stderr", press: bool = False) -> OnTerminal:
        return OnTerminal(talking, arguments, streams=streams, press=press)

    return run


# --- how much is said -----------------------------------------------------------------------------


def test_notes_and_warnings_are_said_unasked(talking, picture):
    done = talking.run("image", picture)
    assert done.stderr == "note: answered by talks (m)\nwarning: it is blurred\n"


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_quiet_command_says_the_answer_alone(talking, picture, flag, place):
    given = ("image", picture)
    done = talking.run(*((flag, *given) if place == "before" else (*given, flag)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "a cat\n", "")


def test_a_quiet_command_still_says_its_error(talking):
    done = talking.run("-q", "image", "nothing.png")
    assert done.stderr == "error: there is no file nothing.png; check the path\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_verbose_command_says_each_step_with_its_time(talking, picture, place):
    given = ("image", picture)
    done = talking.run(*(("-v", *given) if place == "before" else (*given, "--verbose")))
    steps = [line for line in done.stderr.splitlines() if line.startswith("step: ")]
    assert done.stdout == "a cat\n"
    assert re.fullmatch(r"step: \d+\.\d\d s waiting for the answer", steps[0])
    assert any(line.startswith("step: ask: talks m, ") for line in steps)
    assert re.match(r"step: \d+\.\d\d s in all: ", steps[-1])


def test_a_verbose_command_says_where_the_answer_was_kept(talking, picture, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    talking.run("image", picture, "what is it?", "-p", "talks")
    done = talking.run("image", picture, "what is it?", "-p", "talks", "-v")
    assert "the whole answer was kept, and nobody was asked" in done.stderr


def test_a_verbose_command_says_no_key_and_nothing_of_the_media(
    acme_here, picture, httpserver, monkeypatch
):
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    monkeypatch.setenv("ACME_KEY", "sk-acme-0123456789")
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    done = acme_here.run("-v", "image", picture, "-p", "acme")
    assert done.stdout == "a cat\n"
    assert "step: ask: acme acme-eye, " in done.stderr
    assert "sk-acme" not in done.stderr
    assert "iVBOR" not in done.stderr  # how every PNG begins in base64


def test_quiet_and_verbose_exclude_each_other(talking, picture):
    done = talking.run("-q", "image", picture, "-v")
    assert done.returncode == 2
    assert done.stderr == "error: --quiet and --verbose exclude each other; leave one out\n"


def test_a_batch_that_is_quiet_says_what_failed_alone(talking, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    done = talking.run("batch", picture, str(bad), "-p", "talks", "-q")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["failed", "error"]


def test_a_batch_that_is_verbose_says_each_answer(talking, picture):
    done = talking.run("batch", picture, "-p", "talks", "-v")
    assert re.search(r"^step: .*shot\.png: talks \(m\), \d+\.\d\d s$", done.stderr, re.MULTILINE)


def test_how_much_is_said_is_asked_anew_for_each_command(cli, installed, picture):
    installed.install("talks", TALKS)
    assert cli("-q", "image", picture, "--no-cache").stderr == ""
    assert "note: " in cli("image", picture, "--no-cache").stderr


def test_a_library_says_nothing_whatever_it_does(talking, picture):
    code = f"import mediasense; print(mediasense.analyze({picture!r}, provider='talks').text)"
    done = talking.python(code)
    assert (done.stdout, done.stderr) == ("a cat\n", "")


# --- colour and movement --------------------------------------------------------------------------

SHOWN = {
    "help": ("--help",),
    "help of a command": ("image", "--help"),
    "answer": ("image", "{picture}"),
    "answer as Markdown": ("image", "{picture}", "--format", "md"),
    "plan": ("plan", "{picture}"),
    "batch": ("batch", "{picture}"),
    "providers": ("providers",),
    "plugins": ("plugins",),
    "history": ("history", "costs"),
    "cache": ("cache", "stats"),
    "error": ("image", "nothing.png"),
    "wrong usage": ("image", "--colour"),
    "wrong command": ("imagee",),
}


@pytest.mark.parametrize("case", SHOWN)
def test_a_pipe_gets_no_colour(talking, picture, case, monkeypatch):
    if case == "cache":
        monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    # Where a build runs, typer and rich would colour what goes to a file.
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = talking.run(*(part.format(picture=picture) for part in SHOWN[case]))
    assert done.stdout + done.stderr
    assert ESCAPE not in done.stdout + done.stderr


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
@pytest.mark.parametrize("case", SHOWN)
def test_a_terminal_gets_no_colour_where_that_is_said(
    on_terminal, picture, case, name, value, monkeypatch
):
    if case == "cache":
        monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    monkeypatch.setenv(name, value)
    done = on_terminal(*(part.format(picture=picture) for part in SHOWN[case]))
    assert done.shown
    assert not re.search(r"\x1b\[[\d;]*m", done.shown)


@pytest.mark.parametrize("name", ["NO_COLOR", "FORCE_COLOR"])
def test_a_variable_that_is_empty_says_nothing(talking, on_terminal, name, monkeypatch):
    monkeypatch.setenv(name, "")
    assert ESCAPE in on_terminal("image", "nothing.png").shown
    assert ESCAPE not in talking.run("image", "nothing.png").stderr


@pytest.mark.parametrize(
    ("said", "sgr"), [("error", "1;31"), ("warning", "33"), ("note", "2")], ids=lambda v: v
)
def test_on_a_terminal_the_first_word_has_its_colour(on_terminal, picture, said, sgr):
    source = "nothing.png" if said == "error" else picture
    assert f"\x1b[{sgr}m{said}:\x1b[0m " in on_terminal("image", source).shown


def test_each_stream_is_judged_by_itself(on_terminal, picture):
    """The answer goes to a file, and what is said beside it to a terminal."""
    done = on_terminal("image", picture, streams="stderr")
    assert done.piped == "a cat\n"
    assert "\x1b[2mnote:" in done.shown


def test_colour_can_be_asked_for_in_a_pipe(talking, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert talking.run("image", "nothing.png").stderr.startswith("\x1b[1;31merror:\x1b[0m ")
    assert ESCAPE in talking.run("--help").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in talking.run("image", "nothing.png").stderr


def test_what_lasts_is_shown_on_a_terminal_and_gone_at_the_end(on_terminal, picture):
    shown = on_terminal("image", picture, "sleep").shown
    assert "waiting for the answer" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is shown again
    assert shown.rindex("\x1b[2K") < shown.index("a cat")  # the line is cleared


@pytest.mark.parametrize("name", ["CI", "TERM"])
def test_nothing_moves_where_nobody_looks(on_terminal, picture, name, monkeypatch):
    monkeypatch.setenv(name, "dumb")
    shown = on_terminal("image", picture, "sleep").shown
    assert "waiting" not in shown
    assert "\x1b[?25l" not in shown


@pytest.mark.parametrize("flag", ["--quiet", "--verbose"])
def test_nothing_moves_where_more_or_less_is_said(on_terminal, picture, flag):
    assert "\x1b[?25l" not in on_terminal("image", picture, "sleep", flag).shown


def test_in_a_pipe_nothing_moves(talking, picture):
    done = talking.run("image", picture, "sleep")
    assert done.stderr == "note: answered by talks (m)\nwarning: it is blurred\n"


def test_ctrl_c_gives_the_cursor_back(on_terminal, picture):
    done = on_terminal("image", picture, "wait", press=True)
    assert done.code == 130
    assert done.shown.rindex("\x1b[?25h") > done.shown.rindex("\x1b[?25l")
    assert "Traceback" not in done.shown


def test_a_table_in_a_pipe_keeps_its_rows_whole(talking, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    done = talking.run("providers")
    assert len(done.stdout.splitlines()) == 2
    assert "…" not in done.stdout


# --- help -----------------------------------------------------------------------------------------


def test_examples_stand_at_the_end_of_the_help_each_on_its_line(talking, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    *_, heading, first, second = talking.run("image", "--help").stdout.rstrip().splitlines()
    assert heading == " Examples:"
    assert first.startswith('   mediasense image shot.png "')
    assert second.endswith("--provider groq")


@pytest.mark.parametrize("command", [(), ("image",)])
def test_a_flag_is_shown_without_a_type(talking, command):
    assert "<bool>" not in talking.run(*command, "--help").stdout


def test_a_group_shows_the_examples_of_its_commands(talking):
    assert "   mediasense cache clear\n" in talking.run("cache", "--help").stdout


def test_a_command_of_a_plugin_has_what_every_command_has(installed, cli):
    installed.install("adds", ADDS)
    helped = cli("greet", "--help").stdout
    assert "--quiet" in helped
    assert " Examples:\n   mediasense greet Ada\n" in helped
    assert cli("greet", "Ada", "-q").stdout == "hello Ada False\n"


ADDS = '''
from mediasense import hookimpl

@hookimpl
def register_commands(app):
    @app.command()
    def greet(name: str, verbose: bool = False) -> None:
        """Greet somebody.

        mediasense greet Ada
        """
        print("hello", name, verbose)

    @app.command()
    def other() -> None:
        """Another one."""
'''


def test_an_option_of_a_plugin_is_its_own(installed, cli):
    installed.install("adds", ADDS)
    assert cli("greet", "Ada", "--verbose").stdout == "hello Ada True\n"


# --- first steps ----------------------------------------------------------------------------------

# What somebody types who has never used it; what is answered; how it ends.
FIRST_STEPS = {
    "image": ("SOURCE is missing; type, for example: mediasense image shot.png", 2),
    "imge shot.png": ("there is no command 'imge'; did you mean: mediasense image?", 2),
    "xyz": ("there is no command 'xyz'; type: mediasense --help", 2),
    "gone.jpg": ("there is no command 'gone.jpg', and no file of that name", 2),
    "shot.png": ("shot.png is a file, and no command; type: mediasense image shot.png", 2),
    "folder": ("folder is a folder, and no command; type: mediasense batch folder", 2),
    "https://a.example/b": ("a link is no command; type: mediasense image, video or audio", 2),
    "image folder": ("for all files in it, type: mediasense batch folder", 21),
    "image shot.png --modle x": (
        "mediasense image has no option --modle; did you mean --model?",
        2,
    ),
    "image shot.png --xyzzy": ("has no option --xyzzy; type: mediasense image --help", 2),
    "image shot.png --jobs x": ("--jobs: it has to be a valid integer; type: mediasense image", 2),
    "image shot.png --format pdf": ("--format: 'pdf' is not one of 'text', 'json'", 2),
    "image shot.png what is it": ('put what you ask in quotes: "what is the error?"', 2),
    "history foo": ("mediasense history has no command 'foo'; type: mediasense history -", 2),
    "image shot.png -p talk": ("no installed plugin offers 'talk'; did you mean talks?", 7),
    "image gone.png": ("there is no file gone.png; check the path", 21),
    "image empty.png": ("empty.png is empty; give an image, a video or a sound", 23),
    "image words.txt": ("words.txt", 22),
    "models": ("no provider is named; add --provider NAME", 2),
    "batch": ("there is nothing to ask about; give files", 2),
}


@pytest.mark.parametrize("typed", FIRST_STEPS)
def test_what_goes_wrong_at_first_is_one_line_that_says_what_to_type(
    talking, picture, tmp_path, monkeypatch, typed
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.txt").write_text("only words\n")
    said, code = FIRST_STEPS[typed]
    done = talking.run(*typed.split())
    assert (done.stdout, done.returncode) == ("", code)
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr


def test_a_file_that_may_not_be_read_is_told(talking, picture, monkeypatch):
    if os.geteuid() == 0:
        pytest.skip("whoever may do anything may read it")
    Path(picture).chmod(0)
    done = talking.run("image", picture)
    assert done.returncode == 21
    assert "cannot be read" in done.stderr or "Permission denied" in done.stderr


def test_nothing_typed_is_answered_with_help_and_examples(talking):
    done = talking.run()
    assert done.returncode == 2
    assert "Usage: mediasense" in done.stdout
    assert done.stdout.rstrip().endswith("mediasense providers")
    assert done.stderr == ""


def test_no_command_has_a_short_option_twice():
    import typer.main

    def walk(command):
        yield command
        for inner in getattr(command, "commands", {}).values():
            yield from walk(inner)

    for command in walk(typer.main.get_command(build())):
        opts = [opt for param in command.params for opt in (*param.opts, *param.secondary_opts)]
        assert len(opts) == len(set(opts)), command.name
