"""No card number, no address and no key is shown or kept, however the answer comes."""

import json
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mediasense
from mediasense import Question
from mediasense.testing.wire import Call, Reply

CARD = "4111 1111 1111 1111"
SAYS = {
    "text": f"The card is {CARD}, of quinby.b@mail.example, key sk-abcdefghij0123456789.",
    "pieces": [
        "The card is 4111 11",
        "11 1111 1111, of quinby.b@mail",
        ".example, key sk-abcdefghi",
    ],
    "segments": [
        {"start": 0, "end": 1, "text": "It is 4111 1111"},
        {"start": 1, "end": 2, "text": "1111 1111, thanks"},
    ],
    "lines": ["CARD 4111-1111", "1111-1111", "quinby@mail.example"],
    "warnings": [f"{CARD} was blurry"],
}
CLEAN = "The card is [card], of [e-mail], key [key]."
SECRETS = ("4111 1", "1111 1", "quinby", "abcdefghij")


@pytest.fixture
def cleaned(house):
    for name in ("near", "far", "ear", "film"):
        house.says[name] = SAYS
    house.install("redact_answers")
    return house


@pytest.fixture
def redacted(house):
    house.install("redact_answers")
    return import_module("mediasense_policies.redact_answers").redacted


def secret(text: str) -> list[str]:
    return [word for word in SECRETS if word in text]


def test_the_services_do_say_it(house, shot):
    house.says["near"] = SAYS
    assert secret(mediasense.analyze(shot, "what?", provider="near").text) == list(SECRETS)


def test_an_image(cleaned, shot):
    answer = mediasense.analyze(shot, "what?", provider="near")
    assert (answer.text, answer.warnings) == (CLEAN, ("[card] was blurry",))
    assert [line.text for line in answer.lines] == ["CARD [card]", "[card]", "[e-mail]"]
    assert secret(repr(answer)) == []


def test_frames_of_a_video_and_what_is_said_in_it(cleaned, clip):
    answer = mediasense.analyze(
        clip, "what?", provider="near", audio_provider="ear", every=0.2, timed=True
    )
    assert [s.text for s in answer.segments] == ["It is [card]", "[card], thanks"]
    assert secret(repr(answer)) == []
    # What was heard is told to whoever sees the frames, and what was seen to whoever joins it.
    asked = [call.json["prompt"] for call in cleaned.wire.calls if "/ear" not in call.path]
    assert len(asked) > 1
    assert [secret(prompt) for prompt in asked] == [[]] * len(asked)


def test_a_transcript(cleaned, clip):
    answer = mediasense.analyze(clip, provider="ear", modality="audio")
    assert secret(repr(answer)) == []


def test_the_single_words_go_with_what_they_say(house, clip):
    words = [
        {"start": 0, "end": 1, "text": "4111 1111"},
        {"start": 1, "end": 2, "text": "1111 1111"},
    ]
    house.says["ear"] = {
        "text": CARD,
        "segments": [
            {"start": 0, "end": 2, "text": CARD, "words": words},
            {"start": 2, "end": 3, "text": "yes", "words": [{"start": 2, "end": 3, "text": "yes"}]},
        ],
    }
    house.install("redact_answers")
    answer = mediasense.analyze(clip, provider="ear", modality="audio", timed=True)
    told = [(s.text, [word.text for word in s.words]) for s in answer.segments]
    assert told == [("[card]", []), ("yes", ["yes"])]


def test_without_the_rule_an_answer_is_shown_in_pieces(house, shot):
    house.says["near"] = SAYS
    pieces: list[str] = []
    mediasense.analyze(shot, "what?", provider="near", on_text=pieces.append)
    assert pieces == SAYS["pieces"]


def test_with_it_an_answer_is_shown_whole_and_clean(cleaned, shot):
    pieces: list[str] = []
    mediasense.analyze(shot, "what?", provider="near", on_text=pieces.append)
    assert pieces == [CLEAN]


