"""The list of models is the service's own."""

from __future__ import annotations

from mediasense.errors import AuthenticationError, ProviderError, UnsupportedModality
from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.subject import Outcome, Subject, said, told
from mediasense.types import Model


@check("models listed")
def check_models_are_those_of_the_service(subject: Subject) -> None:
    """list_models gives the models that the service lists, in its order."""
    outcome = _listed(subject)
    if outcome.error is not None:
        raise AssertionError(f"list_models failed: {told(outcome.error)}") from outcome.error
    found = outcome.value
    require(
        isinstance(found, tuple) and all(isinstance(model, Model) for model in found),
        f"list_models returned {found!r:.100}, and not a tuple of Model",
    )
    names = tuple(model.name for model in found)
    require(
        names == said().models,
        f"the service lists {said().models}, and list_models gives {names}",
    )


@check("models listed")
def check_a_refused_listing_is_an_error(subject: Subject) -> None:
    """A service that refuses the key, or answers with no list, gives a ProviderError."""
    _listed(subject)
    subject.fails(401)
    error = subject.call(subject.models_request()).error
    require(
        type(error) is AuthenticationError,
        f"list_models: a 401 gave {told(error) if error else 'a list'}, and not "
        "AuthenticationError: `mediasense providers --check` tells by it whether a key is good",
    )
    for body in (b"", b"<html></html>", b"[", b"{}", b"null", b"7", b'"canary"'):
        subject.fails_with(body)
        outcome = subject.call(subject.models_request())
        require(
            isinstance(outcome.error, ProviderError),
            f"list_models: the answer {body!r} gave "
            f"{told(outcome.error) if outcome.error else repr(outcome.value)}: raise InvalidAnswer",
        )


def _listed(subject: Subject) -> Outcome:
    outcome = subject.call(subject.models_request())
    if isinstance(outcome.error, UnsupportedModality) and not outcome.calls:
        raise NotDeclared(outcome.error.message)
    return outcome
