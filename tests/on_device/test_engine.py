"""The engine reads real pictures, and says so when it cannot."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rapidocr
from PIL import Image

from mediasense import PluginError
from mediasense_on_device import engine

from .conftest import array, page

SENTENCES = [
    "The payment service retries a failed transfer three times.",
    "Users who sign in from a new device must confirm the code.",
    "Pending orders are kept in a queue and sent again later.",
    "Version 3.14.2 adds export to CSV and removes the old page.",
    "Check that port 8443 is open and the certificate is valid.",
    "Press Ctrl+Shift+P to open the command palette.",
    "Could not resolve host api.internal.example (error 11001).",
    "The invoice of 1,249.50 EUR was sent on Tuesday at 09:45.",
]


def texts(picture: Image.Image) -> list[str]:
    return sorted(line.text for line in engine.read(array(picture)).lines)


def recall(picture: Image.Image, words: list[str]) -> float:
    found = " ".join(texts(picture)).split()
    return sum(word in found for word in words) / len(words)


@pytest.mark.parametrize(
    ("paper", "ink", "size"), [("white", "#222222", 13), ("#1e1e24", "#d6d6dc", 19)]
)
def test_a_screenshot_is_read_nearly_without_fault(paper, ink, size):
    """At least 97 of 100 words, letter for letter, in small and in usual print."""
    rows = [(20 + 620 * (n % 2), 20 + 34 * n, text) for n, text in enumerate(SENTENCES)]
    words = " ".join(SENTENCES).split()
    shot = page(*rows, size=(1280, 320), print_size=size, paper=paper, ink=ink)
    assert recall(shot, words) >= 0.97


def test_lines_have_places_and_confidences():
    (line,) = engine.read(array(page((100, 50, "Hello world")))).lines
    assert line.text == "Hello world"
    assert 0.9 < line.confidence <= 1
    box = line.box
    assert (abs(box.left - 97), abs(box.top - 50)) <= (6, 6)
    assert 80 < box.right - box.left < 120
    assert 18 < box.bottom - box.top < 32


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_picture_held_wrong_is_read(degrees):
    turned = page((60, 100, "Emergency exit on the left")).rotate(degrees, expand=True)
    assert texts(turned) == ["Emergency exit on the left"]


def test_text_seen_at_an_angle_is_straightened():
    tilted = page((60, 160, "Emergency exit on the left"), print_size=28)
    assert texts(tilted.rotate(15, fillcolor="white")) == ["Emergency exit on the left"]


def test_a_picture_without_text_has_none():
    assert engine.read(array(Image.radial_gradient("L").resize((640, 360)))).lines == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (31, 33), (2100, 3), (3, 2100)])
def test_pictures_of_any_shape_are_looked_at(size):
    assert engine.read(np.full((*size, 3), 255, np.uint8)).lines == ()


def test_a_page_shot_from_top_to_bottom_is_read_whole():
    """Shrunk to the detector's 2000 pixels its print would be 4 pixels high."""
    rows = [(20, 20 + 800 * n, text) for n, text in enumerate(SENTENCES[:4])]
    tall = page(*rows, size=(500, 3500), print_size=16)
    assert recall(tall, " ".join(SENTENCES[:4]).split()) >= 0.97


def test_a_line_across_a_cut_is_read_once():
    """A picture 4000 pixels wide is cut in three."""
    text = "  ".join(SENTENCES[:4])
    wide = page((900, 60, text), size=(4000, 150), print_size=17)
    words = text.split()
    found = " ".join(texts(wide)).split()
    assert sum(word in found for word in words) / len(words) >= 0.95
    assert len(found) <= len(words) + 1


def test_small_print_on_a_large_screen_is_found():
    rows = [(60 + 900 * n, 60 + 250 * n, text) for n, text in enumerate(SENTENCES[:3])]
    screen = page(*rows, size=(2900, 1600), print_size=12)
    assert recall(screen, " ".join(SENTENCES[:3]).split()) >= 0.97


UNKNOWN = "Сохраните документ перед выходом из программы"


def test_a_script_it_does_not_know_is_counted_and_not_guessed():
    from PIL import ImageDraw, ImageFont

    font = next(Path("/usr/share/fonts").rglob("DejaVuSans.ttf"), None)
    if font is None:
        pytest.skip("no font with Cyrillic letters")
    picture = Image.new("RGB", (640, 100), "white")
    ImageDraw.Draw(picture).text((20, 40), UNKNOWN, font=ImageFont.truetype(font, 18), fill=0)
    reading = engine.read(array(picture))
    assert reading.lines == ()
    assert len(reading.unread) == 1


def test_several_threads_share_one_engine():
    pictures = [array(page((40, 40, sentence))) for sentence in SENTENCES[:4]]
    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(engine.read, pictures))
    assert [reading.lines[0].text for reading in readings] == SENTENCES[:4]
    assert len(engine._engines) == 1


# --- broken installations ------------------------------------------------------------------------


@pytest.fixture
def no_engine(monkeypatch):
    """As if nothing had been read yet."""
    monkeypatch.setattr(engine, "_engines", [])


@pytest.fixture
def package(monkeypatch, tmp_path, no_engine) -> Path:
    """A package rapidocr that comes before the real one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "rapidocr"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "rapidocr"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    return folder


def models(folder: Path) -> Path:
    shutil.copytree(Path(rapidocr.__file__).parent / "models", folder / "models")
    return folder / "models"


def test_a_model_that_is_not_there_is_named(package):
    with pytest.raises(PluginError, match=r"no model PP-OCRv6_det_small\.onnx; try: pip install"):
        engine.check()


def test_a_version_without_the_class_is_told(package):
    models(package)
    with pytest.raises(PluginError, match=r"does not start: ImportError: .*try: pip install"):
        engine.check()


def test_a_library_that_does_not_load_is_told(package):
    models(package)
    (package / "__init__.py").write_text("import no_such_library")
    with pytest.raises(PluginError, match="No module named 'no_such_library'"):
        engine.read(array(page()))


def test_a_damaged_model_is_told(no_engine, monkeypatch, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    monkeypatch.setattr(engine, "_model", lambda _: damaged)
    with pytest.raises(PluginError, match="the text engine does not start"):
        engine.check()


def test_a_failure_while_reading_is_told(monkeypatch):
    class Broken:
        def read(self, _):
            raise MemoryError

    monkeypatch.setattr(engine, "_engines", [Broken()])
    with pytest.raises(PluginError, match="the text engine failed: MemoryError"):
        engine.read(array(page()))
