"""The samples of a sound for plugins: decoded elsewhere, a block at a time."""

from __future__ import annotations

import io
import math
import struct
import sys
import tempfile
import wave
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import PCM_RATE, CorruptMedia, Media, MediaError, UnsupportedMedia, read_pcm


def sound(samples: list[int], *, rate: int = PCM_RATE, channels: int = 1) -> Media:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return recorded(buffer.getvalue())


def recorded(data: bytes) -> Media:
    return Media(modality="audio", mime_type="audio/wav", data=data, size=len(data))


def samples_of(media: Media, **options: float) -> array[int]:
    return array("h", b"".join(read_pcm(media, **options)))


def test_samples_of_its_own_rate_come_as_they_are():
    samples = [round(9000 * math.sin(at / 9)) for at in range(3 * PCM_RATE)]
    assert samples_of(sound(samples)).tolist() == samples


def test_any_other_sound_becomes_16_khz_mono():
    samples = [value for _ in range(2 * 48_000) for value in (1000, 3000)]
    found = samples_of(sound(samples, rate=48_000, channels=2))
    assert len(found) == pytest.approx(2 * PCM_RATE, abs=100)
    assert found[PCM_RATE] == pytest.approx(2000, abs=20)


def test_no_block_is_longer_than_some_seconds():
    blocks = list(read_pcm(sound([0] * 30 * PCM_RATE)))
    assert sum(map(len, blocks)) == 30 * PCM_RATE * 2
    assert max(map(len, blocks)) <= 4 * PCM_RATE * 2


def test_it_ends_where_it_is_to_end():
    assert len(samples_of(sound([7] * 5 * PCM_RATE), max_seconds=2.5)) == 2.5 * PCM_RATE


def test_a_video_without_sound_is_an_error(make_video, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(UnsupportedMedia, match="no sound"):
        samples_of(Media(modality="video", mime_type="video/mp4", path=path))


def test_what_is_no_sound_is_an_error():
    with pytest.raises(MediaError):
        samples_of(recorded(b"nonsense" * 99))


def test_nothing_is_decoded_here(monkeypatch):
    import av

    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("it was decoded here"))
    assert len(samples_of(sound([1] * PCM_RATE))) == PCM_RATE


@pytest.mark.parametrize("read", [0, 1, 99])
def test_no_file_is_left_however_much_is_read(monkeypatch, tmp_path, read):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    blocks = read_pcm(sound([0] * 20 * PCM_RATE))
    for _, _ in zip(range(read), blocks, strict=False):
        pass
    blocks.close()
    assert list(tmp_path.iterdir()) == []


def test_the_byte_order_is_that_of_this_machine(monkeypatch):
    monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
    found = samples_of(sound([1] * PCM_RATE))
    found.byteswap()
    assert set(found) == {1}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300), at=st.integers(0, 60))
def test_damaged_bytes_are_a_known_error_or_samples(data, at):
    whole = sound([5] * 1000).read()
    try:
        for block in read_pcm(recorded(whole[:at] + data + whole[at:])):
            assert len(block) % 2 == 0
    except (CorruptMedia, MediaError):
        pass
