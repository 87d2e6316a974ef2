"""Manifests: rows as items, and rows that are none."""

from __future__ import annotations

import csv
import io
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense.batches.items import Item
from mediasense.batches.lines import LINE_BYTES, read_lines
from mediasense.batches.manifests import manifest_kind, read_manifest
from mediasense.batches.tally import Tally
from mediasense.errors import UsageError

LONG = LINE_BYTES + 10


def jsonl(*rows: object, tally: Tally | None = None) -> list[Item]:
    lines = [
        row
        if isinstance(row, bytes)
        else (row if isinstance(row, str) else json.dumps(row)).encode()
        for row in rows
    ]
    stream = io.BytesIO(b"\n".join(lines))
    return list(read_manifest(stream, name="rows.jsonl", kind="jsonl", tally=tally))


def table(text: str | bytes, tally: Tally | None = None) -> list[Item]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_manifest(io.BytesIO(data), name="rows.csv", kind="csv", tally=tally))


class Stream:
    """A stream that makes its lines when they are read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)

    def readline(self, most: int) -> bytes:
        line = next(self._lines, b"")
        assert len(line) <= most
        return line


# --- rows ----------------------------------------------------------------------------------------


def test_a_row_says_everything_about_its_item():
    (item,) = jsonl(
        {
            "id": "clip 1",
            "source": "a.mp4",
            "prompt": "what?",
            "schema": {"type": "object"},
            "modality": "audio",
            "start": 5,
            "end": 7.5,
            "language": "de",
            "task": "summary",
        }
    )
    assert item == Item(
        id="clip 1",
        sources=("a.mp4",),
        prompt="what?",
        modality="audio",
        json_schema='{"type": "object"}',
        start=5.0,
        end=7.5,
        language="de",
        task="summary",
        row=1,
        named=True,
    )


def test_a_row_needs_a_source_only():
    (item,) = jsonl({"source": "a.png", "prompt": None, "id": "", "language": ""})
    assert (item.sources, item.prompt, item.language, item.problem) == (("a.png",), None, None, "")
    assert len(item.id) == 16


def test_a_list_of_sources_is_several_images():
    (item,) = jsonl({"source": ["a.png", "https://acme.example/b.png"]})
    assert item.sources == ("a.png", "https://acme.example/b.png")


def test_a_whole_number_is_an_id_as_text():
    assert jsonl({"source": "a.png", "id": 5})[0].id == "5"


BAD = {
    "no JSON object": ["a.png"],
    "no JSON: Expecting property name": "{source}",
    "no JSON: NaN is no number": '{"source": "a", "start": NaN}',
    "no JSON: Exceeds the limit": '{"source": "a", "start": ' + "1" * 5000 + "}",
    "its JSON is nested too deeply": "[" * 200_000,
    "no source": {"prompt": "what?"},
    "no source ": {"source": []},
    "no source  ": {"source": [""]},
    "source is neither": {"source": 5},
    "source is neither ": {"source": [["a.png"]]},
    "standard input is no source": {"source": "-"},
    "prompt is no text": {"source": "a", "prompt": 5},
    "prompt holds half a character": {"source": "a", "prompt": "\ud800"},
    "language is no text": {"source": "a", "language": ["de"]},
    "modality is none of image, video, audio": {"source": "a", "modality": "text"},
    "modality is none": {"source": "a", "modality": ["image"]},
    "start is no number": {"source": "a", "start": "5"},
    "start is no number ": {"source": "a", "start": True},
    "start is no number  ": {"source": "a", "start": -1},
    "end is no number": '{"source": "a", "end": 1e999}',
    "end is no number ": {"source": "a", "end": 10**400},
    "start is not before end": {"source": "a", "start": 7, "end": 5},
    "start is not before end ": {"source": "a", "end": 0},
    "schema is no JSON object": {"source": "a", "schema": [1]},
    "schema is no JSON:": {"source": "a", "schema": "{"},
    "schema is nested too deeply": '{"source": "a", "schema": ' + '{"a":' * 70 + "1" + "}" * 71,
    "id is neither": {"source": "a", "id": True},
    "id is neither ": {"source": "a", "id": 1.5},
    "id is longer": {"source": "a", "id": "x" * 201},
    "id is longer ": {"source": "a", "id": "a\nb"},
    "id is longer  ": {"source": "a", "id": 10**4000},
    "not UTF-8 text": b'{"source": "\xff"}',
    "longer than 1 MB": {"source": "a", "prompt": "x" * LONG},
}


@pytest.mark.parametrize("cause", BAD)
def test_a_row_that_cannot_be_used_says_which_and_why_and_the_rest_goes_on(cause):
    before, bad, after = jsonl({"source": "a"}, BAD[cause], {"source": "b"})
    assert bad.problem.startswith(f"row 2: {cause.strip()}")
    assert (bad.id, bad.row, bad.sources) == ("row-2", 2, ())
    assert (before.sources, after.sources) == (("a",), ("b",))
    assert "\n" not in bad.problem
    assert len(bad.problem) < 200


def test_empty_lines_are_counted_and_are_no_items():
    assert [item.row for item in jsonl({"source": "a"}, "", " \t", {"source": "b"})] == [1, 4]


def test_a_byte_order_mark_is_dropped():
    assert jsonl(b'\xef\xbb\xbf{"source": "a"}')[0].problem == ""
    assert table(b"\xef\xbb\xbfsource\na\n")[0].sources == ("a",)


def test_a_mark_that_is_not_at_the_start_is_kept():
    mark = b"\xef\xbb\xbf"
    assert list(read_lines(io.BytesIO(b"a\n" + mark + b"b"), name="rows")) == [b"a\n", mark + b"b"]


def test_fields_that_mean_nothing_are_named_once():
    tally = Tally()
    items = jsonl(*[{"source": "a", "who": 1, "\x1b[2J": 2}] * 3, tally=tally)
    assert [item.problem for item in items] == [""] * 3
    assert tally.unused == ["\\x1b[2J", "who"]


def test_a_stream_of_other_names_is_not_kept():
    tally = Tally()
    jsonl(*[{"source": "a", f"field {number}" + "x" * 999: 1} for number in range(50)], tally=tally)
    assert len(tally.unused) == 20
    assert max(map(len, tally.unused)) == 40


def test_the_name_of_a_manifest_says_its_kind():
    names = ["rows.jsonl", "ROWS.CSV", "rows.tsv", "rows"]
    assert [manifest_kind(name) for name in names] == ["jsonl", "csv", "csv", "jsonl"]


# --- ids -----------------------------------------------------------------------------------------


def test_everything_that_identifies_an_item_is_in_its_id():
    rows = [
        {"source": "a"},
        {"source": "b"},
        {"source": ["a", "b"]},
        {"source": ["b", "a"]},
        {"source": "a", "prompt": "what?"},
        {"source": "a", "language": "what?"},
        {"source": "a", "modality": "audio"},
        {"source": "a", "start": 5},
        {"source": "a", "end": 5},
        {"source": "a", "schema": {"type": "object"}},
        {"source": "a", "schema": {"type": "array"}},
    ]
    assert len({item.id for item in jsonl(*rows)}) == len(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"start": 5}, {"start": 5.0}),
        ({"start": 0}, {"start": -0.0}),
        ({"schema": {"a": 1, "b": 2}}, {"schema": {"b": 2, "a": 1}}),
        ({"schema": {"a": 1}}, {"schema": '{"a": 1}'}),
        ({}, {"prompt": None, "unknown": 5}),
        ({"source": "./a"}, {"source": "a"}),
    ],
)
def test_what_means_the_same_has_one_id(one, other):
    first, second = jsonl({"source": "a", **one}, {"source": "a", **other})
    assert first.id == second.id


def test_an_id_is_that_of_every_version():
    (item,) = jsonl({"source": "./a.png", "prompt": "what?", "start": 5})
    # printf '{"prompt":"what?","sources":["a.png"],"start":5.0}' | sha256sum
    assert item.id == "041ad90d2d09557e"


# --- CSV -----------------------------------------------------------------------------------------


def test_a_table_says_everything_about_its_items():
    header = "source,id,prompt,schema,modality,start,end,language"
    (item,) = table(f'{header}\r\na.mp4,7,"what, ""here""?","{{""type"": 1}}",video,5,7.5,de\r\n')
    assert item == Item(
        id="7",
        sources=("a.mp4",),
        prompt='what, "here"?',
        modality="video",
        json_schema='{"type": 1}',
        start=5.0,
        end=7.5,
        language="de",
        row=2,
        named=True,
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter(delimiter):
    (item,) = table(f"id{delimiter}source\n1{delimiter}a,b;c.png\n".replace("a,b;c", "abc"))
    assert (item.id, item.sources) == ("1", ("abc.png",))


def test_other_delimiters_in_cells_are_not_looked_at():
    items = table("source;prompt\na;x,y,z\nb;\tx\ty\n")
    assert [item.prompt for item in items] == ["x,y,z", "\tx\ty"]


def test_empty_cells_are_left_out():
    (item,) = table("source,prompt,start,id\na,, ,\n")
    assert (item.prompt, item.start, item.problem) == (None, None, "")


def test_a_row_may_end_early():
    assert table("source,prompt\na\n")[0].problem == ""


def test_cells_may_hold_lines_and_rows_are_counted_as_in_a_spreadsheet():
    items = table('source,prompt\na,"one\ntwo\r\n"\n\nb,three\n')
    assert [(item.prompt, item.row) for item in items] == [("one\ntwo\r\n", 2), ("three", 4)]


def test_the_names_of_columns_may_have_spaces_and_capitals():
    assert table("Source , PROMPT\na,b\n")[0].prompt == "b"


def test_columns_that_mean_nothing_are_named():
    tally = Tally()
    table("who,source,,when\n1,a,,2\n", tally)
    assert tally.unused == ["when", "who"]


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("path,prompt", "no column is called source"),
        ("source,prompt,prompt", "two columns have one name"),
        ('"source', "no column is called source"),
        ("source\xff", "not UTF-8 text"),
        ("source," + "x" * LONG, "longer than 1 MB"),
    ],
)
def test_a_header_that_cannot_be_used_is_one_problem(header, cause):
    (item,) = table(f"\n{header}\na\nb\n".encode("latin-1"))
    assert item.problem == f"row 2: {cause}"


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("a,b,c", "3 cells under 2 columns"),
        (",b", "no source"),
        ('"a"b,c', "no CSV: ',' expected after '\"'"),
        ("a,\xff", "not UTF-8 text"),
        ("a," + "x" * 140_000, "no CSV: field larger than field limit (131072)"),
        ("a," + "x" * LONG, "longer than 1 MB"),
    ],
)
def test_a_row_of_a_table_that_cannot_be_used_is_one_problem(row, cause):
    before, bad, after = table(f"source,prompt\nx,y\n{row}\nz,y\n".encode("latin-1"))
    assert (bad.problem, bad.id) == (f"row 3: {cause}", "row-3")
    assert (before.sources, after.sources) == (("x",), ("z",))


def test_seconds_that_are_none_are_a_problem():
    assert table("source,start\na,1:30\n")[0].problem == "row 2: start is no number of seconds"
    assert table("source,start\na,nan\n")[0].problem == "row 2: start is no number of seconds"


def test_a_quote_that_is_never_closed_swallows_no_rows():
    rows = "".join(f"{number},fine\n" for number in range(500))
    bad, *rest = table(f'source,prompt\na,"open\n{rows}')
    assert bad.problem == "row 2: no CSV: unexpected end of data"
    assert [item.sources for item in rest] == [(str(number),) for number in range(500)]


def test_a_record_of_many_lines_is_bounded_too():
    cells = '"' + "x" * 50_000 + '\n",'
    items = table("source,prompt\na," + cells * 30 + "b\nz,y\n")
    assert items[0].problem == "row 2: longer than 1 MB"
    assert items[-1].sources == ("z",)


def test_the_limit_of_cells_is_that_of_the_process():
    limit = csv.field_size_limit()
    table("source\n" + "x" * 200_000)
    assert csv.field_size_limit() == limit


def test_an_empty_table_has_no_items():
    assert table("") == table("\n\n") == table("source\n") == []


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_first_item_is_there_at_once(kind):
    endless = itertools.chain([b"source\n"] if kind == "csv" else [], forever(kind))
    first = next(read_manifest(Stream(endless), name="rows", kind=kind))
    assert first.sources == ("1.png",)


def forever(kind: str) -> Iterable[bytes]:
    for number in itertools.count(1):
        yield b"%d.png\n" % number if kind == "csv" else b'{"source": "%d.png"}\n' % number


@pytest.mark.parametrize(("kind", "count"), [("jsonl", 50_000), ("csv", 50_000)])
def test_memory_stays_flat(kind, count):
    header = [b"source\n"] if kind == "csv" else []
    rows = itertools.chain(header, itertools.islice(forever(kind), count))
    items = read_manifest(Stream(rows), name="rows", kind=kind)
    assert sum(1 for _ in itertools.islice(items, 1000)) == 1000
    tracemalloc.start()
    try:
        assert sum(1 for _ in items) == count - 1000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_a_line_that_does_not_end_is_not_kept():
    class Endless(io.RawIOBase):
        left = 50_000_000

        def readline(self, most: int) -> bytes:
            size = min(most, self.left)
            self.left -= size
            return b"x" * size

    tracemalloc.start()
    try:
        assert list(read_lines(Endless(), name="rows")) == [None]
        assert tracemalloc.get_traced_memory()[1] < 5 * LINE_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", [b"", b"\n", b"\nnext"])
def test_the_longest_line_is_taken_whole(end):
    line = b"x" * (LINE_BYTES - 1)
    found = list(read_lines(io.BytesIO(line + end), name="rows"))
    assert found[0] == line + end[:1]
    assert found[1:] == ([b"next"] if end[1:] else [])


@pytest.mark.parametrize("end", [b"", b"\n", b"\nnext"])
def test_a_longer_line_is_left_out(end):
    found = list(read_lines(io.BytesIO(b"x" * (LINE_BYTES + 1) + end), name="rows"))
    assert found == [None, *([b"next"] if end[1:] else [])]


def test_a_stream_that_breaks_is_an_error_in_one_line():
    def broken() -> Iterable[bytes]:
        yield b'{"source": "a"}\n'
        raise OSError(5, "Input/output error")

    items = read_manifest(Stream(broken()), name="rows.jsonl", kind="jsonl")
    assert next(items).sources == ("a",)
    with pytest.raises(UsageError, match=r"rows.jsonl cannot be read: Input/output error"):
        next(items)


# --- properties ----------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [b'{"source":', b'"a.png"', b'"id":5', b'"end":', b'"schema":', b",", b"}", b"{", b"[", b'"',
     b'""', b"\n", b"\r\n", b"\r", b"source", b"source,prompt\n", b";", b"\t", b"\x00", b"\xff",
     b"NaN", b"\xef\xbb\xbf", b"1e999", b" ", b"\xed\xa0\x80", b"\\ud800"]
)  # fmt: skip
HOSTILE = st.binary(max_size=400) | st.lists(WORDS, max_size=60).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(HOSTILE, st.sampled_from(["jsonl", "csv"]), st.booleans())
def test_any_bytes_are_at_most_one_item_a_line(data, kind, with_header):
    data = b"source,prompt,schema,end\n" * with_header + data
    items = list(read_manifest(io.BytesIO(data), name="rows", kind=kind))
    assert len(items) <= sum(1 for line in data.split(b"\n") if line.strip())
    assert all(item.id and item.row for item in items)
    assert all(bool(item.problem) != bool(item.sources) for item in items)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
NAMES = TEXT.filter(lambda text: text != "-" and text.strip())
SECONDS = st.integers(0, 10**6) | st.floats(0, 1e6)
ROWS = st.fixed_dictionaries(
    {"source": NAMES},
    optional={
        "id": st.from_regex(r"[a-z0-9 ._-]{1,200}", fullmatch=True).filter(str.strip),
        "prompt": TEXT.filter(str.strip),
        "language": st.sampled_from(["de", "en-GB"]),
        "modality": st.sampled_from(["image", "video", "audio"]),
        "schema": st.dictionaries(TEXT, st.integers() | st.none() | TEXT, max_size=4),
        "start": SECONDS,
    },
)


def in_jsonl(rows: list[dict[str, object]]) -> list[Item]:
    return jsonl(*rows)


def in_csv(rows: list[dict[str, object]]) -> list[Item]:
    out = io.StringIO(newline="")
    columns = ["language", "source", "start", "prompt", "schema", "id", "modality"]
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    for row in rows:
        schema = {"schema": json.dumps(row["schema"])} if "schema" in row else {}
        writer.writerow({**row, **schema})
    return table(out.getvalue())


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, max_size=5), st.sampled_from([in_jsonl, in_csv]))
def test_good_rows_come_back_as_they_were_written(rows, read: Callable):
    items = read(rows)
    assert len(items) == len(rows)
    for row, item in zip(rows, items, strict=True):
        assert item.problem == ""
        assert item.sources == (row["source"],)
        assert item.id == row.get("id", item.id)
        assert (item.prompt, item.language) == (row.get("prompt"), row.get("language"))
        assert (item.modality, item.start) == (row.get("modality"), row.get("start"))
        schema = None if item.json_schema is None else json.loads(item.json_schema)
        assert schema == row.get("schema")


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, max_size=6), st.randoms())
def test_ids_do_not_depend_on_the_order_or_the_kind_of_manifest(rows, random):
    before = {json.dumps(row): item.id for row, item in zip(rows, jsonl(*rows), strict=True)}
    random.shuffle(rows)
    for read in (in_jsonl, in_csv):
        after = {json.dumps(row): item.id for row, item in zip(rows, read(rows), strict=True)}
        assert after == before
