"""From the errors of the SDK, its transport and its login to those of mediasense, by class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from google.auth import exceptions as auth
from google.genai import errors

from mediasense import (
    AuthenticationError,
    Connection,
    ConnectionFailed,
    InvalidAnswer,
    MediasenseError,
    MissingCredentials,
    ProviderError,
    ProviderUnavailable,
    Timeout,
    error_for_status,
    error_text,
    one_line,
)

# Raised while an answer is taken apart that has not the shape of one.
_SHAPELESS = (
    ValueError,  # json.JSONDecodeError, pydantic.ValidationError, errors.UnknownApiResponseError
    AttributeError,
    LookupError,
    RecursionError,  # JSON that is nested too deeply
    TypeError,
    httpx2.DecodingError,
    httpx2.StreamError,
    errors.ContinuationInterruptedError,
)

_NEW_KEY = "make a new key for the service account, and check this machine's clock"
_LOGIN = (
    "type: export GOOGLE_APPLICATION_CREDENTIALS=FILE, or gcloud auth application-default login"
)


@contextmanager
def translated(connection: Connection, model: str | None) -> Iterator[None]:
    """Raise the errors of mediasense in place of the SDK's.

    The SDK's error is not kept as the cause: its text holds what the service said, uncut.

    Args:
        connection: Who was asked.
        model: The model that was asked for.
    """
    try:
        yield
    except Exception as error:
        translation = translate(error, connection, model)
        if translation is None:
            raise
        raise translation from None


def translate(
    error: Exception, connection: Connection, model: str | None
) -> MediasenseError | None:
    """The error of mediasense for one of the SDK; ``None`` for any other."""
    if isinstance(error, MediasenseError):
        return None
    name = connection.provider
    if isinstance(error, errors.APIError):
        return _of_status(error, connection, model)
    if isinstance(error, auth.GoogleAuthError):
        return _of_login(error, connection)
    if isinstance(error, httpx2.TimeoutException):
        return Timeout(f"{name} did not answer in time", hint="try again, or raise --timeout")
    if isinstance(error, httpx2.ConnectError):
        return ConnectionFailed(
            f"cannot connect to {name}", hint="check --base-url and the network"
        )
    if isinstance(error, _SHAPELESS):
        return InvalidAnswer(
            f"{name} answered with something that is not an answer ({type(error).__name__})",
            hint="check --base-url and --api-version",
        )
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.CookieConflict):
        return ConnectionFailed(
            f"the connection to {name} broke ({type(error).__name__})", hint="try again"
        )
    return None


def _of_status(error: errors.APIError, connection: Connection, model: str | None) -> ProviderError:
    said = one_line(error_text(error.details) or str(error.message or ""), *connection.secrets)
    # An error within a stream carries the code its sender wrote.
    code = error.code if isinstance(error.code, int) else 0
    if code < 300:
        return InvalidAnswer(
            f"{connection.provider} answered {code} without an answer", hint="check --base-url"
        )
    failure = error_for_status(
        code,
        said,
        provider=connection.provider,
        model=model,
        credential=connection.source,
        retry_after=_retry_after(error),
    )
    # Google answers 400 to a key it does not know, and names the reason beside it.
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in _details(error)):
        hint = f"check {connection.source or 'the key'} (mediasense providers --check)"
        return AuthenticationError(failure.message, hint=hint, status=code)
    return failure


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds to wait, from the header or, as Google does it, from the details."""
    header = (getattr(error.response, "headers", None) or {}).get("retry-after")
    told = [header, *(detail.get("retryDelay") for detail in _details(error))]
    return next((seconds for value in told if (seconds := _seconds(value)) is not None), None)


def _seconds(value: object) -> float | None:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def _details(error: errors.APIError) -> list[dict[str, object]]:
    """The machine-readable details of an error, whatever the service sent in their place."""
    body = error.details
    found = body.get("error") if isinstance(body, dict) else None
    rows = found.get("details") if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _of_login(error: auth.GoogleAuthError, connection: Connection) -> MediasenseError:
    name, file = connection.provider, connection.credentials_file
    source = str(file) if file else "the application default credentials"
    said = one_line(str(error.args[0]) if error.args else type(error).__name__)
    if isinstance(error, auth.TransportError | auth.TimeoutError | auth.ResponseError):
        return ConnectionFailed(
            f"{name}: no access token for {source}: the token endpoint cannot be reached",
            hint="check the network",
        )
    if isinstance(error, auth.DefaultCredentialsError):
        return MissingCredentials(f"{name}: {said}", hint=_LOGIN)
    if error.retryable:
        return ProviderUnavailable(
            f"{name}: no access token for {source}: {said}", hint="try again later"
        )
    return AuthenticationError(
        f"{name}: {source} was not accepted: {said}",
        hint=_NEW_KEY if file else "type: gcloud auth application-default login",
    )
