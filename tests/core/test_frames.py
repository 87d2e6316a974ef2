"""Pictures out of a recording: which are given, when, and where they differ."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mediasense import CorruptMedia, UnsupportedMedia
from mediasense.media.frames import _Clock, changed_blocks, sample_frames

SIZE = (160, 120)


def shade(level: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture of one grey."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def record(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    times: Iterable[float] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    container: str | None = None,
    rotation: int = 0,
) -> Path:
    """Write pictures, ten a second or at the given times."""
    shown = list(pictures)
    moments = [n / 10 for n in range(len(shown))] if times is None else list(times)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=10)
        stream.height, stream.width = shown[0].shape[:2]
        stream.pix_fmt = pixels
        if rotation:
            if not hasattr(av.VideoStream, "set_display_rotation"):
                pytest.skip("this PyAV cannot write a rotation")
            stream.set_display_rotation(rotation)
        for moment, picture in zip(moments, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(moment * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def levels(path: Path, **options) -> list[tuple[float, int]]:
    """What is given: when, and how bright."""
    return [(round(f.timestamp, 2), round(f.luma.mean())) for f in sample_frames(path, **options)]


def greys(*values: int) -> Iterator[np.ndarray]:
    return map(shade, values)


# --- which frames --------------------------------------------------------------------------------


def test_frames_come_at_regular_moments(tmp_path):
    path = record(tmp_path / "a.mkv", greys(*range(0, 200, 10)), codec="ffv1")
    assert [moment for moment, _ in levels(path, fps=2)] == [0.0, 0.5, 1.0, 1.5, 1.9]


def test_a_frame_that_stands_is_given_once(tmp_path):
    path = record(tmp_path / "a.mkv", greys(50, 150, 250), times=(0, 1, 30), codec="ffv1")
    assert [moment for moment, _ in levels(path)] == [0.0, 1.0, 30.0]


def test_a_frame_that_came_between_moments_and_stood_is_not_missed(tmp_path):
    """Recorders that write a frame only when something changes: 0.1 stands for ten seconds."""
    path = record(tmp_path / "a.mkv", greys(50, 150, 250), times=(0, 0.1, 10), codec="ffv1")
    assert [moment for moment, _ in levels(path)] == [0.0, 0.1, 10.0]


def test_a_part_begins_with_what_is_on_screen_then(tmp_path):
    path = record(tmp_path / "a.mkv", greys(50, 150, 250), times=(0, 1, 3), codec="ffv1")
    (first, level), *_ = levels(path, start=2.5)
    assert first == 2.5
    assert 140 < level < 165


def test_a_part_ends_where_it_is_told_to(tmp_path):
    path = record(tmp_path / "a.mkv", greys(*range(0, 200, 10)), codec="ffv1")
    assert [moment for moment, _ in levels(path, start=0.5, end=1.2)] == [0.5, 0.7, 1.0, 1.2]


def test_a_part_after_the_end_is_the_last_frame(tmp_path):
    path = record(tmp_path / "a.mkv", greys(50, 150), codec="ffv1")
    assert [moment for moment, _ in levels(path, start=5)] == [5.0]


def test_a_part_of_a_real_recording_starts_without_its_beginning(tmp_path):
    """Seeking goes to a key frame, which may be long before."""
    path = record(tmp_path / "a.mp4", greys(*[50] * 30, *[200] * 30))
    moments = levels(path, start=4)
    assert moments[0][0] == 4.0
    assert all(level > 190 for _, level in moments)


def test_an_open_file_will_do(tmp_path):
    path = record(tmp_path / "a.mp4", greys(50, 150))
    assert levels(path) == [
        (round(f.timestamp, 2), round(f.luma.mean()))
        for f in sample_frames(io.BytesIO(path.read_bytes()))
    ]


def test_one_may_stop_early(tmp_path):
    path = record(tmp_path / "a.mp4", greys(*[50] * 30))
    frames = sample_frames(path)
    kept = next(frames)
    frames.close()
    assert kept.picture().shape == (120, 160, 3)


# --- what they hold ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [
        ("libx264", "yuv420p", "mp4"),
        ("libx264", "yuv420p10le", "mp4"),
        ("libx264", "yuv444p", "mov"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("mpeg4", "yuv420p", "avi"),
        ("mjpeg", "yuvj422p", "mkv"),
        ("ffv1", "gray", "mkv"),
        ("ffv1", "gray16le", "mkv"),
        ("png", "rgb24", "mov"),
        ("qtrle", "argb", "mov"),
        ("rawvideo", "yuyv422", "avi"),
    ],
)
def test_brightness_is_the_same_however_pixels_are_stored(tmp_path, codec, pixels, suffix):
    path = record(tmp_path / f"a.{suffix}", greys(10, 128, 245), codec=codec, pixels=pixels)
    frame = next(iter(sample_frames(path)))
    assert frame.luma.dtype == np.uint8
    assert frame.luma.shape == (30, 40)
    assert abs(int(frame.luma.mean()) - 10) < 6
    assert abs(int(frame.picture().mean()) - 10) < 6


def test_odd_sizes_keep_their_last_pixels(tmp_path):
    path = record(tmp_path / "a.mov", [shade(90, (33, 17))], codec="png", pixels="rgb24")
    (frame,) = sample_frames(path)
    assert frame.luma.shape == (5, 9)
    assert frame.picture().shape == (17, 33, 3)


def test_a_picture_is_in_red_green_and_blue(tmp_path):
    red = shade(0)
    red[:, :, 0] = 255
    (frame,) = sample_frames(record(tmp_path / "a.mov", [red], codec="png", pixels="rgb24"))
    assert tuple(frame.picture()[0, 0]) == (255, 0, 0)


@pytest.mark.parametrize(("degrees", "corner"), [(90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_a_recording_held_sideways_is_upright(tmp_path, degrees, corner):
    """The mark at the top left goes where the rotation takes it, counterclockwise."""
    marked = shade(0)
    marked[:40, :40] = 255
    (frame,) = sample_frames(record(tmp_path / "a.mp4", [marked], rotation=degrees))
    rows = {0: slice(0, 40), -1: slice(-40, None)}
    down, right = (rows[side] for side in corner)
    assert frame.picture()[down, right].mean() > 240
    assert frame.luma.shape == ((30, 40) if degrees == 180 else (40, 30))
    assert frame.luma[0 if corner[0] == 0 else -1, 0 if corner[1] == 0 else -1] > 240


# --- times ---------------------------------------------------------------------------------------


def test_time_counts_from_the_start_of_the_recording(tmp_path):
    """Transport streams begin at 1.4 seconds."""
    path = record(tmp_path / "a.ts", greys(50, 150, 250), container="mpegts")
    assert levels(path)[0][0] == 0.0


def test_time_goes_on_where_joined_recordings_start_again(tmp_path):
    path = record(tmp_path / "a.ts", greys(*[50] * 30), container="mpegts")
    path.write_bytes(path.read_bytes() * 2)
    moments = [moment for moment, _ in levels(path)]
    assert moments == sorted(moments)
    assert 5 < moments[-1] < 7


def test_times_out_of_order_are_put_in_order(tmp_path):
    """AVI knows only when a frame is decoded, which is not when it is shown."""
    path = record(tmp_path / "a.avi", greys(*range(0, 240, 6)))
    moments = [moment for moment, _ in levels(path, fps=10)]
    assert moments == sorted(moments)
    assert 3.5 < moments[-1] < 4.5


def test_frames_without_timestamps_are_counted():
    clock = _Clock(SimpleNamespace(start_time=None), SimpleNamespace(average_rate=Fraction(10)))
    bare = SimpleNamespace(pts=None, time=None)
    moments = []
    for clock.packets in (1, 3, 5):
        moments.append(clock.seconds(bare))
    assert moments == [0.1, 0.3, 0.5]


# --- damage --------------------------------------------------------------------------------------


def seen_before_the_error(path: Path) -> int:
    seen: list[object] = []
    with pytest.raises(CorruptMedia, match="cannot be read to its end"):
        seen.extend(sample_frames(path))
    return len(seen)


def test_what_can_be_decoded_is_given_before_the_error(tmp_path, capfd):
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(40)]
    path = record(tmp_path / "a.mov", pictures, codec="png", pixels="rgb24")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(5000) + whole[len(whole) // 2 + 5000 :])
    assert seen_before_the_error(path) > 8
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"", b"not a recording at all", bytes(100_000)], ids=["nothing", "text", "zeros"]
)
def test_what_is_no_recording_is_an_error(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises((CorruptMedia, UnsupportedMedia)):
        list(sample_frames(path))


def test_a_recording_whose_index_is_cut_off_is_an_error(tmp_path):
    path = record(tmp_path / "a.mp4", greys(*[50] * 30))
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(CorruptMedia):
        list(sample_frames(path))


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(UnsupportedMedia, match=r"none\.mp4 .*No such file"):
        list(sample_frames(tmp_path / "none.mp4"))


def test_sound_alone_is_an_error(tmp_path, make_wav):
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav())
    with pytest.raises(UnsupportedMedia, match="no pictures"):
        list(sample_frames(path))


def test_a_name_is_never_a_protocol(tmp_path, monkeypatch):
    """FFmpeg would take this name for two files to be joined."""
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "a.mp4", greys(50)).rename("concat:a|b")
    assert len(levels(Path("concat:a|b"))) == 1


def test_a_playlist_fetches_nothing(tmp_path, httpserver):
    """FFmpeg would follow what a file names, to anywhere."""
    names = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{httpserver.url_for('/a.ts')}\n"
    path = tmp_path / "list.m3u8"
    path.write_text(names)
    for source in (path, io.BytesIO(names.encode())):
        with pytest.raises((CorruptMedia, UnsupportedMedia)):
            list(sample_frames(source))
    assert httpserver.log == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.integers(0, 10_000), min_size=1, max_size=30), value=st.integers(0, 255))
def test_no_damage_raises_anything_else(tmp_path, places, value):
    path = tmp_path / "whole.mp4"
    if not path.exists():
        record(path, greys(*range(0, 200, 10)))
    data = bytearray(path.read_bytes())
    for place in places:
        data[place % len(data)] = value
    try:
        for frame in sample_frames(io.BytesIO(bytes(data))):
            frame.picture()
    except (CorruptMedia, UnsupportedMedia):
        pass


# --- where they differ ---------------------------------------------------------------------------


def test_one_letter_of_small_print_is_a_change(tmp_path):
    """Two pixels by ten, black on white: a mean over the picture would not move."""
    plain = shade(255, (1280, 720))
    typed = plain.copy()
    typed[400:410, 600:602] = 0
    path = record(tmp_path / "a.mp4", [plain] * 10 + [typed] * 10)
    first, *_, last = sample_frames(path)
    blocks = changed_blocks(first.luma, last.luma)
    assert blocks[25, 37]
    assert blocks.sum() == 1


def test_compression_is_no_change(tmp_path):
    noise = np.random.default_rng(0)
    page = noise.choice([0, 255], (45, 80, 1)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    path = record(tmp_path / "a.mp4", [page.repeat(3, 2)] * 30)
    first, *_, last = sample_frames(path)
    assert not changed_blocks(first.luma, last.luma).any()


def test_pictures_of_another_size_differ_everywhere():
    small, large = np.zeros((8, 8), np.uint8), np.zeros((9, 13), np.uint8)
    assert changed_blocks(small, large).shape == (3, 4)
    assert changed_blocks(small, large).all()


pictures = arrays.arrays(np.uint8, (11, 14), elements=st.integers(0, 255))


@given(before=pictures, after=pictures, tolerance=st.integers(0, 255))
def test_a_block_differs_when_any_of_its_pixels_does(before, after, tolerance):
    blocks = changed_blocks(before, after, tolerance=tolerance)
    assert blocks.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            part = (slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
            most = np.abs(before[part].astype(int) - after[part].astype(int)).max()
            assert blocks[row, column] == (most > tolerance)


def test_importing_it_imports_nothing_heavy():
    code = (
        "import sys, mediasense.media.frames\n"
        "print([name for name in ('av', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
