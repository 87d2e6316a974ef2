"""Transcripts as SRT, WebVTT and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mediasense.steps import clock
from mediasense.types import Analysis, Segment

_ARROW = re.compile("-{2,}>")
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")


def to_srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered cues, times with a comma before the milliseconds."""
    cues = [
        f"{number}\n{_times(s, ',')}\n{_cue(s)}\n" for number, s in enumerate(_worth(segments), 1)
    ]
    return "\n".join(cues)


def to_vtt(segments: Sequence[Segment]) -> str:
    """WebVTT (W3C): the same with a header, and speakers as voices."""
    cues = [f"{_times(s, '.')}\n{_voice(s)}\n" for s in _worth(segments)]
    return "\n".join(["WEBVTT\n", *cues])


def to_markdown(analysis: Analysis) -> str:
    """The answer, and under it what is said, each line with its time."""
    said = [
        f"- **{clock(s.start)}** {f'*{_plain(_speaker(s))}:* ' if _speaker(s) else ''}"
        f"{_plain(s.text)}"
        for s in _worth(analysis.segments)
    ]
    if not said:
        return analysis.text.rstrip("\n") + "\n"
    answer = "" if analysis.strategy == "transcript" else f"{analysis.text.strip()}\n\n"
    return f"{answer}## Transcript\n\n" + "\n".join(said) + "\n"


def _worth(segments: Sequence[Segment]) -> list[Segment]:
    """Those that say something, in the order of time, as WebVTT wants them."""
    return sorted((s for s in segments if s.text.strip()), key=lambda s: s.start)


def _times(segment: Segment, point: str) -> str:
    """From when to when; players skip a cue that lasts no time."""
    start = max(0, round(segment.start * 1000))
    end = max(start + 1, round(segment.end * 1000))
    return f"{_time(start, point)} --> {_time(end, point)}"


def _time(milliseconds: int, point: str) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _speaker(segment: Segment) -> str:
    return _line(segment.speaker or "")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", _line(text))


def _cue(segment: Segment) -> str:
    """The text of a cue: an empty line or an arrow in it would end the cue or begin another."""
    text = _line(segment.text)
    told = f"{_speaker(segment)}: {text}" if _speaker(segment) else text
    return _ARROW.sub("->", told)


def _voice(segment: Segment) -> str:
    text = _escaped(_line(segment.text))
    speaker = _escaped(_speaker(segment))
    return f"<v {speaker}>{text}" if speaker else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
