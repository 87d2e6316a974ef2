"""``mediasense doctor``: each check alone, offline unless that is asked for."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from mediasense.checkup.installation import fits
from mediasense.checkup.records import Check, Finding

KEY = "sk-acme-4f9d8a7c6b5e"


def home(*parts: str) -> Path:
    path = Path.home().joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def found(site, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = site.run("doctor", "--json", *arguments)
    assert done.stdout, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.returncode, {f"{f['group']}: {f['name']}": f for f in json.loads(done.stdout)}


def test_a_sound_machine_passes(acme_here):
    code, findings = found(acme_here)
    failed = {name: f for name, f in findings.items() if f["status"] == "failed"}
    assert (code, failed) == (0, {})
    assert findings["media: decoding"]["status"] == "ok"
    assert findings["installation: plugin acme"]["detail"] == "mediasense-acme 1.0: 1 provider"
    assert findings["media: decoders"]["detail"].startswith("h264, hevc")


def test_the_table_says_what_to_do(acme_here):
    done = acme_here.run("doctor")
    assert done.returncode == 0, done.stderr
    assert "WHAT TO DO" in done.stdout
    assert "type: mediasense init --provider NAME" in done.stdout
    assert "note: nothing failed" in done.stderr


def test_nothing_is_asked_of_anybody_unless_that_is_wanted(acme_here, httpserver):
    httpserver.expect_request("/models").respond_with_json({"models": ["acme-eye"]})
    acme_here.environment.update(ACME_URL=httpserver.url_for(""), ACME_KEY=KEY)
    assert found(acme_here)[0] == 0
    assert httpserver.log == []
    code, findings = found(acme_here, "--online")
    assert (code, findings["endpoints: acme"]["detail"]) == (0, "ready")
    assert len(httpserver.log) == 1


def test_a_service_that_refuses_the_key_fails_online(acme_here, httpserver):
    httpserver.expect_request("/models").respond_with_json({"error": "no"}, status=401)
    acme_here.environment.update(ACME_URL=httpserver.url_for(""), ACME_KEY=KEY)
    code, findings = found(acme_here, "--online")
    assert code == 13
    assert findings["endpoints: acme"]["detail"].startswith("unauthorised")


def test_keys_are_named_with_where_they_are(acme_here):
    acme_here.environment["ACME_KEY"] = KEY
    _, findings = found(acme_here)
    assert findings["keys: ACME_KEY"]["detail"] == "for acme: in the environment"


def test_saved_keys_that_others_may_read_fail(acme_here):
    path = home(".config", "mediasense", "keys.toml")
    path.write_text(f'[ACME_KEY]\nkey = "{KEY}"\n')
    path.chmod(0o644)
    code, findings = found(acme_here)
    assert (code, findings["keys: saved keys"]["hint"]) == (13, f"type: chmod 600 '{path}'")
    path.chmod(0o600)
    assert found(acme_here)[1]["keys: ACME_KEY"]["detail"] == f"for acme: {path}"


def test_a_key_that_no_installed_plugin_looks_for_names_the_package(acme_here):
    acme_here.environment["GROQ_API_KEY"] = KEY
    code, findings = found(acme_here)
    assert code == 0
    assert findings["keys: GROQ_API_KEY"]["hint"] == "type: pip install mediasense-openai-compat"


def test_a_broken_config_file_is_one_failure_and_the_rest_is_checked(acme_here):
    home(".config", "mediasense", "config.toml").write_text("timeout =")
    code, findings = found(acme_here)
    failed = [name for name, f in findings.items() if f["status"] == "failed"]
    assert (code, failed) == (13, ["config: config file"])
    assert findings["media: decoding"]["status"] == "ok"


def test_a_broken_plugin_fails_and_the_rest_is_checked(acme_here):
    acme_here.install("broken", "raise RuntimeError('no')")
    code, findings = found(acme_here)
    assert (code, findings["installation: broken"]["hint"]) == (13, "type: mediasense plugins")
    assert findings["installation: plugin acme"]["status"] == "ok"


def test_a_plugin_for_another_core_fails(acme_here):
    acme_here.install("late", "", distribution="mediasense-late")
    metadata = acme_here.folder / "mediasense_late-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: mediasense>=9,<10\n")
    _, findings = found(acme_here)
    if (
        "installation: mediasense" in findings
        and findings["installation: mediasense"]["status"] == "ok"
    ):
        assert findings["installation: mediasense-late"]["detail"].startswith(
            "it wants mediasense >=9"
        )


@pytest.mark.parametrize(
    ("version", "bounds", "right"),
    [
        ("0.1.0", ">=0.1,<1", True),
        ("0.1.0", "<1,>=0.2", False),
        ("1.0", ">=0.1,<1", False),
        ("1.0.0", ">=1", True),
        ("0.1.0", "", True),
        ("0.1.0", "~=0.1", True),
        ("0.10", ">=0.9", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version, bounds, right):
    assert fits(version, bounds) is right


@pytest.mark.parametrize(
    ("data", "mode", "status", "said"),
    [
        (None, 0o600, "ok", "whole"),
        (b"not a database at all" * 100, 0o600, "failed", "is damaged"),
        (None, 0o644, "warning", "others may read"),
    ],
)
def test_the_cache_is_looked_at_and_not_changed(acme_here, data, mode, status, said):
    path = home(".cache", "mediasense", "answers.sqlite")
    if data is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        connection.close()
    else:
        path.write_bytes(data)
    path.chmod(mode)
    before = path.read_bytes()
    acme_here.environment["MEDIASENSE_CACHE"] = "on"
    _, findings = found(acme_here)
    assert findings["storage: cache"]["status"] == status
    assert said in findings["storage: cache"]["detail"]
    assert path.read_bytes() == before


def test_an_env_file_is_looked_at(acme_here, tmp_path):
    path = tmp_path / "own.env"
    path.write_text(f"ACME_KEY={KEY}\n=nonsense {KEY}\n")
    acme_here.environment["MEDIASENSE_ENV_FILE"] = str(path)
    _, findings = found(acme_here)
    assert findings[f"keys: {path}"]["detail"] == "not understood: line 2"


def test_a_check_that_fails_itself_is_a_finding_and_stops_no_other(monkeypatch):
    from mediasense import checkup

    def bug():
        yield Finding(group="g", name="first", status="ok", detail="")
        raise KeyError("a bug")

    def fine():
        yield Finding(group="g", name="second", status="ok", detail="")

    checks = (Check(group="g", name="odd", run=bug), Check(group="g", name="second", run=fine))
    monkeypatch.setattr(checkup, "installation_checks", lambda: checks)
    for others in ("media_checks", "storage_checks"):
        monkeypatch.setattr(checkup, others, lambda: ())
    monkeypatch.setattr(checkup, "access_checks", lambda **_: ())
    told = [(f.name, f.status) for f in checkup.run_checkup()]
    assert ("odd", "failed") in told
    assert told[-1] == ("second", "ok")
