"""Schemas for strict decoding: what is sent is narrower than what was asked for, never wider."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mediasense_openai_compat.schemas import strict_version

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = {"type": "string"}
OR_NULL = {"type": ["string", "null"]}


def of(properties, **others):
    return {"type": "object", "properties": properties, **others}


def test_a_closed_schema_stays_as_it_is():
    closed = of({"a": TEXT}, required=["a"], additionalProperties=False)
    assert strict_version(closed) == closed


@pytest.mark.parametrize(
    "optional", [OR_NULL, {"anyOf": [TEXT, {"type": "null"}]}, {"type": "null"}]
)
def test_what_may_be_left_out_or_null_is_null(optional):
    made = strict_version(of({"a": TEXT, "b": optional}, required=["a"]))
    assert made["required"] == ["a", "b"]
    assert made["additionalProperties"] is False


def test_what_may_be_left_out_and_not_null_is_not_invented():
    assert strict_version(of({"a": TEXT, "b": TEXT}, required=["a"])) is None


def test_remarks_are_left_out():
    made = strict_version(of({"a": {**OR_NULL, "default": None, "title": "A"}}, title="T"))
    assert made == of({"a": OR_NULL}, required=["a"], additionalProperties=False)


def test_nothing_stands_beside_a_reference():
    there = {"anyOf": [{"$ref": "#/$defs/s", "description": "d"}, {"type": "null"}]}
    made = strict_version(of({"a": there}, **{"$defs": {"s": of({"b": OR_NULL})}}))
    assert made["properties"]["a"]["anyOf"][0] == {"$ref": "#/$defs/s"}
    assert made["$defs"]["s"]["required"] == ["b"]


def test_what_is_given_is_not_changed():
    given_ = of({"a": {**OR_NULL, "default": None}})
    before = json.dumps(given_)
    strict_version(given_)
    assert json.dumps(given_) == before


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": TEXT},
        {"anyOf": [of({})]},
        of({}, anyOf=[{}]),
        of({"a": {}}, required=["a"]),
        of({"a": {"enum": ["x"]}}, required=["a"]),
        of({"a": {"type": "array"}}, required=["a"]),
        of({"a": {"type": "string", "minLength": 1}}, required=["a"]),
        of({"a": {"type": "string", "format": "color"}}, required=["a"]),
        of({"a": {"allOf": [TEXT]}}, required=["a"]),
        of({}, additionalProperties=TEXT),
        of({}, required=["b"]),
        of({}, patternProperties={}),
        of({"a": True}, required=["a"]),
        True,
        None,
    ],
)
def test_what_strict_decoding_does_not_take_is_only_asked_for(schema):
    assert strict_version(schema) is None


SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": SCALARS | st.lists(SCALARS, min_size=1, unique=True)})
    | st.just({"type": "string", "format": "date"})
    | st.just({"type": "string", "maxLength": 3}),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.builds(
            lambda properties, required, closed: of(
                properties,
                required=[name for name in properties if name in required],
                **({"additionalProperties": False} if closed else {}),
            ),
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.sets(st.sampled_from("abc")),
            st.booleans(),
        )
    ),
    max_leaves=6,
)
VALUES = {"string": "2026-01-01", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def answers(schema):
    """Any answer of who is held to a strict schema."""
    if "anyOf" in schema:
        return st.one_of([answers(one) for one in schema["anyOf"]])
    if schema["type"] == "array":
        return st.lists(answers(schema["items"]), max_size=2)
    if schema["type"] == "object":
        held = {name: answers(one) for name, one in schema["properties"].items()}
        assert schema["required"] == list(held)
        assert schema["additionalProperties"] is False
        return st.fixed_dictionaries(held)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return st.sampled_from([VALUES[kind] for kind in kinds])


@PATIENT
@given(SCHEMAS, st.data())
def test_every_answer_by_the_strict_schema_fits_the_one_that_was_asked_for(inner, data):
    schema = of({"root": inner}, required=["root"])
    strict = strict_version(schema)
    if strict is not None:
        Draft202012Validator(schema).validate(data.draw(answers(strict)))


@PATIENT
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "properties", "required", "items", "anyOf", "$ref", "$defs", "enum"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_anything_has_a_strict_version_or_none(schema):
    for root in (schema, {"type": "object", "properties": schema}, {"type": "object", "x": schema}):
        made = strict_version(root)
        assert made is None or isinstance(made, dict)
