"""The command line: the answer on stdout, everything else on stderr, an exit code for each end."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mediasense import errors
from mediasense.cli.app import build
from mediasense.errors import MediasenseError

COMMANDS = (
    *("image", "video", "audio", "plan", "batch"),
    *("providers", "models", "plugins", "history", "cache"),
)

# Raises the error that it is asked for, or answers with what it is asked for.
ECHO = """
import mediasense
from mediasense import Answer, AudioLimits, ImageLimits, Provider, VideoLimits, hookimpl

SPOKEN = AudioLimits(
    mime_types=("audio/wav",), transcribes=True, options=("language", "start_end")
)

@hookimpl
def capabilities():
    limits = ImageLimits(mime_types=("image/png", "image/jpeg"))
    return (Provider(name="echo", description="d", kind="device", image=limits, audio=SPOKEN),)

@hookimpl
def analyze_image(request):
    kind = getattr(mediasense, request.prompt, None)
    if kind is not None:
        raise kind("it failed", hint="try again")
    return Answer(text=request.prompt.replace("<nul>", "\\0"), model="m", warnings=("short", "odd"))

@hookimpl
def analyze_audio(request):
    return Answer(text=f"{request.language} {request.start} {request.end}", model="m")
"""


@pytest.fixture
def cli(installed):
    """Run the command line in this process, over what is installed in the test."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(next(iter(arguments), None)), list(arguments))

    return run


@pytest.fixture
def echo(installed):
    installed.install("echo", ECHO)
    return installed


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


@pytest.fixture
def sound(tmp_path, make_wav) -> str:
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav())
    return str(path)


@pytest.fixture
def acme_url(httpserver, monkeypatch) -> str:
    """The address of the server of acme, which is asked unless another provider is named."""
    url = httpserver.url_for("")
    monkeypatch.setenv("ACME_URL", url)
    monkeypatch.setenv("MEDIASENSE_PROVIDER", "acme")
    return url


# --- an answer -----------------------------------------------------------------------------------


def test_stdout_is_the_answer_only(echo, cli, picture):
    done = cli("image", picture, "a cat", "--provider", "echo")
    assert (done.exit_code, done.stdout) == (0, "a cat\n")


def test_who_answered_is_noted_where_nobody_was_named(echo, cli, picture):
    done = cli("image", picture, "a cat")
    assert done.stdout == "a cat\n"
    assert "note: answered by echo (m)\n" in done.stderr
    assert "note:" not in cli("image", picture, "a cat", "-p", "echo").stderr


def test_warnings_go_to_stderr(echo, cli, picture):
    done = cli("image", picture, "a cat", "-p", "echo")
    assert done.stderr == "warning: short\nwarning: odd\n"


@pytest.mark.parametrize("text", ["a cat\n", "a cat\n\n", "a cat"])
def test_an_answer_ends_with_one_line_break(echo, cli, picture, text):
    assert cli("image", picture, text).stdout == "a cat\n"


def test_an_answer_comes_over_the_wire(acme_installed, cli, picture, acme_url, httpserver):
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    done = cli("image", picture, "what?", "-p", "acme", "-m", "eye-2")
    assert (done.exit_code, done.stdout) == (0, "a cat\n")
    assert httpserver.log[0][0].json == {"question": "what?", "model": "eye-2"}


def test_several_images_are_asked_about_together(
    acme_installed, cli, picture, acme_url, httpserver
):
    httpserver.expect_request("/look").respond_with_json({"answer": "the same"})
    done = cli("image", picture, "what?", "-a", picture, "--also", picture, "--json")
    assert len(json.loads(done.stdout)["media"]) == 3


def test_the_options_of_sound_reach_the_plugin(echo, cli, sound):
    done = cli("audio", sound, "--language", "de", "--start", "0.1", "--end", "0.4")
    assert done.stdout == "de 0.1 0.4\n"


# --- odd answers ---------------------------------------------------------------------------------


def test_a_nul_in_an_answer_reaches_the_pipe(echo, cli, picture):
    assert cli("image", picture, "a<nul>b").stdout_bytes == b"a\0b\n"


def test_half_a_character_in_an_answer_is_a_question_mark(
    acme_installed, cli, picture, acme_url, httpserver
):
    httpserver.expect_request("/look").respond_with_data(b'{"answer": "a\\ud83d cat"}')
    done = cli("image", picture, "what?")
    assert (done.exit_code, done.stdout) == (0, "a? cat\n")


def test_half_a_character_in_an_answer_is_kept_in_json(
    acme_installed, cli, picture, acme_url, httpserver
):
    httpserver.expect_request("/look").respond_with_data(b'{"answer": "a\\ud83d\\u0000"}')
    done = cli("image", picture, "what?", "--json")
    assert json.loads(done.stdout_bytes)["text"] == "a\ud83d\0"


