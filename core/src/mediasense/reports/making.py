"""How an answer was made, on a page: what was sent, what was left out, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mediasense.names import Strategy
from mediasense.output.money import dollars
from mediasense.output.plans import media_words
from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.sources import Sources
from mediasense.steps import LeftOut, Step, clock, size
from mediasense.types import Analysis, Usage

_STRATEGIES: dict[Strategy, str] = {
    "images": "the images were sent",
    "native": "the recording itself was sent",
    "frames": "key frames were sent as images, with what is said beside them",
    "frame_by_frame": "one image in each call, joined at the end",
    "segments": "asked about parts of the recording, joined at the end",
    "transcript": "what is said was written down",
    "transcript_then_text": "what is said was written down, and the question asked about that",
}
_TOKENS = (
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("reasoning_tokens", "of them reasoning"),
    ("cached_tokens", "input that the service had kept"),
    ("cache_write_tokens", "input that the service kept"),
    ("image_tokens", "of images"),
    ("video_tokens", "of video"),
    ("audio_tokens", "of sound"),
)


def cost_of(analysis: Analysis) -> str:
    """What the answer cost, in words."""
    if analysis.cached:
        return "nothing: it was kept"
    return "unknown" if analysis.cost is None else dollars(analysis.cost)


def seconds_words(seconds: float) -> str:
    """How long something took, in words."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def warnings_section(analysis: Analysis, sources: Sources) -> Html:
    """What the user should know about this answer."""
    left_out = {left.words for left in analysis.left_out}
    words = [w for w in analysis.warnings if w not in left_out]
    if analysis.finish_reason == "length":
        words.insert(0, "the answer was cut short by a limit of its length")
    return _notes("warnings", "Worth knowing", words, sources)


def left_out_section(left_out: Sequence[LeftOut], sources: Sources) -> Html:
    """What no model saw or heard."""
    words = []
    for left in left_out:
        span = ""
        if left.start is not None and left.end is not None:
            span = f" ({clock(left.start)} to {clock(left.end)})"
        words.append(left.words + span)
    return _notes("left-out", "Left out", words, sources)


def _notes(name: str, title: str, words: Iterable[str], sources: Sources) -> Html:
    listed = [tag("li", {"dir": "auto"}, sources.plain(line)) for line in words]
    if not listed:
        return NOTHING
    return tag(
        "section",
        {"id": name, "class": "card notes", "aria-labelledby": f"{name}-title"},
        tag("h2", {"id": f"{name}-title"}, title),
        tag("ul", None, *listed),
    )


def making_section(analysis: Analysis, sources: Sources) -> Html:
    """What was done, in steps and in numbers."""
    return tag(
        "section",
        {"id": "making", "class": "card", "aria-labelledby": "making-title"},
        tag("h2", {"id": "making-title"}, "How it was made"),
        tag("p", {"class": "note"}, f"{_strategy(analysis)}."),
        _steps(analysis.steps, sources),
        tag("dl", {"class": "facts"}, *_facts(analysis, sources)),
    )


def _strategy(analysis: Analysis) -> str:
    words = _STRATEGIES.get(analysis.strategy, "")
    return words[:1].upper() + words[1:] if words else analysis.strategy


def _steps(steps: Sequence[Step], sources: Sources) -> Html:
    if not steps:
        return NOTHING
    columns = ("Step", "What", "Who", "Calls", "Images", "Sent", "Tokens", "Cost")
    numeric = 3
    head = [
        tag("th", {"scope": "col", "class": "number" if at >= numeric else None}, name)
        for at, name in enumerate(columns)
    ]
    rows = [tag("tr", None, *_row(step, sources, columns, numeric)) for step in steps]
    table = tag(
        "table", None, tag("thead", None, tag("tr", None, *head)), tag("tbody", None, *rows)
    )
    return tag(
        "div",
        {"class": "wide", "tabindex": 0, "role": "region", "aria-label": "The steps"},
        table,
    )


def _row(step: Step, sources: Sources, columns: Sequence[str], numeric: int) -> Iterable[Html]:
    who = f"{step.provider} {step.model or ''}".strip() if step.provider else "this machine"
    calls = f"{step.calls:,}" if step.calls else ""
    if step.cached:
        calls += f" ({step.cached} kept)"
    cells = (
        step.action,
        sources.plain(step.words),
        who,
        calls,
        f"{step.images:,}" if step.images is not None else "",
        size(step.bytes) if step.bytes else "",
        f"{step.tokens:,}" if step.tokens is not None else "",
        "" if not step.calls else "unknown" if step.cost is None else dollars(step.cost),
    )
    for at, (name, cell) in enumerate(zip(columns, cells, strict=True)):
        facts = {"data-name": name, "class": "number" if at >= numeric else None}
        yield tag("th" if at == 0 else "td", facts | ({"scope": "row"} if at == 0 else {}), cell)


def _facts(analysis: Analysis, sources: Sources) -> Iterable[Html]:
    yield from _fact("Provider", analysis.provider)
    yield from _fact("Model", analysis.model)
    yield from _fact("Cost", cost_of(analysis))
    if analysis.usage is not None:
        yield from _fact("Tokens", _usage(analysis.usage))
    yield from _fact("Took", _took(analysis))
    yield from _fact("Language", analysis.language or "")
    for shown, media in zip(sources.shown, analysis.media, strict=False):
        words = media_words(media, sound="with sound", silence="without sound")
        yield from _fact(shown.name, words)


def _fact(name: str, words: str) -> Iterable[Html]:
    if words:
        yield tag("div", None, tag("dt", {"dir": "auto"}, name), tag("dd", {"dir": "auto"}, words))


def _usage(usage: Usage) -> str:
    counted = [
        f"{count:,} {words}"
        for name, words in _TOKENS
        if (count := getattr(usage, name)) is not None
    ]
    if usage.seconds is not None:
        counted.append(f"{usage.seconds:,.1f} s billed")
    return ", ".join(counted)


def _took(analysis: Analysis) -> str:
    times = analysis.timings
    if analysis.cached:
        return f"{seconds_words(times.total)}, from the cache"
    return (
        f"{seconds_words(times.total)}: {seconds_words(times.prepare)} to prepare, "
        f"{seconds_words(times.provider)} waiting for the provider"
    )


def chips(analysis: Analysis) -> Html:
    """Who answered, what it cost and how long it took, at a glance."""
    who = f"{analysis.provider} · {analysis.model}" if analysis.model else analysis.provider
    cost = "no cost" if analysis.cost == 0 else f"cost {cost_of(analysis)}"
    if analysis.cached:
        cost = "from the cache"
    found = [who, cost, seconds_words(analysis.timings.total)]
    return tag(
        "ul",
        {"class": "chips", "aria-label": "In short"},
        joined(*(tag("li", {"dir": "auto"}, words) for words in found)),
    )
