"""``mediasense image``, ``video``, ``audio`` and ``plan``: ask about media, or see the plan."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.cli.contexts import asks_for_more, document_schema
from mediasense.cli.options import (
    AnswerOptions,
    KeepOptions,
    PartOptions,
    PictureOptions,
    PrintOptions,
    ProviderOptions,
    SoundOptions,
    SourceOptions,
    question,
    spread,
)
from mediasense.cli.reports import require_place, write_answer
from mediasense.errors import MediasenseError, UsageError
from mediasense.names import MediaModality
from mediasense.output.live import Printer, printer
from mediasense.output.money import cost_words
from mediasense.output.progress import Display
from mediasense.output.telling import tell_steps
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.cli.options import Format
    from mediasense.ledger import Ledger
    from mediasense.run import Planned
    from mediasense.types import Analysis, Question

_SOURCE = "a path, a link, or - for standard input."
Prompt = Annotated[
    str | None, typer.Argument(help="What to ask. (default: a description)", show_default=False)
]
Also = Annotated[
    list[str] | None,
    typer.Option("--also", "-a", metavar="IMAGE", help="A further image; may be repeated."),
]


@spread
def image(
    source: Annotated[str, typer.Argument(help=f"An image: {_SOURCE}", show_default=False)],
    provider: ProviderOptions,
    answer: AnswerOptions,
    printing: PrintOptions,
    sources: SourceOptions,
    keeping: KeepOptions,
    prompt: Prompt = None,
    also: Also = None,
) -> None:
    """Ask about an image, or about several.

    mediasense image shot.png "what is the error?"
    mediasense image before.heic "what changed?" --also after.png --provider groq
    """
    asked = question(prompt, provider, answer, sources, keeping)
    _answer((source, *(also or ())), "image", asked, printing)


@spread
def video(
    source: Annotated[str, typer.Argument(help=f"A video: {_SOURCE}", show_default=False)],
    provider: ProviderOptions,
    answer: AnswerOptions,
    printing: PrintOptions,
    part: PartOptions,
    pictures: PictureOptions,
    sound: SoundOptions,
    sources: SourceOptions,
    keeping: KeepOptions,
    prompt: Prompt = None,
) -> None:
    """Ask about a video: as it is, or as frames with what is said beside them.

    mediasense video clip.mp4 "when does the error appear?" --provider gemini
    mediasense video clip.mp4 "list the steps" --provider grok --audio-provider groq
    """
    asked = question(prompt, provider, answer, part, pictures, sound, sources, keeping)
    _answer((source,), "video", asked, printing)


@spread
def audio(
    source: Annotated[
        str,
        typer.Argument(help=f"A sound, or a video for its sound: {_SOURCE}", show_default=False),
    ],
    provider: ProviderOptions,
    answer: AnswerOptions,
    printing: PrintOptions,
    part: PartOptions,
    sound: SoundOptions,
    sources: SourceOptions,
    keeping: KeepOptions,
    prompt: Annotated[
        str | None,
        typer.Argument(help="What to ask. (default: a transcript)", show_default=False),
    ] = None,
) -> None:
    """Write down what is said, or ask about a sound.

    mediasense audio talk.wav --provider groq
    mediasense audio meeting.mp4 --provider groq --format srt
    mediasense audio meeting.m4a "what was decided?" --provider gemini
    """
    asked = question(prompt, provider, answer, part, sound, sources, keeping)
    _answer((source,), "audio", asked, printing)


@spread
def plan(
    source: Annotated[
        str, typer.Argument(help=f"An image, a video or a sound: {_SOURCE}", show_default=False)
    ],
    provider: ProviderOptions,
    answer: AnswerOptions,
    part: PartOptions,
    pictures: PictureOptions,
    sound: SoundOptions,
    sources: SourceOptions,
    prompt: Prompt = None,
    also: Also = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Show how a question would be answered: what is sent to whom, and about what it costs.

    Nothing is sent to a provider. What is printed is at most what will be done.

    mediasense plan clip.mp4 --provider grok --audio-provider groq
    mediasense plan meeting.mp4 --provider openai --json
    """
    asked = question(prompt, provider, answer, part, pictures, sound, sources)
    _plan((source, *(also or ())), None, asked, as_json=as_json)


def _answer(
    sources: tuple[str, ...], modality: MediaModality, asked: "Question", options: PrintOptions
) -> None:
    kind = options.kind
    _require_sense(modality, asked, options)
    require_place(options.report)
    if kind in ("srt", "vtt"):
        # Nothing but what is said is printed, so nobody is paid to look at the pictures.
        modality, asked = "audio", replace(asked, timed=True)
    if options.dry_run:
        _plan(sources, modality, asked, as_json=kind == "json")
        return
    with Display() as display:
        telling = _Telling(display, kind, document_schema(asked))
        ledger = runtime.dispatcher().desk.ledger(asked)
        try:
            analysis = runtime.dispatcher().analyze(
                sources,
                asked,
                expected=modality,
                on_text=telling.add if _streams(asked, options) else None,
                on_progress=display.report,
                on_plan=telling.planned,
                ledger=ledger,
            )
        except BrokenPipeError:  # whoever reads has had enough, and need not be told
            raise
        except BaseException as error:
            if telling.end() and not isinstance(error, MediasenseError):
                say("note", f"the answer was cut short; {_so_far(ledger)}")
            raise
    telling.tell(analysis)
    if asked.provider is None and asked.access.base_url is None:
        say("note", f"answered by {analysis.provider} ({analysis.model})")
    tell_steps(analysis)
    for warning in analysis.warnings:
        say("warning", warning)
    if options.report is not None:
        schema = telling.schema
        write_answer(options.report, analysis, sources, replace(asked, json_schema=schema))


