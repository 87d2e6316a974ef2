"""What users call from Python."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import threading
from pathlib import Path

import pytest

import mediasense
from mediasense import MediaNotFound, UsageError, analyze, analyze_async


@pytest.fixture
def wire(acme_installed, httpserver, monkeypatch):
    """The plugin acme is installed and its server answers."""
    monkeypatch.setenv("ACME_URL", httpserver.url_for(""))
    httpserver.expect_request("/look").respond_with_json({"answer": "a cat"})
    httpserver.expect_request("/hear").respond_with_json({"answer": "good morning"})
    return httpserver


@pytest.fixture
def picture(tmp_path, make_image) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(make_image())
    return path


@pytest.mark.parametrize("form", [str, Path, Path.read_bytes], ids=["text", "Path", "bytes"])
def test_a_source_may_be_a_path_or_the_bytes(wire, picture, form):
    analysis = analyze(form(picture), "what?", provider="acme")
    assert (analysis.text, analysis.provider) == ("a cat", "acme")
    assert analysis.media[0].width == 64


@pytest.mark.parametrize("several", [list, tuple, iter])
def test_several_sources_may_be_mixed(wire, picture, several):
    sources = several([picture, str(picture), picture.read_bytes()])
    assert len(analyze(sources, provider="acme").media) == 3


def test_a_sound_without_a_prompt_is_written_down(wire, make_wav):
    assert analyze(make_wav(), provider="acme").strategy == "transcript"


def test_the_sound_of_a_video_is_taken_where_it_is_asked_for(wire, make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=True)
    analysis = analyze(path, provider="acme", modality="audio")
    assert (analysis.text, analysis.strategy) == ("good morning", "transcript")
    assert [request.path for request, _ in wire.log] == ["/hear"]


def test_a_video_is_looked_at_as_frames_with_what_is_said(wire, make_video, tmp_path):
    words = []
    path = make_video(tmp_path / "a.mp4", sound=True)
    analysis = analyze(
        path,
        "what?",
        provider="acme",
        frames=2,
        subtitles="prefer",
        jobs=2,
        on_progress=lambda *doing: words.append(doing[0]),
    )
    assert (analysis.text, analysis.strategy) == ("a cat", "frames")
    assert [request.path for request, _ in wire.log] == ["/hear", "/look"]
    assert "good morning" in wire.log[1][0].json["question"]
    assert 1 <= len(analysis.frames) <= 2
    assert [step.action for step in analysis.steps][-1] == "ask"
    assert "choosing frames" in words


def test_a_link_is_downloaded_where_that_is_allowed(wire, picture):
    wire.expect_request("/a.png").respond_with_data(picture.read_bytes(), content_type="image/png")
    with pytest.raises(mediasense.UnsafeEndpoint):
        analyze(wire.url_for("/a.png"), provider="acme")
    with pytest.raises(mediasense.MediaTooLarge):
        analyze(wire.url_for("/a.png"), provider="acme", allow_private=True, max_download=100)
    assert analyze(wire.url_for("/a.png"), provider="acme", allow_private=True).text == "a cat"


def test_a_plan_is_made_and_nobody_asked(wire, picture):
    question = mediasense.Question(prompt="what?", provider="acme")
    plan = mediasense.plan([picture, picture], question, modality="image").plan
    assert plan.strategy == "images"
    assert [(step.action, step.images) for step in plan.steps] == [("ask", 2)]
    assert wire.log == []


def test_a_file_that_is_not_there_is_told(wire):
    with pytest.raises(MediaNotFound, match=r"there is no file nowhere.png"):
        analyze("nowhere.png", provider="acme")


@pytest.mark.parametrize("nothing", [[], ()])
def test_nothing_to_look_at_is_told(wire, nothing):
    with pytest.raises(UsageError, match="nothing to look at"):
        analyze(nothing, provider="acme")


COUNTS = {"type": "object", "properties": {"cats": {"type": "integer"}}}


@pytest.mark.parametrize("schema", [COUNTS, json.dumps(COUNTS), "cats int"])
def test_a_schema_is_a_mapping_or_a_text_and_its_answer_parsed(wire, picture, schema):
    wire.clear()
    wire.expect_request("/look").respond_with_json({"answer": '{"cats": 1}'})
    assert analyze(picture, provider="acme", schema=schema).data == {"cats": 1}


def test_the_options_reach_the_wire(wire, picture, monkeypatch):
    monkeypatch.setenv("WORK_KEY", "sk-work")
    analyze(picture, "what?", provider="acme", model="eye-2", api_key_env="WORK_KEY")
    request = wire.log[0][0]
    assert request.json == {"question": "what?", "model": "eye-2"}
    assert request.headers["Authorization"] == "Bearer sk-work"


def test_the_base_url_is_the_one_that_is_given(wire, picture, raw_server):
    reply = json.dumps({"answer": "other"}).encode()
    other = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply))
    assert analyze(picture, provider="acme", base_url=other.url).text == "other"
    assert wire.log == []


def test_the_timeout_is_the_one_that_is_given(wire, picture, raw_server):
    slow = raw_server(b"", delay=20)
    with pytest.raises(mediasense.Timeout):
        analyze(picture, provider="acme", base_url=slow.url, timeout=0.2, retries=0)
    assert len(slow.received) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_no_client_can_keep_is_refused(wire, picture, timeout):
    raised = None
    try:
        analyze(picture, provider="acme", timeout=timeout)
    except Exception as error:  # noqa: BLE001  it is looked at
        raised = type(error)
    gc.collect()  # what was half open
    assert raised is UsageError


def test_the_config_says_the_timeout_unless_the_caller_does(
    wire, picture, raw_server, tmp_path, monkeypatch
):
    config = tmp_path / "config.toml"
    config.write_text("timeout = 0.2\nretries = 0\n")
    monkeypatch.setenv("MEDIASENSE_CONFIG", str(config))
    slow = raw_server(b"", delay=20)
    with pytest.raises(mediasense.Timeout):
        analyze(picture, provider="acme", base_url=slow.url)


def test_pieces_go_to_the_function_that_is_given(wire, picture):
    wire.clear()
    wire.expect_request("/look").respond_with_json({"answer": "a cat", "pieces": ["a ", "cat"]})
    pieces = []
    analyze(picture, provider="acme", on_text=pieces.append)
    assert pieces == ["a ", "cat"]


@pytest.mark.parametrize(("start", "end"), [(5.0, 2.0), (3.0, 3.0), (-1.0, None)])
def test_a_part_of_a_recording_must_be_one(wire, make_wav, start, end):
    with pytest.raises(UsageError, match="start"):
        analyze(make_wav(), provider="acme", start=start, end=end)
    assert wire.log == []


# --- what was answered before, and who is asked instead -----------------------------------------


@pytest.fixture
def kept(monkeypatch):
    """Answers are kept, and what was asked is written down."""
    monkeypatch.setenv("MEDIASENSE_CACHE", "on")
    monkeypatch.setenv("MEDIASENSE_HISTORY", "on")


def test_the_same_question_is_asked_once(kept, wire, picture):
    found = [analyze(picture, "what?", provider="acme") for _ in range(2)]
    assert [(one.text, one.cached) for one in found] == [("a cat", False), ("a cat", True)]
    assert len(wire.log) == 1


@pytest.mark.parametrize(("cache", "calls"), [("refresh", 2), ("off", 2), ("use", 1)])
def test_the_cache_may_be_passed_by(kept, wire, picture, cache, calls):
    for _ in range(2):
        analyze(picture, provider="acme", cache=cache)
    assert len(wire.log) == calls


def test_nothing_is_kept_where_that_is_switched_off(wire, picture, empty_environment):
    analyze(picture, provider="acme")
    assert [path for path in empty_environment.rglob("*") if path.suffix == ".sqlite"] == []


def test_what_was_asked_is_written_down_where_the_user_keeps_state(
    kept, wire, picture, empty_environment
):
    analyze(picture, "what?", provider="acme")
    found = {path.name for path in empty_environment.rglob("*.sqlite")}
    assert found == {"answers.sqlite", "history.sqlite"}


@pytest.mark.parametrize("other", ["other", mediasense.Fallback(provider="other")])
def test_somebody_else_may_be_asked_instead(wire, installed, picture, other):
    installed.install("other", OTHER)
    wire.clear()
    wire.expect_request("/look").respond_with_data(status=503)
    analysis = analyze(picture, provider="acme", retries=0, fallback=[other])
    assert (analysis.text, analysis.provider) == ("from somewhere else", "other")
    [warning] = analysis.warnings
    assert warning.startswith("acme answered 503")
    assert warning.endswith(": other answered instead")


OTHER = """
from mediasense import Answer, ImageLimits, Provider, hookimpl


