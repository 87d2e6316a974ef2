"""``mediasense image``, ``video``, ``audio`` and ``plan``: ask about media, or see the plan."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
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
from mediasense.errors import MediasenseError, UsageError
from mediasense.names import MediaModality
from mediasense.output.progress import Display
from mediasense.output.terminal import answers, say, write

if TYPE_CHECKING:
    from mediasense.cli.options import Format
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
    if kind in ("srt", "vtt"):
        # Nothing but what is said is printed, so nobody is paid to look at the pictures.
        modality, asked = "audio", replace(asked, timed=True)
    if options.dry_run:
        _plan(sources, modality, asked, as_json=kind == "json")
        return
    pieces: list[str] = []
    with Display() as display:

        def show(piece: str) -> None:
            display.clear()
            pieces.append(piece)
            write(answers(), piece)

        try:
            analysis = runtime.dispatcher().analyze(
                sources,
                asked,
                expected=modality,
                on_text=show if options.stream else None,
                on_progress=display.report,
            )
        except MediasenseError:
            if pieces:
                write(answers(), "\n")
            raise
    if not pieces:
        write(answers(), _rendered(analysis, kind))
    elif not pieces[-1].endswith("\n"):
        write(answers(), "\n")
    if asked.provider is None and asked.access.base_url is None:
        say("note", f"answered by {analysis.provider} ({analysis.model})")
    for warning in analysis.warnings:
        say("warning", warning)


def _require_sense(modality: MediaModality, asked: "Question", options: PrintOptions) -> None:
    kind = options.kind
    if options.stream and kind != "text":
        given = "--json" if options.as_json else f"--format {kind}"
        raise UsageError(f"--stream and {given} exclude each other", hint="leave one out")
    if kind not in ("srt", "vtt"):
        return
    if modality == "image":
        raise UsageError(f"--format {kind} is for what is said", hint="leave it out")
    if asked.prompt is not None:
        raise UsageError(
            f"--format {kind} prints what is said, and no answer to a question",
            hint="leave the question out, or use --format md",
        )


def _rendered(analysis: "Analysis", kind: "Format") -> str:
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
