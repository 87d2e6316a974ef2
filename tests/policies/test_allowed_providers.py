"""Whom a rule forbids is sent nothing, in whatever way somebody comes to ask it."""

import shutil

import pytest

import mediasense
from mediasense import ConfigError, Forbidden, Question

NEAR = 'kinds = ["device"]\nproviders = ["near"]\n'
NO_VIDEO = 'kinds = ["service"]\n[only]\nvideo = ["nobody"]\n'


@pytest.fixture
def rule(house, tmp_path, monkeypatch):
    """Write the rule; it is installed by then."""
    path = tmp_path / "providers.toml"
    monkeypatch.setenv("HOUSE_PROVIDERS", str(path))
    house.install("allowed_providers")
    return path.write_text


def test_an_allowed_provider_is_asked(house, rule, shot):
    rule(NEAR)
    assert mediasense.analyze(shot, "what?", provider="near").text == "near saw it"


def test_a_forbidden_one_is_not_and_the_error_says_whom_to_ask(house, rule, shot):
    rule(NEAR)
    with pytest.raises(Forbidden, match="far is not allowed; name another one: --provider near"):
        mediasense.analyze(shot, "what?", provider="far")
    assert house.asked == []


def test_the_command_line_says_so_in_one_line_and_a_code_of_its_own(house, rule, shot):
    rule(NEAR)
    run = house.run("image", shot, "what?", "--provider", "far")
    assert (run.returncode, run.stdout) == (12, "")
    assert run.stderr == "error: far is not allowed; name another one: --provider near\n"


def test_without_a_rule_only_this_device_is_allowed(house, rule, shot, monkeypatch):
    monkeypatch.delenv("HOUSE_PROVIDERS")
    assert mediasense.analyze(shot, "what?", provider="dark").text == "read in the dark"
    with pytest.raises(Forbidden):
        mediasense.analyze(shot, "what?", provider="near")
    assert house.asked == []


def test_frames_of_a_video_are_not_sent_either(house, rule, clip):
    rule(NEAR)
    with pytest.raises(Forbidden):
        mediasense.analyze(clip, "what?", provider="far", every=0.5)
    assert house.asked == []


def test_a_kind_of_media_may_go_to_nobody_else(house, rule, clip, shot):
    rule(NO_VIDEO)
    mediasense.analyze(shot, "what?", provider="film")
    with pytest.raises(Forbidden, match="film is not allowed for video"):
        mediasense.analyze(clip, "what?", provider="film")
    assert house.asked == ["film"]


def test_who_writes_down_the_sound_of_a_video_is_judged_too(house, rule, clip):
    rule(NEAR)
    with pytest.raises(Forbidden, match="ear is not allowed"):
        mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=2)
    assert house.asked == []


def test_sound_may_be_sent_where_nothing_else_is(house, rule, clip):
    rule(NEAR + '[only]\naudio = ["ear"]\n')
    mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=2)
    assert set(house.asked) == {"ear", "near"}


def test_after_a_forbidden_provider_an_allowed_one_is_asked(house, rule, shot):
    rule(NEAR)
    answer = mediasense.analyze(shot, "what?", provider="far", fallback="near")
    assert (answer.provider, house.asked) == ("near", ["near"])
    assert answer.warnings == ("far is not allowed: near answered instead",)


def test_a_forbidden_call_counts_against_no_budget(house, rule, shot):
    """The price of the first is unknown, which a limit of cost would refuse before the rule."""
    rule(NEAR)
    with pytest.raises(Forbidden):
        mediasense.analyze(shot, "what?", provider="far", max_cost=0.0)


def test_a_stand_in_that_is_forbidden_is_not_asked(house, rule, shot):
    rule(NEAR)
    house.down["near"] = 503
    with pytest.raises(
        mediasense.ProviderUnavailable, match="instead of it far: far is not allowed"
    ):
        mediasense.analyze(shot, "what?", provider="near", fallback="far", retries=0)
    assert house.asked == ["near"]


def test_another_address_does_not_lead_around_it(house, rule, shot):
    rule(NEAR)
    elsewhere = f"{house.wire.url}/near".replace("127.0.0.1", "localhost")
    with pytest.raises(Forbidden, match="near is not allowed at localhost"):
        mediasense.analyze(shot, "what?", provider="near", base_url=elsewhere)
    rule(f'hosts = ["localhost"]\n{NEAR}')
    mediasense.analyze(shot, "what?", provider="near", base_url=elsewhere)
    assert house.asked == ["near"]


def test_a_host_below_one_of_the_providers_own_is_its_own(house, rule, monkeypatch, shot):
    rule('providers = ["azure"]\n')
    with pytest.raises(mediasense.MissingCredentials):
        mediasense.analyze(
            shot, "what?", provider="azure", base_url="https://acme.openai.azure.com", model="m"
        )
    with pytest.raises(Forbidden, match="azure is not allowed at"):
        mediasense.analyze(
            shot, "what?", provider="azure", base_url="https://acmeopenai.azure.com", model="m"
        )