# --- JSON ----------------------------------------------------------------------------------------


def test_the_envelope_is_one_object_with_the_documented_fields(echo, cli, picture):
    done = cli("image", picture, "a cat", "--json")
    envelope = json.loads(done.stdout)
    assert set(envelope) == {
        "version",
        "text",
        "data",
        "provider",
        "model",
        "strategy",
        "finish_reason",
        "usage",
        "cost",
        "cached",
        "media",
        "segments",
        "lines",
        "language",
        "warnings",
        "steps",
        "frames",
        "left_out",
        "timings",
    }
    assert set(envelope["timings"]) == {"total", "prepare", "provider"}
    assert set(envelope["media"][0]) == {
        "source",
        "modality",
        "mime_type",
        "size",
        "width",
        "height",
        "seconds",
        "has_sound",
    }
    assert (envelope["version"], envelope["text"]) == (1, "a cat")
    assert envelope["media"][0]["source"] == picture


def test_a_schema_is_read_from_its_file(
    acme_installed, cli, picture, acme_url, httpserver, tmp_path
):
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    httpserver.expect_request("/look").respond_with_json({"answer": '{"cats": 1}'})
    done = cli("image", picture, "--schema", str(schema), "--json")
    assert json.loads(done.stdout)["data"] == {"cats": 1}


@pytest.mark.parametrize("content", [None, "{", "[]", b"\xff"])
def test_a_schema_that_is_none_is_told(acme_installed, cli, picture, tmp_path, content):
    schema = tmp_path / "schema.json"
    if content is not None:
        schema.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = cli("image", picture, "--schema", str(schema))
    assert done.exit_code == 2
    assert f"--schema: the schema {schema} " in done.stderr


def test_the_fields_of_a_schema_may_be_named(acme_installed, cli, picture, acme_url, httpserver):
    httpserver.expect_request("/look").respond_with_json({"answer": '```\n{"cats": 1}\n```'})
    done = cli("image", picture, "--schema", "cats int")
    assert done.stdout == '{\n  "cats": 1\n}\n'
    sent = httpserver.log[0][0].json
    assert "cats" not in sent["question"]  # the service is told itself


def test_an_answer_that_does_not_fit_has_its_own_exit_code(
    acme_installed, cli, picture, acme_url, httpserver
):
    httpserver.expect_request("/look").respond_with_json({"answer": '{"cats": "two"}'})
    done = cli("image", picture, "--schema", "cats int")
    assert (done.exit_code, done.stdout) == (52, "")
    assert "does not fit the schema: 'two' is not of type 'integer' (at $.cats)" in done.stderr
    assert len(httpserver.log) == 2


# --- formats, and plans --------------------------------------------------------------------------

# Hears two words, the second with doubt, and looks at images.
EAR = """
from mediasense import (
    Answer, AudioLimits, ImageLimits, Provider, Segment, TextLimits, hookimpl
)

SPOKEN = (
    Segment(start=0, end=0.2, text="good --> <b>", speaker="A", confidence=0.9),
    Segment(start=0.2, end=0.4, text="morning", confidence=0.2),
)

@hookimpl
def capabilities():
    facts = {"description": "d", "kind": "server", "text": TextLimits()}
    image = ImageLimits(mime_types=("image/jpeg",), options=("temperature",))
    ear = AudioLimits(
        mime_types=("audio/wav", "audio/flac"), transcribes=True, timestamps=True, streaming=True
    )
    deaf = AudioLimits(mime_types=("audio/wav",), transcribes=True)
    return (
        Provider(name="ear", image=image, audio=ear, default_model="ear-1", **facts),
        Provider(name="deaf", audio=deaf, default_model="deaf-1", **facts),
        Provider(name="eye", image=image, default_model="eye-1", **facts),
    )

@hookimpl
def analyze_image(request):
    return Answer(text=f"{len(request.images)} frames", model="eye")

@hookimpl
def analyze_audio(request, on_text):
    for segment in SPOKEN if on_text else ():
        on_text(segment.text + "\\n")
    text = "".join(segment.text + "\\n" for segment in SPOKEN)
    return Answer(text=text, model="ear-1", segments=SPOKEN)

@hookimpl
def generate(request):
    return Answer(text="a greeting", model="mind")
"""


@pytest.fixture
def ear(installed):
    installed.install("ear", EAR)
    return installed


def test_what_is_said_is_printed_as_srt(ear, cli, sound):
    done = cli("audio", sound, "-p", "ear", "--format", "srt")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "1\n00:00:00,000 --> 00:00:00,200\nA: good -> <b>\n\n"
        "2\n00:00:00,200 --> 00:00:00,400\nmorning\n"
    )


