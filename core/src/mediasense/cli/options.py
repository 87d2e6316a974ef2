"""Options that several commands share, as records.

Annotations are values in the modules of commands, not strings: typer reads them at every start,
and evaluating strings takes it 8 ms.

:func:`spread` lets a command take such a record as one parameter: each of its fields becomes an
option of the command.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mediasense.cli.completion import (
    audio_model_names,
    model_names,
    provider_lists,
    provider_names,
    task_names,
)
from mediasense.cli.contexts import context_of
from mediasense.errors import UsageError
from mediasense.names import Resolution, Subtitles

Format = Literal["text", "json", "srt", "vtt", "md"]

if TYPE_CHECKING:
    from mediasense.providers import Access
    from mediasense.types import Fallback, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """Who is asked, and how it is reached."""

    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=provider_names,
            help="Who is asked; see [bold]mediasense providers[/bold].",
            rich_help_panel="Provider",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Ask at this address. Without --provider: any server that speaks the OpenAI "
            "protocol.",
            rich_help_panel="Provider",
        ),
    ] = None
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="The environment variable that holds the key.",
            rich_help_panel="Provider",
        ),
    ] = None
    credentials: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A service account's JSON file.",
            rich_help_panel="Provider",
        ),
    ] = None
    project: Annotated[
        str | None, typer.Option(help="The cloud project.", rich_help_panel="Provider")
    ] = None
    location: Annotated[
        str | None, typer.Option(help="The cloud location.", rich_help_panel="Provider")
    ] = None
    api_version: Annotated[
        str | None,
        typer.Option(help="The version of the provider's API.", rich_help_panel="Provider"),
    ] = None
    allow_http: Annotated[
        bool,
        typer.Option(
            "--allow-http",
            help="Allow plain http to another machine.",
            rich_help_panel="Provider",
        ),
    ] = False
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            metavar="SECONDS",
            help="How long to wait for a connection, and for each piece of an answer "
            "(default: 600).",
            rich_help_panel="Provider",
        ),
    ] = None
    retries: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=10,
            metavar="N",
            help="How often to try again after a failure that can pass. (default: 2)",
            rich_help_panel="Provider",
        ),
    ] = None

    @property
    def access(self) -> "Access":
        """How the provider is reached."""
        from mediasense.providers import Access

        return Access(
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            credentials_file=self.credentials,
            project=self.project,
            location=self.location,
            api_version=self.api_version,
            allow_http=self.allow_http,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """What the answer is to be like."""

    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME",
            autocompletion=task_names,
            help="A ready question, such as summary; see [bold]mediasense tasks[/bold].",
        ),
    ] = None
    context: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|@FILE",
            help="What helps to understand it, such as the text of an issue: a text, or a file.",
        ),
    ] = None
    project_context: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Send along what the project in this folder tells of itself: AGENTS.md and such.",
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=model_names,
            help="The model. (default: the provider's)",
        ),
    ] = None
    max_output_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many tokens of answer.")
    ] = None
    temperature: Annotated[
        float | None, typer.Option(min=0, metavar="T", help="Sampling temperature.")
    ] = None
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FIELDS",
            help="The answer is JSON that fits: a JSON Schema (a file, or JSON text), or its "
            "fields, such as 'title, severity int, steps list'.",
        ),
    ] = None

    @property
    def json_schema(self) -> str | None:
        """The schema, as JSON text.

        Raises:
            UsageError: The file cannot be read, or what is given is no schema.
        """
        if self.schema is None:
            return None
        from mediasense.schemas import read_schema_file

        try:
            return read_schema_file(self.schema)
        except UsageError as error:
            raise UsageError(f"--schema: {error.message}", hint=error.hint) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintOptions:
    """How an answer is printed."""

    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the answer and how it was made, as JSON."),
    ] = False
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="How to print: srt and vtt are subtitles of what is said, md is Markdown.",
        ),
    ] = "text"
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan, and send nothing to a provider."),
    ] = False
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Print the answer while it is written, or when it is whole. (default: while, "
            "where it is text; in a pipe not with --fallback)",
            show_default=False,
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Also write the answer as a page to look at, with its key frames and transcript.",
        ),
    ] = None

    @property
    def kind(self) -> Format:
        """How the answer is printed.

        Raises:
            UsageError: ``--json`` and another format are given.
        """
        if self.as_json and self.format not in ("text", "json"):
            raise UsageError(
                f"--json and --format {self.format} exclude each other", hint="leave one out"
            )
        return "json" if self.as_json else self.format


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How far a source may be fetched, and how much is done at once."""

    jobs: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Calls that may be under way at once.")
    ] = 4
    max_download: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="MB",
            help="Download no more than so many megabytes.",
            rich_help_panel="Source",
        ),
    ] = 2000
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Allow links to this machine and to private networks.",
            rich_help_panel="Source",
        ),
    ] = False

    def on(self, question: "Question") -> "Question":
        """The question with these options."""
        return replace(
            question,
            jobs=self.jobs,
            max_download=self.max_download * 1_000_000,
            allow_private=self.allow_private,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOptions:
    """Which part of a recording is asked about."""

    start: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Begin here in the recording.",
            rich_help_panel="Recording",
        ),
    ] = None
    end: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Stop here in the recording.",
            rich_help_panel="Recording",
        ),
    ] = None

    def on(self, question: "Question") -> "Question":
        """The question with these options."""
        return replace(question, start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundOptions:
    """How what is said becomes text."""

    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="The language spoken, such as en.",
            rich_help_panel="Recording",
        ),
    ] = None
    audio_provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=provider_names,
            help="Who writes down what is said, where that is not the provider.",
            rich_help_panel="Recording",
        ),
    ] = None
    audio_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=audio_model_names,
            help="The model that does.",
            rich_help_panel="Recording",
        ),
    ] = None
    subtitles: Annotated[
        Subtitles,
        typer.Option(
            help="prefer: take the recording's own subtitles, and pay for no transcript.",
            rich_help_panel="Recording",
        ),
    ] = "ignore"
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="0..1",
            help="Leave out what was heard with less confidence, where the service tells.",
            rich_help_panel="Recording",
        ),
    ] = None

    def on(self, question: "Question") -> "Question":
        """The question with these options."""
        return replace(
            question,
            language=self.language,
            audio_provider=self.audio_provider,
            audio_model=self.audio_model,
            subtitles=self.subtitles,
            min_confidence=self.min_confidence,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """How closely the pictures of a video are looked at."""

    frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="N",
            help="Send at most so many frames, as images.",
            rich_help_panel="Recording",
        ),
    ] = None
    every: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="SECONDS",
            help="Send a frame each so many seconds, instead of choosing them.",
            rich_help_panel="Recording",
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=60, help="Frames a second to look at.", rich_help_panel="Recording"
        ),
    ] = None
    resolution: Annotated[
        Resolution | None,
        typer.Option(help="How closely to look.", rich_help_panel="Recording"),
    ] = None

    def on(self, question: "Question") -> "Question":
        """The question with these options."""
        return replace(
            question,
            frames=self.frames,
            every=self.every,
            fps=self.fps,
            resolution=self.resolution,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """What may be spent, and whether kept answers are taken."""

    fallback: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:MODEL],...",
            autocompletion=provider_lists,
            help="Who is asked where the provider fails in a way that another could cure.",
            rich_help_panel="Provider",
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DOLLARS",
            help="Stop before the call that could cost more than this, all calls together.",
            rich_help_panel="Cost and cache",
        ),
    ] = None
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Neither take an answer from the cache nor keep this one.",
            rich_help_panel="Cost and cache",
        ),
    ] = False
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Ask anew, and keep the new answer.",
            rich_help_panel="Cost and cache",
        ),
    ] = False

    def on(self, question: "Question") -> "Question":
        """The question with these options.

        Raises:
            UsageError: They contradict each other.
        """
        if self.no_cache and self.refresh:
            raise UsageError("--no-cache and --refresh exclude each other", hint="leave one out")
        return replace(
            question,
            cache="off" if self.no_cache else "refresh" if self.refresh else "use",
            fallback=fallbacks(self.fallback or ""),
            max_cost=self.max_cost,
        )


