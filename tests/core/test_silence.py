"""Pauses: what counts as silence, in which recording, and where to cut."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import MediaNotFound
from mediasense.media.sound.samples import Span
from mediasense.media.sound.silence import (
    FRAME_SAMPLES,
    Marker,
    alike,
    best_cut,
    find_pauses,
    levels,
    marked_runs,
)

RATE = 16_000


def decibels(level: float) -> float:
    return 10 ** (level / 20)


def speech(seconds: float, level: float = -20, seed: int = 1) -> np.ndarray:
    """Noise that swells four times a second, as syllables do; never silent for 0.2 s."""
    count = round(seconds * RATE)
    noise = np.random.default_rng(seed).normal(0, 1, count)
    swell = 0.15 + np.abs(np.sin(np.arange(count) / RATE * np.pi * 4))
    return noise * swell * decibels(level)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE))


def hiss(samples: np.ndarray, level: float) -> np.ndarray:
    return samples + np.random.default_rng(7).normal(0, decibels(level), len(samples))


def pcm(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(pcm(samples))
    return path


def found(path: Path, **options) -> list[tuple[float, float]]:
    return [(round(p.start, 1), round(p.end, 1)) for p in find_pauses(path, **options)]


TALK = np.concatenate([speech(12), silence(1), speech(10), silence(3), speech(12), silence(0.3)])
PAUSES = [(12.0, 13.0), (23.0, 26.0)]


# --- what is a pause ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [None, -70, -50, -42])
def test_pauses_are_found_however_the_microphone_hisses(tmp_path, noise):
    samples = TALK if noise is None else hiss(TALK, noise)
    assert found(write(tmp_path / "a.wav", samples)) == PAUSES


@pytest.mark.parametrize("gain", [-30, -15, 10])
def test_pauses_are_found_however_loud_the_speech_is(tmp_path, gain):
    samples = hiss(TALK, -65) * decibels(gain)
    assert found(write(tmp_path / "a.wav", samples)) == PAUSES


def test_what_the_sound_card_adds_to_every_sample_is_no_sound(tmp_path):
    assert found(write(tmp_path / "a.wav", TALK * 0.8 + 0.1)) == PAUSES


def test_steady_music_has_no_pauses(tmp_path):
    time = np.arange(40 * RATE) / RATE
    chords = sum(np.sin(2 * np.pi * f * time) for f in (220, 277, 330)) * 0.1
    assert found(write(tmp_path / "a.wav", chords * (1 + 0.5 * np.sin(time * 9)))) == []


def test_quiet_talk_after_loud_music_is_no_pause(tmp_path):
    samples = hiss(np.concatenate([speech(20, -8), silence(2), speech(20, -35)]), -70)
    assert found(write(tmp_path / "a.wav", samples)) == [(20.0, 22.0)]


def test_a_long_hiss_after_speech_is_one_pause(tmp_path):
    samples = hiss(np.concatenate([speech(20), silence(120), speech(5)]), -45)
    assert found(write(tmp_path / "a.wav", samples)) == [(20.0, 140.0)]


@pytest.mark.parametrize("noise", [-80, -62, -45])
def test_nothing_but_hiss_is_one_pause(tmp_path, noise):
    assert found(write(tmp_path / "a.wav", hiss(silence(30), noise))) == [(0.0, 30.0)]


def test_short_pauses_are_left_out(tmp_path):
    path = write(tmp_path / "a.wav", TALK)
    assert found(path, least=2) == [(23.0, 26.0)]
    assert (34.0, 35.0) not in found(path, least=0.2)


def test_pauses_of_a_part_have_the_times_of_the_whole(tmp_path):
    path = write(tmp_path / "a.wav", TALK)
    assert found(path, start=10.5, end=25) == [(12.0, 13.0), (23.0, 25.0)]


def test_of_too_many_pauses_the_longest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("mediasense.media.sound.silence._MOST_PAUSES", 1)
    assert found(write(tmp_path / "a.wav", TALK)) == [(23.0, 26.0)]


def test_progress_reaches_listeners(tmp_path):
    told: list[float] = []
    find_pauses(write(tmp_path / "a.wav", TALK), on_progress=told.append)
    assert told
    assert told == sorted(told)
    assert all(0 <= share <= 1 for share in told)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaNotFound, match=r"no\.wav"):
        find_pauses(tmp_path / "no.wav")


# --- where to cut ---------------------------------------------------------------------------------


def test_the_cut_is_in_the_middle_of_the_longest_pause():
    samples = np.concatenate([speech(3), silence(0.4), speech(3), silence(0.8), speech(3)])
    assert best_cut(pcm(hiss(samples, -60))) / RATE == pytest.approx(6.8, abs=0.05)


def test_without_a_pause_the_cut_is_where_it_is_quietest():
    samples = speech(6, -10)
    samples[4 * RATE : 4 * RATE + RATE // 5] *= 0.3
    assert best_cut(pcm(samples)) / RATE == pytest.approx(4.1, abs=0.12)


@given(st.binary(min_size=2, max_size=6000))
@settings(max_examples=60, deadline=None)
def test_a_cut_is_always_inside(data):
    data = data[: len(data) // 2 * 2]
    assert 0 < best_cut(data) <= len(data) // 2


# --- the pure parts -------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, 0, 0, 5, 40_000)),
            st.binary(max_size=3000).map(lambda data: data[: len(data) // 2 * 2]),
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_marking_keeps_every_sample_at_its_place(parts):
    spans, at = [], 100
    for gap, data in parts:
        spans.append(Span(at + gap, data))
        at = spans[-1].after
    marked = [run.span for run in marked_runs(iter(spans))]
    assert b"".join(span.pcm for span in marked) == b"".join(span.pcm for span in spans)
    assert places(marked) == places(spans)


def places(spans: list[Span]) -> list[int]:
    return [n for span in spans for n in range(span.first, span.after)]


@given(st.lists(st.booleans(), max_size=60))
def test_marks_that_are_alike_are_joined(marks):
    joined = list(alike(np.array(marks, np.bool_)))
    assert [run.silent for run in joined for _ in range(run.frames)] == marks
    assert [run.first for run in joined] == [
        sum(run.frames for run in joined[:n]) for n in range(len(joined))
    ]
    assert all(a.silent != b.silent for a, b in pairwise(joined))


@given(st.lists(st.integers(0, 700), max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_level_gets_one_mark(counts, seed):
    random = np.random.default_rng(seed)
    marker = Marker()
    marks = [marker.hear(random.uniform(-96, 0, n).astype(np.float32)) for n in counts]
    assert sum(map(len, marks)) + len(marker.finish()) == sum(counts)


@given(st.binary(max_size=4000))
@settings(max_examples=60, deadline=None)
def test_levels_are_decibels_below_full_scale(data):
    data = data[: len(data) // 2 * 2]
    heard = levels(data)
    assert len(heard) == -(-len(data) // (2 * FRAME_SAMPLES))
    assert ((heard >= -96.1) & (heard <= 0.1)).all()
