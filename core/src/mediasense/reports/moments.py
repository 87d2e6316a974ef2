"""A recording on a page: its player, its key frames, and what is said and read in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.pictures import data_uri, overlay, size_of
from mediasense.reports.sources import Shown
from mediasense.reports.stills import Picture, Stills
from mediasense.steps import clock
from mediasense.types import Media, Segment, TextLine, Word

_SLACK = 0.05
_RULER = 1000  # units across
_MOST_WORDS = 20_000
"""Words with times of their own; each is an element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a page shows of a recording.

    Attributes:
        media: What was looked at.
        source: Where it is.
        stills: Its pictures.
        segments: What is said.
        lines: What is read.
        loudness: How loud it is, at even distances, 0 to 1.
    """

    media: Media
    source: Shown
    stills: Stills
    segments: Sequence[Segment]
    lines: Sequence[TextLine]
    loudness: Sequence[float] = ()

    @property
    def seconds(self) -> float:
        """How long it is, as far as anything of it tells."""
        ends = [s.end for s in self.segments] + [line.end or 0.0 for line in self.lines]
        ends += [p.timestamp or 0.0 for p in self.stills.pictures]
        return self.media.seconds or max(ends, default=0.0)

    def target(self, second: float) -> str | None:
        """What a link to a second leads to: the picture that is on screen then, or the player."""
        if not 0 <= second <= self.seconds + 1:
            return None
        if not self.stills.pictures:
            return "#media" if self.source.link else None
        return f"#frame-{self.number_at(second)}"

    def number_at(self, second: float) -> int:
        """Which picture is on screen at a second, from 1."""
        times = [p.timestamp or 0.0 for p in self.stills.pictures]
        return max(1, bisect_right(times, second + _SLACK))


def recording_section(shown: Recording) -> Html:
    """The recording: left its pictures, right what is said and read in it."""
    told = [*_said(shown), *_read(shown)]
    pictures = joined(_stage(shown), _wave(shown), _ruler(shown), _strip(shown))
    if not told and not pictures:
        return NOTHING
    columns = tag("div", {"class": "seen"}, pictures)
    if told:
        columns = joined(columns, tag("div", {"class": "told"}, *told))
    return tag(
        "section",
        {
            "id": "media",
            "class": f"card recording {shown.media.modality}",
            "aria-label": "The recording",
        },
        tag("div", {"class": "columns" if told else "one-column"}, columns),
    )


# --- what is seen --------------------------------------------------------------------------------


def _stage(shown: Recording) -> Html:
    media, pictures = shown.media, shown.stills.pictures
    player = NOTHING
    if shown.source.link:
        kind = "audio" if media.modality == "audio" else "video"
        facts: dict[str, object] = {
            "id": "player",
            "src": shown.source.link,
            "controls": True,
            "preload": "metadata",
            "aria-label": shown.source.name,
        }
        if kind == "video":
            facts |= {"playsinline": True, "width": media.width, "height": media.height}
        player = tag(kind, facts)
    large = NOTHING
    if pictures:
        width, height = size_of(pictures[0].image)
        # The script fills it in: a page that is read without one shows the pictures themselves.
        large = tag(
            "figure",
            {"id": "large", "hidden": True},
            tag(
                "div",
                {"class": "framed"},
                tag("img", {"alt": "", "width": width, "height": height}),
                overlay(shown.lines, media.width or width, media.height or height, timed=True),
            ),
            tag("figcaption", {"aria-live": "polite"}),
        )
    if not player and not large:
        return NOTHING
    return tag("div", {"id": "stage"}, player, large)


def _wave(shown: Recording) -> Html:
    """How loud it is, as a shape."""
    if not shown.loudness:
        return NOTHING
    step = _RULER / len(shown.loudness)
    drawn = " ".join(
        f"M{(at + 0.5) * step:.1f} {50 - 48 * loud:.1f}V{50 + 48 * loud:.1f}"
        for at, loud in enumerate(shown.loudness)
    )
    return tag(
        "svg",
        {
            "class": "wave",
            "viewBox": f"0 0 {_RULER} 100",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": "How loud it is over time",
            "data-seconds": f"{shown.seconds:g}",
        },
        tag("path", {"d": drawn}),
        tag("line", {"class": "now", "x1": 0, "x2": 0, "y1": 0, "y2": 100}),
    )


def _ruler(shown: Recording) -> Html:
    """Where the pictures, and what is said, are in the recording."""
    pictures, seconds = shown.stills.pictures, shown.seconds
    if not pictures or seconds <= 0:
        return NOTHING

    def place(second: float) -> str:
        return f"{_RULER * min(1.0, max(0.0, second / seconds)):.1f}"

    spoken = [
        tag(
            "rect",
            {
                "class": "spoken",
                "x": place(s.start),
                "y": 22,
                "height": 6,
                "width": max(1.5, float(place(s.end)) - float(place(s.start))),
            },
        )
        for s in shown.segments
    ]
    marks = [
        tag(
            "a",
            {
                "href": f"#frame-{number}",
                "data-at": f"{picture.timestamp or 0:g}",
                "aria-label": f"Frame at {clock(picture.timestamp or 0)}",
                "tabindex": -1,
            },
            tag(
                "rect",
                {
                    "class": "mark",
                    "x": f"{float(place(picture.timestamp or 0)) - 3:.1f}",
                    "y": 2,
                    "width": 6,
                    "height": 16,
                },
            ),
        )
        for number, picture in enumerate(pictures, 1)
    ]
    drawn = tag(
        "svg",
        {
            "viewBox": f"-4 0 {_RULER + 8} 30",
            "preserveAspectRatio": "none",
            "aria-label": "Where the frames are in the recording",
            "role": "group",
            "data-seconds": f"{seconds:g}",
        },
        tag("line", {"class": "axis", "x1": 0, "x2": _RULER, "y1": 10, "y2": 10}),
        *spoken,
        *marks,
        tag("line", {"class": "now", "x1": 0, "x2": 0, "y1": 0, "y2": 30}),
    )
    ends = tag(
        "div", {"class": "ends"}, tag("span", None, clock(0)), tag("span", None, clock(seconds))
    )
    return tag("div", {"class": "ruler"}, drawn, ends)


def _strip(shown: Recording) -> Html:
    stills = shown.stills
    if stills.problem:
        return tag("p", {"class": "note"}, f"No pictures: {stills.problem}.")
    if not stills.pictures:
        return NOTHING
    frames = [
        tag("li", None, _frame(number, picture))
        for number, picture in enumerate(stills.pictures, 1)
    ]
    return joined(
        tag("p", {"class": "note"}, _frames_words(stills)),
        tag(
            "ol",
            {"id": "frames", "aria-label": "Key frames, in order of time"},
            *frames,
        ),
    )


def _frame(number: int, picture: Picture) -> Html:
    second = picture.timestamp or 0.0
    width, height = size_of(picture.image)
    return tag(
        "figure",
        {"id": f"frame-{number}"},
        tag(
            "a",
            {"href": f"#frame-{number}", "data-at": f"{second:g}", "data-reason": picture.reason},
            tag(
                "img",
                {
                    "src": data_uri(picture.image),
                    "alt": f"The recording at {clock(second)}",
                    "width": width,
                    "height": height,
                },
            ),
        ),
        tag(
            "figcaption",
            None,
            tag("time", None, clock(second)),
            " ",
            tag("span", {"class": "reason"}, picture.reason),
        ),
    )


def _frames_words(stills: Stills) -> str:
    count, sent = len(stills.pictures), stills.sent
    if not sent:
        return f"{_many(count, 'key frame')}, chosen for this page; none was sent as an image"
    if count < sent:
        return f"{count} of {sent} frames that were sent"
    return f"{_many(count, 'frame')} sent"


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


# --- what is told --------------------------------------------------------------------------------


def _said(shown: Recording) -> Iterable[Html]:
    said = sorted((s for s in shown.segments if s.text.strip()), key=lambda s: s.start)
    if not said:
        return
    words = sum(len(s.words) for s in said)
    lines = []
    speaker: str | None = None
    for segment in said:
        named = segment.speaker if segment.speaker != speaker else None
        speaker = segment.speaker
        text: object = segment.text.strip()
        if segment.words and words <= _MOST_WORDS:
            text = _timed_words(segment.words)
        lines.append(_line(shown, segment.start, segment.end, text, speaker=named))
    yield _list("transcript", "Transcript", lines)


def _timed_words(words: Sequence[Word]) -> Html:
    """Words that light up as they are said."""
    pieces: list[object] = []
    for word in words:
        pieces += (" ", tag("span", {"data-word": f"{word.start:g}"}, word.text))
    return joined(*pieces[1:])


def _read(shown: Recording) -> Iterable[Html]:
    found = [line for line in shown.lines if line.text.strip()]
    if not found:
        return
    lines = [
        _line(shown, line.start or 0.0, line.end, line.text.strip(), box=number)
        for number, line in enumerate(shown.lines)
        if line.text.strip()
    ]
    yield _list("on-screen", "Text on screen", lines)


def _line(
    shown: Recording,
    start: float,
    end: float | None,
    words: object,
    *,
    speaker: str | None = None,
    box: int | None = None,
) -> Html:
    inside: list[object] = [tag("time", None, clock(start)), " "]
    if speaker:
        inside += (tag("b", {"class": "speaker"}, speaker), " ")
    inside.append(tag("span", {"class": "words", "dir": "auto"}, words))
    target = shown.target(start)
    facts: dict[str, object] = {"class": "line"}
    if target is None:
        return tag("li", None, tag("div", facts, *inside))
    facts |= {"href": target, "data-at": f"{start:g}", "data-box": box}
    if end is not None:
        facts["data-end"] = f"{end:g}"
    return tag("li", None, tag("a", facts, *inside))


def _list(name: str, title: str, lines: Sequence[Html]) -> Html:
    return tag(
        "div",
        {"class": "listed"},
        tag("h2", {"id": f"{name}-title"}, title, " ", tag("small", None, f"{len(lines):,}")),
        tag(
            "ol",
            {"id": name, "class": "lines", "tabindex": 0, "aria-labelledby": f"{name}-title"},
            *lines,
        ),
    )
