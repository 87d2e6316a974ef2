"""An answer that is none: cut, broken or of another shape than the service promises."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mediasense.errors import ProviderError
from mediasense.testing.registry import NotDeclared, check, require
from mediasense.testing.subject import Kind, Outcome, Subject, said, told
from mediasense.testing.wire import Call, Reply
from mediasense.types import Answer

_INSTEAD: tuple[object, ...] = (None, [], {}, "canary", 7, True, [None])
_MOST_SHAPES = 150
_DEEP = 100_000

_BODIES: Mapping[str, bytes] = {
    "nothing at all": b"",
    "a page of HTML": b"<!doctype html><html><title>Welcome</title></html>",
    "an empty object": b"{}",
    "an empty list": b"[]",
    "null": b"null",
    "a number": b"7",
    "broken JSON": b'{"a": [1, 2',
    "JSON that is nested too deeply": b"[" * _DEEP,
    "no UTF-8": b"\xff\xfe\x00\xd8",
}


@check("broken answers")
def check_an_answer_that_is_none_is_an_error(subject: Subject) -> None:
    """An answer that is empty, a page, a list or broken JSON is a ProviderError."""
    for kind in subject.declared():
        for words, body in _BODIES.items():
            _last(subject, _holding(body))
            outcome = subject.call(subject.request(kind))
            require(
                isinstance(outcome.error, ProviderError),
                f"{kind}: the service answered 200 with {words}, and that gave "
                f"{_gave(outcome)}: raise InvalidAnswer",
            )


@check("broken answers")
def check_an_answer_that_is_cut_is_an_error(subject: Subject) -> None:
    """A connection that ends in the middle of the answer is a ProviderError."""
    for kind in subject.declared():
        _last(subject, lambda reply: replace(reply, broken=True))
        outcome = subject.call(subject.request(kind))
        require(
            isinstance(outcome.error, ProviderError),
            f"{kind}: the connection ended in the middle of the answer, and that gave "
            f"{_gave(outcome)}",
        )


@check("broken answers")
def check_an_answer_of_another_shape_never_breaks_the_plugin(subject: Subject) -> None:
    """Whatever field is missing or of another type: it is an answer, or a ProviderError."""
    for kind in subject.declared():
        for words, body in _shapes(_good(subject, kind)):
            _last(subject, _holding(body))
            with warnings.catch_warnings():
                # An SDK may warn of what it does not know; as errors such warnings are the tests'.
                warnings.simplefilter("ignore")
                outcome = subject.call(subject.request(kind))
            require(
                isinstance(outcome.error, ProviderError) or _is_whole(outcome.value),
                f"{kind}: {words} gave {_gave(outcome)}: raise InvalidAnswer",
            )


@check("broken answers")
def check_a_stream_of_another_shape_never_breaks_the_plugin(subject: Subject) -> None:
    """Events of a stream that are none give an answer or a ProviderError."""
    kinds = [
        kind
        for kind in subject.declared()
        if kind != "transcript" and (limits := subject.limits(kind)) and limits.streaming
    ]
    if not kinds:
        raise NotDeclared("it does not declare streaming")
    for kind in kinds:
        for event in ("{}", "[]", "null", "7", '"canary"', "{", "", '{"error": "canary"}'):
            _last(subject, _beginning(event))
            outcome = subject.stream(subject.request(kind))
            require(
                isinstance(outcome.error, ProviderError) or _is_whole(outcome.value),
                f"{kind}: a stream that begins with the event {event!r} gave {_gave(outcome)}",
            )


def _last(subject: Subject, change: Callable[[Reply], Reply]) -> None:
    """Have the reply changed that carries the answer; those before, as of an upload, stay."""
    service, words = subject.service, said()

    def answer(call: Call) -> Reply:
        reply = service.answer(call, words)
        held = b"".join((reply.body, *reply.pieces))
        carries = words.pieces[0].strip().encode() in held
        return change(reply) if carries else reply

    subject.wire.answer = answer


def _holding(body: bytes) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=body, pieces=())


def _beginning(event: str) -> Callable[[Reply], Reply]:
    """A stream whose first event is another one; an answer that is whole stays as it is."""
    first = f"data: {event}\n\n".encode()
    return lambda reply: replace(reply, pieces=(first, *reply.pieces[1:])[: len(reply.pieces)])


def _good(subject: Subject, kind: Kind) -> object:
    """The answer of the service to this kind, parsed; ``None`` where it is no JSON."""
    found: list[bytes] = []

    def keep(reply: Reply) -> Reply:
        found.append(reply.body)
        return reply

    _last(subject, keep)
    subject.answered(kind, subject.call(subject.request(kind)))
    try:
        return json.loads(found[-1]) if found else None
    except ValueError:
        return None


def _shapes(good: object) -> Iterator[tuple[str, bytes]]:
    """The answer with each of its fields left out, and with other things in its place."""
    count = 0
    for path in _paths(good):
        where = ".".join(map(str, path))
        for instead in ("(left out)", *_INSTEAD):
            count += 1
            if count > _MOST_SHAPES:
                return
            changed = json.loads(json.dumps(good))
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            if instead == "(left out)":
                del parent[path[-1]]
                yield f"an answer without {where}", json.dumps(changed).encode()
            else:
                parent[path[-1]] = instead
                words = f"an answer whose {where} is {json.dumps(instead)}"
                yield words, json.dumps(changed).encode()


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """The ways to every field, those near the top first."""
    level: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while level:
        following: list[tuple[tuple[Any, ...], Any]] = []
        for path, item in level:
            named = item.items() if isinstance(item, dict) else ()
            counted = enumerate(item) if isinstance(item, list) else ()
            following += [((*path, name), child) for name, child in (*named, *counted)]
        yield from (path for path, _ in following)
        level = following


def _is_whole(value: object) -> bool:
    return (
        isinstance(value, Answer) and isinstance(value.text, str) and isinstance(value.model, str)
    )


def _gave(outcome: Outcome) -> str:
    if outcome.error is not None:
        return told(outcome.error)[:300]
    if isinstance(outcome.value, Answer) and _is_whole(outcome.value):
        return f"the answer {outcome.value.text!r:.100}"
    return f"{outcome.value!r:.200}"
