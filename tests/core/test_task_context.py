"""Context from files: what is named, what a project tells of itself, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import MediaNotFound, UsageError, project_context
from mediasense.tasks.asking import MAX_CONTEXT_BYTES
from mediasense.tasks.context import PROJECT_FILES, is_context_file, read_context


@pytest.fixture
def project(tmp_path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    return root


# --- a file that is named ------------------------------------------------------------------------


def test_a_file_of_context_is_its_text(tmp_path):
    path = tmp_path / "issue.md"
    path.write_bytes(b"\xef\xbb\xbfCrash on save \xc3\xa9\n")
    assert read_context(path) == "Crash on save é"


def test_a_file_that_is_not_there_is_told_with_the_way_out():
    with pytest.raises(MediaNotFound) as caught:
        read_context("alice says no")
    assert "put a space before it" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe", "no UTF-8 text"),
        (b" \n", "is empty"),
        (b"x" * (MAX_CONTEXT_BYTES + 1), "larger than 200 kB"),
    ],
)
def test_a_file_that_is_no_context_is_told(tmp_path, data, said):
    path = tmp_path / "odd.txt"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        read_context(path)


def test_a_pipe_that_nobody_writes_into_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UsageError, match="it is no file"):
        read_context(tmp_path / "pipe.txt")


def test_a_folder_is_no_context(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_context(tmp_path)


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        ("notes.md", True),
        ("./notes", True),
        ("notes", False),
        ("gone.md", False),
        ("see notes.md", False),
        ("notes.md\n", False),
        ("a\0.md", False),
        ("x/" * 3000, False),
    ],
)
def test_a_text_is_a_file_only_if_it_looks_like_a_path_and_is_one(
    tmp_path, monkeypatch, text, is_file
):
    monkeypatch.chdir(tmp_path)
    for name in ("notes.md", "notes"):
        (tmp_path / name).write_text("x")
    assert is_context_file(text) is is_file


@given(st.text())
def test_any_text_is_taken_for_a_file_or_not(text):
    assert is_context_file(text) in (True, False)


# --- a project -----------------------------------------------------------------------------------


def test_the_files_of_a_project_are_found_at_its_root_from_below(project):
    (project / "AGENTS.md").write_text("Use tabs.\n")
    (project / ".github").mkdir()
    (project / ".github" / "copilot-instructions.md").write_text("Be brief.")
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    (below / "CLAUDE.md").write_text("not at the root")
    found = project_context(below)
    assert found.root == project
    assert found.files == ("AGENTS.md", ".github/copilot-instructions.md")
    assert found.text == (
        "Project file AGENTS.md:\n\nUse tabs.\n\n"
        "Project file .github/copilot-instructions.md:\n\nBe brief."
    )
    assert found.left_out == ()


def test_every_file_of_the_list_is_read_and_no_other(project):
    for name in PROJECT_FILES:
        path = project / name
        path = path / "style.mdc" if name == ".cursor/rules" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"in {name}")
    for name in (".env", "README.md", "secrets.toml", ".cursor/rules/script.sh"):
        (project / name).write_text("a secret")
    found = project_context(project)
    wanted = tuple(
        n.replace("rules", "rules/style.mdc", n == ".cursor/rules") for n in PROJECT_FILES
    )
    assert {name.removesuffix("/style.mdc") for name in found.files} == set(PROJECT_FILES)
    assert len(found.files) == len(wanted)
    assert "a secret" not in found.text


def test_without_a_repository_the_folder_itself_is_the_root(tmp_path):
    (tmp_path / "CLAUDE.md").write_text("x")
    assert project_context(tmp_path).root == tmp_path


@pytest.mark.parametrize("hidden", [".env", ".git/config", "sub/.env", ".cursor/.secret"])
def test_a_link_to_a_hidden_file_is_not_followed(project, hidden):
    path = project / hidden
    path.parent.mkdir(exist_ok=True)
    path.write_text("TOKEN=secret")
    (project / "AGENTS.md").symlink_to(path)
    (project / "CLAUDE.md").write_text("fine")
    found = project_context(project)
    assert (found.files, found.left_out) == (
        ("CLAUDE.md",),
        ("AGENTS.md: it leads to a hidden file",),
    )


def test_a_link_to_a_rule_is_followed(project):
    (project / ".github").mkdir()
    (project / ".github" / "copilot-instructions.md").write_text("be short")
    (project / "AGENTS.md").symlink_to(".github/copilot-instructions.md")
    assert project_context(project).files == ("AGENTS.md",)


def test_a_link_out_of_the_project_is_not_followed(project, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    (project / "AGENTS.md").symlink_to(tmp_path / "secret")
    (project / "CLAUDE.md").write_text("fine")
    found = project_context(project)
    assert (found.files, found.left_out) == (
        ("CLAUDE.md",),
        (f"AGENTS.md: it leads out of {project}",),
    )
    assert "a secret" not in found.text


def test_a_folder_of_rules_that_leads_out_is_not_followed(project, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.md").write_text("a secret")
    (project / ".cursor").mkdir()
    (project / ".cursor" / "rules").symlink_to(tmp_path / "rules")
    with pytest.raises(UsageError, match="none of CLAUDE"):
        project_context(project)


def test_a_link_within_the_project_is_sent_once(project):
    (project / "CLAUDE.md").write_text("x")
    (project / "AGENTS.md").symlink_to("CLAUDE.md")
    assert project_context(project).files == ("CLAUDE.md",)


def test_what_there_is_no_room_for_is_cut_and_said(project):
    (project / "CLAUDE.md").write_text("é" * 5000)
    (project / "AGENTS.md").write_text("x")
    found = project_context(project, room=3000)
    assert len(found.text.encode()) <= 3000
    assert found.files == ("CLAUDE.md",)
    assert found.left_out == ("CLAUDE.md: cut after 2 kB", "AGENTS.md: there is no room for more")


@given(
    st.lists(st.text(max_size=200).map(str.encode) | st.binary(max_size=200), max_size=4),
    st.integers(-5, 600),
)
@settings(max_examples=60)
def test_it_is_never_more_than_there_is_room_for(tmp_path_factory, contents, room):
    root = tmp_path_factory.mktemp("project")
    for name, data in zip(
        ("CLAUDE.md", "AGENTS.md", "codex.md", ".cursorrules"), contents, strict=False
    ):
        (root / name).write_bytes(data)
    try:
        found = project_context(root, room=room)
    except UsageError:
        return
    assert len(found.text.encode()) <= room


def test_what_is_no_text_is_left_out_and_said(project):
    (project / "CLAUDE.md").write_bytes(b"\xff\xfe\x00")
    (project / "AGENTS.md").write_text("x")
    found = project_context(project)
    assert (found.files, found.left_out) == (("AGENTS.md",), ("CLAUDE.md: no UTF-8 text",))


def test_a_project_that_tells_nothing_of_itself_is_an_error(project):
    with pytest.raises(UsageError, match="none of CLAUDE") as caught:
        project_context(project)
    assert "leave out --project-context" in caught.value.hint


@pytest.mark.parametrize("name", ["gone", "a.txt", "a\0b"])
def test_a_folder_that_is_none_is_told(tmp_path, name):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match="there is no folder"):
        project_context(tmp_path / name)
