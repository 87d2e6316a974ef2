"""``mediasense keys``: in real processes, with a real terminal and a keyring made for the test."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

KEY = "sk-acme-4f9d8a7c6b5e"

RING = '''
"""A keyring in a file, which may hang, be locked or forget."""

import json, os, time
from pathlib import Path
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Ring(KeyringBackend):
    priority = float(os.environ.get("RING_PRIORITY", "5"))
    path = Path(os.environ["RING_FILE"])

    def _read(self):
        mode = os.environ.get("RING", "")
        if mode == "hangs":
            time.sleep(60)
        if mode == "locked":
            raise KeyringLocked("it is locked")
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get_password(self, service, username):
        return self._read().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        kept = self._read()
        if os.environ.get("RING") == "tells":
            raise RuntimeError(f"cannot keep {password}")
        if os.environ.get("RING") != "forgets":
            kept[f"{service}/{username}"] = password
        self.path.write_text(json.dumps(kept))

    def delete_password(self, service, username):
        kept = self._read()
        del kept[f"{service}/{username}"]
        self.path.write_text(json.dumps(kept))
'''


@pytest.fixture
def ring(acme_site, tmp_path):
    """A keyring that the processes of the site find, as installed software would be."""
    pytest.importorskip("keyring")
    package = acme_site.folder / "test_ring"
    package.mkdir()
    (package / "__init__.py").write_text(RING)
    path = tmp_path / "ring.json"
    acme_site.environment.update(PYTHON_KEYRING_BACKEND="test_ring.Ring", RING_FILE=str(path))
    return path


@pytest.fixture
def no_ring(acme_site):
    """As where the package keyring has none to offer."""
    acme_site.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    return acme_site


def keys_file() -> Path:
    return Path.home() / ".config" / "mediasense" / "keys.toml"


def piped(site, *arguments: str, key: str = KEY, **environment: str):
    return subprocess.run(
        site.command(*arguments),
        env={**os.environ, **site.environment, **environment},
        input=key,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def typed(site, *arguments: str, answers: list[tuple[str, str]], interrupt: bool = False):
    """Run on a terminal, and type an answer behind each text that is waited for."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(
            sys.executable,
            site.command(*arguments),
            {**os.environ, **site.environment, "TERM": "dumb"},
        )
    shown = ""
    for waited, answer in answers:
        shown += _until(terminal, waited, shown)
        os.write(terminal, answer.encode())
    shown += _until(terminal, None, shown)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def _until(terminal: int, waited: str | None, before: str) -> str:
    shown = ""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if waited is not None and waited in shown:
            # What is typed before getpass has switched echo off would be shown by the terminal.
            time.sleep(0.2)
            return shown
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            block = os.read(terminal, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block.decode(errors="replace")
    if waited is not None and waited not in shown:
        raise AssertionError(f"{waited!r} was never shown:\n{before}{shown}")
    return shown


def everything_below(folder: Path) -> str:
    return "\n".join(p.read_bytes().decode("latin-1") for p in folder.rglob("*") if p.is_file())


# --- set -----------------------------------------------------------------------------------------


def test_a_key_comes_from_standard_input_and_is_kept_in_a_private_file(no_ring):
    done = piped(no_ring, "keys", "set", "acme", "--stdin")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"ACME_KEY is saved in {keys_file()}, which only you can read" in done.stderr
    assert f'key = "{KEY}"' in keys_file().read_text()
    assert stat.S_IMODE(keys_file().stat().st_mode) == 0o600
    assert KEY not in done.stderr


def test_a_key_that_is_typed_is_not_shown(no_ring):
    code, shown = typed(
        no_ring, "keys", "set", "acme", answers=[("ACME_KEY (not shown): ", f"{KEY}\n")]
    )
    assert (code, KEY in shown) == (0, False)
    assert KEY in keys_file().read_text()


def test_ctrl_c_at_the_prompt_writes_nothing(no_ring):
    code, _ = typed(no_ring, "keys", "set", "acme", answers=[("(not shown): ", "abc\x03")])
    assert (code, keys_file().exists()) == (130, False)


def test_without_a_terminal_nobody_is_asked(no_ring):
    done = piped(no_ring, "keys", "set", "acme")
    assert done.returncode == 2
    assert "give --stdin" in done.stderr


def test_a_key_is_never_an_argument(no_ring):
    done = piped(no_ring, "keys", "set", "acme", KEY)
    assert done.returncode == 2
    assert not keys_file().exists()


def test_a_key_is_taken_from_a_variable(no_ring):
    done = piped(no_ring, "keys", "set", "acme", "--from-env", "TEAM_KEY", TEAM_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert KEY in keys_file().read_text()


def test_a_variable_that_is_not_set_is_named(no_ring):
    done = piped(no_ring, "keys", "set", "acme", "--from-env", "TEAM_KEY")
    assert (done.returncode, "TEAM_KEY is not set" in done.stderr) == (8, True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acmee", "did you mean acme?"),
        ("ACME_KEYS", "did you mean ACME_KEY?"),
        ("ACME_URL", "ACME_URL holds no key"),
        ("MEDIASENSE_CONFIG", "MEDIASENSE_CONFIG holds no key"),
        ("MEDIASENSE_API_KEY", "goes to whatever --base-url names"),
    ],
)
def test_a_wrong_name_is_refused_with_what_to_type(no_ring, name, said):
    done = piped(no_ring, "keys", "set", name, "--stdin")
    assert done.returncode in (2, 7)
    assert said in done.stderr
    assert not keys_file().exists()


def test_a_variable_of_nobody_is_saved_for_whoever_names_it(no_ring):
    done = piped(no_ring, "keys", "set", "HOUSE_TOKEN", "--stdin")
    assert done.returncode == 0
    assert "use it with --api-key-env HOUSE_TOKEN" in done.stderr


def test_a_file_is_not_taken_where_a_key_is_wanted(no_ring, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    done = piped(no_ring, "keys", "set", "acme", "--file", str(tmp_path / "a.json"))
    assert (done.returncode, "takes a key and no credentials file" in done.stderr) == (2, True)


def test_a_variable_that_is_set_too_is_warned_of(no_ring):
    done = piped(no_ring, "keys", "set", "acme", "--stdin", ACME_KEY="other")
    assert "ACME_KEY is set in the environment too, which comes first" in done.stderr


# --- the keyring ---------------------------------------------------------------------------------


def test_a_key_goes_into_the_keyring_where_there_is_a_good_one(acme_site, ring):
    done = piped(acme_site, "keys", "set", "acme", "--stdin")
    assert "ACME_KEY is saved in the system keyring" in done.stderr
    assert json.loads(ring.read_text()) == {"mediasense/ACME_KEY": KEY}
    assert "keyring = true" in keys_file().read_text()
    assert KEY not in keys_file().read_text()


def test_a_key_of_the_keyring_is_used(acme_site, ring, httpserver):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    httpserver.expect_request(
        "/models", headers={"Authorization": f"Bearer {KEY}"}
    ).respond_with_json({"models": ["acme-eye"]})
    acme_site.environment["ACME_URL"] = httpserver.url_for("")
    done = acme_site.run("models", "--provider", "acme", "--api-key-env", "ACME_KEY")
    assert (done.returncode, "acme-eye" in done.stdout) == (0, True), done.stderr


def test_the_table_of_providers_says_that_it_was_saved(acme_site, ring):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    done = acme_site.run("providers")
    assert "ACME_KEY (saved)" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_moving_a_key_to_the_file_takes_it_out_of_the_keyring(acme_site, ring):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    done = piped(acme_site, "keys", "set", "acme", "--stdin", "--store", "file")
    assert done.returncode == 0, done.stderr
    assert json.loads(ring.read_text()) == {}
    assert KEY in keys_file().read_text()


def test_a_key_can_be_saved_anew_where_the_keyring_is_locked(acme_site, ring):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    done = piped(acme_site, "keys", "set", "acme", "--stdin", "--store", "file", RING="locked")
    assert done.returncode == 0, done.stderr
    assert "may still hold an older key" in done.stderr
    assert KEY in keys_file().read_text()


def test_a_path_takes_the_place_of_a_key_in_the_keyring(acme_site, ring):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    code = "from mediasense.keys.saved import save_path; save_path('ACME_KEY', Path('robot.json'))"
    done = acme_site.python(f"from pathlib import Path; {code}")
    assert done.returncode == 0, done.stderr
    assert json.loads(ring.read_text()) == {}
    assert 'robot.json"' in keys_file().read_text()


def test_removing_takes_it_out_of_the_keyring(acme_site, ring):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    done = acme_site.run("keys", "remove", "acme")
    assert "ACME_KEY is removed" in done.stderr
    assert (json.loads(ring.read_text()), KEY in keys_file().read_text()) == ({}, False)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("locked", "it is locked"),
        ("forgets", "it did not keep it"),
        ("tells", "cannot keep [key]"),
    ],
)
def test_a_keyring_that_fails_is_told_and_nothing_is_saved(acme_site, ring, mode, said):
    done = piped(acme_site, "keys", "set", "acme", "--stdin", "--store", "keyring", RING=mode)
    assert done.returncode == 3
    assert said in done.stderr
    assert "give --store file" in done.stderr
    assert KEY not in done.stderr
    assert not keys_file().exists()


