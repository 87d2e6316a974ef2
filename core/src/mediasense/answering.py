"""One question on its way to an answer: a kept one, the provider's, or that of a stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mediasense.analysis import make_analysis
from mediasense.calls import Calls, Make
from mediasense.choosing import Chooser
from mediasense.desk import Desk
from mediasense.errors import MediasenseError
from mediasense.fallback import all_failed, goes_on, variants
from mediasense.forms import Form
from mediasense.hooks import Hooks
from mediasense.ledger import Ledger
from mediasense.media.source import FileRead, Source
from mediasense.media.workspace import Workspace
from mediasense.names import MediaModality, OnProgress, OnText
from mediasense.run import Planned, Run
from mediasense.schemas.models import Check
from mediasense.sums import cost_of, usage_of
from mediasense.types import Analysis, Answer, Question, Request, Timings

if TYPE_CHECKING:
    from mediasense.memory import Memory, Seen
    from mediasense.providers import Provider

Plan = Callable[["Asking", Sequence[Source | FileRead], Workspace], Planned]
OnPlan = Callable[[Planned], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question with what it is about.

    Attributes:
        sources: Paths, URIs or bytes.
        question: What is asked, of whom, and how.
        expected: The kind of media they must be; ``None`` takes them for what they are.
        on_text: Called with each piece of the answer as it arrives, where the provider can.
        on_progress: Called with what is being done.
        on_plan: Called with what is going to be done, before anybody is asked; not where a kept
            answer is given.
        check: What the data of an answer must hold to, besides its schema.
    """

    sources: tuple[Source, ...]
    question: Question
    expected: MediaModality | None = None
    on_text: OnText | None = None
    on_progress: OnProgress | None = None
    on_plan: OnPlan | None = None
    check: Check | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Answers questions.

    Attributes:
        plan: Looks at the sources and makes the plan.
        make: Makes one call.
        hooks: The rules of the house.
        chooser: Who may be asked.
        desk: What stands around every question.
    """

    plan: Plan
    make: Make
    hooks: Hooks
    chooser: Chooser
    desk: Desk

    def answer(self, asking: Asking, ledger: Ledger) -> Analysis:
        """Answer a question, by the first provider that can of those it names.

        Args:
            asking: The question.
            ledger: Where it is counted what the calls come to, also when they fail.

        Raises:
            MediasenseError: Of the class that fits the failure; that of the first provider, where
                all failed.
        """
        shown = _Shown(asking.on_text)
        try:
            return self._answer(asking, ledger, shown)
        except MediasenseError:
            raise  # it is written down already
        except BaseException as error:
            if ledger.spent.calls:  # Ctrl-C gives no money back
                ended = MediasenseError(f"it was not finished: {type(error).__name__}")
                self._note(asking, ledger, ended, shown.text)
            raise

    def _answer(self, asking: Asking, ledger: Ledger, shown: _Shown) -> Analysis:
        for other in asking.question.fallback:
            self.chooser.provider(other.provider)  # a name that is wrong is told first
        tally = _Tally()
        asked = variants(asking.question)
        errors: list[MediasenseError] = []
        for number, question in enumerate(asked, 1):
            hopeful = number < len(asked)
            variant = replace(
                asking, question=question, on_text=shown if asking.on_text is not None else None
            )
            try:
                analysis = self._answered(variant, ledger, tally, hopeful=hopeful)
            except MediasenseError as error:
                errors.append(error)
                if shown.begun or not hopeful or not goes_on(error, standing_in=number > 1):
                    break
            else:
                told = tuple(f"{e.message}: {analysis.provider} answered instead" for e in errors)
                analysis = replace(analysis, warnings=(*told, *analysis.warnings))
                if not analysis.cached or tally.answers:  # else the history has it already
                    self._note(asking, ledger, analysis)
                return self._with_problems(analysis)
        failed = all_failed(errors, [question.provider or "it" for question in asked])
        failed.spent = None if ledger.spent.unpriced else ledger.owed
        if ledger.spent.calls:
            self._note(asking, ledger, failed, shown.text)
        raise failed

    def _note(
        self,
        asking: Asking,
        ledger: Ledger,
        end: Analysis | MediasenseError,
        shown: str = "",
    ) -> None:
        """Write down what was asked, what came of it, and what it cost.

        Args:
            asking: The question.
            ledger: What its calls came to.
            end: The answer, or why there is none.
            shown: Of an answer that was cut short: what came of it.
        """
        if self.desk.history is None:
            return
        from mediasense.remembering import entry_of

        self.desk.history.add(entry_of(asking.sources, asking.question, ledger, end, shown))

    def _with_problems(self, analysis: Analysis) -> Analysis:
        """The answer, which says so where it could not be kept."""
        stores = (self.desk.cache, self.desk.history)
        problems = [store.problem for store in stores if store is not None and store.problem]
        return replace(analysis, warnings=(*analysis.warnings, *problems)) if problems else analysis

    def _answered(
        self, asking: Asking, ledger: Ledger, tally: _Tally, *, hopeful: bool
    ) -> Analysis:
        memory = self._memory(asking)
        seen = memory.look(asking.sources) if memory else None
        form = _form(asking.question, asking)
        if memory and seen and (kept := _recalled(memory, seen, form)):
            return _told(kept, asking, tally)
        sources = seen.sources if seen else asking.sources
        with Workspace(asking.on_progress) as workspace:
            planned = self.plan(asking, sources, workspace)
            form = _form(planned.question, asking)
            if memory and not seen:
                seen = memory.look_at(planned.media, asking.sources)
                if seen and (kept := _recalled(memory, seen, form)):
                    return _told(kept, asking, tally)
            if asking.on_plan is not None:
                asking.on_plan(planned)
            run = Run(
                planned,
                planned.question,
                calls=Calls(
                    prepare=self.hooks.prepare,
                    make=_watched(self.make, asking.on_progress, workspace),
                    ledger=ledger,
                    memory=memory,
                    pacer=self.desk.pacer,
                    gate=self.desk.gate,
                    hopeful=hopeful,
                ),
                hooks=self.hooks,
                workspace=workspace,
                on_text=asking.on_text,
                form=form,
            )
            tally.runs.append(run)
            done = run.run()
        analysis = make_analysis(
            done, planned, planned.question, answers=tally.answers, timings=tally.timings()
        )
        whole = not any(answer.may_be_cut for answer in done.answers)
        if memory and seen and whole and _repeatable(planned):
            memory.keep(seen, analysis)
        return analysis

    def _memory(self, asking: Asking) -> Memory | None:
        question, cache = asking.question, self.desk.cache
        if cache is None or question.cache == "off":
            return None
        from mediasense.memory import Memory

        named = self.chooser.named(question)
        listener = self.chooser.listener(question)
        asked = (named,) if named is not None else self.chooser.candidates()
        listening = (listener,) if listener is not None else self.chooser.candidates()
        if _lies_here(question.model, asked) or _lies_here(
            question.audio_model, (*asked, *listening)
        ):
            return None
        return Memory(
            cache=cache,
            question=question,
            asked=asked,
            plugins=self.hooks.plugin_names,
            rules=self.hooks.house_rules,
            expected=asking.expected,
            listener=listener,
        )


@dataclass(frozen=True, slots=True)
class _Tally:
    """What came of all who were asked one question: also who failed was waited for, and paid."""

    runs: list[Run] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def answers(self) -> list[Answer]:
        return [answer for run in self.runs for answer in run.answers]

    def timings(self) -> Timings:
        total = time.perf_counter() - self.started
        waited = sum(run.clock.seconds for run in self.runs)
        return Timings(total=total, prepare=max(0.0, total - waited), provider=waited)


def _watched(make: Make, on_progress: OnProgress | None, workspace: Workspace) -> Make:
    """The same, told of how much is sent to services and servers, where somebody wants to know."""
    if on_progress is None:
        return make
    from mediasense.sending import Sending

    sending = Sending(workspace.report)

    def watched(request: Request, on_text: OnText | None) -> Answer:
        if request.provider.kind == "device":
            return make(request, on_text)
        with sending.to(request.provider.name):
            return make(request, on_text)

    return watched


def _told(kept: Analysis, asking: Asking, tally: _Tally) -> Analysis:
    """A kept answer, as one that was given just now."""
    if asking.on_text is not None:
        asking.on_text(kept.text)
    paid = tally.answers
    return replace(
        kept,
        timings=tally.timings(),
        usage=usage_of(paid) if paid else kept.usage,
        cost=cost_of(paid),
    )


def _lies_here(model: str | None, asked: tuple[Provider, ...]) -> bool:
    """Whether a model is named by where it lies on this device: another one may lie there by now.

    To a server such a name is one like any other, as ``/models/llama`` is to vLLM.
    """
    is_path = model is not None and model.startswith(("/", ".", "~"))
    return is_path and any(provider.kind == "device" for provider in asked)


def _form(question: Question, asking: Asking) -> Form | None:
    """What the answer must be; ``None`` for text."""
    if question.json_schema is None:
        return None
    return Form(schema=question.json_schema, check=asking.check)


def _recalled(memory: Memory, seen: Seen, form: Form | None) -> Analysis | None:
    """The answer that was given before; not one that no longer is in the form that is wanted."""
    kept = memory.recall(seen)
    if kept is None or form is None:
        return kept
    return None if form.misfits(kept.data) else kept


def _repeatable(planned: Planned) -> bool:
    """Whether it is known which model answered: servers answer with the one they have loaded."""
    return all(
        call.model is not None or call.provider.kind == "device" for call in planned.plan.calls
    )


class _Shown:
    """Passes pieces of the answer on, and remembers them."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._pieces: list[str] = []

    @property
    def begun(self) -> bool:
        """Whether there were any."""
        return bool(self._pieces)

    @property
    def text(self) -> str:
        """What they come to."""
        return "".join(self._pieces)

    def __call__(self, text: str) -> None:
        self._pieces.append(text)
        if self._on_text is not None:
            self._on_text(text)
