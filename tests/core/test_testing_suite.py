"""How the suite is used: from Python, as tests, from the command line, and what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mediasense import UsageError
from mediasense.errors import PluginError, UnknownProvider
from mediasense.testing import ProviderTests, Report, Result, Service, run_checks
from mediasense.testing.checks import all_checks
from mediasense.testing.registry import Unproved
from mediasense.testing.samples import _PICTURES, _SOUNDS, _VIDEOS, encoded, sample
from mediasense.testing.sources import find_script

HERE = Path(__file__).parent / "conformance"
CANARY = str(HERE / "canary.py")

READER = '''
"""A provider that runs in this process."""

from mediasense import Answer, ImageLimits, Provider, hookimpl


@hookimpl
def capabilities():
    return (
        Provider(
            name="reader",
            description="Reads what is there",
            kind="device",
            default_model="eyes-1",
            image=ImageLimits(mime_types=("image/png",), answers=False),
        ),
    )


@hookimpl
def analyze_image(request):
    return Answer(text="PAYMENT FAILED", model="eyes-1")
'''
READER_SERVICE = """
from mediasense.testing import Device, Sample
from mediasense.testing.samples import sample


class Shown(Device):
    def sample(self, provider, modality, folder):
        return Sample(media=sample(modality, "image/png", folder), expected="payment failed")


