"""Contact sheets: many frames of a recording in one picture, each with its time below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediasense.errors import MediaNotFound, UsageError
from mediasense.media.images import open_picture
from mediasense.media.images.colours import laid_on_white
from mediasense.media.images.fitting import Pixels, scale_into
from mediasense.media.images.picture_files import encode_within, write_new
from mediasense.media.images.pictures import Prepared, region_of
from mediasense.media.sniff import HEAD_BYTES, sniff
from mediasense.steps import clock
from mediasense.types import Box, Shown

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_LEAST_TEXT, _MOST_TEXT = 13, 32
_TEXT_PART = 14  # of the width of a cell: a line of text as it is in the frame itself
_STRIP = 1.4  # heights of the text
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFrame:
    """One frame of a sheet.

    Attributes:
        path: Its picture.
        timestamp: Seconds from the start of the recording.
    """

    path: Path
    timestamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetGrid:
    """How frames are laid out.

    Attributes:
        columns, rows: Of frames.
        frame_width, frame_height: Pixels that a frame of the usual shape has on the sheet.
        text: Pixels of the height of the captions' letters.
    """

    columns: int
    rows: int
    frame_width: int
    frame_height: int
    text: int

    @property
    def strip(self) -> int:
        """Pixels of the height of the strip below each frame."""
        return _strip(self.text)

    @property
    def width(self) -> int:
        """Pixels of the whole sheet."""
        return self.columns * (self.frame_width + _GAP) + _GAP

    @property
    def height(self) -> int:
        """Pixels of the whole sheet."""
        return self.rows * (self.frame_height + self.strip + _GAP) + _GAP


def sheet_grid(
    count: int, width: int, height: int, frame_width: int, frame_height: int
) -> SheetGrid:
    """Choose the columns and rows that show frames largest; of these, those with fewest gaps.

    Args:
        count: How many frames there are.
        width: Of the sheet at most, in pixels.
        height: Of the sheet at most, in pixels.
        frame_width: Of a frame as it is, in pixels.
        frame_height: Of a frame as it is, in pixels.

    Raises:
        UsageError: There is no frame, or no room for so many.
    """
    grids = (
        _grid(count, columns, width, height, frame_width, frame_height)
        for columns in range(1, count + 1)
    )
    possible = [grid for grid in grids if grid is not None]
    if not possible:
        raise _no_room(count, width, height)
    return max(
        possible,
        key=lambda grid: (grid.frame_width * grid.frame_height, -grid.columns * grid.rows),
    )


def make_sheet(
    frames: tuple[SheetFrame, ...],
    folder: Path,
    *,
    columns: int,
    width: int,
    height: int,
    max_bytes: int | None,
    on_progress: Callable[[float], None] | None = None,
) -> Prepared:
    """Put frames on one picture in reading order, each with its time in a strip below it.

    Args:
        frames: At least one; the first says of which shape the cells are.
        folder: Where the file goes.
        columns: How many stand side by side; see :func:`sheet_grid`.
        width: Of the sheet at most, in pixels; it is as large as it needs to be.
        height: Of the sheet at most, in pixels.
        max_bytes: Of its file; ``None`` is no limit.
        on_progress: Called with how far it is, 0 to 1.

    Returns:
        A JPEG.

    Raises:
        CorruptMedia: A frame cannot be read.
        MediaNotFound: The file of a frame has gone.
        UsageError: There is no frame, or no room for so many.
    """
    from PIL import Image, ImageDraw, ImageFont

    tell = on_progress or (lambda _: None)
    first = _read(frames[0].path, None) if frames else None
    grid = first and _grid(len(frames), columns, width, height, first.width, first.height)
    if not grid:
        raise _no_room(len(frames), width, height)
    sheet = Image.new("RGB", (grid.width, grid.height), _WHITE)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(grid.text)
    boxes = []
    for index, frame in enumerate(frames):
        boxes.append(_place(sheet, draw, font, grid, index, frame))
        tell(0.9 * (index + 1) / len(frames))
    encoded = encode_within(sheet, "image/jpeg", max_bytes)
    tell(1.0)
    return Prepared(
        path=write_new(folder, "image/jpeg", encoded.data),
        mime_type="image/jpeg",
        size=len(encoded.data),
        width=encoded.width,
        height=encoded.height,
        words=_words(frames),
        timestamp=frames[0].timestamp,
        shows=tuple(Shown(place=region_of(box, sheet.width, sheet.height)) for box in boxes),
    )


def _words(frames: tuple[SheetFrame, ...]) -> str:
    first, last = clock(frames[0].timestamp), clock(frames[-1].timestamp)
    if len(frames) == 1:
        return f"1 frame, at {first}"
    return f"{len(frames)} frames from {first} to {last}, in reading order, each above its time"


def _grid(
    count: int, columns: int, width: int, height: int, frame_width: int, frame_height: int
) -> SheetGrid | None:
    """The largest cells of so many columns; ``None`` where there is no room for them."""
    if count < 1 or columns < 1:
        return None
    columns = min(columns, count)
    rows = -(-count // columns)
    across = (width - _GAP) // columns - _GAP
    text = min(_MOST_TEXT, max(_LEAST_TEXT, across // _TEXT_PART))
    down = (height - _GAP) // rows - _GAP - _strip(text)
    if across < 1 or down < 1:
        return None
    size = scale_into(
        Pixels(width=frame_width, height=frame_height),
        max_pixels=None,
        max_side=_longest(frame_width, frame_height, across, down),
    )
    return SheetGrid(
        columns=columns,
        rows=rows,
        frame_width=min(size.width, across),
        frame_height=min(size.height, down),
        text=text,
    )


def _longest(width: int, height: int, across: int, down: int) -> int:
    """The longer side that a picture may have to fit into a cell."""
    factor = min(across / width, down / height, 1.0)
    return max(1, int(max(width, height) * factor))


def _strip(text: int) -> int:
    return round(text * _STRIP)


def _no_room(count: int, width: int, height: int) -> UsageError:
    return UsageError(
        f"there is no room for {count} frames on {width} x {height} pixels",
        hint="give 1 frame or more, and fewer to a sheet",
    )


def _read(path: Path, box: Pixels | None) -> Image.Image:
    """A frame, opaque, and no larger than the box."""
    from PIL.Image import Resampling

    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaNotFound(f"a frame cannot be read: {error.strerror}", hint="try again") from None
    with file:
        mime_type = sniff(file.read(HEAD_BYTES)) or ""
        with open_picture(file, mime_type, "a frame") as picture:
            picture.load()
            plain = laid_on_white(picture).convert("RGB")
    if box is None:
        return plain
    side = _longest(plain.width, plain.height, box.width, box.height)
    size = scale_into(
        Pixels(width=plain.width, height=plain.height), max_pixels=None, max_side=side
    )
    across, down = min(size.width, box.width), min(size.height, box.height)
    return plain.resize((across, down), Resampling.BICUBIC, reducing_gap=2.0)


def _place(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    grid: SheetGrid,
    index: int,
    frame: SheetFrame,
) -> Box:
    """Put a frame into its cell, in the middle, and its time into the strip below.

    Returns:
        Where it stands.
    """
    row, column = divmod(index, grid.columns)
    left = _GAP + column * (grid.frame_width + _GAP)
    top = _GAP + row * (grid.frame_height + grid.strip + _GAP)
    picture = _read(frame.path, Pixels(width=grid.frame_width, height=grid.frame_height))
    across = left + (grid.frame_width - picture.width) // 2
    down = top + (grid.frame_height - picture.height) // 2
    sheet.paste(picture, (across, down))
    middle = (left + grid.frame_width / 2, top + grid.frame_height + grid.strip / 2)
    draw.text(middle, clock(frame.timestamp), fill=_BLACK, font=font, anchor="mm")
    return Box(left=across, top=down, right=across + picture.width, bottom=down + picture.height)