def test_what_is_said_is_printed_as_webvtt(ear, cli, sound):
    assert cli("audio", sound, "-p", "ear", "--format", "vtt").stdout == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.200\n<v A>good --&gt; &lt;b&gt;\n\n"
        "00:00:00.200 --> 00:00:00.400\nmorning\n"
    )


def test_what_is_said_is_printed_as_markdown(ear, cli, sound):
    transcript = "## Transcript\n\n- **0:00.0** *A:* good --\\> \\<b\\>\n- **0:00.2** morning\n"
    assert cli("audio", sound, "-p", "ear", "--format", "md").stdout == transcript
    asked = cli("audio", sound, "what?", "-p", "ear", "--format", "md")
    assert asked.stdout == f"a greeting\n\n{transcript}"


def test_what_is_said_in_a_video_is_printed_as_srt(ear, cli, make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=True)
    done = cli("video", str(path), "-p", "ear", "--format", "srt")
    assert done.stdout.startswith("1\n00:00:00,000 --> 00:00:00,200\n")
    assert cli("audio", str(path), "-p", "ear", "--format", "srt").stdout == done.stdout


def test_what_was_heard_with_doubt_can_be_left_out(ear, cli, sound):
    done = cli("audio", sound, "-p", "ear", "--format", "srt", "--min-confidence", "0.5")
    assert "morning" not in done.stdout
    assert "warning: 1 segments heard with a confidence below 0.5 were left out" in done.stderr


def test_json_is_a_format_too(ear, cli, sound):
    by_format = json.loads(cli("audio", sound, "-p", "ear", "--format", "json").stdout)
    by_flag = json.loads(cli("audio", sound, "-p", "ear", "--json").stdout)
    assert by_format.keys() == by_flag.keys()
    assert by_format["segments"] == by_flag["segments"]
    assert len(by_format["segments"]) == 2


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_are_no_answer_to_a_question(ear, cli, sound, kind):
    done = cli("audio", sound, "what was decided?", "-p", "ear", "--format", kind)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"--format {kind} prints what is said, and no answer" in done.stderr


