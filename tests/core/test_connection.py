"""Where a request goes, and with which key: every rule of the module's docstring."""

from __future__ import annotations

import string
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediasense import (
    Access,
    Connection,
    Credentials,
    MediasenseError,
    MissingCredentials,
    ModelsRequest,
    Provider,
    UnsafeEndpoint,
    UsageError,
    connect,
    find_credential,
    shared,
)
from mediasense.connection import is_loopback

KEY = "sk-acme-0123456789"
OTHER = "sk-other-9876543210"
OWN = "https://api.acme.example/v1"
FOREIGN = "https://proxy.example/v1"


def reach(provider: Provider, **access) -> Connection:
    return connect(ModelsRequest(provider=provider, access=Access(**access)))


# --- the provider's own key ----------------------------------------------------------------------


def test_the_own_key_goes_to_the_own_base_url(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    connection = reach(acme())
    assert (connection.base_url, connection.key, connection.source) == (OWN, KEY, "ACME_KEY")


def test_the_first_variable_that_is_set_wins(acme, monkeypatch):
    provider = acme(credentials=Credentials(variables=("FIRST", "SECOND", "THIRD")))
    monkeypatch.setenv("THIRD", OTHER)
    monkeypatch.setenv("SECOND", KEY)
    assert reach(provider).source == "SECOND"


def test_a_variable_that_is_empty_or_blank_is_not_set(acme, monkeypatch):
    provider = acme(credentials=Credentials(variables=("FIRST", "SECOND")))
    monkeypatch.setenv("FIRST", " \n")
    monkeypatch.setenv("SECOND", KEY)
    assert reach(provider).source == "SECOND"


def test_a_line_break_behind_a_key_is_cut(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", f"{KEY}\n")
    assert reach(acme()).key == KEY


def test_a_variable_that_the_user_names_wins_over_the_own(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("WORK_KEY", OTHER)
    connection = reach(acme(), api_key_env="WORK_KEY")
    assert (connection.key, connection.source) == (OTHER, "WORK_KEY")


def test_a_variable_that_the_user_names_must_be_set(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    with pytest.raises(MissingCredentials, match="WORK_KEY is not set; type: export WORK_KEY="):
        reach(acme(), api_key_env="WORK_KEY")


def test_without_a_key_the_variable_to_set_is_named(acme):
    with pytest.raises(MissingCredentials) as caught:
        reach(acme())
    told = "no key for acme; type: export ACME_KEY=... (or mediasense keys set ACME_KEY)"
    assert str(caught.value) == told


def test_no_key_is_to_be_saved_where_saved_keys_are_not_looked_for(acme, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_KEYS", "off")
    with pytest.raises(MissingCredentials, match=r"type: export ACME_KEY=\.\.\.$"):
        reach(acme())


def test_the_key_of_any_base_url_is_never_to_be_saved(acme):
    with pytest.raises(MissingCredentials, match=r"type: export MEDIASENSE_API_KEY=\.\.\.$"):
        reach(acme(), api_key_env="MEDIASENSE_API_KEY")


def test_the_variable_of_another_base_url_is_no_key_for_the_own(acme, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_API_KEY", OTHER)
    with pytest.raises(MissingCredentials):
        reach(acme())


def test_a_provider_that_does_not_require_a_key_does_without(acme):
    provider = acme(credentials=Credentials(variables=("ACME_KEY",), required=False))
    assert reach(provider).key is None


def test_a_provider_whose_sdk_finds_credentials_itself_does_without(acme):
    provider = acme(credentials=Credentials(variables=("ACME_KEY",), ambient="gcloud's own"))
    assert reach(provider).key is None


def test_a_provider_that_needs_no_key_gets_none(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    assert reach(acme(credentials=None)).key is None


def test_a_provider_that_requires_a_key_and_names_no_variable_says_so(acme):
    with pytest.raises(MissingCredentials):
        reach(acme(credentials=Credentials()))


# --- credentials files ---------------------------------------------------------------------------


def test_a_credentials_file_is_found_by_its_variable(acme, monkeypatch, tmp_path):
    file = tmp_path / "account.json"
    file.write_text("{}")
    monkeypatch.setenv("ACME_FILE", str(file))
    connection = reach(acme(credentials=Credentials(file_variables=("ACME_FILE",))))
    assert (connection.credentials_file, connection.key, connection.source) == (
        file,
        None,
        "ACME_FILE",
    )


def test_a_credentials_file_that_the_user_names_wins(acme, monkeypatch, tmp_path):
    file = tmp_path / "account.json"
    file.write_text("{}")
    monkeypatch.setenv("ACME_KEY", KEY)
    connection = reach(acme(), credentials_file=str(file))
    assert (connection.credentials_file, connection.key) == (file, None)


def test_a_credentials_file_that_is_not_there_is_named_with_its_variable(acme, monkeypatch):
    monkeypatch.setenv("ACME_FILE", "/nowhere/account.json")
    provider = acme(credentials=Credentials(file_variables=("ACME_FILE",)))
    with pytest.raises(MissingCredentials, match=r"ACME_FILE names /nowhere/account.json"):
        reach(provider)


# --- another base URL ----------------------------------------------------------------------------


def test_the_own_key_does_not_go_to_another_base_url(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    with pytest.raises(MissingCredentials) as caught:
        reach(acme(), base_url=FOREIGN)
    assert "ACME_KEY is not sent to proxy.example" in str(caught.value)
    assert "--api-key-env ACME_KEY" in caught.value.hint
    assert KEY not in str(caught.value)


def test_another_base_url_without_any_key_says_which_to_name(acme):
    with pytest.raises(MissingCredentials, match=r"no key was named for proxy.example"):
        reach(acme(), base_url=FOREIGN)


def test_another_base_url_gets_the_key_that_the_user_names(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    assert reach(acme(), base_url=FOREIGN, api_key_env="ACME_KEY").key == KEY


def test_another_base_url_gets_the_key_that_is_for_any(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("MEDIASENSE_API_KEY", OTHER)
    connection = reach(acme(), base_url=FOREIGN)
    assert (connection.key, connection.source) == (OTHER, "MEDIASENSE_API_KEY")


def test_a_named_key_wins_over_the_one_for_any(acme, monkeypatch):
    monkeypatch.setenv("WORK_KEY", KEY)
    monkeypatch.setenv("MEDIASENSE_API_KEY", OTHER)
    assert reach(acme(), base_url=FOREIGN, api_key_env="WORK_KEY").key == KEY


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.acme.example/v2",
        "HTTPS://API.ACME.EXAMPLE/v1",
        "https://eu.acme.example/v1",
        "https://acme.example",
    ],
)
def test_the_own_key_goes_to_the_own_hosts(acme, monkeypatch, base_url):
    monkeypatch.setenv("ACME_KEY", KEY)
    assert reach(acme(hosts=("acme.example",)), base_url=base_url).key == KEY


@pytest.mark.parametrize(
    "base_url",
    [
        "https://notacme.example",
        "https://acme.example.evil.example",
        "https://api.acme.example.",
        "https://evil.example/api.acme.example",
        "https://acme.example:8443@evil.example",
        "http://api.acme.example/v1",
        r"https://evil.example\@api.acme.example",
        r"https://evil.example\.acme.example",
        "https://evil.example%2f.acme.example",
        "https://evil.example;.acme.example",
    ],
)
def test_the_own_key_does_not_go_to_a_host_that_looks_like_the_own(acme, monkeypatch, base_url):
    """The last ones: parsers of URLs do not agree on where the host ends."""
    monkeypatch.setenv("ACME_KEY", KEY)
    provider = acme(hosts=("acme.example",))
    try:
        connection = reach(provider, base_url=base_url, allow_http=True)
    except (MissingCredentials, UnsafeEndpoint):
        return
    dialled = urllib3.util.parse_url(connection.base_url).host or ""
    assert connection.key is None or is_own(dialled)


def is_own(host: str) -> bool:
    labels = host.lower().split(".")
    plain = set(string.ascii_lowercase + string.digits + "-_")
    return labels[-2:] == ["acme", "example"] and all(set(label) <= plain for label in labels)


HOSTS = st.from_regex(r"[a-z0-9.\\@:;%/?#\[\]_-]{1,30}", fullmatch=True)


@settings(max_examples=150, deadline=None)
@given(host=HOSTS, tail=st.sampled_from(["", ".acme.example", "acme.example", ":443", "/v1"]))
@example(host="api.acme.example", tail=".evil.example")
@example(host="evil.example\\", tail=".acme.example")
def test_no_host_but_the_own_ever_gets_the_own_key(host, tail):
    """The host is the one that the HTTP client dials, not the one that was checked."""
    provider = Provider(
        name="acme",
        description="d",
        base_url=OWN,
        hosts=("acme.example",),
        credentials=Credentials(variables=("ACME_KEY",)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACME_KEY", KEY)
        try:
            connection = reach(provider, base_url=f"https://{host}{tail}")
        except MediasenseError as error:
            told, connection = str(error), None
    if connection is None:
        assert KEY not in told
    elif connection.key is not None:
        assert is_own(urllib3.util.parse_url(connection.base_url).host or "")


def test_a_port_is_part_of_the_own_base_url(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    with pytest.raises(MissingCredentials):
        reach(acme(), base_url="https://api.acme.example:8443/v1")


# --- the provider for any base URL, and variables that name one -----------------------------------


def test_the_provider_for_any_base_url_sends_its_key_to_it(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    provider = acme(None, takes_any_base_url=True)
    assert reach(provider, base_url=FOREIGN).key == KEY


def test_the_provider_for_any_base_url_needs_one(acme):
    with pytest.raises(UsageError, match="no base URL of its own; give --base-url"):
        reach(acme(None, takes_any_base_url=True))


def test_a_variable_names_the_base_url(acme, monkeypatch):
    monkeypatch.setenv("ACME_URL", f"{FOREIGN}/")
    monkeypatch.setenv("ACME_KEY", KEY)
    provider = acme(None, base_url_variables=("ACME_URL",))
    assert reach(provider).base_url == FOREIGN


def test_a_missing_base_url_says_which_variable_names_it(acme):
    with pytest.raises(UsageError, match="give --base-url or ACME_URL"):
        reach(acme(None, base_url_variables=("ACME_URL",)))


def test_the_base_url_that_the_user_gives_wins_over_the_variable(acme, monkeypatch):
    monkeypatch.setenv("ACME_URL", "https://elsewhere.example")
    provider = acme(None, base_url_variables=("ACME_URL",), credentials=None)
    assert reach(provider, base_url=FOREIGN).base_url == FOREIGN


def test_the_own_key_does_not_follow_a_variable_to_another_host(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("ACME_URL", FOREIGN)
    with pytest.raises(MissingCredentials):
        reach(acme(base_url_variables=("ACME_URL",)))


def test_a_bad_base_url_in_a_variable_is_named_by_the_variable(acme, monkeypatch):
    monkeypatch.setenv("ACME_URL", "ftp://x")
    with pytest.raises(UnsafeEndpoint, match="ACME_URL is not an http or https URL"):
        reach(acme(None, base_url_variables=("ACME_URL",)))


def test_a_provider_without_any_base_url_has_an_empty_one(acme):
    assert reach(acme(None, credentials=None)).base_url == ""


# --- safe addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_this_machine_needs_neither_key_nor_encryption(acme, host):
    connection = reach(acme(), base_url=f"http://{host}:8080/v1")
    assert (connection.key, connection.base_url) == (None, f"http://{host}:8080/v1")


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "192.168.1.2",
        "0.0.0.0",
        "localhost.example.org",
        "api.localhost",
        r"evil.example\.localhost",
        "127.0.0.1.example.org",
    ],
)
def test_plain_http_to_another_machine_is_refused(acme, host):
    with pytest.raises(UnsafeEndpoint):
        reach(acme(), base_url=f"http://{host}/v1")


def test_the_refusal_of_plain_http_says_how_to_allow_it(acme):
    with pytest.raises(UnsafeEndpoint, match=r"example.org:8080 would be reached.*--allow-http"):
        reach(acme(), base_url="http://example.org:8080/v1")


def test_plain_http_to_another_machine_can_be_allowed(acme, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_API_KEY", OTHER)
    connection = reach(acme(), base_url="http://10.0.0.7/v1", allow_http=True)
    assert (connection.base_url, connection.key) == ("http://10.0.0.7/v1", OTHER)


def test_another_machine_needs_a_key_even_where_http_is_allowed(acme):
    with pytest.raises(MissingCredentials):
        reach(acme(), base_url="http://10.0.0.7/v1", allow_http=True)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user@proxy.example/v1",
        "https://user:pass@proxy.example/v1",
        "https://:@proxy.example/v1",
        "https://proxy.example/v1?key=1",
        "https://proxy.example/v1#part",
        "https://proxy.example/v1?",
        "https://proxy.example/v1#",
        "https://proxy.example/a b",
        "https://proxy.example/v1\n",
        "https://proxy.example/v1\x01",
        "\x01https://proxy.example/v1",
        "https://próxy.example/v1",
        r"https://proxy.example\v1",
        "https://proxy.example:port/v1",
        "https://proxy.example:99999/v1",
        "https://[::1/v1",
        "https:///v1",
        "proxy.example/v1",
        "ftp://proxy.example/v1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_base_url_that_is_more_than_an_address_is_refused(acme, monkeypatch, base_url):
    monkeypatch.setenv("MEDIASENSE_API_KEY", OTHER)
    with pytest.raises(UnsafeEndpoint) as caught:
        reach(acme(), base_url=base_url)
    assert caught.value.hint


def test_a_password_in_a_base_url_is_not_shown(acme):
    with pytest.raises(UnsafeEndpoint) as caught:
        reach(acme(), base_url="https://user:hunter2@proxy.example/v1")
    assert "hunter2" not in str(caught.value)


def test_a_trailing_slash_is_cut(acme):
    assert reach(acme(credentials=None), base_url=f"{FOREIGN}//").base_url == FOREIGN


@pytest.mark.parametrize(
    ("host", "expected"),
    [("::1", True), ("127.1.2.3", True), ("::ffff:8.8.8.8", False), ("2130706433", False)],
)
def test_this_machine_is_told_by_its_address(host, expected):
    assert is_loopback(host) is expected


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["sk-one\nX-Evil: 1", "sk-\N{EURO SIGN}one", "sk-one two", "sk\tone"]
)
def test_a_key_with_characters_that_no_key_has_is_refused_unseen(acme, monkeypatch, key):
    monkeypatch.setenv("ACME_KEY", key)
    with pytest.raises(MissingCredentials, match="ACME_KEY holds characters") as caught:
        reach(acme())
    assert "one" not in str(caught.value)


def test_no_repr_shows_the_key(acme, monkeypatch):
    monkeypatch.setenv("ACME_KEY", KEY)
    assert KEY not in repr(reach(acme()))
    assert KEY not in repr(find_credential(acme()))


def test_a_connection_carries_timeout_and_retries(acme):
    request = ModelsRequest(provider=acme(credentials=None), timeout=3.5, retries=1)
    assert (connect(request).timeout, connect(request).retries) == (3.5, 1)


def test_finding_credentials_finds_nothing_where_there_is_nothing(acme):
    assert find_credential(acme()) is None
    assert find_credential(acme(credentials=None)) is None


# --- one client for each connection ---------------------------------------------------------------


def connection_to(base_url: str, key: str | None = KEY) -> Connection:
    return Connection(provider="acme", base_url=base_url, key=key)


def test_32_threads_share_one_client():
    made = []
    barrier = threading.Barrier(32)

    @shared
    def client(connection: Connection) -> object:
        time.sleep(0.02)  # long enough for every thread to be waiting
        made.append(connection)
        return object()

    def ask(_: int) -> object:
        barrier.wait()
        return client(connection_to(OWN))

    with ThreadPoolExecutor(32) as pool:
        clients = set(pool.map(ask, range(32)))
    assert len(made) == len(clients) == 1


def test_another_base_url_or_key_is_another_client():
    @shared
    def client(connection: Connection) -> object:
        return object()

    connections = [connection_to(OWN), connection_to(FOREIGN), connection_to(OWN, key=OTHER)]
    assert len({client(connection) for connection in connections}) == 3


def test_a_client_that_could_not_be_made_is_tried_again():
    attempts = []

    @shared
    def client(connection: Connection) -> str:
        attempts.append(connection)
        if len(attempts) == 1:
            raise OSError("not yet")
        return "client"

    with pytest.raises(OSError, match="not yet"):
        client(connection_to(OWN))
    assert client(connection_to(OWN)) == "client"


def test_a_header_that_cannot_be_is_refused_without_its_value(acme):
    """A rule that reads it from a file may leave the line's end on it."""
    request = ModelsRequest(
        provider=acme(credentials=None), headers=(("X-House", "house-secret\n"),)
    )
    with pytest.raises(UsageError, match="'X-House'") as told:
        connect(request)
    assert "house-secret" not in str(told.value)
