"""An answer that is shown while it is written: raw in a pipe, as Markdown on a terminal."""

from __future__ import annotations

import io
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from mediasense.output.blocks import Block, Blocks
from mediasense.output.colour import allows_animation, allows_colour, console
from mediasense.output.terminal import give_way, printable, put, write

if TYPE_CHECKING:
    from rich.console import Console

_PAUSE = 0.04
"""Seconds between two drawings at least: as often as people can see."""
_SHARE = 4
"""And so many times as long as a drawing takes, so that a slow machine does other things too."""
_UP, _CLEAR = "\x1b[A", "\x1b[K"
"""One row up, and clear the row from here on (ECMA-48, 8.3.22 and 8.3.41)."""
_USUAL = os.terminal_size((80, 24))


class Printer(Protocol):
    """Shows an answer that comes in pieces."""

    def add(self, piece: str) -> None:
        """Show a further piece.

        Raises:
            MediasenseError: It cannot be written.
            BrokenPipeError: Whoever reads has had enough.
        """

    def end(self) -> None:
        """Show what is not shown yet, and end the line; otherwise as :meth:`add`."""


def printer(stream: TextIO, *, markdown: bool) -> Printer:
    """What shows an answer on a stream.

    Args:
        stream: Where it is shown.
        markdown: Whether the answer may be Markdown; else its lines stay as they are.
    """
    shown: Live | Plain
    if markdown and stream.isatty() and allows_colour(stream):
        shown = Live(stream, moves=allows_animation(stream))
    else:
        shown = Plain(stream)
    give_way(stream, shown.aside)
    return shown


class Plain:
    """Writes the pieces as they are, each at once; but of the line breaks at the end only one.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held = ""
        self._begun = False
        self._ended = True

    def add(self, piece: str) -> None:
        """As :meth:`Printer.add`."""
        whole = self._held + piece
        text = whole.rstrip("\n")
        breaks = len(whole) - len(text)
        if not text and self._ended:
            self._held = whole
            return
        self._begun, self._ended = True, bool(breaks)
        self._held = "\n" * (breaks - 1)
        write(self._stream, text + "\n" * self._ended)

    def end(self) -> None:
        """As :meth:`Printer.end`."""
        if not self._ended or (self._held and not self._begun):
            write(self._stream, "\n")
        self._held, self._ended = "", True

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to another line meanwhile."""
        if not self._ended:
            write(self._stream, "\n")
            self._ended = True
        yield


