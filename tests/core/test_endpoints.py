"""Endpoints without code: what the config file may say of them, and where keys and headers go."""

from __future__ import annotations

import json
import pickle
import string
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    Answer,
    AudioLimits,
    ConfigError,
    Credentials,
    Header,
    ImageLimits,
    MissingCredentials,
    ModelRule,
    ModelsRequest,
    Provider,
    ProviderError,
    RequestRejected,
    TextLimits,
    VideoLimits,
    connect,
    get_json,
    one_line,
    post_json,
)
from mediasense.config import Config, load_config
from mediasense.dispatch import Dispatcher
from mediasense.endpoints import _LIMITS, Endpoint
from mediasense.plugins import load_plugins
from mediasense.types import Question

KEY = "sk-acme-0123456789"
ROUTE = "route-to-the-blue-rack"
LEAST = 'base_url = "https://gpu.acme.example/v1"\ntext = true\n'


@pytest.fixture
def settings_of(tmp_path, monkeypatch) -> Callable[[str], Config]:
    """The settings that a config file says."""

    def read(text: str) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("MEDIASENSE_CONFIG", str(path))
        return load_config()

    return read


HOUSE = Provider(
    name="house",
    description="The protocol of the house",
    aliases=("home",),
    base_url="https://api.house.example/v1",
    base_url_variables=("HOUSE_URL",),
    hosts=("house.example",),
    takes_any_base_url=True,
    credentials=Credentials(variables=("HOUSE_KEY",)),
    access_options=("api_version",),
    default_model="house-1",
    image=ImageLimits(mime_types=("image/png",), max_items=4, default_model="house-eye"),
    audio=AudioLimits(
        mime_types=("audio/wav",), transcribes=True, answers=True, answer_model="house-ear"
    ),
    text=TextLimits(streaming=True),
    models=(ModelRule(pattern="house-*", text=TextLimits()),),
)
PLAIN = Provider(name="plain", description="Text alone", text=TextLimits())
DEVICE = Provider(name="reader", description="Here", kind="device", text=TextLimits())


@pytest.fixture
def plugins_with(load, settings_of):
    """The plugins, and the endpoints that a config file describes besides."""

    def answer(request):
        reply = post_json(request, "/ask", {"model": request.model, "prompt": request.prompt})
        return Answer(text=reply["answer"], model=request.model or "any")

    def list_models(request):
        return get_json(request, "/models")

    def make(text: str):
        asked = {"analyze_image": answer, "analyze_audio": answer, "generate": answer}
        plugins = load(
            house={"capabilities": lambda: (HOUSE, DEVICE), **asked, "list_models": list_models},
            plain={"capabilities": lambda: (PLAIN,), "generate": answer},
        )
        return plugins.with_endpoints(settings_of(text).endpoints)

    return make


# --- what the file says --------------------------------------------------------------------------


def test_all_that_may_be_said_is_read(settings_of):
    (endpoint,) = settings_of(
        """
        [providers.acme]
        base_url = "https://gpu.acme.example/v1/"
        like = "custom"
        api_key_env = "ACME_TOKEN"
        model = "acme-eye-2"
        description = "Acme's own vision service"
        headers = { X-Team = "blue", X-Route = { env = "ACME_ROUTE" } }
        image = true
        video = false
        text = { options = ["temperature"] }
        [providers.acme.audio]
        transcribes = true
        mime_types = ["audio/wav", "audio/mpeg"]
        """
    ).endpoints
    assert endpoint == Endpoint(
        name="acme",
        base_url="https://gpu.acme.example/v1",
        like="custom",
        api_key_env="ACME_TOKEN",
        model="acme-eye-2",
        description="Acme's own vision service",
        headers=(
            Header(name="X-Team", value="blue"),
            Header(name="X-Route", variable="ACME_ROUTE"),
        ),
        takes={
            "image": {},
            "audio": {"transcribes": True, "mime_types": ("audio/wav", "audio/mpeg")},
            "text": {"options": ("temperature",)},
        },
    )


