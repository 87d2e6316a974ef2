"""The trace: who was called, how long, how it ended, and nothing of what was asked or answered."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from mediasense import Answer, Question, RateLimited, hookimpl
from mediasense.discovery import EntryPoint
from mediasense.dispatch import Dispatcher
from mediasense.plugins import load_plugins
from mediasense.tracing import Traced

POINTS = {
    name: EntryPoint(name=name, module=f"fake_{name}", distribution=f"fake-{name}", version="1.0")
    for name in ("acme", "around", "house")
}


def tell_a_secret(request):
    assert request.prompt == "a secret question"
    return Answer(text="a secret answer", model="m")


@pytest.fixture
def traced(load, offers, acme, make_image):
    """Ask about an image with these plugins besides acme, and tell what was traced of hooks."""

    def ask(analyze_image=None, *, jobs: int = 1, **others) -> list[Traced]:
        calls: list[Traced] = []
        answer = analyze_image or tell_a_secret
        # What is loaded here is loaded again below, with the trace.
        load(acme=offers(acme(kind="device"), analyze_image=answer), **others)
        points = tuple(POINTS[name] for name in ("acme", *others))
        dispatcher = Dispatcher(load_plugins(points, on_trace=calls.append))
        question = Question(prompt="a secret question", provider="acme")

        def once(_: int) -> None:
            with suppress(RateLimited):
                dispatcher.analyze((make_image(),), question)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(once, range(jobs)))
        return [call for call in calls if call.hook not in ("import", "capabilities")]

    return ask


@hookimpl(wrapper=True)
def waiting(request):
    time.sleep(0.1)
    return (yield)


@hookimpl(wrapper=True)
def changing(request):
    answer = yield
    return Answer(text=answer.text.upper(), model=answer.model)


def test_a_call_is_told_with_who_and_what(traced):
    (call,) = traced()
    assert (call.hook, call.plugin, call.provider, call.model) == (
        "analyze_image",
        "acme 1.0",
        "acme",
        "acme-eye",
    )
    assert (call.outcome, call.depth, call.wraps) == ("answered", 0, False)
    assert call.sent.startswith("1 image, ")
    assert str(call).endswith(f" s analyze_image acme acme-eye, {call.sent} (acme 1.0): answered")


def test_nothing_of_the_question_or_the_answer_is_told(traced):
    assert "secret" not in "".join(map(repr, traced(around={"analyze_image": waiting})))


def test_an_error_is_told_by_its_class(traced):
    def analyze_image(request):
        raise RateLimited("a secret reason")

    around, call = sorted(traced(analyze_image, around={"analyze_image": waiting}), key=order)
    assert (call.outcome, around.outcome) == ("raised RateLimited", "passed on RateLimited")


def order(call: Traced) -> int:
    return call.depth


def test_a_wrapper_has_its_own_time_and_not_that_inside(traced):
    def analyze_image(request):
        time.sleep(0.3)
        return Answer(text="a", model="m")

    around, call = sorted(traced(analyze_image, around={"analyze_image": waiting}), key=order)
    assert (around.wraps, around.depth, call.depth) == (True, 0, 1)
    assert around.plugin == "around 1.0"
    assert around.seconds >= 0.1
    assert call.seconds >= 0.3
    assert around.seconds < call.seconds
    assert around.outcome == "passed it on"


def test_a_wrapper_that_changes_the_answer_is_told(traced):
    around, _ = sorted(traced(around={"analyze_image": changing}), key=order)
    assert around.outcome == "changed the answer"


OLD = "(a hookwrapper, as pluggy had them before wrapper=True)"


@hookimpl(hookwrapper=True)
def old(request):
    yield


@hookimpl(hookwrapper=True)
def old_and_changing(request):
    outcome = yield
    outcome.force_result(Answer(text="other", model="m"))


@pytest.mark.parametrize(
    ("wrapper", "outcome"), [(old, "passed it on"), (old_and_changing, "changed the answer")]
)
def test_an_old_wrapper_is_told_for_what_it_is(traced, wrapper, outcome):
    around, _ = sorted(traced(around={"analyze_image": wrapper}), key=order)
    assert (around.outcome, around.wraps) == (f"{outcome} {OLD}", True)


def test_an_old_wrapper_passes_errors_on(traced):
    def analyze_image(request):
        raise RateLimited("a secret reason")

    around, _ = sorted(traced(analyze_image, around={"analyze_image": old}), key=order)
    assert around.outcome == f"passed on RateLimited {OLD}"


def test_what_is_inside_stands_further_right(traced):
    around, call = sorted(traced(around={"analyze_image": waiting}), key=order)
    assert " s around analyze_image acme " in str(around)
    assert " s | analyze_image acme " in str(call)


def test_a_wrapper_that_refuses_is_told(traced):
    @hookimpl(wrapper=True)
    def refusing(request):
        raise RateLimited("no")
        yield

    (around,) = traced(around={"analyze_image": refusing})
    assert around.outcome == "raised RateLimited"


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (lambda _: None, "left it as it is"),
        (lambda request: request, "left it as it is"),
        (lambda request: replace(request, retries=0), "changed it"),
    ],
)
def test_a_house_rule_is_told(traced, rule, outcome):
    def prepare_request(request):
        return rule(request)

    first, second = traced(house={"prepare_request": prepare_request})
    assert (first.hook, first.plugin, first.outcome) == (
        "prepare_request",
        "house 1.0",
        outcome,
    )
    assert second.hook == "analyze_image"


def test_what_a_plugin_asks_inside_is_not_its_own_time(load, offers, acme, make_image):
    calls: list[Traced] = []

    def analyze_image(request):
        time.sleep(0.2)
        return Answer(text="a", model="m")

    @hookimpl(wrapper=True)
    def around(request):
        if request.prompt == "outer":
            inner = Question(prompt="inner", provider="acme")
            dispatcher.analyze((make_image(),), inner)
        return (yield)

    load(
        acme=offers(acme(kind="device"), analyze_image=analyze_image),
        around={"analyze_image": around},
    )
    points = (POINTS["acme"], POINTS["around"])
    dispatcher = Dispatcher(load_plugins(points, on_trace=calls.append))
    dispatcher.analyze((make_image(),), Question(prompt="outer", provider="acme"))
    hooks = [call for call in calls if call.hook == "analyze_image"]
    assert [(call.depth, call.wraps) for call in hooks] == [
        (2, False),
        (1, True),
        (1, False),
        (0, True),
    ]
    assert hooks[3].seconds < 0.15


def test_threads_do_not_mix_their_calls(traced):
    def analyze_image(request):
        time.sleep(0.02)
        return Answer(text="a", model="m")

    calls = traced(analyze_image, jobs=8, around={"analyze_image": changing})
    assert len(calls) == 16
    assert {(call.wraps, call.depth) for call in calls} == {(True, 0), (False, 1)}


def test_loading_is_told(load, offers, acme):
    calls: list[Traced] = []
    load(acme=offers(acme()))
    assert load_plugins((POINTS["acme"],), on_trace=calls.append).loaded
    assert [(call.hook, call.plugin) for call in calls] == [
        ("import", "acme 1.0"),
        ("capabilities", "acme 1.0"),
    ]
    assert json.dumps([call.seconds for call in calls])


def test_without_a_trace_hooks_are_called_as_they_are(load, offers, acme):
    functions = offers(acme())
    plugins = load(acme=functions)
    (found,) = plugins.manager.hook.analyze_image.get_hookimpls()
    assert found.function is functions["analyze_image"]
