"""A batch, in this process: real threads, a real server, a real journal."""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug import Request as Asked
from werkzeug import Response

from mediasense import (
    Answer,
    AudioLimits,
    AuthenticationError,
    ImageLimits,
    Provider,
    Question,
    RateLimited,
    Usage,
    VideoLimits,
    post_json,
)
from mediasense.batches.items import Item, Outcome
from mediasense.batches.local import local_engine
from mediasense.batches.manifests import read_manifest
from mediasense.batches.records import Result
from mediasense.batches.run import Batch, Setting
from mediasense.batches.sources import find_items, items_of
from mediasense.batches.threads import Threads
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.errors import UsageError
from mediasense.ledger import Spent
from mediasense.pacing.lane import RateLimit
from mediasense.store.cache import Cache
from mediasense.store.journal import Journal
from mediasense.types import Fallback

JOBS = 4
SOON = 20.0
"""Seconds within which everything here ends, on any machine."""


class Service:
    """A service that counts what it is asked, and answers as it is told.

    Attributes:
        answer: Called with the question: its text, or a response.
        asked: The questions, in order.
        most: How many calls were under way at once at most.
    """

    def __init__(self, server) -> None:
        self.url = server.url_for("")
        self.answer: Callable[[str], str | Response] = lambda question: f"seen {question}"
        self.asked: list[str] = []
        self.times: list[float] = []
        self.most = 0
        self.pause = 0.0
        self._running = 0
        self._lock = threading.Lock()
        server.expect_request("/look").respond_with_handler(self._handle)

    def _handle(self, request: Asked) -> Response:
        question = request.json["question"]
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.asked.append(question)
            self.times.append(time.monotonic())
        try:
            time.sleep(self.pause)
            said = self.answer(question)
        finally:
            with self._lock:
                self._running -= 1
        return said if isinstance(said, Response) else replied(said)


def replied(text: str, **more: object) -> Response:
    return Response(json.dumps({"answer": text, **more}), content_type="application/json")


def refused(status: int, **headers: str) -> Response:
    return Response(
        json.dumps({"error": {"message": "no"}}),
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        content_type="application/json",
    )


def ask(request, question: str | None) -> Answer:
    reply = post_json(request, "/look", {"question": question or "what?"})
    used = reply.get("usage")
    return Answer(
        text=reply["answer"], model=request.model or "m", usage=Usage(**used) if used else None
    )


@pytest.fixture
def service(threaded_server) -> Service:
    return Service(threaded_server)


def acme_hooks(*urls: str) -> dict[str, Callable]:
    """A plugin whose providers take everything; the first is ``acme``, the next ``other``."""
    providers = tuple(
        Provider(
            name=name,
            description="d",
            kind="service",
            base_url=url,
            default_model="eye",
            image=ImageLimits(mime_types=("image/png",), max_items=4, options=("json_schema",)),
            audio=AudioLimits(
                mime_types=("audio/wav",), transcribes=True, options=("start_end", "language")
            ),
            video=VideoLimits(mime_types=("video/mp4",)),
        )
        for name, url in zip(("acme", "other"), urls, strict=False)
    )

    def capabilities():
        return providers

    def analyze_image(request):
        if request.prompt == "bug":
            raise KeyError("a bug of the plugin")
        if request.prompt == "exit":
            raise SystemExit(3)
        return ask(request, request.prompt)

    def analyze_audio(request):
        return ask(request, request.prompt)

    def analyze_video(request):
        return ask(request, request.prompt)

    return {
        "capabilities": capabilities,
        "analyze_image": analyze_image,
        "analyze_audio": analyze_audio,
        "analyze_video": analyze_video,
    }


@pytest.fixture
def dispatcher(load, service) -> Dispatcher:
    return Dispatcher(load(acme=acme_hooks(service.url)))


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "results.jsonl"


QUESTION = Question(provider="acme", retries=0)
Run = Callable[..., Batch]


