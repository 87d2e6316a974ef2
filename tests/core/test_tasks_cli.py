"""``--task``, ``--context`` and ``mediasense tasks`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mediasense.cli.app import build
from mediasense.tasks import find_task, task_names

# Answers with what it was asked, or with what the file that FITTING names says.
SPEAKER = """
import json, os
from pathlib import Path
from mediasense import Answer, AudioLimits, ImageLimits, Provider, Segment, hookimpl

@hookimpl
def capabilities():
    pictures = ImageLimits(mime_types=("image/png",), options=("json_schema",), streaming=True)
    sounds = AudioLimits(mime_types=("audio/wav",), transcribes=True, timestamps=True, answers=True)
    return (Provider(name="speaker", description="d", kind="device", default_model="m",
                     image=pictures, audio=sounds),)

@hookimpl
def analyze_image(request, on_text):
    text = request.prompt
    if request.json_schema:
        text = Path(os.environ["FITTING"]).read_text()
    if on_text:
        on_text(text)
    return Answer(text=text, model="m")

@hookimpl
def analyze_audio(request):
    said = (Segment(start=0.0, end=1.0, text="hello"),)
    return Answer(text=request.prompt or "hello", model="m", segments=said)
"""
FACTS = {
    "subject": "A receipt.",
    "facts": [
        {
            "fact": "It costs 3 euros.",
            "verbatim": "EUR 3.00",
            "origin": "text on screen",
            "at": None,
            "certain": True,
        }
    ],
}
DOCUMENT = """\
**Subject:** A receipt.

## Facts