def test_the_least_that_must_be_said_is_where_and_what(settings_of):
    (endpoint,) = settings_of(f"[providers.acme]\n{LEAST}").endpoints
    assert endpoint == Endpoint(
        name="acme", base_url="https://gpu.acme.example/v1", takes={"text": {}}
    )


def test_several_are_read_in_their_order(settings_of):
    found = settings_of(f"[providers.b]\n{LEAST}[providers.a]\n{LEAST}").endpoints
    assert [endpoint.name for endpoint in found] == ["b", "a"]


def toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


WHOLE = {
    "image": ImageLimits(
        mime_types=("image/png", "image/webp"),
        max_bytes=5,
        max_request_bytes=6,
        uri_schemes=("https",),
        default_model="eye",
        options=("temperature", "json_schema"),
        streaming=True,
        answers=False,
        max_items=7,
        max_pixels=8,
        max_side=9,
        tokens=10,
    ),
    "audio": AudioLimits(
        mime_types=("audio/x-m4a",),
        transcribes=True,
        timestamps=True,
        max_seconds=0.5,
        answer_options=("language",),
        tokens_per_second=32,
    ),
    "video": VideoLimits(mime_types=("video/mp4",), hears=True, max_seconds=60),
    "text": TextLimits(streaming=True),
}


@pytest.mark.parametrize("modality", WHOLE)
def test_every_limit_of_the_records_can_be_said(settings_of, modality):
    limits = WHOLE[modality]
    said = {f.name: getattr(limits, f.name) for f in fields(limits)}
    lines = [f"{name} = {toml(value)}" for name, value in said.items() if value is not None]
    table = f"[providers.acme.{modality}]\n" + "\n".join(lines)
    (endpoint,) = settings_of(
        f"[providers.acme]\n{LEAST}{table}".replace("text = true\n", "")
    ).endpoints
    assert type(limits)(**endpoint.takes[modality]) == limits


def test_no_limit_is_of_a_type_that_cannot_be_said(settings_of):
    """A new field of the records needs no more code, or this tells."""
    for modality, record in _LIMITS.items():
        for item in fields(record):
            text = f"[providers.acme]\nbase_url = 'https://a.example'\n{modality}.{item.name} = -1"
            with pytest.raises(ConfigError) as caught:
                settings_of(text)
            assert "cannot be set" not in caught.value.message
            assert f":3: providers.acme.{modality}.{item.name}: not " in caught.value.message


# --- what is wrong in it -------------------------------------------------------------------------

WRONG = {
    "acme.base_ulr": ("base_ulr = 1", "unknown setting; did you mean base_url?"),
    "acme.hosts": ('hosts = ["x"]', "unknown setting; known: base_url, like"),
    "acme.base_url": ("base_url = 1", "not a text"),
    "acme.like": ('like = "No Such"', "not the name of a provider"),
    "acme.api_key_env": ('api_key_env = "sk-0123"', "not the name of a variable"),
    "acme.model": ('model = ""', "not a text of one line"),
    "acme.description": ('description = "a\\nb"', "not a text of one line"),
    "acme.headers": ('headers = ["a"]', "not a table"),
    "acme.image": ("image = 1", "not true, false or a table"),
    "acme.image.max_item": ("image.max_item = 1", "unknown setting; did you mean max_items?"),
    "acme.image.max_items": ("image.max_items = true", "not a whole number"),
    "acme.image.max_bytes": ("image.max_bytes = 0", "not 1 to 1000000000000"),
    "acme.image.streaming": ("image.streaming = 1", "not true or false"),
    "acme.image.mime_types": ('image.mime_types = ["png"]', "not a MIME type, such as image/png"),
    "acme.image.uri_schemes": ('image.uri_schemes = ["a b"]', "not the scheme of a URI"),
    "acme.image.options": ('image.options = ["zoom"]', "not one of fps, json_schema"),
    "acme.audio.max_seconds": ("audio.max_seconds = inf", "not above 0 and up to 1e+12"),
    "acme.audio.answer_options": ("audio.answer_options = [[]]", "not one of fps"),
    "acme.video.hears": ('video.hears = "yes"', "not true or false"),
    "acme.text.tokens": ("text.tokens = 1", "unknown setting; known: mime_types"),
}