def test_the_stream_of_an_sdk_is_shown_whole_and_clean(house, shot, monkeypatch):
    monkeypatch.setenv("MEDIASENSE_API_KEY", "k")
    house.wire.answer = openai
    pieces: list[str] = []
    options = {"provider": "openai", "model": "m", "base_url": house.wire.url}
    mediasense.analyze(shot, "what?", on_text=pieces.append, **options)
    assert (secret("".join(pieces)), len(pieces)) == (list(SECRETS), 3)
    house.install("redact_answers")
    pieces.clear()
    mediasense.analyze(shot, "what?", on_text=pieces.append, **options)
    assert pieces == [CLEAN]
    assert [bool(call.json.get("stream")) for call in house.wire.calls] == [True, False]


def openai(call: Call) -> Reply:
    head = {"id": "1", "created": 1, "model": "m"}
    if not call.json.get("stream"):
        message = {"role": "assistant", "content": SAYS["text"]}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return Reply.of({**head, "object": "chat.completion", "choices": [choice]})
    text = SAYS["text"]
    chunk = {**head, "object": "chat.completion.chunk"}
    deltas = [text[:20], text[20:45], text[45:]]
    choices = [{"index": 0, "delta": {"content": delta}} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return Reply.events({**chunk, "choices": [choice]} for choice in (*choices, end))


def test_the_command_line_streams_nothing_else(cleaned, shot):
    run = cleaned.run("image", shot, "what?", "-p", "near", "--stream")
    assert (run.returncode, run.stdout) == (0, f"{CLEAN}\n")
    assert secret(run.stderr) == []


def test_a_stand_in(cleaned, shot):
    cleaned.down["near"] = 503
    answer = mediasense.analyze(shot, "what?", provider="near", fallback="far", retries=0)
    assert (answer.provider, answer.text) == ("far", CLEAN)


# --- what is kept --------------------------------------------------------------------------------


def everything(folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_was_kept_before_the_rule_is_not_given(house, kept, shot):
    house.says["near"] = SAYS
    assert secret(mediasense.analyze(shot, "what?", provider="near").text)
    house.install("redact_answers")
    for cached in (False, True):
        answer = mediasense.analyze(shot, "what?", provider="near")
        assert (answer.cached, answer.text) == (cached, CLEAN)
    assert house.asked == ["near"] * 2


def test_what_is_kept_is_what_the_rule_left(cleaned, kept, shot, clip, empty_environment):
    mediasense.analyze(shot, "what?", provider="near")
    mediasense.analyze(clip, "what?", provider="near", audio_provider="ear", frames=1)
    stored = everything(empty_environment)
    assert b"[card]" in stored
    assert secret(stored.decode("latin-1")) == []


def test_a_rule_that_is_edited_is_another_rule(house, kept, shot):
    house.install("redact_answers")
    mediasense.analyze(shot, "what?", provider="near")
    assert mediasense.analyze(shot, "what?", provider="near").cached
    file = house.folder / "mediasense_policies" / "redact_answers.py"
    house.add("redact_answers", file.read_text().replace("[card]", "[number]"))
    assert not mediasense.analyze(shot, "what?", provider="near").cached


def test_a_batch(cleaned, shots, tmp_path):
    out = tmp_path / "out.jsonl"
    list(mediasense.batch(shots, Question(prompt="what?", provider="near"), out=out))
    assert [line["answer"]["text"] for line in cleaned.results(out)] == [CLEAN] * 4
    assert secret(out.read_text()) == []
    left = [p for p in tmp_path.iterdir() if p.name.startswith("out.jsonl.journal")]
    assert left
    kept = b"".join(p.read_bytes() if p.is_file() else everything(p) for p in left)
    assert secret(kept.decode("latin-1")) == []


def test_the_batch_of_the_command_line(cleaned, shots, clip, tmp_path):
    out = tmp_path / "out.jsonl"
    run = cleaned.run("batch", *shots, clip, "--prompt", "what?", "-p", "near", "--out", out)
    assert (run.returncode, len(cleaned.results(out))) == (0, 5)
    assert secret(out.read_text() + run.stdout + run.stderr) == []


def test_an_answer_of_json_stays_one(cleaned, shot):
    cleaned.says["near"] = {"text": json.dumps({"card": CARD, "of": "quinby@mail.example"})}
    text = mediasense.analyze(shot, "what?", provider="near").text
    assert json.loads(text) == {"card": "[card]", "of": "[e-mail]"}


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("4111111111111111", "[card]"),
        ("12 4111 1111 1111 1111", "12 [card]"),  # a number before it
        ("4111.1111.1111.1111 12/29", "[card] 12/29"),
        ("378282246310005", "[card]"),  # 15 digits
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),  # the check digit is wrong
        ("call 555-0100", "call 555-0100"),
        ("a.b+c@mail.example.org!", "[e-mail]!"),
        ("at @home", "at @home"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_0123456789abcdefghij", "[key]"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", "[key]"),
        ("task-force", "task-force"),
        ("risk-management-framework", "risk-management-framework"),
        ("task-oriented-dialogue-systems", "task-oriented-dialogue-systems"),
        ("key=sk-abcdefghij0123456789", "key=[key]"),
        ("API_KEY_sk-abcdefghij0123456789", "API_KEY_[key]"),
        ("sk_live_0123456789abcdefghij", "[key]"),
        ("rk_test_0123456789abcdefghij", "[key]"),
        ("4111\u20131111\u20131111\u20131111", "[card]"),
        ("4111\u20111111\u20111111\u20111111", "[card]"),
        ("4111/1111/1111/1111", "[card]"),
        ("4111 / 1111 / 1111 / 1111", "[card]"),
        ("**4111** **1111** **1111** **1111**", "**[card]**"),
        ("4111\u200b1111\u00a01111_1111", "[card]"),
        ("\uff14111 1111 1111 1111", "[card]"),
        ("[4111, 1111, 1111, 1111]", "[4111, 1111, 1111, 1111]"),  # figures in a list
        ('{"a":4111,"b":"1111 1111"}', '{"a":4111,"b":"1111 1111"}'),
        ("00:00:04,111 --> 00:11:11,111", "00:00:04,111 --> 00:11:11,111"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END", "[key]-----END"),
    ],
)
def test_what_is_taken_for_a_secret(redacted, text, clean):
    assert redacted([text]) == [clean]


