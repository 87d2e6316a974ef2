"""An answer, or the plan of one: asked for, and printed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mediasense import runtime
from mediasense.cli.contexts import asks_for_more, document_schema
from mediasense.cli.reports import require_place, write_answer
from mediasense.errors import MediasenseError, UsageError
from mediasense.output.live import Printer, printer
from mediasense.output.money import cost_words
from mediasense.output.progress import Display
from mediasense.output.telling import tell_steps
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.cli.options import Format, PrintOptions
    from mediasense.ledger import Ledger
    from mediasense.names import MediaModality
    from mediasense.run import Planned
    from mediasense.types import Analysis, Question


def tell_answer(
    sources: tuple[str, ...], modality: MediaModality, asked: Question, options: PrintOptions
) -> None:
    """Ask, and print the answer; or show the plan, where only that is wanted.

    Args:
        sources: What is asked about.
        modality: What it must be.
        asked: The question.
        options: How the answer is printed.

    Raises:
        MediasenseError: There is no answer, or no way to print it as it was asked for.
    """
    kind = options.kind
    _require_sense(modality, asked, options)
    require_place(options.report)
    if kind in ("srt", "vtt"):
        # Nothing but what is said is printed, so nobody is paid to look at the pictures.
        modality, asked = "audio", replace(asked, timed=True)
    if options.dry_run:
        show_plan(sources, modality, asked, as_json=kind == "json")
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

    def __init__(self, display: Display, kind: Format, document: str | None) -> None:
        self._display = display
        self._kind = kind
        self._document = document
        self._planned: Planned | None = None
        self._printer: Printer | None = None

    def planned(self, planned: Planned) -> None:
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

    def tell(self, analysis: Analysis) -> None:
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


def _asks(planned: Planned) -> bool:
    """Whether a model answers; what is written down or read is no Markdown: its lines matter."""
    asking = planned.plan.asking
    return asking is not None and asking.prompt is not None


def _streams(asked: Question, options: PrintOptions) -> bool:
    """Whether the answer is printed while it is written."""
    if options.kind != "text" or asked.json_schema is not None:
        return False
    if options.stream is not None:
        return options.stream
    # Once a piece is in a pipe nobody can stand in: whoever reads would have half an answer first.
    return not asked.fallback or answers().isatty()


def _so_far(ledger: Ledger) -> str:
    """What an answer came to that was cut short."""
    spent = ledger.spent
    words = cost_words(spent.cost, calls=spent.calls, unpriced=spent.unpriced)
    tokens = ""
    if spent.input_tokens or spent.output_tokens:
        tokens = f", {spent.input_tokens:,} tokens in and {spent.output_tokens:,} out"
    return "its cost is not known" + tokens if words == "unknown" else f"cost: {words}{tokens}"


def _require_sense(modality: MediaModality, asked: Question, options: PrintOptions) -> None:
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


def _rendered(analysis: Analysis, kind: Format, document: str | None) -> str:
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


def show_plan(
    sources: tuple[str, ...],
    modality: MediaModality | None,
    asked: Question,
    *,
    as_json: bool,
) -> None:
    """Print how a question would be answered.

    Args:
        sources: What would be asked about.
        modality: What it must be, where that matters.
        asked: The question.
        as_json: Print it as JSON.

    Raises:
        MediasenseError: There is no way to answer it.
    """
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
