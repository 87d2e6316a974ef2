"""Ask providers for real whether they can be used."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

from mediasense.connection import find_credential
from mediasense.dispatch import Dispatcher
from mediasense.errors import (
    AuthenticationError,
    ConnectionFailed,
    MediasenseError,
    MissingCredentials,
    Timeout,
    UnknownModel,
    UnsupportedModality,
)
from mediasense.providers import AudioLimits, Provider
from mediasense.types import Question

_GRACE_SECONDS = 1.0

Status = Literal[
    "ready", "no credentials", "unauthorised", "unknown model", "unreachable", "failed", "unchecked"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of asking one provider.

    Attributes:
        provider: Its name.
        status: In a word or two. ``ready``: reached, credentials not refused, default
            model listed. Some services list their models to anybody.
        detail: What is wrong, or ``""``.
        seconds: How long it took.
    """

    provider: str
    status: Status
    detail: str
    seconds: float


def check_providers(
    dispatcher: Dispatcher, providers: tuple[Provider, ...], question: Question
) -> tuple[Check, ...]:
    """Ask every provider for its models, all at once.

    Args:
        dispatcher: Whose plugins to ask.
        providers: Whom to ask.
        question: How to reach them; its timeout bounds the whole.
    """
    started = time.perf_counter()
    found: dict[str, Check] = {}

    def run(provider: Provider) -> None:
        found[provider.name] = check(dispatcher, provider, question)

    # Daemons: Ctrl-C does not wait for services that do not answer.
    threads = [threading.Thread(target=run, args=(p,), daemon=True) for p in providers]
    for thread in threads:
        thread.start()
    deadline = started + question.timeout + _GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.perf_counter()))
    return tuple(
        found.get(p.name) or _too_slow(p, time.perf_counter() - started) for p in providers
    )


def _too_slow(provider: Provider, seconds: float) -> Check:
    return Check(
        provider=provider.name,
        status="unreachable",
        detail=f"no whole answer in {seconds:.0f} s",
        seconds=seconds,
    )


def check(dispatcher: Dispatcher, provider: Provider, question: Question) -> Check:
    """Ask one provider for its models, and look for its default model among them."""
    started = time.perf_counter()
    status: Status = "ready"
    detail = ""
    try:
        if _needs_key(provider) and find_credential(provider, question.access) is None:
            status = "no credentials"
        else:
            names = {
                model.name for model in dispatcher.models(replace(question, provider=provider.name))
            }
            if provider.default_model is not None and not _lists(names, provider.default_model):
                status, detail = "unknown model", f"{provider.default_model} is not listed"
    except MissingCredentials as error:
        status, detail = "no credentials", error.message
    except AuthenticationError as error:
        status, detail = "unauthorised", error.message
    except (UnsupportedModality, UnknownModel) as error:
        # Reached, and let in as far as can be told; it only has no listing.
        status, detail = "unchecked", error.message
    except MediasenseError as error:
        unreachable = isinstance(error, Timeout | ConnectionFailed)
        status, detail = "unreachable" if unreachable else "failed", error.message
    except Exception as error:  # noqa: BLE001  one plugin's bug must not hide the others' state
        status, detail = "failed", f"{type(error).__name__} in its plugin"
    return Check(
        provider=provider.name,
        status=status,
        detail=detail,
        seconds=time.perf_counter() - started,
    )


def ask_once(dispatcher: Dispatcher, provider: Provider, question: Question) -> Check:
    """Ask one provider one tiny question, which may cost a fraction of a cent.

    It is one word, or a green square, or half a second of sound, whichever comes first of what the
    provider takes; ``unchecked`` where it takes none of them.

    Args:
        dispatcher: Whose plugins to ask.
        provider: Whom to ask.
        question: How to reach it; its model is asked.
    """
    from mediasense.hooks import Hooks
    from mediasense.trying.asking import Asking
    from mediasense.trying.attempts import try_least
    from mediasense.trying.records import Trial

    started = time.perf_counter()
    trial = Trial(
        access=question.access,
        model=question.model or _usual_model(provider),
        timeout=question.timeout,
        retries=question.retries,
    )
    asking = Asking(Hooks(dispatcher.plugins), provider, trial)
    status: Status = "ready"
    detail = ""
    try:
        if not try_least(asking):
            status, detail = "unchecked", "it takes neither text nor images nor sound"
        elif asking.failures:
            status, detail = _outcome(asking.failures[0])
    except MediasenseError as error:
        status, detail = _outcome(error)
    return Check(
        provider=provider.name,
        status=status,
        detail=detail,
        seconds=time.perf_counter() - started,
    )


def _usual_model(provider: Provider) -> str | None:
    """The model that answers the question, of those that the provider's plugin names."""
    asked = provider.text or provider.image or provider.audio
    if isinstance(asked, AudioLimits) and not asked.transcribes and asked.answer_model:
        return asked.answer_model
    return (asked.default_model if asked else None) or provider.default_model


def _outcome(error: MediasenseError) -> tuple[Status, str]:
    if isinstance(error, MissingCredentials):
        return "no credentials", error.message
    if isinstance(error, AuthenticationError):
        return "unauthorised", error.message
    if isinstance(error, UnknownModel):
        return "unknown model", error.message
    unreachable = isinstance(error, Timeout | ConnectionFailed)
    return "unreachable" if unreachable else "failed", error.message


def _needs_key(provider: Provider) -> bool:
    rules = provider.credentials
    return rules is not None and rules.required and not rules.ambient


def _lists(names: set[str], model: str) -> bool:
    # Some services list "models/NAME" or "NAME:tag" for what is asked as NAME.
    return any(
        name == model or name.endswith(f"/{model}") or name.partition(":")[0] == model
        for name in names
    )