SERVICE = Shown()
"""


@pytest.fixture
def reader(tmp_path: Path):
    """Write a provider that runs in this process, and what it is shown."""

    def write(old: str = "", new: str = "") -> str:
        assert not old or READER.count(old) == 1
        plugin = tmp_path / "reader.py"
        plugin.write_text(READER.replace(old, new) if old else READER)
        (tmp_path / "reader_service.py").write_text(READER_SERVICE)
        return str(plugin)

    return write


def failures(results: tuple[Result, ...]) -> set[str]:
    return {result.check for result in results if result.state == "failed"}


# --- checks --------------------------------------------------------------------------------------


def test_every_check_has_a_name_of_its_own_a_topic_and_a_sentence():
    checks = all_checks()
    names = [check.name for check in checks]
    assert len(set(names)) == len(names) > 60
    for check in checks:
        assert re.fullmatch(r"check_[a-z0-9_]+", check.name)
        assert check.topic
        assert check.words.endswith(".")


def test_a_check_that_is_left_out_is_shown_as_not_proved():
    reason = "the service has none"
    results = run_checks(CANARY, unproved={"check_extra_headers_arrive": reason})
    [row] = [r for r in results if r.check == "check_extra_headers_arrive"]
    assert (row.state, row.why) == ("not proved", reason)


def test_a_check_may_be_left_out_for_one_provider_alone():
    reason = "the service has none"
    for name, state in (("canary", "not proved"), ("another", "proved")):
        left_out = {f"check_extra_headers_arrive[{name}]": reason}
        results = run_checks(CANARY, unproved=left_out)
        assert [r.state for r in results if r.check == "check_extra_headers_arrive"] == [state]


@pytest.mark.parametrize("left_out", [{"check_nothing": "why"}, {"check_it_loads_quickly": " "}])
def test_what_is_left_out_must_be_a_check_and_have_a_reason(left_out):
    with pytest.raises(UsageError):
        run_checks(CANARY, unproved=left_out)


def test_a_provider_that_is_not_there_is_named():
    with pytest.raises(UnknownProvider, match="it offers canary"):
        run_checks(CANARY, None, ("acme",))


def test_a_plugin_that_cannot_be_loaded_is_an_error_with_the_reason(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("import nowhere_to_be_found")
    with pytest.raises(PluginError, match="nowhere_to_be_found"):
        run_checks(str(file))


def test_without_a_script_only_what_needs_none_is_proved(tmp_path):
    file = tmp_path / "alone.py"
    file.write_text(Path(CANARY).read_text())
    results = run_checks(str(file))
    assert {r.topic for r in results if r.state == "proved"} == {"declared", "light"}
    assert {r.state for r in results} == {"proved", "not proved"}


def test_a_script_that_knows_no_answer_is_told_so():
    class Silent(Service):
        pass

    results = run_checks(CANARY, Silent())
    why = next(r.why for r in results if r.check == "check_an_image_is_answered")
    assert why == "the script of the service has no answer to POST /ask"


def test_the_environment_is_afterwards_as_it_was(monkeypatch):
    monkeypatch.setenv("CANARY_KEY", "mine")
    monkeypatch.setenv("OPENAI_API_KEY", "mine, too")
    before = dict(os.environ)
    assert failures(run_checks(CANARY)) == set()
    assert dict(os.environ) == before


# --- providers that run in this process ----------------------------------------------------------


def test_a_reader_that_is_right_passes_whole(reader):
    results = run_checks(reader())
    assert failures(results) == set()
    proved = {r.topic for r in results if r.state == "proved"}
    assert {"images", "threads", "nothing leaves this machine", "quiet"} <= proved


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("PAYMENT FAILED", "all is well", {"an_image_is_read", "several_threads_find_the_same"}),
        ('Answer(text="PAYMENT FAILED", model="eyes-1")', 'Answer(text="PAYMENT FAILED", model="")',
         {"an_answer_names_its_model"}),
        ("    return Answer(", "    print(1)\n    return Answer(", {"nothing_is_printed"}),
        (
            "    return Answer(",
            "    import socket\n"
            "    with socket.socket() as s:\n"
            '        s.connect_ex(("127.0.0.1", 9))\n'
            "    return Answer(",
            {"the_network_is_not_used"},
        ),
        (
            "    return Answer(",
            "    import threading\n"
            "    if threading.current_thread() is not threading.main_thread():\n"
            "        raise ValueError\n"
            "    return Answer(",
            {"several_threads_find_the_same"},
        ),
    ],
)  # fmt: skip
def test_a_reader_that_is_wrong_fails_what_it_must(reader, old, new, expected):
    assert failures(run_checks(reader(old, new))) == {f"check_{name}" for name in expected}


# --- the report ----------------------------------------------------------------------------------


def row(provider: str, state: str, check: str = "check_an_image_is_answered", why: str = ""):
    topic = next(c.topic for c in all_checks() if c.name == check)
    return Result(provider=provider, check=check, topic=topic, state=state, why=why)


def test_a_topic_is_as_good_as_its_worst_check():
    report = Report(
        results=(
            row("a", "proved", "check_the_key_is_sent"),
            row("a", "not proved", "check_the_key_is_in_no_text", "no key"),
            row("b", "proved", "check_the_key_is_sent"),
            row("b", "failed", "check_the_key_is_in_no_text", "it leaks"),
            row("c", "proved", "check_the_key_is_sent"),
            row("c", "not declared", "check_the_key_is_in_no_text"),
            row("d", "not declared", "check_the_key_is_sent"),
        )
    )
    topic = "key to its own host only"
    assert [report.cell(topic, name) for name in "abcd"] == [
        "in part",
        "FAILED",
        "proved",
        "not declared",
    ]


def test_few_providers_are_columns():
    report = Report(results=(row("acme", "proved"), row("globex", "failed", why="mend it")))
    assert list(report.lines())[:2] == [
        "        acme          globex",
        "images  proved        FAILED",
    ]


def test_many_providers_are_counted_and_those_that_fail_are_named():
    rows = [row(f"p{n}", "proved") for n in range(23)]
    report = Report(results=(*rows, row("acme", "failed", why="mend it")))
    lines = list(report.lines())
    assert "images  proved of 23, FAILED of acme" in lines
    assert "FAILED  check_an_image_is_answered of acme" in lines


def test_words_of_a_plugin_cannot_steer_the_terminal():
    report = Report(results=(row("acme", "failed", why="\x1b[2Jgone\nand more"),))
    assert not any("\x1b" in line for line in report.lines())


def test_colours_are_only_there_when_they_are_wanted():
    report = Report(results=(row("acme", "failed", why="mend it"),))
    assert any("\x1b[1;31mFAILED" in line for line in report.lines(colour=True))


# --- as tests ------------------------------------------------------------------------------------


def test_no_check_can_be_overridden():
    with pytest.raises(TypeError, match="unproved"):

        class _Sly(ProviderTests):
            def test_the_key_is_sent(self):
                pass


def test_no_check_can_be_taken_away():
    with pytest.raises(TypeError, match="unproved"):

        class _Sly(ProviderTests):
            test_the_key_is_sent = None


@pytest.fixture
def project(tmp_path: Path):
    """Run pytest over a folder in which a plugin inherits the suite."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = ["-p", "mediasense.testing.pytest_report"]\n'
    )

    def run(*lines: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        body = "".join(f"    {line}\n" for line in (f"plugin = {CANARY!r}", *lines))
        (tmp_path / "test_canary.py").write_text(
            "from mediasense.testing import ProviderTests\n\n\n"
            f"class TestCanary(ProviderTests):\n{body}"
        )
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options)
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )

    return run


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_the_suite_is_tests_and_a_table(project, options):
    run = project(options=options)
    assert run.returncode == 0, run.stdout
    assert f"what was proved of {CANARY}" in run.stdout
    assert re.search(r"^images +proved$", run.stdout, re.M)
    assert re.search(r"^video +not declared$", run.stdout, re.M)