@given(st.lists(st.text(alphabet="41 -.\n@ab", max_size=30), max_size=6))
def test_nothing_but_secrets_is_changed(texts):
    module = _module()
    cleaned = module.redacted(texts)
    assert len(cleaned) == len(texts)
    for before, after in zip(texts, cleaned, strict=True):
        assert after == before or "[" in after


def with_check_digit(digits: str) -> str:
    module = _module()
    return next(digits + last for last in "0123456789" if module._luhn(digits + last))


@given(st.text(alphabet="0123456789", min_size=12, max_size=18), st.sampled_from(["", " ", "-"]))
def test_every_number_with_the_digit_of_cards_is_found(digits, joint):
    card = with_check_digit(digits)
    spelled = joint.join(card[i : i + 4] for i in range(0, len(card), 4))
    assert "[card]" in _module().redacted([f"it is {spelled}."])[0]
    assert spelled not in _module().redacted([f"it is {spelled}."])[0]


@given(st.text(max_size=200))
def test_any_text_is_taken(text):
    assert len(_module().redacted([text])) == 1


def test_long_texts_take_no_long_time(redacted):
    """It would take hours if it grew with the square."""
    pieces = ("a.", "1 ", "sk-", "a@", "eyJ", "-eyJ", "eyJaaaaaaaa.", "1_-_-_-", "1______x", "4")
    for piece in (*pieces, "sk_live_", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "a@a."):
        assert len(redacted([piece * (400_000 // len(piece))])) == 1
    assert len(redacted(["a" * 64 + "@" + "1." * 200_000])) == 1


def _module():
    from importlib.util import module_from_spec, spec_from_file_location

    from .conftest import POLICIES

    spec = spec_from_file_location("redact_answers", POLICIES / "redact_answers.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