@pytest.mark.parametrize(
    ("mode", "said"), [("hangs", "it does not answer; it may be locked"), ("locked", "is locked")]
)
def test_a_key_in_a_keyring_that_cannot_be_asked_is_one_line(acme_site, ring, mode, said):
    piped(acme_site, "keys", "set", "acme", "--stdin")
    acme_site.environment["RING"] = mode
    done = acme_site.run("models", "--provider", "acme", "--base-url", "https://acme.example")
    assert done.returncode == 8
    acme_site.environment["ACME_URL"] = "https://acme.example"
    done = acme_site.run("models", "--provider", "acme")
    assert done.returncode == 8
    assert said in done.stderr
    assert "mediasense keys set ACME_KEY --store file" in done.stderr


def test_a_keyring_nobody_recommends_is_not_taken_unasked(acme_site, ring):
    done = piped(acme_site, "keys", "set", "acme", "--stdin", RING_PRIORITY="0.5")
    assert f"saved in {keys_file()}" in done.stderr
    assert not ring.exists()


def test_a_variable_that_is_not_saved_asks_no_keyring(acme_site, ring):
    done = piped(acme_site, "providers", RING="hangs")
    assert done.returncode == 0
    assert "ACME_KEY is not set" in done.stdout


# --- list and remove -----------------------------------------------------------------------------


