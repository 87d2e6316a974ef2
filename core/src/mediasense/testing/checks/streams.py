"""Answers that arrive piece by piece."""

from __future__ import annotations

from dataclasses import replace

from mediasense.errors import ProviderError
from mediasense.testing.registry import NotDeclared, Unproved, check, require
from mediasense.testing.subject import Kind, Subject, is_known, said, told
from mediasense.testing.wire import Call, Reply


@check("streaming")
def check_a_stream_arrives_in_pieces(subject: Subject) -> None:
    """The pieces arrive as they are sent, and joined they are the answer, whole and once."""
    for kind in streaming(subject):
        outcome = subject.stream(subject.request(kind))
        answer = subject.answered(f"{kind}, streamed", outcome)
        require(
            len(outcome.pieces) >= 2,
            f"{kind}: streaming is declared; the service sent {len(said().pieces)} pieces, and "
            f"on_text was called {len(outcome.pieces)} times",
        )
        joined = "".join(outcome.pieces)
        require(
            joined == said().text,
            f"{kind}: the service sent {said().text!r} in pieces; on_text was told {joined!r}",
        )
        require(
            answer.text == said().text,
            f"{kind}: the pieces were right, and Answer.text is {answer.text!r}: return the whole "
            "answer also when it was streamed",
        )


@check("streaming")
def check_a_streamed_answer_is_as_complete_as_another(subject: Subject) -> None:
    """A streamed answer has the model and the usage that the service tells."""
    for kind in streaming(subject):
        answer = subject.answered(f"{kind}, streamed", subject.stream(subject.request(kind)))
        require(
            answer.model == said().model,
            f"{kind}, streamed: the service says {said().model!r} has answered, and Answer.model "
            f"is {answer.model!r}",
        )
        for name in subject.service.usage_fields:
            wanted, found = getattr(said().usage, name), getattr(answer.usage, name, None)
            require(
                found == wanted,
                f"{kind}, streamed: the service counted {name}={wanted}, and Answer.usage says "
                f"{found}",
            )


@check("streaming")
def check_a_stream_that_breaks_off_is_an_error(subject: Subject) -> None:
    """A stream whose connection ends in the middle is an error, and no short answer."""
    service = subject.service
    for kind in streaming(subject):
        subject.wire.answer = lambda call: _cut(service.answer(call, said()))
        outcome = subject.stream(subject.request(kind))
        if not any(_streamed(subject, call) for call in outcome.calls):
            raise Unproved(f"{kind}: its service's script answers with no stream")
        require(
            isinstance(outcome.error, ProviderError),
            f"{kind}: the connection ended in the middle of a stream, and that was "
            f"{told(outcome.error) if outcome.error else 'taken for the whole answer'}",
        )


@check("listeners")
def check_listeners_get_the_answer_once(subject: Subject) -> None:
    """Whoever listens hears the whole answer exactly once, also where nothing is streamed."""
    for kind in subject.files("image", "video", "transcript"):
        media = subject.media(kind)
        assert media.path is not None
        prompt = subject.question().prompt if kind != "transcript" else None
        question = subject.question(prompt=prompt, model=subject.named_model(kind))
        outcome = subject.analyze((media.path,), question, listen=True)
        require(
            outcome.error is None or is_known(outcome.error),
            f"{kind}: it failed with a listener: {outcome.error}",
        )
        heard = "".join(outcome.pieces).strip()
        require(
            heard.count(said().text) == 1 if outcome.error is None else True,
            f"{kind}: a listener heard {heard!r}, and the answer is {said().text!r}",
        )


def streaming(subject: Subject) -> tuple[Kind, ...]:
    """The kinds that are streamed.

    Raises:
        NotDeclared: None is.
    """
    found = tuple(
        kind
        for kind in subject.declared()
        if kind != "transcript" and (limits := subject.limits(kind)) and limits.streaming
    )
    if not found:
        raise NotDeclared("it does not declare streaming")
    return found


def _streamed(subject: Subject, call: Call) -> bool:
    return len(subject.service.answer(call, said()).pieces) > 1


def _cut(reply: Reply) -> Reply:
    if len(reply.pieces) < 2:
        return reply
    return replace(reply, pieces=reply.pieces[: len(reply.pieces) // 2], broken=True)