@hookimpl
def capabilities():
    limits = ImageLimits(mime_types=("image/png",))
    return (Provider(name="other", description="d", kind="device", image=limits),)


@hookimpl
def analyze_image(request):
    return Answer(text="from somewhere else", model="m")
"""


def test_a_call_that_could_pass_the_limit_of_cost_is_not_made(wire, picture):
    with pytest.raises(mediasense.BudgetExceeded):
        analyze(picture, provider="acme", max_cost=0.01)
    assert wire.log == []


# --- asynchronous --------------------------------------------------------------------------------


def test_both_take_the_same_arguments():
    assert inspect.signature(analyze_async).parameters == inspect.signature(analyze).parameters
    assert inspect.iscoroutinefunction(analyze_async)


def test_every_argument_is_documented():
    documented = inspect.getdoc(analyze).partition("Args:")[2].partition("Returns:")[0]
    names = [line.strip().partition(":")[0] for line in documented.splitlines() if line[4:5] != " "]
    assert [name for name in names if name] == list(inspect.signature(analyze).parameters)


def test_the_loop_is_not_blocked(wire, picture, threaded_server):
    """Both requests are at the server at once, from one thread of the caller."""
    together = threading.Barrier(2, timeout=5)

    def meet(_):
        from werkzeug import Response

        together.wait()
        return Response('{"answer": "met"}')

    threaded_server.expect_request("/look").respond_with_handler(meet)
    url = threaded_server.url_for("")

    async def ask_twice() -> list[str]:
        calls = [analyze_async(picture, provider="acme", base_url=url, retries=0) for _ in range(2)]
        return [analysis.text for analysis in await asyncio.gather(*calls)]

    assert asyncio.run(ask_twice()) == ["met", "met"]


def test_errors_come_through_the_loop(wire):
    with pytest.raises(MediaNotFound):
        asyncio.run(analyze_async("nowhere.png", provider="acme"))


# --- the name space ------------------------------------------------------------------------------


def test_every_public_name_is_there():
    assert [name for name in mediasense.__all__ if getattr(mediasense, name, None) is None] == []
    assert sorted(mediasense.__all__, key=str.casefold) == sorted(
        dict.fromkeys(mediasense.__all__), key=str.casefold
    )
    assert set(mediasense.__all__) <= set(dir(mediasense))


def test_a_name_that_is_not_public_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Dispatcher'"):
        _ = mediasense.Dispatcher
