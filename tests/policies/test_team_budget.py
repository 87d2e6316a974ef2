"""What a team has spent is counted, whoever spent it, and at the limit nothing more is sent."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

import mediasense
from mediasense import BudgetExceeded, ConfigError, Question


@pytest.fixture
def team(house, tmp_path, monkeypatch):
    """A team that may spend a dollar a day; the services charge 60 cents for a call."""
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "1")
    monkeypatch.setenv("HOUSE_TEAM_FILE", str(tmp_path / "team.sqlite"))
    for name in ("near", "far", "ear", "film"):
        house.says[name] = {"cost": 0.6}
    house.install("team_budget")
    return house


def ask(shot, **options):
    return mediasense.analyze(shot, "what?", provider="near", **options)


def test_from_the_limit_on_nothing_is_sent(team, shot):
    ask(shot)
    ask(shot)
    with pytest.raises(BudgetExceeded, match=r"cost \$1.20 of \$1.00"):
        ask(shot)
    assert team.asked == ["near"] * 2


def test_processes_share_it(team, shot):
    ask(shot)
    runs = [team.run("image", shot, "what?", "-p", "near").returncode for _ in range(2)]
    assert (runs, team.asked) == ([0, 30], ["near"] * 2)


def test_what_is_said_to_cost_nothing_costs_nothing(team, shot):
    team.says["near"] = {"cost": 0.0}
    for _ in range(3):
        ask(shot)
    assert len(team.asked) == 3


def test_a_cost_that_nobody_knows_is_a_flat_rate(team, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_UNKNOWN_DOLLARS", "0.5")
    team.says["near"] = {}
    ask(shot)
    ask(shot)
    with pytest.raises(BudgetExceeded):
        ask(shot)


def test_yesterday_is_forgotten(team, shot, tmp_path):
    ask(shot)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    with sqlite3.connect(tmp_path / "team.sqlite") as file:
        file.execute("UPDATE spent SET day = ?, dollars = 99", (yesterday,))
    file.close()
    ask(shot)


def test_the_frames_and_the_sound_of_a_video_count(team, clip):
    mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=1)
    assert team.asked == ["ear", "near"]
    with pytest.raises(BudgetExceeded):
        mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=1)
    assert team.asked == ["ear", "near"]


def test_a_stand_in_spends_of_the_same(team, shot):
    team.down["near"] = 503
    for _ in range(2):
        ask(shot, fallback="far", retries=0)
    with pytest.raises(BudgetExceeded):
        mediasense.analyze(shot, "what?", provider="far")


def test_nobody_stands_in_for_whoever_has_no_money(team, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "0")
    with pytest.raises(BudgetExceeded):
        ask(shot, fallback="far")
    assert team.asked == []


def test_a_failure_that_is_not_billed_costs_nothing(team, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "0.01")
    team.down["near"] = 503
    for _ in range(2):
        with pytest.raises(mediasense.ProviderUnavailable):
            ask(shot, retries=0)


BREAKS = """
from mediasense import hookimpl


@hookimpl(wrapper=True, trylast=True)
def analyze_image():
    yield
    raise {error}
"""


@pytest.mark.parametrize(
    "error", ["KeyError('usage')", "__import__('mediasense').Forbidden('no', hint='ask')"]
)
def test_an_answer_over_which_somebody_trips_is_never_free(team, shot, monkeypatch, error):
    monkeypatch.setenv("HOUSE_UNKNOWN_DOLLARS", "0.5")
    team.add("breaks", BREAKS.format(error=error))
    for _ in range(2):
        with pytest.raises(mediasense.MediasenseError):
            ask(shot)
    with pytest.raises(BudgetExceeded):
        ask(shot)
    assert team.asked == ["near"] * 2


def test_without_a_key_nothing_is_sent_or_counted(team, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "0.01")
    for _ in range(2):
        with pytest.raises(mediasense.MissingCredentials):
            mediasense.analyze(shot, "what?", provider="groq", model="m")


def test_a_kept_answer_is_given_when_all_is_spent(team, kept, shot):
    ask(shot)
    mediasense.analyze(shot, "who?", provider="near")
    assert ask(shot).cached


def test_this_device_costs_nothing(team, shot, monkeypatch):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", "0")
    assert mediasense.analyze(shot, "what?", provider="dark").text == "read in the dark"


def test_a_batch_stops_at_the_limit(team, shots):
    batch = mediasense.batch(shots, Question(prompt="what?", provider="near"), jobs=1)
    results = list(batch)
    assert batch.problem is not None
    assert batch.problem.kind == "BudgetExceeded"
    assert (len([r for r in results if r.analysis]), team.asked) == (2, ["near"] * 2)


def test_the_batch_of_the_command_line_stops_too(team, shots, tmp_path):
    out = tmp_path / "out.jsonl"
    run = team.run("batch", *shots, "--prompt", "what?", "-p", "near", "--jobs", "1", "--out", out)
    assert (run.returncode, team.asked) == (30, ["near"] * 2)


@pytest.mark.parametrize("amount", ["", "much", "-1", "nan", "inf"])
def test_without_a_limit_nothing_is_sent(team, shot, monkeypatch, amount):
    monkeypatch.setenv("HOUSE_TEAM_DOLLARS", amount)
    with pytest.raises(ConfigError, match="export HOUSE_TEAM_DOLLARS"):
        ask(shot)
    assert team.asked == []
