"""The request goes where the user says, with the headers that the house adds."""

from __future__ import annotations

from dataclasses import replace

from mediasense.endpoints import Endpoint
from mediasense.errors import MissingCredentials, UnsafeEndpoint
from mediasense.hooks import Hooks
from mediasense.providers import Access, Header
from mediasense.testing.environment import besides, variables_of, without
from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.service import KEY
from mediasense.testing.sources import load_with
from mediasense.testing.subject import MODALITY_OF, Subject, said, told

_ENDPOINT = "canary_endpoint"
_TOKEN = "CANARY_TOKEN"  # noqa: S105  the name of a variable
_MODEL = "canary-endpoint-model"
_HEADERS = (("X-Canary-Team", "blue-7c1d"), ("X-Canary-Trace", "af51"))
# An address for documentation, at which nobody is (RFC 5737).
_NOWHERE = "http://192.0.2.1:9"
_NOWHERE_SAFE = "https://192.0.2.1:9"


@check("headers of the house")
def check_extra_headers_arrive(subject: Subject) -> None:
    """Headers that a rule of the house adds to the request reach the service."""
    for kind in subject.declared():
        outcome = subject.call(subject.request(kind, headers=_HEADERS))
        subject.answered(f"{kind}, with extra headers", outcome)
        for name, value in _HEADERS:
            require(
                any(call.headers.get(name.lower()) == value for call in outcome.calls),
                f"{kind}: the header {name} of the request did not reach the service: send "
                "mediasense.connect(request).headers",
            )


@check("endpoints like it")
def check_an_endpoint_of_the_config_file_is_served(subject: Subject) -> None:
    """A server that the config file says is like this provider is asked in the same way."""
    if subject.access.base_url is None:
        raise NotDeclared("it takes no base URL")
    endpoint = Endpoint(
        name=_ENDPOINT,
        base_url=subject.wire.url,
        like=subject.provider.name,
        api_key_env=_TOKEN,
        headers=(Header(name="X-Canary-Route", value="eu-2"),),
        takes={MODALITY_OF[kind]: {} for kind in subject.declared()},
    )
    plugins = load_with(subject.source.named, endpoint).plugins
    if _ENDPOINT in plugins.broken:
        raise NotDeclared(plugins.broken[_ENDPOINT].message)
    hooks, provider = Hooks(plugins), plugins.providers[_ENDPOINT]
    for kind in subject.declared():
        request = subject.request(kind, provider=provider, access=Access(), model=_MODEL)
        with besides({_TOKEN: KEY}):
            outcome = subject.call(request, hooks=hooks)
        answer = subject.answered(f"{kind}, of an endpoint that is like it", outcome)
        require(
            answer.text.strip() == said().text and outcome.mentions(_MODEL),
            f"{kind}: an endpoint that is like it was asked otherwise: look tables up by "
            "request.provider.like or request.provider.name",
        )
        require(
            any(call.headers.get("x-canary-route") == "eu-2" for call in outcome.calls),
            f"{kind}: the header that the config file sets for an endpoint did not reach it: send "
            "mediasense.connect(request).headers",
        )


@check("safe addresses")
def check_plain_http_to_another_machine_is_refused(subject: Subject) -> None:
    """A base URL without encryption on another machine is refused before anything is sent."""
    for kind in subject.declared():
        access = replace(subject.access, base_url=_NOWHERE)
        outcome = subject.call(subject.request(kind, access=access, timeout=0.5))
        require(
            isinstance(outcome.error, UnsafeEndpoint),
            f"{kind}: {_NOWHERE} was not refused with UnsafeEndpoint, but gave "
            f"{told(outcome.error) if outcome.error else 'an answer'}: use mediasense.connect",
        )


@check("safe addresses")
def check_without_a_key_nothing_is_sent(subject: Subject) -> None:
    """A call that needs a key, and has none, is refused before anything is sent."""
    provider = subject.provider
    rules = provider.credentials
    if rules is None or not rules.required or rules.ambient:
        raise NotDeclared("it may be asked without a key")
    kind = subject.declared()[0]
    names = ("MEDIASENSE_API_KEY", *variables_of(provider))
    with without(names):
        request = subject.request(kind, access=Access(base_url=_NOWHERE_SAFE), timeout=0.5)
        outcome = subject.call(request)
    require(
        isinstance(outcome.error, MissingCredentials),
        f"{kind}: without any key it gave "
        f"{told(outcome.error) if outcome.error else 'an answer'}, and not MissingCredentials: "
        "use mediasense.connect",
    )
