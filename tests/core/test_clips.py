"""Parts of recordings in files of their own: nothing is lost, limits hold, time stays true."""

from __future__ import annotations

import functools
import io
import itertools
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.errors import (
    CorruptMedia,
    MediasenseError,
    MediaTooLarge,
    UnsupportedMedia,
    UsageError,
)
from mediasense.media.recordings import clips
from mediasense.media.recordings.clips import can_copy, copy_clips, encode_clip, encoded_bytes
from mediasense.media.recordings.cuts import Groups, choose_cuts
from mediasense.types import RecordingFacts

SIZE = (64, 48)
RATE = 16000


@functools.cache
def film(
    container: str = "mp4",
    codec: str = "libx264",
    sound: str = "aac",
    *,
    seconds: float = 12.0,
    fps: int = 10,
    gop: int = 10,
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    turned: int = 0,
    noisy: bool = False,
    ticks: tuple[int, ...] = (),
    more: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A recording that flashes white, and beeps, for the first half of each odd second."""
    noise = np.random.default_rng(0)
    options = {"g": str(gop), "sc_threshold": "0", **dict(more)}
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container) as out:
            out.metadata["location"] = "+48.2000+016.3000/"
            video = out.add_stream(codec, rate=fps, options=options)
            video.width, video.height, video.pix_fmt = *size, pixels
            if turned:
                video.set_display_rotation(turned)
            rate = 48000 if "opus" in sound else RATE
            audio = out.add_stream(sound, rate=rate, layout="mono") if sound else None
            for tick in ticks or range(round(seconds * fps)):
                bright = 235 if is_loud(tick / fps) else 16
                picture = np.full((size[1], size[0], 3), bright, np.uint8)
                if noisy:
                    picture[:] = noise.integers(0, 255, picture.shape)
                picture[:8, : max(8, size[0] // 2)] = 200  # says which side is up
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, fps)
                out.mux(video.encode(frame))
            out.mux(video.encode())
            if audio is not None:
                times = np.arange(round(seconds * rate)) / rate
                loud = (times % 2 >= 1) & (times % 1 < 0.5)
                samples = (np.sin(times * 2 * np.pi * 500) * loud * 12000).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
                frame.sample_rate = rate
                out.mux(audio.encode(frame))
                out.mux(audio.encode())
        return Path(file.name).read_bytes()


def is_loud(seconds: float) -> bool:
    return seconds % 2 >= 1 and seconds % 1 < 0.5


@pytest.fixture
def store(tmp_path):
    def write(data: bytes) -> Path:
        path = tmp_path / "source"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "made"
    path.mkdir()
    return path


def copy(source: Path, folder: Path, **limits):
    return copy_clips(source, folder, **{"max_bytes": None, "max_seconds": None, **limits})


class Seen:
    """A file as a player has it."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            self.start = (container.start_time or 0) / 1e6
            self.seconds = container.duration / 1e6
            self.kinds = [stream.type for stream in container.streams]
            self.metadata = dict(container.metadata)
            video = container.streams.video[0]
            self.tag = video.codec_context.codec_tag
            self.pixels = video.codec_context.pix_fmt
            self.size = (video.width, video.height)
        with av.open(str(path)) as container:
            frames = [(f.time, f.to_ndarray(format="gray"), f) for f in container.decode(video=0)]
        self.times = [seconds for seconds, _, _ in frames]
        self.rotation = frames[0][2].rotation
        self.first = frames[0][1]
        self.flashes = _changes((s, luma[20:].mean() > 125) for s, luma, _ in frames)
        self.beeps: list[float] = []
        self.sound_seconds = 0.0
        if "audio" in self.kinds:
            with av.open(str(path)) as container:
                pieces = [
                    (f.time, f.to_ndarray()[0], f.sample_rate) for f in container.decode(audio=0)
                ]
            self.sound_seconds = pieces[-1][0] + len(pieces[-1][1]) / pieces[-1][2]
            self.beeps = _changes(
                (at + index * 0.01, float(np.abs(block).max()) > 0.1)
                for at, samples, rate in pieces
                for index, block in enumerate(
                    np.array_split(samples, max(1, len(samples) * 100 // rate))
                )
            )


def _changes(states) -> list[float]:
    """When something that is off at first goes on."""
    found, before = [], False
    for seconds, on in states:
        if on and not before:
            found.append(seconds)
        before = on
    return found


# --- copied: what is in them ----------------------------------------------------------------------


def test_without_limits_there_is_one_file_with_everything(store, folder):
    data = film()
    made = copy(store(data), folder)
    assert made.damage == ""
    (clip,) = made.clips
    assert (clip.start, clip.mime_type, clip.width, clip.height) == (0.0, "video/mp4", *SIZE)
    assert clip.end == pytest.approx(12, abs=0.1)
    assert clip.size == clip.path.stat().st_size
    assert len(Seen(clip.path).times) == 120


def test_the_index_comes_first_and_the_place_is_gone(store, folder):
    assert b"loci" in film()
    data = copy(store(film()), folder).clips[0].path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"loci" not in data
    assert b"Lavf" not in data


KINDS = [
    ("mp4", "libx264", "aac"),
    ("mov", "libx264", "aac"),
    ("matroska", "libx264", "libopus"),
    ("mpegts", "libx264", "aac"),
    ("flv", "libx264", "aac"),
    ("avi", "mpeg4", "libmp3lame"),
    ("webm", "libvpx-vp9", "libopus"),
    ("mp4", "libx265", "aac"),
    ("mp4", "libx264", ""),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_second_of_every_kind_is_in_one_clip_and_in_step(store, folder, kind):
    if kind[1] not in av.codecs_available:
        pytest.skip(f"this PyAV has no {kind[1]}")
    quiet = (("x265-params", "log-level=none"),) if kind[1] == "libx265" else ()
    made = copy(store(film(*kind, more=quiet)), folder, max_seconds=4.2).clips
    assert len(made) >= 3
    assert made[0].start == 0
    assert all(before.end == after.start for before, after in itertools.pairwise(made))
    assert made[-1].end == pytest.approx(12, abs=0.3)
    seen = [Seen(clip.path) for clip in made]
    assert sum(len(one.times) for one in seen) == 120
    assert all(one.seconds <= 4.2 and one.start < 0.13 for one in seen)
    flashes = [clip.start + s for clip, one in zip(made, seen, strict=True) for s in one.flashes]
    assert flashes == pytest.approx([1, 3, 5, 7, 9, 11], abs=0.11)
    if kind[2]:
        beeps = [clip.start + s for clip, one in zip(made, seen, strict=True) for s in one.beeps]
        assert beeps == pytest.approx([1, 3, 5, 7, 9, 11], abs=0.11)


def test_pictures_between_others_keep_their_time(store, folder):
    """Matroska has no times of decoding, and the first pictures wait for each other."""
    source = store(film("matroska", more=(("bf", "3"), ("b_strategy", "0"))))
    seen = Seen(copy(source, folder).clips[0].path)
    assert seen.times == pytest.approx([tick / 10 for tick in range(120)], abs=0.03)


def test_only_pictures_and_the_sound_that_is_heard_are_kept(store, folder):
    data = with_more_tracks()
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams) == 4
    assert sorted(Seen(copy(store(data), folder).clips[0].path).kinds) == ["audio", "video"]


def with_more_tracks() -> bytes:
    """The recording with its sound twice, and a text track."""
    with tempfile.NamedTemporaryFile() as file:
        with (
            av.open(io.BytesIO(film())) as source,
            av.open(file.name, "w", format="matroska") as out,
        ):
            tracks = {s.index: [out.add_stream_from_template(s)] for s in source.streams}
            heard = source.streams.audio[0]
            tracks[heard.index].append(out.add_stream_from_template(heard))
            text = out.add_mux_stream("subrip")
            text.time_base = Fraction(1, 1000)
            for packet in source.demux():
                for track in tracks[packet.stream.index] if packet.size else []:
                    copied = av.Packet(bytes(packet))
                    copied.pts, copied.dts = packet.pts, packet.dts
                    copied.time_base, copied.duration = packet.time_base, packet.duration
                    copied.is_keyframe, copied.stream = packet.is_keyframe, track
                    out.mux(copied)
            said = av.Packet(b"hi")
            said.stream, said.pts, said.dts, said.duration = text, 0, 0, 100
            said.time_base = Fraction(1, 1000)
            out.mux(said)
        return Path(file.name).read_bytes()


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_the_note_to_turn_it_is_kept(store, folder, turned):
    clip = copy(store(film("mov", turned=turned)), folder).clips[0]
    assert (clip.width, clip.height) == (SIZE if turned == 180 else SIZE[::-1])
    assert Seen(clip.path).rotation % 360 == turned % 360


def test_the_last_picture_stands_until_the_clip_ends(store, folder):
    """A screen on which nothing happens gives no pictures for a long time."""
    still = film(sound="", ticks=(0, 10, 40, 100, 119), gop=1)
    made = copy(store(still), folder, max_seconds=6.5).clips
    assert [c.start for c in made] == pytest.approx([0, 4, 10])
    assert [c.end for c in made] == pytest.approx([4, 10, 12])
    assert [Seen(c.path).seconds for c in made] == pytest.approx([4, 6, 2], abs=0.01)


def test_joined_recordings_go_on(store, folder):
    """The timestamps of the second start again from 0."""
    made = copy(store(film("mpegts", seconds=6) * 2), folder).clips
    assert made[0].end == pytest.approx(12, abs=0.5)
    seen = Seen(made[0].path)
    assert len(seen.times) == 120
    assert seen.times == sorted(seen.times)


def test_a_recording_that_breaks_off_is_copied_as_far_as_it_goes(store, folder):
    data = film("matroska")
    made = copy(store(data[: len(data) * 2 // 3]), folder, max_seconds=3)
    assert "breaks off" in made.damage
    assert 6 < made.clips[-1].end < 10
    assert len(Seen(made.clips[-1].path).times) > 0


def test_pictures_without_their_key_frame_are_left_out_and_what_is_heard_is_kept(store, folder):
    """As a broadcast that was cut begins."""
    data = film("mpegts", gop=30)
    cut = data[len(data) // 10 // 188 * 188 :]
    clip = copy(store(cut), folder).clips[0]
    seen = Seen(clip.path)
    assert clip.start == 0
    assert seen.start < 0.1
    assert seen.times[0] > 0.5
    assert seen.flashes == pytest.approx(seen.beeps[-len(seen.flashes) :], abs=0.11)


# --- copied: where they are cut -------------------------------------------------------------------


@settings(max_examples=15, deadline=20_000)
@given(
    max_seconds=st.none() | st.floats(0.5, 8),
    max_bytes=st.none() | st.integers(5_000, 90_000),
    pauses=st.lists(st.floats(0, 6), max_size=5),
    noisy=st.booleans(),
)
def test_every_second_is_in_one_clip_within_any_limits(max_seconds, max_bytes, pauses, noisy):
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name, "source"), Path(name, "made")
        folder.mkdir()
        source.write_bytes(film(seconds=6, noisy=noisy))
        try:
            made = copy_clips(
                source,
                folder,
                max_bytes=max_bytes,
                max_seconds=max_seconds,
                pauses=tuple(pauses),
            ).clips
        except MediaTooLarge:
            assert (max_seconds or 99) < 1.2 or (max_bytes or 10**9) < 45_000
            assert list(folder.iterdir()) == []
            return
        assert made[0].start == 0
        assert all(before.end == after.start for before, after in itertools.pairwise(made))
        assert made[-1].end == pytest.approx(6, abs=0.1)
        assert {clip.path for clip in made} == set(folder.iterdir())
        pictures = 0
        for clip in made:
            with av.open(str(clip.path)) as container:
                assert container.duration / 1e6 <= (max_seconds or 99) + 0.001
                pictures += container.streams.video[0].frames
            assert clip.size == clip.path.stat().st_size <= (max_bytes or 10**9)
        assert pictures == 60


@st.composite
def groups_of_pictures(draw) -> Groups:
    groups = Groups()
    at = 0.0
    for _ in range(draw(st.integers(1, 30))):
        size, lasting = draw(st.integers(1, 10_000)), draw(st.floats(0.05, 5))
        groups.add_picture(start=at, end=at + lasting, size=size, begins_group=True)
        at += lasting
    for second in range(int(at)):
        groups.add_sound(start=second, end=second + 1, size=draw(st.integers(0, 500)))
    return groups


@given(
    groups=groups_of_pictures(),
    max_bytes=st.none() | st.integers(1, 100_000),
    max_seconds=st.none() | st.floats(0.1, 60),
    pauses=st.lists(st.floats(0, 100), max_size=8),
)
def test_cuts_keep_every_part_within_its_limits(groups, max_bytes, max_seconds, pauses):
    try:
        cuts = choose_cuts(
            groups, max_bytes=max_bytes, max_seconds=max_seconds, pauses=tuple(pauses)
        )
    except MediaTooLarge:
        alone = [
            (groups.bytes(g, g + 1), groups.seconds(g, g + 1)) for g in range(len(groups.starts))
        ]
        assert any(b > (max_bytes or b) or s > (max_seconds or s) for b, s in alone)
        return
    bounds = [0, *cuts, len(groups.starts)]
    assert bounds == sorted(set(bounds))
    for first, after in itertools.pairwise(bounds):
        assert groups.bytes(first, after) <= (max_bytes or 10**9)
        assert groups.seconds(first, after) <= (max_seconds or 10**9)


def regular(count: int = 20, sizes: dict[int, int] | None = None) -> Groups:
    groups = Groups()
    for index in range(count):
        size = (sizes or {}).get(index, 100)
        groups.add_picture(start=index, end=index + 1, size=size, begins_group=True)
    return groups


def test_a_cut_is_as_late_as_it_may_be():
    assert choose_cuts(regular(), max_seconds=8) == (8, 16)


def test_a_cut_in_a_pause_is_better():
    assert choose_cuts(regular(), max_seconds=8, pauses=(6.3, 11.8)) == (6, 12)


def test_a_pause_that_would_make_a_short_part_is_not_taken():
    assert choose_cuts(regular(), max_seconds=8, pauses=(2.0, 18.0)) == (8, 16)


def test_a_cut_at_a_new_scene_is_better_than_any_other():
    assert choose_cuts(regular(sizes={5: 400, 11: 400}), max_seconds=8) == (5, 11, 19)


def test_a_pause_is_better_than_a_new_scene():
    assert choose_cuts(regular(sizes={7: 400}), max_seconds=8, pauses=(6.0,))[0] == 6


def test_a_key_frame_that_comes_early_is_a_new_scene():
    groups = Groups()
    for start in (0, 2, 4, 6, 7.1, 9.1, 11.1, 13.1):
        groups.add_picture(start=start, end=start + 2, size=100, begins_group=True)
    assert [g for g in range(1, 8) if groups.is_scene(g)] == [4]
    assert choose_cuts(groups, max_seconds=10)[0] == 4


def test_many_parts_are_refused():
    with pytest.raises(MediaTooLarge, match="more than 1000 parts"):
        choose_cuts(regular(2000), max_seconds=1)


def test_a_group_that_does_not_fit_is_told_and_nothing_is_left(store, folder):
    with pytest.raises(MediaTooLarge, match="without a key frame"):
        copy(store(film(gop=200)), folder, max_seconds=5)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("most", [1, 2, 3])
def test_more_clips_than_there_may_be_are_refused(store, folder, most):
    source = store(film(gop=20))
    made = len(copy(source, folder, max_seconds=7).clips)
    for path in folder.iterdir():
        path.unlink()
    if most >= made:
        assert len(copy(source, folder, max_seconds=7, most=most).clips) == made
        return
    with pytest.raises(MediaTooLarge, match=f"cut at its key frames into {made} clips, not {most}"):
        copy(source, folder, max_seconds=7, most=most)
    assert list(folder.iterdir()) == []


def test_the_start_moves_back_to_a_key_frame(store, folder):
    (clip,) = copy(store(film(gop=20)), folder, start=5.3, end=8).clips
    assert clip.start == pytest.approx(4)
    assert clip.end == pytest.approx(8, abs=0.3)
    seen = Seen(clip.path)
    assert seen.start == 0
    assert [clip.start + s for s in seen.flashes] == pytest.approx([5, 7], abs=0.11)
    assert [clip.start + s for s in seen.beeps] == pytest.approx([5, 7], abs=0.11)


@pytest.mark.parametrize("container", ["mpegts", "flv", "matroska"])
def test_the_start_is_found_in_containers_that_seek_badly(store, folder, container):
    (clip,) = copy(store(film(container, gop=20)), folder, start=5.3).clips
    assert 3.9 < clip.start <= 5.3
    assert [clip.start + s for s in Seen(clip.path).flashes] == pytest.approx(
        [5, 7, 9, 11], abs=0.11
    )


@pytest.mark.parametrize("make", [copy, lambda s, f, **o: encode_clip(s, f, max_bytes=None, **o)])
def test_a_start_after_the_end_is_told(store, folder, make):
    with pytest.raises(UsageError, match="ends at 12"):
        make(store(film()), folder, start=99)


def test_a_codec_that_no_mp4_holds_is_told(store, folder):
    with pytest.raises(UnsupportedMedia, match="vp8 and opus cannot be copied"):
        copy(store(film("webm", "libvpx", "libopus")), folder)


@pytest.mark.parametrize(
    ("video", "audio", "possible"),
    [
        ("h264", "aac", True),
        ("hevc", None, True),
        ("av1", "opus", True),
        ("vp9", "mp3", True),
        ("vp8", "aac", False),
        ("h264", "pcm_s16le", False),
        (None, "aac", False),
    ],
)
def test_what_can_be_copied(video, audio, possible):
    facts = RecordingFacts(
        seconds=1,
        width=2,
        height=2,
        has_pictures=video is not None,
        has_sound=audio is not None,
        video_codec=video,
        audio_codec=audio,
    )
    assert can_copy(facts) is possible


@pytest.mark.parametrize("make", [copy, lambda s, f, **o: encode_clip(s, f, max_bytes=None, **o)])
def test_progress_is_told_and_goes_on(store, folder, monkeypatch, make):
    monkeypatch.setattr(clips, "_PROGRESS_SECONDS", 0.0)
    seen: list[float] = []
    make(store(film()), folder, on_progress=seen.append)
    assert len(seen) > 50
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 0.1
    assert 0.9 < seen[-1] <= 1


# --- encoded --------------------------------------------------------------------------------------


def encode(source: Path, folder: Path, **options):
    return encode_clip(source, folder, **{"max_bytes": None, **options})


@pytest.mark.parametrize("kind", [*KINDS[:1], *KINDS[2:4], ("webm", "libvpx", "libopus")])
def test_an_encoded_clip_has_everything_in_step(store, folder, kind):
    clip = encode(store(film(*kind)), folder)
    seen = Seen(clip.path)
    assert (clip.start, clip.mime_type, clip.width, clip.height) == (0, "video/mp4", *SIZE)
    assert clip.end == pytest.approx(12, abs=0.15)
    assert seen.seconds == pytest.approx(12, abs=0.15)
    assert seen.sound_seconds == pytest.approx(12, abs=0.15)
    assert seen.flashes == pytest.approx([1, 3, 5, 7, 9, 11], abs=0.11)
    assert seen.beeps == pytest.approx([1, 3, 5, 7, 9, 11], abs=0.11)
    data = clip.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"loci" not in data


@settings(max_examples=12, deadline=30_000)
@given(max_bytes=st.integers(1_000, 400_000), noisy=st.booleans(), sound=st.booleans())
def test_an_encoded_clip_is_within_any_number_of_bytes(max_bytes, noisy, sound):
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name, "source"), Path(name, "made")
        folder.mkdir()
        source.write_bytes(film(noisy=noisy))
        try:
            clip = encode_clip(source, folder, max_bytes=max_bytes, sound=sound)
        except MediaTooLarge:
            assert max_bytes < 120_000
            assert list(folder.iterdir()) == []
            return
        assert clip.size == clip.path.stat().st_size <= max_bytes
        assert clip.end == pytest.approx(12, abs=0.15)


@pytest.mark.parametrize(
    ("size", "turned", "made"),
    [
        ((64, 48), 90, (48, 64)),
        ((64, 48), -90, (48, 64)),
        ((64, 48), 180, (64, 48)),
        ((63, 47), 0, (64, 48)),
        ((320, 180), 0, (100, 56)),
        ((320, 180), 90, (56, 100)),
    ],
)
def test_an_encoded_clip_is_upright_even_and_small(store, folder, size, turned, made):
    pixels = "yuv444p" if size[0] % 2 else "yuv420p"
    source = film("mov", size=size, pixels=pixels, turned=turned, seconds=1)
    clip = encode(store(source), folder, max_side=100)
    seen = Seen(clip.path)
    assert (clip.width, clip.height) == seen.size == made
    assert seen.rotation == 0
    # The mark is on the left half of the first rows of the unturned picture.
    corners = {0: (0, 0), 180: (-1, -1), 90: (-1, 0), -90: (0, -1)}
    row, column = corners[turned]
    assert seen.first[row, column] > 150
    assert seen.first[-1 - row, -1 - column] < 60


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p", "yuvj420p"])
def test_an_encoded_clip_has_eight_bits(store, folder, pixels):
    if pixels == "yuvj420p":
        source = film("avi", "mjpeg", "", pixels=pixels, seconds=3)
    else:
        source = film(pixels=pixels, seconds=3)
    seen = Seen(encode(store(source), folder).path)
    assert seen.pixels == "yuv420p"
    assert seen.flashes == pytest.approx([1], abs=0.11)


def test_an_encoded_clip_has_no_more_pictures_than_wanted(store, folder):
    seen = Seen(encode(store(film(fps=50, seconds=6)), folder, fps=5).path)
    assert 28 <= len(seen.times) <= 32
    assert seen.flashes == pytest.approx([1, 3, 5], abs=0.21)


def test_pictures_at_varying_intervals_keep_their_time(store, folder):
    ticks = (0, 3, 10, 11, 12, 13, 15, 70, 71, 75, 110)
    source = film("matroska", ticks=ticks)
    seen = Seen(encode(store(source), folder).path)
    assert seen.times[: len(ticks)] == pytest.approx([tick / 10 for tick in ticks], abs=0.01)
    assert seen.seconds == pytest.approx(12, abs=0.15)


def test_what_stands_at_a_cut_is_shown_even_if_it_came_quickly(store, folder):
    """Of two pictures within a tenth of a second the second is what stays on screen."""
    still = film(sound="", fps=100, ticks=(0, 95, 99, 100, 600), gop=1, seconds=6.01)
    seen = Seen(encode(store(still), folder).path)
    assert seen.flashes[0] == pytest.approx(1.0, abs=0.02)
    assert max(seen.times) == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
def test_a_part_is_encoded(store, folder, container):
    clip = encode(store(film(container, gop=40)), folder, start=4.6, end=9.2)
    seen = Seen(clip.path)
    assert (clip.start, clip.end) == (4.6, 9.2)
    assert seen.seconds == pytest.approx(4.6, abs=0.15)
    assert [4.6 + s for s in seen.flashes] == pytest.approx([5, 7, 9], abs=0.11)
    assert [4.6 + s for s in seen.beeps] == pytest.approx([5, 7, 9], abs=0.11)


def test_a_part_without_sound_is_encoded(store, folder):
    assert Seen(encode(store(film()), folder, sound=False).path).kinds == ["video"]
    assert Seen(encode(store(film(sound="")), folder).path).kinds == ["video"]


def test_a_sound_cannot_be_encoded_as_a_video(store, folder, make_wav):
    with pytest.raises(UnsupportedMedia, match="has no pictures"):
        encode(store(make_wav()), folder)
    with pytest.raises(UnsupportedMedia, match="no pictures"):
        copy(store(make_wav()), folder)


def test_too_few_bytes_are_told_and_nothing_is_left(store, folder):
    with pytest.raises(MediaTooLarge, match="too long to be encoded in 5000 bytes"):
        encode(store(film()), folder, max_bytes=5000)
    assert list(folder.iterdir()) == []


@given(
    seconds=st.floats(0, 1e5),
    more=st.floats(0, 1e4),
    side=st.integers(2, 4000),
    fps=st.floats(0.1, 60),
    sound=st.booleans(),
)
def test_what_lasts_longer_needs_more_bytes(seconds, more, side, fps, sound):
    least = encoded_bytes(seconds, side, side, fps, sound)
    assert 0 < least <= encoded_bytes(seconds + more, side, side, fps, sound)
    assert least <= encoded_bytes(seconds, side, side, fps, True)  # noqa: FBT003


# --- anything ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=20_000)
@given(
    kind=st.sampled_from(KINDS[:6]),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4),
    kept=st.floats(0.3, 1),
    smaller=st.booleans(),
)
def test_a_changed_recording_gives_clips_or_a_known_error(kind, places, kept, smaller):
    data = bytearray(film(*kind))
    for place, change in places:
        data[int(place**2 * (len(data) - 1))] ^= change
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name, "source"), Path(name, "made")
        folder.mkdir()
        source.write_bytes(data[: int(len(data) * kept)])
        try:
            if smaller:
                made = [encode_clip(source, folder, max_bytes=200_000)]
            else:
                made = copy_clips(source, folder, max_bytes=None, max_seconds=3).clips
        except MediasenseError:
            assert list(folder.iterdir()) == []
            return
        assert {clip.path for clip in made} == set(folder.iterdir())
        assert all(clip.size == clip.path.stat().st_size > 0 for clip in made)
        assert all(0 <= clip.start <= clip.end for clip in made)


def test_a_track_that_turns_up_late_is_left_out(store, folder):
    """This FLV is cut within a packet: what is left of it looks like one of a third track."""
    data = film("flv")
    source = store(data[: int(len(data) * 0.6196242289749228)])
    with av.open(str(source)) as container, pytest.raises(IndexError):
        for _ in container.demux():
            pass
    copied = copy(source, folder)
    assert sum(clip.end - clip.start for clip in copied.clips) > 6


def test_no_recording_at_all_is_a_known_error(store, folder):
    for make in (copy, encode):
        with pytest.raises((CorruptMedia, UnsupportedMedia)):
            make(store(b"no recording at all"), folder)
