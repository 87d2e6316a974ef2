"""Sound out of recordings: formats, limits, cuts, silence and true times."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import CorruptMedia, MediasenseError, MediaTooLarge, UnsupportedMedia
from mediasense.media.sound import extract_sound
from mediasense.media.sound.background import BackgroundEncoder
from mediasense.media.sound.cutting import Cutter, Limits, SilenceSkipper
from mediasense.media.sound.encoders import fitting_samples, open_encoder
from mediasense.media.sound.pieces import SoundPiece, Stretch, Timeline
from mediasense.media.sound.samples import Span, open_sound

RATE = 16_000
ENCODED = ("wav", "flac", "mp3", "opus", "m4a")

# Words, each of its own pitch: when they begin and end. Pauses of many lengths between them.
WORDS = [
    (0.5, 3.0),
    (3.7, 7.0),
    (7.4, 11.0),
    (15.0, 18.0),
    (18.6, 22.0),
    (22.5, 26.0),
    (32.0, 35.0),
    (36.0, 39.0),
]
ALL = tuple(enumerate(WORDS))
LENGTH = 40.0


def pitch(word: int) -> float:
    return 400.0 + 150.0 * word


@cache
def talk(rate: int = RATE, *, length: float = LENGTH, noise: float = 0.0005) -> np.ndarray:
    """The words in mono, -1 to 1."""
    time = np.arange(round(length * rate)) / rate
    samples = np.random.default_rng(3).normal(0, noise, len(time))
    for word, (start, end) in enumerate(WORDS):
        here = (time >= start) & (time < end)
        samples[here] += 0.3 * np.sin(2 * np.pi * pitch(word) * time[here])
    return samples


def record(
    path: Path,
    samples: np.ndarray,
    *,
    rate: int = RATE,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    container: str | None = None,
    delay: float = 0.0,
    gap: tuple[float, float] | None = None,
    tracks: int = 1,
    pictures: bool = False,
    metadata: str = "",
) -> Path:
    """Write sound; ``gap`` is after how much of it how many seconds are missing."""
    with av.open(str(path), "w", format=container) as out:
        if metadata:
            out.metadata["title"] = metadata
        streams = [out.add_stream(codec, rate=rate) for _ in range(tracks)]
        for stream in streams:
            stream.codec_context.layout = layout
        shown = _pictures(out, len(samples) / rate + delay) if pictures else iter(())
        for number, stream in enumerate(streams):
            shape = (stream.codec_context.channels, 1)
            for at in range(0, len(samples), 1024):
                part = samples[at : at + 1024].astype(np.float32) * (1 if number == 0 else 0.1)
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(np.tile(part, shape)), format="fltp", layout=layout
                )
                missing = gap[1] if gap and at >= gap[0] * rate else 0.0
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = at + round((delay + missing) * rate)
                out.mux(stream.encode(frame))
                if at // rate != (at + 1024) // rate:
                    next(shown, None)
            out.mux(stream.encode())
        for _ in shown:
            pass
    return path


def _pictures(out: av.container.OutputContainer, seconds: float) -> Iterator[None]:
    """Add a picture a second, each when it is asked for."""
    video = out.add_stream("mpeg4", rate=1)
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"

    def show() -> Iterator[None]:
        for count in range(round(seconds) + 1):
            shade = np.full((48, 64, 3), count % 200, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = count, Fraction(1, 1)
            out.mux(video.encode(frame))
            yield
        out.mux(video.encode())

    return show()


@pytest.fixture(scope="session")
def spoken(tmp_path_factory) -> Path:
    return record(tmp_path_factory.mktemp("sound") / "talk.wav", talk())


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def samples_of(path: Path) -> np.ndarray:
    with open_sound(path) as sound:
        return np.frombuffer(b"".join(span.pcm for span in sound.spans()), np.int16) / 32768


def heard(path: Path) -> list[tuple[int, float, float]]:
    """Which words are in a file, from when to when, by its own clock."""
    samples = samples_of(path)
    blocks = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    loud = np.concatenate([[False], np.sqrt((blocks**2).mean(axis=1)) > 0.03, [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin < 10:
            continue
        part = samples[begin * 160 : end * 160]
        peak = np.argmax(np.abs(np.fft.rfft(part))) * RATE / len(part)
        found.append((round((peak - 400) / 150), begin / 100, end / 100))
    return found


def true_words(pieces: tuple[SoundPiece, ...]) -> list[tuple[int, float, float]]:
    """The same by the clock of the recording; the halves of a word that was cut are joined."""
    found: list[tuple[int, float, float]] = []
    for piece in pieces:
        for word, begin, end in heard(piece.path):
            start, stop = piece.true_time(begin), piece.true_time(end)
            if found and found[-1][0] == word and abs(found[-1][2] - start) < 0.05:
                found[-1] = (word, found[-1][1], stop)
            else:
                found.append((word, start, stop))
    return found


def assert_all_words(pieces: tuple[SoundPiece, ...], words=ALL) -> None:
    """Every word, once, whole, where it was."""
    found = true_words(pieces)
    assert [word for word, _, _ in found] == [word for word, _ in words]
    for (_, start, end), (_, told) in zip(found, words, strict=True):
        assert start == pytest.approx(told[0], abs=0.05)
        assert end == pytest.approx(told[1], abs=0.05)


# --- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ENCODED)
def test_every_format_holds_all_words_at_their_times(spoken, folder, form):
    sound = extract_sound(spoken, folder, format=form)
    assert len(sound.pieces) == 1
    assert sound.seconds == pytest.approx(LENGTH)
    assert (sound.silent, sound.damage) == (0.0, "")
    assert_all_words(sound.pieces)
    with av.open(str(sound.pieces[0].path)) as made:
        stream = made.streams.audio[0]
        assert stream.codec_context.channels == 1
        assert stream.rate == (48_000 if form == "opus" else RATE)  # Opus always says 48,000


def test_the_header_of_a_wav_is_true(spoken, folder):
    piece = extract_sound(spoken, folder, format="wav").pieces[0]
    data = piece.path.read_bytes()
    assert piece.size == len(data) == 44 + round(LENGTH * RATE) * 2
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert int.from_bytes(data[40:44], "little") == len(data) - 44
    with wave.open(str(piece.path)) as made:
        assert (made.getframerate(), made.getnchannels(), made.getsampwidth()) == (RATE, 1, 2)


def test_wav_and_flac_lose_nothing(spoken, folder):
    with wave.open(str(spoken)) as file:
        original = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    for form in ("wav", "flac"):
        made = samples_of(extract_sound(spoken, folder, format=form).pieces[0].path)
        assert np.abs(made - original).max() <= 1 / 32768


def test_the_index_of_an_m4a_is_at_its_front(spoken, folder):
    data = extract_sound(spoken, folder, format="m4a").pieces[0].path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("form", [*ENCODED, "copy"])
def test_nothing_of_the_tags_is_kept(tmp_path, folder, form):
    path = record(tmp_path / "a.mp4", talk(length=3), codec="aac", metadata="My secret diary")
    assert b"secret" in path.read_bytes()
    piece = extract_sound(path, folder, format=form).pieces[0]
    assert b"secret" not in piece.path.read_bytes()


def test_size_and_type_are_those_of_the_file(spoken, folder):
    for form, kind in zip(
        ENCODED, ("audio/wav", "audio/flac", "audio/mpeg", "audio/ogg", "audio/mp4"), strict=True
    ):
        piece = extract_sound(spoken, folder, format=form).pieces[0]
        assert (piece.mime_type, piece.size) == (kind, piece.path.stat().st_size)
        assert piece.path.parent == folder


# --- sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("8bit.wav", {"codec": "pcm_u8"}),
        ("24bit.wav", {"codec": "pcm_s24le", "rate": 44_100}),
        ("float.wav", {"codec": "pcm_f32le", "rate": 48_000, "layout": "stereo"}),
        ("double.mkv", {"codec": "pcm_f64le", "rate": 64_000}),
        ("telephone.wav", {"codec": "pcm_mulaw", "rate": 8_000}),
        ("surround.mka", {"codec": "aac", "rate": 48_000, "layout": "5.1"}),
        ("surround.flac", {"codec": "flac", "rate": 22_050, "layout": "5.0"}),
        ("song.mp3", {"codec": "libmp3lame", "rate": 44_100, "layout": "stereo"}),
        ("call.ogg", {"codec": "libopus", "rate": 48_000}),
        ("raw.aac", {"codec": "aac", "rate": 44_100, "container": "adts"}),
        ("video.mp4", {"codec": "aac", "rate": 44_100, "pictures": True}),
        ("video.ts", {"codec": "aac", "rate": 48_000, "pictures": True}),
        ("video.mkv", {"codec": "libopus", "rate": 48_000, "pictures": True}),
        ("video.avi", {"codec": "libmp3lame", "rate": 44_100, "pictures": True}),
    ],
)
def test_any_sound_can_be_heard(tmp_path, folder, name, options):
    path = record(tmp_path / name, talk(options.get("rate", RATE), noise=0.003), **options)
    sound = extract_sound(path, folder, format="wav")
    assert sound.damage == ""
    assert_all_words(sound.pieces)
    # And a part of it, from a place in the middle.
    part = extract_sound(path, folder, format="wav", start=14.5, end=27)
    assert part.seconds == pytest.approx(12.5, abs=0.01)
    assert part.pieces[0].start == pytest.approx(14.5)
    assert_all_words(part.pieces, list(enumerate(WORDS))[3:6])


def test_loud_stereo_is_not_clipped(tmp_path, folder):
    tone = 0.95 * np.sin(np.arange(44_100) * 0.05)
    path = record(tmp_path / "a.mka", tone, codec="flac", rate=44_100, layout="stereo")
    assert np.abs(samples_of(path)).max() == pytest.approx(0.95, abs=0.02)


def test_sixteen_channels_are_heard(tmp_path):
    path = tmp_path / "a.wav"
    samples = (talk(length=4) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(16)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.repeat(samples, 16).tobytes())
    assert [word for word, _, _ in heard(path)] == [0, 1]


def test_sound_that_begins_late_keeps_its_time(tmp_path, folder):
    path = record(
        tmp_path / "a.mkv", talk(48_000), rate=48_000, codec="aac", delay=2, pictures=True
    )
    sound = extract_sound(path, folder, format="wav")
    assert sound.pieces[0].start == pytest.approx(2, abs=0.05)
    assert_all_words(sound.pieces, [(n, (a + 2, b + 2)) for n, (a, b) in enumerate(WORDS)])


@pytest.mark.parametrize("form", ["wav", "copy"])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_gap_in_the_timestamps_keeps_true_times(tmp_path, folder, name, form):
    path = record(tmp_path / name, talk(48_000), rate=48_000, codec="aac", gap=(13, 5))
    sound = extract_sound(path, folder, format=form)
    late = [(n, (a + 5, b + 5) if a > 13 else (a, b)) for n, (a, b) in enumerate(WORDS)]
    assert_all_words(sound.pieces, late)


def test_a_gap_becomes_silence(tmp_path, folder):
    path = record(tmp_path / "a.mkv", talk(), codec="flac", gap=(13, 5))
    piece = extract_sound(path, folder, format="wav").pieces[0]
    assert piece.seconds == pytest.approx(LENGTH + 5, abs=0.1)
    assert len(piece.stretches) == 1


@pytest.mark.parametrize("skip", [False, True])
def test_a_long_gap_is_left_out_and_keeps_true_times(tmp_path, folder, skip):
    path = record(tmp_path / "a.mkv", talk(), codec="flac", gap=(13, 3600))
    sound = extract_sound(path, folder, format="wav", skip_silence=skip)
    assert sound.seconds == pytest.approx(LENGTH + 3600, abs=0.1)
    assert sound.silent > 3599
    assert sound.pieces[0].size < LENGTH * RATE * 2 + 1000
    late = [(n, (a + 3600, b + 3600) if a > 13 else (a, b)) for n, (a, b) in ALL]
    assert_all_words(sound.pieces, late)


def test_of_several_tracks_one_can_be_named(tmp_path, folder):
    path = record(tmp_path / "a.mkv", talk(), codec="flac", tracks=2)
    first, second = (
        np.abs(samples_of(extract_sound(path, folder, format="wav", track=n).pieces[0].path)).max()
        for n in (0, 1)
    )
    assert first > 5 * second
    assert extract_sound(path, folder, format="flac").pieces[0].size > 0
    with pytest.raises(UnsupportedMedia, match="no sound track 2"):
        extract_sound(path, folder, format="wav", track=2)


def test_a_video_without_sound_is_refused(tmp_path, folder):
    path = record(tmp_path / "a.mp4", np.zeros(16_000), tracks=0, pictures=True)
    with pytest.raises(UnsupportedMedia, match="has no sound"):
        extract_sound(path, folder, format="wav")


@pytest.mark.parametrize("form", ["wav", "copy"])
def test_of_a_broken_recording_comes_what_can_be_heard(tmp_path, folder, form):
    whole = record(tmp_path / "a.mp4", talk(44_100, noise=0.01), rate=44_100, codec="aac")
    front = tmp_path / "front.mp4"
    with (
        av.open(str(whole)) as old,
        av.open(str(front), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(audio=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    data = front.read_bytes()
    front.write_bytes(data[: len(data) // 2])
    sound = extract_sound(front, folder, format=form)
    assert sound.damage
    assert 15 < sound.seconds < 25
    assert [word for word, _, _ in true_words(sound.pieces)][:3] == [0, 1, 2]


def test_a_truncated_wav_is_heard_and_called_damaged(spoken, tmp_path, folder):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(spoken.read_bytes()[: 20 * RATE * 2])
    sound = extract_sound(cut, folder, format="flac")
    assert sound.seconds == pytest.approx(20, abs=0.01)
    assert "it should have" in sound.damage


def test_what_is_no_recording_is_refused(tmp_path, folder):
    path = tmp_path / "a.txt"
    path.write_text("#EXTM3U\nfile:///etc/passwd\n")
    with pytest.raises((UnsupportedMedia, CorruptMedia)):
        extract_sound(path, folder, format="wav")


# --- cutting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ENCODED)
def test_pieces_keep_within_bytes_and_lose_no_word(spoken, folder, form):
    limit = extract_sound(spoken, folder, format=form).pieces[0].size // 2
    sound = extract_sound(spoken, folder, format=form, max_bytes=limit)
    assert len(sound.pieces) > 1
    assert all(piece.path.stat().st_size <= limit for piece in sound.pieces)
    assert_all_words(sound.pieces)


@pytest.mark.parametrize("form", ENCODED)
def test_pieces_keep_within_seconds_and_lose_no_word(spoken, folder, form):
    sound = extract_sound(spoken, folder, format=form, max_seconds=14)
    assert all(piece.seconds <= 14 for piece in sound.pieces)
    assert_all_words(sound.pieces)


def test_no_sample_is_lost_or_doubled_by_cutting(spoken, folder):
    whole = samples_of(extract_sound(spoken, folder, format="wav").pieces[0].path)
    pieces = extract_sound(spoken, folder, format="wav", max_seconds=5.3).pieces
    assert len(pieces) >= 8
    assert np.array_equal(np.concatenate([samples_of(p.path) for p in pieces]), whole)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(pieces))


def test_cuts_are_in_pauses(spoken, folder):
    pieces = extract_sound(spoken, folder, format="wav", max_seconds=12).pieces
    for piece in pieces[:-1]:
        assert not any(start - 0.01 < piece.end < end + 0.01 for start, end in WORDS), piece.end


def test_without_pauses_pieces_are_cut_all_the_same(tmp_path, folder):
    path = record(tmp_path / "a.wav", 0.3 * np.sin(np.arange(30 * RATE) * 0.2))
    sound = extract_sound(path, folder, format="wav", max_seconds=7)
    assert all(0 < piece.seconds <= 7 for piece in sound.pieces)
    assert sum(piece.seconds for piece in sound.pieces) == pytest.approx(30)


def test_noise_that_cannot_be_compressed_fits_too(tmp_path, folder):
    noise = np.random.default_rng(5).uniform(-1, 1, 20 * RATE)
    path = record(tmp_path / "a.wav", noise)
    for form in ENCODED:
        sound = extract_sound(path, folder, format=form, max_bytes=60_000)
        assert all(piece.path.stat().st_size <= 60_000 for piece in sound.pieces)
        assert sum(piece.seconds for piece in sound.pieces) == pytest.approx(20)


@pytest.mark.parametrize("form", ENCODED)
def test_limits_that_hold_nothing_are_refused(spoken, folder, form):
    with pytest.raises(MediaTooLarge, match="cannot hold a second"):
        extract_sound(spoken, folder, format=form, max_bytes=1000)
    assert list(folder.iterdir()) == []


def test_a_wav_never_outgrows_its_header(spoken, folder, monkeypatch):
    monkeypatch.setattr("mediasense.media.sound._LARGEST_WAV", 300_000)
    sound = extract_sound(spoken, folder, format="wav")
    assert all(piece.size <= 300_000 for piece in sound.pieces)
    assert sum(piece.seconds for piece in sound.pieces) == pytest.approx(LENGTH)


# --- silence --------------------------------------------------------------------------------------


def test_long_pauses_are_left_out_and_times_stay_true(spoken, folder):
    sound = extract_sound(spoken, folder, format="flac", skip_silence=True)
    # 11 to 15 s and 26 to 32 s; 0.3 s stay at either side. The half second at the start is cut too.
    assert sound.silent == pytest.approx(0.2 + 3.4 + 5.4, abs=0.15)
    assert sound.seconds == pytest.approx(LENGTH)
    piece = sound.pieces[0]
    assert piece.seconds == pytest.approx(LENGTH - sound.silent)
    assert [round(s.start, 1) for s in piece.stretches] == [0.2, 14.7, 31.7]
    assert_all_words(sound.pieces)


def test_silence_is_left_out_between_pieces_too(spoken, folder):
    sound = extract_sound(spoken, folder, format="mp3", skip_silence=True, max_seconds=9)
    assert all(piece.seconds <= 9 for piece in sound.pieces)
    assert_all_words(sound.pieces)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_of_silence_nothing_is_left(tmp_path, folder, noise):
    silent = np.random.default_rng(1).normal(0, noise, 20 * RATE)
    sound = extract_sound(
        record(tmp_path / "a.wav", silent), folder, format="flac", skip_silence=True
    )
    assert (sound.pieces, sound.silent) == ((), sound.seconds)
    assert sound.seconds == pytest.approx(20)
    assert list(folder.iterdir()) == []


def test_silence_stays_unless_told(tmp_path, folder):
    sound = extract_sound(record(tmp_path / "a.wav", np.zeros(5 * RATE)), folder, format="wav")
    assert (sound.pieces[0].seconds, sound.silent) == (5.0, 0.0)


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.mp4", "aac", "audio/mp4"),
        ("a.ts", "aac", "audio/mp4"),
        ("a.mkv", "libmp3lame", "audio/mpeg"),
        ("a.mkv", "libopus", "audio/ogg"),
        ("a.mkv", "libvorbis", "audio/ogg"),
        ("a.mkv", "flac", "audio/flac"),
        ("a.mkv", "pcm_s16le", "audio/wav"),
        ("a.avi", "libmp3lame", "audio/mpeg"),
    ],
)
def test_a_copy_is_the_sound_in_its_own_container(tmp_path, folder, name, codec, kind):
    try:
        av.codec.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this PyAV has no {codec}")
    layout = "stereo" if codec == "libvorbis" else "mono"
    path = record(
        tmp_path / name,
        talk(48_000, noise=0.003),
        rate=48_000,
        codec=codec,
        layout=layout,
        pictures=True,
    )
    sound = extract_sound(path, folder, format="copy")
    piece = sound.pieces[0]
    assert piece.mime_type == kind
    assert piece.seconds == pytest.approx(LENGTH, abs=0.1)
    assert sound.damage == ""
    assert_all_words(sound.pieces)
    with av.open(str(piece.path)) as made:
        assert [stream.type for stream in made.streams] == ["audio"]


def test_a_part_is_copied_at_packets_and_keeps_true_times(tmp_path, folder):
    path = record(tmp_path / "a.mp4", talk(48_000), rate=48_000, codec="aac", pictures=True)
    sound = extract_sound(path, folder, format="copy", start=14.5, end=27)
    assert sound.pieces[0].start == pytest.approx(14.5, abs=0.03)
    assert sound.pieces[0].end == pytest.approx(27, abs=0.03)
    assert_all_words(sound.pieces, list(enumerate(WORDS))[3:6])


@pytest.mark.parametrize("limit", [{"max_bytes": 20_000}, {"max_seconds": 39.0}])
def test_a_copy_that_does_not_fit_is_refused(tmp_path, folder, limit):
    path = record(tmp_path / "a.mp4", talk(48_000, noise=0.05), rate=48_000, codec="aac")
    with pytest.raises(MediaTooLarge, match="more than"):
        extract_sound(path, folder, format="copy", **limit)
    assert list(folder.iterdir()) == []


def test_a_codec_without_a_home_is_refused(tmp_path, folder):
    path = record(tmp_path / "a.mkv", talk(48_000), rate=48_000, codec="ac3")
    with pytest.raises(UnsupportedMedia, match="ac3"):
        extract_sound(path, folder, format="copy")


# --- arguments and progress -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"format": "copy", "skip_silence": True},
        {"format": "wav", "start": 5.0, "end": 5.0},
        {"format": "wav", "start": -1.0},
        {"format": "wav", "max_seconds": 0.5},
    ],
)
def test_options_that_make_no_sense_are_refused(spoken, folder, options):
    with pytest.raises(ValueError, match=r"silence|span|less than"):
        extract_sound(spoken, folder, **options)


def test_a_part_behind_the_end_is_empty(spoken, folder):
    sound = extract_sound(spoken, folder, format="wav", start=100)
    assert (sound.pieces, sound.seconds) == ((), 0.0)


@pytest.mark.parametrize("form", ["copy", "flac"])
def test_progress_grows_to_one(tmp_path, folder, monkeypatch, form):
    monkeypatch.setattr("mediasense.media.sound.samples._TELL_SECONDS", 0.0)
    path = record(tmp_path / "a.mp4", talk(44_100), rate=44_100, codec="aac", pictures=True)
    told: list[float] = []
    extract_sound(path, folder, format=form, on_progress=told.append)
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_what_listens_to_progress_can_stop_the_work(spoken, folder, monkeypatch):
    monkeypatch.setattr("mediasense.media.sound.samples._TELL_SECONDS", 0.0)

    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_sound(spoken, folder, format="flac", on_progress=stop)
    assert list(folder.iterdir()) == []


def test_without_limits_nothing_is_analysed(spoken, folder):
    code = (
        "import sys; from pathlib import Path; from mediasense.media.sound import extract_sound;"
        f"extract_sound(Path({str(spoken)!r}), Path({str(folder)!r}), format='wav');"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the pure parts -------------------------------------------------------------------------------


def _spread(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans one behind the other, from gaps and lengths."""
    found, at = [], 0
    for gap, count in parts:
        found.append((at + gap, count))
        at += gap + count
    return found


