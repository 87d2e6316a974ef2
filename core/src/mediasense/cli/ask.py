"""``mediasense image``, ``video``, ``audio`` and ``plan``: ask about media, or see the plan."""

from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from mediasense.names import MediaModality
    from mediasense.types import Question

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
    from mediasense.cli.answers import show_plan

    show_plan((source, *(also or ())), None, asked, as_json=as_json)


def _answer(
    sources: tuple[str, ...], modality: "MediaModality", asked: "Question", printing: PrintOptions
) -> None:
    from mediasense.cli.answers import tell_answer  # with all that a help has no need of

    tell_answer(sources, modality, asked, printing)
