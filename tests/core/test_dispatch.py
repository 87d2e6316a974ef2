"""Choose, plan, call, join: a request reaches its owner, and nobody else."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mediasense import (
    Access,
    Answer,
    AudioLimits,
    AuthenticationError,
    Credentials,
    ImageLimits,
    InvalidAnswer,
    MediaNotFound,
    MissingCredentials,
    Model,
    NoPlugins,
    PluginError,
    ProviderConflict,
    RateLimited,
    Segment,
    TextLimits,
    UnknownProvider,
    UnsafeEndpoint,
    UnsupportedMedia,
    UnsupportedModality,
    Usage,
    UsageError,
    VideoLimits,
    get_json,
    hookimpl,
)
from mediasense.config import Config
from mediasense.discovery import EntryPoint
from mediasense.dispatch import Dispatcher
from mediasense.plugins import load_plugins
from mediasense.types import Question


@pytest.fixture
def png(make_image) -> bytes:
    return make_image()


@pytest.fixture
def wav(make_wav) -> bytes:
    return make_wav()


@pytest.fixture
def served(httpserver, acme):
    """Make a provider of that name whose server answers with the name."""

    def make(name: str, **changes):
        httpserver.expect_request(f"/{name}/look").respond_with_json({"answer": f"{name} says"})
        return acme(httpserver.url_for(f"/{name}"), name=name, credentials=None, **changes)

    return make


def service(variable: str) -> dict[str, Credentials]:
    return {"credentials": Credentials(variables=(variable,))}


def ask(dispatcher: Dispatcher, source: bytes, on_text=None, **asked):
    return dispatcher.analyze((source,), Question(**asked), on_text=on_text)


def paths(httpserver) -> list[str]:
    return [request.path for request, _ in httpserver.log]


# --- one answer ----------------------------------------------------------------------------------


def test_an_answer_says_how_it_was_made(dispatcher, served, png, httpserver):
    analysis = ask(dispatcher(served("acme")), png, provider="acme", prompt="what?")
    assert (analysis.text, analysis.provider, analysis.model, analysis.strategy) == (
        "acme says",
        "acme",
        "acme-eye",
        "images",
    )
    assert httpserver.log[0][0].json == {"question": "what?"}


def test_the_media_of_an_answer_come_without_their_bytes(dispatcher, served, png):
    (media,) = ask(dispatcher(served("acme")), png, provider="acme").media
    assert (media.data, media.size, media.width) == (None, len(png), 64)


def test_the_times_of_an_answer_add_up(dispatcher, served, png):
    timings = ask(dispatcher(served("acme")), png, provider="acme").timings
    assert 0 < timings.prepare < timings.total
    assert 0 < timings.provider < timings.total
    assert timings.prepare + timings.provider == pytest.approx(timings.total)


def test_the_question_reaches_the_hook_whole(dispatcher, acme, png):
    asked = []

    def analyze_image(request):
        asked.append(request)
        return Answer(text="a", model="m")

    limits = ImageLimits(
        mime_types=("image/png",), options=("temperature", "max_output_tokens", "json_schema")
    )
    one = dispatcher(acme(image=limits), analyze_image=analyze_image)
    access = Access(api_key_env="WORK_KEY", allow_http=True)
    ask(
        one,
        png,
        provider="acme",
        prompt="what?",
        model="eye-2",
        access=access,
        timeout=7,
        retries=1,
        temperature=0.5,
        max_output_tokens=9,
    )
    (request,) = asked
    assert (request.prompt, request.model, request.access) == ("what?", "eye-2", access)
    assert (request.timeout, request.retries) == (7, 1)
    assert (request.temperature, request.max_output_tokens, request.json_schema) == (0.5, 9, None)
    assert request.images[0].read() == png


def test_several_images_go_in_their_order(dispatcher, acme, make_image):
    seen = []

    def analyze_image(request):
        seen.extend(media.width for media in request.images)
        return Answer(text="a", model="m")

    one = dispatcher(acme(), analyze_image=analyze_image)
    sources = tuple(make_image(size=(width, 20)) for width in (30, 10, 20))
    one.analyze(sources, Question(provider="acme"))
    assert seen == [30, 10, 20]


def test_a_video_reaches_its_hook_with_its_options(dispatcher, acme, make_video, tmp_path):
    asked = []

    def analyze_video(request):
        asked.append(request)
        return Answer(text="a", model="m")

    limits = VideoLimits(mime_types=("video/mp4",), options=("fps", "resolution", "start_end"))
    one = dispatcher(acme(video=limits), analyze_video=analyze_video)
    path = make_video(tmp_path / "clip.mp4")
    one.analyze((path,), Question(provider="acme", start=0.2, end=0.8, fps=2.0, resolution="low"))
    (request,) = asked
    assert (request.start, request.end, request.fps, request.resolution) == (0.2, 0.8, 2.0, "low")
    assert request.video.path == path


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({"image": ImageLimits(mime_types=("image/png",), options=("fps",))}, {"fps": 1.0}),
        (
            {"image": ImageLimits(mime_types=("image/png",), options=("language",))},
            {"language": "en"},
        ),
    ],
)
def test_an_option_that_no_request_of_the_kind_has_is_the_plugins_error(
    dispatcher, acme, png, limits, asked
):
    """It is declared, and there is no field to carry it."""
    with pytest.raises((PluginError, UnknownProvider)):
        ask(dispatcher(acme(**limits)), png, provider="acme", **asked)


def test_an_error_of_the_wire_comes_through(dispatcher, acme, png, httpserver):
    httpserver.expect_request("/look").respond_with_data(status=401)
    with pytest.raises(AuthenticationError):
        ask(dispatcher(acme(httpserver.url_for(""))), png, provider="acme")


def test_a_bug_of_a_plugin_names_the_plugin_and_keeps_its_cause(dispatcher, acme, png):
    def analyze_image(request):
        raise KeyError("choices")

    with pytest.raises(PluginError, match="analyze_image failed: KeyError: 'choices'") as caught:
        ask(dispatcher(acme(), analyze_image=analyze_image), png, provider="acme")
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_failure_of_whoever_takes_the_pieces_is_their_own(dispatcher, acme, png):
    def analyze_image(request, on_text):
        on_text("a cat")

    def on_text(piece):
        raise LookupError(piece)

    limits = ImageLimits(mime_types=("image/png",), streaming=True)
    one = dispatcher(acme(image=limits), analyze_image=analyze_image)
    with pytest.raises(LookupError, match="a cat"):
        ask(one, png, on_text, provider="acme")


# --- who is asked --------------------------------------------------------------------------------


def test_the_provider_that_is_named_wins(load, offers, served, png, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_PROVIDER", "b")
    one = Dispatcher(load(one=offers(*map(served, "abc"))), Config(provider="c"))
    assert ask(one, png, provider="a").provider == "a"


def test_then_the_one_of_the_environment(load, offers, served, png, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_PROVIDER", "b")
    one = Dispatcher(load(one=offers(*map(served, "abc"))), Config(provider="c"))
    assert ask(one, png).provider == "b"


def test_then_the_one_of_the_config(load, offers, served, png):
    one = Dispatcher(load(one=offers(*map(served, "abc"))), Config(provider="c"))
    assert ask(one, png).provider == "c"


def test_then_the_first_service_with_credentials(load, offers, served, acme, png, monkeypatch):
    first = dataclasses.replace(served("first"), **service("FIRST_KEY"))
    second = dataclasses.replace(served("second"), **service("SECOND_KEY"))
    device = served("device", kind="device")
    one = Dispatcher(load(one=offers(device, first, second)))
    monkeypatch.setenv("SECOND_KEY", "k2")
    assert ask(one, png).provider == "second"
    monkeypatch.setenv("FIRST_KEY", "k1")
    assert ask(one, png).provider == "first"


def test_a_service_that_cannot_take_it_is_passed_over(load, offers, served, png, monkeypatch):
    blind = dataclasses.replace(served("blind"), image=None, **service("KEY"))
    picky = dataclasses.replace(
        served("picky"), image=ImageLimits(mime_types=("image/avif",)), **service("KEY")
    )
    seeing = dataclasses.replace(served("seeing"), **service("KEY"))
    monkeypatch.setenv("KEY", "k")
    assert ask(Dispatcher(load(one=offers(blind, picky, seeing))), png).provider == "seeing"


def test_at_last_the_device(load, offers, served, png):
    keyless = dataclasses.replace(served("service"), **service("KEY"))
    device = served("device", kind="device")
    assert ask(Dispatcher(load(one=offers(keyless, device))), png).provider == "device"


def test_a_server_of_the_user_is_never_chosen_by_itself(dispatcher, served, png):
    with pytest.raises(UnsupportedModality):
        ask(dispatcher(served("ollama", kind="server")), png)


def test_a_base_url_alone_asks_the_provider_for_any(load, offers, served, acme, png, httpserver):
    httpserver.expect_request("/mine/look").respond_with_json({"answer": "mine"})
    anywhere = acme(None, name="custom", takes_any_base_url=True)
    one = Dispatcher(load(one=offers(served("other"), anywhere)), Config(provider="other"))
    access = Access(base_url=httpserver.url_for("/mine"))
    analysis = ask(one, png, access=access)
    assert (analysis.provider, analysis.text) == ("custom", "mine")


def test_a_base_url_alone_needs_the_provider_for_any(dispatcher, served, png):
    access = Access(base_url="https://proxy.example")
    with pytest.raises(UnknownProvider, match="type: pip install mediasense-openai-compat"):
        ask(dispatcher(served("acme")), png, access=access)


def test_an_alias_names_the_provider(dispatcher, served, png):
    assert ask(dispatcher(served("acme", aliases=("a",))), png, provider="a").provider == "acme"


def test_a_broken_key_of_one_provider_does_not_stop_the_others(
    load, offers, served, png, monkeypatch
):
    broken = dataclasses.replace(served("broken"), **service("BROKEN_KEY"))
    good = dataclasses.replace(served("good"), **service("GOOD_KEY"))
    monkeypatch.setenv("BROKEN_KEY", "two\nlines")
    monkeypatch.setenv("GOOD_KEY", "k")
    assert ask(Dispatcher(load(one=offers(broken, good))), png).provider == "good"


def test_a_provider_that_two_plugins_claim_is_never_chosen_by_itself(
    load, offers, served, png, monkeypatch
):
    monkeypatch.setenv("KEY", "k")
    claimed = dataclasses.replace(served("acme"), **service("KEY"))
    device = served("device", kind="device")
    one = Dispatcher(load(one=offers(claimed), two=offers(claimed), zoo=offers(device)))
    with contextlib.suppress(ProviderConflict):
        assert ask(one, png).provider == "device"


def test_a_provider_that_two_plugins_claim_cannot_be_named(load, offers, served, png):
    one = Dispatcher(load(one=offers(served("acme")), two=offers(served("acme"))))
    with pytest.raises(ProviderConflict, match=r"fake-one.*fake-two"):
        ask(one, png, provider="acme")


# --- nobody can ----------------------------------------------------------------------------------


def test_without_plugins_something_to_install_is_named(load, png):
    with pytest.raises(NoPlugins, match="type: pip install mediasense-on-device"):
        ask(Dispatcher(load()), png)


def test_without_credentials_the_providers_that_could_are_named(dispatcher, acme, png):
    with pytest.raises(UnsupportedModality, match=r"no provider with credentials.*--provider acme"):
        ask(dispatcher(acme()), png)


def test_nothing_to_look_at_is_told_even_without_credentials(dispatcher, acme):
    with pytest.raises(UsageError, match="nothing to look at"):
        dispatcher(acme()).analyze((), Question())


def test_the_reason_of_the_first_is_told_when_nobody_can(dispatcher, served, png):
    small = served("device", kind="device", image=ImageLimits(mime_types=("image/avif",)))
    with pytest.raises(UnsupportedMedia, match="device: image/png is not taken, and cannot be"):
        ask(dispatcher(small), png)


def test_who_can_instead_is_named(load, offers, served, png):
    blind = served("blind", image=None)
    one = Dispatcher(load(one=offers(blind, served("seeing"))))
    with pytest.raises(
        UnsupportedModality, match="blind does not take images; try --provider seeing"
    ):
        ask(one, png, provider="blind")


def test_what_to_install_instead_is_named(dispatcher, served, png):
    with pytest.raises(UnsupportedModality, match="type: pip install mediasense-gemini-native"):
        ask(dispatcher(served("blind", image=None)), png, provider="blind")


def test_an_unknown_provider_is_told_with_those_that_are_installed(dispatcher, served, png):
    one = dispatcher(served("acme"), served("zoo"))
    with pytest.raises(UnknownProvider, match=r"offers 'acmee'; did you mean acme\?"):
        ask(one, png, provider="acmee")


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("groq", "mediasense-openai-compat"),
        ("gemini", "mediasense-gemini-native"),
        ("on_device", "mediasense-on-device"),
    ],
)
def test_an_unknown_provider_of_a_known_package_is_told_with_it(
    dispatcher, served, png, name, package
):
    with pytest.raises(UnknownProvider, match=f"type: pip install {package}"):
        ask(dispatcher(served("acme")), png, provider=name)


def test_a_provider_whose_plugin_failed_is_told_with_the_cause(installed, png):
    installed.install("openai_compat", "import no_sdk", distribution="mediasense-openai-compat")
    point = EntryPoint(
        name="openai_compat",
        module="site_openai_compat",
        distribution="mediasense-openai-compat",
        version="1.0",
    )
    with pytest.raises(
        UnknownProvider, match=r"openai_compat .* offers 'groq' and failed to load: ModuleNotFound"
    ) as caught:
        ask(Dispatcher(load_plugins((point,))), png, provider="groq")
    assert caught.value.hint == "type: mediasense plugins"


def test_a_provider_whose_plugin_is_switched_off_is_told_so(load, png):
    one = Dispatcher(load(disabled=("openai_compat",)))
    with pytest.raises(UnknownProvider, match="openai_compat is switched off"):
        ask(one, png, provider="groq")


def test_the_provider_is_looked_up_before_the_file_is(dispatcher, served):
    with pytest.raises(UnknownProvider):
        dispatcher(served("acme")).analyze(("/nowhere.png",), Question(provider="other"))
    with pytest.raises(MediaNotFound):
        dispatcher(served("acme")).analyze(("/nowhere.png",), Question(provider="acme"))


def test_a_missing_key_is_told_before_anything_is_sent(dispatcher, acme, png):
    with pytest.raises(MissingCredentials, match="export ACME_KEY="):
        ask(dispatcher(acme()), png, provider="acme")


# --- links ---------------------------------------------------------------------------------------


@pytest.fixture
def link(httpserver, make_image) -> str:
    httpserver.expect_request("/shot.png").respond_with_data(make_image(), content_type="image/png")
    return httpserver.url_for("/shot.png")


def seeing(seen: list):
    def analyze_image(request):
        seen.extend(request.images)
        return Answer(text="seen", model="m")

    return analyze_image


def fetching(*schemes: str) -> ImageLimits:
    return ImageLimits(mime_types=("image/png",), uri_schemes=schemes)


def test_a_link_goes_to_who_fetches_it_itself(dispatcher, acme, link, httpserver):
    seen = []
    one = dispatcher(acme(image=fetching("http")), analyze_image=seeing(seen))
    analysis = ask(one, link, provider="acme")
    assert (seen[0].uri, seen[0].path, seen[0].data) == (link, None, None)
    assert analysis.media[0].name == link
    assert httpserver.log == []


def test_a_link_is_downloaded_for_who_does_not(dispatcher, acme, link):
    seen = []
    one = dispatcher(acme(), analyze_image=seeing(seen))
    analysis = ask(one, link, provider="acme", allow_private=True)
    assert (seen[0].uri, seen[0].width) == (None, 64)
    assert analysis.media[0].name == link


def test_a_link_to_this_machine_is_refused_unless_allowed(dispatcher, acme, link, httpserver):
    with pytest.raises(UnsafeEndpoint):
        ask(dispatcher(acme(), analyze_image=refuse), link, provider="acme")
    assert httpserver.log == []


@pytest.mark.parametrize("able", [True, False], ids=["it fetches links", "it does not"])
def test_where_nobody_is_named_a_link_is_downloaded_if_it_must_be(
    load, offers, acme, link, monkeypatch, httpserver, able
):
    monkeypatch.setenv("ACME_KEY", "k")
    seen = []
    plain, fetcher = acme(), acme(name="fetcher", image=fetching("http"))
    providers = (plain, fetcher) if able else (plain,)
    one = Dispatcher(load(one=offers(*providers, analyze_image=seeing(seen))))
    analysis = ask(one, link, allow_private=True)
    assert analysis.provider == ("fetcher" if able else "acme")
    assert (seen[0].uri is None, len(httpserver.log)) == ((False, 0) if able else (True, 1))


def test_a_link_that_nobody_can_fetch_is_told(dispatcher, acme):
    one = dispatcher(acme(), analyze_image=refuse)
    with pytest.raises(UnsupportedMedia, match="does not fetch gs links to image itself"):
        ask(one, "gs://bucket/a.png", provider="acme")


def test_a_video_is_downloaded_where_its_frames_are_asked_for(
    dispatcher, acme, make_video, tmp_path, httpserver
):
    clip = make_video(tmp_path / "a.mp4").read_bytes()
    httpserver.expect_request("/a.mp4").respond_with_data(clip, content_type="video/mp4")
    limits = VideoLimits(mime_types=("video/mp4",), uri_schemes=("http",))
    jpeg = ImageLimits(mime_types=("image/jpeg",))
    seen = []
    one = dispatcher(
        acme(video=limits, image=jpeg), analyze_image=seeing(seen), analyze_video=refuse
    )
    ask(one, httpserver.url_for("/a.mp4"), provider="acme", frames=2, allow_private=True)
    assert len(seen) == 2


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_asks_nobody_and_needs_no_key(dispatcher, acme, png):
    planned = dispatcher(acme(), analyze_image=refuse).plan((png,), Question(provider="acme"))
    assert (planned.provider.name, planned.plan.strategy) == ("acme", "images")
    assert [(step.action, step.provider, step.calls) for step in planned.plan.steps] == [
        ("ask", "acme", 1)
    ]


def test_a_plan_is_refused_for_what_an_answer_would_be(dispatcher, acme, png):
    with pytest.raises(UsageError, match="does not honour --temperature"):
        dispatcher(acme()).plan((png,), Question(provider="acme", temperature=1))
    with pytest.raises(UnknownProvider):
        dispatcher(acme()).plan((png,), Question(provider="acme", audio_provider="nobody"))


# --- only the owner ------------------------------------------------------------------------------


def refuse(request):
    pytest.fail("it saw a request of another plugin")


def test_a_request_reaches_only_its_owner(load, offers, served, png, httpserver):
    """Whichever of the two was loaded last, which is whom pluggy calls first."""
    one = Dispatcher(load(one=offers(served("a")), two=offers(served("b"))))
    assert ask(one, png, provider="a").text == "a says"
    assert ask(one, png, provider="b").text == "b says"
    assert paths(httpserver) == ["/a/look", "/b/look"]


@pytest.mark.parametrize("hook", ["analyze_image", "prepare_request"])
def test_another_plugin_of_providers_sees_nothing(load, offers, served, png, hook):
    stranger = {"capabilities": offers(served("b"))["capabilities"], hook: refuse}
    one = Dispatcher(load(a=offers(served("a")), z=stranger))
    assert ask(one, png, provider="a").text == "a says"


@pytest.mark.parametrize("empty", [True, False], ids=["offers nothing", "no capabilities"])
def test_a_plugin_that_offers_nothing_answers_nothing(load, offers, served, png, empty):
    stranger = {"analyze_image": lambda: Answer(text="stolen", model="m")}
    if empty:
        stranger["capabilities"] = lambda: ()
    one = Dispatcher(load(a=offers(served("a")), z=stranger))
    assert ask(one, png, provider="a").text == "a says"


def test_a_wrapper_of_house_policy_sees_every_request(load, offers, served, png):
    seen = []

    @hookimpl(wrapper=True)
    def analyze_image(request):
        seen.append(request.provider.name)
        answer = yield
        return dataclasses.replace(answer, text=answer.text.upper())

    one = Dispatcher(
        load(audit={"analyze_image": analyze_image}, a=offers(served("a")), z=offers(served("b")))
    )
    assert [ask(one, png, provider=name).text for name in "ab"] == ["A SAYS", "B SAYS"]
    assert seen == ["a", "b"]


def test_a_wrapper_may_refuse(load, offers, served, png, httpserver):
    @hookimpl(wrapper=True)
    def analyze_image(request):
        raise UsageError("no pictures of people")
        yield

    one = Dispatcher(load(audit={"analyze_image": analyze_image}, a=offers(served("a"))))
    with pytest.raises(UsageError, match="no pictures of people"):
        ask(one, png, provider="a")
    assert httpserver.log == []


def test_a_wrapper_of_another_provider_plugin_sees_nothing(load, offers, served, png):
    @hookimpl(wrapper=True)
    def analyze_image(request):
        pytest.fail("it saw a request of another plugin")
        yield

    stranger = {"capabilities": offers(served("b"))["capabilities"], "analyze_image": analyze_image}
    one = Dispatcher(load(a=offers(served("a")), z=stranger))
    assert ask(one, png, provider="a").text == "a says"


# --- prepare_request -----------------------------------------------------------------------------


def leave(request):
    return None


def adding(mark: str):
    def prepare_request(request):
        return dataclasses.replace(request, headers=(*request.headers, ("X-Mark", mark)))

    return prepare_request


@pytest.fixture
def marks(load, offers, acme, png):
    """Ask once with these house plugins, and return the marks in the order they were made."""

    def ask_with(**plugins) -> list[str]:
        seen = []

        def analyze_image(request):
            seen.extend(value for _, value in request.headers)
            return Answer(text="a", model="m")

        one = Dispatcher(load(acme=offers(acme(), analyze_image=analyze_image), **plugins))
        ask(one, png, provider="acme")
        return seen

    return ask_with


def test_requests_are_prepared_in_the_order_of_loading(marks):
    plugins = {name: {"prepare_request": adding(name)} for name in ("c", "a", "b")}
    assert marks(**plugins) == ["a", "b", "c"]


def test_tryfirst_and_trylast_are_kept(marks):
    assert marks(
        a={"prepare_request": hookimpl(trylast=True)(adding("last"))},
        b={"prepare_request": adding("b")},
        c={"prepare_request": adding("c")},
        d={"prepare_request": hookimpl(tryfirst=True)(adding("first"))},
    ) == ["first", "b", "c", "last"]


@pytest.mark.parametrize(
    "when",
    [
        "tryfirst",
        "trylast",
    ],
)
def test_those_of_one_rank_are_kept_in_the_order_of_loading(marks, when):
    plugins = {
        name: {"prepare_request": hookimpl(**{when: True})(adding(name))} for name in ("a", "b")
    }
    assert marks(**plugins) == ["a", "b"]


def test_what_is_not_changed_stays(marks):
    assert marks(a={"prepare_request": leave}, b={"prepare_request": adding("b")}) == ["b"]


def test_prepare_request_may_leave_out_its_argument(marks):
    assert marks(a={"prepare_request": lambda: None}) == []


def test_the_prepared_headers_are_on_the_wire(load, offers, served, png, httpserver):
    one = Dispatcher(load(a=offers(served("a")), house={"prepare_request": adding("blue")}))
    ask(one, png, provider="a")
    assert httpserver.log[0][0].headers["X-Mark"] == "blue"


def test_preparing_may_refuse(load, offers, served, png, httpserver):
    def prepare_request(request):
        raise RateLimited("the budget of the day is spent", hint="ask tomorrow")

    one = Dispatcher(load(a=offers(served("a")), house={"prepare_request": prepare_request}))
    with pytest.raises(RateLimited, match="budget of the day"):
        ask(one, png, provider="a")
    assert httpserver.log == []


def test_preparing_may_not_change_the_provider(load, offers, acme, served, png, httpserver):
    def prepare_request(request):
        return dataclasses.replace(request, provider=acme("https://evil.example"))

    one = Dispatcher(load(a=offers(served("a")), house={"prepare_request": prepare_request}))
    with pytest.raises(PluginError, match="house: prepare_request returned another kind"):
        ask(one, png, provider="a")
    assert httpserver.log == []


@pytest.mark.parametrize("returned", [True, {}, "request"])
def test_preparing_must_return_a_request(load, offers, served, png, returned):
    def prepare_request(request):
        return returned

    house = {"prepare_request": prepare_request}
    with pytest.raises(PluginError, match="house"):
        ask(Dispatcher(load(a=offers(served("a")), house=house)), png, provider="a")


def test_the_listing_of_models_is_prepared_too(load, offers, acme, httpserver):
    httpserver.expect_request("/models", headers={"X-Mark": "blue"}).respond_with_json(["eye"])
    one = Dispatcher(
        load(
            a=offers(acme(httpserver.url_for("")), list_models=list_models),
            house={"prepare_request": adding("blue")},
        )
    )
    assert one.models(Question(provider="acme")) == (Model(name="eye"),)


# --- what hooks return ---------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [None, "a cat", {"text": "a"}, ()])
def test_a_hook_must_return_an_answer(dispatcher, acme, png, returned):
    one = dispatcher(acme(), analyze_image=lambda: returned)
    with pytest.raises(PluginError, match=r"one .fake-one 1.0.: returned .*, not an Answer"):
        ask(one, png, provider="acme")


def test_a_hook_that_is_declared_must_be_there(dispatcher, acme, wav):
    audio = AudioLimits(mime_types=("audio/wav",), transcribes=True)
    [failure] = dispatcher(acme(audio=audio)).plugins.failures
    assert "acme declares audio, and analyze_audio is missing" in failure.cause


def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/models"))


def test_models_are_listed_in_the_order_of_the_service(dispatcher, acme, httpserver):
    httpserver.expect_request("/models").respond_with_json(["b", "a"])
    one = dispatcher(acme(httpserver.url_for("")), list_models=list_models)
    assert [model.name for model in one.models(Question(provider="acme"))] == ["b", "a"]


@pytest.mark.parametrize("returned", [None, 7, ["eye"], ({"name": "eye"},)])
def test_a_listing_must_be_of_models(dispatcher, acme, returned):
    one = dispatcher(acme(), list_models=lambda: returned)
    with pytest.raises(PluginError, match="fake-one"):
        one.models(Question(provider="acme"))


def test_a_provider_without_a_listing_says_so(dispatcher, acme):
    with pytest.raises(UnsupportedModality, match="acme has no listing of its models"):
        dispatcher(acme()).models(Question(provider="acme"))


def test_a_listing_needs_a_provider(dispatcher, acme):
    with pytest.raises(UsageError, match="no provider is named; add --provider NAME"):
        dispatcher(acme()).models(Question())


# --- several calls, one answer -------------------------------------------------------------------


def test_the_transcript_is_given_along_with_the_question(dispatcher, acme, wav):
    asked = []

    def analyze_audio(request):
        asked.append(request)
        segments = (
            Segment(start=0, end=1.25, text=" Good morning. "),
            Segment(start=1.25, end=2, text="Hello."),
        )
        return Answer(text="Good morning. Hello.", model="ear", segments=segments, language="en")

    def generate(request):
        asked.append(request)
        return Answer(text="a greeting", model="mind", warnings=("short",))

    one = dispatcher(
        acme(
            audio=AudioLimits(mime_types=("audio/wav",), transcribes=True, default_model="ear"),
            text=TextLimits(),
        ),
        analyze_audio=analyze_audio,
        generate=generate,
    )
    analysis = ask(one, wav, provider="acme", prompt="What is it?")
    assert (asked[0].prompt, asked[0].model) == (None, "ear")
    assert asked[1].prompt == (
        "What is it?\n\nThis is the transcript of the recording:\n\n"
        "[0:00.0-0:01.2] Good morning.\n[0:01.2-0:02.0] Hello."
    )
    assert (analysis.text, analysis.model, analysis.strategy) == (
        "a greeting",
        "mind",
        "transcript_then_text",
    )
    assert len(analysis.segments) == 2
    assert (analysis.language, analysis.warnings) == ("en", ("short",))


@pytest.fixture
def hear_and_write(dispatcher, acme, wav):
    """Ask about a sound; the two answers are given."""

    def run(heard: Answer, written: Answer):
        one = dispatcher(
            acme(audio=AudioLimits(mime_types=("audio/wav",), transcribes=True), text=TextLimits()),
            analyze_audio=lambda: heard,
            generate=lambda: written,
        )
        return ask(one, wav, provider="acme", prompt="q")

    return run


def test_what_was_counted_is_summed_and_what_was_not_stays_unknown(hear_and_write):
    usage = hear_and_write(
        Answer(text="t", model="m", usage=Usage(input_tokens=10, seconds=1.5, cached_tokens=0)),
        Answer(text="t", model="m", usage=Usage(input_tokens=5, output_tokens=2)),
    ).usage
    assert usage == Usage(input_tokens=15, output_tokens=2, seconds=1.5, cached_tokens=0)
    assert usage.reasoning_tokens is None


def test_what_one_call_counted_is_what_was_counted(hear_and_write):
    analysis = hear_and_write(
        Answer(text="t", model="m"), Answer(text="t", model="m", usage=Usage(input_tokens=5))
    )
    assert analysis.usage == Usage(input_tokens=5)


def test_where_nothing_was_counted_there_is_no_usage(hear_and_write):
    assert hear_and_write(Answer(text="t", model="m"), Answer(text="t", model="m")).usage is None


def test_one_warning_of_both_calls_is_told_once(hear_and_write):
    twice = Answer(text="t", model="m", warnings=("slow", "slow"))
    assert hear_and_write(twice, twice).warnings == ("slow",)


# --- JSON ----------------------------------------------------------------------------------------

SCHEMA = '{"type": "object"}'


@pytest.fixture
def json_answer(dispatcher, acme, png):
    """Ask for JSON; the model answers with the text."""

    def run(text: str):
        limits = ImageLimits(mime_types=("image/png",), options=("json_schema",))
        one = dispatcher(acme(image=limits), analyze_image=lambda: Answer(text=text, model="m"))
        return ask(one, png, provider="acme", json_schema=SCHEMA)

    return run


def test_an_answer_in_json_is_parsed(json_answer):
    assert json_answer('{"a": [1, "é"]}').data == {"a": [1, "é"]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a cat", id="prose"),
        pytest.param('{"a": ', id="cut"),
        pytest.param("[" * 200_000, id="too deep"),
        pytest.param('{"a": NaN}', id="nan"),
    ],
)
def test_an_answer_that_is_no_json_is_refused(json_answer, text):
    with pytest.raises(InvalidAnswer, match="acme was asked for JSON and answered with something"):
        json_answer(text)


def test_without_a_schema_json_stays_text(dispatcher, acme, png):
    one = dispatcher(acme(), analyze_image=lambda: Answer(text="{}", model="m"))
    assert ask(one, png, provider="acme").data is None


# --- pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [True, False])
def test_pieces_are_asked_for_only_where_streaming_is_declared(dispatcher, acme, png, streaming):
    def analyze_image(request, on_text):
        assert (on_text is not None) is streaming
        for piece in ("a ", "cat") if on_text else ():
            on_text(piece)
        return Answer(text="a cat", model="m")

    limits = ImageLimits(mime_types=("image/png",), streaming=streaming)
    pieces = []
    one = dispatcher(acme(image=limits), analyze_image=analyze_image)
    analysis = ask(one, png, pieces.append, provider="acme")
    assert pieces == (["a ", "cat"] if streaming else ["a cat"])
    assert analysis.text == "a cat"


def test_nobody_waits_for_pieces_unless_told(dispatcher, acme, png):
    def analyze_image(request, on_text):
        assert on_text is None
        return Answer(text="a", model="m")

    limits = ImageLimits(mime_types=("image/png",), streaming=True)
    one = dispatcher(acme(image=limits), analyze_image=analyze_image)
    assert ask(one, png, provider="acme").text == "a"


# --- many at once --------------------------------------------------------------------------------


def test_sixteen_threads_get_their_own_answers(load, offers, acme, png, threaded_server):
    def echo(request):
        from werkzeug import Response

        return Response(f'{{"answer": "{request.path[1]} {request.json["question"]}"}}')

    for name in "ab":
        threaded_server.expect_request(f"/{name}/look").respond_with_handler(echo)
    plugins = {
        name: offers(acme(threaded_server.url_for(f"/{name}"), name=name, credentials=None))
        for name in "ab"
    }
    one = Dispatcher(load(**plugins))
    barrier = threading.Barrier(16)

    def run(number: int) -> str:
        barrier.wait()
        return ask(one, png, provider="ab"[number % 2], prompt=str(number)).text

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(run, range(16)))
    assert answers == [f"{'ab'[number % 2]} {number}" for number in range(16)]


def test_two_calls_are_under_way_at_once(dispatcher, acme, png):
    together = threading.Barrier(2, timeout=5)

    def analyze_image(request):
        together.wait()
        return Answer(text="met", model="m")

    one = dispatcher(acme(), analyze_image=analyze_image)
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda _: ask(one, png, provider="acme").text, range(2))
        assert list(answers) == ["met", "met"]
