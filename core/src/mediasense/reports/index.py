"""The pages of a batch: one for each item, and one that lists them all."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mediasense.batches.records import Result, result_of_line
from mediasense.envelope import dumps_line
from mediasense.errors import StoreError, one_line
from mediasense.media.inspecting import display_name
from mediasense.media.source import is_link, is_uri
from mediasense.names import OnProgress
from mediasense.output.money import dollars
from mediasense.private import make_folder
from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.layout import lay_out
from mediasense.reports.making import cost_of, seconds_words
from mediasense.reports.markdown import plain_text
from mediasense.reports.page import Place, Subject, asked, header, page_of
from mediasense.reports.places import check_folder, head_of, write_page
from mediasense.reports.sources import Sources, names_of
from mediasense.reports.stills import IN_A_BATCH
from mediasense.steps import clock
from mediasense.types import Analysis, Question

MOST_ROWS = 20_000
"""Of the page that lists them; a browser is slow with more."""

_VERSION = "1"
"""Of the pages: raised so that they are made anew."""

_PAGES = "pages"
_SNIPPET = 240
_AT_ONCE = 4
_AHEAD = 16
_UNSAFE = re.compile(r"[^a-z0-9]+")
_COLUMNS = (
    ("Item", "text"),
    ("Status", "text"),
    ("Answer", ""),
    ("Model", "text"),
    ("Length", "number"),
    ("Took", "number"),
    ("Cost", "number"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What pages of a batch are made of.

    Attributes:
        folder: Where they go; it is made where it is missing.
        results: The results file of the batch.
        question: What was asked about each item.
        own_prompts: What was asked about an item instead, by its id.
    """

    folder: Path
    results: Path
    question: Question
    own_prompts: Mapping[str, str] = field(default_factory=dict)


def write_batch(report: BatchReport, on_progress: OnProgress | None = None) -> None:
    """Write a page for each item, and the one that lists them.

    A page that is there and tells the same is left alone, so what was interrupted goes on.

    Args:
        report: What they are made of.
        on_progress: Called with what is being done.

    Raises:
        UsageError: There is something else than a report, or the folder above is missing.
        StoreError: They cannot be written, or the results cannot be read.
    """
    check_folder(report.folder)
    try:
        make_folder(report.folder / _PAGES)
    except OSError as error:
        raise StoreError(
            f"{display_name(report.folder)} cannot be made: {error.strerror or error}",
            hint="give another --report",
        ) from None
    totals = _write_pages(report, on_progress)
    write_page(
        report.folder / "index.html",
        lay_out(_index(report, totals), title="Answers · mediasense", kind="index"),
    )


# --- a page for each -----------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Totals:
    """What all items come to."""

    answered: int = 0
    failed: int = 0
    unreadable: int = 0
    unpriced: int = 0
    cost: float = 0.0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        self.seconds += result.seconds
        if result.analysis is None:
            self.failed += 1
            return
        self.answered += 1
        if result.analysis.cost is None:
            self.unpriced += 1
        else:
            self.cost += result.analysis.cost


def _write_pages(report: BatchReport, on_progress: OnProgress | None) -> _Totals:
    totals = _Totals()
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for done, line in enumerate(_lines(report.results)):
                if on_progress is not None:
                    on_progress(f"writing the report: {done:,} pages", None)
                result = _result(line)
                if result is None:
                    totals.unreadable += 1
                    continue
                totals.add(result)
                under_way.add(pool.submit(_write_item, report, result, line))
                if len(under_way) >= _AHEAD:
                    under_way = _all_but_the_done(under_way)
            for future in under_way:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return totals


