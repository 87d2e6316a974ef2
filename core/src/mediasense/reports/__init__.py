"""Answers as pages that people like to look at: one file each, which needs no network.

``page`` puts a page together, ``index`` the list of a batch; ``places`` is where they are written.
Everything that was said by a model, a service or a file is escaped on its way into a page, and the
page's own policy forbids whatever is not its own to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mediasense.media.source import Source
from mediasense.names import OnProgress
from mediasense.reports.page import Place, Subject, page_of
from mediasense.reports.places import check_file, write_page
from mediasense.types import Analysis, Question


def write_report(
    path: Path,
    analysis: Analysis,
    *,
    sources: Sequence[Source] = (),
    question: Question | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Write the page of an answer.

    Args:
        path: Where; a report that is there is replaced.
        analysis: The answer.
        sources: The media as the user named them: their pictures are read again.
        question: What was asked.
        on_progress: Called with what is being done.

    Raises:
        UsageError: There is something else than a report, or the folder is missing.
        StoreError: It cannot be written.
    """
    check_file(path)
    subject = Subject(analysis=analysis, sources=sources, question=question)
    write_page(path, page_of(subject, Place(path=path), on_progress))
