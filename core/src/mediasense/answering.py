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
from mediasense.hooks import Hooks
from mediasense.ledger import Ledger
from mediasense.media.source import FileRead, Source
from mediasense.media.workspace import Workspace
from mediasense.names import MediaModality, OnProgress, OnText
from mediasense.run import Planned, Run
from mediasense.sums import cost_of, usage_of
from mediasense.types import Analysis, Answer, Question, Timings

if TYPE_CHECKING:
    from mediasense.memory import Memory

Plan = Callable[["Asking", Sequence[Source | FileRead], Workspace], Planned]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question with what it is about.

    Attributes:
        sources: Paths, URIs or bytes.
        question: What is asked, of whom, and how.
        expected: The kind of media they must be; ``None`` takes them for what they are.
        on_text: Called with each piece of the answer as it arrives, where the provider can.
        on_progress: Called with what is being done.
    """

    sources: tuple[Source, ...]
    question: Question
    expected: MediaModality | None = None
    on_text: OnText | None = None
    on_progress: OnProgress | None = None


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
        try:
            return self._answer(asking, ledger)
        except MediasenseError:
            raise  # it is written down already
        except BaseException as error:
            if ledger.spent.calls:  # Ctrl-C gives no money back
                ended = MediasenseError(f"it was not finished: {type(error).__name__}")
                self._note(asking, ledger, ended)
            raise

    def _answer(self, asking: Asking, ledger: Ledger) -> Analysis:
        for other in asking.question.fallback:
            self.chooser.provider(other.provider)  # a name that is wrong is told first
        shown = _Shown(asking.on_text)
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
        if ledger.spent.calls:
            self._note(asking, ledger, failed)
        raise failed

    def _note(self, asking: Asking, ledger: Ledger, end: Analysis | MediasenseError) -> None:
        """Write down what was asked, what came of it, and what it cost."""
        if self.desk.history is None:
            return
        from mediasense.remembering import entry_of

        self.desk.history.add(entry_of(asking.sources, asking.question, ledger, end))

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
        if memory and seen and (kept := memory.recall(seen)):
            return _told(kept, asking, tally)
        sources = seen.sources if seen else asking.sources
        with Workspace(asking.on_progress) as workspace:
            planned = self.plan(asking, sources, workspace)
            if memory and not seen:
                seen = memory.look_at(planned.media, asking.sources)
                if seen and (kept := memory.recall(seen)):
                    return _told(kept, asking, tally)
            run = Run(
                planned,
                asking.question,
                calls=Calls(
                    prepare=self.hooks.prepare,
                    make=self.make,
                    ledger=ledger,
                    memory=memory,
                    pacer=self.desk.pacer,
                    gate=self.desk.gate,
                    hopeful=hopeful,
                ),
                hooks=self.hooks,
                workspace=workspace,
                on_text=asking.on_text,
            )
            tally.runs.append(run)
            done = run.run()
        analysis = make_analysis(
            done, planned, asking.question, answers=tally.answers, timings=tally.timings()
        )
        if memory and seen and _repeatable(planned):
            memory.keep(seen, analysis)
        return analysis

    def _memory(self, asking: Asking) -> Memory | None:
        question, cache = asking.question, self.desk.cache
        if cache is None or question.cache == "off":
            return None
        if any(map(_is_path, (question.model, question.audio_model))):
            return None
        from mediasense.memory import Memory

        named = self.chooser.named(question)
        listener = self.chooser.listener(question)
        asked = (named,) if named is not None else self.chooser.candidates()
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


def _is_path(model: str | None) -> bool:
    """Whether a model is named by where it lies: what lies there may be another one by now."""
    return model is not None and model.startswith(("/", ".", "~"))


def _repeatable(planned: Planned) -> bool:
    """Whether it is known which model answered: servers answer with the one they have loaded."""
    return all(
        call.model is not None or call.provider.kind == "device" for call in planned.plan.calls
    )


class _Shown:
    """Passes pieces of the answer on, and remembers whether there were any."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self.begun = False

    def __call__(self, text: str) -> None:
        self.begun = True
        if self._on_text is not None:
            self._on_text(text)
