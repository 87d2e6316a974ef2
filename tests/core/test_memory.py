"""What is asked again is answered from the cache; what is another question never is."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    Answer,
    AudioLimits,
    Box,
    Credentials,
    Fallback,
    ImageLimits,
    InvalidAnswer,
    Media,
    ModelRule,
    PluginError,
    Provider,
    Segment,
    TextLimits,
    TextLine,
    UnsafeEndpoint,
    Usage,
    VideoLimits,
    connect,
    hookimpl,
)
from mediasense.desk import Desk
from mediasense.dispatch import Dispatcher
from mediasense.envelope import to_json, to_plain
from mediasense.memory import _NOT_SHAPING, _SHAPING, Memory, _shape
from mediasense.store.cache import Cache
from mediasense.store.later import LaterCache
from mediasense.types import AudioRequest, ImageRequest, Question, Timings

HEARS = AudioLimits(mime_types=("audio/wav",), transcribes=True, default_model="ear-1")
LARGE_SECONDS = 140
"""Of a WAV that is too large to be kept in memory."""


@pytest.fixture(autouse=True)
def decode_here(monkeypatch):
    monkeypatch.setenv("MEDIASENSE_ISOLATION", "off")
    monkeypatch.setenv("ACME_KEY", "sk-acme")


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache" / "answers.sqlite")


@pytest.fixture
def png(tmp_path, make_image) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(make_image())
    return path


@dataclass
class Service:
    """A service that counts what it is asked.

    Attributes:
        dispatcher: Asks it.
        asked: Every request that reached it.
    """

    dispatcher: Dispatcher
    asked: list = field(default_factory=list)

    def ask(self, *sources, on_text=None, expected=None, **question):
        question = {"provider": "acme", **question}
        return self.dispatcher.analyze(
            sources, Question(**question), on_text=on_text, expected=expected
        )


@pytest.fixture
def serve(load, offers, acme, cache) -> Callable[..., Service]:
    """Start a service: each answer has its number, two tokens more and a cost."""

    def make(*providers: Provider, desk: Desk | None = None, plugins=(), **hooks) -> Service:
        asked = []

        def answer(request) -> Answer:
            asked.append(request)
            usage = Usage(input_tokens=5, output_tokens=2)
            text = f"answer {len(asked)}"
            return Answer(text=text, model=request.model or "any", usage=usage, cost=0.25)

        def analyze_image(request):
            return answer(request)

        names = ("analyze_image", "analyze_audio", "analyze_video", "generate")
        hooks = {**dict.fromkeys(names, analyze_image), **hooks}
        loaded = load(one=offers(*(providers or (acme(),)), **hooks), **dict(plugins))
        return Service(Dispatcher(loaded, desk=desk or Desk(cache=cache)), asked)

    return make


# --- the same question ---------------------------------------------------------------------------


def test_the_same_bytes_under_another_name_are_not_asked_about_again(serve, png, tmp_path):
    service = serve()
    first = service.ask(png, prompt="what?")
    other = tmp_path / "b.jpg"
    other.write_bytes(png.read_bytes())
    again = service.ask(other, prompt="what?")
    assert (len(service.asked), first.cached, first.cost) == (1, False, 0.25)
    assert (again.cached, again.cost, again.text) == (True, 0.0, "answer 1")
    assert again.usage == Usage(input_tokens=0, output_tokens=0)
    assert again.media[0].name == str(other)
    same = replace(again, media=first.media, cached=False, cost=first.cost, usage=first.usage)
    assert replace(same, timings=first.timings) == first


def test_the_times_of_a_kept_answer_are_those_of_now(serve, png):
    service = serve()
    service.ask(png)
    timings = service.ask(png).timings
    assert timings.provider == 0
    assert timings.total == timings.prepare > 0


def test_bytes_and_a_file_that_holds_them_are_the_same(serve, png):
    service = serve()
    service.ask(png)
    assert service.ask(png.read_bytes()).cached
    assert service.ask(png.read_bytes()).media[0].name == "the data"


def test_another_process_takes_what_one_kept(serve, png):
    serve().ask(png)
    later = serve()
    assert (later.ask(png).text, later.asked) == ("answer 1", [])


def test_images_in_another_order_are_another_question(serve, make_image):
    service = serve()
    one, two = make_image(size=(20, 20)), make_image(size=(30, 20))
    service.ask(one, two)
    assert service.ask(one, two).cached
    assert not service.ask(two, one).cached


def test_a_warning_that_names_a_file_names_the_one_of_now(serve, acme, make_wav, tmp_path):
    service = serve(acme(image=None, audio=HEARS))
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(make_wav(2.0)[:40_000])
    told, *rest = service.ask(tmp_path / "one.wav").warnings
    print(told, rest)
    assert told.startswith(f"{tmp_path}/one.wav: ")
    again = service.ask(tmp_path / "two.wav")
    assert again.cached
    assert again.warnings == (told.replace("one.wav", "two.wav"), *rest)


def test_a_kept_answer_comes_in_one_piece(serve, acme, png):
    service = serve(acme(image=ImageLimits(mime_types=("image/png",), streaming=True)))
    service.ask(png)
    pieces = []
    service.ask(png, on_text=pieces.append)
    assert pieces == ["answer 1"]


@pytest.mark.parametrize("cut", [True, False])
def test_an_answer_that_may_be_cut_is_not_given_again(serve, png, cut):
    def analyze_image(request):
        warnings = ("it was slow",)
        return Answer(text="A c", model=request.model, warnings=warnings, may_be_cut=cut)

    service = serve(analyze_image=analyze_image)
    service.ask(png, prompt="what?")
    assert service.ask(png, prompt="what?").cached is not cut


def test_a_kept_answer_costs_nothing_where_nothing_may_be_spent(serve, png):
    service = serve()
    service.ask(png)
    assert service.ask(png, max_cost=0.0).cached


def test_what_is_written_a_moment_later_is_found_meanwhile(serve, png, cache):
    later = LaterCache(cache)
    service = serve(desk=Desk(cache=later))
    service.ask(png)
    assert service.ask(png).cached
    later.close()
    assert cache.stats().entries == 1


# --- another question ----------------------------------------------------------------------------

OTHER = {
    "task": "summary",
    "context": "notes",
    "prompt": "what?",
    "model": "eye-2",
    "max_output_tokens": 5,
    "temperature": 0.5,
    "json_schema": "{}",
    "start": 1.0,
    "end": 2.0,
    "fps": 3.0,
    "resolution": "low",
    "language": "en",
    "frames": 7,
    "every": 2.5,
    "audio_model": "ear-2",
    "subtitles": "prefer",
    "min_confidence": 0.4,
    "timed": True,
}
SAME = {
    "provider": "acme",
    "access": Access(api_key_env="OTHER_KEY", allow_http=True),
    "audio_provider": "acme",
    "fallback": (Fallback(provider="other"),),
    "cache": "refresh",
    "jobs": 9,
    "timeout": 7.0,
    "retries": 0,
    "allow_private": True,
    "max_cost": 3.0,
    "max_download": 10,
}


def memory(question: Question, cache: Cache, *asked: Provider, **facts) -> Memory:
    facts = {"plugins": {p.name: "one (1.0)" for p in asked}, "rules": (), "expected": None} | facts
    return Memory(cache=cache, question=question, asked=asked, **facts)


@pytest.fixture
def key(acme, cache) -> Callable[..., str]:
    """The key of a question about two bytes."""

    def of(*asked: Provider, expected=None, **question) -> str:
        one = memory(Question(**question), cache, *(asked or (acme(),)), expected=expected)
        return one.look((b"ab",)).key

    return of


def test_every_field_of_a_question_is_among_those_that_are_tried():
    assert (set(OTHER), set(SAME)) == (set(_SHAPING), set(_NOT_SHAPING))


@pytest.mark.parametrize("name", _SHAPING)
def test_what_shapes_the_answer_makes_another_question(key, name):
    assert key(**{name: OTHER[name]}) != key()


@pytest.mark.parametrize("name", _NOT_SHAPING)
def test_what_does_not_is_no_part_of_it(key, name):
    assert key(**{name: SAME[name]}) == key()


def test_no_two_fields_are_taken_for_each_other(key):
    values = [{"start": 1.0}, {"end": 1.0}, {"fps": 1.0}, {"every": 1.0}, {"temperature": 1.0}]
    assert len({key(**value) for value in values}) == len(values)


@settings(max_examples=50)
@given(number=st.integers(-(2**53), 2**53))
def test_a_number_is_the_same_however_it_is_written(number):
    keys = set()
    for start in (number, float(number)):
        _shape.cache_clear()  # equal questions are one to it
        keys.add(memory(Question(start=start), None).look(()).key)
    assert len(keys) == 1


@settings(max_examples=50)
@given(prompts=st.lists(st.text(st.characters()), min_size=2, max_size=2, unique=True))
def test_any_other_prompt_is_another_question(prompts):
    one, other = (memory(Question(prompt=prompt), None).look(()).key for prompt in prompts)
    assert one != other


def test_the_kind_it_is_taken_for_makes_another_question(key):
    assert key(expected="audio") != key(expected=None)


def test_what_somebody_else_may_be_asked_makes_another_question(key, acme):
    assert len({key(), key(acme(), acme(name="b")), key(acme(name="b"), acme())}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"default_model": "eye-2"},
        {"image": ImageLimits(mime_types=("image/png",), max_side=30)},
        {"models": (ModelRule(pattern="*", image=ImageLimits(mime_types=("image/png",))),)},
        {"base_url": "https://eu.acme.example/v1"},
        {"hosts": ("acme.example",)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_record_of_the_provider_is_asked_anew(serve, acme, png, changes):
    serve().ask(png)
    assert not serve(acme(**changes)).ask(png).cached


def test_a_record_with_lists_in_it_is_known_again(serve, acme, png):
    for expected in (False, True):
        service = serve(acme(aliases=["eye"], image=ImageLimits(mime_types=["image/png"])))
        assert service.ask(png).cached is expected


@pytest.mark.parametrize("how", ["option", "variable"])
def test_another_address_is_asked_anew(serve, acme, png, monkeypatch, how):
    provider = acme(base_url_variables=("ACME_URL",))
    serve(provider).ask(png)
    access = Access()
    if how == "option":
        access = Access(base_url="https://eu.acme.example/v1")
    else:
        monkeypatch.setenv("ACME_URL", "https://eu.acme.example/v1")
    assert not serve(provider).ask(png, access=access).cached
    assert serve(provider).ask(png, access=access).cached


@pytest.mark.parametrize("option", ["project", "location", "api_version"])
def test_another_place_in_the_cloud_is_asked_anew(serve, acme, png, option):
    service = serve(acme(access_options=(option,)))
    service.ask(png)
    assert not service.ask(png, access=Access(**{option: "b"})).cached


def test_another_version_of_the_plugin_is_asked_anew(serve, png):
    serve().ask(png)
    newer = serve()
    for plugin in newer.dispatcher.plugins.loaded:
        object.__setattr__(plugin.entry_point, "version", "1.1")
    assert not newer.ask(png).cached


def leave(request):
    return None


@hookimpl(wrapper=True)
def watch(request):
    return (yield)


@pytest.mark.parametrize(
    "rule", [{"prepare_request": leave}, {"analyze_image": watch}], ids=["prepares", "wraps"]
)
def test_with_another_rule_of_the_house_it_is_asked_anew(serve, png, rule):
    serve().ask(png)
    assert not serve(plugins={"house": rule}).ask(png).cached
    assert serve(plugins={"house": rule}).ask(png).cached


def test_a_plugin_of_others_that_makes_no_rules_changes_nothing(serve, offers, acme, png):
    serve().ask(png)
    stranger = {"other": offers(acme(name="other"))}
    assert serve(plugins=stranger).ask(png).cached


def test_where_nobody_is_named_it_counts_who_could_be_chosen(serve, acme, png, monkeypatch):
    providers = acme(), acme(name="b", credentials=Credentials(variables=("B_KEY",)))
    serve(*providers).ask(png, provider=None)
    assert serve(*providers).ask(png, provider=None).cached
    monkeypatch.setenv("B_KEY", "sk-b")
    assert not serve(*providers).ask(png, provider=None).cached


def test_the_provider_that_writes_down_the_sound_counts(serve, acme, make_video, tmp_path):
    video = make_video(tmp_path / "a.mp4", sound=True)
    ears = [acme(name=name, image=None, audio=HEARS) for name in ("ear", "lug")]
    service = serve(acme(), *ears)
    service.ask(video, audio_provider="ear", frames=1)
    assert service.ask(video, audio_provider="ear", frames=1).cached
    assert not service.ask(video, audio_provider="lug", frames=1).cached


def test_the_address_of_who_writes_down_the_sound_counts_beside_another_address(
    serve, acme, make_video, tmp_path, monkeypatch
):
    """The address that is given is the provider's; the other one is reached by its own."""
    video = make_video(tmp_path / "a.mp4", sound=True)
    ear = acme(name="ear", image=None, audio=HEARS, base_url_variables=("EAR_URL",))
    service = serve(acme(), ear)
    question = {
        "audio_provider": "ear",
        "frames": 1,
        "access": Access(base_url="https://a.example"),
    }
    monkeypatch.setenv("MEDIASENSE_API_KEY", "k")
    service.ask(video, **question)
    assert service.ask(video, **question).cached
    monkeypatch.setenv("EAR_URL", "https://other.example")
    anew = service.ask(video, **question)
    assert (anew.cached, [step.cached for step in anew.steps if step.provider == "ear"]) == (
        False,
        [0],
    )


