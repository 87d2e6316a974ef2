"""``mediasense init``: asked for on a terminal, or given; tried for real, and then kept."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from werkzeug import Response

KEY = "sk-acme-4f9d8a7c6b5e"

DEVICE = """
from mediasense import Answer, ImageLimits, Provider, hookimpl

@hookimpl
def capabilities():
    image = ImageLimits(mime_types=("image/png",))
    return (Provider(name="here", description="On this machine", kind="device", image=image),)

@hookimpl
def analyze_image(request):
    return Answer(text="seen", model="here")
"""

UNLISTED = """
from mediasense import Answer, Credentials, Provider, TextLimits, hookimpl, post_json

@hookimpl
def capabilities():
    return (
        Provider(
            name="quiet",
            description="Has no list of models",
            base_url_variables=("QUIET_URL",),
            credentials=Credentials(variables=("QUIET_KEY",)),
            default_model="q",
            text=TextLimits(),
        ),
    )

@hookimpl
def generate(request):
    return Answer(text=post_json(request, "/ask", {"q": request.prompt})["a"], model="q")
"""

EAR = """
from mediasense import Answer, AudioLimits, Credentials, Model, Provider, VideoLimits
from mediasense import get_json, hookimpl, post_json

@hookimpl
def capabilities():
    return (
        Provider(
            name="ear",
            description="Writes down what is said, and lists its models to anybody",
            base_url_variables=("EAR_URL",),
            credentials=Credentials(variables=("EAR_KEY",)),
            default_model="e",
            audio=AudioLimits(mime_types=("audio/wav",), transcribes=True),
        ),
    )

@hookimpl
def analyze_audio(request):
    reply = post_json(request, "/hear", {"begins": request.audio.read()[:4].decode()})
    return Answer(text=reply["text"], model="e")

@hookimpl
def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/list")["models"])
"""


@pytest.fixture
def service(acme_site, httpserver):
    """Acme's service, which takes one key; no keyring is there."""
    acme_site.environment.update(
        ACME_URL=httpserver.url_for(""), PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring"
    )

    def answer(request):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Response('{"error": "no such key"}', 401)
        return Response('{"models": ["acme-eye"], "answer": "green"}', 200)

    httpserver.expect_request("/models").respond_with_handler(answer)
    httpserver.expect_request("/look").respond_with_handler(answer)
    return acme_site


@pytest.fixture
def open_listing(service, httpserver):
    """The same service, which now lists its models to anybody."""
    httpserver.expect_oneshot_request("/models").respond_with_json({"models": ["acme-eye"]})
    return service


def folder() -> Path:
    return Path.home() / ".config" / "mediasense"


def written(name: str) -> str:
    return (folder() / name).read_text() if (folder() / name).exists() else ""