@pytest.fixture
def start(dispatcher, out) -> Run:
    """Make a batch; a setting or a part of the question may be given by its name."""

    def make(
        items: Iterator[Item],
        *,
        over: Dispatcher = dispatcher,
        question: Question = QUESTION,
        **changes: object,
    ) -> Batch:
        setting = replace(Setting(out=out, jobs=JOBS, pauses=(0.0, 0.0)), **changes)
        engine = local_engine(over, question, setting)
        return Batch(iter(items), question, setting, engine)

    return make


def rows(picture: str, count: int, **more: object) -> list[Item]:
    """Questions 0, 1, ... about one picture."""
    return list(
        items_of({"source": picture, "prompt": str(n), "id": f"i{n}", **more} for n in range(count))
    )


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def statuses(out: Path) -> dict[str, str]:
    lines = lines_of(out)
    assert len(lines) == len({line["id"] for line in lines}), "an item has two lines"
    return {line["id"]: line["status"] for line in lines}


# --- what comes out ------------------------------------------------------------------------------


def test_every_kind_of_item_ends_with_exactly_one_line(
    start, out, tmp_path, make_image, make_wav, make_video
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(make_image())
    (tmp_path / "in/b.wav").write_bytes(make_wav())
    make_video(tmp_path / "in/c.mp4", sound=True)
    (tmp_path / "in/broken.png").write_bytes(make_image()[:60])
    given = [
        str(tmp_path / "in"),
        str(tmp_path / "missing.png"),
        make_image(),
        (str(tmp_path / "in/a.png"), make_image()),
        {"source": str(tmp_path / "in/a.png"), "prompt": "whose?", "id": "mine"},
        {"source": str(tmp_path / "in/b.wav"), "modality": "image"},
        {"prompt": "about nothing"},
        3,
    ]
    told = list(start(items_of(given)).outcomes())
    lines = lines_of(out)
    assert Counter(o.item.id for o in told) == Counter(line["id"] for line in lines)
    assert len(lines) == 11
    assert Counter(line["status"] for line in lines) == {"answered": 6, "failed": 5}
    assert all((line["answer"] is None) == (line["status"] == "failed") for line in lines)
    assert all((line["error"] is None) == (line["status"] == "answered") for line in lines)
    kinds = {line["answer"]["media"][0]["modality"] for line in lines if line["answer"]}
    assert kinds == {"image", "audio", "video"}


def test_ids_are_the_same_in_every_run(start, tmp_path, make_image):
    given = [str(tmp_path), make_image(), {"source": str(tmp_path / "a.png"), "prompt": "p"}]
    (tmp_path / "a.png").write_bytes(make_image())
    runs = [{o.item.id for o in start(items_of(given), out=None).outcomes()} for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 3


def test_failed_lines_stand_last_and_vanish_when_answered(start, out, picture, service):
    service.answer = lambda q: refused(500) if int(q) % 2 else f"seen {q}"
    list(start(rows(picture, 10)).outcomes())
    assert [line["status"] for line in lines_of(out)] == ["answered"] * 5 + ["failed"] * 5
    service.answer = lambda q: refused(500) if q == "9" else f"seen {q}"
    running = start(rows(picture, 10), retry_failed=True)
    assert {o.item.id for o in running.outcomes()} == {"i1", "i3", "i5", "i7", "i9"}
    assert [line["status"] for line in lines_of(out)] == ["answered"] * 9 + ["failed"]
    assert statuses(out)["i9"] == "failed"


def test_failed_items_are_left_alone_unless_they_are_wanted_again(start, picture, service, out):
    service.answer = lambda _: refused(500)
    list(start(rows(picture, 3)).outcomes())
    asked = len(service.asked)
    running = start(rows(picture, 3))
    assert list(running.outcomes()) == []
    assert (running.standing().left_failed, running.standing().failed) == (3, 0)
    assert len(service.asked) == asked
    assert set(statuses(out).values()) == {"failed"}


def test_retrying_asks_about_nothing_that_was_never_asked(start, picture, service):
    service.answer = lambda q: refused(500) if q == "0" else "yes"
    list(start(rows(picture, 2)).outcomes())
    service.asked.clear()
    list(start(rows(picture, 5), retry_failed=True).outcomes())
    assert service.asked == ["0"]


@pytest.mark.parametrize("kept", [True, False])
def test_retrying_what_nobody_ran_is_refused(start, picture, service, out, kept):
    """All of it would be passed over, and the exit code would be that of a success."""
    with pytest.raises(UsageError, match=r"earlier run|--out"):
        list(start(rows(picture, 2), retry_failed=True, out=out if kept else None).outcomes())
    assert not out.exists()
    assert not out.with_name("results.jsonl.journal").exists()


def test_another_prompt_with_the_same_file_is_refused_and_nothing_is_touched(
    start, picture, service, out
):
    service.answer = lambda q: refused(500) if q == "1" else "yes"
    list(start(rows(picture, 3)).outcomes())
    journal = out.with_name("results.jsonl.journal")
    before = out.read_bytes(), journal.read_bytes(), len(service.asked)
    other = Question(provider="acme", retries=0, prompt="something else")
    with pytest.raises(UsageError, match="prompt: something else"):
        list(start(rows(picture, 5), question=other).outcomes())
    assert (out.read_bytes(), journal.read_bytes(), len(service.asked)) == before
    assert not out.with_name("results.jsonl.journal-wal").exists()


def test_an_endpoint_that_is_elsewhere_now_makes_it_another_batch(start, picture, service, out):
    """Its name in the config file is the same."""
    list(start(rows(picture, 3), endpoint="https://a.example/v1").outcomes())
    assert list(start(rows(picture, 3), endpoint="https://a.example/v1").outcomes()) == []
    for other in ("https://b.example/v1", ""):
        with pytest.raises(UsageError, match=r"endpoint: https://a\.example/v1"):
            list(start(rows(picture, 5), endpoint=other).outcomes())
    assert len(service.asked) == 3


def test_what_shapes_no_answer_may_change(start, picture, out):
    list(start(rows(picture, 3)).outcomes())
    other = Question(provider="acme", retries=1, jobs=2, timeout=5, max_cost=None, cache="off")
    assert list(start(rows(picture, 3), question=other, jobs=1).outcomes()) == []


def test_python_gets_what_earlier_runs_answered_first(start, picture, out):
    list(start(rows(picture, 3)))
    found = list(start(rows(picture, 5)))
    assert [result.earlier for result in found] == [True] * 3 + [False] * 2
    assert [result.id for result in found[:3]] == [line["id"] for line in lines_of(out)[:3]]
    assert all(isinstance(result, Result) and result.analysis for result in found)


def test_the_schema_of_a_row_is_its_own(start, picture, service, out):
    service.answer = lambda _: json.dumps({"n": 1})
    own = {"type": "object", "properties": {"n": {"type": "integer"}}}
    given = [{"source": picture, "id": "a"}, {"source": picture, "id": "b", "schema": own}]
    list(start(items_of(given)).outcomes())
    lines = {line["id"]: line for line in lines_of(out)}
    assert lines["a"]["answer"]["data"] is None
    assert lines["b"]["answer"]["data"] == {"n": 1}


def test_an_item_that_is_named_twice_is_asked_about_once(start, picture, service, out):
    running = start(items_of([picture, picture, picture]))
    list(running.outcomes())
    assert len(service.asked) == len(lines_of(out)) == 1
    assert (running.standing().repeated, running.standing().clashes) == (2, 0)


def test_an_id_that_somebody_gave_twice_is_counted_apart(start, picture, service, out):
    running = start([*rows(picture, 2), *rows(picture, 2)])
    list(running.outcomes())
    assert len(service.asked) == len(lines_of(out)) == 2
    assert (running.standing().repeated, running.standing().clashes) == (0, 2)


# --- failures ------------------------------------------------------------------------------------


def test_retry_asks_again_when_all_else_is_done(start, picture, service, out):
    tries: Counter[str] = Counter()

    def answer(question: str) -> str | Response:
        tries[question] += 1
        return refused(503) if tries[question] < 3 else f"seen {question}"

    service.answer = answer
    running = start(rows(picture, 3), on_error="retry")
    told = list(running.outcomes())
    assert set(tries.values()) == {3}
    assert Counter(service.asked[:3]) == Counter(service.asked[3:6]) == Counter("012")
    assert {o.item.id: o.failure for o in told} == {"i0": None, "i1": None, "i2": None}
    assert set(statuses(out).values()) == {"answered"}


def test_what_was_retried_is_counted_once(start, picture, service):
    tries: Counter[str] = Counter()

    def answer(question: str) -> str | Response:
        tries[question] += 1
        return "yes" if question == "0" or (question == "1" and tries["1"] > 1) else refused(503)

    service.answer = answer
    running = start(rows(picture, 3), on_error="retry")
    list(running.outcomes())
    standing = running.standing()
    assert (standing.answered, standing.failed, standing.done) == (2, 1, 3)


def test_what_cannot_pass_is_not_retried(start, picture, service, out):
    service.answer = lambda _: refused(400)
    told = list(start(rows(picture, 2), on_error="retry").outcomes())
    assert len(told) == len(service.asked) == 2


def test_bytes_that_fail_are_told_of_although_they_cannot_be_retried(
    start, service, out, make_image
):
    """No journal keeps media, so they are not there for another try."""
    service.answer = lambda _: refused(503)
    told = list(start(items_of([make_image()]), on_error="retry").outcomes())
    assert [o.failure.passing for o in told] == [True]
    assert list(statuses(out).values()) == ["failed"]


@pytest.mark.parametrize("kept", [True, False])
def test_failures_that_wait_for_another_try_are_told_of_when_the_batch_is_stopped(
    start, picture, service, out, kept
):
    service.answer = lambda q: refused(503) if q in "01" else "yes"
    running = start(rows(picture, 3), on_error="retry", pauses=(SOON,), out=out if kept else None)
    told = []
    for outcome in running.outcomes():
        told.append(outcome)
        if outcome.answer is not None:
            wait_for(lambda: running.standing().failed == 2)
            running.stop()
    assert {o.item.id: o.answer is None for o in told} == {"i0": True, "i1": True, "i2": False}
    assert running.interrupted


def test_stop_ends_after_the_first_failure(start, picture, service, out):
    service.answer = lambda q: refused(400) if q == "2" else "yes"
    running = start(rows(picture, 200), on_error="stop", jobs=1)
    list(running.outcomes())
    assert Counter(statuses(out).values()) == {"answered": 2, "failed": 1}
    assert running.problem is not None
    assert not running.interrupted


def test_a_bug_in_a_plugin_keeps_its_trace_and_takes_nothing_down(start, picture, out):
    given = [{"source": picture, "prompt": p} for p in ("bug", "exit", "what?")]
    told = list(start(items_of(given)).outcomes())
    failures = {o.item.prompt: o.failure for o in told}
    assert failures["what?"] is None
    assert "KeyError: 'a bug of the plugin'" in failures["bug"].trace
    assert "analyze_image" in failures["bug"].trace
    assert "SystemExit" in failures["exit"].message
    assert Counter(statuses(out).values()) == {"failed": 2, "answered": 1}


def test_a_known_failure_has_no_trace(start, picture, service, out, tmp_path):
    """Whatever caused it inside a library."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    (tmp_path / "gone.png").symlink_to("nowhere")
    question = Question(provider="acme", retries=0, access=replace(Question().access, base_url=url))
    given = [picture, str(tmp_path / "gone.png"), str(tmp_path / "none.png")]
    told = list(start(items_of(given), question=question).outcomes())
    assert [o.failure.trace for o in told] == ["", "", ""]


# --- what stops a batch --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "kind", "code"),
    [
        (refused(401), AuthenticationError, 41),
        (
            Response(
                json.dumps(
                    {"error": {"message": "You exceeded your current quota, check your billing"}}
                ),
                429,
                content_type="application/json",
            ),
            RateLimited,
            RateLimited.exit_code,
        ),
        (refused(402), None, None),
    ],
)
def test_what_everybody_would_meet_stops_the_batch(
    start, picture, service, out, response, kind, code
):
    service.answer = lambda _: response
    running = start(rows(picture, 500))
    told = list(running.outcomes())
    assert running.problem is not None
    assert running.problem.stopping
    if kind is not None:
        assert (running.problem.kind, running.problem.exit_code) == (kind.__name__, code)
    assert 1 <= len(service.asked) <= JOBS
    assert all(o.failure.stopping for o in told)
    assert out.read_text() == ""
    assert running.standing().failed == 0
    service.answer = lambda _: "yes"
    list(start(rows(picture, 50)).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 50}


def test_a_403_is_about_one_item_alone(start, picture, service, out):
    service.answer = lambda q: refused(403) if q == "1" else "yes"
    list(start(rows(picture, 5)).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 4, "failed": 1}


class Flat:
    """A price list on which every call costs the same; or nobody knows what."""

    def __init__(self, each: float | None) -> None:
        self.each = each

    def price(self, *what, **counted) -> float | None:  # noqa: ARG002
        return self.each

    def charge(self, *what, **more) -> float | None:  # noqa: ARG002
        return self.each


def priced(dispatcher: Dispatcher, each: float | None) -> Dispatcher:
    return replace(dispatcher, desk=Desk(prices=Flat(each)))


def test_a_limit_of_cost_stops_before_it_is_passed_and_counts_earlier_runs(
    start, picture, service, out, dispatcher
):
    over = priced(dispatcher, 0.25)
    question = Question(provider="acme", retries=0, max_cost=1.1)
    running = start(rows(picture, 50), over=over, question=question)
    list(running.outcomes())
    assert (running.problem.kind, running.problem.exit_code) == ("BudgetExceeded", 30)
    assert Counter(statuses(out).values()) == {"answered": 4}
    assert running.standing().spent.cost == 1.0

    again = start(rows(picture, 50), over=over, question=question)
    list(again.outcomes())
    assert (len(service.asked), again.problem.exit_code) == (4, 30)

    larger = start(rows(picture, 50), over=over, question=replace(question, max_cost=2.0))
    list(larger.outcomes())
    assert (len(service.asked), larger.standing().spent.cost) == (8, 2.0)
    assert Counter(statuses(out).values()) == {"answered": 8}


def test_retries_count_towards_the_limit_of_cost(start, picture, service, dispatcher, out):
    service.answer = lambda q: "yes" if q != "0" or service.asked.count("0") > 1 else refused(503)
    question = Question(provider="acme", retries=0, max_cost=0.7)
    running = start(
        rows(picture, 3), over=priced(dispatcher, 0.25), question=question, on_error="retry", jobs=1
    )
    list(running.outcomes())
    assert running.problem.kind == "BudgetExceeded"
    assert running.standing().spent.cost == 0.5
    assert statuses(out) == {"i0": "failed", "i1": "answered", "i2": "answered"}


def test_a_limit_of_cost_sends_nothing_where_the_price_is_not_known(
    start, picture, service, dispatcher
):
    question = Question(provider="acme", retries=0, max_cost=100.0)
    running = start(rows(picture, 5), over=priced(dispatcher, None), question=question)
    list(running.outcomes())
    assert (running.problem.exit_code, service.asked) == (30, [])


def test_tokens_and_money_are_counted_and_unknown_is_not_zero(start, picture, service, dispatcher):
    usage = {"input_tokens": 100, "output_tokens": 7}
    service.answer = lambda _: replied("yes", usage=usage)
    running = start(rows(picture, 3), over=priced(dispatcher, 0.5))
    list(running.outcomes())
    assert running.standing().spent == Spent(calls=3, cost=1.5, input_tokens=300, output_tokens=21)
    unknown = start(rows(picture, 3), over=priced(dispatcher, None), out=None)
    list(unknown.outcomes())
    assert (unknown.standing().spent.unpriced, unknown.standing().spent.cost) == (3, 0.0)


def test_what_is_kept_is_counted_as_such_and_costs_nothing(
    start, picture, service, dispatcher, tmp_path
):
    cache = Cache(tmp_path / "cache.sqlite")
    over = replace(dispatcher, desk=Desk(prices=Flat(0.5), cache=cache))
    for kept in (0, 4):
        running = start(rows(picture, 4), over=over, out=None)
        list(running.outcomes())
        standing = running.standing()
        assert (standing.answered, standing.cached) == (4, kept)
        assert standing.spent.cost == (0.0 if kept else 2.0)


# --- limits --------------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_than_jobs(start, picture, service):
    service.pause = 0.03
    list(start(rows(picture, 30), jobs=3).outcomes())
    assert service.most == 3


def test_several_calls_for_one_recording_keep_to_the_jobs_too(
    start, load, service, tmp_path, make_wav
):
    hooks = acme_hooks(service.url)
    (provider,) = hooks["capabilities"]()
    short = replace(provider, audio=replace(provider.audio, max_seconds=10.0))
    over = Dispatcher(load(acme={**hooks, "capabilities": lambda: (short,)}))
    for n in range(3):
        (tmp_path / f"{n}.wav").write_bytes(make_wav(seconds=55 + n))
    service.pause = 0.05
    given = items_of(str(tmp_path / f"{n}.wav") for n in range(3))
    told = list(start(given, over=over, jobs=2).outcomes())
    assert [o.failure for o in told] == [None] * 3
    assert len(service.asked) >= 18
    assert service.most == 2


def test_a_limit_of_requests_is_kept(start, picture, service):
    limits = {"acme": RateLimit(requests=600)}
    list(start(rows(picture, 45), jobs=16, limits=limits).outcomes())
    first = service.times[0]
    # 600 a minute are 10 a second, with 3 seconds' worth at once after a rest.
    for number, when in enumerate(sorted(service.times)):
        assert when - first >= (number - 32) / 10


def test_too_many_pauses_everybody_and_no_item_fails(start, picture, service, out):
    refusals = []

    def answer(question: str) -> str | Response:
        if question == "5" and not refusals:
            refusals.append(time.monotonic())
            return refused(429, Retry_After="1")
        return "yes"

    service.answer = answer
    list(start(rows(picture, 12)).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 12}
    (paused,) = refusals
    # What was under way by then comes a little later.
    assert [t for t in service.times if paused + 0.3 < t < paused + 0.99] == []


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_service_that_is_away_for_a_moment_loses_no_item(start, picture, out, jobs):
    """Also where one job alone finds out that it is away, with the usual retries."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    question = Question(provider="acme", retries=2, access=replace(Question().access, base_url=url))
    running = start(rows(picture, 20), question=question, jobs=jobs)

    def come_up() -> None:
        from pytest_httpserver import HTTPServer

        wait_for(lambda: "down" in running.standing().waiting)
        with HTTPServer(host="127.0.0.1", port=port, threaded=True) as server:
            server.expect_request("/look").respond_with_json({"answer": "yes"})
            done.wait(SOON)

    done = threading.Event()
    helper = threading.Thread(target=come_up)
    helper.start()
    try:
        told = list(running.outcomes())
    finally:
        done.set()
        helper.join()
    assert [o.failure for o in told] == [None] * 20
    assert Counter(statuses(out).values()) == {"answered": 20}


def test_a_line_says_who_answered_instead(start, load, service, picture, out):
    over = Dispatcher(load(acme=acme_hooks("http://127.0.0.1:9/", service.url)))
    question = Question(provider="acme", retries=0, fallback=(Fallback(provider="other"),))
    list(start(rows(picture, 3), over=over, question=question).outcomes())
    for line in lines_of(out):
        assert line["answer"]["provider"] == "other"
        assert "other answered instead" in line["answer"]["warnings"][0]


# --- memory and long lists -----------------------------------------------------------------------


class Stub(Threads):
    """An engine that answers at once."""

    waiting = ""

    def __init__(self, jobs: int = JOBS) -> None:
        super().__init__(answered, jobs)


def answered(item: Item) -> Outcome:
    return Outcome(
        item=item,
        answer={"text": "yes", "cached": False},
        failure=None,
        spent=Spent(calls=1),
        seconds=0.0,
    )


def stubbed(items: Iterator[Item], out: Path | None, *, ready: bool = True) -> Batch:
    setting = Setting(out=out, jobs=JOBS, ready=ready)
    return Batch(iter(items), Question(), setting, lambda _: Stub())


def test_memory_does_not_grow_with_the_list():
    taken = 0

    def given() -> Iterator[Item]:
        nonlocal taken
        for n in range(200_000):
            taken += 1
            yield Item(id=f"item-{n}", sources=("shot.png",))

    batch = stubbed(given(), None)
    outcomes = batch.outcomes()
    first = next(outcomes)
    assert first.answer is not None
    assert taken <= 64 + 64
    told = 1 + sum(1 for _ in itertools.islice(outcomes, 5_000))
    # What is allocated for one item and never let go would come to many megabytes.
    tracemalloc.start()
    try:
        told += sum(1 for _ in itertools.islice(outcomes, 4_000))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000
    assert most < 4_000_000
    assert taken - told <= 64 + 64
    outcomes.close()


def test_a_list_of_a_million_rows_begins_at_once(start, picture, tmp_path, out):
    path = tmp_path / "rows.jsonl"
    row = json.dumps({"source": picture, "prompt": "%d"}) + "\n"
    with path.open("w") as file:
        for n in range(0, 1_000_000, 1000):
            file.write("".join(row.replace("%d", str(i)) for i in range(n, n + 1000)))
    with path.open("rb") as stream:
        running = start(read_manifest(stream, name="rows.jsonl", kind="jsonl"))
        outcomes = running.outcomes()
        for _ in range(10):
            assert next(outcomes).answer is not None
        read = stream.tell()
        outcomes.close()
    assert read < path.stat().st_size / 100


def test_a_slow_reader_holds_up_the_asking(picture):
    taken = itertools.count()
    given = (Item(id=f"{n}", sources=(f"{n}",)) for n in taken)
    outcomes = stubbed(given, None).outcomes()
    for _ in range(10):
        next(outcomes)
    time.sleep(0.1)
    assert next(taken) <= 10 + 3 * JOBS + JOBS + 2 * 64
    outcomes.close()


def test_a_slow_list_is_worked_off_as_it_comes():
    second = threading.Event()

    def given() -> Iterator[Item]:
        yield Item(id="1", sources=("1",))
        assert second.wait(SOON)
        yield Item(id="2", sources=("2",))

    outcomes = stubbed(given(), None, ready=False).outcomes()
    assert next(outcomes).item.id == "1"
    second.set()
    assert [o.item.id for o in outcomes] == ["2"]


# --- ending early --------------------------------------------------------------------------------


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_stopping_waits_for_what_is_under_way_and_keeps_it(start, picture, service, out):
    gate = threading.Event()
    service.answer = lambda _: "yes" if gate.wait(SOON) else "too late"
    running = start(rows(picture, 50))

    def stop() -> None:
        wait_for(lambda: len(service.asked) == JOBS)
        running.stop()
        gate.set()

    helper = threading.Thread(target=stop)
    helper.start()
    told = list(running.outcomes())
    helper.join()
    assert len(told) == len(service.asked) == JOBS
    assert running.interrupted
    assert Counter(statuses(out).values()) == {"answered": JOBS}
    again = start(rows(picture, 50))
    list(again.outcomes())
    assert again.standing().interrupted == 0
    assert Counter(service.asked) == Counter(map(str, range(50)))


def test_stopping_does_not_wait_for_a_list_that_goes_on(start, picture, service, out):
    """A pipe on which nothing comes: the next line may be hours away."""
    more = threading.Event()

    def given() -> Iterator[Item]:
        yield from rows(picture, 1)
        more.wait(SOON)
        yield from rows(picture, 2)

    running = start(given(), ready=False)
    told = []
    began = time.monotonic()
    for outcome in running.outcomes():
        told.append(outcome)
        running.stop()
    assert len(told) == 1
    assert time.monotonic() - began < SOON / 2
    more.set()
    time.sleep(0.1)
    journal = Journal(out.with_name("results.jsonl.journal"))
    assert journal.counts().under_way + journal.counts().interrupted == 0
    journal.close()
    assert service.asked == ["0"]


def test_stopping_before_it_began_asks_about_nothing(start, picture, service):
    running = start(rows(picture, 5))
    running.stop()
    assert list(running.outcomes()) == []
    assert (service.asked, running.interrupted) == ([], True)


def test_leaving_the_loop_early_loses_nothing(start, picture, service, out):
    service.pause = 0.02
    for result in start(rows(picture, 40)):
        assert result.analysis is not None
        break
    del result
    first = len(service.asked)
    assert 1 <= first < 40
    running = start(rows(picture, 40))
    list(running.outcomes())
    assert set(statuses(out).values()) == {"answered"}
    assert len(lines_of(out)) == 40
    again = {q: n for q, n in Counter(service.asked).items() if n > 1}
    # Those that were under way.
    assert sum(again.values()) - len(again) <= JOBS
    assert running.standing().interrupted >= sum(again.values()) - len(again)


def test_a_list_that_breaks_keeps_what_was_answered(start, picture, service, out):
    def given() -> Iterator[Item]:
        yield from rows(picture, 10)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(start(given()).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 10}
    list(start(rows(picture, 12)).outcomes())
    assert Counter(service.asked) == Counter(map(str, range(12)))


def test_two_batches_cannot_work_on_one_file(start, picture, service, out):
    gate = threading.Event()
    service.answer = lambda _: "yes" if gate.wait(SOON) else "too late"
    first = start(rows(picture, 2)).outcomes()
    results: list[Outcome] = []
    helper = threading.Thread(target=lambda: results.extend(first))
    helper.start()
    wait_for(lambda: service.asked)
    asked = list(service.asked)
    with pytest.raises(UsageError, match="another"):
        list(start(rows(picture, 2)).outcomes())
    assert service.asked == asked
    gate.set()
    helper.join()
    assert len(results) == len(lines_of(out)) == 2


# --- bad rows and strange names ------------------------------------------------------------------


def test_rows_that_are_mended_are_asked_about_and_the_old_failures_are_gone(
    start, picture, service, out
):
    good = {"source": picture, "prompt": "0"}
    bad = {"source": picture, "prompt": "1", "start": -1}
    list(start(items_of([good, bad])).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 1, "failed": 1}
    list(start(items_of([good, bad | {"start": None}])).outcomes())
    assert Counter(statuses(out).values()) == {"answered": 2}
    assert service.asked == ["0", "1"]


def test_mended_rows_are_asked_about_when_failures_are_retried_too(start, picture, service, out):
    good = {"source": picture, "prompt": "0"}
    bad = {"source": picture, "prompt": "1", "start": -1}
    worse = {"source": picture, "prompt": "2", "start": -1}
    never = {"source": picture, "prompt": "3"}
    list(start(items_of([good, bad, worse])).outcomes())
    mended = bad | {"start": None}
    again = start(items_of([good, mended, worse, never]), retry_failed=True)
    list(again.outcomes())
    assert Counter(statuses(out).values()) == {"answered": 2, "failed": 1}
    assert service.asked == ["0", "1"]


def test_names_that_are_no_text_are_answered_and_can_be_retried(
    start, service, out, tmp_path, make_image
):
    folder = tmp_path / "odd"
    folder.mkdir()
    name = os.fsencode(folder) + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(name)).write_bytes(make_image())
    except OSError:
        pytest.skip("this file system takes no such names")
    service.answer = lambda _: refused(503)
    (failed,) = start(find_items([str(folder)])).outcomes()
    service.answer = lambda _: "yes"
    (told,) = start(find_items([str(folder)]), retry_failed=True).outcomes()
    assert told.answer is not None
    assert told.item.id == failed.item.id
    (line,) = lines_of(out)
    assert (line["id"], line["status"]) == (told.item.id, "answered")
    (result,) = start(find_items([str(folder)]))
    assert result.id == told.item.id


def test_answers_come_in_any_order_and_every_line_is_whole(start, picture, service, out):
    chance = random.Random(7)
    service.answer = lambda q: time.sleep(chance.random() / 50) or f"seen {q}\n\u2028\x85 end"
    list(start(rows(picture, 60), jobs=12).outcomes())
    data = out.read_bytes()
    assert data.count(b"\n") == 60
    found = {json.loads(line)["id"]: json.loads(line) for line in data.split(b"\n") if line}
    assert {i: f["answer"]["text"] for i, f in found.items()} == {
        f"i{n}": f"seen {n}\n\u2028\x85 end" for n in range(60)
    }
