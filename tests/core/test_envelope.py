"""The envelope there and back: what is kept as JSON is the answer it was."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediasense import (
    Analysis,
    Box,
    FrameUsed,
    LeftOut,
    Media,
    Segment,
    Step,
    TextLine,
    Timings,
    Usage,
    Word,
    names,
)
from mediasense.envelope import (
    VERSION,
    dumps,
    dumps_line,
    from_plain,
    media_facts,
    record_of,
    to_json,
    to_plain,
)

TEXT = st.text(st.characters(), max_size=12)  # with halves of surrogate pairs
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | COUNT | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CHANNELS = st.lists(st.sampled_from(get_args(names.Channel)), max_size=2).map(tuple)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


def some(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(strategy, max_size=2).map(tuple)


SECONDS = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
FACTS = {
    Box: {"left": COUNT, "top": COUNT, "right": COUNT, "bottom": COUNT},
    FrameUsed: {"timestamp": NUMBER, "reason": TEXT},
    LeftOut: {"words": TEXT, "channels": CHANNELS, "start": maybe(NUMBER), "end": maybe(NUMBER)},
    Word: {"start": NUMBER, "end": NUMBER, "text": TEXT, "confidence": maybe(NUMBER)},
    Timings: {"total": SECONDS, "prepare": SECONDS, "provider": SECONDS},
    Usage: {field.name: maybe(COUNT) for field in dataclasses.fields(Usage)},
    Step: {
        "action": st.sampled_from(get_args(names.Action)),
        "words": TEXT,
        "channels": CHANNELS,
        "start": maybe(NUMBER),
        "end": maybe(NUMBER),
        "provider": maybe(TEXT),
        "model": maybe(TEXT),
        "calls": COUNT,
        "images": maybe(COUNT),
        "bytes": maybe(COUNT),
        "tokens": maybe(COUNT),
        "cost": maybe(NUMBER),
        "cached": COUNT,
    },
    Media: {
        "modality": st.sampled_from(names.MODALITIES),
        "mime_type": TEXT,
        "size": maybe(COUNT),
        "width": maybe(COUNT),
        "height": maybe(COUNT),
        "seconds": maybe(NUMBER),
        "has_sound": maybe(st.booleans()),
        "name": TEXT,
    },
}


def built(kind: type) -> st.SearchStrategy:
    return st.builds(kind, **FACTS[kind])


FACTS[TextLine] = {
    "text": TEXT,
    "confidence": NUMBER,
    "box": built(Box),
    "image": maybe(COUNT),
    "start": maybe(NUMBER),
    "end": maybe(NUMBER),
}
FACTS[Segment] = {
    "start": NUMBER,
    "end": NUMBER,
    "text": TEXT,
    "speaker": maybe(TEXT),
    "confidence": maybe(NUMBER),
    "words": some(built(Word)),
}
FACTS[Analysis] = {
    "text": TEXT,
    "provider": TEXT,
    "model": TEXT,
    "strategy": st.sampled_from(get_args(names.Strategy)),
    "timings": built(Timings),
    "media": some(built(Media)),
    "usage": maybe(built(Usage)),
    "data": JSON,
    "finish_reason": st.sampled_from([None, "stop", "length"]),
    "segments": some(built(Segment)),
    "lines": some(built(TextLine)),
    "language": maybe(TEXT),
    "warnings": some(TEXT),
    "steps": some(built(Step)),
    "frames": some(built(FrameUsed)),
    "left_out": some(built(LeftOut)),
    "cost": maybe(NUMBER),
    "cached": st.booleans(),
}
ANSWERS = built(Analysis)


@pytest.mark.parametrize("kind", [kind for kind in FACTS if kind is not Media])
def test_every_field_is_among_those_that_are_tried(kind):
    assert set(FACTS[kind]) == {field.name for field in dataclasses.fields(kind)}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(answer=ANSWERS)
def test_any_answer_is_the_same_after_it_was_json(answer):
    assert from_plain(json.loads(json.dumps(to_plain(answer)))) == answer
    assert from_plain(to_plain(answer)) == answer


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(answer=ANSWERS)
def test_what_people_read_holds_the_same(answer):
    for text in (to_json(answer), dumps_line(to_plain(answer))):
        text.encode()
        assert from_plain(json.loads(text)) == answer
    assert "\n" not in dumps_line(to_plain(answer))


def refuse(constant: str):
    raise ValueError(constant)


STRANGE = st.recursive(
    st.floats() | TEXT | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(data=STRANGE, seconds=st.floats())
def test_numbers_that_json_does_not_have_and_half_letters_make_valid_json(data, seconds):
    answer = example(data=data, segments=(Segment(start=seconds, end=seconds, text="\ud800"),))
    for text in (to_json(answer), dumps_line(to_plain(answer))):
        text.encode()
        found = json.loads(text, parse_constant=refuse)
        assert found["segments"][0]["start"] == (seconds if math.isfinite(seconds) else None)


def example(**changes) -> Analysis:
    facts = {
        "text": "a cat",
        "provider": "acme",
        "model": "m",
        "strategy": "images",
        "timings": Timings(total=1.0, prepare=0.5, provider=0.5),
        "media": (Media(modality="image", mime_type="image/png", name="a.png"),),
    }
    return Analysis(**facts | changes)


def test_bytes_paths_and_facts_of_the_engine_stay_here(tmp_path):
    media = Media(
        modality="image", mime_type="image/png", data=b"secret", path=tmp_path, name="a.png"
    )
    assert from_plain(to_plain(example(media=(media,)))) == example()
    assert b"secret" not in to_json(example(media=(media,))).encode()


def test_a_link_is_known_by_its_name_or_itself():
    link = Media(modality="image", mime_type="", uri="https://a.example/a.png")
    assert media_facts(link)["source"] == "https://a.example/a.png"
    assert media_facts(link)["mime_type"] is None
    [found] = from_plain(to_plain(example(media=(link,)))).media
    assert (found.name, found.uri, found.mime_type) == ("https://a.example/a.png", None, "")


# --- what is none --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, "1"])
def test_an_envelope_of_another_version_is_refused(version):
    with pytest.raises(ValueError, match="version"):
        from_plain({**to_plain(example()), "version": version})


@pytest.mark.parametrize("found", [None, [], "text", 7, {}, {"version": 1}])
def test_what_is_no_envelope_is_refused(found):
    with pytest.raises(ValueError, match=r"no envelope|no list"):
        from_plain(found)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", None),
        ("text", 7),
        ("model", ["m"]),
        ("cost", "0.1"),
        ("cost", True),
        ("cached", 1),
        ("warnings", "abc"),
        ("warnings", [1]),
        ("usage", [1]),
        ("usage", {"input_tokens": "many"}),
        ("segments", [{"start": 0, "end": 1}]),
        ("segments", [{"start": None, "end": 1, "text": "a"}]),
        ("segments", [{"start": 0, "end": 1, "text": "a", "words": ["a"]}]),
        ("lines", [{"text": "a", "confidence": 1, "box": None}]),
        ("steps", [{"action": "ask", "words": "w", "channels": "picture"}]),
        ("media", [{}]),
        ("media", {"a": 1}),
        ("media", [{**media_facts(example().media[0]), "modality": 7}]),
        ("timings", None),
        ("finish_reason", 1),
    ],
)
def test_a_field_of_another_type_is_refused(field, value):
    with pytest.raises(ValueError, match=r"no|is"):
        from_plain({**to_plain(example()), field: value})


def test_fields_that_are_not_known_are_passed_over():
    plain = to_plain(example(steps=(Step(action="ask", words="w"),)))
    plain["new"] = 1
    plain["steps"][0]["new"] = 1
    plain["timings"]["new"] = 1
    assert from_plain(plain).steps == (Step(action="ask", words="w"),)


def test_fields_that_are_not_there_yet_have_their_defaults():
    plain = to_plain(example(steps=(Step(action="ask", words="w"),)))
    del plain["steps"][0]["cached"], plain["cost"], plain["cached"]
    assert from_plain(plain) == example(steps=(Step(action="ask", words="w"),))


def test_words_that_are_newer_are_taken():
    plain = to_plain(example())
    plain["strategy"] = "telepathy"
    assert from_plain(plain).strategy == "telepathy"


def test_a_whole_number_stands_for_any_number_and_none_for_truth():
    assert record_of(Timings, {"total": 1, "prepare": 0, "provider": 1}).total == 1
    assert record_of(Usage, {"input_tokens": 3.0}).input_tokens == 3
    with pytest.raises(ValueError, match="True"):
        record_of(Usage, {"input_tokens": True})


def test_what_is_said_of_a_wrong_value_is_short():
    with pytest.raises(ValueError, match="no list") as caught:
        from_plain({**to_plain(example()), "warnings": "x" * 10_000})
    assert len(str(caught.value)) < 100


def test_json_for_people_is_indented_and_for_programs_one_line():
    assert dumps({"a": "é"}) == '{\n  "a": "é"\n}'
    assert dumps_line({"a": "é\n"}) == '{"a": "é\\n"}'


def test_the_document_tells_of_cost_and_cache():
    document = Path(__file__).parents[2] / "docs" / "envelope.md"
    text = document.read_text(encoding="utf-8")
    assert "| `cost` |" in text
    assert "| `cached` |" in text
