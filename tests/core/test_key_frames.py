"""The key frames of a video for whoever wants to see them, and no provider is asked."""

from __future__ import annotations

import io
from functools import partial

import pytest
from PIL import Image

import mediasense
from mediasense.errors import MediasenseError, UsageError
from mediasense.media.keyframes import frames_at
from mediasense.media.pictures import loudness_of, pictures_at


@pytest.fixture
def clip(tmp_path, make_video):
    return make_video(tmp_path / "clip.mp4", seconds=4.0)


def test_they_come_in_order_with_reasons_and_bytes(clip):
    frames = mediasense.key_frames(clip)
    assert frames[0].reason == "first"
    assert [f.timestamp for f in frames] == sorted(f.timestamp for f in frames)
    for frame in frames:
        picture = Image.open(io.BytesIO(frame.image.data))
        assert picture.format == "JPEG"
        assert picture.size == (frame.image.width, frame.image.height)


def test_no_more_come_than_are_wanted(clip):
    assert len(mediasense.key_frames(clip, most=2)) == 2


def test_no_side_is_longer_than_wanted(clip):
    frames = mediasense.key_frames(clip, max_side=64)
    assert {max(f.image.width, f.image.height) for f in frames} == {64}


def test_a_part_of_the_video_can_be_chosen(clip):
    frames = mediasense.key_frames(clip, start=1.0, end=2.0)
    assert all(1.0 <= f.timestamp <= 2.0 for f in frames)


def test_bytes_are_a_source_too(clip):
    assert mediasense.key_frames(clip.read_bytes())


@pytest.mark.parametrize("wrong", [{"most": 0}, {"max_side": 0}, {"start": 3.0, "end": 1.0}])
def test_numbers_without_sense_are_refused(clip, wrong):
    with pytest.raises(UsageError):
        mediasense.key_frames(clip, **wrong)


def test_an_image_is_no_video(make_image):
    with pytest.raises(UsageError, match="not video"):
        mediasense.key_frames(make_image())


def test_damaged_bytes_are_a_known_error():
    with pytest.raises(MediasenseError):
        mediasense.key_frames(b"\0\0\0\x18ftypmp42" + b"\0" * 200)


def test_pictures_come_for_given_moments(clip):
    frames = pictures_at(clip, [0.2, 1.2, 2.2], max_side=160)
    assert [f.timestamp for f in frames] == [0.2, 1.2, 2.2]
    shades = [Image.open(io.BytesIO(f.image.data)).convert("L").getpixel((80, 60)) for f in frames]
    # The picture changes twice a second, by 60 of 256.
    assert shades == pytest.approx([0, 120, 240], abs=12)


def test_moments_of_one_picture_give_it_once(clip):
    assert len(pictures_at(clip, [0.21, 0.22], max_side=160)) == 1


def test_no_moment_at_all_is_refused(clip, tmp_path):
    with pytest.raises(UsageError):
        frames_at(source=clip, folder=tmp_path, moments=())


def test_frames_at_given_moments_are_decoded_apart(clip, tmp_path):
    from mediasense.media.isolation.decoder import decode

    folder = tmp_path / "out"
    folder.mkdir()
    found = decode(partial(frames_at, source=clip, folder=folder, moments=(1.0,)))
    assert [frame.path.parent for frame in found.frames] == [folder]


def test_loudness_is_between_silence_and_full_scale(make_wav, tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(make_wav(2.0))
    found = loudness_of(path, points=40)
    assert len(found) == 40
    assert all(0 < loud <= 1 for loud in found)


def test_silence_is_drawn_as_nothing(tmp_path):
    import wave

    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(bytes(2 * 16000))
    assert set(loudness_of(path, points=10)) == {0.0}
