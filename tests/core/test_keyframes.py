"""Key frames: which screens are chosen, which are not, and what becomes of damaged recordings."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasense import CorruptMedia, MediasenseError, UnsupportedMedia, UsageError
from mediasense.media.changes import is_more_than_a_cursor
from mediasense.media.keyframes import KeyFrames, choose_key_frames, stretches
from mediasense.media.keyframes.budget import Candidate, evenly, within_budget
from mediasense.media.keyframes.looks import Group, Want
from mediasense.media.keyframes.packets import Packets
from mediasense.media.keyframes.stretches import LONGEST_SECONDS, looked_at_anyway, where_it_changed
from mediasense.media.keyframes.watching import Look, Watcher

WIDTH, HEIGHT, FPS = 640, 368, 15
Draw = Callable[[float], np.ndarray]


def page(seed: int) -> np.ndarray:
    """Rows of something like text."""
    dice = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 245, np.uint8)
    for row in range(20, HEIGHT - 60, 20):
        length = int(dice.integers(20, 60)) * 4
        marks = dice.choice([30, 245], (5, length)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
        picture[row : row + 10, 40 : 40 + marks.shape[1]] = marks[:, : WIDTH - 40]
    return picture


def with_dialog(under: np.ndarray) -> np.ndarray:
    picture = under.copy()
    picture[120:220, 200:440] = 200
    picture[122:140, 202:438] = 60
    return picture


def with_status(under: np.ndarray) -> np.ndarray:
    """80 by 16 pixels of other text."""
    picture = under.copy()
    marks = np.random.default_rng(5).choice([20, 245], (8, 40)).astype(np.uint8)
    picture[340:356, 500:580] = marks.repeat(2, 0).repeat(2, 1)
    return picture


def with_line(under: np.ndarray, share: float = 1.0) -> np.ndarray:
    picture = under.copy()
    marks = np.random.default_rng(6).choice([20, 245], (5, 120)).astype(np.uint8)
    typed = marks.repeat(2, 0).repeat(2, 1)[:, : round(240 * share)]
    picture[312:322, 40 : 40 + typed.shape[1]] = typed
    return picture


def with_cursor(under: np.ndarray, x: float, y: float) -> np.ndarray:
    picture = under.copy()
    picture[int(y) : int(y) + 18, int(x) : int(x) + 12] = 0
    return picture


A, B, C = page(1), page(2), page(3)


def record(
    path: Path,
    draw: Draw,
    seconds: float,
    *,
    fps: int = FPS,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    keys: float | None = 2,
    times: Iterable[float] | None = None,
    rotation: int = 0,
    **options: str,
) -> Path:
    """Encode what is drawn for each moment; a key frame each so many seconds."""
    if codec == "libx264":
        options = {"preset": "veryfast", **options}
        if keys is None:
            options |= {"sc_threshold": "0"}
    shown = list(times) if times is not None else [n / fps for n in range(round(seconds * fps))]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps, options=options)
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = round(keys * fps) if keys else 10_000
        first = draw(0)
        stream.height, stream.width = first.shape[:2]
        if rotation:
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("this PyAV cannot write a rotation")
            stream.set_display_rotation(rotation)
        for now in shown:
            frame = av.VideoFrame.from_ndarray(draw(now), format="gray").reformat(format=pixels)
            frame.pts, frame.time_base = round(now * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def steps(*screens: tuple[float, np.ndarray]) -> Draw:
    """Screens from the given seconds on."""

    def draw(now: float) -> np.ndarray:
        return [picture for since, picture in screens if since <= now + 1e-6][-1]

    return draw


def choose(path: Path, folder: Path, **options) -> KeyFrames:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return choose_key_frames(path, out, **{"most": 50, **options})


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("L"))


def shows(result: KeyFrames, screens: list[np.ndarray]) -> list[int]:
    """Which screen each frame shows."""
    seen = []
    for frame in result.frames:
        picture = pixels_of(frame.path).astype(int)
        seen.append(int(np.argmin([np.abs(picture - screen).mean() for screen in screens])))
    return seen


# --- what is chosen ------------------------------------------------------------------------------

STORY = [A, with_dialog(A), B, with_status(B), with_line(with_status(B)), C]
TOLD = (0.0, 2.2, 4.4, 6.6, 8.8, 11.0)


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Callable[[float | None, str], Path]:
    folder = tmp_path_factory.mktemp("story")

    def make(keys: float | None, crf: str = "23") -> Path:
        path = folder / f"{keys}-{crf}.mp4"
        draw = steps(*zip(TOLD, STORY, strict=True))
        return path if path.exists() else record(path, draw, 13.2, keys=keys, crf=crf)

    return make


@pytest.mark.parametrize("crf", ["23", "35"])
@pytest.mark.parametrize("keys", [0.4, 2, 5, 20, None])
def test_each_screen_is_chosen_once(story, tmp_path, keys, crf):
    result = choose(story(keys, crf), tmp_path)
    assert shows(result, STORY) == [0, 1, 2, 3, 4, 5]
    assert result.frames[0].reason == "first"
    assert result.frames[-1].reason == "last"
    assert result.worthwhile == len(result.frames)
    assert result.damage == ""


def test_a_timestamp_is_when_the_screen_stands(story, tmp_path):
    for frame, since, until in zip(
        choose(story(5), tmp_path).frames, TOLD, (*TOLD[1:], 13.2), strict=True
    ):
        assert since <= frame.timestamp < until


def test_only_what_was_chosen_lies_in_the_folder(story, tmp_path):
    result = choose(story(2), tmp_path, most=3)
    assert {frame.path for frame in result.frames} == set((tmp_path / "out").iterdir())
    assert all(frame.size == frame.path.stat().st_size for frame in result.frames)


def test_the_budget_keeps_the_first_the_last_and_new_screens(story, tmp_path):
    result = choose(story(2), tmp_path, most=3)
    assert shows(result, STORY) == [0, 2, 5]
    assert result.worthwhile == 6


def test_one_frame_is_the_first(story, tmp_path):
    assert shows(choose(story(2), tmp_path, most=1), STORY) == [0]


def test_how_changes_were_looked_for_is_told(story, tmp_path):
    assert choose(story(2), tmp_path).method == "found in key frames and outstanding packets"
    assert "one key frame only" in choose(story(None), tmp_path).method


def test_progress_rises_to_the_end(story, tmp_path):
    told: list[float] = []
    choose(story(2), tmp_path, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("keys", [2, 6, None])
def test_a_dialog_that_opens_and_closes_between_key_frames_is_chosen(tmp_path, keys):
    draw = steps((0, A), (2.4, with_dialog(A)), (3.7, A))
    result = choose(record(tmp_path / "a.mp4", draw, 6, keys=keys), tmp_path)
    assert 1 in shows(result, [A, with_dialog(A)])


def test_a_screen_that_returns_is_worth_less_each_time(tmp_path):
    """1 s brings it back once; the third time 4 s are asked for."""
    other = with_dialog(A)
    draw = steps((0, A), *[(2 * n, other if n % 2 else A) for n in range(1, 8)])
    result = choose(record(tmp_path / "a.mp4", draw, 16), tmp_path)
    assert shows(result, [A, other])[:4] == [0, 1, 0, 1]
    assert len(result.frames) < 7


# --- what is not ---------------------------------------------------------------------------------


def circling(now: float) -> np.ndarray:
    return with_cursor(A, 300 + 200 * np.sin(now * 2), 170 + 120 * np.cos(now * 1.5))


def blinking(now: float) -> np.ndarray:
    picture = A.copy()
    if int(now * 2) % 2:
        picture[300:318, 100:102] = 0
    return picture


def turning(now: float) -> np.ndarray:
    picture, angle = A.copy(), int(now * 10) * np.pi / 4
    x, y = int(560 + 12 * np.cos(angle)), int(60 + 12 * np.sin(angle))
    picture[y : y + 6, x : x + 6] = 100
    return picture


@pytest.mark.parametrize("keys", [2, None])
@pytest.mark.parametrize("draw", [circling, blinking, turning])
def test_what_moves_over_a_screen_is_no_change(tmp_path, draw, keys):
    result = choose(record(tmp_path / "a.mp4", draw, 8, keys=keys), tmp_path)
    assert len(result.frames) == 1


def test_a_flash_is_no_change(tmp_path):
    draw = steps((0, A), (3, B), (3.4, A))
    result = choose(record(tmp_path / "a.mp4", draw, 6, keys=20), tmp_path)
    assert set(shows(result, [A, B])) == {0}


def test_of_a_fade_only_the_ends_are_chosen(tmp_path):
    def draw(now: float) -> np.ndarray:
        share = min(1.0, max(0.0, (now - 3) / 2))
        return (A * (1 - share) + B * share).astype(np.uint8)

    middle = (A * 0.5 + B * 0.5).astype(np.uint8)
    result = choose(record(tmp_path / "a.mp4", draw, 8), tmp_path)
    assert shows(result, [A, B, middle]) == [0, 1]


def test_scrolling_is_waited_for(tmp_path):
    def draw(now: float) -> np.ndarray:
        return np.roll(A, -round(100 * min(1.0, max(0.0, now - 3))), axis=0)

    ends = [A, np.roll(A, -100, axis=0), np.roll(A, -50, axis=0)]
    assert shows(choose(record(tmp_path / "a.mp4", draw, 7), tmp_path), ends) == [0, 1]


def test_typing_is_chosen_when_the_line_is_there(tmp_path):
    def draw(now: float) -> np.ndarray:
        return with_line(A, min(1.0, max(0.0, (now - 2) / 1.5)))

    ends = [A, with_line(A), with_line(A, 0.5)]
    assert shows(choose(record(tmp_path / "a.mp4", draw, 7, keys=20), tmp_path), ends) == [0, 1]


def test_a_film_is_seen_every_few_seconds(tmp_path):
    noise = np.random.default_rng(0)

    def draw(_: float) -> np.ndarray:
        return noise.integers(0, 255, (90, 160), np.uint8)

    result = choose(record(tmp_path / "a.mp4", draw, 12, keys=20), tmp_path)
    assert 3 <= len(result.frames) <= 6


def test_a_still_recording_is_looked_at_now_and_then(tmp_path):
    path = record(tmp_path / "a.mkv", steps((0, A)), 0, fps=1, times=range(0, 95, 2))
    result = choose(path, tmp_path)
    reasons = [frame.reason for frame in result.frames]
    assert reasons == ["first", "coverage", "coverage", "last"]
    gaps = np.diff([frame.timestamp for frame in result.frames])
    assert gaps.max() <= 33


# --- at regular times, and in parts --------------------------------------------------------------


def test_frames_can_be_asked_for_at_regular_times(story, tmp_path):
    result = choose(story(2), tmp_path, every=3)
    assert [frame.timestamp for frame in result.frames] == [0, 3, 6, 9, 12]
    assert shows(result, STORY) == [0, 1, 2, 4, 5]
    assert {frame.reason for frame in result.frames} == {"asked"}
    assert result.method == "at regular times"


def test_too_many_regular_frames_are_thinned_over_the_whole_span(story, tmp_path):
    result = choose(story(5), tmp_path, every=0.5, most=4)
    moments = [frame.timestamp for frame in result.frames]
    assert moments == pytest.approx([0, 4.38, 8.76, 13.13], abs=0.1)
    (tmp_path / "all").mkdir()
    everything = choose(story(5), tmp_path / "all", every=0.5, most=1000)
    assert result.worthwhile == everything.worthwhile == len(everything.frames)


def test_frames_that_are_wanted_close_together_are_all_seen(tmp_path):
    """Also those that no other is made of."""
    path = record(tmp_path / "a.mp4", steps(*zip(TOLD, STORY, strict=True)), 2, keys=2)
    with av.open(str(path)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    # The last moment may be just before the last picture.
    assert len(choose(path, tmp_path, every=0.01, most=1000).frames) >= pictures - 1


@pytest.mark.parametrize("every", [0.01, 0.2, 0.3, 0.7])
def test_what_was_asked_for_is_counted_by_pictures(story, tmp_path, every):
    """More moments than pictures are no more frames."""
    for name in ("few", "all"):
        (tmp_path / name).mkdir()
    few = choose(story(5), tmp_path / "few", every=every, most=5, start=3.1, end=9)
    everything = choose(story(5), tmp_path / "all", every=every, most=5000, start=3.1, end=9)
    assert len(few.frames) == 5
    assert few.worthwhile == len(everything.frames) == everything.worthwhile


def test_a_part_is_watched_alone(story, tmp_path):
    result = choose(story(5), tmp_path, start=5, end=10)
    assert shows(result, STORY) == [2, 3, 4]
    assert result.frames[0].timestamp == 5
    assert result.end == 10


def test_a_part_after_the_end_is_the_last_picture(story, tmp_path):
    assert shows(choose(story(2), tmp_path, start=50), STORY) == [5]


@pytest.mark.parametrize(
    "options", [{"most": 0}, {"every": 0}, {"start": 5, "end": 2}, {"max_width": 0}]
)
def test_what_makes_no_sense_is_an_error(story, tmp_path, options):
    with pytest.raises(UsageError):
        choose(story(2), tmp_path, **options)


# --- the pictures --------------------------------------------------------------------------------


def test_pictures_are_scaled_down_to_fit(story, tmp_path):
    for frame in choose(story(2), tmp_path, max_width=300, max_height=300, most=2).frames:
        assert (frame.width, frame.height) == (300, 172)
        assert pixels_of(frame.path).shape == (172, 300)


def test_pictures_are_never_scaled_up(story, tmp_path):
    (frame, *_) = choose(story(2), tmp_path).frames
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)


def test_pictures_fit_into_bytes(story, tmp_path):
    result = choose(story(2), tmp_path, max_bytes=6000)
    assert all(frame.path.stat().st_size <= 6000 for frame in result.frames)


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_recording_held_sideways_is_upright(tmp_path, degrees):
    marked = np.zeros((120, 160), np.uint8)
    marked[:40, :40] = 255
    path = record(tmp_path / "a.mp4", steps((0, marked)), 1, rotation=degrees)
    (frame,) = choose(path, tmp_path, max_width=60, max_height=1000).frames
    assert (frame.width, frame.height) == (60, 80)
    picture = pixels_of(frame.path)
    corner = picture[-15:, :15] if degrees == 90 else picture[:15, -15:]
    assert corner.mean() > 230


@pytest.mark.parametrize(
    ("codec", "pixels", "name"),
    [
        ("libx264", "yuv420p10le", "a.mkv"),
        ("libx264", "yuv444p", "a.mov"),
        ("libvpx-vp9", "yuv420p", "a.webm"),
        ("mpeg4", "yuv420p", "a.avi"),
        ("mpeg2video", "yuv420p", "a.ts"),
        ("mjpeg", "yuvj420p", "a.mov"),
        ("prores_ks", "yuv422p10le", "a.mov"),
        ("ffv1", "gray", "a.mkv"),
    ],
)
def test_codecs_of_all_kinds(tmp_path, codec, pixels, name):
    options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx-vp9" else {}
    quality = {"qmin": "2", "qmax": "6"} if codec.startswith("mpeg") else {}
    screens = [A, B, with_status(B)]
    draw = steps((0, A), (2.2, B), (4.5, with_status(B)))
    fps = {"mpeg2video": 25, "prores_ks": 8}.get(codec, FPS)
    path = record(
        tmp_path / name, draw, 6.5, fps=fps, codec=codec, pixels=pixels, keys=4,
        **options, **quality,
    )  # fmt: skip
    assert shows(choose(path, tmp_path), screens) == [0, 1, 2]


def test_sizes_may_be_odd(tmp_path):
    odd = np.full((33, 17), 90, np.uint8)
    path = record(tmp_path / "a.mov", steps((0, odd)), 1, codec="png", pixels="gray")
    (frame,) = choose(path, tmp_path).frames
    assert (frame.width, frame.height) == (17, 33)


def test_frames_that_come_only_with_changes_are_all_seen(tmp_path):
    draw = steps((0, A), (3, B), (20, with_status(B)), (28, C))
    path = record(tmp_path / "a.mkv", draw, 0, times=(0, 3, 20, 28), keys=1000)
    result = choose(path, tmp_path)
    assert shows(result, [A, B, with_status(B), C]) == [0, 1, 2, 3]


# --- damage --------------------------------------------------------------------------------------


def test_joined_recordings_are_seen_to_the_end(tmp_path):
    path = record(tmp_path / "a.ts", steps((0, A), (2, B)), 4)
    path.write_bytes(path.read_bytes() + record(tmp_path / "b.ts", steps((0, C)), 3).read_bytes())
    result = choose(path, tmp_path)
    assert shows(result, [A, B, C]) == [0, 1, 2]
    moments = [frame.timestamp for frame in result.frames]
    assert moments == sorted(moments)


def test_of_a_recording_that_breaks_off_what_there_is_is_used(story, tmp_path):
    whole = record(tmp_path / "a.mkv", steps(*zip(TOLD, STORY, strict=True)), 13.2).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    result = choose(path, tmp_path)
    assert shows(result, STORY)[0] == 0
    assert 2 < result.end < 12


@pytest.mark.parametrize(
    "content", [b"", b"not a recording at all", bytes(100_000)], ids=["nothing", "text", "zeros"]
)
def test_what_is_no_recording_is_an_error(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises((CorruptMedia, UnsupportedMedia)):
        choose(path, tmp_path)


def test_sound_alone_is_an_error(tmp_path, make_wav):
    path = tmp_path / "a.wav"
    path.write_bytes(make_wav())
    with pytest.raises(UnsupportedMedia, match="no pictures"):
        choose(path, tmp_path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    places=st.lists(st.integers(0, 1_000_000), max_size=30),
    value=st.integers(0, 255),
    cut=st.integers(1, 100),
    every=st.sampled_from([None, 0.5]),
)
def test_no_damage_raises_anything_else(tmp_path, name, places, value, cut, every):
    whole = tmp_path / name
    if not whole.exists():
        small = [picture[:120, :160].copy() for picture in (A, B)]
        record(whole, steps((0, small[0]), (1.5, small[1])), 3, keys=1)
    data = bytearray(whole.read_bytes())
    for place in places:
        data[place % len(data)] = value
    path = tmp_path / f"damaged-{name}"
    path.write_bytes(data[: len(data) * cut // 100])
    try:
        result = choose(path, tmp_path, most=3, every=every)
    except MediasenseError:
        return
    assert 1 <= len(result.frames) <= 3
    assert all(frame.path.stat().st_size == frame.size for frame in result.frames)


# --- which key frames are looked at --------------------------------------------------------------


def looked_into(shown: list[int]) -> list[int]:
    """The numbers of the key frames that are looked at in a stretch that shows these screens."""
    between = range(1, len(shown) - 1)
    found = where_it_changed(
        0, between, len(shown) - 1, lambda at: at, lambda a, b: shown[a] != shown[b]
    )
    return [0, *found, len(shown) - 1]


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
)
def test_every_change_that_lasts_to_the_end_of_a_stretch_is_found(lengths):
    shown = [screen for screen, length in enumerate(lengths) for _ in range(length)] + [99]
    seen = looked_into(shown)
    assert seen == sorted(set(seen))
    firsts = {shown.index(screen) for screen in set(shown)}
    assert firsts <= set(seen)


@given(length=st.integers(2, 200), change=st.integers(1, 199))
def test_one_change_costs_few_looks_and_none_costs_none(length, change):
    shown = [int(at >= change) for at in range(length)]
    looks = looked_into(shown)
    assert len(looks) <= 2 + (math.ceil(math.log2(length)) if change < length else 0)


def still_groups(sizes: list[int], quiet: list[bool], every: float) -> tuple[list[Group], Packets]:
    """A recording of nothing but key frames."""
    groups = [
        Group(first=at, end=at + 1, wants=(Want(time=at * every, since=0, until=0),), quiet=calm)
        for at, calm in enumerate(quiet)
    ]
    packets = Packets(
        times=np.arange(len(quiet)) * every,
        sizes=np.array(sizes),
        keys=np.ones(len(quiet), np.bool_),
        end=len(quiet) * every,
        damage="",
    )
    return groups, packets


@given(
    recording=st.lists(
        st.tuples(st.sampled_from([10_000, 10_010, 10_400]), st.booleans()),
        min_size=1,
        max_size=60,
    ),
    every=st.sampled_from([0.5, 1.0, 2.0, 5.0, 12.0]),
)
def test_key_frames_are_passed_over_in_short_quiet_stretches_alone(recording, every):
    sizes, quiet = ([row[column] for row in recording] for column in (0, 1))
    groups, packets = still_groups(sizes, quiet, every)
    anyway = looked_at_anyway(groups, packets)
    assert anyway[0]
    assert anyway[-1]
    seen = [at for at, yes in enumerate(anyway) if yes]
    for one, following in pairwise(seen):
        if following > one + 1:
            assert (following - one) * every <= LONGEST_SECONDS
            assert all(quiet[one:following])
            assert max(sizes[one:following]) - min(sizes[one:following]) <= 20


def test_of_a_recording_that_stands_still_few_key_frames_are_looked_at():
    groups, packets = still_groups([10_000] * 300, [True] * 300, 2.0)
    assert sum(looked_at_anyway(groups, packets)) <= 80


def test_what_stands_still_for_long_is_hardly_decoded(tmp_path, monkeypatch):
    watchers: list[Watcher] = []
    looks = Watcher.looks

    def remember(self: Watcher, groups: list[Group]) -> Iterator[Look]:
        watchers.append(self)
        return looks(self, groups)

    monkeypatch.setattr(Watcher, "looks", remember)
    path = record(tmp_path / "a.mp4", steps((0, A)), 40, keys=1)
    result = choose(path, tmp_path)
    assert set(shows(result, [A, B])) == {0}
    assert watchers[0].decoded < 20


@pytest.mark.parametrize("at", [6, 7, 11])
def test_what_changes_at_a_key_frame_of_a_quiet_stretch_is_found(tmp_path, monkeypatch, at):
    """Also where sizes of key frames do not tell."""
    monkeypatch.setattr(stretches, "_SAME_SIZE", 1.0)
    draw = steps((0, A), (at, with_line(A)))
    path = record(tmp_path / "a.mp4", draw, 20, keys=1, sc_threshold="0")
    result = choose(path, tmp_path)
    assert shows(result, [A, with_line(A)])[:2] == [0, 1]
    assert result.frames[1].timestamp == pytest.approx(at, abs=0.01)


# --- decisions -----------------------------------------------------------------------------------

candidates = st.lists(
    st.builds(
        Candidate,
        timestamp=st.floats(0, 1e6),
        reason=st.sampled_from(["new screen", "change", "coverage"]),
        share=st.floats(0, 1),
        stood=st.floats(0, 1e6),
        returned=st.booleans(),
        kept=st.none(),
    ),
    min_size=1,
    max_size=40,
).map(lambda found: sorted(found, key=lambda candidate: candidate.timestamp))


@given(found=candidates, most=st.integers(1, 50))
def test_the_budget_is_kept_in_order_with_first_and_last(found, most):
    chosen = within_budget(found, most)
    assert len(chosen) == min(most, len(found))
    numbers = [next(n for n, c in enumerate(found) if c is one) for one in chosen]
    assert numbers == sorted(set(numbers))
    assert chosen[0] is found[0]
    assert most == 1 or chosen[-1] is found[-1]
    assert chosen == within_budget(found, most)


@given(
    start=st.floats(0, 1e5),
    length=st.floats(0, 1e5),
    every=st.floats(1e-6, 1e4),
    most=st.integers(1, 200),
)
def test_regular_moments_are_few_in_order_and_within(start, length, every, most):
    moments = evenly(start, start + length, every, most)
    assert 1 <= len(moments) <= most
    assert moments == sorted(moments)
    assert moments[0] == start
    assert moments[-1] <= start + length + 1e-6
    if most > 1 and length >= every * most:
        assert moments[-1] == pytest.approx(start + length)


def blocks(*areas: tuple[int, int, int, int]) -> np.ndarray:
    changed = np.zeros((68, 120), np.bool_)
    for row, column, rows, columns in areas:
        changed[row : row + rows, column : column + columns] = True
    return changed


@pytest.mark.parametrize(
    ("areas", "event", "more"),
    [
        ([], True, False),
        ([(5, 5, 2, 2)], True, False),
        ([(5, 5, 2, 2), (40, 80, 3, 2), (10, 90, 2, 1)], True, False),
        ([(5, 5, 4, 4)], False, False),
        ([(5, 5, 1, 5)], False, True),
        ([(5, 5, 1, 3)], False, False),
        ([(5, 5, 1, 3)], True, True),
        ([(5, 5, 20, 20)], False, True),
        ([(n * 3, 5, 2, 2) for n in range(6)], False, True),
        ([(n * 3, 5, 1, 1) for n in range(6)], True, False),
    ],
)
def test_more_than_a_cursor(areas, event, more):
    assert is_more_than_a_cursor(blocks(*areas), event=event) is more


@pytest.mark.parametrize(
    ("area", "more"), [((5, 5, 2, 3), False), ((5, 5, 3, 3), False), ((5, 5, 2, 5), True)]
)
def test_cursors_of_large_screens_are_no_words(area, more):
    """They are drawn twice as large: a part of one may be wide and low."""
    row, column, rows, columns = area
    changed = np.zeros((135, 240), np.bool_)
    changed[row : row + rows, column : column + columns] = True
    assert is_more_than_a_cursor(changed, event=True) is more


def test_importing_it_imports_nothing_heavy():
    code = (
        "import sys, mediasense.media.keyframes\n"
        "print([name for name in ('av', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