class Live:
    """Draws Markdown on a terminal while it is written.

    What is finished is printed for good, and scrolls up as text does. Below it stands the block
    that is being written, which is drawn anew when there is more of it: of a block that is higher
    than the terminal its end, and all of it once it is finished. It is drawn in a thread of its
    own, at a pace that eyes can follow.

    Args:
        stream: A terminal.
        moves: Whether lines may be drawn over; else only what is finished is shown.
    """

    def __init__(self, stream: TextIO, *, moves: bool = True) -> None:
        self._canvas = _Canvas(stream, moves=moves)
        self._blocks = Blocks()
        self._waiting: list[str] = []
        self._changed = threading.Condition()
        self._ending = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def add(self, piece: str) -> None:
        """As :meth:`Printer.add`."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._waiting.append(piece)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._draw_on, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """As :meth:`Printer.end`."""
        if self._thread is None:
            return
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def aside(self) -> AbstractContextManager[None]:
        """Leave the terminal to another line meanwhile."""
        return self._canvas.lifted()

    def _draw_on(self) -> None:
        try:
            while not self._draw():
                pass
        except BaseException as error:  # noqa: BLE001  it is raised where the next piece comes from
            with self._changed:
                self._failure = error

    def _draw(self) -> bool:
        """Draw what has come, when something has; say whether that was all."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            came, self._waiting, ending = "".join(self._waiting), [], self._ending
        began = time.monotonic()
        self._blocks.add(printable(came))
        done = self._blocks.take()
        if ending:
            self._canvas.show((*done, *self._blocks.end()), ())
            return True
        self._canvas.show(done, self._blocks.rest())
        pause = max(_PAUSE, _SHARE * (time.monotonic() - began))
        with self._changed:
            self._changed.wait_for(lambda: self._ending, timeout=pause)
        return False


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it is drawn.

    Attributes:
        drawn: Its text, with what gives it its looks.
        cells: How wide it is.
    """

    drawn: str
    cells: int

    def rows(self, columns: int) -> int:
        """How many rows of a terminal it takes; of one that became narrower, more than one."""
        return max(1, math.ceil(self.cells / columns))


class _Canvas:
    """The end of what a terminal shows: lines that stay, and below them lines that change.

    The cursor is left at the end of the last line that changes, or where the next line begins.

    Args:
        stream: The terminal.
        moves: Whether there are lines that change.
    """

    def __init__(self, stream: TextIO, *, moves: bool) -> None:
        self._stream = stream
        self._moves = moves
        self._console = _drawing_console(stream)
        self._columns = 0
        self._drawn: list[_Line] = []
        self._lock = threading.Lock()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Take the lines that change away while something else is written there."""
        with self._lock:
            if self._drawn:
                put(self._stream, self._back_to(0, self._size().columns))
                self._drawn = []
            yield

    def show(self, done: Sequence[Block], rest: Sequence[Block]) -> None:
        """Show blocks for good, and under them blocks that will be shown anew.

        Where they begin as what they are drawn over, that stays: nothing flickers.
        """
        with self._lock:
            self._show(done, rest)

    def _show(self, done: Sequence[Block], rest: Sequence[Block]) -> None:
        size = self._size()
        # The last column stays free: terminals differ in what they do after it.
        width = max(1, size.columns - 1)
        changing = self._lines(rest, width) if self._moves else []
        changing = changing[-max(1, size.lines - 1) :]
        wanted = [*self._lines(done, width), *changing]
        same = _common(self._drawn, wanted) if size.columns == self._columns else 0
        if same == len(wanted) < len(self._drawn):
            same = max(0, same - 1)  # its end is where the cursor has to be
        more = same < len(wanted)
        text = self._back_to(same, size.columns) if more or same < len(self._drawn) else ""
        text += "\n".join(line.drawn for line in wanted[same:])
        if wanted and not changing:
            text += "\n"
        if text:
            put(self._stream, text)
        self._columns, self._drawn = size.columns, changing

    def _back_to(self, number: int, columns: int) -> str:
        """What moves the cursor to the beginning of a line, and takes away all from there on."""
        if number == len(self._drawn):
            return "\n" if number else ""
        up = sum(line.rows(columns) for line in self._drawn[number:]) - 1
        # Row by row: some terminals keep in their history what is cleared at once.
        return "\r" + f"{_CLEAR}{_UP}" * up + _CLEAR

    def _lines(self, blocks: Sequence[Block], width: int) -> list[_Line]:
        from mediasense.output.drawing import draw

        found = []
        for block in blocks:
            for text in draw(block, self._console, width):
                with self._console.capture() as captured:
                    self._console.print(text, end="", soft_wrap=True)
                found.append(_Line(captured.get(), text.cell_len))
        return found

    def _size(self) -> os.terminal_size:
        with suppress(OSError, ValueError):  # a stand-in for a terminal
            size = os.get_terminal_size(self._stream.fileno())
            if size.columns and size.lines:
                return size
        return _USUAL


def _drawing_console(stream: TextIO) -> Console:
    """A console with the colours of a stream, which itself writes nowhere.

    Rich ends the program where its stream is a pipe that nobody reads.
    """
    from rich.console import Console

    shown = console(stream)
    return Console(
        file=io.StringIO(),
        color_system=shown.color_system,  # type: ignore[arg-type]
        force_terminal=True,
        highlight=False,
        emoji=False,
        markup=False,
    )


def _common(one: Sequence[_Line], other: Sequence[_Line]) -> int:
    """How many lines are the same in both, from the first on."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
