"""The page of one answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mediasense.envelope import dumps
from mediasense.errors import MediasenseError
from mediasense.media.source import Source
from mediasense.names import MediaModality, OnProgress
from mediasense.output.documents import to_markdown
from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.layout import data_block, icon, lay_out
from mediasense.reports.making import (
    chips,
    left_out_section,
    making_section,
    warnings_section,
)
from mediasense.reports.markdown import Moment, to_html, with_moments
from mediasense.reports.moments import Recording, recording_section
from mediasense.reports.pictures import images_section
from mediasense.reports.sources import Sources, names_of
from mediasense.reports.stills import PAGE, Room, Stills, read_stills
from mediasense.types import Analysis, Question

_POINTS = 400
"""Of the shape of a sound."""

_TITLE_CHARACTERS = 120
_CONTEXT_CHARACTERS = 20_000
_UNASKED: dict[MediaModality, str] = {
    "image": "a description",
    "video": "a description",
    "audio": "what is said",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a page is about.

    Attributes:
        analysis: The answer.
        sources: The media as the user named them; none where that is not known.
        question: What was asked, where that is known.
    """

    analysis: Analysis
    sources: Sequence[Source] = ()
    question: Question | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page among others.

    Attributes:
        path: Where it is written to.
        room: How much room its pictures may take.
        index: The address of the page that lists it; ``""`` where it stands alone.
        made_of: What it was made of, to be known again.
    """

    path: Path
    room: Room = PAGE
    index: str = ""
    made_of: str = ""


def page_of(subject: Subject, place: Place, on_progress: OnProgress | None = None) -> Iterator[str]:
    """The page, piece by piece.

    Args:
        subject: What it is about.
        place: Where it will be: media are linked from there.
        on_progress: Called with what is being done.
    """
    analysis, question = subject.analysis, subject.question
    sources = Sources(subject.sources, analysis.media, place.path)
    stills = read_stills(analysis, sources.shown, place.room, on_progress)
    stills = replace(stills, problem=sources.plain(stills.problem))
    recording = _recording(analysis, sources, stills, on_progress)
    names = names_of(sources.shown) or "An answer"
    moment = recording.target if recording else None
    told = (
        joined(_answer(analysis, moment), _data(subject, moment)),
        recording_section(recording) if recording else images_section(stills, analysis.lines),
    )
    body = (
        header(names, chips(analysis), place.index),
        tag(
            "main",
            {"id": "content"},
            asked(question, _modality(analysis)) if question else NOTHING,
            *(reversed(told) if analysis.lines else told),
            warnings_section(analysis, sources),
            left_out_section(analysis.left_out, sources),
            making_section(analysis, sources),
        ),
        data_block("copied", {"answer": analysis.text, "data": _json(analysis)}),
    )
    return lay_out(
        body,
        title=f"{names[:_TITLE_CHARACTERS]} · mediasense",
        kind="page",
        made_of=place.made_of,
        plays=recording is not None and recording.source.link is not None,
    )


def _recording(
    analysis: Analysis, sources: Sources, stills: Stills, on_progress: OnProgress | None
) -> Recording | None:
    if not analysis.media or not sources.shown or analysis.media[0].modality == "image":
        return None
    media, source = analysis.media[0], sources.shown[0]
    loudness: tuple[float, ...] = ()
    if media.modality == "audio" and source.readable is not None:
        from mediasense.media.pictures import loudness_of

        try:
            loudness = loudness_of(source.readable, points=_POINTS, on_progress=on_progress)
        except MediasenseError as error:
            stills = Stills(problem=sources.plain(error.message))
    elif media.modality == "audio":
        stills = Stills(problem=source.why)
    return Recording(
        media=media,
        source=source,
        stills=stills,
        segments=analysis.segments,
        lines=analysis.lines,
        loudness=loudness,
    )


def _modality(analysis: Analysis) -> MediaModality:
    return analysis.media[0].modality if analysis.media else "image"


def header(title: str, below: Html, index: str = "") -> Html:
    """The top of a page.

    Args:
        title: In large letters.
        below: What stands under it.
        index: The address of the page that lists this one.
    """
    left = tag("span", {"class": "brand"}, "mediasense")
    if index:
        left = tag("a", {"class": "back", "href": index}, icon("back"), "All answers")
    return tag(
        "header",
        None,
        tag("a", {"class": "skip", "href": "#content"}, "Skip to the content"),
        tag("div", {"class": "bar"}, left, _tools()),
        tag("h1", {"dir": "auto"}, title),
        below,
    )


def _tools() -> Html:
    """The buttons of a page; they are shown by the script that they need."""
    return tag(
        "div",
        {"class": "tools", "hidden": True},
        tag("button", {"type": "button", "id": "print"}, icon("print"), "Print"),
        tag("button", {"type": "button", "id": "theme"}, icon("theme"), "Dark"),
    )


def asked(question: Question, modality: MediaModality) -> Html:
    """What was asked, in the user's own words, or by the name of a ready question."""
    task = question.task if isinstance(question.task, str | None) else question.task.name
    words: object = question.prompt
    if not words:
        words = tag("i", None, f"the task {task}" if task else _UNASKED[modality])
    named = tag("span", {"class": "task"}, task) if task and question.prompt else NOTHING
    context = NOTHING
    if question.context:
        shown = question.context[:_CONTEXT_CHARACTERS]
        more = "…" if len(shown) < len(question.context) else ""
        context = tag(
            "details",
            None,
            tag("summary", None, f"Context, {len(question.context):,} characters"),
            tag("pre", {"tabindex": 0, "class": "plain"}, shown + more),
        )
    return tag(
        "section",
        {"id": "question", "aria-labelledby": "question-title"},
        tag("h2", {"id": "question-title"}, "Question ", named),
        tag("blockquote", {"dir": "auto"}, words),
        context,
    )