@pytest.mark.parametrize("key", WRONG)
def test_what_is_wrong_is_told_with_file_line_and_key(settings_of, tmp_path, key):
    text, told = WRONG[key]
    rest = [line for line in LEAST.splitlines() if line[:4] != text[:4]]
    document = "\n".join(["retries = 1", "", "[providers.acme]", text, *rest])
    with pytest.raises(ConfigError) as caught:
        settings_of(document)
    assert str(caught.value).startswith(f"{tmp_path}/config.toml:4: providers.{key}: {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[providers.acme]\ntext = true", ":1: providers.acme: base_url is missing; add base_url"),
        (
            "[providers.acme]\nbase_url = 'https://a.example'\nimage = false",
            ":1: providers.acme: it takes nothing; add one of: image, video, audio, text = true",
        ),
        ("providers.acme = 1", ":1: providers.acme: not a table"),
        ("[[providers.acme]]", ":1: providers.acme: not a table"),
        (f"[providers.Acme]\n{LEAST}", ":1: providers.Acme: not a name for a provider"),
        (f'[providers."a b"]\n{LEAST}', ':1: providers."a b": not a name for a provider'),
        (f"[providers.{'a' * 65}]\n{LEAST}", "not a name for a provider"),
        (
            "[providers]\nacme = { base_url = 'https://a.example', txt = true }",
            ":2: providers.acme.txt: unknown setting; did you mean text?",
        ),
    ],
)
def test_a_table_that_is_wrong_as_a_whole_is_told_with_its_own_line(settings_of, text, told):
    with pytest.raises(ConfigError) as caught:
        settings_of(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "gpu.acme.example",
        "ftp://gpu.acme.example",
        "https://",
        "https://user:password@acme.example",
        "https://acme.example/v1?key=1",
        "https://acme.example/#v1",
        "https://acme.example\\\\@other.example",
        "https://[::1",
        "https://acme.example:99999",
    ],
)
def test_a_base_url_is_checked_as_everywhere(settings_of, url):
    with pytest.raises(ConfigError, match=r":2: providers\.acme\.base_url: .*; give "):
        settings_of(f'[providers.acme]\nbase_url = "{url}"\ntext = true')


def test_a_key_in_a_base_url_is_referred_to_its_setting(settings_of):
    with pytest.raises(ConfigError) as caught:
        settings_of('[providers.acme]\nbase_url = "https://me:key@a.example"\ntext = true')
    assert caught.value.hint == 'give the key with api_key_env = "NAME" instead'


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ('Authorization = "Bearer x"', 'use api_key_env = "NAME"'),
        ("authorization = { env = 'X' }", 'use api_key_env = "NAME"'),
        ("x-goog-api-key = { env = 'X' }", 'use api_key_env = "NAME"'),
        ("Proxy-Authorization = 'x'", 'use api_key_env = "NAME"'),
        ("X-Api-Key = 'x'", 'write { env = "NAME" }, or use api_key_env'),
        ("Cookie = 'x'", 'write { env = "NAME" }, or use api_key_env'),
        ("Host = 'x'", "the client sets it itself"),
        ("Content-Type = 'x'", "the client sets it itself"),
        ("content-length = '1'", "the client sets it itself"),
        ("Transfer-Encoding = 'x'", "the client sets it itself"),
        ("Connection = 'x'", "the client sets it itself"),
        ("'X Team' = 'x'", "not a name for a header"),
        ("'X-Team:' = 'x'", "not a name for a header"),
        ('"X-Tëam" = "x"', "not a name for a header"),
        ('"X\\r\\nY" = "x"', "not a name for a header"),
        ('X-Team = "a\\r\\nX-Other: b"', "not a value for a header"),
        ('X-Team = "blü"', "not a value for a header"),
        ('X-Team = ""', "not a value for a header"),
        ('X-Team = " a"', "not a value for a header"),
        ("X-Team = 1", "not a text"),
        ("X-Any = 'Bearer x'", 'name a variable that holds it: { env = "NAME" }'),
        ("X-Team = 'sk-abc'", "it looks like a key, which does not belong in a file"),
        ("X-Team = '0f8fad5bd9cb469fa1650f8fad5bd9cb'", "it looks like a key"),
        ("X-Team = {}", "env is missing"),
        ("X-Team = { env = 'a b' }", "not the name of a variable"),
        ("X-Team = { evn = 'A' }", "did you mean env?"),
        ("X-Team = 'a', x-team = 'b'", "x-team is there twice"),
    ],
)
def test_a_header_that_must_not_be_is_told(settings_of, header, told):
    with pytest.raises(ConfigError) as caught:
        settings_of(f"[providers.acme]\n{LEAST}headers = {{ {header} }}")
    assert ":4: providers.acme.headers" in str(caught.value)
    assert told in str(caught.value)


