"""Schemas: how they are written, what is refused, and what fits."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mediasense import UsageError
from mediasense.schemas import first_misfit, misfits, read_schema, read_schema_file, require_schema
from mediasense.schemas.answers import read_answer
from mediasense.schemas.models import wanted
from mediasense.schemas.references import is_object, is_quick
from mediasense.schemas.shorthand import MOST_LETTERS, parse_shorthand
from mediasense.schemas.strict_json import parse_json

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = {"type": "string"}
INT = {"type": "integer"}


def of(properties, *optional):
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


# --- the short form ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short", "schema"),
    [
        ("title", of({"title": TEXT})),
        ("title, severity int", of({"title": TEXT, "severity": INT})),
        (" title\n severity int\n", of({"title": TEXT, "severity": INT})),
        ("a,\n b,", of({"a": TEXT, "b": TEXT})),
        ("a text, b str, c string", of({"a": TEXT, "b": TEXT, "c": TEXT})),
        ("a float, b number", of({"a": {"type": "number"}, "b": {"type": "number"}})),
        ("a bool", of({"a": {"type": "boolean"}})),
        ("a date", of({"a": {"type": "string", "format": "date"}})),
        ("a list", of({"a": {"type": "array", "items": TEXT}})),
        ("a int list", of({"a": {"type": "array", "items": INT}})),
        ("a list int", of({"a": {"type": "array", "items": INT}})),
        ("a low|high", of({"a": {"type": "string", "enum": ["low", "high"]}})),
        ("a low | high", of({"a": {"type": "string", "enum": ["low", "high"]}})),
        ("a list|set", of({"a": {"type": "string", "enum": ["list", "set"]}})),
        ('a "very high"|low', of({"a": {"type": "string", "enum": ["very high", "low"]}})),
        ('a "one"', of({"a": {"type": "string", "enum": ["one"]}})),
        ("a 1|2|-3", of({"a": {"type": "integer", "enum": [1, 2, -3]}})),
        ("a 1|01", of({"a": {"type": "string", "enum": ["1", "01"]}})),
        ("a?", of({"a": {"type": ["string", "null"]}}, "a")),
        ("a int ?", of({"a": {"type": ["integer", "null"]}}, "a")),
        ("a x|y?", of({"a": {"anyOf": [{**TEXT, "enum": ["x", "y"]}, {"type": "null"}]}}, "a")),
        ("a: what it is", of({"a": {**TEXT, "description": "what it is"}})),
        ('a: "this, {that}"', of({"a": {**TEXT, "description": "this, {that}"}})),
        ("a int: how many, b", of({"a": {**INT, "description": "how many"}, "b": TEXT})),
        ("a {x int, y}", of({"a": of({"x": INT, "y": TEXT})})),
        ("a list {\n x int\n}", of({"a": {"type": "array", "items": of({"x": INT})}})),
        ("a {x: one} list", of({"a": {"type": "array", "items": of(
            {"x": {**TEXT, "description": "one"}})}})),
        ("größe float", of({"größe": {"type": "number"}})),
    ],
)  # fmt: skip
def test_the_short_form_is_a_closed_object(short, schema):
    assert parse_shorthand(short) == schema
    assert json.loads(read_schema(short)) == schema


@pytest.mark.parametrize(
    ("short", "told"),
    [
        ("a,,b", "character 3 (,b): a name is missing"),
        ("1a", "character 1 (1a): this is no name"),
        ("a flaot", "character 3 (flaot): flaot is no type (did you mean float?)"),
        ("a b c", "character 3 (b c): b is no type"),
        ("a int b", "character 7 (b): a comma is missing"),
        ("a, b, a", "character 7 (a): there are two fields a"),
        ("a {", "character 4, its end: a name is missing"),
        ("a {b", "character 3 ({b): this { is not closed"),
        ("a }", "character 3 (}): there is no { to close"),
        ("a x|", "character 5, its end: a word is missing"),
        ("a x|y|x", "character 7 (x): x stands there twice"),
        ("a list list", "character 8 (list): list stands there twice"),
        ('a "b', 'character 3 ("b): this quotation mark is not closed'),
        ("a\nb\n c flaot", "line 3, 4 (flaot)"),
        ("a{" * 9, "objects are nested deeper than 8"),
        ("a" * (MOST_LETTERS + 1), "longer than"),
    ],
)
def test_a_short_form_that_is_wrong_is_told_with_its_place(short, told):
    with pytest.raises(UsageError) as caught:
        read_schema(short)
    assert told in str(caught.value)


LETTERS = st.text(st.sampled_from('ab1 ,\n{}|?:"-_.list int'), max_size=40) | st.text(max_size=20)


@PATIENT
@given(LETTERS)
def test_any_text_is_a_schema_or_refused(text):
    try:
        schema = parse_shorthand(text)
    except UsageError:
        return
    Draft202012Validator.check_schema(schema)
    require_schema(json.dumps(schema))
    assert schema["type"] == "object"


NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,5}", fullmatch=True)
TYPES = st.sampled_from(["", "int", "float", "bool", "date", "str", "x|y", "1|2"])


def fields(inner):
    field = st.tuples(NAMES, inner, st.sampled_from(["", "list"]), st.booleans())
    return st.lists(field, min_size=1, max_size=4, unique_by=lambda one: one[0])


FORMS = st.recursive(fields(TYPES), lambda inner: fields(TYPES | inner), max_leaves=8)


def written(form) -> str:
    def what(kind) -> str:
        return kind if isinstance(kind, str) else f"{{{written(kind)}}}"

    return ", ".join(
        f"{name} {what(kind)} {many}{'?' if optional else ''}"
        for name, kind, many, optional in form
    )


@PATIENT
@given(FORMS)
def test_a_short_form_says_all_that_it_is_written_of(form):
    schema = parse_shorthand(written(form))
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == [name for name, *_ in form]
    assert schema["required"] == [name for name, _, _, optional in form if not optional]
    assert schema["additionalProperties"] is False
    assert is_quick(json.dumps(schema))
    assert is_object(json.dumps(schema))


# --- reading -------------------------------------------------------------------------------------


def test_a_schema_is_json_text_in_the_end():
    schema = {"type": "object", "title": "é"}
    assert read_schema(schema) == '{"type": "object", "title": "é"}'
    assert read_schema(f" {json.dumps(schema)}") == read_schema(schema)


@pytest.mark.parametrize(
    "name", ["nowhere.json", "./nowhere", "nowhere.JSON", "~/nowhere", "/nowhere", "no where.json"]
)
def test_what_looks_like_a_file_is_one_whether_it_is_there_or_not(name):
    with pytest.raises(UsageError, match="cannot be read: "):
        read_schema_file(name)
    with pytest.raises(UsageError, match="is the name of a file"):
        read_schema(name)


def test_a_file_holds_a_schema_or_a_short_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"type": "object"}')
    assert read_schema_file(str(path)) == read_schema(path) == '{"type": "object"}'
    path.write_text("title\nseverity int\n")
    assert read_schema(path) == read_schema("title, severity int")


def test_a_short_form_stays_one_where_a_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "title").write_text("{}")
    assert read_schema_file("title") == read_schema("title")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"[1]", "is no JSON object"),
        (b'{"a": ', "is no JSON: .* at line 1, 7"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b" " * 1_000_001, "larger than a megabyte"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64 levels"),
        (b'{"type": 1}', r"is no JSON Schema: .* \(at \$.type\)"),
        (b'{"pattern": "("}', r"is no JSON Schema: .* \(at \$.pattern\)"),
        (b"title, b flaot", "flaot is no type"),
    ],
)
def test_a_file_that_is_no_schema_is_told_by_its_name(tmp_path, data, told):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=told):
        read_schema(path)


@pytest.mark.parametrize("wrong", ["", "  ", 5, None, ["a"], {"a": object()}, {"a": float("nan")}])
def test_what_is_no_schema_is_refused(wrong):
    with pytest.raises(UsageError):
        read_schema(wrong)


@PATIENT
@given(st.text(max_size=60) | LETTERS.map(lambda text: "{" + text))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        require_schema(read_schema(text))


# --- references ----------------------------------------------------------------------------------


def test_a_reference_into_the_schema_is_followed():
    schema = read_schema({"$defs": {"n": INT}, "properties": {"a": {"$ref": "#/$defs/n"}}})
    assert misfits({"a": 1}, schema) == ()
    assert misfits({"a": "x"}, schema) == ("'x' is not of type 'integer' (at $.a)",)


def test_a_list_of_itself_is_a_schema():
    schema = read_schema({"type": "object", "properties": {"in": {"$ref": "#"}}})
    assert misfits({"in": {"in": {"in": 1}}}, schema) == (
        "1 is not of type 'object' (at $.in.in.in)",
    )


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"$ref": "https://example.org/a.json"}, "refers to https://example.org/a.json"),
        ({"$ref": "file:///etc/passwd"}, "refers to file:///etc/passwd"),
        ({"$ref": "#/$defs/a"}, "refers to #/\\$defs/a, which is not in it"),
        ({"items": {"$ref": "#/$defs/a/0"}, "$defs": {"a": []}}, "which is not in it|is no JSON"),
        ({"$ref": "#"}, "refers to itself without end at #"),
        ({"allOf": [{"anyOf": [{"$ref": "#"}]}]}, "without end at #"),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/b"}},
                "$defs": {"b": {"not": {"$ref": "#/$defs/c"}}, "c": {"$ref": "#/$defs/b"}},
            },
            "without end at #/\\$defs/",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_unsent(schema, told):
    with pytest.raises(UsageError, match=told):
        read_schema(schema)


def test_a_long_chain_of_references_is_refused_or_followed():
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5000)}
    with pytest.raises(UsageError, match="without end"):
        read_schema({"$ref": "#/$defs/d0", "$defs": {**chain, "d5000": {}}})


@pytest.mark.parametrize(
    ("schema", "quick"),
    [
        ({"type": "object", "properties": {"a": {"enum": [1]}}}, True),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, False),
        ({"uniqueItems": True}, False),
        ({"properties": {"a": {"$ref": "#"}}}, False),
        (
            {
                "items": {"$ref": "#/$defs/n0"},
                "$defs": {
                    **{f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(20)},
                    "n20": {},
                },
            },
            False,
        ),
        ({"$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}}, True),
    ],
)
def test_what_may_take_for_ever_is_known(schema, quick):
    assert is_quick(json.dumps(schema)) is quick


PARTS = st.recursive(
    st.booleans()
    | st.sampled_from(["#", "#/$defs/a", "#/properties/a", "string", "x", "#/allOf/0", "#/allOf/²"])
    | st.integers(0, 3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "$defs", "a", "properties", "allOf", "not", "items", "$id", "if"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@PATIENT
@given(st.dictionaries(st.sampled_from(["$ref", "$defs", "allOf", "properties"]), PARTS))
def test_any_schema_with_references_is_held_to_or_refused(schema):
    try:
        text = read_schema(schema)
    except UsageError:
        return
    is_quick(text)
    for data in ({}, {"a": {"a": {}}}, [], 1):
        assert isinstance(misfits(data, text), tuple)


# --- what fits -----------------------------------------------------------------------------------


def test_a_few_misfits_are_told_each_with_its_place():
    schema = read_schema("a int, b int, c int, d int, e int, f int, g list {h int}")
    data = {**dict.fromkeys("abcdef", "x"), "g": [{"h": "y"}]}
    told = misfits(data, schema)
    assert len(told) == 5
    assert told[0] == "'x' is not of type 'integer' (at $.a)"
    assert first_misfit({**dict.fromkeys("abcdef", 1), "g": [{"h": "y"}]}, schema) == (
        "'y' is not of type 'integer' (at $.g[0].h)"
    )


def test_a_misfit_is_told_in_one_line_of_bounded_length():
    (told,) = misfits({"a": "x\n" * 10_000}, read_schema("a int"))
    assert len(told) < 400
    assert "\n" not in told


@pytest.mark.parametrize(
    ("date", "fits"), [("2026-11-30", True), ("2026-02-30", False), ("yesterday", False)]
)
def test_a_date_is_one_of_the_calendar(date, fits):
    assert (misfits({"d": date}, read_schema("d date")) == ()) is fits


def test_other_formats_are_hints():
    assert misfits("x", read_schema({"format": "email"})) == ()


def test_data_that_is_nested_too_deeply_is_a_misfit():
    data: object = 1
    for _ in range(200):
        data = [data]
    assert misfits(data, "{}") == ("it is nested deeper than 100 levels (at $)",)


# --- the JSON in an answer -----------------------------------------------------------------------


def anything(data: object) -> tuple[str, ...]:
    return ()


def objects(data: object) -> tuple[str, ...]:
    return () if isinstance(data, dict) else ("it is no object",)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n ',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}```',
        'Here it is:\n\n```json\n{"a": 1}\n```\nI hope it helps {truly}.',
        'The set {x} is [1]: {"a": 1}.',
        '<think>{"a": 2}</think>{"a": 1}',
        '{"a": 1}\n{"a": 2}',
    ],
)
def test_json_is_found_whatever_stands_around_it(text):
    assert read_answer(text, objects).data == {"a": 1}


def test_a_line_break_in_a_text_is_taken():
    assert read_answer('{"a": "x\ny"}', objects).data == {"a": "x\ny"}


def test_the_first_that_fits_is_taken():
    found = read_answer(
        '{"b": 1} or rather {"a": 1}', lambda data: () if "a" in data else ("no a",)
    )
    assert found.data == {"a": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("a cat", "Expecting value"),
        ('{"a": {"b": 1}', "Expecting ',' delimiter"),
        ('Well: {"list": [{"b": 1}, {"b": 2', "Expecting"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is no number"),
        ('{"a": 1' + "0" * 400 + "}", "is no number"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_broken_is_never_taken_in_part(text, told):
    found = read_answer(text, anything)
    assert not found.is_json
    assert found.data is None
    assert told in found.misfits[0]


def test_a_large_whole_number_stays_what_it_is():
    assert parse_json("9007199254740993") == 9007199254740993


@PATIENT
@given(st.text(max_size=80) | st.text(st.sampled_from('{}[]",:ab1 \n`e-.'), max_size=60))
def test_any_answer_is_read_or_not(text):
    found = read_answer(text, anything)
    assert found.is_json or found.misfits


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@PATIENT
@given(st.dictionaries(st.text(max_size=4), JSON), st.sampled_from(["", "So: ", "```json\n"]))
def test_an_object_is_found_as_it_was_written(data, before):
    after = "\n```" if before.startswith("`") else ""
    assert read_answer(f"{before}{json.dumps(data)}{after}", anything).data == data


# --- classes -------------------------------------------------------------------------------------


class Odd:
    """Like a pydantic model, without one."""

    def __init__(self, number: int) -> None:
        self.number = number

    @staticmethod
    def model_json_schema():
        return {"type": "object", "properties": {"number": INT}, "required": ["number"]}

    @classmethod
    def model_validate(cls, obj):
        if obj["number"] % 2 == 0:
            raise ValueError(f"{obj['number']} is even")
        return cls(obj["number"])


def test_a_class_with_the_methods_of_a_model_will_do():
    form = wanted(Odd)
    assert json.loads(form.json_schema) == Odd.model_json_schema()
    assert form.check({"number": 4}) == ("4 is even",)
    assert form.check({"number": 5}) == ()
    assert form.made({"number": 5}).number == 5


@pytest.mark.parametrize("kind", [int, dict, Path])
def test_a_class_without_them_is_refused(kind):
    with pytest.raises(UsageError, match=f"the class {kind.__name__} tells no JSON Schema"):
        wanted(kind)