# --- use, refresh, off ---------------------------------------------------------------------------


def test_refresh_asks_and_replaces(serve, png):
    service = serve()
    service.ask(png)
    assert (service.ask(png, cache="refresh").text, len(service.asked)) == ("answer 2", 2)
    assert service.ask(png).text == "answer 2"


def test_refresh_makes_every_call_anew_and_keeps_each(serve, acme, make_wav):
    service = serve(acme(image=None, audio=replace(HEARS, max_seconds=3.0)))
    wav = make_wav(8.0)
    first = service.ask(wav)
    before = len(service.asked)
    again = service.ask(wav, cache="refresh")
    assert len(service.asked) == 2 * before
    assert (again.cost, again.text != first.text) == (first.cost, True)
    [step] = [step for step in again.steps if step.action == "transcribe"]
    assert (step.calls, step.cached) == (before, 0)
    assert service.ask(wav).text == again.text


def test_off_neither_takes_nor_keeps(serve, png, cache):
    service = serve()
    service.ask(png, cache="off")
    assert not cache.stats().path.exists()
    service.ask(png)
    assert service.ask(png, cache="off").text == "answer 3"
    assert service.ask(png).text == "answer 2"


def test_without_a_cache_everything_is_asked(serve, png):
    service = serve(desk=Desk())
    assert [service.ask(png).cached for _ in range(2)] == [False, False]


