"""An answer in the form that is wanted: asked for, checked, and asked for once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from mediasense import prompts
from mediasense.envelope import dumps
from mediasense.errors import (
    BudgetExceeded,
    InvalidAnswer,
    MediaRejected,
    RequestRejected,
    UnknownModel,
    one_line,
)
from mediasense.forms import Form
from mediasense.names import Action, OnText
from mediasense.planning.plans import Call
from mediasense.requests import make_request
from mediasense.schemas.answers import Reading
from mediasense.steps import Step
from mediasense.sums import tokens_of
from mediasense.types import Answer, Media, Question, Request, TextRequest

_TOLD_LETTERS = 4000
"""Of an answer that does not fit, so much is told when it is asked for once more."""
_OF_THE_REQUEST = (400, 404, 422)
"""What services answer to a schema that they cannot enforce; 404 where a plugin knows that it is
not the model that is missing."""


class Ask(Protocol):
    """Makes one call."""

    def __call__(self, request: Request, on_text: OnText | None, *, keep: bool = True) -> Answer:
        """Make it.

        Args:
            request: What to ask.
            on_text: Called with the pieces of the answer.
            keep: Whether the answer may be kept as that of a call, to be given again.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """An answer that fits.

    Attributes:
        answer: The answer that fits; its text is that of the data.
        data: What it says.
        others: The answers before it, which did not fit.
        steps: What was done besides asking once.
        warnings: What to know of it.
    """

    answer: Answer
    data: object
    others: tuple[Answer, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()


class Filler:
    """Has calls answered in a form.

    Args:
        form: What the answer must be.
        question: What is asked.
        ask: Makes one call.
        report: Told what is being done.
    """

    def __init__(
        self, form: Form, question: Question, *, ask: Ask, report: Callable[[str], None]
    ) -> None:
        self._form = form
        self._question = question
        self._ask = ask
        self._report = report

    def fill(self, call: Call, prompt: str | None, media: tuple[Media, ...] = ()) -> Filled:
        """Have one call answered.

        The answer is never shown in pieces, for it may have to be thrown away.

        Args:
            call: Whom to ask.
            prompt: What is asked.
            media: With what.

        Raises:
            InvalidAnswer: The second answer does not fit either, or the first was cut short.
            MediasenseError: Of the class that fits the failure.
        """
        request, answer, warnings = self._first(call, prompt, media)
        reading = self._form.read(answer.text)
        if not reading.misfits:
            return _filled(answer, reading, warnings)
        self._require_whole(call, answer)
        self._report("asking once more: the answer does not fit the schema")
        second = self._second(call, request, answer, reading)
        better = self._form.read(second.text)
        if better.misfits:
            self._require_whole(call, second)
            raise _misfit(call, second, better)
        told = (
            f"the first answer of {call.provider.name} did not fit the schema: "
            f"{reading.misfits[0]}; it was asked once more"
        )
        filled = _filled(second, better, (*warnings, told))
        again = call_step("ask again", "for an answer that fits the schema", call, second)
        return replace(filled, others=(answer,), steps=(again,))

    def _first(
        self, call: Call, prompt: str | None, media: tuple[Media, ...]
    ) -> tuple[TextRequest, Answer, tuple[str, ...]]:
        make = partial(self._request, prompt=prompt, media=media)
        request = make(call)
        try:
            return request, self._ask(request, None, keep=False), ()
        except RequestRejected as error:
            if request.json_schema is None or not _may_be_the_schema(error):
                raise
            rejected = error
        # Services know different parts of JSON Schema; what they cannot enforce is checked here.
        unheld = replace(call, options=tuple(o for o in call.options if o != "json_schema"))
        request = make(unheld)
        try:
            answer = self._ask(request, None, keep=False)
        except RequestRejected:
            raise rejected from None
        told = f"{rejected.message}: JSON was asked for without it"
        return request, answer, (told,)

    def _request(self, call: Call, *, prompt: str | None, media: tuple[Media, ...]) -> TextRequest:
        if "json_schema" not in call.options:
            prompt = prompts.as_json(prompt or "", self._form.schema)
        request = make_request(call, self._question, prompt, media)
        assert isinstance(request, TextRequest)
        return request

    def _second(self, call: Call, request: TextRequest, answer: Answer, reading: Reading) -> Answer:
        told = answer.text[:_TOLD_LETTERS]
        prompt = prompts.again(request.prompt or "", told, reading.misfits)
        try:
            return self._ask(replace(request, prompt=prompt), None, keep=False)
        except BudgetExceeded as error:
            raise BudgetExceeded(
                f"{_misfit(call, answer, reading).message}, and {error.message}", hint=error.hint
            ) from None

    def _require_whole(self, call: Call, answer: Answer) -> None:
        """Refuse an answer that was cut short: asked again, it would be cut again."""
        if answer.finish_reason != "length":
            return
        most = self._question.max_output_tokens
        raise InvalidAnswer(
            f"the answer of {call.provider.name} was cut short before its JSON ended",
            hint="give --max-output-tokens a higher number"
            if most is None
            else f"raise --max-output-tokens {most}",
        )


def _filled(answer: Answer, reading: Reading, warnings: tuple[str, ...]) -> Filled:
    whole = replace(answer, text=dumps(reading.data))
    return Filled(answer=whole, data=reading.data, warnings=warnings)


def _may_be_the_schema(error: RequestRejected) -> bool:
    if isinstance(error, UnknownModel | MediaRejected):
        return False
    return error.status in _OF_THE_REQUEST


def _misfit(call: Call, answer: Answer, reading: Reading) -> InvalidAnswer:
    name = call.provider.name
    hint = "try again, or another --model"
    if not reading.is_json:
        said = one_line(answer.text, limit=80) or "nothing"
        what = f"{name} was asked for JSON and answered with something else: {said}"
        return InvalidAnswer(what, hint=hint)
    told = "; ".join(reading.misfits)
    return InvalidAnswer(f"the answer of {name} does not fit the schema: {told}", hint=hint)


def call_step(action: Action, words: str, call: Call, answer: Answer) -> Step:
    """What is told of a call that nobody planned by its parts: one that asks again, or joins."""
    return Step(
        action=action,
        words=words,
        provider=call.provider.name,
        model=answer.model,
        calls=1,
        tokens=tokens_of([answer]),
        cost=answer.cost,
        cached=int(answer.cached),
    )
