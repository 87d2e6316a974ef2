"""Choose a provider, plan, carry it out through the hooks, say how the answer was made."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NoReturn

from mediasense.choosing import Chooser
from mediasense.config import MAX_RETRIES, MAX_TIMEOUT, Config
from mediasense.connection import connect
from mediasense.errors import (
    InvalidAnswer,
    MediasenseError,
    UnsupportedMedia,
    UnsupportedModality,
    UsageError,
    one_line,
)
from mediasense.execution import Done, Execution
from mediasense.hooks import Hooks
from mediasense.media.source import Source, fetched, resolve
from mediasense.media.workspace import Workspace
from mediasense.names import MODALITIES, MediaModality, OnProgress, OnText
from mediasense.planning import (
    Plan,
    make_plan,
    passes_on,
    require_access_options,
    require_numbers,
    require_one_kind,
)
from mediasense.planning.prices import NO_PRICES, Prices
from mediasense.planning.stepdown import MOST, step_down
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.refusal import Refused
from mediasense.schemas import first_misfit, require_schema
from mediasense.types import (
    Analysis,
    Answer,
    Media,
    Model,
    ModelsRequest,
    Question,
    RecordingFacts,
    Request,
    Segment,
    Timings,
    Usage,
)

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
    """

    plan: Plan
    media: tuple[Media, ...]
    provider: Provider
    listener: Provider | None = None


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Answers questions about media through the plugins.

    Attributes:
        plugins: What is loaded.
        config: The user's settings.
    """

    plugins: Plugins
    config: Config = Config()
    _hooks: Hooks = field(init=False, repr=False, compare=False)
    _chooser: Chooser = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hooks", Hooks(self.plugins))
        object.__setattr__(self, "_chooser", Chooser(self.plugins, self.config))

    def analyze(
        self,
        sources: tuple[Source, ...],
        question: Question,
        *,
        expected: MediaModality | None = None,
        on_text: OnText | None = None,
        on_progress: OnProgress | None = None,
    ) -> Analysis:
        """Answer a question about one video, one sound, or one or more images.

        Args:
            sources: Paths, URIs or bytes.
            question: What is asked, of whom, and how.
            expected: The kind of media they must be; ``None`` takes them for what they are.
            on_text: Called with each piece of the answer as it arrives, where the provider can.
            on_progress: Called with what is being done.

        Raises:
            MediasenseError: Of the class that fits the failure.
        """
        started = time.perf_counter()
        with Workspace(on_progress) as workspace:
            planned = self._planned(sources, question, expected, workspace)
            run = _Run(self, self._hooks, question, planned, workspace, on_text)
            done = run.run()
        total = time.perf_counter() - started
        waited = run.clock.seconds
        timings = Timings(total=total, prepare=max(0.0, total - waited), provider=waited)
        return _analysis(done, question, planned, timings, _total(run.answers))

    def plan(
        self,
        sources: tuple[Source, ...],
        question: Question,
        *,
        expected: MediaModality | None = None,
        prices: Prices = NO_PRICES,
        on_progress: OnProgress | None = None,
    ) -> Planned:
        """Say how a question would be answered, without sending anything to a provider.

        Args:
            sources: As for :meth:`analyze`; a link is downloaded where the provider does not
                fetch it itself.
            question: As for :meth:`analyze`.
            expected: As for :meth:`analyze`.
            prices: What calls cost.
            on_progress: As for :meth:`analyze`.

        Raises:
            MediasenseError: It could not be answered, or an option is wrong.
        """
        with Workspace(on_progress) as workspace:
            return self._planned(sources, question, expected, workspace, prices)

    def models(self, question: Question) -> tuple[Model, ...]:
        """Ask a provider which models it has now.

        Raises:
            UnsupportedModality: The provider has no listing.
            ProviderError: It was asked, and failed.
        """
        provider = self._chooser.named(question)
        if provider is None:
            raise UsageError("no provider is named", hint="add --provider NAME")
        if "list_models" not in self.plugins.owners[provider.name].hooks:
            raise UnsupportedModality(
                f"{provider.name} has no listing of its models", hint="see its documentation"
            )
        request = ModelsRequest(
            provider=provider,
            access=question.access,
            timeout=question.timeout,
            retries=question.retries,
        )
        _require_patience(question)
        require_access_options(question, provider)
        found = self._hooks.call(request)
        if not isinstance(found, tuple | list) or not all(isinstance(m, Model) for m in found):
            what = "list_models returned something that is no tuple of Model"
            raise self._hooks.broken(provider, what)
        return tuple(found)

    def provider(self, name: str) -> Provider:
        """The provider of that name or alias; see :meth:`Chooser.provider`.

        Raises:
            ProviderConflict: Two plugins claim it.
            UnknownProvider: None offers it.
        """
        return self._chooser.provider(name)

    def _planned(
        self,
        sources: tuple[Source, ...],
        question: Question,
        expected: MediaModality | None,
        workspace: Workspace,
        prices: Prices = NO_PRICES,
    ) -> Planned:
        _require_patience(question)
        require_numbers(question)
        require_schema(question.json_schema)
        if expected not in (None, *MODALITIES):
            raise UsageError(
                f"{expected!r} is no kind of media", hint=f"it is {' or '.join(MODALITIES)}"
            )
        named = self._chooser.named(question)
        listener = self._chooser.listener(question)
        media = tuple(resolve(source, expected, question, workspace) for source in sources)
        require_one_kind(media)
        try:
            provider = named or self._chooser.choose(media, question)
        except (UnsupportedMedia, UnsupportedModality):
            if all(item.uri is None for item in media):
                raise
            # Nobody fetches the link itself: once it is here, somebody may take it.
            media = tuple(fetched(item, expected, question, workspace) for item in media)
            provider = self._chooser.choose(media, question)
        media = tuple(
            item
            if item.uri is None or passes_on(item, question, provider, listener)
            else fetched(item, expected, question, workspace)
            for item in media
        )
        try:
            plan = make_plan(media, question, provider, listener, prices)
        except UnsupportedModality as error:
            raise UnsupportedModality(
                error.message, hint=self._chooser.who_can(media, question, provider)
            ) from None
        return Planned(plan=plan, media=media, provider=provider, listener=listener)

    def ask(self, request: Request, on_text: OnText | None = None) -> Answer:
        """Make one call through the hooks.

        Raises:
            PluginError: The plugin did not return an answer.
            ProviderError: The provider failed or refused.
        """
        answer = self._hooks.call(request, on_text)
        if not (
            isinstance(answer, Answer)
            and isinstance(answer.text, str)
            and isinstance(answer.model, str)
        ):
            returned = f"returned {type(answer).__name__}, not an Answer with a text and a model"
            raise self._hooks.broken(request.provider, returned)
        try:
            return replace(answer, segments=tuple(map(_sane, answer.segments)))
        except (TypeError, AttributeError):
            returned = "returned segments that are no Segments with times"
            raise self._hooks.broken(request.provider, returned) from None


class _Run:
    """One question on its way: planned anew where a service refuses the media."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        hooks: Hooks,
        question: Question,
        planned: Planned,
        workspace: Workspace,
        on_text: OnText | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._hooks = hooks
        self._question = question
        self._planned = planned
        self._workspace = workspace
        self._on_text = on_text
        self._streamed = False
        self._warnings: list[str] = []
        self.clock = _Clock()
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
            plan = make_plan(planned.media, self._question, provider, listener)
        except MediasenseError:
            raise cause from None
        self._warnings.append(
            f"{cause.message}: it was asked in another way"
            + ("" if plan.strategy == planned.plan.strategy else f" ({plan.strategy})")
        )
        return replace(planned, plan=plan, provider=provider, listener=listener)

    def _ask(self, request: Request, on_text: OnText | None) -> Answer:
        if on_text is not None and self._hooks.changes_answers(request):
            on_text = None
        with self.clock.running():
            answer = self._dispatcher.ask(request, on_text)
        self._streamed = self._streamed or on_text is not None
        self.answers.append(answer)
        return answer


