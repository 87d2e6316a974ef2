"""The tools: what each is for, what it takes, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_types import Tool, ToolAnnotations

import mediasense
from mediasense import Question, UsageError
from mediasense_mcp_server import contents, records
from mediasense_mcp_server.arguments import (
    Arguments,
    KeyFrameArguments,
    ListenArguments,
    LookArguments,
    PlanArguments,
    ProviderArguments,
    TaskArguments,
    WatchArguments,
    input_schema,
)
from mediasense_mcp_server.contents import Outcome
from mediasense_mcp_server.records import Record, output_schema

if TYPE_CHECKING:
    from mediasense import MediaModality
    from mediasense_mcp_server.crew import Work
    from mediasense_mcp_server.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a tool needs besides its arguments.

    Attributes:
        settings: Of the server.
        work: Told of progress and, when nobody waits any more, stopped.
        limit: US dollars that may be spent.
    """

    settings: Settings
    work: Work
    limit: float | None = None

    def named(self, provider: str | None, model: str | None) -> tuple[str | None, str | None]:
        """The provider and the model: those that an agent names, or those of the server.

        A model of one provider says nothing to another.
        """
        if provider is None or provider == self.settings.provider:
            return provider or self.settings.provider, model or self.settings.model
        return provider, model


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool.

    Attributes:
        name, title, description: For models and for people.
        takes: Its arguments.
        tells: Its structured output.
        run: What it does, in a thread.
        asks: Whether a provider is asked, which may cost.
    """

    name: str
    title: str
    description: str
    takes: type[Arguments]
    tells: type[Record]
    run: Callable[[Any, Job], Outcome]
    asks: bool

    @property
    def told(self) -> Tool:
        """As clients are told of it."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=input_schema(self.takes),
            output_schema=output_schema(self.tells),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=self.asks,
            ),
        )


# --- what they do --------------------------------------------------------------------------------


def _look(given: LookArguments, job: Job) -> Outcome:
    paths = [job.settings.folders.source(path) for path in (given.path, *given.also)]
    return contents.of_answer(_analysis(paths, "image", given, job))


def _watch(given: WatchArguments, job: Job) -> Outcome:
    source = job.settings.folders.source(given.path)
    # Before anybody is asked: if it fails, nothing was paid.
    pictures: tuple[mediasense.KeyFrame, ...] = ()
    if given.key_frames:
        job.work.report("choosing key frames", None)
        pictures = mediasense.key_frames(
            source, most=given.key_frames, start=given.start, end=given.end
        )
    analysis = _analysis(
        [source],
        "video",
        given,
        job,
        start=given.start,
        end=given.end,
        frames=given.frames,
        audio_provider=job.settings.audio_provider,
    )
    return contents.of_answer(analysis, pictures)


def _listen(given: ListenArguments, job: Job) -> Outcome:
    source = job.settings.folders.source(given.path)
    analysis = _analysis(
        [source],
        "audio",
        given,
        job,
        start=given.start,
        end=given.end,
        language=given.language,
        timed=given.times,
    )
    return contents.of_answer(analysis, times=given.times)


def _key_frames(given: KeyFrameArguments, job: Job) -> Outcome:
    source = job.settings.folders.source(given.path)
    job.work.report("choosing key frames", None)
    pictures = mediasense.key_frames(
        source, most=given.most, start=given.start, end=given.end, max_side=given.max_side
    )
    return contents.of_key_frames(pictures)


def _providers(given: ProviderArguments, job: Job) -> Outcome:  # noqa: ARG001
    return contents.of_providers(mediasense.list_providers())


def _tasks(given: TaskArguments, job: Job) -> Outcome:  # noqa: ARG001
    return contents.of_tasks(mediasense.list_tasks())


def _plan(given: PlanArguments, job: Job) -> Outcome:
    paths = [job.settings.folders.source(path) for path in (given.path, *given.also)]
    provider, model = job.named(given.provider, given.model)
    question = Question(
        prompt=given.question,
        task=given.task,
        provider=provider,
        model=model,
        start=given.start,
        end=given.end,
        audio_provider=job.settings.audio_provider,
    )
    job.work.report("planning", None)
    return contents.of_plan(mediasense.plan(paths, question, modality=given.kind))