# --- the provider --------------------------------------------------------------------------------


def test_an_endpoint_is_a_provider_of_the_plugin_whose_protocol_it_speaks(plugins_with):
    plugins = plugins_with(f"[providers.acme]\n{LEAST}")
    assert plugins.find("acme") == Provider(
        name="acme",
        description="gpu.acme.example, asked as house",
        base_url="https://gpu.acme.example/v1",
        access_options=("api_version",),
        text=HOUSE.text,
        like="house",
    )
    assert plugins.owners["acme"] is plugins.owners["house"]
    assert list(plugins.providers) == ["house", "reader", "plain", "acme"]


def test_it_inherits_no_key_host_alias_or_model(plugins_with):
    text = f'[providers.acme]\n{LEAST}image = true\naudio = true\nlike = "home"\nmodel = "m"'
    acme = plugins_with(text).find("acme")
    assert (acme.credentials, acme.hosts, acme.aliases, acme.models) == (None, (), (), ())
    assert (acme.base_url_variables, acme.takes_any_base_url) == ((), False)
    assert (acme.like, acme.default_model) == ("house", "m")
    assert acme.image == replace(HOUSE.image, default_model=None)
    assert acme.audio == replace(HOUSE.audio, answer_model=None)


def test_a_table_starts_from_the_limits_of_the_other(plugins_with):
    acme = plugins_with(f"[providers.acme]\n{LEAST}image.max_items = 9").find("acme")
    assert acme.image == ImageLimits(mime_types=("image/png",), max_items=9)


def test_what_the_other_does_not_take_is_described_anew(load, settings_of):
    hooks = {name: lambda: None for name in ("generate", "analyze_audio")}
    plugins = load(plain={"capabilities": lambda: (PLAIN,), **hooks})
    text = f"[providers.acme]\n{LEAST}like = 'plain'\n[providers.acme.audio]\nanswers = true\n"
    for types, limits in (("[]", None), ("['audio/wav']", ("audio/wav",))):
        endpoints = settings_of(f"{text}mime_types = {types}").endpoints
        found = plugins.with_endpoints(endpoints).providers.get("acme")
        told = found and found.audio
        assert told == (limits and AudioLimits(mime_types=limits, answers=True))


@pytest.mark.parametrize(
    ("url", "kind", "required"),
    [
        ("https://gpu.acme.example", "service", True),
        ("http://gpu.lan:8000", "service", True),
        ("http://127.0.0.1:8000/v1", "server", False),
        ("http://localhost", "server", False),
        ("http://[::1]:80", "server", False),
    ],
)
def test_on_this_machine_it_is_a_server_and_needs_no_key(plugins_with, url, kind, required):
    text = f'[providers.acme]\nbase_url = "{url}"\ntext = true\napi_key_env = "ACME_TOKEN"'
    acme = plugins_with(text).find("acme")
    assert acme.kind == kind
    assert acme.credentials == Credentials(variables=("ACME_TOKEN",), required=required)
    assert acme.relayed_models is None


def test_what_it_costs_is_unknown_and_never_nothing():
    from mediasense.endpoints import provider_of
    from mediasense.prices import KeptPrices

    for url in ("http://127.0.0.1:8000", "https://gpu.acme.example"):
        endpoint = Endpoint(name="acme", base_url=url, takes={"text": {}})
        provider = provider_of(endpoint, HOUSE, ("generate",))
        price = KeptPrices().price(provider, "m", input_tokens=1, output_tokens=1, seconds=None)
        assert price is None


