"""Answers in a form: asked for, checked, asked for once more, and what is told and paid."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest

from mediasense import (
    Answer,
    AudioLimits,
    BudgetExceeded,
    Fallback,
    ImageLimits,
    InvalidAnswer,
    MediaRejected,
    ModelRule,
    Provider,
    RateLimited,
    RequestRejected,
    Segment,
    ServerError,
    TextLimits,
    UnknownModel,
    UnsupportedModality,
    Usage,
    batch,
    runtime,
)
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.envelope import to_json, to_plain
from mediasense.forms import Form
from mediasense.ledger import Ledger
from mediasense.media.isolation.decoder import Decoder, Limits
from mediasense.schemas import read_schema
from mediasense.store.cache import Cache
from mediasense.store.history import History
from mediasense.types import Question, Request

SCHEMA = read_schema("title, severity int")
GOOD = '{"title": "a scratch", "severity": 3}'
BAD = '{"title": "a scratch", "severity": "high"}'
FITS = {"title": "a scratch", "severity": 3}
MISFIT = "'high' is not of type 'integer' (at $.severity)"
PNG = ImageLimits(mime_types=("image/png",), max_items=2)
HELD = replace(PNG, options=("json_schema",))
EAR = AudioLimits(mime_types=("audio/wav",), transcribes=True, timestamps=True)


@dataclass
class Service:
    """A plugin that answers one text after the other, and remembers what it was asked."""

    texts: list[str | Answer | Exception] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        said = self.texts.pop(0) if self.texts else GOOD
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Answer):
            return said
        usage = Usage(input_tokens=100, output_tokens=10)
        return Answer(text=said, model="eye", usage=usage, cost=0.25)

    @property
    def prompts(self) -> list[str]:
        return [request.prompt for request in self.asked]


def hook(service: Service) -> Callable[[Request], Answer]:
    def answer(request):
        return service.answer(request)

    return answer


@pytest.fixture
def png(make_image) -> bytes:
    return make_image()


@pytest.fixture
def wav(make_wav) -> bytes:
    return make_wav()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def one(load, acme, service) -> Callable[..., Dispatcher]:
    """A dispatcher over the provider ``acme``, all of whose calls the service answers."""

    def make(desk: Desk | None = None, **facts) -> Dispatcher:
        provider = acme(**{"credentials": None, "image": PNG, **facts})
        names = ("analyze_image", "analyze_video", "analyze_audio", "generate")
        hooks = {name: hook(service) for name in names}
        plugin = {"capabilities": lambda: (provider,), **hooks}
        return Dispatcher(load(one=plugin), desk=desk or Desk())

    return make


def ask(dispatcher: Dispatcher, *sources, check=None, on_text=None, ledger=None, **asked):
    question = Question(**{"provider": "acme", "json_schema": SCHEMA, **asked})
    return dispatcher.analyze(sources, question, check=check, on_text=on_text, ledger=ledger)


# --- asked for -----------------------------------------------------------------------------------


def test_a_schema_that_is_not_enforced_stands_in_the_prompt(one, service, png):
    analysis = ask(one(), png, prompt="what is it?")
    (request,) = service.asked
    assert request.json_schema is None
    assert request.prompt.startswith("what is it?\n\nAnswer with JSON alone")
    assert request.prompt.endswith(SCHEMA)
    assert analysis.data == FITS


def test_a_schema_that_is_enforced_is_handed_to_the_service(one, service, png):
    ask(one(image=HELD), png, prompt="what is it?")
    (request,) = service.asked
    assert (request.json_schema, request.prompt) == (SCHEMA, "what is it?")


@pytest.mark.parametrize("limits", [PNG, HELD])
def test_the_text_is_that_of_the_data_however_it_was_written(one, service, png, limits):
    service.texts = [f"Here you are:\n```json\n{GOOD}\n```\nAsk for {{more}}!"]
    analysis = ask(one(image=limits), png)
    assert analysis.text == json.dumps(FITS, indent=2)
    assert analysis.data == FITS
    assert (len(service.asked), analysis.warnings) == (1, ())


def test_what_a_model_follows_is_known_by_its_name(one, service, png):
    dispatcher = one(image=PNG, models=(ModelRule(pattern="new-*", image=HELD),))
    ask(dispatcher, png, model="new-eye")
    ask(dispatcher, png, model="old-eye")
    assert [request.json_schema for request in service.asked] == [SCHEMA, None]


def test_a_list_is_asked_for_and_not_enforced(one, service, png):
    service.texts = ["[1, 2]"]
    schema = read_schema({"type": "array", "items": {"type": "integer"}})
    assert ask(one(image=HELD), png, json_schema=schema).data == [1, 2]
    assert service.asked[0].json_schema is None


def test_the_plan_and_the_answer_say_that_it_is_not_enforced(one, png):
    question = Question(provider="acme", json_schema=SCHEMA)
    told = "the images; JSON is asked for, and not enforced by the service"
    assert one().plan((png,), question).plan.steps[-1].words == told
    assert ask(one(), png).steps[-1].words == told


@pytest.mark.parametrize("reads", [{"image": replace(PNG, answers=False)}])
def test_who_only_reads_refuses_before_anything_is_sent(one, service, png, reads):
    with pytest.raises(UnsupportedModality, match="acme does not answer questions, so --schema"):
        ask(one(**reads), png, prompt="what?")
    assert service.asked == []


# --- asked for once more -------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [PNG, HELD])
def test_an_answer_that_does_not_fit_is_asked_for_once_more(one, service, png, limits):
    service.texts = [BAD, GOOD]
    analysis = ask(one(image=limits), png, prompt="what is it?")
    first, second = service.prompts
    assert second.startswith(first)
    assert BAD in second
    assert f"- {MISFIT}" in second
    assert analysis.data == FITS
    assert analysis.warnings == (
        f"the first answer of acme did not fit the schema: {MISFIT}; it was asked once more",
    )


def test_what_is_asked_again_carries_the_same_media_and_options(one, service, png):
    service.texts = [BAD, GOOD]
    limits = replace(HELD, options=("json_schema", "temperature", "max_output_tokens"))
    ask(one(image=limits), png, temperature=0.5, max_output_tokens=99)
    first, second = service.asked
    assert second == replace(first, prompt=second.prompt)


def test_both_answers_are_paid_for_and_told(one, service, png):
    service.texts = [BAD, GOOD]
    ledger = Ledger(Desk().prices)
    analysis = ask(one(), png, ledger=ledger)
    assert (ledger.spent.calls, ledger.spent.cost) == (2, 0.5)
    assert (analysis.cost, analysis.usage.input_tokens) == (0.5, 200)
    asked, again = analysis.steps
    assert (asked.action, asked.calls, asked.cost, asked.tokens) == ("ask", 1, 0.25, 100)
    assert (again.action, again.calls, again.cost, again.tokens) == ("ask again", 1, 0.25, 100)


def test_nobody_is_asked_three_times(one, service, png):
    service.texts = [BAD, BAD]
    with pytest.raises(InvalidAnswer) as caught:
        ask(one(), png)
    assert caught.value.message == f"the answer of acme does not fit the schema: {MISFIT}"
    assert len(service.asked) == 2


@pytest.mark.parametrize("text", ["", "I see a scratch.", '{"title": "a', '{"a": 1, "a": 2}'])
def test_an_answer_without_json_is_asked_for_once_more(one, service, png, text):
    service.texts = [text, GOOD]
    assert ask(one(), png).data == FITS
    assert "- it is no JSON: " in service.prompts[1]


def test_what_is_told_of_a_long_answer_is_bounded(one, service, png):
    service.texts = [json.dumps({"title": "x" * 1_000_000, "severity": "y" * 1_000_000}), GOOD]
    ask(one(), png)
    assert len(service.prompts[1]) < len(service.prompts[0]) + 6000


@pytest.mark.parametrize("limit", [None, 50])
def test_an_answer_that_was_cut_short_is_not_asked_for_again(one, service, png, limit):
    service.texts = [Answer(text='{"title": "a', model="eye", finish_reason="length")]
    limits = replace(PNG, options=("max_output_tokens",))
    with pytest.raises(InvalidAnswer, match="the answer of acme was cut short") as caught:
        ask(one(image=limits), png, max_output_tokens=limit)
    assert "--max-output-tokens" in caught.value.hint
    assert len(service.asked) == 1


def test_an_answer_that_fits_although_it_was_cut_short_is_taken(one, service, png):
    service.texts = [Answer(text=GOOD, model="eye", finish_reason="length")]
    assert ask(one(), png).data == FITS


def test_a_failure_of_the_second_call_is_that_failure(one, service, png):
    service.texts = [BAD, RateLimited("slow down")]
    with pytest.raises(RateLimited):
        ask(one(), png)


@pytest.mark.parametrize(
    ("texts", "spent"),
    [
        ([RateLimited("slow down")], 0.0),
        ([BAD, RateLimited("slow down")], 0.25),
        ([Answer(text=BAD, model="eye"), RateLimited("slow down")], None),
    ],
)
def test_a_failure_says_what_the_calls_before_it_came_to(one, service, png, texts, spent):
    service.texts = list(texts)
    with pytest.raises(RateLimited) as caught:
        ask(one(), png)
    assert caught.value.spent == spent


class Cents:
    """Each call costs 0.25 dollars."""

    def charge(self, *_, **__) -> float:
        return 0.25

    def price(self, *_, **__) -> float:
        return 0.25


def test_a_second_call_that_could_pass_the_limit_is_not_made(one, service, png):
    service.texts = [BAD, GOOD]
    dispatcher = one(Desk(prices=Cents()))
    with pytest.raises(BudgetExceeded) as caught:
        ask(dispatcher, png, max_cost=0.3)
    assert caught.value.message.startswith(f"the answer of acme does not fit the schema: {MISFIT}")
    assert "--max-cost" in caught.value.message
    assert len(service.asked) == 1


def test_an_answer_in_a_form_comes_in_one_piece(one, service, png):
    service.texts = [BAD, GOOD]
    pieces: list[str] = []
    analysis = ask(one(image=replace(HELD, streaming=True)), png, on_text=pieces.append)
    assert pieces == [analysis.text] == [json.dumps(FITS, indent=2)]


# --- schemas that a service cannot enforce -------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_schema_that_the_service_rejects_is_asked_for_in_words(one, service, png, status):
    service.texts = [RequestRejected("acme: 'oneOf' is not permitted", status=status), GOOD]
    analysis = ask(one(image=HELD), png, prompt="what?")
    first, second = service.asked
    assert (first.json_schema, second.json_schema) == (SCHEMA, None)
    assert SCHEMA in second.prompt
    assert analysis.data == FITS
    assert analysis.warnings == ("acme: 'oneOf' is not permitted: JSON was asked for without it",)


def test_a_request_that_is_rejected_without_the_schema_too_is_the_first_failure(one, service, png):
    service.texts = [RequestRejected("first", status=400), RequestRejected("second", status=400)]
    with pytest.raises(RequestRejected, match="first"):
        ask(one(image=HELD), png)


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("gone", status=410),
        UnknownModel("no such model", status=404),
        ServerError("broke", status=500),
    ],
)
def test_other_failures_are_not_blamed_on_the_schema(one, service, png, error):
    service.texts = [error]
    with pytest.raises(type(error)):
        ask(one(image=HELD), png)
    assert len(service.asked) == 1


def test_what_was_not_enforced_is_not_tried_without_the_schema(one, service, png):
    service.texts = [RequestRejected("no", status=400)]
    with pytest.raises(RequestRejected):
        ask(one(), png)
    assert len(service.asked) == 1


# --- several calls -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TextLimits(), TextLimits(options=("json_schema",))])
@pytest.mark.parametrize("image", [PNG, HELD])
def test_parts_are_notes_and_what_joins_them_is_in_the_form(one, service, make_image, image, text):
    pictures = [make_image(size=(64, 32 + n)) for n in range(3)]
    service.texts = ["a note", "another", BAD, GOOD]
    analysis = ask(one(image=image, text=text), *pictures, prompt="what?")
    one_, two, joined, again = service.asked
    assert {one_.json_schema, two.json_schema} == {None}
    for note in (one_, two):
        assert "Answer in words" in note.prompt
        assert SCHEMA in note.prompt
    held = "json_schema" in text.options
    assert (joined.json_schema == SCHEMA) is held
    assert (SCHEMA in joined.prompt) is not held
    assert "a note" in joined.prompt
    assert MISFIT in again.prompt
    assert analysis.data == FITS
    assert [step.action for step in analysis.steps] == ["ask", "join", "ask again"]
    assert (analysis.cost, analysis.usage.input_tokens) == (1.0, 400)


def test_images_that_are_sent_in_halves_become_one_answer(one, service, make_image):
    pictures = [make_image(size=(64, 32 + n)) for n in range(2)]
    refused = MediaRejected("one at a time", refusal="count")
    service.texts = [refused, "a note", "another", GOOD]
    analysis = ask(one(image=HELD, text=TextLimits()), *pictures)
    assert analysis.data == FITS
    assert [bool(request.json_schema) for request in service.asked] == [True, False, False, False]


def test_a_question_about_a_transcript_is_answered_in_the_form(one, service, wav):
    said = Answer(text="hello", model="ear", segments=(Segment(start=0, end=1, text="hello"),))
    service.texts = [said, BAD, GOOD]
    analysis = ask(one(image=None, audio=EAR, text=TextLimits()), wav)
    assert (analysis.strategy, analysis.data) == ("transcript_then_text", FITS)
    assert [s.text for s in analysis.segments] == ["hello"]
    assert "hello" in service.prompts[2]


def test_frames_one_at_a_time_are_notes_too(one, service, make_video, tmp_path):
    single = ImageLimits(mime_types=("image/png",), max_items=1, options=("json_schema",))
    service.texts = ["a note", "another", GOOD]
    dispatcher = one(image=single, text=TextLimits(options=("json_schema",)))
    analysis = ask(dispatcher, make_video(tmp_path / "a.mp4", seconds=2), every=1.0)
    *notes, joined = service.asked
    assert (analysis.strategy, len(notes)) == ("frame_by_frame", 2)
    assert [bool(note.json_schema) for note in notes] == [False, False]
    assert (joined.json_schema, analysis.data) == (SCHEMA, FITS)


def test_an_answer_about_sound_is_in_the_form(one, service, wav):
    audio = AudioLimits(mime_types=("audio/wav",), answers=True)
    service.texts = [BAD, GOOD]
    analysis = ask(one(image=None, audio=audio), wav, prompt="who?")
    assert (analysis.strategy, analysis.data) == ("native", FITS)


def test_who_stands_in_may_enforce_what_the_first_did_not(load, acme, png):
    asked: dict[str, Request] = {}

    def plugin(provider: Provider, text: str):
        def analyze_image(request):
            asked[provider.name] = request
            return Answer(text=text, model="m")

        return {"capabilities": lambda: (provider,), "analyze_image": analyze_image}

    first = acme(credentials=None, image=PNG)
    second = acme("https://other.example", name="other", credentials=None, image=HELD)
    dispatcher = Dispatcher(load(one=plugin(first, BAD), two=plugin(second, GOOD)))
    analysis = ask(dispatcher, png, fallback=(Fallback(provider="other"),))
    assert (analysis.provider, analysis.data) == ("other", FITS)
    assert asked["acme"].json_schema is None
    assert asked["other"].json_schema == SCHEMA


# --- what is kept --------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path) -> Desk:
    cache, history = Cache(tmp_path / "a.sqlite"), History(tmp_path / "h.sqlite")
    return Desk(cache=cache, history=history)


def test_the_answer_is_kept_and_the_one_that_did_not_fit_is_not(one, service, png, desk):
    service.texts = [BAD, GOOD]
    dispatcher = one(desk, text=TextLimits())
    first, second = ask(dispatcher, png, png), ask(dispatcher, png, png)
    assert (second.data, second.text, second.cached) == (FITS, first.text, True)
    assert len(service.asked) == 2


@pytest.mark.parametrize("limits", [PNG, HELD])
def test_a_question_that_failed_is_asked_anew(one, service, png, desk, limits):
    service.texts = [BAD, BAD, GOOD]
    dispatcher = one(desk, image=limits)
    with pytest.raises(InvalidAnswer):
        ask(dispatcher, png, png)
    assert ask(dispatcher, png, png).data == FITS
    assert desk.history.spent("provider")[0].spent.calls == 3


def test_a_kept_answer_that_no_longer_fits_is_asked_for_anew(one, service, png, desk):
    dispatcher = one(desk)
    ask(dispatcher, png)
    service.texts = [GOOD.replace("3", "4")]
    odd = ask(dispatcher, png, check=lambda data: () if data["severity"] == 4 else ("not 4",))
    assert (odd.data["severity"], odd.cached) == (4, False)


def test_what_else_is_checked_is_told_when_it_is_asked_again(one, service, png):
    service.texts = [GOOD, GOOD.replace("3", "4")]
    ask(one(), png, check=lambda data: () if data["severity"] == 4 else ("severity is not 4",))
    assert "- severity is not 4" in service.prompts[1]


# --- checks that may take for ever ---------------------------------------------------------------

SLOW = read_schema({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}})


def test_a_pattern_is_checked_in_a_process_of_its_own():
    form = Form(schema=SLOW)
    assert form.misfits({"a": "aaa"}) == ()
    assert form.misfits({"a": "b"}) == ("'b' does not match '^(a+)+$' (at $.a)",)


def test_a_pattern_that_takes_for_ever_is_given_up(monkeypatch):
    impatient = Decoder(prefixes=("mediasense.schemas.",), limits=Limits(idle_seconds=0.5))
    monkeypatch.setattr("mediasense.forms._checker", lambda: impatient)
    with closing(impatient), pytest.raises(InvalidAnswer, match=r"could not be told in 5 s"):
        Form(schema=SLOW).misfits({"a": "a" * 60 + "b"})


# --- models --------------------------------------------------------------------------------------


class Fault:
    """Like a pydantic model."""

    def __init__(self, title: str, severity: int) -> None:
        self.title, self.severity = title, severity

    @staticmethod
    def model_json_schema():
        return json.loads(SCHEMA)

    @classmethod
    def model_validate(cls, obj):
        if obj["severity"] > 5:
            raise ValueError("severity is 5 at most")
        return cls(**obj)

    def model_dump(self, *, mode: str, by_alias: bool):
        assert (mode, by_alias) == ("json", True)
        return {"title": self.title, "severity": self.severity}


@pytest.fixture
def installed(one, monkeypatch) -> Callable[..., Dispatcher]:
    """The dispatcher of the program is that over the service."""

    def make(*given, **facts) -> Dispatcher:
        dispatcher = one(*given, **facts)
        monkeypatch.setattr(runtime, "dispatcher", lambda: dispatcher)
        return dispatcher

    return make


def test_the_data_is_an_instance_of_the_class(installed, service, png):
    from mediasense import analyze

    installed()
    service.texts = [GOOD.replace("3", "9"), GOOD]
    analysis = analyze(png, provider="acme", schema=Fault)
    assert isinstance(analysis.data, Fault)
    assert analysis.data.severity == 3
    assert "- severity is 5 at most" in service.prompts[1]
    assert to_plain(analysis)["data"] == FITS
    assert json.loads(to_json(analysis))["data"] == FITS


def test_what_is_kept_of_it_is_plain(installed, service, png, desk):
    from mediasense import analyze

    installed(desk)
    kinds = [type(analyze(png, provider="acme", schema=Fault).data) for _ in range(2)]
    assert kinds == [Fault, Fault]
    assert len(service.asked) == 1


# --- batches -------------------------------------------------------------------------------------


def test_an_item_that_does_not_fit_fails_alone(installed, service, png, make_image):
    installed(text=TextLimits())
    service.texts = [BAD, BAD, GOOD]
    rows = [
        {"source": png, "id": "a", "schema": "title, severity int"},
        {"source": make_image(size=(9, 9)), "id": "b", "schema": "title, severity int"},
        {"source": png, "id": "c", "schema": "title flaot"},
        {"source": png, "id": "d", "schema": "fault.json"},
    ]
    first, second, third, fourth = sorted(
        batch(rows, Question(provider="acme"), jobs=1), key=lambda result: result.row
    )
    assert "does not fit the schema" in first.failure.message
    assert second.analysis.data == FITS
    assert "flaot is no type" in third.failure.message
    assert "schema is the name of a file" in fourth.failure.message
