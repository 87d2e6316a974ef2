"""What is done about one item: whatever goes wrong becomes its failure."""

from __future__ import annotations

import json

import pytest

from mediasense import errors
from mediasense.batches.items import STOPPED, Item
from mediasense.batches.records import line_of, result_of, result_of_line
from mediasense.batches.work import Worker, failure_of
from mediasense.envelope import to_plain
from mediasense.errors import (
    MediaNotFound,
    MediasenseError,
    PluginError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from mediasense.pacing.pacer import Stopped
from mediasense.types import Answer, Question

QUESTION = Question()
STOPPING = {
    "AuthenticationError",
    "BudgetExceeded",
    "ConfigError",
    "MissingCredentials",
    "NoPlugins",
    "OutOfService",
    "ProviderConflict",
    "RateLimited",
    "StoreError",
    "UnknownProvider",
}
PASSING = {"InvalidAnswer", "OutOfService", "ProviderUnavailable", "RateLimited", "Timeout"}


def kinds() -> list[type[MediasenseError]]:
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, MediasenseError)
    ]
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_is_one_of_its_item_or_one_of_all(kind):
    failure = failure_of(kind("it failed", hint="try again"))
    assert failure.kind == kind.__name__
    assert failure.message == "it failed; try again"
    assert failure.exit_code == kind.exit_code
    assert failure.stopping == (kind.__name__ in STOPPING)
    ancestors = {parent.__name__ for parent in kind.__mro__}
    assert failure.passing == bool(ancestors & PASSING)


def test_money_that_is_used_up_stops():
    assert failure_of(ProviderError("no", status=402)).stopping
    assert not failure_of(ProviderError("no", status=418)).stopping


def test_of_several_providers_all_must_be_lost_for_the_batch_to_stop():
    first = RateLimited("used up")
    first.others = (ProviderUnavailable("down"),)
    assert not failure_of(first).stopping
    assert failure_of(first).passing
    first.others = (RateLimited("used up too"),)
    assert failure_of(first).stopping


def caused(error: MediasenseError) -> MediasenseError:
    try:
        try:
            {}["the cause"]
        except KeyError as cause:
            raise error from cause
    except MediasenseError as raised:
        return raised


def test_a_mistake_of_a_plugin_keeps_its_trace():
    trace = failure_of(caused(PluginError("it broke"))).trace
    assert "KeyError: 'the cause'" in trace
    assert "test_batch_work.py" in trace


def test_what_caused_an_ordinary_failure_is_no_trace():
    assert failure_of(caused(MediaNotFound("it is gone"))).trace == ""


# --- one item ------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path, make_image) -> str:
    path = tmp_path / "shot.png"
    path.write_bytes(make_image())
    return str(path)


@pytest.fixture
def answer(dispatcher, acme, picture, monkeypatch):
    """Answer an item with a plugin that does what it is told."""
    monkeypatch.setenv("ACME_KEY", "sk-acme")

    def make(said: object, question: Question = QUESTION, **item: object):
        def analyze_image(request):
            if isinstance(said, BaseException):
                raise said
            asked.append(request)
            return Answer(text=str(said), model="m")

        over = dispatcher(acme(), analyze_image=analyze_image)
        worker = Worker(dispatcher=over, question=question)
        return worker.answer(Item(**{"id": "1", "sources": (picture,), **item}))

    asked: list = []
    make.asked = asked
    return make


def test_an_answer_is_an_envelope(answer):
    outcome = answer("a cat")
    assert outcome.failure is None
    assert outcome.answer["text"] == "a cat"
    assert outcome.spent.calls == 1
    assert outcome.seconds > 0


def test_what_an_item_says_of_its_own_comes_before_what_the_batch_says(answer):
    own = {"prompt": "whose?", "json_schema": None}
    answer("a cat", Question(prompt="what?", max_output_tokens=None), **own)
    answer("a cat", Question(prompt="what?"))
    assert [request.prompt for request in answer.asked] == ["whose?", "what?"]


@pytest.mark.parametrize("prompt", ["", None])
def test_an_empty_prompt_of_its_own_is_one_and_none_is_that_of_the_batch(answer, prompt):
    answer("a cat", Question(prompt="what?"), prompt=prompt)
    (request,) = answer.asked
    assert (request.prompt == "what?") == (prompt is None)


@pytest.mark.parametrize("mistake", [KeyError("k"), SystemExit(2), RecursionError("deep")])
def test_whatever_breaks_is_a_failure_with_its_trace(answer, mistake):
    failure = answer(mistake).failure
    assert type(mistake).__name__ in failure.message
    assert "analyze_image" in failure.trace
    assert not failure.stopping


def test_ctrl_c_is_nobodys_failure(answer):
    with pytest.raises(KeyboardInterrupt):
        answer(KeyboardInterrupt())


def test_an_item_that_was_stopped_is_given_back(dispatcher, acme, picture):
    over = dispatcher(acme())

    class Stopping:
        desk = over.desk

        def analyze(self, *_: object, **__: object):
            raise Stopped("the batch was stopped")

    worker = Worker(dispatcher=Stopping(), question=Question())  # type: ignore[arg-type]
    failure = worker.answer(Item(id="1", sources=(picture,))).failure
    assert (failure.kind, failure.stopping, failure.exit_code) == (STOPPED, True, 130)


def test_an_item_with_a_problem_asks_nobody(answer):
    outcome = answer("a cat", sources=(), problem="row 3: no source", row=3)
    assert answer.asked == []
    assert outcome.failure.message.startswith("row 3: no source; mend it")
    assert outcome.failure.exit_code == 2


# --- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["a cat", "two\nlines\u2028\x85", "half \ud800", KeyError("k")])
def test_a_line_is_one_line_and_can_be_read_back(answer, said):
    outcome = answer(said, row=4)
    line = line_of(outcome)
    assert "\n" not in line
    line.encode()
    back = result_of_line(line)
    assert (back.id, back.row, back.earlier) == ("1", 4, True)
    assert back.failure == outcome.failure
    if outcome.answer is not None:
        assert to_plain(back.analysis)["text"] == to_plain(result_of(outcome).analysis)["text"]


def test_bytes_have_no_name_and_are_in_no_line(answer, make_image):
    line = json.loads(line_of(answer("a cat", sources=(make_image(),))))
    assert line["source"] == "the data"


@pytest.mark.parametrize("text", ["{}", "[]", '{"id": 1}', "no json"])
def test_what_is_no_line_is_said_to_be_none(text):
    with pytest.raises(ValueError):  # noqa: PT011  the words are those of the JSON library
        result_of_line(text)
