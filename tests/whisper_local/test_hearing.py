"""The hook as the core calls it, with a real model whose words and times are known."""

from __future__ import annotations

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mediasense_whisper_local
from mediasense import AudioRequest, Media, MediaError, PluginError, RequestRejected, Word
from mediasense_whisper_local import ear
from mediasense_whisper_local.hearing import _likelihood, _Text
from mediasense_whisper_local.parrot import SENTENCE, WORDS

from .conftest import media, record, silence, tone

pytestmark = pytest.mark.usefixtures("here")

FIRST, SECOND = "The quick brown fox", "jumps over the lazy dog."


def test_it_writes_down_what_is_said(hear):
    answer = hear(media(tone(6)))
    assert answer.text == SENTENCE
    assert (answer.model, answer.language, answer.finish_reason) == ("base", "en", "stop")
    assert answer.usage.seconds == 6.0
    assert answer.warnings == ()


def test_segments_stand_where_they_are_said(hear):
    answer = hear(media(tone(6)))
    assert [(s.start, s.end, s.text) for s in answer.segments] == [
        (0.0, 2.0, FIRST),
        (2.0, 4.5, SECOND),
    ]


def test_words_stand_where_they_are_said(hear):
    words = [word for segment in hear(media(tone(6))).segments for word in segment.words]
    assert [(w.start, w.end, w.text) for w in words] == [
        (number / 2, number / 2 + 0.5, word) for number, word in enumerate(WORDS)
    ]


def test_confidences_are_those_of_the_model(hear):
    first, _ = hear(media(tone(6))).segments
    assert first.confidence == pytest.approx(1.0, abs=0.01)
    assert [round(word.confidence, 2) for word in first.words] == [1.0] * 4


def test_numbers_are_plain_ones(hear):
    """NumPy's would not go into JSON."""
    for segment in hear(media(tone(6))).segments:
        for part in (segment, *segment.words):
            assert {type(part.start), type(part.end), type(part.confidence)} == {float}


def test_each_half_minute_is_heard_by_itself(hear):
    answer = hear(media(tone(36)))
    assert [segment.start for segment in answer.segments] == [0.0, 2.0, 30.0, 32.0]
    assert answer.text == f"{SENTENCE} {SENTENCE}"


def test_the_text_comes_in_pieces_as_it_is_heard(hear):
    pieces: list[str] = []
    answer = hear(media(tone(36)), pieces.append)
    assert pieces == [FIRST, f" {SECOND}", f" {FIRST}", f" {SECOND}"]
    assert "".join(pieces) == answer.text


def test_nothing_is_heard_ahead_of_its_listener(hear):
    """So Ctrl-C, or a listener that has had enough, ends it within half a minute of sound."""

    class Enough(Exception):
        pass

    def listener(text):
        raise Enough

    with pytest.raises(Enough):
        hear(media(tone(300)), listener)
    assert hear(media(tone(6))).text == SENTENCE


def test_the_language_that_is_told_is_the_language(hear):
    answer = hear(media(tone(6)), language="de")
    assert (answer.language, answer.text) == ("de", SENTENCE)


def test_a_language_that_whisper_calls_otherwise_is_known(hear):
    assert hear(media(tone(6)), language="jv").language == "jw"


def test_a_language_it_does_not_know_is_refused(hear):
    with pytest.raises(RequestRejected, match="does not know the language 'tlh'; leave out"):
        hear(media(tone(6)), language="tlh")


def test_silence_is_no_speech(hear):
    answer = hear(media(silence(6)))
    assert (answer.text, answer.segments) == ("", ())
    assert answer.warnings == ("No speech was heard.",)


def test_a_sound_of_no_length_is_no_speech(hear):
    assert hear(media(silence(0))).text == ""


@pytest.mark.parametrize("seconds", [0.02, 0.25, 1.0, 2.3, 4.4])
def test_what_is_heard_is_in_the_sound(hear, seconds):
    """Whisper hears half a minute of whatever is shorter."""
    answer = hear(media(tone(seconds)))
    before = 0.0
    for segment in answer.segments:
        assert before <= segment.start <= segment.end <= seconds
        before = segment.start
        for word in segment.words:
            assert segment.start <= word.start <= word.end <= segment.end