BROKEN = {
    "like = 'nobody'": ":4: providers.acme.like: no installed plugin offers 'nobody'; type: ",
    "like = 'groq'": "or: pip install mediasense-openai-compat",
    "like = 'other'": ":4: providers.acme.like: no installed plugin offers 'other'",
    "like = 'reader'": ":4: providers.acme.like: reader runs on this device",
    "like = 'plain'\nimage = true": ":5: providers.acme.image: the plugin of plain takes no image",
    "video = true": ":4: providers.acme.video: the plugin of house takes no video",
    "audio = { transcribes = false, answers = false }": ":4: providers.acme.audio: it neither",
    "image.mime_types = []": ":4: providers.acme.image: mime_types are missing",
    "image.options = ['fps']": ":1: providers.acme: acme: image has no option 'fps'",
}


@pytest.mark.parametrize("said", BROKEN)
def test_an_endpoint_that_cannot_be_is_told_when_it_is_asked_for(plugins_with, said):
    other = '[providers.other]\nbase_url = "https://b.example"\ntext = true\n'
    plugins = plugins_with(f"[providers.acme]\n{LEAST}{said}\n{other}")
    with pytest.raises(ConfigError) as caught:
        plugins.find("acme")
    assert BROKEN[said] in str(caught.value)
    assert plugins.broken == {"acme": caught.value}
    assert "acme" not in plugins.providers
    assert plugins.find("other").like == "house"


@pytest.mark.parametrize("name", ["house", "home"])
def test_a_name_that_a_plugin_offers_is_not_taken_over(plugins_with, name):
    plugins = plugins_with(f"[providers.{name}]\n{LEAST}")
    with pytest.raises(ConfigError, match=rf":1: providers\.{name}: house .* offers '{name}'"):
        plugins.find(name)
    assert plugins.providers["house"] == HOUSE


def test_a_name_that_is_not_clear_is_not_chosen_unasked(plugins_with, monkeypatch, image):
    monkeypatch.setenv("HOUSE_KEY", KEY)
    chooser = Dispatcher(plugins_with(f"[providers.house]\n{LEAST}"))._chooser
    assert "house" not in [provider.name for provider in chooser.candidates()]


def test_without_a_plugin_for_any_base_url_like_must_be_said(load, settings_of):
    endpoints = settings_of(f"[providers.acme]\n{LEAST}").endpoints
    hooks = {"capabilities": lambda: (PLAIN,), "generate": lambda: None}
    plugins = load(plain=hooks).with_endpoints(endpoints)
    with pytest.raises(ConfigError, match=r":1: providers\.acme: no installed plugin takes any"):
        plugins.find("acme")


def test_other_endpoints_take_the_place_of_the_first_ones(plugins_with, settings_of):
    first = plugins_with(f"[providers.a]\n{LEAST}[providers.b]\n{LEAST}like = 'nobody'")
    second = first.with_endpoints(settings_of(f"[providers.c]\n{LEAST}").endpoints)
    assert list(second.providers) == ["house", "reader", "plain", "c"]
    assert list(second.owners) == ["house", "reader", "plain", "c"]
    assert second.broken == {}
    assert list(first.providers) == ["house", "reader", "plain", "a"]


def test_endpoints_travel_to_other_machines(plugins_with, settings_of):
    text = (
        f"[providers.acme]\n{LEAST}headers = {{ X-Route = {{ env = 'ACME_ROUTE' }} }}\nlike = 'no'"
    )
    config = settings_of(text)
    there = pickle.loads(pickle.dumps(config))
    assert there == config
    plugins = plugins_with("").with_endpoints(there.endpoints)
    with pytest.raises(ConfigError, match=r"config.toml:5: providers.acme.like"):
        plugins.find("acme")


# --- keys and headers ----------------------------------------------------------------------------

HEADERS = "headers = { X-Team = 'blue', X-Route = { env = 'ACME_ROUTE' } }\napi_key_env = 'TOKEN'\n"