def test_the_list_tells_names_and_places_and_nothing_of_the_keys(no_ring, tmp_path):
    (tmp_path / "own.env").write_text(f"ACME_KEY={KEY}x\n")
    piped(no_ring, "keys", "set", "acme", "--stdin")
    no_ring.environment["ACME_KEY"] = "outer"
    done = no_ring.run("--env-file", str(tmp_path / "own.env"), "keys", "list", "--json")
    told = [
        (row["variable"], row["where"], row["saved"], row["used"])
        for row in json.loads(done.stdout)
    ]
    assert told == [
        ("ACME_KEY", "environment", False, True),
        ("ACME_KEY", "file", True, False),
        ("ACME_KEY", str(tmp_path / "own.env"), False, False),
    ]
    table = no_ring.run("keys", "list")
    assert "ACME_KEY  acme  environment" in table.stdout
    for text in (done.stdout, done.stderr, table.stdout, table.stderr):
        assert KEY not in text
        assert KEY[-4:] not in text


def test_what_is_not_saved_cannot_be_removed(no_ring):
    piped(no_ring, "keys", "set", "HOUSE_TOKEN", "--stdin")
    done = no_ring.run("keys", "remove", "acme")
    assert (done.returncode, "saved are: HOUSE_TOKEN" in done.stderr) == (2, True)


def test_removing_asks_on_a_terminal(no_ring):
    piped(no_ring, "keys", "set", "acme", "--stdin")
    code, shown = typed(no_ring, "keys", "remove", "acme", answers=[("remove ACME_KEY?", "n\n")])
    assert (code, "nothing was removed" in shown) == (0, True)
    assert KEY in keys_file().read_text()


