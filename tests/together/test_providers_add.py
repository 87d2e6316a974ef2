"""Adding endpoints, from the command line to servers of every kind, and using them afterwards."""

from __future__ import annotations

import base64
import io
import json
import socket
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mediasense.testing.wire import Call, Reply, Wire

MEDIA = Path(__file__).parents[2] / "examples" / "media"
KEY = "sk-very-secret-0123456789"
EVERYTHING = frozenset(
    ("text", "image_url", "input_audio", "video_url", "transcript", "several", "stream", "schema")
)


@dataclass(kw_only=True)
class Endpoint:
    """A server that speaks the protocol of OpenAI, as far as it is told to.

    Attributes:
        takes: What it answers; the rest is refused with 422.
        models: What it lists; ``None``: it has no listing.
        sees: Whether it looks at pictures.
        smallest: Pixels of the smallest picture that it takes.
        types: The types of pictures that it takes.
        transcriber: The model that writes down speech; ``None`` for any.
        refusal: The status of a refusal.
    """

    takes: frozenset[str] = EVERYTHING
    models: tuple[str, ...] | None = ("acme-eye-2",)
    sees: bool = True
    smallest: int = 1
    types: tuple[str, ...] = ("png", "jpeg", "webp", "gif")
    transcriber: str | None = None
    refusal: int = 422

    def __call__(self, call: Call) -> Reply:
        if call.path.endswith("/models"):
            if self.models is None:
                return self.refused("no such path", 404)
            return Reply.of({"data": [{"id": name} for name in self.models]})
        if call.path.endswith("/audio/transcriptions"):
            return self.transcript(call)
        return self.chat(call.json)

    def refused(self, what: str, status: int | None = None) -> Reply:
        said = {"error": {"message": f"{what} is not supported"}}
        return Reply.of(said, status=status or self.refusal)

    def transcript(self, call: Call) -> Reply:
        form = {part.name: part for part in call.form}
        if "transcript" not in self.takes:
            return self.refused("this path", 404)
        if self.transcriber not in (None, form["model"].data.decode()):
            return self.refused("this model", 400)
        timed = form.get("response_format")
        segments = [{"start": 0.0, "end": 0.5, "text": "beep"}] if timed else []
        return Reply.of({"text": "beep", "segments": segments})

    def chat(self, asked: Mapping[str, Any]) -> Reply:
        content = asked["messages"][0]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        pictures = [p for p in parts if p["type"] == "image_url"]
        kinds = {part["type"] for part in parts} - {"text"} or {"text"}
        wanted = kinds | ({"several"} if len(pictures) > 1 else set())
        wanted |= {"stream"} if asked.get("stream") else set()
        wanted |= {"schema"} if "response_format" in asked else set()
        for what in sorted(wanted - self.takes):
            return self.refused(what)
        colours = ["green"] if "video_url" in kinds else []
        for part in pictures:
            head, _, data = part["image_url"]["url"].partition(";base64,")
            picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
            if head.removeprefix("data:image/") not in self.types:
                return self.refused("this type of image")
            if picture.width < self.smallest:
                return self.refused("an image so small", 400)
            red, green, _blue = picture.getpixel((0, 0))
            colours.append(("green" if green > red else "purple") if self.sees else "a shade")
        return self.said(asked, ", ".join(colours) or "one, two, three")

    def said(self, asked: Mapping[str, Any], text: str) -> Reply:
        if "response_format" in asked:
            return self.answered(json.dumps({"numbers": [1, 2]}))
        if asked.get("max_tokens"):
            return self.answered("one, two,", "length")
        if asked.get("stream"):
            deltas = [{"choices": [{"delta": {"content": piece}}]} for piece in (text, "!")]
            return Reply.events([*deltas, {"choices": [{"delta": {}, "finish_reason": "stop"}]}])
        return self.answered(text)

    def answered(self, text: str, reason: str = "stop") -> Reply:
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return Reply.of({"model": "acme-eye-2", "choices": [choice]})


