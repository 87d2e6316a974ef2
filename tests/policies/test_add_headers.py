"""Every request bears the team and a number of its own."""

import pytest

import mediasense
from mediasense import ConfigError


@pytest.fixture
def headed(house, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM", "blue")
    house.install("add_headers")
    return house


def numbers(house) -> list[str]:
    assert {call.headers["x-team"] for call in house.wire.calls} == {"blue"}
    return [call.headers["x-request-id"] for call in house.wire.calls]


def test_an_image(headed, shot):
    mediasense.analyze(shot, "what?", provider="near")
    assert len(numbers(headed)) == 1


def test_frames_of_a_video_and_whoever_writes_down_its_sound(headed, clip):
    mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", every=0.2)
    assert headed.asked.count("ear") == 1
    assert len(set(numbers(headed))) == len(headed.asked) > 3


def test_a_stand_in(headed, shot):
    headed.down["near"] = 503
    mediasense.analyze(shot, "what?", provider="near", fallback="far", retries=0)
    assert headed.asked == ["near", "far"]
    assert len(set(numbers(headed))) == 2


def test_a_batch(headed, shots):
    list(mediasense.batch(shots, mediasense.Question(prompt="what?", provider="near")))
    assert len(set(numbers(headed))) == 4


def test_listings(headed):
    assert headed.run("models", "-p", "near").returncode == 0
    assert len(numbers(headed)) == 1


def test_a_number_of_each_call_does_not_keep_answers_from_being_known_again(headed, kept, clip):
    for prompt in ("what?", "what?", "who?"):
        mediasense.analyze(clip, prompt, provider="near", audio_provider="ear", frames=1)
    assert headed.asked == ["ear", "near", "near"]


@pytest.mark.parametrize("team", ["", "blue\r\nX-Key: a", "blé"])
def test_without_a_team_that_fits_nothing_is_sent(headed, shot, monkeypatch, team):
    monkeypatch.setenv("HOUSE_TEAM", team)
    with pytest.raises(ConfigError, match="export HOUSE_TEAM"):
        mediasense.analyze(shot, "what?", provider="near")
    assert headed.asked == []


def test_what_is_read_on_this_device_needs_no_team(headed, shot, monkeypatch):
    monkeypatch.delenv("HOUSE_TEAM")
    assert mediasense.analyze(shot, "what?", provider="dark").text == "read in the dark"


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_the_sdks_send_them(headed, shot, provider, monkeypatch):
    """Their services say nothing that they understand; what they sent is what counts."""
    monkeypatch.setenv("MEDIASENSE_API_KEY", "k")
    with pytest.raises(mediasense.ProviderError):
        mediasense.analyze(
            shot, "what?", provider=provider, base_url=headed.wire.url, retries=0, model="m"
        )
    assert len(numbers(headed)) >= 1
