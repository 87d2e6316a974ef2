"""How far a batch is: a line on a terminal while it runs, and a summary when it ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import MediasenseError
from mediasense.output.colour import allows_animation, console
from mediasense.output.money import call_words
from mediasense.output.terminal import answers, is_said, said, say, styled, write

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from mediasense.batches.run import Standing
    from mediasense.ledger import Spent

_A_SECOND = 4
"""How often the line is drawn."""


_LOOKING = 5.0
"""Seconds between looks at whether a provider is waited for."""


class BatchDisplay:
    """One line on stderr, drawn only on a terminal, and gone at the end.

    Args:
        standing: How far the batch is.
        count: How many items there will be, where that can be told; called on a thread of its own.
    """

    def __init__(self, standing: Callable[[], Standing], count: Callable[[], int | None]) -> None:
        self._standing = standing
        self._count = count
        self._total: int | None = None
        self._live: Live | None = None
        self._over = threading.Event()

    def __enter__(self) -> BatchDisplay:
        if is_said("note") and allows_animation(sys.stderr):
            threading.Thread(target=self._find_total, daemon=True).start()
            self._live = self._started()
        else:
            threading.Thread(target=self._tell_of_waiting, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def say(self, kind: str, text: str) -> None:
        """Write a note on stderr, above the line."""
        if self._live is None:
            say(kind, text)
        elif is_said(kind):
            from rich.text import Text

            line = said(kind, text)
            self._live.console.print(Text.from_ansi(styled(line)))

    def write(self, text: str) -> None:
        """Write a result on stdout, which may be the same terminal."""
        if self._live is not None and answers().isatty():
            self._above(text)
        else:
            write(answers(), text)

    def show(self, text: str) -> None:
        """Write some lines on stderr, above the line."""
        if self._live is None:
            write(sys.stderr, text)
        else:
            self._above(text)

    def _above(self, text: str) -> None:
        assert self._live is not None
        text = "".join(c for c in text.rstrip("\n") if c.isprintable() or c in "\n\t")
        self._live.console.print(text, markup=False, soft_wrap=True)

    def _tell_of_waiting(self) -> None:
        """Where no line is drawn: say once why nothing happens."""
        told = ""
        while not self._over.wait(_LOOKING):
            waiting = self._standing().waiting
            who = waiting.partition(":")[0]
            if who and who != told:
                say("note", f"waiting: {waiting}")
                told = who

    def _find_total(self) -> None:
        with suppress(MediasenseError, OSError):  # the batch itself meets it, and tells
            self._total = self._count()

    def _started(self) -> Live:
        from rich.live import Live

        live = Live(
            console=console(sys.stderr),
            get_renderable=self._line,
            refresh_per_second=_A_SECOND,
            transient=True,
            # It would send on to stderr what is written to stdout, also where that is a file.
            redirect_stdout=False,
        )
        live.start()
        return live

    def _line(self) -> Text:
        from rich.text import Text

        return Text(standing_line(self._standing(), self._total), overflow="ellipsis", no_wrap=True)


def standing_line(standing: Standing, total: int | None) -> str:
    """How far a batch is, in one line.

    Args:
        standing: How far.
        total: How many items there are, about; ``None`` when it is not known.
    """
    done = f"{standing.done:,}" + (f" of {max(total, standing.done):,}" if total else "")
    parts = [f"{done} done", f"{standing.failed:,} failed", f"{standing.running:,} running"]
    if standing.waiting:  # what does not fit into the line is cut off at its end
        parts.append(standing.waiting)
    if standing.rate:
        parts.append(f"{standing.rate:.3g}/s")
        if total:
            left = max(0, total - standing.done) / standing.rate
            parts.append(f"{_clock(left)} left")
    parts.append(_money(standing.spent))
    return " · ".join(parts)


def summary(standing: Standing, out: Path | None) -> list[str]:
    """What became of a batch, in a few lines."""
    parts = [f"{standing.answered:,} answered"]
    if standing.cached:
        parts[0] += f" ({standing.cached:,} from the cache)"
    parts.append(f"{standing.failed:,} failed")
    if standing.earlier:
        parts.append(f"{standing.earlier:,} answered in an earlier run")
    if standing.left_failed:
        parts.append(f"{standing.left_failed:,} failed in an earlier run")
    if standing.repeated:
        parts.append(f"{standing.repeated:,} named twice")
    if standing.clashes:
        parts.append(f"{standing.clashes:,} left out, whose id came before")
    lines = [f"{', '.join(parts)}, in {_clock(standing.seconds)}", _money(standing.spent)]
    if standing.interrupted:
        lines.append(
            f"{standing.interrupted:,} were under way when an earlier run was killed: they were "
            "asked again, and the service may have counted them twice"
        )
    if out is not None:
        lines.append(f"the results are in {out}")
    return lines


def _money(spent: Spent) -> str:
    """What was spent; a cost that is not known is said to be, and is no zero."""
    tokens = spent.input_tokens + spent.output_tokens
    # Services that are paid by the second tell of no tokens.
    told = f"{tokens:,} tokens, " if tokens else ""
    if spent.calls and spent.unpriced == spent.calls:
        return f"{told}{call_words(spent.calls)} of unknown cost"
    told += "$0" if not spent.cost else f"${spent.cost:{'.4f' if spent.cost < 1 else ',.2f'}}"
    return told + (f" and {call_words(spent.unpriced)} of unknown cost" if spent.unpriced else "")


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