def test_who_has_no_key_is_told_the_rule_all_the_same(house, rule, shot):
    rule('providers = ["groq"]\n')
    with pytest.raises(Forbidden, match=r"groq is not allowed at acme\.example"):
        mediasense.analyze(shot, "what?", provider="groq", base_url="https://acme.example/v1")


def test_listings_are_calls_too(house, rule):
    rule(NEAR)
    assert house.run("models", "-p", "far").returncode == 12
    assert house.run("models", "-p", "near").returncode == 0
    assert house.asked == ["near"]


# --- kept answers --------------------------------------------------------------------------------


def test_an_answer_that_was_kept_before_the_rule_is_not_given(house, kept, shot, tmp_path):
    mediasense.analyze(shot, "what?", provider="near")
    assert mediasense.analyze(shot, "what?", provider="near").cached
    house.install("allowed_providers")
    with pytest.raises(Forbidden):
        mediasense.analyze(shot, "what?", provider="near")


def test_nor_one_that_was_kept_when_the_rule_allowed_it(house, kept, rule, shot):
    rule(NEAR)
    for cached in (False, True):
        assert mediasense.analyze(shot, "what?", provider="near").cached is cached
    rule('providers = ["far"]')
    with pytest.raises(Forbidden):
        mediasense.analyze(shot, "what?", provider="near")
    assert house.run("image", shot, "what?", "--provider", "near").returncode == 12
    assert house.asked == ["near"]


def test_nor_a_transcript_that_was_kept(house, kept, rule, clip):
    rule('kinds = ["service"]')
    asked = {"provider": "near", "audio_provider": "ear", "frames": 1}
    mediasense.analyze(clip, "what?", **asked)
    rule(NEAR)
    with pytest.raises(Forbidden, match="ear"):
        mediasense.analyze(clip, "who?", **asked)
    assert house.asked == ["ear", "near"]


# --- many files ----------------------------------------------------------------------------------


def test_in_a_batch_the_forbidden_item_fails_alone(house, rule, shots, clip, tmp_path):
    rule(NO_VIDEO)
    out = tmp_path / "out.jsonl"
    sources = [clip, *shots]
    list(mediasense.batch(sources, Question(prompt="what?", provider="film"), out=out, jobs=1))
    failures = [line["error"]["kind"] for line in house.results(out) if line.get("error")]
    assert (failures, house.asked) == (["Forbidden"], ["film"] * 4)


def test_the_command_keeps_it_as_failed_and_asks_it_when_the_rule_allows(
    house, rule, shots, clip, tmp_path
):
    rule(NO_VIDEO)
    out = tmp_path / "out.jsonl"
    command = ("batch", clip, *shots, "--prompt", "what?", "-p", "film", "--out", out)
    assert house.run(*command).returncode == 31
    rule('kinds = ["service"]')
    assert house.run(*command).returncode == 31  # it is left as it is
    assert house.asked == ["film"] * 4
    assert house.run(*command, "--retry-failed").returncode == 0
    assert house.asked == ["film"] * 5


def test_in_a_batch_a_stand_in_answers_the_forbidden_item(house, rule, shots, clip, tmp_path):
    rule(NO_VIDEO)
    out = tmp_path / "out.jsonl"
    run = house.run(
        *("batch", clip, *shots, "--prompt", "what?", "-p", "film", "--fallback", "near"),
        *("--out", out),
    )
    assert run.returncode == 0, run.stderr
    assert sorted(set(house.asked)) == ["film", "near"]
    assert house.asked.count("film") == 4


def test_many_that_are_forbidden_do_not_make_a_provider_one_that_is_down(
    house, rule, shots, clip, tmp_path
):
    rule(NO_VIDEO)
    copies = [tmp_path / f"clip{number}.mp4" for number in range(7)]
    for copy in copies:
        shutil.copy(clip, copy)
    batch = mediasense.batch([*copies, *shots], Question(prompt="what?", provider="film"), jobs=1)
    results = list(batch)
    assert (batch.problem, batch.standing().failed, len(results)) == (None, 7, 11)
    assert {r.failure.kind for r in results if r.failure} == {"Forbidden"}
    assert house.asked == ["film"] * 4


@pytest.mark.parametrize(
    "text", ["kinds = 1", "kinds = [1]", "names = []", "only = 1", "[only]\naudio = 'ear'", "= 1"]
)
def test_a_rule_that_cannot_be_read_lets_nothing_through(house, rule, shot, text):
    rule(text)
    with pytest.raises(ConfigError, match="HOUSE_PROVIDERS"):
        mediasense.analyze(shot, "what?", provider="near")
    assert house.asked == []