class _Clock:
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


def _analysis(
    done: Done, question: Question, planned: Planned, timings: Timings, usage: Usage | None
) -> Analysis:
    last = done.answer
    transcript = done.heard.transcript if done.heard else None
    damage = [
        f"{item.name}: {item.facts.damage}"
        for item in planned.media
        if isinstance(item.facts, RecordingFacts) and item.facts.damage
    ]
    segments = last.segments if last else ()
    if transcript is not None:
        segments = transcript.segments if transcript.timed or question.timed else ()
    provider = planned.provider
    if planned.plan.asking is None and planned.plan.listening and planned.plan.listening.call:
        provider = planned.plan.listening.call.provider
    return Analysis(
        text=done.text,
        provider=provider.name,
        model=last.model if last else "",
        strategy=done.strategy,
        timings=timings,
        media=tuple(replace(item, data=None) for item in planned.media),
        usage=usage,
        data=_data(done.text, question, provider),
        finish_reason=last.finish_reason if last else None,
        segments=segments,
        lines=last.lines if last else (),
        language=next((a.language for a in done.answers if a.language), None),
        warnings=tuple(dict.fromkeys((*damage, *done.warnings))),
        steps=done.steps,
        frames=done.frames,
        left_out=done.left_out,
    )


def _sane(segment: Segment) -> Segment:
    """A segment that ends no sooner than it begins; services write any numbers."""
    start = max(0.0, segment.start) if math.isfinite(segment.start) else 0.0
    end = max(start, segment.end) if math.isfinite(segment.end) else start
    return replace(segment, start=start, end=end)


def _data(text: str, question: Question, provider: Provider) -> object:
    """The parsed answer, when a schema was asked for; it fits the schema."""
    if question.json_schema is None:
        return None
    try:
        data: object = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidAnswer(
            f"{provider.name} was asked for JSON and answered with something else: "
            f"{one_line(text, limit=80) or 'nothing'}",
            hint="try again, or another --model",
        ) from None
    if misfit := first_misfit(data, question.json_schema):
        raise InvalidAnswer(
            f"the answer of {provider.name} does not fit the schema: {one_line(misfit)}",
            hint="try again, or another --model",
        )
    return data


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _require_patience(question: Question) -> None:
    if not 0 < question.timeout <= MAX_TIMEOUT:
        raise UsageError(
            f"a timeout of {question.timeout:g} s is not above 0 and up to {MAX_TIMEOUT:g} s",
            hint="give --timeout SECONDS",
        )
    if not 0 <= question.retries <= MAX_RETRIES:
        raise UsageError(
            f"{question.retries} retries are not 0 to {MAX_RETRIES}", hint="give --retries N"
        )


def _total(answers: Sequence[Answer]) -> Usage | None:
    """The sum of what was reported; a count that nobody reported stays unknown."""
    reported = [answer.usage for answer in answers if answer.usage is not None]
    if not reported:
        return None
    sums: dict[str, Any] = {}
    for item in fields(Usage):
        counts = [getattr(usage, item.name) for usage in reported]
        known = [count for count in counts if count is not None]
        sums[item.name] = sum(known) if known else None
    return Usage(**sums)
