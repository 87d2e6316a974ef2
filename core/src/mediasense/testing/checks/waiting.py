"""A service that is slow, a user who has heard enough, and calls that are worth another try."""

from __future__ import annotations

import time
from dataclasses import replace

from mediasense.errors import ProviderError, Timeout
from mediasense.testing.checks.streams import streaming
from mediasense.testing.registry import Unproved, check, require
from mediasense.testing.subject import Outcome, Subject, said, told
from mediasense.testing.wire import Call, Reply

_TIMEOUT, _PATIENCE, _NEVER = 0.15, 3.0, 30.0
_PAUSE, _MANY = 0.01, 500


class _EnoughError(Exception):
    """What a listener raises that has heard enough."""


@check("timeouts")
def check_a_service_that_does_not_answer_is_a_timeout(subject: Subject) -> None:
    """A service that says nothing is given up when the timeout of the request is over."""
    for kind in subject.declared():
        subject.wire.answer = lambda _: Reply(delay=_NEVER)
        outcome = subject.call(subject.request(kind, timeout=_TIMEOUT))
        _require_timeout(kind, outcome, "a service that does not answer")


@check("timeouts")
def check_an_answer_that_stops_in_the_middle_is_given_up(subject: Subject) -> None:
    """A service that stops in the middle of an answer is given up as well."""
    kind = subject.declared()[0]
    subject.wire.answer = lambda call: _stopping(subject.service.answer(call, said()))
    outcome = subject.call(subject.request(kind, timeout=_TIMEOUT))
    require(
        isinstance(outcome.error, ProviderError) and outcome.seconds < _PATIENCE,
        f"{kind}: a service that stops in the middle of its answer gave "
        f"{told(outcome.error) if outcome.error else 'an answer'} after {outcome.seconds:.1f} s, "
        f"with a timeout of {_TIMEOUT} s: give request.timeout to the SDK, for each read",
    )


@check("retries")
def check_retries_are_as_many_as_asked(subject: Subject) -> None:
    """With retries=0 a failing service is asked once, with retries=1 twice."""
    kind = subject.declared()[0]
    for retries in (0, 1):
        asked = 0

        def answer(call: Call) -> Reply:
            nonlocal asked
            reply = subject.service.failure(call, 503)
            if reply.status != 503:
                return reply
            asked += 1
            return replace(reply, headers=(("Retry-After", "0"), ("retry-after-ms", "1")))

        subject.wire.answer = answer
        outcome = subject.call(subject.request(kind, retries=retries))
        require(
            isinstance(outcome.error, ProviderError),
            f"{kind}: a 503 gave {told(outcome.error) if outcome.error else 'an answer'}",
        )
        require(
            asked == retries + 1,
            f"{kind}: with retries={retries} a service that answers 503 was asked {asked} times, "
            f"and not {retries + 1}: give request.retries to the SDK",
        )


@check("cancellation")
def check_what_a_listener_raises_comes_out(subject: Subject) -> None:
    """An exception of on_text ends the call, and comes out as it is."""
    for kind in streaming(subject):
        outcome = subject.call(subject.request(kind), _enough)
        require(
            isinstance(outcome.error, _EnoughError),
            f"{kind}: a listener raised, and what came out is "
            f"{told(outcome.error) if outcome.error else 'an answer'}: let it pass",
        )


@check("cancellation")
def check_a_cancelled_stream_is_closed(subject: Subject) -> None:
    """When a listener raises, the connection is closed, and the next call works."""
    kind = streaming(subject)[0]
    pieces = tuple(f"word {number} " for number in range(_MANY))
    words = said(text="".join(pieces), pieces=pieces)
    subject.wire.answer = lambda call: replace(subject.service.answer(call, words), pause=_PAUSE)
    outcome = subject.call(subject.request(kind), _enough)
    if not any(len(subject.service.answer(call, words).pieces) > 1 for call in outcome.calls):
        raise Unproved(f"{kind}: its service's script answers with no stream")
    require(
        outcome.seconds < _PAUSE * _MANY / 2,
        f"{kind}: a listener raised at the first piece, and the call went on for "
        f"{outcome.seconds:.1f} s: do not read the rest",
    )
    deadline = time.monotonic() + _PAUSE * _MANY / 2
    while not subject.wire.left and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    require(
        subject.wire.left,
        f"{kind}: a listener raised, and the connection stayed open: close the stream in a "
        "`with` block or in `finally`",
    )
    subject.says(said())
    subject.answered(f"{kind}, after a cancelled one", subject.stream(subject.request(kind)))


def _enough(_: str) -> None:
    raise _EnoughError("heard enough")


def _stopping(reply: Reply) -> Reply:
    if not reply.body:
        return replace(reply, pause=_NEVER)
    half = len(reply.body) // 2
    return replace(reply, pieces=(reply.body[:half], reply.body[half:]), pause=_NEVER)


def _require_timeout(kind: str, outcome: Outcome, what: str) -> None:
    require(
        isinstance(outcome.error, Timeout),
        f"{kind}: {what} gave {told(outcome.error) if outcome.error else 'an answer'}, and not "
        "Timeout",
    )
    require(
        outcome.seconds < _PATIENCE,
        f"{kind}: {what} was given up after {outcome.seconds:.1f} s, with a timeout of "
        f"{_TIMEOUT} s: give request.timeout to the SDK",
    )
