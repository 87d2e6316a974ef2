"""Many threads at once: every answer belongs to its question."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mediasense.testing.registry import check, require
from mediasense.testing.subject import Kind, Subject, said, told
from mediasense.testing.wire import Call, Reply
from mediasense.types import Answer, Request

_THREADS, _EACH = 8, 5
_SLOW_SECONDS = 0.003
_SWITCH_SECONDS = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request of many, and how it is recognised."""

    request: Request
    mark: bytes
    answer: str


@check("threads")
def check_answers_belong_to_their_questions(subject: Subject) -> None:
    """Asked from eight threads at once, every question gets its own answer."""
    for kind in _kinds(subject):
        rows = [_asked(subject, kind, number) for number in range(_THREADS * _EACH)]
        subject.wire.answer = _echo(subject, rows)
        _run(kind, rows, subject.hooks.call)


@check("threads")
def check_pieces_belong_to_their_questions(subject: Subject) -> None:
    """Streamed to eight threads at once, every listener hears its own answer."""
    from mediasense.testing.checks.streams import streaming

    kind = streaming(subject)[0]
    rows = [_asked(subject, kind, number) for number in range(_THREADS * _EACH)]
    subject.wire.answer = _echo(subject, rows)

    def ask(request: Request) -> Answer:
        pieces: list[str] = []
        answer = subject.hooks.call(request, pieces.append)
        require(
            isinstance(answer, Answer) and "".join(pieces) == answer.text,
            f"{kind}: with several threads, a listener heard another answer than it was given",
        )
        return answer  # type: ignore[no-any-return]

    _run(kind, rows, ask)


def _kinds(subject: Subject) -> tuple[Kind, ...]:
    """One kind with a question, and transcripts, which go another way."""
    found = subject.declared()
    prompted = [kind for kind in found if subject.prompted(kind)][:1]
    return (*prompted, *(kind for kind in found if not subject.prompted(kind)))


def _asked(subject: Subject, kind: Kind, number: int) -> _Asked:
    answer = f"answer <{number}>"
    if subject.prompted(kind):
        prompt = f"canary question <{number}>"
        request = subject.request(kind, prompt=prompt)
        return _Asked(request=request, mark=prompt.encode(), answer=answer)
    media = subject.media(kind, variant=number % _THREADS)
    return _Asked(
        request=subject.request(kind, media),
        mark=media.read(),
        answer=f"answer <{number % _THREADS}>",
    )


def _echo(subject: Subject, rows: list[_Asked]) -> Callable[[Call], Reply]:
    """A service that answers each question with its number."""

    def answer(call: Call) -> Reply:
        found = next((row.answer for row in rows if call.holds(row.mark)), "no question")
        subject.wire.wait(_SLOW_SECONDS)
        half = len(found) // 2
        words = said(text=found, pieces=(found[:half], found[half:]))
        return subject.service.answer(call, words)

    return answer


def _run(kind: Kind, rows: list[_Asked], ask: Callable[[Request], Answer]) -> None:
    start = threading.Barrier(_THREADS)

    def several(number: int) -> None:
        start.wait()
        for row in rows[number * _EACH : (number + 1) * _EACH]:
            try:
                answer = ask(row.request)
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(
                    f"{kind}: with several threads it failed: {told(error)}"
                ) from error
            require(
                isinstance(answer, Answer) and answer.text == row.answer,
                f"{kind}: with several threads, a question got the answer to another one: "
                "keep nothing of a request in the module or in a shared client",
            )

    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            for done in [pool.submit(several, number) for number in range(_THREADS)]:
                done.result()
    finally:
        sys.setswitchinterval(before)