def test_a_full_disk_is_told_in_one_line(ear, installed, sound):
    with Path("/dev/full").open("w") as full:
        done = installed.start("audio", str(sound), "-p", "ear", stdout=full)
        _, told = done.communicate(timeout=30)
    assert (done.returncode, told.splitlines()[0]) == (
        1,
        "error: the answer cannot be written: No space left on device; check where it goes",
    )


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_times_that_nobody_tells_are_refused(ear, cli, sound, picture, kind):
    done = cli("audio", sound, "-p", "deaf", "--format", kind)
    assert (done.exit_code, done.stdout) == (10, "")
    assert "deaf does not tell when things are said" in done.stderr
    done = cli("image", picture, "-p", "ear", "--format", kind)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"--format {kind} is for what is said" in done.stderr
    assert cli("audio", sound, "-p", "deaf", "--format", kind, "--dry-run").exit_code == 10


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--json", "--format", "srt"], "--json and --format srt exclude each other"),
        (["--stream", "--format", "srt"], "--stream and --format srt exclude each other"),
        (["--stream", "--format", "json"], "--stream and --format json exclude each other"),
        (["--stream", "--format", "md"], "--stream and --format md exclude each other"),
        (["--format", "pdf"], "pdf"),
    ],
)
def test_formats_that_exclude_each_other_are_2(ear, cli, sound, options, told):
    done = cli("audio", sound, "-p", "ear", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_stream_of_whole_lines_ends_with_one_line_break(ear, cli, sound):
    assert cli("audio", sound, "-p", "ear", "--stream").stdout == "good --> <b>\nmorning\n"


@pytest.mark.parametrize("how", [["plan"], ["video", "--dry-run"]])
def test_a_plan_is_printed_and_nobody_asked(ear, cli, make_video, tmp_path, how):
    path = make_video(tmp_path / "a.mp4", sound=True)
    command, *options = how
    done = cli(command, str(path), "what?", "-p", "ear", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{path}: video/mp4, 160 x 120, 0:01")
    assert lines[1] == "strategy: frames"
    assert [line.split("  ")[0] for line in lines[3:8]] == [
        "STEP",
        "extract",
        "transcribe",
        "choose frames",
        "ask",
    ]
    assert lines[-1].startswith("estimate: ")


def test_a_plan_is_printed_as_json(ear, cli, make_video, tmp_path):
    path = str(make_video(tmp_path / "a.mp4", sound=True))
    plan = json.loads(cli("plan", path, "-p", "ear", "--json").stdout)
    assert plan["estimate"] == {"tokens": None, "cost": None}
    assert [step["provider"] for step in plan["steps"] if step["calls"]] == ["ear", "ear"]
    dry = json.loads(cli("video", path, "-p", "ear", "--dry-run", "--format", "json").stdout)
    assert dry == plan
    done = json.loads(cli("video", path, "-p", "ear", "--json").stdout)
    assert done["strategy"] == plan["strategy"]
    assert [step["action"] for step in done["steps"]] == [step["action"] for step in plan["steps"]]
    assert done["media"] == plan["media"]


def test_a_plan_of_a_picture_and_of_a_sound(ear, cli, picture, sound):
    assert "strategy: images" in cli("plan", picture, "-a", picture, "-p", "ear").stdout
    assert "strategy: transcript" in cli("plan", sound, "-p", "ear").stdout


def test_a_plan_says_who_hears(ear, echo, cli, make_video, tmp_path):
    path = str(make_video(tmp_path / "a.mp4", sound=True))
    plan = json.loads(cli("plan", path, "-p", "echo", "--audio-provider", "ear", "--json").stdout)
    assert [step["provider"] for step in plan["steps"] if step["calls"]] == ["ear", "echo"]


def test_options_of_frames_reach_the_engine(ear, cli, make_video, tmp_path):
    path = str(make_video(tmp_path / "a.mp4", seconds=3.0))
    assert cli("video", path, "-p", "ear", "--frames", "2").stdout == "2 frames\n"
    assert cli("video", path, "-p", "ear", "--every", "1").stdout == "3 frames\n"
    done = json.loads(
        cli("video", path, "-p", "ear", "--start", "1", "--end", "2", "--json").stdout
    )
    assert all(1 <= frame["timestamp"] <= 2 for frame in done["frames"])


def test_what_nobody_heard_is_warned_of(ear, cli, make_video, tmp_path):
    path = str(make_video(tmp_path / "a.mp4", sound=True))
    done = cli("video", path, "-p", "eye")
    assert done.exit_code == 0
    assert "warning: the sound was not heard: eye does not take sound" in done.stderr
    assert "left out: the sound was not heard" in cli("plan", path, "-p", "eye").stdout


# --- standard input, and what is being done ------------------------------------------------------


def run_with(site, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        site.command(*arguments),
        input=data,
        env={**os.environ, **site.environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_picture_may_come_on_standard_input(site, make_image):
    site.install("echo", ECHO)
    done = run_with(site, make_image(), "image", "-", "a cat", "-p", "echo")
    assert (done.returncode, done.stdout) == (0, b"a cat\n")


def test_a_video_may_come_on_standard_input(site, make_video, tmp_path):
    """And what is being done is never shown in a pipe."""
    site.install("ear", EAR)
    data = make_video(tmp_path / "a.mp4", seconds=2.0, sound=True).read_bytes()
    done = run_with(site, data, "video", "-", "what?", "-p", "ear", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    envelope = json.loads(done.stdout)
    assert envelope["media"][0]["source"] == "standard input"
    assert envelope["strategy"] == "frames"


def test_nothing_on_standard_input_is_23(site):
    site.install("echo", ECHO)
    done = run_with(site, b"", "image", "-", "-p", "echo")
    assert (done.returncode, done.stdout) == (23, b"")
    assert b"standard input is empty" in done.stderr


# --- pieces --------------------------------------------------------------------------------------


def test_pieces_are_printed_in_order(acme_installed, cli, picture, acme_url, httpserver):
    pieces = ["a ", "cat", "\non a mat"]
    httpserver.expect_request("/look").respond_with_json(
        {"answer": "".join(pieces), "pieces": pieces}
    )
    assert cli("image", picture, "--stream").stdout == "a cat\non a mat\n"


def test_without_pieces_the_answer_is_printed_whole(
    acme_installed, cli, picture, acme_url, httpserver
):
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    assert cli("image", picture, "--stream").stdout == "a cat\n"


SLOW = """
from mediasense import Answer, ImageLimits, Provider, hookimpl, post_json

@hookimpl
def capabilities():
    limits = ImageLimits(mime_types=("image/png",), streaming=True)
    return (
        Provider(name="slow", description="d", base_url_variables=("SLOW_URL",), image=limits),
    )

@hookimpl
def analyze_image(request, on_text):
    on_text("the first")
    post_json(request, "/rest", {})
"""


def test_a_piece_is_printed_before_the_next_is_there(site, picture, raw_server, monkeypatch):
    site.install("slow", SLOW)
    monkeypatch.setenv("SLOW_URL", raw_server(delay=30).url)
    process = site.start("image", picture, "-p", "slow", "--stream")
    try:
        assert os.read(process.stdout.fileno(), 100) == b"the first"
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_pieces_and_an_error_stand_on_lines_of_their_own(
    site, installed, cli, picture, httpserver, monkeypatch
):
    installed.install("slow", SLOW)
    monkeypatch.setenv("SLOW_URL", httpserver.url_for(""))
    httpserver.expect_request("/rest").respond_with_data(status=400)
    done = cli("image", picture, "-p", "slow", "--stream")
    assert done.stdout == "the first\n"
    assert done.stderr.startswith("error: slow answered 400")
    assert done.exit_code == 44


def test_pieces_and_json_exclude_each_other(echo, cli, picture):
    done = cli("image", picture, "--stream", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--stream and --json exclude each other" in done.stderr


# --- errors --------------------------------------------------------------------------------------

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, MediasenseError)
}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_one_line_and_its_exit_code(echo, cli, picture, name):
    done = cli("image", picture, name, "-p", "echo")
    assert done.exit_code == CLASSES[name].exit_code
    assert (done.stdout, done.stderr) == ("", "error: it failed; try again\n")


def test_the_exit_code_is_that_of_the_process(acme_site, picture):
    done = acme_site.run("image", picture, "-p", "acme")
    assert done.returncode == 2
    assert (done.stdout, done.stderr) == (
        "",
        "error: acme has no base URL of its own; give --base-url or ACME_URL\n",
    )


def test_a_file_that_is_not_there_is_21(echo, cli):
    done = cli("image", "gone.png")
    assert (done.exit_code, done.stdout) == (21, "")
    assert done.stderr == "error: there is no file gone.png; check the path\n"


def test_an_odd_name_in_an_error_stays_on_one_line(site, echo, cli, tmp_path):
    name = b"caf\xe9\n\x1b[31m.png".decode("utf-8", "surrogateescape")
    done = cli("image", name)
    assert done.exit_code == 21
    assert done.stderr == "error: there is no file caf\\xe9\\n\\x1b[31m.png; check the path\n"


@pytest.mark.parametrize("arguments", [["image"], ["nothing"], ["image", "a.png", "--colour", "1"]])
def test_wrong_usage_is_2(echo, cli, arguments):
    done = cli(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "soon",
        "nan",
        "inf",
    ],
)
def test_a_timeout_that_no_client_can_keep_is_2(acme_installed, cli, picture, acme_url, value):
    code = cli("image", picture, "--timeout", value).exit_code
    gc.collect()  # what was half open
    assert code == 2


@pytest.mark.parametrize(("start", "end"), [("5", "2"), ("3", "3")])
def test_a_part_that_ends_before_it_starts_is_2(echo, cli, sound, start, end):
    done = cli("audio", sound, "--start", start, "--end", end)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--start is not before --end" in done.stderr


def test_an_unusable_config_is_3(acme_site, picture, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text("providr = 1\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    done = acme_site.run("image", picture)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"error: {config}:1: providr: unknown setting; did you mean provider?\n"


def test_an_error_never_shows_the_key(
    acme_installed, cli, picture, acme_url, httpserver, monkeypatch
):
    monkeypatch.setenv("ACME_KEY", "sk-acme-0123456789")
    httpserver.expect_request("/look").respond_with_data("wrong key sk-acme-0123456789", status=401)
    done = cli("image", picture)
    assert done.exit_code == 41
    assert "wrong key [key]" in done.stderr
    assert "sk-acme" not in done.output


def test_an_error_nobody_expected_keeps_its_traceback(acme_site, picture, acme_url):
    done = acme_site.run("image", picture, "break", "-p", "acme")
    assert (done.returncode, done.stdout) == (4, "")
    assert "Traceback (most recent call last)" in done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: acme (")
    assert "analyze_image failed: KeyError: 'a bug of the plugin'" in last


# --- without plugins, and with broken ones --------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_needs_no_plugin(cli, command):
    for flag in ("--help", "-h"):
        done = cli(command, flag)
        assert done.exit_code == 0
        assert f"{command} [OPTIONS]" in done.stdout
        assert done.stderr == ""


def test_the_help_names_every_command(site):
    done = site.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in COMMANDS if f" {name} " not in done.stdout] == []


def test_no_arguments_are_answered_with_help(cli):
    assert "Usage:" in cli().output


def test_the_version_is_told(site):
    done = site.run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("mediasense 0.")


@pytest.mark.parametrize("command", [["image", "{picture}"], ["providers"], ["plugins"]])
def test_without_plugins_it_is_5_and_says_what_to_install(site, picture, command):
    done = site.run(*(part.format(picture=picture) for part in command))
    assert (done.returncode, done.stdout) == (5, "")
    assert "type: pip install mediasense-on-device" in done.stderr


@pytest.mark.parametrize("command", ["providers", "plugins"])
def test_without_plugins_the_packages_are_listed(cli, command):
    lines = cli(command).stderr.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  mediasense-")] == [
        "mediasense-on-device",
        "mediasense-whisper-local",
        "mediasense-gemini-native",
        "mediasense-openai-compat",
    ]


BROKEN = {
    "import": "import no_such_sdk",
    "exit": "import sys; sys.exit('no')",
    "capabilities": "from mediasense import hookimpl\n@hookimpl\ndef capabilities(): 1 / 0",
    "misspelt": "from mediasense import hookimpl\n@hookimpl\ndef capabilites(): return ()",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_warned_of_once_and_takes_nothing_down(
    acme_site, picture, acme_url, httpserver, how
):
    acme_site.install("broken", BROKEN[how], distribution="broken-plugin")
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    done = acme_site.run("image", picture, "-p", "acme")
    assert (done.returncode, done.stdout) == (0, "a cat\n")
    assert done.stderr.count("warning:") == 1
    assert "warning: plugin broken (broken-plugin 1.0) failed to load: " in done.stderr
    assert "type: mediasense plugins" in done.stderr


def test_a_plugin_whose_commands_fail_takes_nothing_down(acme_site, picture, acme_url, httpserver):
    acme_site.install(
        "broken", "from mediasense import hookimpl\n@hookimpl\ndef register_commands(app): 1 / 0"
    )
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    done = acme_site.run("image", picture, "-p", "acme")
    assert (done.returncode, done.stdout) == (0, "a cat\n")
    assert "warning: plugin broken" in done.stderr


COMMAND = '''
import typer
from mediasense import hookimpl

@hookimpl
def register_commands(app):
    @app.command()
    def quota() -> None:
        """Show what is left."""
        typer.echo("much")
'''


def test_a_plugin_adds_a_command(installed, cli):
    installed.install("house", COMMAND)
    assert cli("quota").stdout == "much\n"
    assert "Show what is left." in cli("--help").stdout


def test_a_plugin_cannot_take_the_place_of_a_command(installed, cli, picture):
    installed.install("echo", ECHO)
    installed.install("house", COMMAND.replace("def quota", "def image"))
    assert cli("image", picture, "a cat").stdout == "a cat\n"


# --- leaving early -------------------------------------------------------------------------------


def interrupted(process: subprocess.Popen[str]) -> tuple[int, float, str, str]:
    started = time.perf_counter()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    return process.returncode, time.perf_counter() - started, stdout, stderr


def wait_for(condition) -> None:
    deadline = time.perf_counter() + 20
    while not condition():
        assert time.perf_counter() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "command", [["image", "{picture}", "-p", "acme"], ["models", "-p", "acme"]]
)
def test_ctrl_c_while_a_server_is_waited_for_is_130(
    acme_site, picture, raw_server, monkeypatch, command, heed_ctrl_c
):
    server = raw_server(delay=60)
    monkeypatch.setenv("ACME_URL", server.url)
    arguments = [part.format(picture=picture) for part in command]
    process = acme_site.start(*arguments, preexec_fn=heed_ctrl_c)
    wait_for(lambda: server.received)
    code, seconds, stdout, stderr = interrupted(process)
    assert (code, stdout) == (130, "")
    assert seconds < 2
    assert "Traceback" not in stderr


HANGS = """
import time
from mediasense import AudioLimits, ImageLimits, Provider, TextLimits, hookimpl

@hookimpl
def capabilities():
    image = ImageLimits(mime_types=("image/jpeg",), max_items=1)
    facts = {"description": "d", "kind": "server", "text": TextLimits()}
    return (Provider(name="hangs", image=image, default_model="m", **facts),)

@hookimpl
def analyze_image(request):
    print("waiting", flush=True)  # on stderr, for stdout is the answer's
    time.sleep(60)

@hookimpl
def generate(request):
    pass
"""


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_ctrl_c_leaves_no_file_behind(site, make_video, tmp_path, heed_ctrl_c, monkeypatch, jobs):
    """Also while several calls are under way."""
    site.install("hangs", HANGS)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    path = str(make_video(tmp_path / "a.mp4", seconds=3.0))
    process = site.start(
        *("video", path, "-p", "hangs", "--jobs", jobs, "--every", "1"), preexec_fn=heed_ctrl_c
    )
    try:
        assert process.stderr.readline() == "waiting\n"
        assert list(folder.iterdir())
        code, _, _, stderr = interrupted(process)
    finally:
        process.kill()
    assert code == 130
    assert "Traceback" not in stderr
    assert list(folder.iterdir()) == []


def test_ctrl_c_while_providers_are_checked_is_130(acme_site, raw_server, monkeypatch, heed_ctrl_c):
    server = raw_server(delay=60)
    monkeypatch.setenv("ACME_URL", server.url)
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    process = acme_site.start("providers", "--check", preexec_fn=heed_ctrl_c)
    wait_for(lambda: server.received)
    code, seconds, _, stderr = interrupted(process)
    assert code == 130
    assert seconds < 2
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    "command", [["providers", "--json"], ["--help"], ["image", "{picture}", "-p", "acme"]]
)
def test_a_pipe_that_nobody_reads_is_left_quietly(
    acme_site, picture, acme_url, httpserver, command
):
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = acme_site.start(
            *(part.format(picture=picture) for part in command), stdout=writing
        )
        _, stderr = process.communicate(timeout=30)
    finally:
        os.close(writing)
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr
    assert process.returncode != 0


# --- providers -----------------------------------------------------------------------------------


def test_providers_are_shown_in_a_table(acme_installed, echo, cli):
    lines = cli("providers").stdout.splitlines()
    assert lines[0].split() == ["PROVIDER", "PLUGIN", "TAKES", "CREDENTIALS", "DEFAULT", "MODEL"]
    acme, other = lines[1:]
    assert acme.startswith("acme      acme    image (up to 4), audio (transcripts)")
    assert "ACME_KEY is not set" in acme
    assert acme.endswith("acme-eye")
    assert "needs none" in other


def test_a_key_that_is_found_is_named_and_not_shown(acme_installed, cli, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "sk-acme-0123456789")
    for arguments in (["providers"], ["providers", "--json"]):
        done = cli(*arguments)
        assert "ACME_KEY" in done.stdout
        assert "sk-acme" not in done.output


def test_providers_are_listed_in_json(acme_installed, cli):
    (row,) = json.loads(cli("providers", "--json").stdout)
    assert set(row) == {
        "name",
        "aliases",
        "description",
        "kind",
        "plugin",
        "base_url",
        "like",
        "headers",
        "default_model",
        "credentials",
        "takes",
    }
    assert (row["like"], row["headers"]) == (None, [])
    assert (row["name"], row["plugin"], row["kind"]) == ("acme", "acme", "service")
    assert row["credentials"] == {"found": None, "needed": ["ACME_KEY"]}
    assert row["takes"]["image"]["max_items"] == 4
    assert row["takes"]["video"] is None


@pytest.fixture
def endpoint(acme_installed, monkeypatch, tmp_path):
    """An endpoint of the config file, and another one that cannot be."""
    path = tmp_path / "config.toml"
    path.write_text(
        "[providers.lab]\nbase_url = 'https://lab.example/v1'\nlike = 'acme'\nimage = true\n"
        "headers = { X-Team = 'blue-team', X-Route = { env = 'LAB_ROUTE' } }\n"
        "[providers.bad]\nbase_url = 'https://lab.example/v1'\nlike = 'acmee'\nimage = true\n"
    )
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))
    monkeypatch.setenv("LAB_ROUTE", "rack-of-the-lab")
    return path


def test_an_endpoint_is_shown_with_the_names_of_its_headers_and_no_value(endpoint, cli):
    shown = cli("providers", "lab").stdout
    assert shown.endswith(
        "\nlab: https://lab.example/v1, asked as acme; headers: X-Team, X-Route (from LAB_ROUTE)\n"
    )
    (row,) = json.loads(cli("providers", "lab", "--json").stdout)
    assert row["like"] == "acme"
    assert row["headers"] == [
        {"name": "X-Team", "variable": None},
        {"name": "X-Route", "variable": "LAB_ROUTE"},
    ]
    assert "blue-team" not in shown + json.dumps(row)
    assert "rack-of" not in shown + json.dumps(row)


def test_an_endpoint_that_cannot_be_is_told(endpoint, cli):
    told = f"{endpoint}:8: providers.bad.like: no installed plugin offers 'acmee'"
    done = cli("providers", "--json")
    assert (done.exit_code, len(json.loads(done.stdout))) == (0, 2)
    assert f"warning: {told}" in done.stderr
    named = cli("providers", "bad")
    assert (named.exit_code, named.stdout) == (3, "")
    assert f"error: {told}" in named.stderr


def test_only_the_providers_that_are_named_are_shown(acme_installed, echo, cli):
    rows = json.loads(cli("providers", "echo", "--json").stdout)
    assert [row["name"] for row in rows] == ["echo"]


def test_an_unknown_provider_is_7(acme_installed, cli):
    done = cli("providers", "acmee")
    assert done.exit_code == 7
    assert "did you mean acme?" in done.stderr


@pytest.mark.parametrize(
    ("models", "status", "code"),
    [(["acme-eye"], "ready", 0), (["acme-ear"], "unknown model: acme-eye is not listed", 40)],
)
def test_a_named_provider_is_checked_for_real(
    acme_installed, cli, acme_url, httpserver, monkeypatch, models, status, code
):
    monkeypatch.setenv("ACME_KEY", "sk-acme")
    httpserver.expect_request(
        "/models", headers={"Authorization": "Bearer sk-acme"}
    ).respond_with_json({"models": models})
    done = cli("providers", "acme", "--check")
    assert done.stdout.splitlines()[1].endswith(status)
    assert done.exit_code == code


def test_checking_all_is_no_failure_where_one_has_no_key(acme_installed, cli, acme_url):
    done = cli("providers", "--check", "--json")
    (row,) = json.loads(done.stdout)
    assert done.exit_code == 0
    assert row["check"]["status"] == "no credentials"
    assert set(row["check"]) == {"status", "detail", "seconds"}


# --- models --------------------------------------------------------------------------------------


def test_models_are_shown_in_a_table(acme_installed, cli, acme_url, httpserver):
    httpserver.expect_request("/models").respond_with_json({"models": ["acme-eye", "b"]})
    done = cli("models", "--provider", "acme")
    assert done.stdout.splitlines() == [
        "MODEL     TAKES     RETIRES",
        "acme-eye  not told",
        "b         not told",
    ]


def test_models_are_listed_in_json(acme_installed, cli, acme_url, httpserver):
    httpserver.expect_request("/models").respond_with_json({"models": ["acme-eye"]})
    assert json.loads(cli("models", "-p", "acme", "--json").stdout) == [
        {"name": "acme-eye", "modalities": None, "retires": None}
    ]


def test_models_need_a_provider(acme_installed, cli):
    done = cli("models")
    assert done.exit_code == 2
    assert "no provider is named; add --provider NAME" in done.stderr


def test_a_provider_without_a_listing_is_10(echo, cli):
    assert cli("models", "-p", "echo").exit_code == 10


# --- plugins -------------------------------------------------------------------------------------


def test_plugins_are_shown_with_their_hooks_or_their_cause(acme_installed, cli):
    acme_installed.install("broken", "import no_such_sdk")
    lines = cli("plugins").stdout.splitlines()
    assert lines[0].split() == ["PLUGIN", "STATE", "FROM", "HOOKS", "PROVIDERS"]
    assert lines[1].split()[:4] == ["acme", "loaded", "mediasense-acme", "1.0"]
    assert "analyze_audio, analyze_image, list_models" in lines[1]
    assert lines[1].endswith(" acme")
    assert lines[2].split()[:4] == ["broken", "failed", "mediasense-broken", "1.0"]
    assert lines[3:] == [
        "",
        "broken: ModuleNotFoundError: No module named 'no_such_sdk'; "
        "type: pip install mediasense-broken, which brings what it needs",
    ]


def test_plugins_are_listed_in_json(acme_installed, cli, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "other")
    acme_installed.install("broken", "import no_such_sdk")
    listing = json.loads(cli("plugins", "--json").stdout)
    assert set(listing) == {"plugins", "disabled"}
    assert listing["disabled"] == ["other"]
    loaded, failed = listing["plugins"]
    assert (
        set(loaded)
        == set(failed)
        == {
            "name",
            "module",
            "distribution",
            "version",
            "origin",
            "state",
            "hooks",
            "wrappers",
            "rules",
            "tryfirst",
            "trylast",
            "providers",
            "cause",
            "remarks",
        }
    )
    assert (loaded["state"], loaded["providers"], loaded["cause"]) == ("loaded", ["acme"], "")
    assert (failed["state"], failed["hooks"]) == ("failed", [])


def test_no_plugins_in_json_are_an_empty_list(cli):
    done = cli("plugins", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"plugins": [], "disabled": []})