def _analysis(
    sources: list[Path | str],
    modality: MediaModality,
    given: LookArguments | WatchArguments | ListenArguments,
    job: Job,
    **options: Any,
) -> mediasense.Analysis:
    provider, model = job.named(given.provider, given.model)
    job.work.report("looking at the files", None)
    # A stream, for it can be closed while the service thinks.
    answer = mediasense.stream(
        sources,
        given.question,
        modality=modality,
        task=given.task,
        schema=given.shape,
        provider=provider,
        model=model,
        max_cost=job.limit,
        on_progress=job.work.report,
        **options,
    )
    job.work.on_stop(answer.close)
    with answer:
        letters = 0
        for piece in answer:
            letters += len(piece)
            job.work.report(f"the answer is written: {letters} characters", None)
        job.work.report("the answer is whole", None)
        return answer.analysis


# --- what they are for ---------------------------------------------------------------------------

_FILES = "Files are named by their path; which folders may be read, an error says."

TOOLS = (
    ToolSpec(
        name="look_at_image",
        title="Look at an image",
        description=(
            "Ask a vision model about an image file (PNG, JPEG, WebP, GIF, HEIC, TIFF, ...), or "
            "about several at once with 'also'. Use it to read screenshots, error dialogs, "
            "diagrams, photos, scanned pages, or to compare images. Without a question you get a "
            f"description. {_FILES}"
        ),
        takes=LookArguments,
        tells=records.AnswerTold,
        run=_look,
        asks=True,
    ),
    ToolSpec(
        name="watch_video",
        title="Watch a video",
        description=(
            "Ask about a video file or a screen recording (MP4, MOV, WebM, MKV, ...): what "
            "happens, what is shown and said, and when. Of a long one, ask about a part with "
            "'start' and 'end'. With 'key_frames' you get its telling pictures as images too. It "
            f"can take minutes; progress is told. {_FILES}"
        ),
        takes=WatchArguments,
        tells=records.AnswerTold,
        run=_watch,
        asks=True,
    ),
    ToolSpec(
        name="listen_to_sound",
        title="Listen to a sound",
        description=(
            "Write down what is said in a sound file, or in the sound of a video (MP3, WAV, M4A, "
            "MP4, ...); or, with a question, ask about it. 'times' adds when each thing is said. "
            f"{_FILES}"
        ),
        takes=ListenArguments,
        tells=records.AnswerTold,
        run=_listen,
        asks=True,
    ),
    ToolSpec(
        name="get_key_frames",
        title="Get key frames of a video",
        description=(
            "Get pictures of a video as images, for you to look at yourself: a new one for each "
            "new thing on screen, each with its time in seconds. No model is asked and nothing "
            f"leaves this machine. {_FILES}"
        ),
        takes=KeyFrameArguments,
        tells=records.KeyFramesTold,
        run=_key_frames,
        asks=False,
    ),
    ToolSpec(
        name="list_providers",
        title="List who can answer",
        description=(
            "List the providers that could be asked: what each takes, and whether its key is "
            "there. You rarely need it: a provider is chosen by itself."
        ),
        takes=ProviderArguments,
        tells=records.ProvidersTold,
        run=_providers,
        asks=False,
    ),
    ToolSpec(
        name="list_tasks",
        title="List ready questions",
        description=(
            "List questions that are ready to be asked by their name, as the 'task' of another "
            "tool: bug reports, minutes, chapters, alternative texts and the like."
        ),
        takes=TaskArguments,
        tells=records.TasksTold,
        run=_tasks,
        asks=False,
    ),
    ToolSpec(
        name="plan",
        title="Plan without asking",
        description=(
            "Say how a question about a file would be answered, and about what it would cost, "
            "without asking anybody. Use it before long videos or recordings."
        ),
        takes=PlanArguments,
        tells=records.PlanTold,
        run=_plan,
        asks=False,
    ),
)


def chosen_tools(names: tuple[str, ...]) -> tuple[ToolSpec, ...]:
    """The tools of these names; all where none is named.

    Raises:
        UsageError: There is none of a name.
    """
    known = {tool.name: tool for tool in TOOLS}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no tool {name!r}", hint=f"the tools are {', '.join(known)}")
    return tuple(tool for tool in TOOLS if not names or tool.name in names)
