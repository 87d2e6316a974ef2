"""Ready questions on the wire of real services, and read on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mediasense.tasks import find_task, list_tasks
from mediasense_openai_compat.schemas import strict_version

MEDIA = Path(__file__).parents[2] / "examples" / "media"
SECRET = "sk-very-secret-0123456789"
SHOT = MEDIA / "error-dialog.png"
STRUCTURED = [task for task in list_tasks() if task.schema]


def filled(schema: dict[str, Any]) -> Any:
    """Data that fits a schema."""
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {name: filled(inner) for name, inner in schema["properties"].items()}
    if kind == "array":
        return [filled(schema["items"])]
    return {"string": "E42", "number": 1.5, "boolean": True}[kind]


def untitled(schema: Any) -> Any:
    """A schema without titles, which strict decoding does not take."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: untitled(said)
        for name, said in schema.items()
        if name != "title" or not isinstance(said, str)
    }


@pytest.fixture
def report() -> dict[str, Any]:
    return filled(json.loads(find_task("bug-report").schema or ""))


@pytest.fixture
def openai(httpserver: HTTPServer, report) -> HTTPServer:
    """A server that speaks the OpenAI protocol, and answers with a report."""

    def chat(request: Request) -> Response:
        message = {"role": "assistant", "content": json.dumps(report)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        asked = request.get_json()
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"]}
        return Response(
            json.dumps({**answer, "choices": [choice]}), content_type="application/json"
        )

    httpserver.expect_request("/chat/completions").respond_with_handler(chat)
    return httpserver


def test_a_report_is_asked_of_an_openai_server_as_it_is_written(mediasense, openai, tmp_path):
    (tmp_path / "issue.md").write_text("It happens on Mondays.")
    done = mediasense(
        *("image", SHOT, "--task", "bug-report", "--context", f"@{tmp_path}/issue.md"),
        *("--provider", "openai", "--base-url", openai.url_for(""), "--model", "gpt-5"),
        OPENAI_COMPAT_API_KEY=SECRET,
        OPENAI_API_KEY=SECRET,
    )
    assert done.code == 0, done.err
    (request, _), *others = openai.log
    assert others == []
    asked = request.get_json()
    text = next(
        part["text"]
        for message in asked["messages"]
        for part in message["content"]
        if isinstance(part, dict) and part["type"] == "text"
    )
    task = find_task("bug-report")
    assert text.startswith(f"{task.prompt}\n\n")
    assert "\nIt happens on Mondays.\n" in text
    sent = asked["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"] == untitled(json.loads(task.schema))
    assert done.out.startswith("# E42\n")
    assert "## Evidence\n" in done.out


@pytest.mark.parametrize("task", STRUCTURED, ids=lambda task: task.name)
def test_strict_decoding_takes_every_schema_as_it_is_but_for_titles(task):
    schema = json.loads(task.schema)
    assert strict_version(schema) == untitled(schema)


def test_gemini_is_sent_the_same(mediasense, httpserver: HTTPServer, report):
    def generate(_request: Request) -> Response:
        content = {"role": "model", "parts": [{"text": json.dumps(report)}]}
        answer = {"candidates": [{"content": content, "finishReason": "STOP"}]}
        return Response(json.dumps(answer), content_type="application/json")

    httpserver.expect_request(re.compile(r".*enerateContent$")).respond_with_handler(generate)
    done = mediasense(
        *("image", SHOT, "--task", "bug-report", "--json", "--provider", "gemini"),
        *("--base-url", httpserver.url_for("")),
        GEMINI_API_KEY=SECRET,
    )
    assert done.code == 0, done.err
    assert done.json["data"] == report
    asked = httpserver.log[0][0].get_json()
    texts = [part["text"] for part in asked["contents"][0]["parts"] if "text" in part]
    assert texts == [find_task("bug-report").prompt]
    assert json.dumps(report["evidence"]["visible"][0]["statement"]) in done.out
    settings = asked["generationConfig"]
    sent = settings.get("responseJsonSchema") or settings.get("response_json_schema")
    assert sent == json.loads(find_task("bug-report").schema or "")


@pytest.mark.parametrize("command", ["image", "video"])
def test_text_is_read_on_this_machine_without_a_word_about_the_prompt(mediasense, command):
    source = SHOT if command == "image" else MEDIA / "screen-recording.mp4"
    done = mediasense(command, source, "--task", "ocr", "--provider", "on_device")
    assert done.code == 0, done.err
    assert len(done.out) > 20
    assert "does not reason" not in done.err


@pytest.mark.parametrize("task", ["bug-report", "summary"])
def test_what_needs_reason_is_refused_on_this_machine(mediasense, task):
    done = mediasense("image", SHOT, "--task", task, "--provider", "on_device")
    assert (done.code, done.out) == (10, "")
    assert (
        f"on_device reads what is there and does not reason, as the task {task} needs" in done.err
    )
