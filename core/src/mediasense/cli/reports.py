"""``--report``: the answer, or those of a batch, as pages to look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import UsageError
from mediasense.output.terminal import say

if TYPE_CHECKING:
    from mediasense.batches.items import Item
    from mediasense.types import Analysis, Question

_MOST_PROMPTS = 100_000


def require_place(report: Path | None) -> None:
    """Refuse a place where no report can be, before anything is paid for.

    Raises:
        UsageError: There is something else, or its folder is missing.
    """
    if report is not None:
        from mediasense.reports.places import check_file

        check_file(report)


def write_answer(
    report: Path, analysis: "Analysis", sources: Sequence[str], asked: "Question"
) -> None:
    """Write the page of an answer, and say where it is.

    Raises:
        MediasenseError: It cannot be written.
    """
    from mediasense.output.progress import Display
    from mediasense.reports import write_report

    with Display() as display:
        write_report(report, analysis, sources=sources, question=asked, on_progress=display.report)
    say("note", f"the report is in {report}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPages:
    """The pages of a batch on their way.

    Attributes:
        folder: Where they go.
        results: The results file of the batch.
        asked: What is asked about each item.
    """

    folder: Path
    results: Path
    asked: "Question"
    _own_prompts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path | None, out: Path | None, asked: "Question") -> "BatchPages | None":
        """Those that are asked for, if any are.

        Raises:
            UsageError: They cannot be there, or are not made of a results file.
        """
        if folder is None:
            return None
        if out is None:
            raise UsageError(
                "--report is made of the results", hint="add --out FILE, such as results.jsonl"
            )
        from mediasense.reports.places import check_folder

        check_folder(folder)
        return cls(folder=folder, results=out, asked=asked)

    def heed(self, items: "Iterator[Item]") -> "Iterator[Item]":
        """Remember what is asked about single items: the results do not tell."""
        for item in items:
            if item.prompt is not None and len(self._own_prompts) < _MOST_PROMPTS:
                self._own_prompts[item.id] = item.prompt
            yield item

    def write(self) -> None:
        """Write them, and say where they are.

        Raises:
            MediasenseError: They cannot be written.
        """
        if not self.results.is_file():
            return  # it ended before there was any
        from mediasense.output.progress import Display
        from mediasense.reports.batch import BatchReport, write_batch

        made_of = BatchReport(
            folder=self.folder,
            results=self.results,
            question=self.asked,
            own_prompts=self._own_prompts,
        )
        with Display() as display:
            write_batch(made_of, on_progress=display.report)
        say("note", f"the report is in {self.folder / 'index.html'}")