class _Telling:
    """Prints an answer: piece by piece as it comes, or when it is whole.

    Pieces that come before the plan are those of an answer that was kept: they wait for it.

    Args:
        display: Shows what is done meanwhile.
        kind: How the answer is printed.
        document: The schema by which it is laid out as a document, if it is.
    """

    def __init__(self, display: Display, kind: "Format", document: str | None) -> None:
        self._display = display
        self._kind = kind
        self._document = document
        self._planned: Planned | None = None
        self._printer: Printer | None = None

    def planned(self, planned: "Planned") -> None:
        """Take what is going to be done."""
        self._planned = planned

    @property
    def schema(self) -> str | None:
        """The schema that the answer follows, as JSON text."""
        return self._planned.question.json_schema if self._planned is not None else None

    def add(self, piece: str) -> None:
        """Print a piece; of an answer that follows a schema there are none."""
        if self._planned is None or self._planned.question.json_schema is not None:
            return
        if self._printer is None:
            self._display.clear()
            self._printer = printer(answers(), markdown=_asks(self._planned))
        self._printer.add(piece)

    def end(self) -> bool:
        """End what is printed on a line of its own; say whether there is anything."""
        if self._printer is not None:
            self._printer.end()
        return self._printer is not None

    def tell(self, analysis: "Analysis") -> None:
        """Print the answer, as far as it is not there yet."""
        if self.end():
            return
        rendered = _rendered(analysis, self._kind, self._document)
        if self._kind != "text" or (analysis.data is not None and self._document is None):
            write(answers(), rendered)
            return
        if self._planned is not None:
            prose = _asks(self._planned)
        else:  # it was kept
            prose = analysis.strategy != "transcript" and not analysis.lines
        whole = printer(answers(), markdown=prose)
        whole.add(rendered)
        whole.end()


def _asks(planned: "Planned") -> bool:
    """Whether a model answers; what is written down or read is no Markdown: its lines matter."""
    asking = planned.plan.asking
    return asking is not None and asking.prompt is not None


def _streams(asked: "Question", options: PrintOptions) -> bool:
    """Whether the answer is printed while it is written."""
    if options.kind != "text" or asked.json_schema is not None:
        return False
    if options.stream is not None:
        return options.stream
    # Once a piece is in a pipe nobody can stand in: whoever reads would have half an answer first.
    return not asked.fallback or answers().isatty()


def _so_far(ledger: "Ledger") -> str:
    """What an answer came to that was cut short."""
    spent = ledger.spent
    words = cost_words(spent.cost, calls=spent.calls, unpriced=spent.unpriced)
    tokens = ""
    if spent.input_tokens or spent.output_tokens:
        tokens = f", {spent.input_tokens:,} tokens in and {spent.output_tokens:,} out"
    return "its cost is not known" + tokens if words == "unknown" else f"cost: {words}{tokens}"


def _require_sense(modality: MediaModality, asked: "Question", options: PrintOptions) -> None:
    kind = options.kind
    if options.stream:
        given = "--json" if options.as_json else f"--format {kind}" if kind != "text" else ""
        given = given or ("--schema" if asked.json_schema is not None else "")
        given = given or ("such a --task" if document_schema(asked) is not None else "")
        if given:
            raise UsageError(f"--stream and {given} exclude each other", hint="leave one out")
    if kind not in ("srt", "vtt"):
        return
    if modality == "image":
        raise UsageError(f"--format {kind} is for what is said", hint="leave it out")
    if asked.prompt is not None or asked.json_schema is not None or asks_for_more(asked):
        raise UsageError(
            f"--format {kind} prints what is said, and no answer to a question",
            hint="leave the question or the task out, or use --format md",
        )


def _rendered(analysis: "Analysis", kind: "Format", document: str | None) -> str:
    if document is not None and kind in ("text", "md"):
        from mediasense.output.documents import to_markdown

        return to_markdown(analysis.data, document)
    if kind == "text":
        return analysis.text.rstrip("\n") + "\n"
    if kind == "json":
        from mediasense.envelope import to_json

        return to_json(analysis) + "\n"
    from mediasense.output import subtitles

    if kind == "md":
        return subtitles.to_markdown(analysis)
    made = subtitles.to_srt if kind == "srt" else subtitles.to_vtt
    return made(analysis.segments)


def _plan(
    sources: tuple[str, ...],
    modality: MediaModality | None,
    asked: "Question",
    *,
    as_json: bool,
) -> None:
    from mediasense.output.plans import plan_json, print_plan
    from mediasense.prices import KeptPrices

    with Display() as display:
        planned = runtime.dispatcher().plan(
            sources,
            asked,
            expected=modality,
            prices=KeptPrices(),
            on_progress=display.report,
        )
    if as_json:
        write(answers(), plan_json(planned) + "\n")
    else:
        print_plan(planned)