@pytest.fixture
def serve() -> Iterator[Callable[..., Wire]]:
    """Start servers that answer as they are told."""
    started: list[Wire] = []

    def start(answer: Callable[[Call], Reply]) -> Wire:
        wire = Wire(answer)
        started.append(wire.__enter__())
        return wire

    yield start
    for wire in started:
        wire.__exit__()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of the person who types, with something in it."""
    path = tmp_path / "settings" / "config.toml"
    path.parent.mkdir()
    path.write_text("# my own\nretries = 0  # at once\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))
    return path


@pytest.fixture
def add(mediasense, config):
    """Add the endpoint ``gpu`` at a URL."""

    def run(url: str, *arguments: str, **variables: str):
        return mediasense("providers", "add", "gpu", "--base-url", url, *arguments, **variables)

    return run


def written(config: Path) -> dict[str, Any]:
    return tomllib.loads(config.read_text())["providers"]["gpu"]


def test_what_takes_everything_is_written_as_such(add, serve, config):
    wire = serve(Endpoint())
    run = add(f"{wire.url}/v1", "--api-key-env", "ACME_TOKEN", ACME_TOKEN=KEY)
    assert run.code == 0, run.err
    assert run.out == ""
    chat = {"options": ["json_schema", "max_output_tokens", "temperature"], "streaming": True}
    table = written(config)
    assert (table["base_url"], table["like"]) == (f"{wire.url}/v1", "custom")
    assert (table["api_key_env"], table["model"]) == ("ACME_TOKEN", "acme-eye-2")
    assert table["text"] == chat
    pictures = ["image/png", "image/jpeg", "image/webp", "image/gif"]
    assert table["image"] == {"mime_types": pictures, "answers": True, **chat}
    assert table["video"] == {"mime_types": ["video/mp4"], "answers": True, **chat}
    assert table["audio"]["transcribes"] is table["audio"]["answers"] is True
    assert table["audio"]["timestamps"] is True
    assert table["audio"]["mime_types"] == ["audio/wav", "audio/mpeg"]
    assert table["audio"]["options"] == ["language"]
    assert KEY not in config.read_text() + run.err
    assert 15 <= len(wire.calls) <= 25
    assert all(call.headers["authorization"] == f"Bearer {KEY}" for call in wire.calls)


def test_it_is_used_like_any_other_afterwards(add, serve, mediasense, config):
    wire = serve(Endpoint())
    added = add(f"{wire.url}/v1", "--api-key-env", "ACME_TOKEN", ACME_TOKEN=KEY)
    assert 'try: mediasense image shot.png "what is this?" --provider gpu' in added.err
    shown = mediasense("providers", "gpu", "--check", ACME_TOKEN=KEY)
    assert shown.code == 0, shown.err
    assert "ACME_TOKEN is set" in shown.out
    wire.clear()
    shot = MEDIA / "error-dialog.png"
    run = mediasense("image", shot, "what?", "--provider", "gpu", ACME_TOKEN=KEY)
    assert (run.code, run.out) == (0, "green!\n"), run.err  # it streams
    assert json.loads(wire.calls[0].body)["model"] == "acme-eye-2"
    heard = mediasense("audio", MEDIA / "spoken-sentence.wav", "-p", "gpu", ACME_TOKEN=KEY)
    assert (heard.code, heard.out) == (0, "beep\n"), heard.err


def test_what_was_in_the_file_is_still_there(add, serve, config):
    config.chmod(0o640)
    add(serve(Endpoint()).url)
    assert config.read_text().startswith("# my own\nretries = 0  # at once\n\n# tried 20")
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_what_takes_text_alone_is_written_so(add, serve, config):
    run = add(serve(Endpoint(takes=frozenset(("text", "stream")))).url)
    assert run.code == 0, run.err
    assert set(written(config)) == {"base_url", "like", "model", "text"}
    assert written(config)["text"] == {
        "options": ["max_output_tokens", "temperature"],
        "streaming": True,
    }
    comments = config.read_text()
    assert "# not taken: video (mp4): refused (422)" in comments
    assert "# not taken: a transcript of sound (wav): refused (404)" in comments
    assert "not taken: a question about sound (wav): refused (422)" in run.err


def test_what_refuses_streams_is_not_asked_for_them(add, serve, config):
    run = add(serve(Endpoint(takes=EVERYTHING - {"stream"})).url)
    assert run.code == 0, run.err
    table = written(config)
    assert {table[kind]["streaming"] for kind in ("text", "image", "video")} == {False}
    assert "temperature" in table["image"]["options"]


def test_what_wants_larger_pictures_gets_one_before_it_is_said_to_take_none(add, serve, config):
    run = add(serve(Endpoint(smallest=64)).url)
    assert run.code == 0, run.err
    assert len(written(config)["image"]["mime_types"]) == 4
    assert "tries: image (png) ... refused" in run.err


def test_what_takes_one_picture_is_given_one(add, serve, config):
    run = add(serve(Endpoint(takes=EVERYTHING - {"several"})).url)
    assert run.code == 0, run.err
    assert written(config)["image"]["max_items"] == 1
    assert len(written(config)["image"]["mime_types"]) == 4


def test_types_of_pictures_that_are_refused_are_left_out(add, serve, config):
    add(serve(Endpoint(types=("jpeg", "webp"))).url)
    assert written(config)["image"]["mime_types"] == ["image/jpeg", "image/webp"]


def test_of_several_models_none_is_chosen_in_silence(add, serve, config):
    run = add(serve(Endpoint(models=("acme-eye-2", "acme-ear", "acme-pen"))).url)
    assert run.code == 0, run.err
    assert "model" not in written(config)
    assert "tries: models ... 3 found (acme-eye-2, acme-ear, acme-pen)" in run.err
    assert "choose one with --model" in run.err
    assert "with acme-eye-2, the first of 3 that are listed" in config.read_text()


def test_speech_can_have_a_model_of_its_own(add, serve, config):
    endpoint = Endpoint(models=("acme-eye-2", "acme-ear"), transcriber="acme-ear")
    run = add(serve(endpoint).url, "-m", "acme-eye-2", "--audio-model", "acme-ear")
    assert run.code == 0, run.err
    sound = written(config)["audio"]
    assert (sound["default_model"], sound["answer_model"]) == ("acme-ear", "acme-eye-2")


def test_without_a_listing_a_model_has_to_be_named(add, serve, config):
    wire = serve(Endpoint(models=None))
    run = add(wire.url)
    assert (run.code, run.out) == (2, "")
    assert "give --model NAME" in run.err
    assert add(wire.url, "--model", "acme-eye-2").code == 0
    assert written(config)["model"] == "acme-eye-2"


def test_a_model_that_does_not_look_is_doubted(add, serve, config):
    run = add(serve(Endpoint(sees=False)).url)
    assert run.code == 0, run.err
    assert "did not name the colour of the picture: does the model see?" in run.err
    assert "# doubtful: image (png)" in config.read_text()


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 41), (403, 42), (429, 43), (503, 48), (502, 49), (307, 44), (402, 44)],
)
def test_a_server_that_does_not_let_in_is_not_written(add, serve, config, status, code):
    before = config.read_bytes()
    run = add(serve(lambda _: Reply.of({"error": {"message": "no"}}, status=status)).url)
    assert (run.code, run.out) == (code, "")
    assert "nothing was written" in run.err
    assert config.read_bytes() == before


@pytest.mark.parametrize("status", [401, 429, 502])
def test_a_failure_in_the_middle_ends_it(add, serve, config, status):
    good, before = Endpoint(), config.read_bytes()

    def answer(call: Call) -> Reply:
        reply = good(call)
        return Reply.of({}, status=status) if b"video_url" in call.body else reply

    assert add(serve(answer).url).code in (41, 43, 49)
    assert config.read_bytes() == before


def test_a_path_that_the_key_may_not_use_is_not_taken(add, serve, config):
    good = Endpoint()

    def answer(call: Call) -> Reply:
        reply = good(call)
        return Reply.of({}, status=403) if "transcriptions" in call.path else reply

    assert add(serve(answer).url).code == 0
    assert written(config)["audio"].get("transcribes") is False


def test_a_server_that_falls_over_a_picture_is_not_said_to_take_any(add, serve, config):
    good = Endpoint()

    def answer(call: Call) -> Reply:
        reply = good(call)
        return Reply.of({}, status=500) if b"image_url" in call.body else reply

    run = add(serve(answer).url)
    assert run.code == 0, run.err
    assert "image" not in written(config)
    assert "# not taken: image (jpeg): failed (500)" in config.read_text()


def test_a_server_that_hangs_is_not_waited_for_without_end(add, serve, config):
    before = config.read_bytes()
    run = add(serve(lambda _: Reply(delay=60)).url, "--timeout", "0.2")
    assert run.code == 51
    assert config.read_bytes() == before


def test_where_nobody_is_nothing_is_written(add, config):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        before = config.read_bytes()
        assert add(url).code == 50
    assert config.read_bytes() == before


@pytest.mark.parametrize("arguments", [(), ("--model", "m")])
def test_a_page_is_no_answer(add, serve, config, arguments):
    before = config.read_bytes()
    page = Reply(body=b"<html><body>Welcome</body></html>", content_type="text/html")
    assert add(serve(lambda _: page).url, *arguments).code == 52
    assert config.read_bytes() == before


def test_what_refuses_everything_is_not_written(add, serve, config):
    before = config.read_bytes()
    run = add(serve(Endpoint(takes=frozenset())).url)
    assert run.code in (44, 53)
    assert config.read_bytes() == before


def test_a_wrong_model_is_told_with_what_to_check(add, serve, config):
    gone = Endpoint()
    gone.chat = lambda _: gone.refused("that model", 404)
    gone.transcript = lambda _: gone.refused("that model", 404)
    run = add(serve(gone).url)
    assert run.code == 45
    assert "check --model, --base-url and --like" in run.err


def test_a_dry_run_prints_what_would_be_written(add, serve, config):
    before = config.read_bytes()
    run = add(serve(Endpoint()).url, "--dry-run")
    assert run.code == 0, run.err
    assert tomllib.loads(run.out)["providers"]["gpu"]["model"] == "acme-eye-2"
    assert config.read_bytes() == before


def test_json_says_what_was_tried(add, serve, config):
    run = add(serve(Endpoint(takes=frozenset(("text",)))).url, "--json")
    assert run.json["written"] == str(config)
    assert run.json["takes"]["image"] is None
    refused = [row for row in run.json["attempts"] if row["outcome"] == "refused"]
    assert {"image", "video", "audio"} <= {row["modality"] for row in refused}
    assert tomllib.loads(run.json["toml"])["providers"]["gpu"] == written(config)


def test_headers_are_sent_while_trying_and_written(add, serve, config):
    wire = serve(Endpoint(takes=frozenset(("text",))))
    run = add(
        wire.url,
        *("--header", "X-Team=blue", "--header-env", "X-Route=ACME_ROUTE"),
        ACME_ROUTE="route-66-secret",
    )
    assert run.code == 0, run.err
    assert written(config)["headers"] == {"X-Team": "blue", "X-Route": {"env": "ACME_ROUTE"}}
    sent = {(call.headers["x-team"], call.headers["x-route"]) for call in wire.calls}
    assert sent == {("blue", "route-66-secret")}
    assert "route-66-secret" not in config.read_text() + run.err


def test_a_hostile_name_of_a_model_does_not_get_into_the_file(add, serve, config):
    before = config.read_bytes()
    run = add(serve(Endpoint(models=('x"\n[providers.evil]\nbase_url = "http://evil"',))).url)
    assert run.code == 2
    assert config.read_bytes() == before


def test_what_a_service_says_stands_in_comments_of_one_line(add, serve, config):
    endpoint = Endpoint(models=("m\x1b[31m\n[evil]",), takes=frozenset(("text",)))
    run = add(serve(endpoint).url, "--model", "acme-eye-2")
    assert run.code == 0, run.err
    assert set(tomllib.loads(config.read_text())) == {"retries", "providers"}
    assert "\x1b" not in run.err
