"""The page that lists the answers of a batch, to search, filter and sort."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from mediasense.batches.records import Result
from mediasense.errors import one_line
from mediasense.output.money import dollars
from mediasense.reports.html import NOTHING, Html, joined, tag
from mediasense.reports.items import (
    PAGES,
    Totals,
    page_name,
    read_lines,
    read_result,
    shown_name,
    without_folders,
)
from mediasense.reports.making import cost_of, seconds_words
from mediasense.reports.markdown import plain_text
from mediasense.reports.page import asked, header
from mediasense.steps import clock
from mediasense.types import Analysis, Question

MOST_ROWS = 20_000
"""Of the list; a browser is slow with more."""

_SNIPPET = 240
_COLUMNS = (
    ("Item", "text"),
    ("Status", "text"),
    ("Answer", ""),
    ("Model", "text"),
    ("Length", "number"),
    ("Took", "number"),
    ("Cost", "number"),
)


def list_items(results: Path, question: Question, totals: Totals) -> Iterator[str]:
    """What is on the page, piece by piece.

    Args:
        results: The results file of the batch.
        question: What was asked about each item.
        totals: What all items come to.
    """
    count = totals.answered + totals.failed
    yield header(_many(count), _tiles(totals))
    yield '<main id="content">'
    if question.prompt or question.task:
        yield asked(question, "image")
    yield _controls(count)
    yield '<div class="card rows"><table id="rows"><thead><tr>'
    for name, kind in _COLUMNS:
        facts = {"scope": "col", "data-sort": kind or None}
        yield tag("th", facts | {"class": "number" if kind == "number" else None}, name)
    yield "</tr></thead><tbody>\n"
    items = (found for line in read_lines(results) if (found := read_result(line)) is not None)
    for number, result in enumerate(itertools.islice(items, MOST_ROWS)):
        yield _row(result, number) + "\n"
    yield "</tbody></table>"
    yield tag("p", {"id": "none", "class": "note", "hidden": True}, "Nothing matches.")
    yield "</div>"
    yield _remarks(count, totals)
    yield "</main>"


def _many(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _tiles(totals: Totals) -> Html:
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
    name = tag("a", {"href": f"{PAGES}/{page_name(result)}", "dir": "auto"}, shown_name(result))
    status = "failed" if analysis is None else "answered"
    badge = "bad" if analysis is None else "good"
    if analysis is not None:
        told = joined(plain_text(analysis.text, _SNIPPET))
    else:
        kind = tag("b", None, failure.kind if failure else "")
        message = without_folders(result, failure.message) if failure else ""
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


def _remarks(count: int, totals: Totals) -> Html:
    remarks = []
    if count > MOST_ROWS:
        remarks.append(f"The first {MOST_ROWS:,} are listed; each has its page.")
    if totals.unreadable:
        remarks.append(f"{totals.unreadable:,} lines of the results cannot be read.")
    return tag("p", {"class": "note"}, " ".join(remarks)) if remarks else NOTHING
