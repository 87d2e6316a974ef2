"""What was proved, as a table: topics down, providers across."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mediasense.errors import one_line
from mediasense.testing.running import Result

Cell = Literal["proved", "in part", "not declared", "not proved", "FAILED", "-"]

_CELLS: tuple[Cell, ...] = ("proved", "in part", "not proved", "FAILED", "not declared", "-")
_COLOURS: dict[str, str] = {
    "proved": "32",
    "in part": "33",
    "not proved": "33",
    "FAILED": "1;31",
    "not declared": "2",
    "-": "2",
}
_MOST_COLUMNS = 6
_NARROWEST = 60
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was proved of the providers of a plugin.

    Attributes:
        results: Of every check of every provider.
    """

    results: tuple[Result, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers, in order."""
        return tuple(dict.fromkeys(result.provider for result in self.results))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics, in the order of their checks."""
        from mediasense.testing.checks import all_checks

        there = {result.topic for result in self.results}
        return tuple(t for t in dict.fromkeys(c.topic for c in all_checks()) if t in there)

    @property
    def failed(self) -> tuple[Result, ...]:
        """What has to be mended."""
        return tuple(result for result in self.results if result.state == "failed")

    def cell(self, topic: str, provider: str) -> Cell:
        """What was proved of a topic, for one provider."""
        states = [
            result.state
            for result in self.results
            if (result.topic, result.provider) == (topic, provider)
        ]
        if "failed" in states:
            return "FAILED"
        if "not proved" in states:
            return "in part" if "proved" in states else "not proved"
        if "proved" in states:
            return "proved"
        return "not declared" if states else "-"

    def json(self) -> list[dict[str, Any]]:
        """The same for programs: a row for each check of each provider."""
        return [
            {
                "provider": result.provider,
                "topic": result.topic,
                "check": result.check,
                "state": result.state,
                "why": result.why,
            }
            for result in self.results
        ]

    def lines(self, *, width: int = 100, colour: bool = False) -> Iterable[str]:
        """The table, and below it the sentences.

        Args:
            width: Columns of the terminal.
            colour: Whether colours are wanted.
        """
        paint = _paint if colour else _plain
        wide = len(self.providers) > _MOST_COLUMNS or self._width() > max(width, _NARROWEST)
        yield from self._counts(paint, width) if wide else self._table(paint)
        yield ""
        yield from self._reasons("not proved", paint, width)
        yield from self._reasons("failed", paint, width)
        yield self._sum(paint)

    def _width(self) -> int:
        first = max(map(len, self.topics), default=0)
        return first + sum(2 + max(len(name), len("not declared")) for name in self.providers)

    def _table(self, paint: Any) -> Iterable[str]:
        first = max(map(len, self.topics), default=0)
        widths = {name: max(len(name), len("not declared")) for name in self.providers}
        yield f"{' ' * first}  {'  '.join(n.ljust(w) for n, w in widths.items())}".rstrip()
        for topic in self.topics:
            cells = [(self.cell(topic, name), width) for name, width in widths.items()]
            row = "  ".join(paint(cell, cell.ljust(width)) for cell, width in cells)
            yield f"{topic.ljust(first)}  {row}".rstrip()

    def _counts(self, paint: Any, width: int) -> Iterable[str]:
        """One row for each topic, however many providers there are."""
        import textwrap

        first = max(map(len, self.topics), default=0)
        all_of_them = f"{len(self.providers)} providers: {', '.join(self.providers)}"
        yield from textwrap.wrap(all_of_them, width, subsequent_indent="  ")
        yield ""
        for topic in self.topics:
            found: dict[Cell, list[str]] = {}
            for name in self.providers:
                found.setdefault(self.cell(topic, name), []).append(name)
            said = [
                paint(cell, _counted(cell, names, len(self.providers)))
                for cell in _CELLS
                if (names := found.get(cell))
            ]
            yield f"{topic.ljust(first)}  {', '.join(said)}"

    def _reasons(self, state: str, paint: Any, width: int) -> Iterable[str]:
        """Each sentence once, with the checks it is about and the providers it is true of."""
        import textwrap

        word = "FAILED" if state == "failed" else state
        about: dict[str, list[Result]] = {}
        for result in self.results:
            if result.state == state:
                about.setdefault(one_line(result.why, limit=1000), []).append(result)
        for why, results in about.items():
            checks = list(dict.fromkeys(result.check for result in results))
            names = list(dict.fromkeys(result.provider for result in results))
            what = ", ".join(checks) if len(checks) <= _MOST_NAMED else f"{len(checks)} checks"
            who = f" of {', '.join(names)}" if len(self.providers) > 1 else ""
            yield f"{paint(word, word)}  {what}{who}"
            yield from textwrap.wrap(why, width, initial_indent="    ", subsequent_indent="    ")
        if about:
            yield ""

    def _sum(self, paint: Any) -> str:
        counts = {state: sum(r.state == state for r in self.results) for state in _STATES}
        words = [
            paint("FAILED" if state == "failed" else state, f"{count} {state}")
            for state, count in counts.items()
            if count
        ]
        return ", ".join(words)


_STATES = ("proved", "failed", "not proved", "not declared")


def _counted(cell: Cell, names: list[str], of: int) -> str:
    if len(names) == of:
        return f"{cell} of all" if cell != "not declared" else cell
    if cell in ("not declared", "-"):
        return f"{len(names)} {cell}"
    return f"{cell} of {', '.join(names) if len(names) <= _MOST_NAMED else len(names)}"


def _paint(state: str, text: str) -> str:
    return f"\x1b[{_COLOURS.get(state, '0')}m{text}\x1b[0m"


def _plain(state: str, text: str) -> str:
    del state
    return text
