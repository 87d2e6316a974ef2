"""Recordings too large to go inline: uploaded, waited for, asked about, deleted."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from werkzeug import Request, Response

import mediasense_gemini_native as plugin
from mediasense import (
    AudioRequest,
    AuthenticationError,
    CorruptMedia,
    InvalidAnswer,
    Media,
    MediasenseError,
    RequestRejected,
    ServerError,
    TextRequest,
    Timeout,
    UnknownModel,
    VideoRequest,
)

_BLOCK = 8 * 1024 * 1024


@dataclass
class Store:
    """The Files API: keeps what is uploaded, and says what state it is in.

    Attributes:
        states: Said one after the other, the last one again and again.
        calls: Method and path of everything asked, in order.
    """

    google: object
    states: list[str] = field(default_factory=lambda: ["ACTIVE"])
    error: str = "no video stream in it"
    host: str = "http://elsewhere.invalid"
    calls: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    content: bytes = b""
    name: str = ""
    failing: dict[str, Response] = field(default_factory=dict)

    def handle(self, request: Request) -> Response:
        data = request.get_data()
        self.requests.append(request)
        kind = self.kind(request)
        self.calls.append(kind)
        if kind in self.failing:
            return self.failing[kind]
        if kind == "start":
            self.name = json.loads(data)["file"]["name"]
            return Response("{}", headers={"X-Goog-Upload-URL": f"{self.host}/upload/there?id=7"})
        if kind == "block":
            self.content += data
            final = "finalize" in request.headers["X-Goog-Upload-Command"]
            text = json.dumps({"file": self.file()}) if final else ""
            status = "final" if final else "active"
            return Response(text, headers={"X-Goog-Upload-Status": status})
        if kind == "look":
            return Response(json.dumps(self.file()))
        if kind == "delete":
            return Response("{}")
        return Response(json.dumps(self.google.reply()))

    def kind(self, request: Request) -> str:
        if request.path.endswith("/files"):
            return "start"
        if request.path == "/upload/there":
            return "block"
        if "/files/" in request.path:
            return "delete" if request.method == "DELETE" else "look"
        return "ask"

    def file(self) -> dict[str, object]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        file: dict[str, object] = {
            "name": self.name,
            "uri": f"https://generativelanguage.googleapis.com/v1beta/{self.name}",
            "state": state,
        }
        if state == "FAILED":
            file["error"] = {"code": 3, "message": self.error}
        return file

    def of(self, kind: str) -> list[Request]:
        return [request for request in self.requests if self.kind(request) == kind]


@pytest.fixture
def store(google) -> Store:
    store = Store(google)
    google.server.expect_request(re.compile("/.*")).respond_with_handler(store.handle)
    return store


@pytest.fixture
def ask(small, video):
    def go(on_text=None, **options):
        request = VideoRequest(
            provider=small, video=video, prompt="what?", **{"retries": 0, **options}
        )
        return plugin.analyze_video(request, on_text)

    return go


def test_a_large_video_is_uploaded_asked_about_and_deleted(store, ask, video):
    assert ask().text == "hello"
    assert store.calls == ["start", "block", "ask", "delete"]
    assert store.content == video.read()
    part, _ = json.loads(store.of("ask")[0].get_data())["contents"][0]["parts"]
    assert part["fileData"]["file_uri"].endswith(store.name)
    assert part["fileData"]["mime_type"] == "video/mp4"
    assert store.of("delete")[0].path == f"/v1beta/{store.name}"


def test_a_large_sound_is_uploaded_too(store, small, sound):
    plugin.analyze_audio(AudioRequest(provider=small, audio=sound), None)
    assert store.calls == ["start", "block", "ask", "delete"]
    assert store.content == sound.data


def test_a_small_video_is_not_uploaded(store, gemini, video):
    plugin.analyze_video(VideoRequest(provider=gemini, video=video, prompt="what?"), None)
    assert store.calls == ["ask"]


def test_vertex_uploads_nothing(store, vertex, video, monkeypatch):
    monkeypatch.setenv("GOOGLE_VERTEX_API_KEY", "express")
    plugin.analyze_video(VideoRequest(provider=vertex, video=video, prompt="what?"), None)
    assert store.calls == ["ask"]


def test_options_hold_for_uploaded_files(store, ask):
    ask(start=1.0, fps=2.0)
    part, _ = json.loads(store.of("ask")[0].get_data())["contents"][0]["parts"]
    assert part["videoMetadata"] == {"start_offset": "1s", "fps": 2.0}


def test_an_uploaded_file_can_be_streamed_about(store, ask, google):
    store.failing["ask"] = Response(google.events(google.reply("one ", None), google.reply("two")))
    pieces: list[str] = []
    assert ask(pieces.append).text == "one two"
    assert pieces == ["one ", "two"]
    assert store.calls[-1] == "delete"


def test_the_blocks_follow_each_other(store, small, tmp_path):
    path = tmp_path / "long.mp4"
    path.write_bytes(bytes(range(256)) * (_BLOCK // 256) + b"the end")
    media = Media(modality="video", mime_type="video/mp4", path=path, size=path.stat().st_size)
    plugin.analyze_video(VideoRequest(provider=small, video=media, prompt="what?"), None)
    blocks = store.of("block")
    assert [block.headers["X-Goog-Upload-Offset"] for block in blocks] == ["0", str(_BLOCK)]
    assert [block.headers["X-Goog-Upload-Command"] for block in blocks] == [
        "upload",
        "upload, finalize",
    ]
    assert store.content == path.read_bytes()


# --- what is told, and to whom -------------------------------------------------------------------


def test_no_local_name_leaves_the_machine(store, ask, video):
    ask()
    for request in store.requests:
        sent = f"{request.url} {request.headers} ".encode() + request.get_data()
        assert video.path.name.encode() not in sent
        assert str(video.path.parent).encode() not in sent


def test_the_type_and_the_length_are_told(store, ask, video):
    ask()
    headers = store.of("start")[0].headers
    assert headers["X-Goog-Upload-Header-Content-Type"] == "video/mp4"
    assert headers["X-Goog-Upload-Header-Content-Length"] == str(video.size)


def test_blocks_go_to_the_host_that_was_asked(store, ask):
    """Whatever host the answer names: here one that does not exist."""
    ask()
    assert store.of("block")[0].full_path == "/upload/there?id=7"


def test_the_key_does_not_go_with_the_blocks(store, ask, google):
    ask()
    assert google.KEY not in str(store.of("block")[0].headers)


def test_extra_headers_go_with_every_request(store, ask):
    ask(headers=(("X-Team", "blue"),))
    assert all(request.headers["X-Team"] == "blue" for request in store.requests)


# --- processing ----------------------------------------------------------------------------------


def test_a_file_is_waited_for(store, ask):
    store.states = ["PROCESSING", "PROCESSING", "ACTIVE"]
    assert ask().text == "hello"
    assert store.calls == ["start", "block", "look", "look", "ask", "delete"]


def test_a_file_that_cannot_be_processed_is_named_with_the_cause(store, ask):
    store.states = ["PROCESSING", "FAILED"]
    with pytest.raises(RequestRejected, match="could not process the video: no video stream"):
        ask()
    assert store.calls[-1] == "delete"
    assert "ask" not in store.calls


def test_a_file_that_is_never_ready_is_not_waited_for_for_ever(store, ask):
    store.states = ["PROCESSING"]
    started = time.monotonic()
    with pytest.raises(Timeout, match="still processing"):
        ask(timeout=1.0)
    assert time.monotonic() - started < 3
    assert store.calls[-1] == "delete"


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"file": 3}', '{"file": {}}', "<html>"])
def test_an_upload_that_ends_in_nonsense(store, ask, answer):
    store.failing["block"] = Response(answer, headers={"X-Goog-Upload-Status": "final"})
    with pytest.raises(InvalidAnswer):
        ask()
    assert store.calls[-1] == "delete"


def test_an_upload_without_an_address(store, ask):
    store.failing["start"] = Response("{}")
    with pytest.raises(InvalidAnswer):
        ask()


# --- deletion ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "status", "expected"),
    [("start", 401, AuthenticationError), ("look", 500, ServerError), ("ask", 404, UnknownModel)],
)
def test_a_failure_deletes_and_keeps_its_class(store, ask, at, status, expected):
    store.states = ["PROCESSING", "ACTIVE"]
    store.failing[at] = Response(json.dumps({"error": {"message": "no"}}), status)
    with pytest.raises(expected):
        ask()
    assert store.calls[-2:] == [at, "delete"]


def test_a_file_that_changed_is_not_asked_about(store, small, video):
    with video.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(CorruptMedia):
        plugin.analyze_video(VideoRequest(provider=small, video=video, prompt="what?"), None)
    assert "ask" not in store.calls


def test_an_interruption_deletes(store, ask, google):
    store.failing["ask"] = Response(google.events(google.reply("one ", None)))

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(interrupt)
    assert store.calls[-1] == "delete"


@pytest.mark.parametrize("at", ["look", "ask"])
def test_a_deletion_that_fails_does_not_hide_the_first_error(store, ask, at):
    store.states = ["PROCESSING", "ACTIVE"]
    store.failing = {
        at: Response('{"error": {"message": "the first"}}', 400),
        "delete": Response('{"error": {"message": "the second"}}', 500),
    }
    with pytest.raises(RequestRejected, match="the first"):
        ask()
    assert store.calls.count("delete") == 1


def test_a_deletion_that_fails_is_told_with_the_answer(store, ask):
    store.failing["delete"] = Response("{}", 500)
    answer = ask(retries=5)
    assert answer.text == "hello"
    assert "could not be deleted" in answer.warnings[0]
    assert store.calls.count("delete") == 1


def test_a_deletion_that_hangs_is_bounded(ask, google):
    store = Store(google)

    def handle(request: Request) -> Response:
        if request.method == "DELETE":
            time.sleep(3.5)
        return store.handle(request)

    google.server.expect_request(re.compile("/.*")).respond_with_handler(handle)
    started = time.monotonic()
    answer = ask(retries=3)
    assert time.monotonic() - started < 4.5
    assert "could not be deleted" in answer.warnings[0]


def test_every_file_has_a_name_of_its_own(store, ask):
    ask()
    first = store.name
    ask()
    assert first != store.name
    assert len(store.name.removeprefix("files/")) <= 40


def test_text_is_not_uploaded(store, small):
    plugin.generate(TextRequest(provider=small, prompt="x" * 100), None)
    assert store.calls == ["ask"]


def test_errors_are_ours_when_the_file_is_gone(store, small, tmp_path, video):
    Path(video.path).unlink()
    with pytest.raises(MediasenseError, match="cannot open"):
        plugin.analyze_video(VideoRequest(provider=small, video=video, prompt="what?"), None)