def test_the_same_bytes_give_the_same_answer(hear):
    sound = media(tone(36))
    assert hear(sound) == hear(sound)


def test_several_threads_hear_the_same_with_one_model(hear):
    ear._ears.clear()
    sounds = [media(tone(6 + number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(hear, sounds))
    assert [answer.text for answer in found] == [SENTENCE] * 4
    assert [answer.usage.seconds for answer in found] == [6.0, 7.0, 8.0, 9.0]
    assert len(ear._ears) == 1


TYPES = {
    "audio/flac": ("flac", "flac", None),
    "audio/wav": ("wav", "pcm_s16le", None),
    "audio/mpeg": ("mp3", "libmp3lame", None),
    "audio/mp4": ("m4a", "aac", "mp4"),
    "audio/ogg": ("ogg", "libopus", None),
    "audio/webm": ("webm", "libopus", None),
    "audio/aac": ("aac", "aac", "adts"),
    "audio/aiff": ("aiff", "pcm_s16be", None),
}


@pytest.mark.parametrize("mime_type", TYPES)
def test_every_declared_type_is_heard(hear, tmp_path, mime_type):
    suffix, codec, container = TYPES[mime_type]
    path = record(tmp_path / f"12:30.{suffix}", tone(6), codec, container)
    sound = Media(
        modality="audio", mime_type=mime_type, path=path, size=path.stat().st_size, seconds=6.0
    )
    assert hear(sound).text == SENTENCE


def test_every_declared_type_is_tried(provider):
    assert set(TYPES) == set(provider.audio.mime_types)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"nonsense" * 99, b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_sound_is_an_error(hear, data):
    sound = Media(modality="audio", mime_type="audio/wav", data=data, size=len(data))
    with pytest.raises(MediaError):
        hear(sound)


def test_pictures_without_sound_are_an_error(hear, tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="has no sound"):
        hear(Media(modality="audio", mime_type="audio/mp4", path=path, size=path.stat().st_size))


def test_nothing_is_decoded_in_this_process(hear, monkeypatch):
    """What is hostile may take the process down in which it is decoded."""
    import av

    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("it was decoded here"))
    assert hear(media(tone(6))).text == SENTENCE


def test_no_more_is_decoded_than_it_may_hear(provider):
    limits = dataclasses.replace(provider.audio, max_seconds=4.0)
    request = AudioRequest(
        provider=dataclasses.replace(provider, audio=limits), audio=media(tone(6))
    )
    answer = mediasense_whisper_local.analyze_audio(request=request, on_text=None)
    assert answer.usage.seconds == 4.0


def test_a_sound_that_ends_too_soon_is_told(hear):
    sound = dataclasses.replace(media(tone(6)), seconds=60.0)
    assert hear(sound).warnings == ("Only 6.0 of 60.0 seconds could be decoded.",)


def test_a_device_that_is_none_is_an_error(hear, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_WHISPER_DEVICE", "abacus")
    with pytest.raises(PluginError, match="it is cpu or cuda"):
        hear(media(tone(1)))


def test_a_graphics_card_that_is_not_there_is_an_error(hear, monkeypatch):
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is one")
    monkeypatch.setenv("MEDIASENSE_WHISPER_DEVICE", "cuda")
    with pytest.raises(PluginError, match="the model 'base' cannot be loaded: "):
        hear(media(tone(1)))


def test_the_detector_of_voices_is_not_loaded(hear):
    """It would load onnxruntime, which sends telemetry."""
    before = "onnxruntime" in sys.modules
    hear(media(tone(1)))
    assert before or "onnxruntime" not in sys.modules


@given(st.lists(st.text(st.sampled_from(" \n a.b"), max_size=4), max_size=6))
def test_pieces_come_to_the_text_whatever_they_are(parts):
    told: list[str] = []
    text = _Text(told.append)
    for part in parts:
        text.add(part)
    assert "".join(told) == text.whole == "".join(parts).strip()


@given(st.floats())
def test_a_confidence_is_a_likelihood(logarithm):
    assert 0.0 <= _likelihood(logarithm) <= 1.0


def test_a_word_is_a_record():
    assert Word(start=0.0, end=0.5, text="The").confidence is None
