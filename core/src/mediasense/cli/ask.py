"""``mediasense image``, ``video`` and ``audio``: ask about media."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from mediasense import runtime
from mediasense.cli.options import AnswerOptions, ProviderOptions, question, spread
from mediasense.errors import MediasenseError, UsageError
from mediasense.names import MediaModality, Resolution
from mediasense.output.terminal import say, write

if TYPE_CHECKING:
    from mediasense.types import Question

Prompt = Annotated[
    str | None, typer.Argument(help="What to ask. (default: a description)", show_default=False)
]
Start = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Begin here in the recording.")
]
End = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Stop here in the recording.")
]


@spread
def image(
    source: Annotated[str, typer.Argument(help="An image: a path or a URI.", show_default=False)],
    provider: ProviderOptions,
    answer: AnswerOptions,
    prompt: Prompt = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", "-a", metavar="IMAGE", help="A further image; may be repeated."),
    ] = None,
) -> None:
    """Ask about an image, or about several.

    mediasense image shot.png "what is the error?"
    mediasense image before.png "what changed?" --also after.png --provider groq
    """
    _answer((source, *(also or ())), "image", question(prompt, provider, answer), answer)


@spread
def video(
    source: Annotated[str, typer.Argument(help="A video: a path or a URI.", show_default=False)],
    provider: ProviderOptions,
    answer: AnswerOptions,
    prompt: Prompt = None,
    start: Start = None,
    end: End = None,
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=60, help="Frames a second to look at.")
    ] = None,
    resolution: Annotated[Resolution | None, typer.Option(help="How closely to look.")] = None,
) -> None:
    """Ask about a video.

    mediasense video clip.mp4 "when does the error appear?" --provider gemini
    """
    asked = replace(
        question(prompt, provider, answer),
        start=start,
        end=end,
        fps=fps,
        resolution=resolution,
    )
    _answer((source,), "video", asked, answer)


@spread
def audio(
    source: Annotated[
        str,
        typer.Argument(
            help="A sound, or a video for its sound: a path or a URI.", show_default=False
        ),
    ],
    provider: ProviderOptions,
    answer: AnswerOptions,
    prompt: Annotated[
        str | None,
        typer.Argument(help="What to ask. (default: a transcript)", show_default=False),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="The language spoken, such as en.")
    ] = None,
    start: Start = None,
    end: End = None,
) -> None:
    """Write down what is said, or ask about a sound.

    mediasense audio talk.wav --provider groq
    mediasense audio meeting.m4a "what was decided?" --provider gemini
    """
    asked = replace(question(prompt, provider, answer), language=language, start=start, end=end)
    _answer((source,), "audio", asked, answer)


def _answer(
    sources: tuple[str, ...], modality: MediaModality, asked: "Question", options: AnswerOptions
) -> None:
    if options.stream and options.as_json:
        raise UsageError("--stream and --json exclude each other", hint="leave one out")
    pieces: list[str] = []

    def show(piece: str) -> None:
        pieces.append(piece)
        write(sys.stdout, piece)

    try:
        analysis = runtime.dispatcher().analyze(
            sources, asked, expected=modality, on_text=show if options.stream else None
        )
    except MediasenseError:
        if pieces:
            write(sys.stdout, "\n")
        raise
    if options.as_json:
        from mediasense.output.envelope import to_json

        write(sys.stdout, to_json(analysis) + "\n")
    else:
        write(sys.stdout, "\n" if pieces else analysis.text.rstrip("\n") + "\n")
    if asked.provider is None and asked.access.base_url is None:
        say("note", f"answered by {analysis.provider} ({analysis.model})")
    for warning in analysis.warnings:
        say("warning", warning)
