"""How text is read: RapidOCR's shipped models, run by onnxruntime in this process.

The one file that imports rapidocr, onnxruntime and OpenCV, and only when the first picture is
read. Nothing here reaches the network: the models come in rapidocr's wheel and are named by path
(without a path rapidocr downloads them), and onnxruntime's telemetry is off.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediasense import Box, PluginError, TextLine, one_line
from mediasense_on_device.boxes import around, grouped, height, overlap, same_row, width
from mediasense_on_device.interrupts import ctrl_c_later
from mediasense_on_device.tiles import LONGEST, better_scale, first_scale, tiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Quad = NDArray[np.float32]

_DETECTOR = "PP-OCRv6_det_small.onnx"
_READER = "PP-OCRv6_rec_small.onnx"
_INSTALL = "pip install --force-reinstall 'rapidocr>=3.10,<3.11' onnxruntime"

_DOUBTFUL = 0.9
"""A line of a lower score may stand on its head, or be of a script the model does not know."""

_NOISE = 0.5
_LONG = 5.0
_LONG_NOISE = 0.85
"""Lines of lower scores are not text, or garbled. One so many times as wide as high has letters
enough for its score to mean more: what was read right in 14 languages had 0.95 and above, what was
made of 9 languages in scripts that the model does not know nearly always less than 0.85 (rapidocr
3.10.0, sentences of 13 to 24 pixels)."""

_SPARSE = 0.9
_EMPTY = 0.3
"""Letters for each height of width. Scripts that are known give 2 and more, Chinese 1; of others a
few stray marks are read, 0.7 and less, now and then with confidence."""

_lock = threading.Lock()
_engines: list[Engine] = []


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one picture.

    Attributes:
        lines: In no particular order.
        unread: Where something looked like text and could not be read.
    """

    lines: tuple[TextLine, ...]
    unread: tuple[Box, ...]


def read(picture: Picture) -> Reading:
    """Read the text of a picture, with the one engine of this process.

    One picture at a time: a reading uses every core, and its memory once is enough.

    Args:
        picture: RGB, 8 bits, rows first.

    Raises:
        PluginError: The engine is not installed as it should be, or failed.
    """
    with _lock:
        engine = _engine()
        try:
            return engine.read(picture)
        except Exception as error:  # what rapidocr and onnxruntime raise is not documented
            raise _broken("failed", error) from error


def check() -> None:
    """Make sure that the engine is installed and works.

    Raises:
        PluginError: It is not, or does not.
    """
    with _lock:
        _engine()


def _engine() -> Engine:
    if not _engines:
        detector, reader = _model(_DETECTOR), _model(_READER)
        try:
            with ctrl_c_later():
                _engines.append(Engine(detector, reader, _cores()))
        except Exception as error:  # neither is what a broken installation leads to
            raise _broken("does not start", error) from error
    return _engines[0]


def _broken(how: str, error: Exception) -> PluginError:
    said = one_line(f"{type(error).__name__}: {error}")
    return PluginError(f"the text engine {how}: {said}", hint=f"try: {_INSTALL}")


def _model(name: str) -> Path:
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise PluginError("rapidocr is not installed", hint=f"try: {_INSTALL}")
    path = Path(spec.origin).with_name("models") / name
    if not path.is_file():
        raise PluginError(f"rapidocr has no model {name}", hint=f"try: {_INSTALL}")
    return path