| Fact              | Verbatim   | Origin         | Certain |
| ----------------- | ---------- | -------------- | ------- |
| It costs 3 euros. | `EUR 3.00` | text on screen | yes     |
"""


@pytest.fixture
def cli(installed, tmp_path, monkeypatch) -> Callable[..., Result]:
    installed.install("speaker", SPEAKER)
    monkeypatch.setenv("FITTING", str(tmp_path / "fitting.json"))
    (tmp_path / "fitting.json").write_text(json.dumps(FACTS))
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(build(str(arguments[0])), list(map(str, arguments)))

    return run


@pytest.fixture
def picture(tmp_path, make_image) -> Path:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return path


@pytest.fixture
def sound(tmp_path, make_wav) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav())
    return path


# --- asking --------------------------------------------------------------------------------------


def test_a_task_is_asked_as_it_is_written(cli, picture):
    done = cli("image", picture, "--task", "alt-text")
    assert (done.exit_code, done.stdout) == (0, find_task("alt-text").prompt + "\n")


def test_a_question_besides_it_is_what_is_asked_in_particular(cli, picture):
    done = cli("image", picture, "the dates", "--task", "summary")
    assert done.stdout.endswith("\n\nIn particular: the dates\n")


@pytest.mark.parametrize("kind", ["text", "md"])
def test_the_answer_of_a_task_with_a_schema_is_printed_as_a_document(cli, picture, kind):
    done = cli("image", picture, "--task", "key-facts", "--format", kind)
    assert (done.exit_code, done.stdout) == (0, DOCUMENT)


def test_as_json_it_is_data(cli, picture):
    done = cli("image", picture, "--task", "key-facts", "--json")
    assert json.loads(done.stdout)["data"] == FACTS


def test_a_schema_of_the_users_own_prints_data(cli, picture, tmp_path):
    (tmp_path / "own.json").write_text('{"type": "object"}')
    done = cli("image", picture, "--task", "key-facts", "--schema", tmp_path / "own.json")
    assert json.loads(done.stdout) == FACTS


def test_a_document_is_printed_when_it_is_whole(cli, picture):
    done = cli("image", picture, "--task", "key-facts", "--stream")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--stream and such a --task exclude each other" in done.stderr


def test_what_is_said_can_be_had_as_subtitles(cli, sound):
    done = cli("audio", sound, "--task", "transcribe", "--format", "srt")
    assert done.stdout.startswith("1\n00:00:00,000 --> 00:00:01,000\nhello\n")


def test_the_answer_of_another_task_makes_no_subtitles(cli, sound):
    done = cli("audio", sound, "--task", "summary", "--format", "srt")
    assert done.exit_code == 2
    assert "prints what is said, and no answer" in done.stderr


def test_a_task_for_another_kind_of_media_is_2(cli, picture):
    done = cli("image", picture, "--task", "minutes")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the task minutes is for video or audio, not for image" in done.stderr


def test_a_task_that_there_is_not_is_2_before_the_file_is_looked_for(cli):
    done = cli("image", "gone.png", "--task", "sumary")
    assert done.exit_code == 2
    assert done.stderr == "error: there is no task 'sumary'; did you mean summary?\n"


@pytest.mark.parametrize("command", ["plan", "image"])
def test_a_plan_is_made_of_a_task(cli, picture, command):
    dry = ["--dry-run"] if command == "image" else []
    done = cli(command, picture, "--task", "bug-report", "--json", *dry)
    assert json.loads(done.stdout)["strategy"] == "images"


def test_the_history_shows_the_task_and_what_was_added_and_no_wall_of_text(
    cli, picture, monkeypatch
):
    monkeypatch.setenv("MEDIASENSE_HISTORY", "on")
    cli("image", picture, "the dates", "--task", "summary")
    found = json.loads(cli("history", "--json").stdout)
    assert [entry["prompt"] for entry in found] == ["task summary: the dates"]


def test_a_changed_task_is_another_question_to_the_cache(cli, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    for prompt in ("first", "first", "second"):
        own = tmp_path / "tasks" / "mine.toml"
        own.parent.mkdir(exist_ok=True)
        own.write_text(f'description = "d"\nmodalities = ["image"]\nprompt = "{prompt}"\n')
        done = cli("image", picture, "--task", "mine", "--json")
        assert json.loads(done.stdout)["text"] == prompt
    assert json.loads(done.stdout)["cached"] is False


# --- a batch -------------------------------------------------------------------------------------


def texts(done: Result) -> list[str]:
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        line["answer"]["text"] if line["answer"] else line["error"]["message"] for line in found
    ]


def test_a_batch_asks_a_task_about_each(cli, picture):
    assert texts(cli("batch", picture, "--task", "alt-text")) == [find_task("alt-text").prompt]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_row_names_a_task_of_its_own(cli, picture, tmp_path, name):
    manifest = tmp_path / name
    rows = [{"source": str(picture), "task": task} for task in ("alt-text", "", "nope")]
    if name == "rows.csv":
        lines = ["source,task", *(f"{row['source']},{row['task']}" for row in rows)]
        manifest.write_text("\n".join(lines))
    else:
        manifest.write_text("\n".join(map(json.dumps, rows)))
    done = cli("batch", "--manifest", manifest, "--task", "summary", "--jobs", "1")
    assert texts(done) == [
        find_task("alt-text").prompt,
        find_task("summary").prompt_for("image"),
        "there is no task 'nope'; type: mediasense tasks",
    ]


def test_a_batch_does_not_go_on_with_a_task_that_was_changed(cli, picture, tmp_path):
    own = tmp_path / "tasks" / "mine.toml"
    own.parent.mkdir()
    for prompt in ("first", "second"):
        own.write_text(f'description = "d"\nmodalities = ["image"]\nprompt = "{prompt}"\n')
        done = cli("batch", picture, "--task", "mine", "--out", tmp_path / "out.jsonl")
    assert done.exit_code != 0
    assert "task: mine (" in done.stderr


# --- context -------------------------------------------------------------------------------------


def test_context_is_a_text(cli, picture):
    done = cli("image", picture, "what?", "--context", "a text of mine")
    assert "\na text of mine\n--- end of " in done.stdout
    assert "note: context" not in done.stderr


@pytest.mark.parametrize("mark", ["@", ""])
def test_or_a_file_which_is_said(cli, picture, tmp_path, mark):
    (tmp_path / "issue.md").write_text("It crashes.")
    done = cli("image", picture, "what?", "--context", f"{mark}{tmp_path}/issue.md")
    assert "\nIt crashes.\n--- end of " in done.stdout
    assert f"note: context: {tmp_path}/issue.md is sent, 11 bytes\n" in done.stderr


def test_a_file_that_is_not_there_is_21(cli, picture):
    done = cli("image", picture, "what?", "--context", "@gone.md")
    assert done.exit_code == 21
    assert "the context gone.md does not exist" in done.stderr


def test_a_project_tells_of_itself_only_when_it_is_asked_to(cli, picture, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "AGENTS.md").write_text("Use tabs.")
    monkeypatch.chdir(tmp_path)
    unasked = cli("image", picture, "what?")
    assert "Use tabs." not in unasked.output
    done = cli("image", picture, "what?", "--context", "mine", "--project-context", ".")
    assert "\nmine\n\nProject file AGENTS.md:\n\nUse tabs.\n--- end of " in done.stdout
    assert f"note: context: of {tmp_path} is sent: AGENTS.md, " in done.stderr


def test_what_is_left_out_of_a_project_is_said(cli, picture, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "CLAUDE.md").write_text("x" * 150_000)
    (tmp_path / "AGENTS.md").write_text("y" * 150_000)
    done = cli("image", picture, "what?", "--project-context", tmp_path)
    assert done.exit_code == 0
    assert "warning: context: left out: AGENTS.md: cut after " in done.stderr


# --- mediasense tasks ----------------------------------------------------------------------------


def test_the_tasks_are_listed(cli):
    done = cli("tasks")
    assert done.exit_code == 0
    found = [line.split()[0] for line in done.stdout.splitlines()[1:] if line]
    assert found[:-1] == list(task_names())


def test_they_are_listed_as_json(cli):
    found = {task["name"]: task for task in json.loads(cli("tasks", "--json").stdout)}
    assert list(found) == list(task_names())
    assert found["ocr"] == {
        "name": "ocr",
        "description": find_task("ocr").description,
        "modalities": ["image", "video"],
        "structured": False,
        "path": None,
    }


@pytest.mark.parametrize("command", [("tasks", "show"), ("tasks",)])
def test_a_task_is_shown_with_its_prompts_and_its_schema(cli, command):
    done = cli(*command, "key-facts")
    assert find_task("key-facts").prompt in done.stdout
    assert '"additionalProperties": false' in done.stdout
    both = cli(*command, "ocr").stdout
    assert "prompt for image:" in both
    assert "prompt for video:" in both


def test_a_task_is_shown_as_json(cli):
    found = json.loads(cli("tasks", "show", "transcribe", "--json").stdout)
    assert found["prompts"] == {"video": None, "audio": None}
    assert found["schema"] is None


def test_a_copy_is_asked_in_place_of_what_it_was_copied_from(cli, picture, tmp_path):
    done = cli("tasks", "copy", "alt-text")
    path = tmp_path / "tasks" / "alt-text.toml"
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    path.write_text(path.read_text().replace("Write the alternative text", "Tell"))
    asked = cli("image", picture, "--task", "alt-text")
    assert asked.stdout.startswith("Tell of this image")


def test_a_task_of_the_users_own_that_is_wrong_is_said_below_the_others(cli, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.toml").write_text("promt = 1\n")
    done = cli("tasks")
    assert done.exit_code == 2
    assert "ocr" in done.stdout
    assert f"{tmp_path}/tasks/mine.toml:1: promt: unknown setting" in done.stderr
