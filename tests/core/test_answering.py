"""What stands around a question: what is written down of it, and what it says of the stores."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mediasense import (
    Answer,
    AudioLimits,
    BudgetExceeded,
    ImageLimits,
    InvalidAnswer,
    RateLimited,
    ServerError,
    TextLimits,
    UnknownProvider,
    Usage,
)
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.ledger import Ledger
from mediasense.planning.prices import NO_PRICES
from mediasense.store.cache import Cache
from mediasense.store.history import History
from mediasense.sums import cost_of, tokens_of, usage_of
from mediasense.types import Question


@pytest.fixture
def png(make_image) -> bytes:
    return make_image()


@pytest.fixture
def wav(make_wav) -> bytes:
    return make_wav()


@pytest.fixture
def history(tmp_path) -> History:
    return History(tmp_path / "history.sqlite")


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "answers.sqlite")


@pytest.fixture
def serve(load, offers, acme) -> Callable[..., Dispatcher]:
    """A dispatcher over the provider ``acme``, which answers with what a hook returns."""

    def make(desk: Desk, hook: Callable, *, facts=(), **hooks: Callable) -> Dispatcher:
        facts = {"credentials": None} | dict(facts)
        hooks = {"analyze_image": hook, "analyze_audio": hook, "generate": hook, **hooks}
        return Dispatcher(load(one=offers(acme(**facts), **hooks)), desk=desk)

    return make


def says(text: str, **facts) -> Callable:
    def analyze_image(request):
        return Answer(text=text, model="eye", **facts)

    return analyze_image


def ask(one: Dispatcher, *sources, ledger=None, on_text=None, **question):
    question = {"provider": "acme", **question}
    return one.analyze(sources, Question(**question), ledger=ledger, on_text=on_text)


# --- what is written down ------------------------------------------------------------------------


def test_an_answer_is_written_down_with_its_cost(serve, png, history):
    usage = Usage(input_tokens=5, output_tokens=2)
    ask(serve(Desk(history=history), says("a cat", usage=usage, cost=0.25)), png, prompt="what?")
    [past] = history.find()
    assert (past.prompt, past.text, past.provider) == ("what?", "a cat", "acme")
    [spent] = history.spent("provider")
    assert (spent.spent.calls, spent.spent.cost) == (1, 0.25)
    assert (spent.spent.input_tokens, spent.spent.output_tokens) == (5, 2)


def test_an_answer_from_the_cache_is_written_down_no_second_time(serve, png, history, cache):
    one = serve(Desk(history=history, cache=cache), says("a cat", cost=0.25))
    assert [ask(one, png).cached for _ in range(3)] == [False, True, True]
    assert len(history.find()) == 1


HEARS = {"image": None, "audio": AudioLimits(mime_types=("audio/wav",), transcribes=True)}


def test_a_failure_that_was_paid_for_is_written_down(serve, wav, history):
    def fail(request):
        raise RateLimited("too many", hint="wait")

    facts = {**HEARS, "text": TextLimits()}
    hear = says("good morning", cost=0.25)
    one = serve(Desk(history=history), hear, facts=facts, generate=fail)
    with pytest.raises(RateLimited):
        ask(one, wav, prompt="what?")
    [past] = history.find()
    assert (past.failure, past.text) == ("too many; wait", "")
    assert history.spent("provider")[0].spent.cost == 0.25


def test_a_failure_that_cost_nothing_is_not(serve, png, history):
    def fail(request):
        raise ServerError("it broke")

    with pytest.raises(ServerError):
        ask(serve(Desk(history=history), fail), png)
    assert history.find() == ()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ZeroDivisionError])
def test_what_was_paid_for_before_ctrl_c_is_written_down(serve, wav, history, failure):
    def stop(request):
        raise failure

    def take(piece):
        raise failure

    facts = {**HEARS, "text": TextLimits()}
    hear = says("good morning", cost=0.25)
    generate = stop if failure is KeyboardInterrupt else says("a", cost=0.0)
    one = serve(Desk(history=history), hear, facts=facts, generate=generate)
    with pytest.raises(failure):
        ask(one, wav, prompt="what?", on_text=take)
    [past] = history.find()
    assert past.failure == f"it was not finished: {failure.__name__}"
    assert history.spent("provider")[0].spent.cost == 0.25


def test_an_answer_that_does_not_fit_its_schema_was_paid_for(serve, png, history):
    limits = ImageLimits(mime_types=("image/png",), options=("json_schema",))
    one = serve(Desk(history=history), says("no JSON", cost=0.25), facts={"image": limits})
    with pytest.raises(InvalidAnswer):
        ask(one, png, json_schema="{}")
    spent = history.spent("provider")[0].spent
    assert (spent.calls, spent.cost) == (2, 0.5)


def test_a_history_that_cannot_be_written_is_told_once_and_hurts_nobody(serve, png, tmp_path):
    (tmp_path / "in the way").write_text("")
    history = History(tmp_path / "in the way" / "history.sqlite")
    one = serve(Desk(history=history), says("a cat"))
    for _ in range(2):
        analysis = ask(one, png)
        assert (analysis.text, analysis.warnings) == ("a cat", (history.problem,))


def test_what_is_wrong_with_a_store_is_not_kept_with_the_answer(serve, png, cache, tmp_path):
    (tmp_path / "in the way").write_text("")
    broken = History(tmp_path / "in the way" / "history.sqlite")
    assert len(ask(serve(Desk(history=broken, cache=cache), says("a cat")), png).warnings) == 1
    kept = ask(serve(Desk(cache=cache), says("a cat")), png)
    assert (kept.cached, kept.warnings) == (True, ())


# --- what it costs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "model", "calls"),
    [
        *(("device", "eye", 1), ("device", "./eye", 2), ("device", "/srv/eye", 2)),
        *(("server", "/models/llama", 1), ("service", "~owner/eye", 1)),
    ],
)
def test_of_a_model_that_is_named_by_its_place_here_no_answer_is_kept(
    serve, png, cache, kind, model, calls
):
    """What lies there may be another one by now; to a server it is a name, as it is to vLLM."""
    asked = []

    def hook(request):
        asked.append(request.model)
        return Answer(text="A cat.", model="eye")

    dispatcher = serve(Desk(cache=cache), hook, facts={"kind": kind})
    for _ in range(2):
        dispatcher.analyze((png,), Question(prompt="what?", provider="acme", model=model))
    assert len(asked) == calls


def test_the_ledger_that_is_given_is_written_into(serve, png):
    ledger = Ledger(NO_PRICES)
    one = serve(Desk(), says("a cat", usage=Usage(input_tokens=5), cost=0.25))
    ask(one, png, ledger=ledger)
    ask(one, png, ledger=ledger)
    assert (ledger.spent.calls, ledger.spent.cost, ledger.spent.input_tokens) == (2, 0.5, 10)


def test_an_answer_from_the_cache_is_in_no_ledger(serve, png, cache):
    ledger = Ledger(NO_PRICES)
    one = serve(Desk(cache=cache), says("a cat", cost=0.25))
    ask(one, png)
    ask(one, png, ledger=ledger)
    assert ledger.spent.calls == 0


def test_a_limit_of_cost_is_kept_where_the_price_is_not_known(serve, png):
    with pytest.raises(BudgetExceeded):
        ask(serve(Desk(), says("a cat")), png, max_cost=1.0)


def test_a_name_that_is_wrong_is_told_before_the_cache_is_looked_into(serve, png, cache):
    with pytest.raises(UnknownProvider):
        ask(serve(Desk(cache=cache), says("a cat")), png, provider="nobody")
    assert not cache.stats().path.exists()


def test_the_gate_lets_one_call_through_at_a_time(serve, make_wav):
    inside, most = [], []

    def hear(request):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        inside.pop()
        return Answer(text="a", model="m")

    limits = AudioLimits(mime_types=("audio/wav",), transcribes=True, max_seconds=2.0)
    one = serve(Desk(gate=threading.Lock()), hear, facts={"image": None, "audio": limits})
    ask(one, make_wav(8.0), jobs=4)
    assert len(most) >= 4
    assert set(most) == {1}


# --- sums ----------------------------------------------------------------------------------------


def answer(**facts) -> Answer:
    return Answer(text="a", model="m", **facts)


def test_no_calls_cost_nothing():
    assert cost_of([]) == 0.0
    assert isinstance(cost_of([]), float)
    assert (tokens_of([]), usage_of([])) == (0, None)


def test_one_cost_that_is_not_known_makes_the_sum_unknown():
    assert cost_of([answer(cost=0.5), answer(cost=0.25)]) == 0.75
    assert cost_of([answer(cost=0.5), answer()]) is None
    assert cost_of([answer(cost=0.0, cached=True), answer(cost=0.5)]) == 0.5


def test_tokens_and_usage_are_those_of_the_calls_that_were_made():
    made = answer(usage=Usage(input_tokens=5, seconds=1.0))
    kept = answer(usage=Usage(input_tokens=7, output_tokens=1), cached=True)
    assert tokens_of([made, kept, made]) == 10
    assert tokens_of([made, answer()]) is None
    assert usage_of([made, kept]) == Usage(input_tokens=5, seconds=1.0)
    assert usage_of([kept, kept]) == Usage(input_tokens=0, output_tokens=0)
    assert tokens_of([kept]) == 0
    assert usage_of([answer(), kept]) is None