def _all_but_the_done(under_way: set[Future[None]]) -> set[Future[None]]:
    from concurrent.futures import FIRST_COMPLETED, wait

    done, left = wait(under_way, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left


def _lines(results: Path) -> Iterator[str]:
    try:
        with results.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError as error:
        raise StoreError(
            f"the results in {display_name(results)} cannot be read: {error.strerror or error}",
            hint="give the same command again",
        ) from None


def _result(line: str) -> Result | None:
    try:
        return result_of_line(line)
    except (ValueError, RecursionError, AttributeError):
        return None


def _write_item(report: BatchReport, result: Result, line: str) -> None:
    question = report.question
    if own := report.own_prompts.get(result.id):
        question = replace(question, prompt=own)
    told = dumps_line([_VERSION, line, question.prompt, question.json_schema])
    made_of = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
    path = report.folder / _PAGES / page_name(result)
    if made_of.encode() in head_of(path):
        return
    place = Place(path=path, room=IN_A_BATCH, index="../index.html", made_of=made_of)
    if result.analysis is None:
        write_page(path, _failed(result, question, place))
        return
    subject = Subject(analysis=result.analysis, sources=_names(result), question=question)
    write_page(path, page_of(subject, place))


def page_name(result: Result) -> str:
    """The name of an item's page: a few letters of what it is about, and a hash of its id."""
    digest = hashlib.sha256(result.id.encode("utf-8", "replace")).hexdigest()[:12]
    stem = Path(_names(result)[0].replace("\0", "")).stem if _names(result) else ""
    letters = _UNSAFE.sub("-", stem.lower())[:40].strip("-")
    return f"{letters}-{digest}.html" if letters else f"{digest}.html"


def _names(result: Result) -> tuple[str, ...]:
    return (result.source,) if isinstance(result.source, str) else result.source


def _failed(result: Result, question: Question, place: Place) -> Iterator[str]:
    names = _shown_name(result)
    failure = result.failure
    below = tag("ul", {"class": "chips"}, tag("li", {"class": "bad"}, "failed"))
    sources = Sources([n for n in _names(result) if not is_uri(n)], (), place.path)
    body = tag(
        "main",
        None,
        asked(question, "image") if question.prompt or question.task else NOTHING,
        tag(
            "section",
            {"id": "answer", "class": "card failure", "aria-labelledby": "answer-title"},
            tag("h2", {"id": "answer-title"}, failure.kind if failure else "No answer"),
            tag("p", {"dir": "auto"}, sources.plain(failure.message) if failure else ""),
            tag("p", {"class": "note"}, _advice(result)),
        ),
    )
    return lay_out(
        (header(names, below, place.index), body),
        title=f"{names} · mediasense",
        kind="page",
        made_of=place.made_of,
    )


def _advice(result: Result) -> str:
    passing = result.failure is not None and result.failure.passing
    words = "It may go well later" if passing else "It failed for good, unless its cause is removed"
    return f"{words}: --retry-failed asks about it again."


# --- the page that lists them --------------------------------------------------------------------


def _index(report: BatchReport, totals: _Totals) -> Iterator[str]:
    count = totals.answered + totals.failed
    yield header(_many(count), _tiles(totals))
    yield "<main>"
    question = report.question
    if question.prompt or question.task:
        yield asked(question, "image")
    yield _controls(count)
    yield '<div class="card rows"><table id="rows"><thead><tr>'
    for name, kind in _COLUMNS:
        facts = {"scope": "col", "data-sort": kind or None}
        yield tag("th", facts | {"class": "number" if kind == "number" else None}, name)
    yield "</tr></thead><tbody>\n"
    results = (found for line in _lines(report.results) if (found := _result(line)) is not None)
    for number, result in enumerate(itertools.islice(results, MOST_ROWS)):
        yield _row(result, number) + "\n"
    yield "</tbody></table>"
    yield tag("p", {"id": "none", "class": "note", "hidden": True}, "Nothing matches.")
    yield "</div>"
    yield _remarks(count, totals)
    yield "</main>"


def _many(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _tiles(totals: _Totals) -> Html:
    cost: object = dollars(totals.cost)
    if totals.unpriced and totals.unpriced == totals.answered:
        cost = "unknown"
    elif totals.unpriced:
        cost = joined(cost, " ", tag("small", None, f"and {totals.unpriced:,} of unknown cost"))
    told = (
        ("Answered", f"{totals.answered:,}", "good" if totals.answered else None),
        ("Failed", f"{totals.failed:,}", "bad" if totals.failed else None),
        ("Cost", cost, None),
        ("Time, all together", seconds_words(totals.seconds), None),
    )
    return tag(
        "dl",
        {"class": "tiles"},
        *(
            tag("div", {"class": kind}, tag("dt", None, name), tag("dd", None, words))
            for name, words, kind in told
        ),
    )


def _controls(count: int) -> Html:
    choices = [
        tag(
            "label",
            None,
            tag(
                "input",
                {"type": "radio", "name": "status", "value": value, "checked": not value},
            ),
            tag("span", None, name),
        )
        for value, name in (("", "All"), ("answered", "Answered"), ("failed", "Failed"))
    ]
    return tag(
        "div",
        {"id": "answer", "class": "controls", "hidden": True, "role": "search"},
        tag(
            "input",
            {
                "type": "search",
                "id": "search",
                "placeholder": "Search names and answers",
                "aria-label": "Search names and answers",
                "autocomplete": "off",
            },
        ),
        tag("div", {"class": "choices", "role": "group", "aria-label": "Which items"}, *choices),
        tag("output", {"id": "count", "class": "note", "aria-live": "polite"}, _many(count)),
    )


def _row(result: Result, number: int) -> Html:
    analysis, failure = result.analysis, result.failure
    name = tag("a", {"href": f"{_PAGES}/{page_name(result)}", "dir": "auto"}, _shown_name(result))
    status = "failed" if analysis is None else "answered"
    badge = "bad" if analysis is None else "good"
    if analysis is not None:
        told = joined(plain_text(analysis.text, _SNIPPET))
    else:
        kind = tag("b", None, failure.kind if failure else "")
        message = _without_folders(result, failure.message) if failure else ""
        told = joined(kind, " ", one_line(message, limit=_SNIPPET))
    cells = (
        ("Item", name, None),
        ("Status", tag("span", {"class": f"badge {badge}"}, status), None),
        ("Answer", tag("div", {"class": "snippet", "dir": "auto"}, told), None),
        ("Model", _model(analysis), None),
        ("Length", *_length(analysis)),
        ("Took", seconds_words(result.seconds), result.seconds),
        ("Cost", *_cost(analysis)),
    )
    return tag(
        "tr",
        {"data-status": status, "data-number": number},
        *(
            tag(
                "th" if at == 0 else "td",
                {
                    "scope": "row" if at == 0 else None,
                    "data-name": column,
                    "data-value": None if value is None else f"{value:.6g}",
                    "class": "number" if _COLUMNS[at][1] == "number" else None,
                },
                words,
            )
            for at, (column, words, value) in enumerate(cells)
        ),
    )


def _without_folders(result: Result, words: str) -> str:
    for name in _names(result):
        if Path(name).is_absolute():
            words = words.replace(name, Path(name).name)
    return words


def _model(analysis: Analysis | None) -> str:
    if analysis is None:
        return ""
    return f"{analysis.provider} {analysis.model}".strip()


def _length(analysis: Analysis | None) -> tuple[str, float | None]:
    seconds = analysis.media[0].seconds if analysis is not None and analysis.media else None
    return ("", None) if seconds is None else (clock(seconds), seconds)


def _cost(analysis: Analysis | None) -> tuple[str, float | None]:
    if analysis is None:
        return "", None
    return ("from the cache" if analysis.cached else cost_of(analysis)), analysis.cost


def _shown_name(result: Result) -> str:
    """What an item is called: as it was given where that says nothing of the machine."""
    names = _names(result)
    if all(not is_link(name) and not Path(name).is_absolute() for name in names):
        return ", ".join(names) or result.id
    page = Path(os.curdir)
    return names_of(Sources(names, (), page).shown) or result.id


def _remarks(count: int, totals: _Totals) -> Html:
    remarks = []
    if count > MOST_ROWS:
        remarks.append(f"The first {MOST_ROWS:,} are listed; each has its page.")
    if totals.unreadable:
        remarks.append(f"{totals.unreadable:,} lines of the results cannot be read.")
    return tag("p", {"class": "note"}, " ".join(remarks)) if remarks else NOTHING