@pytest.fixture
def acme_of(plugins_with, monkeypatch):
    monkeypatch.setenv("TOKEN", KEY)
    monkeypatch.setenv("ACME_ROUTE", ROUTE)
    monkeypatch.setenv("HOUSE_KEY", "sk-house")

    def make(url: str = "https://gpu.acme.example/v1") -> Provider:
        text = f"[providers.acme]\n{LEAST}{HEADERS}"
        return plugins_with(text.replace("https://gpu.acme.example/v1", url)).find("acme")

    return make


OWN_PATHS = ("/v1", "/v1/", "/v1/models", "/v1/a.b/c-d_e~f")
OTHER_PATHS = (
    *("", "/v2/", "/v10", "/V1", "/v1/../v2", "/v1/..", "/v1/.", "/v1//v2", "/v1/%2e%2e/v2"),
    *("/v1/..%2fv2", "/v1/..;/v2", "/v1/.../v2", "/v1;/v2", "//v1"),
)
"""Some of these are below ``/v1`` to one server, and elsewhere to another."""


def reach(provider: Provider, *headers: tuple[str, str], **access):
    return connect(ModelsRequest(provider=provider, access=Access(**access), headers=headers))


def test_where_an_endpoint_is_is_told_of_those_of_the_config_alone(plugins_with):
    dispatcher = Dispatcher(plugins_with(f"[providers.acme]\n{LEAST}"))
    url = dispatcher.endpoint_url
    assert url(Question(provider="acme")) == "https://gpu.acme.example/v1"
    assert url(Question(provider="house")) == url(Question()) == ""
    elsewhere = Access(base_url="https://b.example")
    assert url(Question(provider="acme", access=elsewhere)) == ""


def test_key_and_headers_go_to_the_own_base_url(acme_of):
    found = reach(acme_of())
    assert (found.key, found.source, found.like) == (KEY, "TOKEN", "house")
    assert found.headers == (("X-Team", "blue"), ("X-Route", ROUTE))


@settings(max_examples=100, deadline=None)
@given(
    scheme=st.sampled_from(["https", "http"]),
    host=st.sampled_from(
        [
            "gpu.acme.example",
            "acme.example",
            "x.gpu.acme.example",
            "gpu.acme.example.evil.example",
            "api.house.example",
            "127.0.0.1",
        ]
    ),
    port=st.sampled_from(["", ":443", ":8443"]),
    path=st.sampled_from([*OWN_PATHS, *OTHER_PATHS]),
)
def test_key_and_headers_go_nowhere_else(scheme, host, port, path):
    provider = Provider(
        name="acme",
        description="",
        base_url="https://gpu.acme.example/v1",
        credentials=Credentials(variables=("TOKEN",), required=False),
        headers=(Header(name="X-Team", value="blue"), Header(name="X-Route", variable="ROUTE")),
        like="house",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", KEY)
        patch.setenv("ROUTE", ROUTE)
        url = f"{scheme}://{host}{port}{path}"
        found = reach(provider, ("X-Own", "1"), base_url=url, allow_http=True)
    own = (scheme, host, port) == ("https", "gpu.acme.example", "") and path in OWN_PATHS
    assert (found.key == KEY) is own
    assert (len(found.headers) == 3) is own
    assert found.headers[-1] == ("X-Own", "1")
    assert own or not found.hidden


def test_a_path_that_is_another_tenants_is_named(acme_of):
    with pytest.raises(MissingCredentials, match=r"TOKEN is not sent to gpu.acme.example/other;"):
        reach(acme_of(), base_url="https://gpu.acme.example/other")


def test_what_a_rule_adds_and_looks_like_a_key_is_not_shown(acme_of):
    found = reach(
        acme_of(),
        ("X-Purpose", "a test of the evening"),
        ("X-House-Key", "hunter2"),
        ("X-Any", "sk-any-thing"),
        ("Authorization", "Basic dXNlcjpwYXNz"),
    )
    assert set(found.secrets) == {
        *(KEY, ROUTE, "hunter2", "sk-any-thing", "Basic dXNlcjpwYXNz", "dXNlcjpwYXNz")
    }


def test_a_header_of_a_rule_in_an_answer_is_not_shown(acme_of, httpserver):
    """The service repeats what it refuses, as some do."""
    httpserver.expect_request("/v1/models").respond_with_json(
        {"error": "no entry for hunter2 of team blue, nor hunter22"}, status=400
    )
    provider = acme_of(httpserver.url_for("/v1"))
    headers = (("X-House-Key", "hunter2"), ("X-Team", "blue"))
    with pytest.raises(RequestRejected) as caught:
        get_json(ModelsRequest(provider=provider, headers=headers), "/models")
    assert "no entry for [key] of team blue, nor hunter22" in str(caught.value)


def test_a_header_of_the_request_wins_however_it_is_spelled(acme_of):
    found = reach(acme_of(), ("x-team", "red"), ("X-More", "1"))
    assert found.headers == (("X-Route", ROUTE), ("x-team", "red"), ("X-More", "1"))


def test_a_variable_of_a_header_that_is_not_set_is_named_with_its_setting(acme_of, monkeypatch):
    monkeypatch.setenv("ACME_ROUTE", " ")
    with pytest.raises(MissingCredentials) as caught:
        reach(acme_of())
    told = "providers.acme.headers.X-Route: ACME_ROUTE is not set; type: export ACME_ROUTE=... "
    assert str(caught.value) == told + "(or mediasense keys set ACME_ROUTE)"
    assert reach(acme_of(), base_url="http://127.0.0.1:1").headers == ()


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "blü", "a\x00b"[:1] + "\tb"])
def test_a_variable_that_no_header_can_hold_is_named_and_not_shown(acme_of, monkeypatch, value):
    monkeypatch.setenv("ACME_ROUTE", value)
    with pytest.raises(MissingCredentials, match="ACME_ROUTE holds characters") as caught:
        reach(acme_of())
    assert value not in str(caught.value)


