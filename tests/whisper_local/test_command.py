"""Through the core, as users have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mediasense import ImageLimits, Provider, Question
from mediasense.planning import make_plan
from mediasense_whisper_local.parrot import SENTENCE, WORDS

from .conftest import media, record, silence, tone

MEDIA = Path(__file__).parents[2] / "examples" / "media"


@pytest.fixture
def mediasense(here):
    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "mediasense", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)

    return run


@pytest.fixture
def talk(tmp_path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(media(tone(6)).data)
    return path


def test_without_a_key_it_is_chosen_for_sound(mediasense, talk):
    done = mediasense("audio", talk)
    assert (done.stdout, done.returncode) == (f"{SENTENCE}\n", 0)
    assert "whisper_local" in done.stderr


def test_its_alias_names_it(mediasense, talk):
    assert mediasense("audio", talk, "-p", "whisper").stdout == f"{SENTENCE}\n"


def test_real_speech_is_heard(mediasense):
    assert mediasense("audio", MEDIA / "spoken-sentence.wav").stdout == f"{SENTENCE}\n"


def test_the_sound_of_a_video_is_heard(mediasense, tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4", seconds=6.0, sound=True)
    done = mediasense("audio", clip, "--provider", "whisper_local", "--format", "srt")
    assert done.returncode == 0, done.stderr
    assert "The quick brown fox" in done.stdout


def test_it_may_write_down_the_sound_for_another(provider, video):
    """A model that is shown frames is told what is said beside them."""
    images = ImageLimits(mime_types=("image/jpeg",))
    eye = Provider(name="eye", description="d", default_model="m", image=images)
    asked = Question(prompt="what?", provider="eye", audio_provider="whisper_local")
    plan = make_plan((video,), asked, eye, provider, prices=None)
    assert plan.listening is not None
    call = plan.listening.call
    assert (call.provider.name, call.model, call.prompt) == ("whisper_local", "base", None)


def test_the_envelope_has_the_words_with_their_times(mediasense, talk):
    envelope = json.loads(mediasense("audio", talk, "--json").stdout)
    words = [word for segment in envelope["segments"] for word in segment["words"]]
    assert [word["text"] for word in words] == list(WORDS)
    assert (words[1]["start"], words[1]["end"]) == (0.5, 1.0)
    assert set(words[1]) == {"start", "end", "text", "confidence"}
    assert envelope["usage"]["seconds"] == 6.0
    assert envelope["language"] == "en"


def test_a_part_has_the_times_of_the_recording(mediasense, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(media(tone(30)).data)
    done = mediasense("audio", path, "--start", "10", "--end", "16", "--json")
    segments = json.loads(done.stdout)["segments"]
    assert [(s["start"], s["end"]) for s in segments] == [(10.0, 12.0), (12.0, 14.5)]
    assert [w["start"] for w in segments[0]["words"]] == [10.0, 10.5, 11.0, 11.5]


def test_a_file_of_another_type_is_made_one_that_it_takes(mediasense, tmp_path):
    path = record(tmp_path / "talk.caf", tone(6), "pcm_s16le", "caf")
    assert mediasense("audio", path).stdout == f"{SENTENCE}\n"


def test_subtitles_are_made(mediasense, talk):
    assert mediasense("audio", talk, "--format", "srt").stdout == (
        "1\n00:00:00,000 --> 00:00:02,000\nThe quick brown fox\n\n"
        "2\n00:00:02,000 --> 00:00:04,500\njumps over the lazy dog.\n"
    )


def test_it_streams(mediasense, talk):
    done = mediasense("audio", talk, "--stream")
    assert done.stdout == f"{SENTENCE}\n"


def test_silence_gives_nothing_and_says_so(mediasense, tmp_path):
    path = tmp_path / "silence.wav"
    path.write_bytes(media(silence(4)).data)
    done = mediasense("audio", path)
    assert done.returncode == 0
    assert done.stdout.strip() == ""
    assert "No speech was heard." in done.stderr


def test_a_question_about_sound_is_refused(mediasense, talk):
    done = mediasense("audio", talk, "what was decided?", "-p", "whisper_local")
    assert done.returncode == 10
    assert "whisper_local does not answer questions about sound" in done.stderr


def test_its_models_are_listed(mediasense):
    rows = json.loads(mediasense("models", "-p", "whisper_local", "--json").stdout)
    assert rows[0]["name"] == "base"


def test_it_can_be_checked_without_a_network(mediasense):
    done = mediasense("providers", "--check", "whisper_local")
    assert done.returncode == 0, done.stderr


def test_a_model_that_is_not_there_leads_to_one_line(mediasense, talk):
    done = mediasense("audio", talk, "-p", "whisper_local", "--model", "./nothing")
    assert done.returncode == 45
    assert done.stderr.count("\n") == 1
