"""The pages of a batch: one for each item, and the one that lists them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mediasense.batches.records import Result
from mediasense.envelope import dumps_line
from mediasense.errors import StoreError
from mediasense.media.inspecting import display_name
from mediasense.names import OnProgress
from mediasense.private import make_folder
from mediasense.reports.html import NOTHING, tag
from mediasense.reports.index import list_items
from mediasense.reports.items import (
    PAGES,
    Totals,
    names_in,
    page_name,
    read_lines,
    read_result,
    shown_name,
    without_folders,
)
from mediasense.reports.layout import lay_out
from mediasense.reports.page import Place, Subject, asked, header, page_of
from mediasense.reports.places import check_folder, head_of, write_page
from mediasense.reports.stills import IN_A_BATCH
from mediasense.types import Question

_VERSION = "1"
"""Of the pages: raised so that they are made anew."""

_AT_ONCE = 4
_AHEAD = 16


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
        make_folder(report.folder / PAGES)
    except OSError as error:
        raise StoreError(
            f"{display_name(report.folder)} cannot be made: {error.strerror or error}",
            hint="give another --report",
        ) from None
    totals = _write_pages(report, on_progress)
    write_page(
        report.folder / "index.html",
        lay_out(
            list_items(report.results, report.question, totals),
            title="Answers · mediasense",
            kind="index",
        ),
    )


def _write_pages(report: BatchReport, on_progress: OnProgress | None) -> Totals:
    totals = Totals()
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for done, line in enumerate(read_lines(report.results)):
                if on_progress is not None:
                    on_progress(f"writing the report: {done:,} pages", None)
                result = read_result(line)
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


def _write_item(report: BatchReport, result: Result, line: str) -> None:
    question = report.question
    if own := report.own_prompts.get(result.id):
        question = replace(question, prompt=own)
    told = dumps_line([_VERSION, line, question.prompt, question.json_schema])
    made_of = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
    path = report.folder / PAGES / page_name(result)
    if made_of.encode() in head_of(path):
        return
    place = Place(path=path, room=IN_A_BATCH, index="../index.html", made_of=made_of)
    if result.analysis is None:
        write_page(path, _failed(result, question, place))
        return
    subject = Subject(analysis=result.analysis, sources=names_in(result), question=question)
    write_page(path, page_of(subject, place))


def _failed(result: Result, question: Question, place: Place) -> Iterator[str]:
    names = shown_name(result)
    failure = result.failure
    below = tag("ul", {"class": "chips"}, tag("li", {"class": "bad"}, "failed"))
    body = tag(
        "main",
        {"id": "content"},
        asked(question, "image") if question.prompt or question.task else NOTHING,
        tag(
            "section",
            {"id": "answer", "class": "card failure", "aria-labelledby": "answer-title"},
            tag("h2", {"id": "answer-title"}, failure.kind if failure else "No answer"),
            tag("p", {"dir": "auto"}, without_folders(result, failure.message) if failure else ""),
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