def test_what_a_variable_holds_is_in_nothing_that_is_shown_or_compared(acme_of, monkeypatch):
    provider = acme_of()
    found = reach(provider)
    assert ROUTE not in repr((found, provider))
    assert found.secrets == (KEY, ROUTE)
    monkeypatch.setenv("ACME_ROUTE", "another-rack-altogether")
    assert reach(provider) == found


def test_a_short_word_is_no_secret(acme_of, monkeypatch):
    monkeypatch.setenv("ACME_ROUTE", "eu")
    assert one_line("eu is neutral", *reach(acme_of()).secrets) == "eu is neutral"


# --- on the wire ---------------------------------------------------------------------------------


@pytest.fixture
def ask(plugins_with, monkeypatch, httpserver):
    """Ask an endpoint at the server for its models: the simplest call there is."""
    monkeypatch.setenv("TOKEN", KEY)
    monkeypatch.setenv("ACME_ROUTE", ROUTE)

    def run(text: str = HEADERS, **question):
        url = httpserver.url_for("/v1")
        plugins = plugins_with(f'[providers.acme]\nbase_url = "{url}"\nimage = true\n{text}')
        return Dispatcher(plugins).models(Question(provider="acme", retries=0, **question))

    return run


def test_key_and_headers_are_sent_with_every_call(ask, httpserver):
    wanted = {"X-Team": "blue", "X-Route": ROUTE, "Authorization": f"Bearer {KEY}"}
    httpserver.expect_request("/v1/models", headers=wanted).respond_with_json([])
    assert ask() == ()


def test_another_server_is_told_neither(ask, httpserver, threaded_server):
    threaded_server.expect_request("/models").respond_with_json([])
    assert ask(access=Access(base_url=threaded_server.url_for("/"))) == ()
    ((request, _),) = threaded_server.log
    assert not {"X-Team", "X-Route", "Authorization"} & set(request.headers.keys())


def test_clients_are_shared_and_headers_are_of_the_call(ask, httpserver, monkeypatch):
    httpserver.expect_request("/v1/models").respond_with_json([])
    ask()
    monkeypatch.setenv("ACME_ROUTE", "another-rack-altogether")
    ask()
    sent = [request.headers["X-Route"] for request, _ in httpserver.log]
    assert sent == [ROUTE, "another-rack-altogether"]


def test_what_a_service_repeats_of_keys_and_headers_is_not_shown(ask, httpserver):
    said = {"error": f"no {ROUTE} for {KEY}"}
    httpserver.expect_request("/v1/models").respond_with_json(said, status=400)
    with pytest.raises(ProviderError) as caught:
        ask()
    assert "no [key] for [key]" in str(caught.value)
    assert ROUTE not in str(caught.value)