spans = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(1, 40_000)), min_size=1, max_size=8
).map(_spread)


@given(spans, st.lists(st.floats(-5, 40, allow_nan=False), max_size=20))
@settings(max_examples=40, deadline=None)
def test_true_times_never_run_backwards(parts, moments):
    timeline = Timeline()
    for first, count in parts:
        timeline.add(first, count)
    piece = SoundPiece(
        path=Path("a"),
        mime_type="audio/wav",
        size=0,
        seconds=timeline.samples / RATE,
        stretches=timeline.stretches(),
    )
    told = [piece.true_time(moment) for moment in sorted(moments)]
    assert told == sorted(told)
    assert all(piece.start <= moment <= piece.end for moment in told)
    assert piece.true_time(-1) == piece.start
    assert piece.true_time(piece.seconds + 1) == piece.end
    at = 0
    for first, count in parts:
        middle = (at + count / 2) / RATE
        assert piece.true_time(middle) == pytest.approx((first + count / 2) / RATE, abs=1e-6)
        at += count


@given(spans, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_split_timeline_is_the_same_in_two(parts, share):
    whole, cut = Timeline(), Timeline()
    for first, count in parts:
        whole.add(first, count)
        cut.add(first, count)
    place = round(share * cut.samples)
    rest = cut.split(place)
    assert (cut.samples, cut.samples + rest.samples) == (place, whole.samples)
    covered = sum(s.end - s.start for half in (cut, rest) for s in half.stretches())
    assert covered == pytest.approx(whole.samples / RATE)


class _Memory:
    """An encoder that keeps what it is given; each sample takes two bytes, as in a WAV."""

    mime_type = "audio/wav"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = b""

    def add(self, pcm: bytes) -> None:
        self.data += pcm

    def bound(self, samples: int) -> int:
        return len(self.data) + 2 * samples

    def fits(self, samples: int, size: int) -> bool:
        return self.bound(samples) <= size

    def close(self) -> int:
        return len(self.data)

    def abandon(self) -> None:
        pass


@given(
    spans,
    st.none() | st.integers(RATE, 60_000),
    st.none() | st.integers(2 * RATE, 120_000),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_cutting_plan_covers_everything_once(parts, samples, size, seed):
    noise = np.random.default_rng(seed)
    made: list[_Memory] = []

    def begin() -> _Memory:
        made.append(_Memory(Path(str(len(made)))))
        return made[-1]

    fitting = None if size is None else size // 2
    cutter = Cutter(Limits(samples=samples, size=size, fitting=fitting), begin)
    given_pcm = b""
    for first, count in parts:
        pcm = noise.integers(-9000, 9000, count, np.int16).tobytes()
        given_pcm += pcm
        cutter.add(Span(first, pcm))
    pieces = cutter.finish()
    assert b"".join(encoder.data for encoder in made) == given_pcm
    assert all(piece.size <= (size or piece.size) for piece in pieces)
    assert all(round(piece.seconds * RATE) <= (samples or 10**9) for piece in pieces)
    covered = [s for piece in pieces for s in piece.stretches]
    assert sum(s.end - s.start for s in covered) == pytest.approx(len(given_pcm) / 2 / RATE)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(covered))


@given(
    # Loudness is that of 50 ms: a single sample is never loud.
    st.lists(st.tuples(st.booleans(), st.integers(800, 60_000)), max_size=8),
    st.integers(0, 10**6),
)
@settings(max_examples=25, deadline=None)
def test_skipping_leaves_out_nothing_but_silence(parts, first):
    noise = np.random.default_rng(2)
    blocks = [
        noise.integers(-9000, 9000, n, np.int16).tobytes() if loud else bytes(2 * n)
        for loud, n in parts
    ]
    whole = b"".join(blocks)
    spoken, at = [], first
    for block in blocks:
        spoken.append(Span(at, block))
        at = spoken[-1].after
    at = first
    for span in SilenceSkipper().pass_on(iter(spoken)):
        assert span.first >= at
        begin = (span.first - first) * 2
        assert whole[begin : begin + len(span.pcm)] == span.pcm
        assert not any(whole[(at - first) * 2 : begin]), "only silence is left out"
        at = span.after
    assert not any(whole[(at - first) * 2 :])


@pytest.mark.parametrize("form", ENCODED)
@pytest.mark.parametrize("seconds", [1, 7.3, 61])
def test_an_encoder_knows_how_large_its_file_can_become(tmp_path, form, seconds):
    noise = np.random.default_rng(1).integers(-32768, 32767, round(seconds * RATE), np.int16)
    encoder = open_encoder(tmp_path / "a", form)
    before = encoder.bound(len(noise))
    encoder.add(noise.tobytes())
    after = encoder.bound(0)
    assert encoder.close() <= after <= before
    assert fitting_samples(form, before) >= len(noise) - 4096


def test_a_stretch_is_plain_data():
    assert Stretch(start=1.0, end=2.0, offset=0.0) == Stretch(start=1.0, end=2.0, offset=0.0)


# --- hostile files --------------------------------------------------------------------------------

_SEEDS = [
    ("a.wav", {"codec": "pcm_s16le"}),
    ("a.mp4", {"codec": "aac", "rate": 44_100, "pictures": True}),
    ("a.mkv", {"codec": "libopus", "rate": 48_000}),
    ("a.ogg", {"codec": "flac"}),
    ("a.mp3", {"codec": "libmp3lame", "rate": 44_100}),
    ("a.ts", {"codec": "aac", "rate": 44_100}),
    ("a.flac", {"codec": "flac"}),
]


@pytest.fixture(scope="session")
def whole_files(tmp_path_factory) -> list[tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("seeds")
    return [
        (name, record(folder / name, talk(o.get("rate", RATE), length=4), **o).read_bytes())
        for name, o in _SEEDS
    ]


@pytest.mark.parametrize("seed", range(len(_SEEDS)))
def test_damaged_files_raise_nothing_but_our_errors(tmp_path, whole_files, seed):
    name, data = whole_files[seed]
    chance = random.Random(seed)
    for round_ in range(25):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 3, 30, 300))):
            changed[chance.randrange(min(len(changed), chance.choice((200, 10**9))))] = (
                chance.randrange(256)
            )
        if chance.random() < 0.3:
            del changed[chance.randrange(len(changed)) :]
        path = tmp_path / f"{round_}-{name}"
        path.write_bytes(changed)
        folder = tmp_path / f"out{round_}"
        folder.mkdir()
        form = chance.choice(("copy", "wav", "flac", "mp3"))
        limits = {} if form == "copy" else {"max_bytes": 50_000, "skip_silence": bool(round_ % 2)}
        try:
            sound = extract_sound(path, folder, format=form, **limits)
        except MediasenseError:
            assert list(folder.iterdir()) == []
            continue
        assert {piece.path for piece in sound.pieces} == set(folder.iterdir())
        assert all(piece.size <= 50_000 or form == "copy" for piece in sound.pieces)