def test_a_failure_is_not_kept(serve, png):
    failing = [True, False]

    def analyze_image(request):
        if failing.pop(0):
            raise KeyError("a bug")
        return Answer(text="a cat", model="m")

    service = serve(analyze_image=analyze_image)
    with pytest.raises(PluginError):
        service.ask(png)
    assert service.ask(png).text == "a cat"


# --- what is not kept ----------------------------------------------------------------------------


def same_size(path: Path) -> None:
    """Rewrite a file: as long as before, and with the times it had."""
    before = path.stat()
    data = path.read_bytes()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of files is a slow one
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another(path: Path) -> None:
    other = path.with_name("new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [Path.unlink, Path.touch, same_size, another])
def test_a_file_that_changes_while_it_is_asked_about_is_not_kept(serve, png, cache, change):
    def analyze_image(request):
        change(png)
        return Answer(text="of which bytes?", model="m")

    assert serve(analyze_image=analyze_image).ask(png).text == "of which bytes?"
    assert cache.stats().entries == 0


def test_nor_where_another_source_is_a_link(serve, acme, png, cache, httpserver):
    httpserver.expect_request("/b.png").respond_with_data(
        png.read_bytes(), content_type="image/png"
    )

    def analyze_image(request):
        same_size(png)
        return Answer(text="of which bytes?", model=request.model)

    service = serve(analyze_image=analyze_image)
    service.ask(png, httpserver.url_for("/b.png"), allow_private=True)
    assert [part.name for part in cache.stats().kinds] == ["call"]  # known by what was sent


def test_nor_is_a_call_for_which_the_file_itself_is_sent(serve, acme, make_wav, tmp_path, cache):
    path = tmp_path / "long.wav"
    path.write_bytes(make_wav(LARGE_SECONDS))

    def analyze_audio(request):
        assert request.audio.data is None
        same_size(path)
        return Answer(text="of which bytes?", model=request.model)

    service = serve(acme(image=None, audio=HEARS), analyze_audio=analyze_audio)
    assert service.ask(path).text == "of which bytes?"
    assert cache.stats().entries == 0


def test_a_link_that_is_passed_on_is_not_kept(serve, acme, cache):
    limits = ImageLimits(mime_types=("image/png",), uri_schemes=("https",))
    service = serve(acme(image=limits))
    for _ in range(2):
        assert not service.ask("https://acme.example/a.png").cached
    assert service.asked[0].images[0].uri == "https://acme.example/a.png"
    assert cache.stats().entries == 0


def test_a_link_that_is_downloaded_is_known_by_its_bytes(serve, png, make_image, httpserver):
    def put(data: bytes) -> None:
        httpserver.clear()
        httpserver.expect_request("/a.png").respond_with_data(data, content_type="image/png")

    service = serve()
    put(png.read_bytes())
    link = httpserver.url_for("/a.png")
    assert not service.ask(link, allow_private=True).cached
    again = service.ask(link, allow_private=True)
    assert (again.cached, again.media[0].name) == (True, link)
    assert service.ask(png).cached
    put(make_image(size=(20, 20)))
    assert not service.ask(link, allow_private=True).cached


def test_a_server_that_answers_with_whatever_it_has_loaded_is_not_kept(serve, acme, png, cache):
    service = serve(acme(kind="server", default_model=None))
    service.ask(png, png)
    assert cache.stats().entries == 0
    service.ask(png, model="llava")
    assert service.ask(png, model="llava").cached


def test_what_runs_on_this_device_is_kept_without_a_model(serve, acme, png):
    service = serve(acme(kind="device", default_model=None, base_url=None, credentials=None))
    service.ask(png)
    assert service.ask(png).cached


def test_an_answer_that_does_not_fit_its_schema_is_asked_for_again(serve, acme, png):
    """The call of several images is kept by itself, so the wrong answer would be given for ever."""
    texts = ["no JSON", "none again", '{"cats": 1}']

    def analyze_image(request):
        return Answer(text=texts.pop(0), model="m")

    limits = ImageLimits(mime_types=("image/png",), options=("json_schema",))
    service = serve(acme(image=limits), analyze_image=analyze_image)
    with pytest.raises(InvalidAnswer):
        service.ask(png, png, json_schema='{"type": "object"}')
    assert service.ask(png, png, json_schema='{"type": "object"}').data == {"cats": 1}


@pytest.mark.parametrize(
    "odd",
    [
        {"language": b"en"},
        {"warnings": (Path("a"),)},
        {"lines": (TextLine(text="a", confidence=1.0, box={1}),)},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_an_answer_that_is_no_plain_data_is_given_all_the_same(serve, png, cache, odd):
    service = serve(analyze_image=lambda: Answer(text="a cat", model="m", **odd))
    for sources in ((png,), (png, png)):
        assert service.ask(*sources).text == "a cat"
    assert cache.stats().entries == 0


def test_a_pipe_is_never_waited_for(tmp_path, cache, acme):
    os.mkfifo(tmp_path / "pipe")
    assert memory(Question(), cache, acme()).look((tmp_path / "pipe",)) is None


@pytest.mark.parametrize("source", ["nowhere.png", "a\0b", "", "-", "data:image/png;base64,", 7])
def test_what_is_no_file_is_not_known(cache, acme, source):
    assert memory(Question(), cache, acme()).look((source,)) is None


# --- a cache that somebody wrote into ------------------------------------------------------------


class Written:
    """A cache in which one text stands under every key."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get(self, *_) -> str:
        return self.text


def example() -> dict:
    from mediasense import Analysis, FrameUsed, LeftOut, Step

    return to_plain(
        Analysis(
            text="a cat",
            provider="acme",
            model="m",
            strategy="images",
            timings=Timings(total=1.0, prepare=0.5, provider=0.5),
            media=(Media(modality="image", mime_type="image/png", name="a"),),
            usage=Usage(input_tokens=1),
            segments=(Segment(start=0.0, end=1.0, text="a"),),
            lines=(TextLine(text="a", confidence=0.5, box=Box(left=1, top=2, right=3, bottom=4)),),
            warnings=("w",),
            steps=(Step(action="ask", words="w", channels=("picture",)),),
            frames=(FrameUsed(timestamp=0.5, reason="first"),),
            left_out=(LeftOut(words="w"),),
        )
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def places(value: object, way: tuple = ()) -> list[tuple]:
    found = [way] if way else []
    if isinstance(value, dict):
        found += [p for name, item in value.items() for p in places(item, (*way, name))]
    if isinstance(value, list):
        found += [p for number, item in enumerate(value) for p in places(item, (*way, number))]
    return found


def changed(value, way: tuple, other: object):
    copied = json.loads(json.dumps(value))
    inside = copied
    for name in way[:-1]:
        inside = inside[name]
    inside[way[-1]] = other
    return copied


def recalled(text: str):
    one = memory(Question(), Written(text))
    return one.recall(one.look((b"x",)))


def test_what_was_kept_is_recalled():
    assert recalled(json.dumps(example())).cached


@settings(max_examples=300)
@given(text=st.text(st.characters()) | JSON.map(json.dumps))
def test_any_text_in_the_cache_is_a_miss(text):
    assert recalled(text) is None


@settings(max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_text_that_breaks_off_is_a_miss(share):
    text = json.dumps(example())
    assert recalled(text[: int(len(text) * share)]) is None


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_text_of_another_version_is_a_miss(version):
    assert recalled(json.dumps(changed(example(), ("version",), version))) is None


def test_an_answer_about_more_files_is_a_miss():
    two = example()
    two["media"] *= 2
    assert recalled(json.dumps(two)) is None


def test_a_text_that_is_too_deep_is_a_miss():
    assert recalled("[" * 200_000) is None


@settings(max_examples=400)
@given(data=st.data())
def test_an_entry_that_was_changed_anywhere_is_a_miss_or_an_answer(data):
    way = data.draw(st.sampled_from(places(example())))
    found = recalled(json.dumps(changed(example(), way, data.draw(JSON))))
    if found is not None:
        to_json(found).encode()
        texts = (found.text, found.model, *found.warnings, *(s.text for s in found.segments))
        assert all(isinstance(text, str) for text in texts)
        assert all(isinstance(s.end - s.start, int | float) for s in found.segments)


@settings(max_examples=300)
@given(data=st.data())
def test_a_call_that_was_changed_anywhere_is_a_miss_or_an_answer(data):
    answer = Answer(
        text="a",
        model="m",
        usage=Usage(input_tokens=1),
        segments=(Segment(start=0.0, end=1.0, text="a"),),
        lines=(TextLine(text="a", confidence=0.5, box=Box(left=1, top=2, right=3, bottom=4)),),
        warnings=("w",),
    )
    plain = json.loads(json.dumps(dataclasses.asdict(answer)))
    way = data.draw(st.sampled_from(places(plain)))
    one = memory(Question(), Written(json.dumps(changed(plain, way, data.draw(JSON)))))
    found = one.recall_call(one.look((b"x",)))
    if found is not None:
        assert (found.cached, found.cost) == (True, 0.0)
        texts = (found.text, found.model, *found.warnings, *(s.text for s in found.segments))
        assert all(isinstance(text, str) for text in texts)
        assert all(isinstance(s.end - s.start, int | float) for s in found.segments)


@settings(max_examples=200)
@given(text=st.text(st.characters()) | JSON.map(json.dumps))
def test_any_text_in_the_place_of_a_call_is_a_miss(text):
    one = memory(Question(), Written(text))
    assert one.recall_call(one.look((b"x",))) is None


def test_a_changed_entry_is_asked_anew_and_mended(serve, png, cache):
    service = serve()
    service.ask(png)
    cache.close()
    with sqlite3.connect(cache.stats().path) as file:
        file.execute("UPDATE texts SET text = ?", (b'{"version": 1}',))
    file.close()
    assert service.ask(png).text == "answer 2"
    assert service.ask(png).cached


def test_a_cache_that_cannot_be_used_is_told_once_and_hurts_nobody(serve, png, tmp_path):
    (tmp_path / "in the way").write_text("")
    service = serve(desk=Desk(cache=Cache(tmp_path / "in the way" / "answers.sqlite")))
    for number in (1, 2):
        analysis = service.ask(png, png)
        assert analysis.text == f"answer {number}"
        [warning] = analysis.warnings
        assert warning.startswith("answers are not kept: ")


# --- single calls --------------------------------------------------------------------------------


def test_what_was_written_down_serves_the_next_question(serve, acme, make_video, tmp_path):
    video = make_video(tmp_path / "a.mp4", sound=True)
    service = serve(acme(), acme(name="ear", image=None, audio=HEARS))
    one = service.ask(video, prompt="who?", audio_provider="ear", frames=2)
    two = service.ask(video, prompt="where?", audio_provider="ear", frames=2)
    assert [type(request).__name__ for request in service.asked] == [
        "AudioRequest",
        "ImageRequest",
        "ImageRequest",
    ]
    steps = [
        {step.action: step for step in analysis.steps if step.provider} for analysis in (one, two)
    ]
    assert [s["transcribe"].cached for s in steps] == [0, 1]
    assert [s["transcribe"].cost for s in steps] == [0.25, 0.0]
    assert [s["transcribe"].tokens for s in steps] == [5, 0]
    assert [s["ask"].cached for s in steps] == [0, 0]
    assert (one.cost, two.cost, two.cached) == (0.5, 0.25, False)
    assert two.usage == Usage(input_tokens=5, output_tokens=2)


def test_an_answer_all_of_whose_calls_were_kept_counts_nothing(serve, acme, make_wav, cache):
    service = serve(acme(image=None, audio=HEARS))
    service.ask(make_wav())
    for key in whole_answers(cache):
        forget(cache, key)
    analysis = service.ask(make_wav())
    assert (len(service.asked), analysis.cached, analysis.cost) == (1, False, 0.0)
    assert analysis.usage == Usage(input_tokens=0, output_tokens=0)


def test_the_pieces_of_a_kept_call_come_as_one(serve, acme, make_wav, cache):
    service = serve(acme(image=None, audio=replace(HEARS, streaming=True)))
    service.ask(make_wav())
    for key in whole_answers(cache):
        forget(cache, key)
    pieces = []
    assert service.ask(make_wav(), on_text=pieces.append).text == "answer 1"
    assert pieces == ["answer 1"]


def whole_answers(cache: Cache) -> list[int]:
    with sqlite3.connect(cache.stats().path) as file:
        found = file.execute("SELECT id FROM entries WHERE kind = 'analysis'").fetchall()
    file.close()
    return [row[0] for row in found]


def forget(cache: Cache, entry: int) -> None:
    with sqlite3.connect(cache.stats().path) as file:
        file.execute("DELETE FROM entries WHERE id = ?", (entry,))
    file.close()


@pytest.mark.parametrize("failure", [KeyError, KeyboardInterrupt])
def test_what_was_paid_before_the_end_is_not_paid_again(serve, acme, make_wav, failure):
    heard = []

    def analyze_audio(request):
        heard.append(request.audio.size)
        if len(heard) == 2:
            raise failure
        return Answer(text=f"piece {len(heard)}", model="m", cost=0.25)

    limits = replace(HEARS, max_seconds=3.0)
    service = serve(acme(image=None, audio=limits), analyze_audio=analyze_audio)
    wav = make_wav(8.0)
    with pytest.raises((PluginError, KeyboardInterrupt)):
        service.ask(wav, jobs=1)
    analysis = service.ask(wav, jobs=1)
    [step] = [step for step in analysis.steps if step.action == "transcribe"]
    assert step.calls >= 3
    assert (step.cached, len(heard)) == (1, 2 + step.calls - 1)
    assert analysis.text.splitlines()[:2] == ["piece 1", "piece 3"]
    assert analysis.cost == step.cost == pytest.approx(0.25 * (step.calls - 1))
    assert service.ask(wav, jobs=1).cached


def test_a_single_image_is_kept_once(serve, png, cache):
    serve().ask(png)
    assert [part.name for part in cache.stats().kinds] == ["analysis"]


CALLS = {
    "prompt": "q",
    "model": "ear-2",
    "max_output_tokens": 9,
    "temperature": 0.5,
    "language": "en",
    "start": 1.0,
    "end": 2.0,
    "headers": (("a", "b"),),
}


@pytest.fixture
def call_key(acme, cache, sound):
    def of(provider=None, rules=(), plugin="one (1.0)", **changes) -> str | None:
        provider = provider or acme()
        one = memory(Question(), cache, provider, rules=rules, plugins={provider.name: plugin})
        facts = {"provider": provider, "model": "ear-1", "audio": sound}
        seen = one.look_into(AudioRequest(**facts | changes))
        return seen and seen.key

    return of


@pytest.mark.parametrize("name", CALLS)
def test_what_shapes_a_call_makes_another_call(call_key, name):
    assert call_key(**{name: CALLS[name]}) != call_key()


@pytest.mark.parametrize(
    "changes", [{"timeout": 5.0}, {"retries": 0}, {"access": Access(api_key_env="K")}]
)
def test_how_it_is_made_does_not(call_key, changes):
    assert call_key(**changes) == call_key()


@pytest.mark.parametrize(
    "changes",
    [
        {"access": Access(base_url="https://b.example")},
        {"access": Access(project="p")},
        {"rules": ("house (1.0)",)},
        {"plugin": "one (1.1)"},
    ],
)
def test_where_and_by_whom_it_is_made_does(call_key, changes):
    assert call_key(**changes) != call_key()


def test_a_call_of_another_kind_is_another_call(acme, cache, image, sound):
    one = memory(Question(), cache, acme())
    picture = ImageRequest(provider=acme(), model="m", images=(replace(image, data=sound.data),))
    audio = AudioRequest(provider=acme(), model="m", audio=replace(sound, mime_type="image/png"))
    assert one.look_into(picture).key != one.look_into(audio).key


def test_a_call_for_json_is_not_kept(call_key):
    assert call_key(json_schema="{}") is None


def test_frames_at_other_times_are_another_call(acme, cache, image):
    one = memory(Question(), cache, acme())
    keys = {
        one.look_into(
            ImageRequest(provider=acme(), model="m", images=(replace(image, timestamp=at),))
        ).key
        for at in (None, 0.0, 1.0)
    }
    assert len(keys) == 3


def test_a_large_file_is_read_once_for_all_its_keys(acme, cache, sound, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(sound.data)
    monkeypatch.setattr("mediasense.memory.SMALL", 0)
    one = memory(Question(), cache, acme())
    first = one.look((path,))
    opened = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a: opened.append(self) or real(self, *a))
    request = AudioRequest(provider=acme(), model="m", audio=replace(sound, data=None, path=path))
    assert one.look_into(request) is not None
    assert one.look((path,)) == first
    assert opened == []


def test_an_answer_that_says_it_was_kept_is_counted_all_the_same(serve, png):
    usage = Usage(input_tokens=5)
    answer = Answer(text="a", model="m", usage=usage, cost=1.0, cached=True)
    analysis = serve(analyze_image=lambda: answer).ask(png)
    assert (analysis.usage, analysis.cost) == (usage, 1.0)


def test_a_cost_that_one_call_does_not_tell_makes_the_whole_unknown(serve, acme, make_wav):
    def generate(request):
        return Answer(text="a", model="m")

    provider = acme(image=None, audio=HEARS, text=TextLimits())
    service = serve(provider, generate=generate)
    one = service.ask(make_wav(), prompt="who?")
    assert [step.cost for step in one.steps if step.provider] == [0.25, None]
    assert one.cost is None
    assert service.ask(make_wav(), prompt="who?").cost == 0.0
    assert service.ask(make_wav(), prompt="where?").cost is None


# --- what lies in the file -----------------------------------------------------------------------


def test_neither_keys_nor_media_nor_names_nor_prompts_are_in_the_file(
    serve, acme, make_wav, tmp_path, monkeypatch, cache
):
    monkeypatch.setenv("ACME_KEY", "sk-acme-secret")
    wav = make_wav(8.0)
    path = tmp_path / "name-of-a-person.wav"
    path.write_bytes(wav)

    def analyze_audio(request):
        assert connect(request).key == "sk-acme-secret"
        return Answer(text="a text to find", model="m")

    provider = acme(image=None, audio=replace(HEARS, max_seconds=3.0), text=TextLimits())
    service = serve(provider, analyze_audio=analyze_audio)
    service.ask(path, prompt="a question of mine")
    cache.close()
    files = sorted(cache.stats().path.parent.iterdir())
    kept = b"".join(file.read_bytes() for file in files)
    assert b"a text to find" in kept
    for never in (b"sk-acme-secret", b"a question of mine", wav[1000:1100]):
        assert never not in kept
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


# --- many at once --------------------------------------------------------------------------------


def test_many_threads_share_one_cache(serve, make_image):
    service = serve()
    pictures = [make_image(size=(20 + number, 20)) for number in range(8)]
    for picture in pictures:
        service.ask(picture)
    texts = [f"answer {number + 1}" for number in range(8)]
    barrier = threading.Barrier(8)

    def run(number: int) -> list[str]:
        barrier.wait()
        turn = range(number, number + 8)
        return [service.ask(pictures[n % 8]).text for n in turn]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert found == [[texts[n % 8] for n in range(k, k + 8)] for k in range(8)]
    assert len(service.asked) == 8


def test_many_threads_that_all_ask_first_get_their_own_answers(serve, make_image):
    def analyze_image(request):
        return Answer(text=f"{request.images[0].width} {request.prompt}", model="m")

    service = serve(analyze_image=analyze_image)
    pictures = [make_image(size=(20 + number, 20)) for number in range(8)]
    barrier = threading.Barrier(8)

    def run(number: int) -> list[str]:
        barrier.wait()
        asked = [(number, "x"), (0, "y"), (number, "x")]
        return [service.ask(pictures[n], prompt=prompt).text for n, prompt in asked]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert found == [[f"{20 + n} x", "20 y", f"{20 + n} x"] for n in range(8)]


# --- addresses that are wrong --------------------------------------------------------------------


def test_an_address_that_is_wrong_fails_where_it_is_used(serve, acme, png, cache):
    def analyze_image(request):
        connect(request)
        pytest.fail("it was sent")

    service = serve(acme(base_url="http://acme.example"), analyze_image=analyze_image)
    with pytest.raises(UnsafeEndpoint):
        service.ask(png)
    assert cache.stats().entries == 0


def test_a_video_that_goes_as_it_is_is_kept(serve, acme, make_video, tmp_path):
    video = make_video(tmp_path / "a.mp4")
    service = serve(acme(image=None, video=VideoLimits(mime_types=("video/mp4",))))
    service.ask(video)
    assert service.ask(video).cached
