"""The records: frozen, keyless, and what they tell about media and models."""

from __future__ import annotations

import dataclasses
import io

import pytest

from mediasense import (
    Access,
    Answer,
    AudioLimits,
    CorruptMedia,
    Fallback,
    ImageLimits,
    Media,
    MediaNotFound,
    ModelRule,
    Provider,
    Question,
    Step,
    TextLimits,
    providers,
    types,
)

RECORDS = [
    value
    for module in (providers, types)
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_is_frozen_and_takes_keywords_only(record):
    assert record.__dataclass_params__.frozen
    assert all(item.kw_only for item in dataclasses.fields(record))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_no_record_has_a_place_for_a_key(record):
    names = {item.name for item in dataclasses.fields(record)}
    assert not {name for name in names if name in ("key", "api_key", "token", "secret", "password")}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_is_documented(record):
    fields = [name for name in record.__annotations__ if not name.startswith("_")]
    missing = [name for name in fields if name not in (record.__doc__ or "")]
    # A box is documented as a whole.
    assert not missing or record is types.Box


def test_a_media_does_not_show_its_bytes():
    assert "SECRET" not in repr(Media(modality="image", mime_type="image/png", data=b"SECRET"))


# --- models --------------------------------------------------------------------------------------

PROVIDER = Provider(
    name="acme",
    description="d",
    image=ImageLimits(),
    audio=AudioLimits(transcribes=True),
    models=(
        ModelRule(pattern="eye-mini*", text=TextLimits()),
        ModelRule(pattern="eye-*", image=ImageLimits(max_items=2)),
    ),
)


def test_a_model_without_a_rule_takes_what_the_provider_takes():
    assert PROVIDER.limits_for("ear-1") is PROVIDER
    assert PROVIDER.limits_for(None) is PROVIDER


def test_the_first_matching_rule_is_the_whole_truth():
    assert PROVIDER.limits_for("eye-mini-2").image is None
    assert PROVIDER.limits_for("eye-max").image.max_items == 2
    assert PROVIDER.limits_for("eye-max").audio is None


def test_a_rule_minds_the_case_of_names():
    assert PROVIDER.limits_for("EYE-max") is PROVIDER


def test_the_modalities_are_those_with_limits():
    assert PROVIDER.modalities == ("image", "audio")


# --- media ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mime_type", "name"),
    [
        ("image/png", "image.png"),
        ("image/jpeg", "image.jpg"),
        ("image/x-icon", "image.icon"),
        ("image/webp", "image.webp"),
        ("", "image.bin"),
    ],
)
def test_the_file_name_that_is_sent_is_neutral(mime_type, name, tmp_path):
    media = Media(modality="image", mime_type=mime_type, path=tmp_path / "my diagnosis.dat")
    assert media.filename == name


def test_bytes_in_memory_are_read_without_a_file():
    media = Media(modality="image", mime_type="image/png", data=b"abc", size=3)
    assert media.read() == b"abc"
    assert media.open().read() == b"abc"


def test_a_file_is_read_from_its_start(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    media = Media(modality="image", mime_type="image/png", path=path, size=3)
    assert media.read() == b"abc"
    with media.open() as file:
        assert file.tell() == 0
        assert isinstance(file, io.BufferedIOBase)


@pytest.mark.parametrize("size", [2, 4])
def test_a_file_that_changed_its_size_is_not_read(tmp_path, size):
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    media = Media(modality="image", mime_type="image/png", path=path, size=size)
    with pytest.raises(CorruptMedia, match="changed while it was read; try again"):
        media.read()


def test_a_file_that_has_gone_is_named(tmp_path):
    media = Media(modality="image", mime_type="image/png", path=tmp_path / "gone.png", size=3)
    with pytest.raises(MediaNotFound, match=r"gone.png"):
        media.open()


def test_a_link_has_no_bytes_to_open():
    media = Media(modality="image", mime_type="", uri="https://example.org/a.png")
    with pytest.raises(MediaNotFound, match="no local bytes"):
        media.open()


# --- questions and answers -----------------------------------------------------------------------


def test_a_question_takes_what_was_kept_and_has_no_limit_and_nobody_else_to_ask():
    question = Question()
    assert (question.cache, question.max_cost, question.fallback) == ("use", None, ())


def test_an_answer_was_not_given_before_and_its_cost_is_unknown_unless_somebody_says_so():
    answer = Answer(text="a", model="m")
    assert (answer.cached, answer.cost) == (False, None)
    assert Step(action="ask", words="w").cached == 0


def test_records_can_be_compared_and_be_in_sets():
    """The cache knows a question and a provider again by what they say."""
    twice = [Question(fallback=(Fallback(provider="b", model="m"),)) for _ in range(2)]
    assert len({*twice, Question()}) == 2


def test_access_holds_names_only():
    assert {item.name for item in dataclasses.fields(Access)} == {
        "base_url",
        "api_key_env",
        "credentials_file",
        "project",
        "location",
        "api_version",
        "allow_http",
    }
