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


@pytest.fixture
def service(acme_site, httpserver):
    """Acme's service, which takes one key; no keyring is there."""
    acme_site.environment.update(
        ACME_URL=httpserver.url_for(""), PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring"
    )

    def answer(request):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Response('{"error": "no such key"}', 401)
        return Response('{"models": ["acme-eye"]}', 200)

    httpserver.expect_request("/models").respond_with_handler(answer)
    return acme_site


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
        ("ask one tiny question instead?", "y\n"),
        ("(Y/n)", "n\n"),
        arguments=("--provider", "quiet"),
    )
    assert code == 0, shown
    assert "quiet answered" in shown
    assert [request.path for request, _ in httpserver.log] == ["/ask"]
