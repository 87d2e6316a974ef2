"""Who is asked instead, where a provider fails in a way that another one could cure."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from mediasense.errors import (
    AuthenticationError,
    InvalidAnswer,
    MediaRejected,
    MediasenseError,
    MediaTooLarge,
    MissingCredentials,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Timeout,
    UnknownModel,
    UnsupportedMedia,
    UnsupportedModality,
)
from mediasense.providers import Access
from mediasense.types import Question

_CURABLE = (
    AuthenticationError,
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
PAYMENT_REQUIRED = 402


def curable(error: MediasenseError) -> bool:
    """Whether another provider could do what one could not.

    Not: a question that is wrong, a file that is damaged or gone, a limit of cost, a plugin that is
    broken; nor a refusal of the model, which is an answer about what it was shown.
    """
    if isinstance(error, _CURABLE):
        return True
    return isinstance(error, ProviderError) and error.status == PAYMENT_REQUIRED


def variants(question: Question) -> tuple[Question, ...]:
    """The question to its provider, and then to each that may stand in, in order."""
    instead = [
        replace(
            question,
            provider=other.provider,
            model=other.model,
            # An address and a key are one provider's own.
            access=Access(allow_http=question.access.allow_http),
            fallback=(),
        )
        for other in question.fallback
    ]
    return (replace(question, fallback=()), *instead)


def all_failed(errors: Sequence[MediasenseError], names: Sequence[str]) -> MediasenseError:
    """The first failure, which also says what became of the others."""
    if len(errors) == 1:
        return errors[0]
    first = copy.copy(errors[0])
    others = "; ".join(
        f"{name}: {error.message}" for name, error in zip(names[1:], errors[1:], strict=True)
    )
    first.message = f"{first.message}; instead of it {others}"
    first.others = tuple(errors[1:])
    first.args = (f"{first.message}; {first.hint}" if first.hint else first.message,)
    return first
