"""Who is asked instead, and who is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from mediasense import (
    Access,
    Answer,
    AudioLimits,
    AuthenticationError,
    Credentials,
    Fallback,
    ImageLimits,
    MediasenseError,
    MissingCredentials,
    Provider,
    ProviderError,
    RateLimited,
    RequestRejected,
    ServerError,
    TextLimits,
    UnknownProvider,
    Usage,
    UsageError,
    connect,
    errors,
    hookimpl,
)
from mediasense.calls import lane_of
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.fallback import all_failed, curable, goes_on, variants
from mediasense.pacing.lanes import Lanes
from mediasense.pacing.pacer import Pacer
from mediasense.store.cache import Cache
from mediasense.store.history import History
from mediasense.types import ImageRequest, Question

BY_ANOTHER = {
    "AuthenticationError": True,  # another one has another key
    "ConnectionFailed": True,
    "InvalidAnswer": True,
    "MediaRejected": True,
    "MediaTooLarge": True,
    "MissingCredentials": True,
    "OutOfService": True,
    "PermissionDenied": True,
    "ProviderUnavailable": True,
    "RateLimited": True,
    "RequestTooLarge": True,
    "ServerError": True,
    "Timeout": True,
    "UnknownModel": True,  # another one is asked for its own
    "UnsupportedMedia": True,
    "UnsupportedModality": True,
    "BatchFailed": False,
    "BudgetExceeded": False,  # a limit is a limit
    "CheckupFailed": False,
    "ConfigError": False,
    "ContentBlocked": False,  # an answer about what was shown
    "CorruptMedia": False,
    "Forbidden": True,  # somebody else may be allowed
    "MediaError": False,
    "MediaNotFound": False,
    "MediasenseError": False,
    "NoPlugins": False,
    "PluginError": False,  # it is to be reported, not to be hidden
    "ProviderConflict": False,
    "ProviderError": False,  # nobody knows what it is
    "RequestRejected": False,  # the question is wrong
    "StoreError": False,
    "UnknownProvider": False,
    "UnsafeEndpoint": False,
    "UsageError": False,
}
OF_A_STAND_IN = {
    *(name for name, cured in BY_ANOTHER.items() if cured),
    "NoPlugins",
    "PluginError",
    "ProviderConflict",
    "RequestRejected",
    "UnsafeEndpoint",
    "UsageError",
}
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, MediasenseError)
}


def test_every_class_of_error_is_judged_here():
    assert set(BY_ANOTHER) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_another_is_asked_only_where_it_could_help(name):
    assert curable(CLASSES[name]("it failed")) is BY_ANOTHER[name]


@pytest.mark.parametrize("name", CLASSES)
def test_after_a_stand_in_what_is_wrong_with_itself_does_not_count(name):
    assert goes_on(CLASSES[name]("it failed"), standing_in=True) is (name in OF_A_STAND_IN)
    assert goes_on(CLASSES[name]("it failed"), standing_in=False) is BY_ANOTHER[name]


@pytest.mark.parametrize(("status", "cured"), [(402, True), (400, False), (None, False)])
def test_somebody_who_wants_to_be_paid_first_is_passed_over(status, cured):
    assert curable(ProviderError("it failed", status=status)) is cured
    assert curable(RequestRejected("it failed", status=status)) is cured


# --- who is asked --------------------------------------------------------------------------------


def test_without_a_fallback_there_is_one_question():
    question = Question(prompt="what?", provider="a", access=Access(base_url="https://a.example"))
    assert variants(question) == (question,)


def test_a_stand_in_is_asked_the_same_with_its_own_model_and_address():
    question = Question(
        prompt="what?",
        provider="a",
        model="a-1",
        temperature=0.5,
        access=Access(base_url="https://a.example", api_key_env="A_KEY", project="p"),
        fallback=(Fallback(provider="b", model="b-1"), Fallback(provider="c")),
        max_cost=1.0,
    )
    first, second, third = variants(question)
    assert first == dataclasses.replace(question, fallback=())
    assert second == Question(
        prompt="what?", provider="b", model="b-1", temperature=0.5, max_cost=1.0
    )
    assert third == dataclasses.replace(second, provider="c", model=None)


def test_plain_http_stays_allowed():
    question = Question(access=Access(allow_http=True), fallback=(Fallback(provider="b"),))
    assert variants(question)[1].access == Access(allow_http=True)


@pytest.mark.parametrize(("ear", "model"), [("ear", "whisper"), (None, None)])
def test_the_model_that_hears_is_that_of_the_provider_it_was_named_for(ear, model):
    question = Question(
        audio_provider=ear, audio_model="whisper", fallback=(Fallback(provider="b"),)
    )
    assert (variants(question)[1].audio_provider, variants(question)[1].audio_model) == (ear, model)


# --- all failed ----------------------------------------------------------------------------------


def test_one_failure_is_itself():
    error = RateLimited("too many")
    assert all_failed([error], ["a", "b"]) is error


def test_the_first_failure_tells_of_the_others():
    first = RateLimited("a is full", hint="wait", status=429, retry_after=7.0)
    second, third = ServerError("it broke"), UsageError("no --schema")
    whole = all_failed([first, second, third], ["a", "b", "c"])
    assert type(whole) is RateLimited
    assert whole.message == "a is full; instead of it b: it broke; c: no --schema"
    assert str(whole) == f"{whole.message}; wait"
    assert (whole.status, whole.retry_after, whole.others) == (429, 7.0, (second, third))
    assert (first.message, first.others) == ("a is full", ())


def test_those_who_were_not_asked_are_not_told_of():
    whole = all_failed([RateLimited("a"), ServerError("b")], ["one", "two", "three"])
    assert whole.message == "a; instead of it two: b"


def test_what_is_wrong_with_the_file_is_told_once():
    twice = [errors.UnsupportedMedia("a.txt is text", hint="give a media file") for _ in range(2)]
    assert str(all_failed(twice, ["a", "b"])) == "a.txt is text; give a media file"


def test_the_error_of_a_plugin_may_take_any_arguments():
    class Odd(RateLimited):
        def __init__(self, one, two):
            super().__init__(f"{one} {two}")
            self.one = one

    first = Odd("so", "odd")
    first.__cause__ = KeyError("inside")
    whole = all_failed([first, ServerError("b")], ["a", "b"])
    assert (type(whole), whole.one, str(whole)) == (Odd, "so", "so odd; instead of it b: b")
    assert whole.__cause__ is first.__cause__


# --- whole questions -----------------------------------------------------------------------------


@pytest.fixture
def png(make_image) -> bytes:
    return make_image()


@pytest.fixture
def wav(make_wav) -> bytes:
    return make_wav()


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "answers.sqlite")


@pytest.fixture
def serve(load, offers, acme) -> Callable[..., Dispatcher]:
    """A dispatcher over providers ``a``, ``b`` and ``c``, each with a hook of its own."""

    def make(desk: Desk | None = None, *, provider=None, plugins=(), **hooks) -> Dispatcher:
        def offered(name: str) -> Provider:
            return provider(name) if provider else acme(name=name, credentials=None)

        def answering(hook: Callable) -> dict[str, Callable]:
            def analyze_image(request, on_text):
                return hook(request, on_text)

            return dict.fromkeys(("analyze_image", "analyze_audio", "generate"), analyze_image)

        loaded = {
            name: offers(offered(name), **answering(hook)) for name, hook in hooks.items()
        } | dict(plugins)
        return Dispatcher(load(**loaded), desk=desk or Desk())

    return make


def says(text: str, **facts) -> Callable:
    def answer(request, on_text):
        return Answer(text=text, model=request.model or "m", **facts)

    return answer


def fails(error: MediasenseError) -> Callable:
    def fail(request, on_text):
        raise error

    return fail


def ask(one: Dispatcher, *sources, on_text=None, stand_ins="b", **question):
    question = {
        "provider": "a",
        "fallback": tuple(Fallback(provider=name) for name in stand_ins),
    } | question
    return one.analyze(sources, Question(**question), on_text=on_text)


def test_the_answer_says_who_gave_it_and_a_warning_why(serve, png):
    one = serve(a=fails(RateLimited("a is full", hint="wait")), b=says("a cat"))
    analysis = ask(one, png)
    assert (analysis.text, analysis.provider) == ("a cat", "b")
    assert analysis.warnings == ("a is full: b answered instead",)


def test_whoever_answers_first_is_not_stood_in_for(serve, png):
    def never(request, on_text):
        pytest.fail("it was asked")

    analysis = ask(serve(a=says("a cat"), b=never), png)
    assert (analysis.provider, analysis.warnings) == ("a", ())


def test_the_question_itself_is_not_cured(serve, png):
    def never(request, on_text):
        pytest.fail("it was asked")

    with pytest.raises(errors.ContentBlocked, match=r"^it will not say$"):
        ask(serve(a=fails(errors.ContentBlocked("it will not say")), b=never), png)


def test_they_are_asked_in_order(serve, png):
    one = serve(a=fails(RateLimited("a is full")), b=fails(ServerError("b broke")), c=says("a cat"))
    analysis = ask(one, png, stand_ins="bc")
    assert analysis.warnings == ("a is full: c answered instead", "b broke: c answered instead")


def test_where_all_fail_it_is_the_failure_of_the_first(serve, png):
    one = serve(a=fails(RateLimited("a is full")), b=fails(ServerError("broken")))
    with pytest.raises(RateLimited, match=r"^a is full; instead of it b: broken$"):
        ask(one, png)


def test_a_stand_in_that_refuses_to_answer_ends_it(serve, png):
    def never(request, on_text):
        pytest.fail("it was asked")

    one = serve(a=fails(RateLimited("full")), b=fails(errors.ContentBlocked("no")), c=never)
    with pytest.raises(RateLimited, match=r"^full; instead of it b: no$"):
        ask(one, png, stand_ins="bc")


def test_a_stand_in_that_does_not_honour_an_option_is_passed_over_and_told(serve, acme, png):
    limits = ImageLimits(mime_types=("image/png",))

    def provider(name: str) -> Provider:
        able = dataclasses.replace(limits, options=() if name == "b" else ("temperature",))
        return acme(name=name, credentials=None, image=able)

    full = fails(RateLimited("a is full"))
    answered = ask(
        serve(provider=provider, a=full, b=says("b"), c=says("c")),
        png,
        stand_ins="bc",
        temperature=0.5,
    )
    assert answered.provider == "c"
    assert "b does not honour --temperature for image: c answered instead" in answered.warnings
    with pytest.raises(RateLimited, match="instead of it b: b does not honour --temperature"):
        ask(serve(provider=provider, a=full, b=says("b")), png, temperature=0.5)


def test_a_stand_in_that_nobody_offers_is_told_before_anybody_is_asked(serve, png):
    def never(request, on_text):
        pytest.fail("it was asked")

    with pytest.raises(UnknownProvider, match="no installed plugin offers 'bb'"):
        ask(serve(a=never, b=never), png, stand_ins=("bb",))


def test_the_key_and_the_address_of_the_first_are_never_those_of_the_second(
    serve, acme, png, monkeypatch
):
    seen = []

    def provider(name: str) -> Provider:
        credentials = Credentials(variables=(f"{name.upper()}_KEY",))
        url = f"https://{name}.example/v1"
        return acme(name=name, base_url=url, credentials=credentials)

    def wire(request, on_text):
        connection = connect(request)
        seen.append((request.provider.name, connection.base_url, connection.key))
        raise AuthenticationError("the key is not accepted")

    monkeypatch.setenv("SECRET_KEY", "sk-of-a")
    monkeypatch.setenv("MEDIASENSE_API_KEY", "sk-of-a-too")
    monkeypatch.setenv("B_KEY", "sk-of-b")
    access = Access(base_url="https://gate.example", api_key_env="SECRET_KEY")
    with pytest.raises(AuthenticationError):
        ask(serve(provider=provider, a=wire, b=wire, c=wire), png, access=access, stand_ins="b")
    assert seen == [
        ("a", "https://gate.example", "sk-of-a"),
        ("b", "https://b.example/v1", "sk-of-b"),
    ]


def test_a_stand_in_without_a_key_of_its_own_is_sent_none(serve, acme, png, monkeypatch):
    def provider(name: str) -> Provider:
        return acme(name=name, credentials=Credentials(variables=(f"{name.upper()}_KEY",)))

    def wire(request, on_text):
        connect(request)
        raise RateLimited("full")

    monkeypatch.setenv("SECRET_KEY", "sk-of-a")
    with pytest.raises(RateLimited, match="instead of it b: no key for b"):
        ask(serve(provider=provider, a=wire, b=wire), png, access=Access(api_key_env="SECRET_KEY"))


def test_who_has_no_key_is_stood_in_for(serve, acme, png):
    def provider(name: str) -> Provider:
        return acme(name=name, credentials=Credentials(variables=("A_KEY",)))

    def wire(request, on_text):
        if request.provider.name == "a":
            connect(request)
        return Answer(text="a cat", model="m")

    analysis = ask(serve(provider=provider, a=wire, b=wire), png)
    assert analysis.warnings == ("no key for a: b answered instead",)
    with pytest.raises(MissingCredentials):
        ask(serve(provider=provider, a=wire, b=wire), png, stand_ins="")


# --- pieces --------------------------------------------------------------------------------------


@pytest.fixture
def streaming(acme) -> Callable[[str], Provider]:
    limits = ImageLimits(mime_types=("image/png",), streaming=True)
    return lambda name: acme(name=name, credentials=None, image=limits)


def breaks_off(request, on_text):
    if on_text is not None:
        on_text("a c")
    raise ServerError("it broke off")


def test_after_the_first_piece_nobody_stands_in(serve, streaming, png):
    pieces = []
    with pytest.raises(ServerError, match=r"^it broke off$"):
        ask(
            serve(provider=streaming, a=breaks_off, b=says("a cat")),
            png,
            on_text=pieces.append,
        )
    assert pieces == ["a c"]


def test_where_nobody_reads_the_pieces_somebody_does(serve, streaming, png):
    one = serve(provider=streaming, a=breaks_off, b=says("a cat"))
    assert ask(one, png).text == "a cat"


def test_the_pieces_are_those_of_whoever_stood_in(serve, streaming, png):
    def in_pieces(request, on_text):
        for piece in ("a ", "cat"):
            on_text(piece)
        return Answer(text="a cat", model="m")

    pieces = []
    one = serve(provider=streaming, a=fails(RateLimited("full")), b=in_pieces)
    assert ask(one, png, on_text=pieces.append).text == "a cat"
    assert pieces == ["a ", "cat"]


# --- what is kept, and what it costs -------------------------------------------------------------


def test_the_answer_of_a_stand_in_is_kept_as_its_own(serve, png, cache):
    one = serve(Desk(cache=cache), a=fails(RateLimited("a is full")), b=says("of b"))
    ask(one, png)
    again = ask(one, png)
    assert (again.text, again.cached) == ("of b", True)
    assert again.warnings == ("a is full: b answered instead",)
    direct = ask(one, png, provider="b", fallback=())
    assert (direct.cached, direct.warnings) == (True, ())


def test_the_first_is_asked_again_the_next_time(serve, png, cache):
    failing = [True, False]

    def recovers(request, on_text):
        if failing.pop(0):
            raise RateLimited("a is full")
        return Answer(text="of a", model="m")

    one = serve(Desk(cache=cache), a=recovers, b=says("of b"))
    assert [ask(one, png).text for _ in range(3)] == ["of b", "of a", "of a"]


@pytest.fixture
def hearing(acme) -> Callable[[str], Provider]:
    """A provider that writes down sound in one call, and answers in another."""
    audio = AudioLimits(mime_types=("audio/wav",), transcribes=True)
    return lambda name: acme(
        name=name, credentials=None, image=None, audio=audio, text=TextLimits()
    )


def hears_and(answer: Callable) -> Callable:
    def both(request, on_text):
        if request.prompt is None:
            used = Usage(input_tokens=100)
            return Answer(text="good morning", model="ear", usage=used, cost=0.5)
        return answer(request, on_text)

    return both


def test_what_was_paid_before_somebody_stood_in_is_counted(serve, hearing, wav, tmp_path):
    history = History(tmp_path / "history.sqlite")
    one = serve(
        Desk(history=history),
        provider=hearing,
        a=hears_and(fails(RateLimited("a is full"))),
        b=hears_and(says("a greeting", usage=Usage(input_tokens=1), cost=0.25)),
    )
    analysis = ask(one, wav, prompt="what?")
    assert analysis.cost == 0.5 + 0.5 + 0.25
    assert analysis.usage == Usage(input_tokens=201)
    assert [(step.provider, step.calls) for step in analysis.steps] == [("b", 1), ("b", 1)]
    assert {spent.name: spent.spent.cost for spent in history.spent("provider")} == {
        "a": 0.5,
        "b": 0.75,
    }


def test_nor_is_it_forgotten_where_the_stand_in_has_answered_before(
    serve, hearing, wav, cache, tmp_path
):
    history = History(tmp_path / "history.sqlite")
    one = serve(
        Desk(cache=cache, history=history),
        provider=hearing,
        a=hears_and(fails(RateLimited("a is full"))),
        b=hears_and(says("a greeting", cost=0.25)),
    )
    ask(one, wav, prompt="what?", provider="b", stand_ins="")
    analysis = ask(one, wav, prompt="what?")
    assert (analysis.provider, analysis.cached) == ("b", True)
    assert (analysis.cost, analysis.usage) == (0.5, Usage(input_tokens=100))
    spent = {spent.name: spent.spent.cost for spent in history.spent("provider")}
    assert spent == {"a": 0.5, "b": 0.75}


def test_who_failed_was_waited_for_too(serve, png, cache):
    one = serve(Desk(cache=cache), a=fails(RateLimited("a is full")), b=says("a cat"))
    ask(one, png)
    timings = ask(one, png).timings
    assert timings.total >= timings.provider > 0  # that of "a": the answer of "b" was kept
    assert timings.prepare == pytest.approx(timings.total - timings.provider)


# --- lanes ---------------------------------------------------------------------------------------


def test_a_lane_is_a_provider_at_an_address(acme, image):
    request = ImageRequest(provider=acme(), images=(image,))
    assert lane_of(request) == "acme https://api.acme.example/v1"


def test_an_address_that_a_rule_of_the_house_will_give_is_waited_for(acme, image):
    nowhere = acme(base_url=None, base_url_variables=("ACME_URL",))
    assert lane_of(ImageRequest(provider=nowhere, images=(image,))) == "acme"


def test_a_rule_of_the_house_may_give_an_address_where_calls_are_paced(serve, acme, png):
    @hookimpl
    def prepare_request(request):
        return dataclasses.replace(request, access=Access(base_url="https://gate.example"))

    def provider(name: str) -> Provider:
        return acme(name=name, base_url=None, base_url_variables=("A_URL",), credentials=None)

    def answer(request, on_text):
        return Answer(text=connect(request).base_url, model="m")

    one = serve(
        Desk(pacer=Pacer(Lanes())),
        provider=provider,
        a=answer,
        plugins={"house": {"prepare_request": prepare_request}},
    )
    assert ask(one, png, stand_ins="").text == "https://gate.example"
