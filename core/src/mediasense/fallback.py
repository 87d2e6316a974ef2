"""Who is asked instead, where a provider fails in a way that another one could cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mediasense.errors import (
    AuthenticationError,
    Forbidden,
    InvalidAnswer,
    MediaRejected,
    MediasenseError,
    MediaTooLarge,
    MissingCredentials,
    PluginError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    Timeout,
    UnknownModel,
    UnsafeEndpoint,
    UnsupportedMedia,
    UnsupportedModality,
    UsageError,
)
from mediasense.providers import Access
from mediasense.types import Question

_CURABLE = (
    AuthenticationError,
    Forbidden,
    InvalidAnswer,
    MediaRejected,
    MediaTooLarge,
    MissingCredentials,
    ProviderUnavailable,
    RateLimited,
    Timeout,
    UnknownModel,
    UnsupportedMedia,
    UnsupportedModality,
)
_OWN = (PluginError, RequestRejected, UnsafeEndpoint, UsageError)
PAYMENT_REQUIRED = 402


def curable(error: MediasenseError) -> bool:
    """Whether another provider could do what one could not.

    Not: a question that is wrong, a file that is damaged or gone, a limit of cost, a plugin that is
    broken; nor a refusal of the model, which is an answer about what it was shown.
    """
    if isinstance(error, _CURABLE):
        return True
    return isinstance(error, ProviderError) and error.status == PAYMENT_REQUIRED


def goes_on(error: MediasenseError, *, standing_in: bool) -> bool:
    """Whether the next one is asked after a failure.

    Args:
        error: What happened.
        standing_in: To somebody who stood in: an option that it does not honour, or that it does
            not like the request, says nothing of the question.
    """
    return curable(error) or (standing_in and isinstance(error, _OWN))


def variants(question: Question) -> tuple[Question, ...]:
    """The question to its provider, and then to each that may stand in, in order."""
    if not question.fallback:
        return (question,)
    instead = [
        replace(
            question,
            provider=other.provider,
            model=other.model,
            # An address and a key are one provider's own, and so is a model.
            access=Access(allow_http=question.access.allow_http),
            audio_model=question.audio_model if question.audio_provider is not None else None,
            fallback=(),
        )
        for other in question.fallback
    ]
    return (replace(question, fallback=()), *instead)


def all_failed(errors: Sequence[MediasenseError], names: Sequence[str]) -> MediasenseError:
    """The first failure, which also says what became of the others.

    Args:
        errors: Of those who were asked, in order.
        names: Of those who could be asked; the last of them may not have been.
    """
    first = errors[0]
    if len(errors) == 1:
        return first
    told = [
        f"{name}: {error.message}"
        for name, error in zip(names[1:], errors[1:], strict=False)
        if error.message != first.message
    ]
    whole = _copied(first)
    whole.others = tuple(errors[1:])
    if told:
        whole.message = f"{first.message}; instead of it {'; '.join(told)}"
        whole.args = (f"{whole.message}; {first.hint}" if first.hint else whole.message,)
    return whole


def _copied(error: MediasenseError) -> MediasenseError:
    """A copy that can be changed; it is not made anew, for plugins' errors take any arguments."""
    copied = type(error).__new__(type(error))
    copied.__dict__.update(error.__dict__)
    copied.args = error.args
    copied.__cause__ = error.__cause__
    return copied.with_traceback(error.__traceback__)
