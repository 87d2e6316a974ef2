"""A failure of the service is the error that its status stands for, whatever its body holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mediasense.errors import ProviderError, RateLimited, RequestRejected, error_for_status
from mediasense.testing.registry import check, require
from mediasense.testing.subject import Kind, Outcome, Subject, told
from mediasense.testing.wire import Reply
from mediasense.types import Request

_STATUSES = (
    *(300, 301, 307, 400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 429),
    *(500, 502, 503, 504, 529),
)
_SOME = (400, 401, 404, 429, 500, 503)
_LONGEST_MESSAGE = 2000
_WAIT_SECONDS = 7
_HUGE = 256 << 10

_BODIES: Mapping[str, tuple[bytes, str]] = {
    "a page of HTML": (b"<html><body><h1>Bad gateway</h1></body></html>", "text/html"),
    "nothing": (b"", "application/json"),
    "256 KiB of text": (b"no " * (_HUGE // 3), "text/plain"),
    "broken JSON": (b'{"error": {"message": "it brea', "application/json"),
    "a list": (b'[{"error": [1, null]}]', "application/json"),
    "a number": (b"7", "application/json"),
    "no UTF-8": (b"\xff\xfe\x00\xd8", "application/json"),
}


@check("errors by status")
def check_every_status_is_its_error(subject: Subject) -> None:
    """Every status of failure is the error that the core has for it, with the status."""
    for kind in subject.declared():
        for status in _STATUSES:
            subject.fails(status)
            _require_error(subject, kind, subject.request(kind), status)


@check("errors by status")
def check_a_failure_is_its_error_whatever_its_body_holds(subject: Subject) -> None:
    """An error page, an empty body, a huge one or broken JSON change nothing."""
    kind = subject.declared()[0]
    for words, (body, content_type) in _BODIES.items():
        for status in _SOME:
            subject.fails(status, _with(body, content_type))
            _require_error(subject, kind, subject.request(kind), status, words)


@check("errors by status")
def check_a_rate_limit_tells_how_long_to_wait(subject: Subject) -> None:
    """Of a 429, the seconds of its Retry-After are told in retry_after."""
    kind = subject.declared()[0]
    subject.fails(429, _waiting)
    error = subject.call(subject.request(kind)).error
    require(isinstance(error, RateLimited), f"{kind}: a 429 gave {error!r}, and not RateLimited")
    assert isinstance(error, RateLimited)
    require(
        error.retry_after == _WAIT_SECONDS,
        f"{kind}: a 429 said Retry-After: {_WAIT_SECONDS}, and the error's retry_after is "
        f"{error.retry_after}",
    )


@check("errors by status")
def check_redirects_are_not_followed(subject: Subject) -> None:
    """A redirect is an error: it could carry the media, and the key, to another host."""
    kind = subject.declared()[0]
    _require_no_redirect(subject, kind, kind, subject.call)
    for kind in subject.declared():
        if getattr(subject.limits(kind), "streaming", False):
            _require_no_redirect(subject, kind, f"{kind}, streamed", subject.stream)


def _require_no_redirect(
    subject: Subject, kind: Kind, words: str, ask: Callable[[Request], Outcome]
) -> None:
    elsewhere = (("Location", f"{subject.wire.url}/canary-elsewhere"),)
    for status in (301, 302, 303, 307, 308):
        subject.fails(status, lambda reply: replace(reply, headers=elsewhere))
        outcome = ask(subject.request(kind))
        require(
            not any("canary-elsewhere" in call.path for call in outcome.calls),
            f"{words}: a redirect with {status} was followed; do not follow redirects",
        )
        require(
            type(outcome.error) is RequestRejected,
            f"{words}: a redirect with {status} gave {told(outcome.error)}, and not "
            "RequestRejected: do not let the SDK follow it",
        )


def _require_error(
    subject: Subject, kind: Kind, request: Request, status: int, words: str = ""
) -> None:
    outcome = subject.call(request)
    error = outcome.error
    where = f"{kind}: status {status}{f' with {words}' if words else ''}"
    require(error is not None, f"{where} was taken for an answer: {outcome.value!r:.200}")
    require(
        isinstance(error, ProviderError),
        f"{where} gave {told(error)[:300]}, and not a ProviderError: use error_for_status",
    )
    assert isinstance(error, ProviderError)
    wanted = type(error_for_status(status, f"the service says {status}", provider="acme"))
    require(
        type(error) is wanted,
        f"{where} is to be {wanted.__name__}, and is {told(error)[:300]}: use error_for_status",
    )
    require(
        error.status == status, f"{where}: the error's status is {error.status}, and not {status}"
    )
    message = str(error)
    require(
        len(message) <= _LONGEST_MESSAGE and "\n" not in message,
        f"{where}: the message has {len(message)} characters, or several lines: use one_line",
    )


def _with(body: bytes, content_type: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=body, content_type=content_type)


def _waiting(reply: Reply) -> Reply:
    kept = tuple(h for h in reply.headers if not h[0].lower().startswith("retry-after"))
    return replace(reply, headers=(*kept, ("Retry-After", str(_WAIT_SECONDS))))