def fallbacks(text: str) -> "tuple[Fallback, ...]":
    """Who may stand in, as people write it: ``openrouter,gemini:gemini-3-flash``."""
    from mediasense.types import Fallback

    named = [part.strip().partition(":") for part in text.split(",") if part.strip()]
    return tuple(Fallback(provider=name, model=model or None) for name, _, model in named)


def question(
    prompt: str | None,
    provider: ProviderOptions,
    answer: AnswerOptions | None = None,
    *others: KeepOptions | PartOptions | PictureOptions | SoundOptions | SourceOptions,
) -> "Question":
    """The question that the shared options make."""
    from mediasense import runtime
    from mediasense.types import Question

    config = runtime.config()
    asked = Question(
        prompt=prompt,
        task=answer.task if answer else None,
        context=context_of(answer.context, answer.project_context) if answer else None,
        provider=provider.provider,
        model=answer.model if answer else None,
        access=provider.access,
        timeout=config.timeout if provider.timeout is None else provider.timeout,
        retries=config.retries if provider.retries is None else provider.retries,
        max_output_tokens=answer.max_output_tokens if answer else None,
        temperature=answer.temperature if answer else None,
        json_schema=answer.json_schema if answer else None,
    )
    for options in others:
        asked = options.on(asked)
    if asked.task is None:
        return asked
    from mediasense.tasks import with_task

    return with_task(asked)


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Turn each parameter that is an options record into one parameter for each of its fields."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(command).parameters.values():
        if not is_dataclass(parameter.annotation):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = parameter.annotation  # type: ignore[assignment]
        parameters += [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if item.default is MISSING else item.default,
                annotation=item.type,
            )
            for item in fields(parameter.annotation)
        ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{item.name: values.pop(item.name) for item in fields(group)})
        command(**values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    del run.__wrapped__
    return run