def _answer(analysis: Analysis, moment: Moment | None) -> Html:
    if analysis.data is not None and _is_json(analysis.text):
        return NOTHING  # it is shown as data
    if analysis.strategy == "transcript" and analysis.segments:
        return NOTHING  # it is shown line by line
    inside = to_html(analysis.text, moment=moment)
    if not analysis.text.strip():
        inside = tag("p", {"class": "empty"}, "The answer is empty.")
    elif analysis.lines:  # what was read keeps its lines
        inside = tag("div", {"class": "plain"}, with_moments(analysis.text.strip("\n"), moment))
    return tag(
        "section",
        {"id": "answer", "class": "card", "aria-labelledby": "answer-title"},
        _titled("answer", "Answer", "answer"),
        tag("div", {"class": "prose", "dir": "auto"}, inside),
    )


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _data(subject: Subject, moment: Moment | None) -> Html:
    analysis, question = subject.analysis, subject.question
    if analysis.data is None:
        return NOTHING
    shown = _is_json(analysis.text)
    document = to_markdown(_plain(analysis), question.json_schema if question else None)
    return tag(
        "section",
        {"id": "answer" if shown else "data", "class": "card", "aria-labelledby": "data-title"},
        _titled("data", "Answer" if shown else "Data", "data"),
        tag("div", {"class": "prose", "dir": "auto"}, to_html(document, moment=moment)),
        tag(
            "details",
            None,
            tag("summary", None, "As JSON"),
            tag("pre", {"tabindex": 0}, tag("code", None, _json(analysis))),
        ),
    )


def _titled(name: str, title: str, copied: str) -> Html:
    button = tag(
        "button",
        {"type": "button", "class": "copy", "data-copies": copied, "hidden": True},
        icon("copy"),
        tag("span", {"aria-live": "polite"}, "Copy"),
    )
    return tag("div", {"class": "titled"}, tag("h2", {"id": f"{name}-title"}, title), button)


def _plain(analysis: Analysis) -> object:
    dump = getattr(analysis.data, "model_dump", None)
    return dump(mode="json") if callable(dump) else analysis.data


def _json(analysis: Analysis) -> str:
    return "" if analysis.data is None else dumps(_plain(analysis))
