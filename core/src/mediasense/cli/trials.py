"""Trying a provider for real before its key is kept: its list of models, and one tiny question.

The list alone proves nothing of a key: some services list their models to anybody.
"""

from typing import TYPE_CHECKING

from mediasense import runtime
from mediasense.cli.entering import agree
from mediasense.errors import (
    AuthenticationError,
    MediasenseError,
    MissingCredentials,
    ProviderError,
)
from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.checks import Check
    from mediasense.providers import Provider

TIMEOUT = 30.0
_UNLISTED = "unchecked"
_LISTED = ("ready", "unknown model")


def try_out(
    provider: "Provider", variable: str | None, *, interactive: bool
) -> MediasenseError | None:
    """Ask a provider for its models and, where a key is sent, one tiny question.

    Args:
        provider: Whom to ask.
        variable: The name under which a key was entered; ``None`` where none was.
        interactive: Whether there is somebody to ask whether to go on.

    Returns:
        The reason why it is of no use, or ``None``.
    """
    from mediasense.checks import ask_once, check
    from mediasense.types import Question

    name = provider.name
    question = Question(timeout=TIMEOUT, retries=0)
    say("note", f"{name} is asked for its models ...")
    listed = check(runtime.dispatcher(), provider, question)
    if listed.status not in (*_LISTED, _UNLISTED):
        return _judged(provider, listed, variable, interactive=interactive)
    if listed.status == _UNLISTED:
        say("note", f"{name} has no list of models that could be asked for")
    is_keyed = _is_keyed(provider)
    if variable is not None and not is_keyed:
        say("warning", f"{variable} was not tried: it is not sent to the address that {name} has")
    if listed.status in _LISTED and not is_keyed:
        return _judged(provider, listed, variable, interactive=interactive)
    say("note", f"{name} is asked one tiny question, which may cost a fraction of a cent ...")
    asked = ask_once(runtime.dispatcher(), provider, question)
    if asked.status == "ready" and is_keyed:
        say("note", f"{name} answered in {asked.seconds:.1f} s, and did not refuse the key")
        return None
    return _judged(provider, asked, variable, interactive=interactive)


def _is_keyed(provider: "Provider") -> bool:
    """Whether anything secret goes with a call."""
    from mediasense.connection import connect
    from mediasense.types import ModelsRequest

    rules = provider.credentials
    if rules is not None and rules.ambient:
        return True
    connection = connect(ModelsRequest(provider=provider, model=None))
    return connection.source is not None or bool(connection.hidden)


def _judged(
    provider: "Provider", found: "Check", variable: str | None, *, interactive: bool
) -> MediasenseError | None:
    name = provider.name
    match found.status:
        case "ready":
            say("note", f"{name} answered in {found.seconds:.1f} s")
            return None
        case "unknown model":
            say("warning", f"{name} answered, and {found.detail}; choose another with --model")
            return None
        case "unchecked":
            say("warning", f"{name} was not tried: {found.detail}")
            return None
        case "no credentials" if variable is None:
            return MissingCredentials(f"no key for {name}", hint=f"type: mediasense init -p {name}")
        case "no credentials":
            return MissingCredentials(
                found.detail or f"no key for {name}",
                hint="type: mediasense providers add NAME --base-url URL --api-key-env VARIABLE",
            )
        case "unauthorised":
            return AuthenticationError(
                found.detail or f"{name} refused the key", hint="check the key"
            )
    error = ProviderError(
        f"{name}: {found.detail or found.status}",
        hint="try again, or add --no-check to save it untried",
    )
    if interactive:
        say("error", str(error))
        if agree("keep it all the same?", default=False):
            return None
    return error