# --- the encoder's thread -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["flac", "mp3", "opus", "m4a"])
@pytest.mark.parametrize("limit", [None, 70_000])
def test_a_thread_of_its_own_changes_no_byte(spoken, folder, monkeypatch, form, limit):
    options = {"format": form, "max_bytes": limit}
    behind = extract_sound(spoken, folder, **options)
    monkeypatch.setattr("mediasense.media.sound.BackgroundEncoder", lambda encoder: encoder)
    plain = extract_sound(spoken, folder, **options)
    assert len(plain.pieces) == 1 or limit
    assert [(p.stretches, p.path.read_bytes()) for p in behind.pieces] == [
        (p.stretches, p.path.read_bytes()) for p in plain.pieces
    ]


def test_what_fails_in_the_thread_of_an_encoder_is_raised(spoken, folder, monkeypatch):
    def fail(self: object, pcm: bytes) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("mediasense.media.sound.encoders._CodecEncoder.add", fail)
    before = threading.active_count()
    with pytest.raises(OSError, match="disk is full"):
        extract_sound(spoken, folder, format="flac")
    assert threading.active_count() == before
    assert list(folder.iterdir()) == []


class _Slow(_Memory):
    """An encoder that takes nothing until it may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.abandoned = False

    def add(self, pcm: bytes) -> None:
        self.gate.wait()
        super().add(pcm)

    def abandon(self) -> None:
        self.abandoned = True


def test_no_more_than_a_few_blocks_wait_for_an_encoder():
    slow = _Slow(Path("a"))
    encoder = BackgroundEncoder(slow)
    given: list[int] = []

    def give() -> None:
        for number in range(10):
            encoder.add(b"ab")
            given.append(number)

    giver = threading.Thread(target=give)
    giver.start()
    giver.join(0.3)
    assert len(given) <= 3
    slow.gate.set()
    giver.join()
    assert encoder.close() == 20


def test_what_waits_counts_for_what_fits():
    slow = _Slow(Path("a"))
    encoder = BackgroundEncoder(slow)
    encoder.add(bytes(200))
    assert encoder.fits(50, 300)  # known without waiting
    slow.gate.set()
    assert not encoder.fits(51, 300)
    assert encoder.bound(0) == 200
    encoder.abandon()


def test_an_abandoned_encoder_writes_no_more():
    slow = _Slow(Path("a"))
    encoder = BackgroundEncoder(slow)
    for _ in range(3):
        encoder.add(b"ab")
    threading.Timer(0.1, slow.gate.set).start()
    encoder.abandon()
    assert slow.abandoned
    assert len(slow.data) <= 2
    assert not encoder._thread.is_alive()
