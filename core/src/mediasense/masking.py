"""What looks like a key, and how keys are kept out of what is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORT = 8
"""Characters; what has fewer may stand within words, and is masked where it stands alone."""
_TINY = 4
"""Characters; what has fewer, such as ``eu``, is no secret, and would blank half of a sentence."""

_KEY_BEGINS = re.compile(
    r"(?:bearer|basic|token)\s|(?:sk|pk|rk|gsk|hf|gh[opsu]|xox[abps]|glpat|nvapi|key)[-_]|AIza|AKIA|eyJ",
    re.IGNORECASE,
)
_KEY_WHOLE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.-]{20,}")
_KEY_NAME = re.compile(
    r"auth|key|token|secret|cookie|passw|credential|session|signature", re.IGNORECASE
)
_BETWEEN = re.compile(r"[\s;,=]+")


def looks_like_key(value: str) -> bool:
    """Whether a text could be a secret."""
    return bool(_KEY_BEGINS.match(value) or _KEY_WHOLE.fullmatch(value))


def secrets_in_header(name: str, value: str) -> tuple[str, ...]:
    """What of a header is not to be shown, judged by its name and its value.

    Args:
        name: Such as ``X-Api-Key``.
        value: Such as ``Bearer abc``, of which a service may repeat either word alone.

    Returns:
        The value and its longer parts; nothing where it is no credential.
    """
    if not (_KEY_NAME.search(name) or looks_like_key(value)):
        return ()
    return value, *(part for part in _BETWEEN.split(value) if len(part) >= _SHORT)


def masked(text: str, secrets: Iterable[str | None]) -> str:
    """A text with ``[key]`` in place of each secret.

    One of 8 characters or more is found anywhere, a shorter one where it stands alone; one of less
    than 4 is none.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, "[key]")
        elif len(secret) >= _TINY:
            text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", "[key]", text)
    return text