def test_plugins_in_conflict_are_warned_of(acme_installed, cli):
    source = Path(acme_installed.folder, "site_acme.py").read_text()
    acme_installed.install("bcme", source)
    done = cli("plugins")
    assert done.exit_code == 0
    assert "warning: two plugins offer 'acme'" in done.stderr
    assert "MEDIASENSE_DISABLE_PLUGINS=bcme" in done.stderr


def test_a_plugin_that_is_switched_off_is_not_loaded(acme_installed, cli, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "acme")
    done = cli("plugins")
    assert (done.exit_code, "disabled" in done.stdout) == (0, True)
    assert cli("providers").exit_code == 5


def test_a_plugin_is_switched_off_by_the_name_of_its_distribution_too(
    acme_installed, cli, monkeypatch
):
    monkeypatch.setenv("MEDIASENSE_DISABLE_PLUGINS", "mediasense-Acme")
    assert cli("providers").exit_code == 5


def test_the_config_switches_plugins_off(acme_installed, cli, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text('disable_plugins = ["acme"]\n')
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    found = json.loads(cli("plugins", "--json").stdout)
    assert found["disabled"] == ["acme"]
    assert [row["state"] for row in found["plugins"]] == ["disabled"]


def test_a_config_that_is_named_and_missing_is_3(acme_site, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(tmp_path / "none.toml"))
    done = acme_site.run("image", picture)
    assert (done.returncode, done.stdout) == (3, "")
    assert "which does not exist" in done.stderr


def test_a_key_without_an_owner_is_2(acme_installed, cli, picture):
    """Whoever were chosen would be sent a key that is somebody else's."""
    done = cli("image", picture, "--api-key-env", "SOMEBODYS_KEY")
    assert done.exit_code == 2
    assert "a key is named, and not whose it is" in done.stderr