def test_what_is_left_out_is_skipped_and_shown(project):
    run = project("unproved = {'check_the_key_is_sent': 'it takes none'}", options=("-rs",))
    assert run.returncode == 0, run.stdout
    assert "not proved: it takes none" in run.stdout
    assert re.search(r"^key to its own host only +in part$", run.stdout, re.M)


def test_leaving_out_what_is_no_check_is_an_error(project):
    run = project("unproved = {'check_the_keys': 'it takes none'}")
    assert run.returncode != 0
    assert "there is no such check" in run.stdout


# --- from the command line -----------------------------------------------------------------------


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mediasense", "plugins", "check", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_file_is_checked_with_the_script_beside_it():
    run = check(CANARY)
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"^images +proved$", run.stdout, re.M)


def test_a_plugin_that_the_config_file_names_is_checked_by_its_name(reader, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text(f"plugins = [{json.dumps(reader())}]\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    run = check("reader")
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"^images +proved$", run.stdout, re.M)


def test_a_plugin_that_fails_has_an_exit_code_and_a_sentence(reader):
    run = check(reader("PAYMENT FAILED", "all is well"))
    assert run.returncode == 4
    assert "it was shown 'payment failed', and found 'all is well'" in run.stdout
    assert "2 checks failed" in run.stderr
    assert "Traceback" not in run.stderr


def test_programs_are_told_in_json(reader):
    run = check(reader(), "--json")
    rows = json.loads(run.stdout)["checks"]
    assert {row["provider"] for row in rows} == {"reader"}
    assert {row["state"] for row in rows} <= {"proved", "not declared", "not proved"}


def test_a_script_may_stand_elsewhere(reader, tmp_path):
    plugin = reader()
    (tmp_path / "reader_service.py").rename(tmp_path / "elsewhere.py")
    assert find_script(plugin) is None
    run = check(plugin, "--service", str(tmp_path / "elsewhere.py"))
    assert run.returncode == 0
    assert re.search(r"^images +proved$", run.stdout, re.M)


# --- samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modality", "mime_type"),
    [
        *(("image", name) for name in _PICTURES),
        *(("audio", name) for name in ("audio/wav", *_SOUNDS)),
        *(("video", name) for name in _VIDEOS),
    ],
)
def test_media_of_every_type_is_real(modality, mime_type, tmp_path):
    media = sample(modality, mime_type, tmp_path)
    assert media.read() == encoded(modality, mime_type, 0)
    assert encoded(modality, mime_type, 1) != media.read()
    if modality == "image":
        from PIL import Image

        Image.open(media.path).load()
        return
    import av

    with av.open(str(media.path)) as container:
        assert any(container.decode(audio=0))
        assert bool(container.streams.video) == (modality == "video")


def test_a_sample_has_the_size_that_is_asked_for(tmp_path):
    media = sample("image", "image/png", tmp_path, size=100_000)
    assert (media.size, len(media.read())) == (100_000, 100_000)
    with pytest.raises(Unproved):
        sample("image", "image/png", tmp_path, size=10)
