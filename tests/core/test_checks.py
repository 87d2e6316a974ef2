"""Ask providers for real: each outcome, against a server on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from werkzeug import Response

from mediasense import (
    Access,
    Credentials,
    InvalidAnswer,
    Model,
    ProviderError,
    Timeout,
    UsageError,
    get_json,
)
from mediasense.checks import Check, check, check_providers
from mediasense.types import Question

PATIENCE = Question(timeout=5, retries=0)


def list_models(request):
    return tuple(Model(name=name) for name in get_json(request, "/models"))


@pytest.fixture
def keyed(acme, monkeypatch):
    """Make a provider whose key is set."""
    monkeypatch.setenv("ACME_KEY", "sk-acme-0123456789")

    def make(base_url: str, **changes):
        return acme(base_url, **changes)

    return make


@pytest.fixture
def outcome(dispatcher):
    """Check one provider."""

    def run(provider, question: Question = PATIENCE, **hooks) -> Check:
        one = dispatcher(provider, **{"list_models": list_models, **hooks})
        return check(one, provider, question)

    return run


def test_a_provider_that_lists_its_default_model_is_ready(keyed, outcome, httpserver):
    httpserver.expect_request("/models").respond_with_json(["acme-ear", "acme-eye"])
    found = outcome(keyed(httpserver.url_for("")))
    assert (found.provider, found.status, found.detail) == ("acme", "ready", "")
    assert 0 < found.seconds < 5


@pytest.mark.parametrize("listed", ["models/acme-eye", "acme-eye:latest", "org/acme-eye"])
def test_a_model_may_be_listed_with_its_place_or_tag(keyed, outcome, httpserver, listed):
    httpserver.expect_request("/models").respond_with_json([listed])
    assert outcome(keyed(httpserver.url_for(""))).status == "ready"


@pytest.mark.parametrize("listed", ["acme-eye-2", "my-acme-eye", "ACME-EYE", "acme-eye/x"])
def test_another_model_is_not_the_default_one(keyed, outcome, httpserver, listed):
    httpserver.expect_request("/models").respond_with_json([listed])
    found = outcome(keyed(httpserver.url_for("")))
    assert (found.status, found.detail) == ("unknown model", "acme-eye is not listed")


def test_without_a_default_model_any_listing_is_ready(keyed, outcome, httpserver):
    httpserver.expect_request("/models").respond_with_json(["any"])
    assert outcome(keyed(httpserver.url_for(""), default_model=None)).status == "ready"


def test_without_a_key_nothing_is_sent(acme, outcome, httpserver):
    found = outcome(acme(httpserver.url_for("")))
    assert found.status == "no credentials"
    assert httpserver.log == []


def test_a_server_that_needs_no_key_is_asked(acme, outcome, httpserver):
    httpserver.expect_request("/models").respond_with_json(["acme-eye"])
    rules = Credentials(variables=("ACME_KEY",), required=False)
    assert outcome(acme(httpserver.url_for(""), credentials=rules)).status == "ready"


def test_a_named_variable_that_is_not_set_is_told(acme, outcome):
    asked = Question(access=Access(api_key_env="WORK_KEY"))
    found = outcome(acme(), asked)
    assert (found.status, found.detail) == ("no credentials", "WORK_KEY is not set")


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_is_told(keyed, outcome, httpserver, status):
    httpserver.expect_request("/models").respond_with_data(status=status)
    found = outcome(keyed(httpserver.url_for("")))
    assert (found.status, found.detail) == ("unauthorised", f"acme answered {status}")


@pytest.mark.parametrize("status", [400, 429, 500, 503, 302])
def test_a_service_that_fails_is_told(keyed, outcome, httpserver, status):
    httpserver.expect_request("/models").respond_with_data(status=status)
    found = outcome(keyed(httpserver.url_for("")))
    assert (found.status, found.detail) == ("failed", f"acme answered {status}")


def test_a_listing_that_is_not_there_leaves_it_unchecked(keyed, outcome, httpserver):
    httpserver.expect_request("/models").respond_with_data(status=404)
    assert outcome(keyed(httpserver.url_for(""))).status == "unchecked"


def test_a_plugin_without_a_listing_leaves_it_unchecked(keyed, dispatcher, httpserver):
    provider = keyed(httpserver.url_for(""))
    found = check(dispatcher(provider), provider, PATIENCE)
    assert (found.status, found.detail) == ("unchecked", "acme has no listing of its models")


def test_a_server_that_is_not_there_is_unreachable(keyed, outcome):
    found = outcome(keyed("http://127.0.0.1:9"))
    assert (found.status, found.detail) == ("unreachable", "cannot connect to acme")


def test_a_server_that_breaks_off_is_unreachable(keyed, outcome, raw_server):
    assert outcome(keyed(raw_server(b"", reset=True).url)).status == "unreachable"


def test_a_server_that_does_not_answer_is_unreachable(keyed, outcome, raw_server):
    found = outcome(keyed(raw_server(delay=20).url), Question(timeout=0.2, retries=0))
    assert (found.status, found.detail) == ("unreachable", "acme did not answer in time")


def test_an_answer_that_is_none_is_told(keyed, outcome, httpserver):
    """It was reached: something else answers there."""
    httpserver.expect_request("/models").respond_with_data("<html>")
    found = outcome(keyed(httpserver.url_for("")))
    assert found.status == "failed"
    assert "not JSON" in found.detail


@pytest.mark.parametrize("error", [UsageError("no base URL"), ProviderError("no", status=418)])
def test_any_known_error_is_told(keyed, outcome, error):
    def failing(request):
        raise error

    found = outcome(keyed("http://127.0.0.1:9"), list_models=failing)
    assert found.status in ("failed", "unreachable")
    assert found.detail == error.message


@pytest.mark.parametrize("kind", [InvalidAnswer, Timeout])
def test_no_check_shows_the_key(keyed, outcome, kind, httpserver):
    httpserver.expect_request("/models").respond_with_data("sk-acme-0123456789", status=401)
    assert "sk-acme" not in repr(outcome(keyed(httpserver.url_for(""))))


# --- several at once ------------------------------------------------------------------------------


def test_all_are_asked_at_once_and_told_in_order(dispatcher, acme, raw_server):
    body = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n["acme-eye"]'
    providers = tuple(
        acme(raw_server(body, delay=0.5).url, name=name, credentials=None) for name in "bac"
    )
    started = time.perf_counter()
    found = check_providers(dispatcher(*providers, list_models=list_models), providers, PATIENCE)
    assert time.perf_counter() - started < 1.4
    assert [(c.provider, c.status) for c in found] == [(name, "ready") for name in "bac"]


def test_nobody_is_asked_where_there_is_nobody(dispatcher, acme):
    assert check_providers(dispatcher(acme()), (), PATIENCE) == ()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_of_one_plugin_leaves_the_others_checked(load, offers, acme, httpserver):
    from mediasense.dispatch import Dispatcher

    def buggy(request):
        raise KeyError("data")

    httpserver.expect_request("/models").respond_with_json(["acme-eye"])
    bad = acme("http://127.0.0.1:9", name="bad", credentials=None)
    good = acme(httpserver.url_for(""), name="good", credentials=None)
    one = Dispatcher(
        load(a=offers(bad, list_models=buggy), b=offers(good, list_models=list_models))
    )
    found = check_providers(one, (bad, good), PATIENCE)
    assert [c.status for c in found] == ["failed", "ready"]


def test_a_check_lasts_no_longer_than_its_patience(keyed, dispatcher, threaded_server):
    """A server that sends a byte now and then never lets a read time out."""

    def dripping(_) -> Response:
        def drops() -> Iterator[bytes]:
            for _ in range(20):
                time.sleep(0.1)
                yield b" "

        return Response(drops(), 200)

    threaded_server.expect_request("/models").respond_with_handler(dripping)
    provider = keyed(threaded_server.url_for(""))
    one = dispatcher(provider, list_models=list_models)
    started = time.perf_counter()
    check_providers(one, (provider,), Question(timeout=0.3, retries=0))
    assert time.perf_counter() - started < 1.5