def piped(site, *arguments: str, key: str = KEY):
    return subprocess.run(
        site.command("init", *arguments),
        env={**os.environ, **site.environment},
        input=key,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def typed(site, *answers: tuple[str, str], arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run on a terminal; type an answer behind each text that is waited for."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = site.command("init", *arguments)
        os.execvpe(sys.executable, command, {**os.environ, **site.environment, "TERM": "dumb"})
    shown = ""
    for waited, answer in answers:
        shown += _read(terminal, waited)
        assert waited in shown, shown
        os.write(terminal, answer.encode())
    shown += _read(terminal, None)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def _read(terminal: int, waited: str | None) -> str:
    shown = ""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if waited is not None and waited in shown:
            time.sleep(0.2)  # until echo is switched off
            return shown
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            block = os.read(terminal, 4096)
        except OSError:
            break
        shown += block.decode(errors="replace")
    return shown


# --- without a terminal --------------------------------------------------------------------------


def test_a_key_that_works_is_kept_with_the_provider(service):
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "acme is asked one tiny question, which may cost a fraction of a cent" in done.stderr
    assert "acme answered in" in done.stderr
    assert f'key = "{KEY}"' in written("keys.toml")
    assert written("config.toml") == 'provider = "acme"\n'
    assert KEY not in done.stderr


def test_it_can_be_run_again(service):
    for _ in range(2):
        done = piped(service, "--provider", "acme", "--key-stdin", "--yes")
        assert done.returncode == 0, done.stderr
    assert written("config.toml") == 'provider = "acme"\n'


def test_a_key_that_is_refused_is_not_kept(service):
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes", key="sk-wrong-key-123")
    assert done.returncode == 41
    assert "note: nothing was saved" in done.stderr
    assert "sk-wrong-key-123" not in done.stderr
    assert not folder().exists()


def test_a_key_is_tried_with_a_question_for_some_services_list_to_anybody(open_listing, httpserver):
    done = piped(open_listing, "--provider", "acme", "--key-stdin", "--yes", key="sk-wrong-key-123")
    assert done.returncode == 41, done.stderr
    assert [request.path for request, _ in httpserver.log] == ["/models", "/look"]
    assert "note: nothing was saved" in done.stderr
    assert "did not refuse" not in done.stderr
    assert not folder().exists()


def test_one_question_is_asked_and_no_more(service, httpserver):
    piped(service, "--provider", "acme", "--key-stdin", "--yes")
    assert [request.path for request, _ in httpserver.log] == ["/models", "/look"]


def test_without_a_check_nobody_is_asked(service, httpserver):
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes", "--no-check")
    assert (done.returncode, httpserver.log) == (0, [])
    assert "acme was not tried" in done.stderr


@pytest.fixture
def ear(service, httpserver):
    """Install a provider that lists its models to anybody."""
    service.environment["EAR_URL"] = httpserver.url_for("")
    httpserver.expect_request("/list").respond_with_json({"models": ["e"]})

    def install(*changes: tuple[str, str]):
        source = EAR
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        service.install("ear", source)
        return service

    return install


def test_a_provider_that_only_writes_down_sound_hears_a_tiny_one(ear, httpserver):
    httpserver.expect_request("/hear", json={"begins": "RIFF"}).respond_with_data("{}", 401)
    done = piped(ear(), "--provider", "ear", "--key-stdin", "--yes")
    assert done.returncode == 41, done.stderr
    assert [request.path for request, _ in httpserver.log] == ["/list", "/hear"]


def test_a_provider_that_takes_videos_alone_is_said_not_to_be_tried(ear):
    site = ear(
        ('audio=AudioLimits(mime_types=("audio/wav",), transcribes=True)', "video=VideoLimits()"),
        ("def analyze_audio", "def analyze_video"),
    )
    done = piped(site, "--provider", "ear", "--key-stdin", "--yes")
    assert done.returncode == 0, done.stderr
    assert "ear was not tried: it takes neither text nor images nor sound" in done.stderr
    assert "did not refuse" not in done.stderr


def test_what_has_no_key_is_asked_no_question(ear, httpserver):
    site = ear(('credentials=Credentials(variables=("EAR_KEY",)),', ""))
    done = piped(site, "--provider", "ear", "--yes", key="")
    assert done.returncode == 0, done.stderr
    assert [request.path for request, _ in httpserver.log] == ["/list"]


def test_a_key_that_is_not_sent_to_the_address_is_not_called_tried(ear):
    site = ear(('name="ear"', 'name="ear", base_url="https://ear.example"'))
    done = piped(site, "--provider", "ear", "--key-stdin", "--yes")
    assert done.returncode == 0, done.stderr
    assert "EAR_KEY was not tried: it is not sent to the address that ear has" in done.stderr
    assert "did not refuse" not in done.stderr


def test_a_service_out_of_reach_keeps_nothing_either(service):
    service.environment["ACME_URL"] = "http://127.0.0.1:9"
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes")
    assert done.returncode == 40
    assert "--no-check" in done.stderr
    assert not folder().exists()
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes", "--no-check")
    assert (done.returncode, KEY in written("keys.toml")) == (0, True)


def test_another_default_is_left_as_it_is_unless_asked_for(service):
    folder().mkdir(parents=True)
    (folder() / "config.toml").write_text('provider = "other"  # mine\n')
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes")
    assert "other stays the provider" in done.stderr
    assert "--provider acme" in done.stderr
    assert written("config.toml") == 'provider = "other"  # mine\n'
    piped(service, "--provider", "acme", "--key-stdin", "--yes", "--default")
    assert written("config.toml") == 'provider = "acme"  # mine\n'


def test_a_key_that_is_there_already_is_tried_and_not_copied(service):
    service.environment["ACME_KEY"] = KEY
    done = piped(service, "--provider", "acme", "--yes", key="")
    assert done.returncode == 0, done.stderr
    assert "ACME_KEY is there" in done.stderr
    assert written("keys.toml") == ""


def test_a_key_of_another_variable_is_copied(service):
    service.environment["TEAM_KEY"] = KEY
    done = piped(service, "--provider", "acme", "--from-env", "TEAM_KEY", "--yes")
    assert (done.returncode, KEY in written("keys.toml")) == (0, True), done.stderr


def test_the_given_key_is_tried_and_not_that_of_the_environment(service):
    service.environment["ACME_KEY"] = KEY
    done = piped(service, "--provider", "acme", "--key-stdin", "--yes", key="sk-wrong-key-123")
    assert done.returncode == 41


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give --provider NAME"),
        (("--provider", "acme"), 8, "give --key-stdin, --from-env or --file"),
        (("--provider", "acm"), 7, "did you mean acme?"),
        (("-p", "acme", "--key-stdin", "--from-env", "X"), 2, "exclude each other"),
        (("-p", "acme", "--file", "none.json"), 8, "is not a file"),
    ],
)
def test_what_is_missing_is_said(service, arguments, code, said):
    done = piped(service, *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not folder().exists()


def test_a_provider_without_an_address_says_so(acme_site):
    done = piped(acme_site, "--provider", "acme", "--key-stdin", "--yes")
    assert (done.returncode, "mediasense providers add NAME" in done.stderr) == (2, True)


def test_what_runs_on_the_device_needs_nothing(service):
    service.install("here", DEVICE)
    done = piped(service, "--provider", "here", "--yes", key="")
    assert done.returncode == 0
    assert "needs neither key nor network" in done.stderr
    assert written("config.toml") == 'provider = "here"\n'


# --- on a terminal -------------------------------------------------------------------------------


def test_everything_is_asked_for_and_the_key_is_never_shown(service):
    code, shown = typed(
        service,
        ("number or name: ", "acmee\n"),
        ("did you mean acme", "1\n"),
        ("ACME_KEY (not shown", f"{KEY}\n"),
        ("when no provider is named? (Y/n)", "\n"),
    )
    assert code == 0, shown
    assert "needs a key" in shown
    assert KEY not in shown
    assert KEY in written("keys.toml")
    assert written("config.toml") == 'provider = "acme"\n'


def test_after_a_wrong_key_it_is_asked_for_again(service):
    code, shown = typed(
        service,
        ("ACME_KEY (not shown", "sk-wrong-key-123\n"),
        ("ACME_KEY (not shown", f"{KEY}\n"),
        ("(Y/n)", "n\n"),
        arguments=("--provider", "acme"),
    )
    assert code == 0, shown
    assert "error: " in shown
    assert KEY in written("keys.toml")
    assert "sk-wrong" not in written("keys.toml") + shown
    assert written("config.toml") == ""


def test_a_key_that_only_the_question_shows_to_be_wrong_is_asked_for_again(open_listing):
    code, shown = typed(
        open_listing,
        ("ACME_KEY (not shown", "sk-wrong-key-123\n"),
        ("ACME_KEY (not shown", f"{KEY}\n"),
        ("(Y/n)", "n\n"),
        arguments=("--provider", "acme"),
    )
    assert code == 0, shown
    assert "error: " in shown
    assert "sk-wrong" not in written("keys.toml") + shown
    assert KEY in written("keys.toml")


def test_enter_alone_asks_for_a_variable(service):
    service.environment["TEAM_KEY"] = KEY
    code, shown = typed(
        service,
        ("ACME_KEY (not shown", "\n"),
        ("the name of the variable", "TEAM_KEY\n"),
        ("(Y/n)", "n\n"),
        arguments=("--provider", "acme"),
    )
    assert code == 0, shown
    assert KEY in written("keys.toml")


@pytest.mark.parametrize("at", ["number or name: ", "ACME_KEY (not shown", "(Y/n)"])
def test_ctrl_c_leaves_nothing_half_written(service, at):
    answers = [("number or name: ", "acme\n"), ("ACME_KEY (not shown", f"{KEY}\n"), ("(Y/n)", "")]
    until = next(n for n, (waited, _) in enumerate(answers) if waited == at)
    code, shown = typed(service, *answers[:until], (at, "\x03"))
    assert code == 130, shown
    assert KEY not in shown
    kept = {p.name for p in folder().iterdir()} if folder().exists() else set()
    assert kept <= {"keys.toml"}
    assert written("config.toml") == ""


def test_the_default_is_not_changed_unasked(service):
    folder().mkdir(parents=True)
    (folder() / "config.toml").write_text('provider = "other"\n')
    code, shown = typed(
        service,
        ("ACME_KEY (not shown", f"{KEY}\n"),
        ("(now other) (y/N)", "\n"),
        arguments=("--provider", "acme"),
    )
    assert (code, written("config.toml")) == (0, 'provider = "other"\n'), shown


def test_a_service_without_a_list_is_asked_one_tiny_question(service, httpserver):
    service.install("quiet", UNLISTED)
    service.environment["QUIET_URL"] = httpserver.url_for("")
    httpserver.expect_request("/ask", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        {"a": "hello"}
    )
    code, shown = typed(
        service,
        ("QUIET_KEY (not shown", f"{KEY}\n"),
        ("(Y/n)", "n\n"),
        arguments=("--provider", "quiet"),
    )
    assert code == 0, shown
    assert "quiet has no list of models" in shown
    assert "which may cost a fraction of a cent" in shown
    assert "quiet answered" in shown
    assert [request.path for request, _ in httpserver.log] == ["/ask"]