def _cores() -> int:
    """The cores this process may use; in a container the machine has more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Engine:
    """A detector that finds lines and a reader that reads them one by one.

    The settings differ from rapidocr 3.10's own, which turn long lines upside down and lose small
    ones: on screenshots they read eight times as many letters wrong.

    Args:
        detector, reader: The model files.
        cores: How many threads may work at once.
    """

    def __init__(self, detector: Path, reader: Path, cores: int) -> None:
        # onnxruntime's wheels since 1.29 send telemetry, and write a device id, from the moment
        # they are imported; this variable stops both (Privacy.md of onnxruntime 1.32.0). Set even
        # where it is set already: that nothing leaves the machine is not the environment's to say.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"

        import cv2
        import numpy as np
        from rapidocr import RapidOCR

        cv2.setNumThreads(cores)
        self._cores = cores
        shared: dict[str, Any] = {
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Det.model_path": str(detector),
            "Rec.model_path": str(reader),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        self._detector = RapidOCR(
            params=shared
            | {
                "Global.use_rec": False,
                "Global.max_side_len": LONGEST,
                "Det.limit_type": "max",
                "Det.limit_side_len": LONGEST,
                # What PaddleOCR trained with (RapidOCR discussion 715).
                "Det.mean": [0.485, 0.456, 0.406],
                "Det.std": [0.229, 0.224, 0.225],
                "Det.use_dilation": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": cores,
            }
        )
        self._reader = RapidOCR(
            params=shared
            | {
                "Global.use_det": False,
                "Global.use_preprocess_img": False,
                "Global.text_score": 0.0,
                # Short lines are not padded to 320 pixels, nor to the widest line of a batch.
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 96],
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            }
        )
        blank = np.full((48, 96, 3), 255, np.uint8)
        self._detector(blank)  # loads the model, which the constructor does not
        self._reader(blank)

    def read(self, picture: Picture) -> Reading:
        """Read all lines of an RGB picture."""
        import numpy as np

        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        quads = self._find(bgr)
        crops = [_cut_out(bgr, quad) for quad in quads]
        lines, unread = [], []
        for quad, line in zip(quads, self._read_all(crops), strict=True):
            box = _box(quad, bgr)
            if line is not None:
                lines.append(TextLine(text=line.text, confidence=line.score, box=box))
            elif max(width(box), height(box)) > 1.5 * min(width(box), height(box)):
                unread.append(box)  # what is not longer than high is an icon, or the pointer
        return Reading(tuple(lines), tuple(unread))

    def _find(self, bgr: Picture) -> list[Quad]:
        import numpy as np

        scale = first_scale(bgr.shape[1], bgr.shape[0])
        quads = self._find_at(bgr, scale)
        finer = better_scale(scale, [float(np.linalg.norm(q[0] - q[3])) for q in quads])
        return quads if finer == scale else self._find_at(bgr, finer)

    def _find_at(self, bgr: Picture, scale: float) -> list[Quad]:
        import cv2

        size = round(bgr.shape[1] * scale), round(bgr.shape[0] * scale)
        small: Any = bgr if scale == 1 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        parts = tiles(*size)
        found = [
            _Found(quad / scale, number)
            for number, tile in enumerate(parts)
            for quad in self._find_in(small, tile)
        ]
        if len(parts) == 1:
            return [line.quad for line in found]
        return [_joined(pieces) for pieces in grouped(found, _is_one_line)]

    def _find_in(self, bgr: Picture, tile: Box) -> list[Quad]:
        import numpy as np

        part = _padded(bgr[tile.top : tile.bottom, tile.left : tile.right])
        quads = getattr(self._detector(part), "boxes", None)
        if quads is None:
            return []
        corner = np.array((tile.left, tile.top), np.float32)
        return [np.asarray(quad, np.float32) + corner for quad in quads]

    def _read_all(self, crops: Sequence[Picture]) -> list[_Line | None]:
        # The widest first, so that no core is left with a long line at the end.
        order = sorted(range(len(crops)), key=lambda index: -crops[index].shape[1])
        pool = ThreadPoolExecutor(self._cores)
        try:
            read = pool.map(self._read_line, [crops[index] for index in order])
            lines = dict(zip(order, read, strict=True))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for lines not begun
        return [lines[index] for index in range(len(crops))]

    def _read_line(self, crop: Picture) -> _Line | None:
        import numpy as np

        line = self._recognise(crop)
        if line.score < _DOUBTFUL and crop.shape[1] >= 2 * crop.shape[0]:
            turned = self._recognise(np.ascontiguousarray(crop[::-1, ::-1]))
            if turned.score > line.score + 0.02:
                line = turned
        return line if _is_text(line, crop.shape[1] / crop.shape[0]) else None

    def _recognise(self, crop: Picture) -> _Line:
        result: Any = self._reader(crop)
        if not result.txts:
            return _Line("", 0.0)
        return _Line(result.txts[0].strip(), round(float(result.scores[0]), 3))


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    score: float


class _Found:
    """A line, or a piece of one, that was found in a tile."""

    def __init__(self, quad: Quad, tile: int) -> None:
        self.quad = quad
        self.tile = tile
        (left, top), (right, bottom) = quad.min(0), quad.max(0)
        self.box = Box(left=int(left), top=int(top), right=int(right), bottom=int(bottom))


def _is_one_line(one: _Found, other: _Found) -> bool:
    return one.tile != other.tile and overlap(one.box, other.box) and same_row(one.box, other.box)


def _joined(pieces: list[_Found]) -> Quad:
    import numpy as np

    if len(pieces) == 1:
        return pieces[0].quad
    whole = around([piece.box for piece in pieces])
    left, top, right, bottom = whole.left, whole.top, whole.right, whole.bottom
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _is_text(line: _Line, ratio: float) -> bool:
    """Whether what was read can be what stands there; ``ratio`` is its width for its height."""
    if not line.text or line.score < (_NOISE if ratio < _LONG else _LONG_NOISE):
        return False
    if ratio < 3:
        return True
    letters = sum(not letter.isspace() for letter in line.text)
    return letters >= ratio * (_SPARSE if line.score < _DOUBTFUL else _EMPTY)


def _padded(picture: Picture) -> Picture:
    """At least 32 pixels to a side: rapidocr magnifies smaller pictures beyond all bounds."""
    import cv2

    down, right = (max(0, 32 - length) for length in picture.shape[:2])
    if not down and not right:
        return picture
    padded: Any = cv2.copyMakeBorder(picture, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return padded  # type: ignore[no-any-return]


def _cut_out(picture: Picture, quad: Quad) -> Picture:
    """Straighten the four corners (top left first, clockwise); what is upright is laid down."""
    import cv2
    import numpy as np

    top, right, bottom, left = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    across, down = max(1, round(max(top, bottom))), max(1, round(max(left, right)))
    corners = np.array([(0, 0), (across, 0), (across, down), (0, down)], np.float32)
    crop: Any = cv2.warpPerspective(
        picture,
        cv2.getPerspectiveTransform(quad, corners),
        (across, down),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.ascontiguousarray(np.rot90(crop)) if down >= 1.5 * across else crop


def _box(quad: Quad, picture: Picture) -> Box:
    """The upright box around a quad: within the picture, and a pixel wide and high at least."""
    bottom, right = picture.shape[:2]
    left = min(max(0, round(float(quad[:, 0].min()))), right - 1)
    top = min(max(0, round(float(quad[:, 1].min()))), bottom - 1)
    return Box(
        left=left,
        top=top,
        right=max(left + 1, min(right, round(float(quad[:, 0].max())))),
        bottom=max(top + 1, min(bottom, round(float(quad[:, 1].max())))),
    )