# --- everywhere ----------------------------------------------------------------------------------


def test_a_key_stands_in_no_file_but_its_own_and_in_no_output(no_ring, httpserver, make_image):
    httpserver.expect_request("/look").respond_with_json({"answer": "a dialog"})
    no_ring.environment.update(
        ACME_URL=httpserver.url_for(""), MEDIASENSE_CACHE="on", MEDIASENSE_HISTORY="on"
    )
    Path("a.png").write_bytes(make_image())
    outputs = [piped(no_ring, "keys", "set", "acme", "--stdin")]
    outputs.append(no_ring.run("--trace", "image", "a.png", "what?", "-p", "acme", "--json"))
    outputs.append(no_ring.run("image", "a.png", "break", "--provider", "acme"))
    outputs += [no_ring.run(*a) for a in (("providers",), ("config", "show"), ("history",))]
    assert outputs[1].returncode == 0, outputs[1].stderr
    assert "KeyError" in outputs[2].stderr  # with its traceback
    for done in outputs:
        assert KEY not in done.stdout + done.stderr
    keys_file().unlink()
    assert KEY not in everything_below(Path.home())


def test_the_same_question_is_the_same_for_the_cache_wherever_the_key_is(
    no_ring, httpserver, make_image
):
    httpserver.expect_oneshot_request("/look").respond_with_json({"answer": "a dialog"})
    no_ring.environment.update(ACME_URL=httpserver.url_for(""), MEDIASENSE_CACHE="on")
    Path("a.png").write_bytes(make_image())
    piped(no_ring, "keys", "set", "acme", "--stdin")
    asked = ("image", "a.png", "what?", "--provider", "acme")
    first = no_ring.run(*asked)
    no_ring.environment["ACME_KEY"] = KEY
    again = no_ring.run(*asked)
    assert (first.returncode, again.stdout) == (0, first.stdout)


@pytest.mark.parametrize("named", ["option", "variable"])
def test_an_env_file_that_is_named_gives_the_key(no_ring, httpserver, named):
    httpserver.expect_request(
        "/models", headers={"Authorization": f"Bearer {KEY}"}
    ).respond_with_json({"models": ["acme-eye"]})
    no_ring.environment["ACME_URL"] = httpserver.url_for("")
    Path(".env").write_text(f"ACME_KEY={KEY}\n")
    root = ["--env-file", ".env"] if named == "option" else []
    if named == "variable":
        no_ring.environment["MEDIASENSE_ENV_FILE"] = ".env"
    done = no_ring.run(*root, "models", "--provider", "acme")
    assert (done.returncode, "acme-eye" in done.stdout) == (0, True), done.stderr


def test_an_env_file_that_is_not_there_is_a_mistake_in_the_command(no_ring):
    done = no_ring.run("--env-file", "none.env", "providers")
    assert done.returncode == 2
    assert re.search(r"none\.env", done.stderr)


def test_a_missing_key_hints_at_the_env_file_of_the_folder(no_ring):
    Path(".env").write_text(f"ACME_KEY={KEY}\n")
    no_ring.environment["ACME_URL"] = "https://acme.example"
    done = no_ring.run("models", "--provider", "acme")
    assert done.returncode == 8
    assert "./.env names ACME_KEY: add --env-file .env" in done.stderr


LIST_MODULES = """
import sys
sys.argv = ["mediasense", "providers"]
from mediasense.cli import main
try:
    main()
except SystemExit:
    pass
print(*sorted(n for n in sys.modules if n.startswith(("keyring", "dotenv", "mediasense.keys"))))
"""


def test_no_keyring_is_imported_where_no_key_is_in_it(acme_site):
    done = acme_site.python(LIST_MODULES)
    imported = done.stdout.splitlines()[-1].split()
    assert "mediasense.keys" in imported
    assert not [name for name in imported if name.startswith(("keyring", "dotenv"))]


def test_nothing_is_looked_for_while_the_environment_has_the_key(acme_site):
    acme_site.environment["ACME_KEY"] = "set"
    done = acme_site.python(LIST_MODULES)
    assert done.stdout.splitlines()[-1].split() == ["mediasense.keys"]