def test_the_header_that_carries_the_key_is_the_keys_alone(load, httpserver, monkeypatch):
    """As for headers of requests: a plugin names the header, and it is not to be overruled."""
    monkeypatch.setenv("TOKEN", KEY)
    provider = Provider(
        name="acme",
        description="",
        base_url=httpserver.url_for("/"),
        credentials=Credentials(variables=("TOKEN",)),
        headers=(Header(name="x-acme-token", value="theirs"),),
    )
    httpserver.expect_request("/models").respond_with_json([])
    get_json(ModelsRequest(provider=provider), "/models", key_header="X-Acme-Token")
    ((request, _),) = httpserver.log
    assert request.headers["X-Acme-Token"] == KEY


# --- any document --------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-2, 2**70),
    st.floats(),
    st.sampled_from(
        ["https://a.example", "http://localhost:1", "custom", "ACME", "audio/wav", "fps"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
KEYS = st.sampled_from(
    [
        *("base_url", "like", "api_key_env", "model", "description", "headers", "env", "X-A"),
        *("image", "video", "audio", "text", "mime_types", "options", "max_bytes", "transcribes"),
    ]
) | st.text(string.printable, max_size=4)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TABLE = st.fixed_dictionaries(
    {"base_url": st.just("https://a.example")},
    optional={
        "text": st.booleans(),
        "image": st.dictionaries(KEYS, TREES, max_size=2),
        "headers": st.dictionaries(KEYS, TREES, max_size=2),
        "like": SCALARS,
        "model": SCALARS,
    },
)


def config_of(path: Path, content: bytes) -> Config | ConfigError:
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIASENSE_CONFIG", str(path))
        try:
            return load_config()
        except ConfigError as error:
            return error


def written(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{written(str(k))} = {written(v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()


@settings(max_examples=300, deadline=None)
@given(
    settings_=st.dictionaries(st.sampled_from(["providers", "plugins", "retries"]), TREES)
    | st.dictionaries(st.sampled_from(["a", "b"]), TABLE, min_size=1, max_size=2).map(
        lambda tables: {"providers": tables}
    )
    | st.dictionaries(KEYS, TREES, max_size=3)
)
def test_any_document_is_settings_or_an_error_that_names_the_file(tmp_path_factory, settings_):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    lines = [f"{written(name)} = {written(value)}\n" for name, value in settings_.items()]
    config = config_of(path, "".join(lines).encode())
    if isinstance(config, ConfigError):
        assert str(config).startswith(f"{path}:")
        assert str(config).isprintable()
        return
    plugins = load_plugins((), endpoints=config.endpoints)
    assert set(plugins.broken) == {endpoint.name for endpoint in config.endpoints}
    assert all(str(error).startswith(f"{path}:") for error in plugins.broken.values())


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60).map(str.encode) | st.binary(max_size=60))
def test_any_file_is_settings_or_an_error_that_names_it(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    config = config_of(path, content)
    assert isinstance(config, Config) or str(config).startswith(str(path))


# --- on other machines ---------------------------------------------------------------------------


def test_a_worker_on_a_node_knows_the_endpoints_of_where_the_batch_began(
    acme_installed, settings_of, monkeypatch, tmp_path
):
    from mediasense.batches.errands import NodeErrand

    text = f"[providers.blue]\n{LEAST}like = 'acme'\nimage = true".replace("text = true\n", "")
    errand = NodeErrand(
        question=Question(provider="blue"),
        config=settings_of(text),
        jobs=1,
        folder=str(tmp_path),
        limits=None,
        max_cost=None,
        history=False,
    )
    settings_of("[providers.green]\nbase_url = 'https://a.example'\nlike = 'acme'\nimage = true")
    there = pickle.loads(pickle.dumps(errand))
    monkeypatch.chdir(tmp_path)
    known = there.begin(1, "node-1")._worker.dispatcher.plugins.providers
    assert list(known) == ["acme", "blue"]
    assert known["blue"].image == known["acme"].image
