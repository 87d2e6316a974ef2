"""A plan on its way to an answer, and the next best plan where a service refuses the media."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mediasense.calls import Calls
from mediasense.connection import connect
from mediasense.errors import MediasenseError
from mediasense.execution import Done, Execution
from mediasense.forms import Form
from mediasense.hooks import Hooks
from mediasense.media.workspace import Workspace
from mediasense.names import OnText
from mediasense.planning import Plan, make_plan
from mediasense.planning.stepdown import MOST, step_down
from mediasense.providers import Provider
from mediasense.refusal import Refused
from mediasense.types import Answer, Media, Question, Request

if TYPE_CHECKING:
    from mediasense.listening import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and what it is about.

    Attributes:
        plan: What would be done.
        media: With what.
        provider: Who would be asked.
        listener: Who would write down the sound, where that is somebody else.
        question: What is asked: of a task, its prompt and its schema for this kind of media.
    """

    plan: Plan
    media: tuple[Media, ...]
    provider: Provider
    listener: Provider | None = None
    question: Question = field(default_factory=Question)


class Run:
    """One question on its way: planned anew where a service refuses the media.

    Args:
        planned: What to do.
        question: What is asked.
        calls: Makes the calls.
        hooks: Which rules of the house stand around calls.
        workspace: Where prepared media are kept.
        on_text: Called with the pieces of the answer, where they can come in pieces.
        form: What the answer must be; ``None`` for text.

    Attributes:
        answers: Of all calls that were answered.
        clock: How long calls were under way.
    """

    def __init__(
        self,
        planned: Planned,
        question: Question,
        *,
        calls: Calls,
        hooks: Hooks,
        workspace: Workspace,
        on_text: OnText | None,
        form: Form | None = None,
    ) -> None:
        self._calls = calls
        self._hooks = hooks
        self._question = question
        self._planned = planned
        self._workspace = workspace
        self._on_text = on_text
        self._form = form
        self._streamed = False
        self._warnings: list[str] = []
        self.clock = CallClock()
        self.answers: list[Answer] = []

    def run(self) -> Done:
        """Carry the plan out, or the next best one.

        Raises:
            MediasenseError: Of the class that fits the failure.
        """
        planned, heard = self._planned, None
        self._require_key(planned)
        for left in reversed(range(MOST)):
            try:
                done = self._execution(planned, heard).run()
                break
            except Refused as refused:
                if not left:
                    raise refused.cause from None
                planned = self._replanned(planned, refused)
                heard = refused.heard or heard
        if self._on_text is not None and not self._streamed:
            self._on_text(done.text)
        unused = len(self.answers) - len(done.answers)
        if unused:
            self._warnings.append(
                f"{unused} {'answers' if unused > 1 else 'answer'} that came before the question "
                "was planned anew could not be used; usage counts them"
            )
        return replace(done, warnings=(*self._warnings, *done.warnings))

    def _require_key(self, planned: Planned) -> None:
        """Where two providers are asked: the key of the second, before the first is sent anything.

        Raises:
            MissingCredentials: There is none.
        """
        asking, listening = planned.plan.asking, planned.plan.listening
        hear = listening.call if listening is not None else None
        # A house rule may change how a provider is reached, and is asked when it is.
        if asking is None or hear is None or self._hooks.changes_requests:
            return
        if asking.provider.name != hear.provider.name:
            connect(Request(provider=asking.provider, access=self._question.access))

    def _execution(self, planned: Planned, heard: Heard | None) -> Execution:
        return Execution(
            planned.plan,
            planned.media,
            self._question,
            provider=planned.provider,
            ask=self._ask,
            workspace=self._workspace,
            on_text=self._on_text,
            heard=heard,
            form=self._form,
        )

    def _replanned(self, planned: Planned, refused: Refused) -> Planned:
        call, cause = refused.call, refused.cause
        lower = step_down(
            call, refused.refusal, refused.sent, spare=call is not planned.plan.asking
        )
        if lower is None:
            raise cause from None
        heard_by = planned.listener or planned.provider
        of_listener = planned.plan.asking is not call and heard_by is planned.listener
        provider = planned.provider if of_listener else lower
        listener = lower if of_listener else planned.listener
        try:
            plan = make_plan(planned.media, self._question, provider, listener, prices=None)
        except MediasenseError:
            raise cause from None
        self._warnings.append(
            f"{cause.message}: it was asked in another way"
            + ("" if plan.strategy == planned.plan.strategy else f" ({plan.strategy})")
        )
        return replace(planned, plan=plan, provider=provider, listener=listener)

    @property
    def _keeps(self) -> bool:
        """Whether there may be several calls; the answer to a single one is the whole answer."""
        media = self._planned.media
        return len(media) > 1 or media[0].modality != "image"

    def _ask(self, request: Request, on_text: OnText | None, *, keep: bool = True) -> Answer:
        if on_text is not None and self._hooks.changes_answers(request):
            on_text = None
        with self.clock.running():
            answer = self._calls.call(request, on_text, keep=keep and self._keeps)
        self._streamed = self._streamed or on_text is not None
        self.answers.append(answer)
        return answer


class CallClock:
    """How long at least one call was under way."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._since = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count while a call is under way."""
        with self._lock:
            if not self._running:
                self._since = time.perf_counter()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self.seconds += time.perf_counter() - self._since
