"""Choose a provider, plan, carry it out through the hooks, say how the answer was made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mediasense.answering import Answering, Asking, OnPlan
from mediasense.choosing import Chooser
from mediasense.config import MAX_RETRIES, MAX_TIMEOUT, Config
from mediasense.desk import Desk
from mediasense.errors import UnsupportedMedia, UnsupportedModality, UsageError
from mediasense.hooks import Hooks
from mediasense.ledger import Ledger
from mediasense.media.source import FileRead, Source, fetched, for_its_sound, resolve
from mediasense.media.workspace import Workspace
from mediasense.names import MODALITIES, MediaModality, OnProgress, OnText
from mediasense.planning import (
    make_plan,
    passes_on,
    require_access_options,
    require_numbers,
    require_one_kind,
)
from mediasense.planning.prices import NO_PRICES, Prices
from mediasense.plugins import Plugins
from mediasense.providers import Provider
from mediasense.run import Planned
from mediasense.schemas import require_schema
from mediasense.schemas.models import Check
from mediasense.tasks import Task, expanded, require_kind, with_task
from mediasense.types import (
    Analysis,
    Answer,
    Model,
    ModelsRequest,
    Question,
    Request,
    Segment,
    Word,
)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Answers questions about media through the plugins.

    Attributes:
        plugins: What is loaded.
        config: The user's settings.
        desk: What stands around every question.
    """

    plugins: Plugins
    config: Config = Config()
    desk: Desk = field(default_factory=Desk)
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
        on_plan: OnPlan | None = None,
        check: Check | None = None,
        ledger: Ledger | None = None,
    ) -> Analysis:
        """Answer a question about one video, one sound, or one or more images.

        Args:
            sources: Paths, URIs or bytes.
            question: What is asked, of whom, and how.
            expected: The kind of media they must be; ``None`` takes them for what they are.
            on_text: Called with each piece of the answer as it arrives, where the provider can.
            on_progress: Called with what is being done.
            on_plan: Called with what is going to be done, before anybody is asked; not where a
                kept answer is given.
            check: What the data of an answer must hold to, besides its schema.
            ledger: Where it is counted what the calls come to, also when they fail.

        Raises:
            MediasenseError: Of the class that fits the failure.
        """
        _require_sense(question, expected)
        question = with_task(question)
        asking = Asking(
            sources=sources,
            question=question,
            expected=expected,
            on_text=on_text,
            on_progress=on_progress,
            on_plan=on_plan,
            check=check,
        )
        answering = Answering(
            plan=self._planned,
            make=self._ask,
            hooks=self._hooks,
            chooser=self._chooser,
            desk=self.desk,
        )
        return answering.answer(asking, ledger or self.desk.ledger(question))

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
        _require_sense(question, expected)
        question = with_task(question)
        asking = Asking(
            sources=sources, question=question, expected=expected, on_progress=on_progress
        )
        with Workspace(on_progress) as workspace:
            return self._planned(asking, sources, workspace, prices)

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

    def endpoint_url(self, question: Question) -> str:
        """Where the endpoint of the config file is that a question names; else ``""``.

        Raises:
            UnknownProvider: There is no provider of the name.
        """
        named = self._chooser.named(question)
        if named is None or named.like is None or question.access.base_url is not None:
            return ""
        return named.base_url or ""

    def settled(self, question: Question) -> Question:
        """The question with its task, and the provider that the environment or the config names.

        Raises:
            UnknownProvider: There is none of that name.
            UsageError: A key is named, and nobody it could belong to; or there is no such task.
            ConfigError: The file of the task is wrong.
        """
        question = with_task(question)
        named = self._chooser.named(question)
        if named is None or question.access.base_url is not None:
            return question
        return replace(question, provider=named.name)

    def provider(self, name: str) -> Provider:
        """The provider of that name or alias; see :meth:`Chooser.provider`.

        Raises:
            ProviderConflict: Two plugins claim it.
            UnknownProvider: None offers it.
        """
        return self._chooser.provider(name)

    def _planned(
        self,
        asking: Asking,
        sources: Sequence[Source | FileRead],
        workspace: Workspace,
        prices: Prices | None = None,
    ) -> Planned:
        question, expected = asking.question, asking.expected
        named = self._chooser.named(question)
        listener = self._chooser.listener(question)
        media = tuple(resolve(source, expected, question, workspace) for source in sources)
        require_one_kind(media)
        if isinstance(task := question.task, Task):
            require_kind(task, media[0].modality)
            if media[0].modality == "video" and task.prompt_for("video") is None:
                media, expected = tuple(map(for_its_sound, media)), "audio"
        question = expanded(question, media[0].modality)
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
        return Planned(
            plan=plan, media=media, provider=provider, listener=listener, question=question
        )

    def _ask(self, request: Request, on_text: OnText | None) -> Answer:
        """Make one call through the hooks; what comes back is an answer."""
        answer = self._hooks.make(request, on_text)
        if not (
            isinstance(answer, Answer)
            and isinstance(answer.text, str)
            and isinstance(answer.model, str)
        ):
            returned = f"returned {type(answer).__name__}, not an Answer with a text and a model"
            raise self._hooks.broken(request.provider, returned)
        if answer.segments == ():
            return answer
        try:
            return replace(answer, segments=tuple(map(_sane, answer.segments)))
        except (TypeError, AttributeError):
            returned = "returned segments that are no Segments with times"
            raise self._hooks.broken(request.provider, returned) from None


def _sane(segment: Segment) -> Segment:
    """A segment that ends no sooner than it begins, its words within; services write anything."""
    start = max(0.0, segment.start) if math.isfinite(segment.start) else 0.0
    end = max(start, segment.end) if math.isfinite(segment.end) else start
    words = tuple(_within(word, start, end) for word in segment.words)
    return replace(segment, start=start, end=end, words=words)


def _within(word: Word, start: float, end: float) -> Word:
    """A word that is said while its segment is."""
    begins = min(max(start, word.start), end) if math.isfinite(word.start) else start
    ends = min(max(begins, word.end), end) if math.isfinite(word.end) else begins
    return replace(word, start=begins, end=ends)


def _require_sense(question: Question, expected: MediaModality | None) -> None:
    """Refuse what is wrong whatever the question is about."""
    _require_patience(question)
    require_numbers(question)
    require_schema(question.json_schema)
    if expected not in (None, *MODALITIES):
        raise UsageError(
            f"{expected!r} is no kind of media", hint=f"it is {' or '.join(MODALITIES)}"
        )


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
