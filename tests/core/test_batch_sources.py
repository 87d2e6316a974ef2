"""What a batch is about: names on a command line, lists, and what Python code gives."""

from __future__ import annotations

import inspect
import io
import itertools
import os
import socket
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.batches.counts import estimate_count
from mediasense.batches.folders import is_media
from mediasense.batches.ids import item_id
from mediasense.batches.items import Item
from mediasense.batches.patterns import Pattern, split_pattern
from mediasense.batches.sources import find_items, items_of
from mediasense.batches.tally import Tally
from mediasense.errors import UsageError
from mediasense.media.source import is_uri

CR3 = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0" * 40
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures, a text and hidden things in it."""
    folder = tmp_path / "tree"
    for name in (
        "b.png",
        "a.png",
        ".hidden.png",
        "sub/c.png",
        "sub/deep/d.png",
        "sub/deep/e.jpg",
        "sub/.git/f.png",
        "other/g.png",
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(PNG)
    (folder / "notes.txt").write_text("no picture")
    (folder / "sub" / "empty.png").touch()
    monkeypatch.chdir(folder)
    return folder


def found(*sources: str, tally: Tally | None = None) -> list[str]:
    """The paths that names stand for; none may be a problem."""
    items = list(find_items(sources, tally=tally))
    assert [item.problem for item in items] == [""] * len(items)
    return [os.fspath(item.sources[0]) for item in items]


def listed(data: bytes, tally: Tally | None = None) -> list[Item]:
    return list(find_items(["-"], stdin=io.BytesIO(data), tally=tally))


# --- files and links -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "a.png",
        "notes.txt",
        "missing.png",
        "https://acme.example/*.png?a=[1]",
        "s3://bucket/**",
        "data:image/png;base64,AAAA*",
    ],
)
def test_a_file_or_a_link_is_itself(tree, source):
    assert found(source) == [source]


def test_a_name_that_is_there_is_no_pattern(tree):
    (tree / "[ab].png").write_bytes(PNG)
    (tree / "*").mkdir()
    (tree / "*" / "z.png").write_bytes(PNG)
    assert found("[ab].png", "*") == ["[ab].png", "*/z.png"]


def test_a_tilde_is_the_home_folder(tree, empty_environment):
    home = empty_environment
    (home / "pictures").mkdir()
    (home / "pictures" / "h.png").write_bytes(PNG)
    whole = f"{home}/pictures/h.png"
    assert found("~/pictures/h.png", "~/pictures/*.png", "~/pictures") == [whole] * 3
    assert found("~nobody-at-all/h.png") == ["~nobody-at-all/h.png"]


def test_a_file_named_like_a_tilde_is_itself(tree):
    (tree / "~").mkdir()
    (tree / "~" / "h.png").write_bytes(PNG)
    assert found("~/h.png") == ["~/h.png"]


# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["./a.png", ".//a.png", "././a.png", Path("a.png")])
def test_spellings_of_one_path_have_one_id(other):
    assert item_id((other,)) == item_id(("a.png",))


@pytest.mark.parametrize(
    "other", ["/a.png", "x/../a.png", "../a.png", "A.png", ".a.png", "a.png.", b"a.png", "a/.png"]
)
def test_other_paths_have_other_ids(other):
    assert item_id((other,)) != item_id(("a.png",))


def test_a_link_is_not_spelled_like_a_path():
    assert item_id(("https://a.example//b/./c",)) != item_id(("https://a.example/b/c",))
    assert item_id(("https://a.example/b",)) != item_id((Path("https://a.example/b"),))


def test_bytes_are_named_by_what_they_are():
    assert item_id((PNG,)) == item_id((bytes(PNG),)) != item_id((PNG + b"\0",))


def test_a_folder_and_a_pattern_give_a_file_one_id(tree):
    for way in ("./sub", "sub/", "sub/**/c.png", "./sub//c.png"):
        assert item_id(("sub/c.png",)) in {item.id for item in find_items([way])}


@given(st.text(max_size=30) | st.binary(max_size=30))
def test_any_source_has_an_id(source):
    name = item_id((source,))
    assert name == item_id((source,))
    assert len(name) == 16
    assert int(name, 16) >= 0


def test_what_is_a_link_here_is_one_where_it_is_read():
    from mediasense.media import source

    for text in (
        "https://x",
        "HTTP://x",
        "s3://x",
        " data:,x",
        "Data:a;b,x",
        "c:/x",
        "a//b",
        "://",
    ):
        read_as_link = bool(source._URI.match(text) or source._DATA_URI.match(text))
        assert is_uri(text) == read_as_link


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_is_walked_folder_by_folder_in_order(tree):
    assert found(".") == [
        "./a.png",
        "./b.png",
        "./other/g.png",
        "./sub/c.png",
        "./sub/deep/d.png",
        "./sub/deep/e.jpg",
    ]


def test_what_is_no_media_is_counted(tree):
    tally = Tally()
    found(".", tally=tally)
    assert tally.left_out == 2


def test_a_file_is_taken_for_what_it_is_and_not_for_its_name(tree):
    (tree / "other" / "picture.txt").write_bytes(PNG)
    (tree / "other" / "text.png").write_text("no picture")
    assert found("other") == ["other/g.png", "other/picture.txt"]


def test_pipes_sockets_and_links_to_nothing_are_never_opened(tree):
    os.mkfifo(tree / "other" / "pipe.png")
    (tree / "other" / "gone.png").symlink_to("nowhere.png")
    (tree / "other" / "self.png").symlink_to("self.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "other" / "s.png"))
        for source in ("other", "other/*.png", "other/*"):
            tally = Tally()
            assert found(source, tally=tally) == ["other/g.png"]
            assert tally.left_out == 4


def test_a_link_to_a_file_is_taken(tree):
    (tree / "other" / "link.png").symlink_to("../a.png")
    assert found("other") == ["other/g.png", "other/link.png"]


def test_links_to_folders_are_not_followed(tree):
    (tree / "sub" / "up").symlink_to("..", target_is_directory=True)
    assert found("sub") == ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]


def test_a_link_to_a_folder_that_is_named_is_walked(tree):
    (tree / "link").symlink_to("other", target_is_directory=True)
    assert found("link") == ["link/g.png"]


def test_a_file_that_cannot_be_read_is_an_item(tree, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert found("other") == ["other/g.png"]


def test_a_pipe_in_the_place_of_a_file_does_not_hang_the_walk(tree, monkeypatch):
    opened = os.open

    def swap(path, flags):
        Path(path).unlink()
        os.mkfifo(path)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", swap)
    assert found("other") == []


def test_a_folder_that_cannot_be_read_is_a_problem(tree, monkeypatch):
    looked = os.scandir

    def scandir(path):
        if path == "./sub":
            raise PermissionError(13, "Permission denied")
        return looked(path)

    monkeypatch.setattr(os, "scandir", scandir)
    problems = {item.sources[0]: item.problem for item in find_items(["."])}
    assert problems["./sub"] == "the folder sub cannot be read: Permission denied"
    assert problems["./other/g.png"] == ""


def test_names_that_are_not_text_can_be_walked(tree):
    (Path(os.fsdecode(b"other")) / os.fsdecode(b"\xff\n.png")).write_bytes(PNG)
    assert os.fsencode(found("other")[1]) == b"other/\xff\n.png"


def test_a_folder_is_looked_at_when_its_turn_comes(tree):
    items = find_items(["other", "late"])
    next(items)
    (tree / "late").mkdir()
    (tree / "late" / "l.png").write_bytes(PNG)
    assert [item.sources for item in items] == [("late/l.png",)]


def test_folders_may_be_nested_deeper_than_python_may_call(tree):
    folder = tree.joinpath(*["d"] * 150)
    folder.mkdir(parents=True)
    (folder / "x.png").write_bytes(PNG)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        paths = found("d")
    finally:
        sys.setrecursionlimit(limit)
    assert paths == ["d/" * 150 + "x.png"]


@pytest.mark.parametrize(
    "head",
    [
        PNG,
        b"RIFF\0\0\0\0WAVEfmt ",
        b"ID3\x04",
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
        b"\0\0\0\x18ftypXAVC\0\0\2\0XAVCmp42",
        b"\0\0\0\x08wide\0\1\0\0mdat",
        b"\xff\xfa\x90\0",
        b"\x1aE\xdf\xa3\x93B\x82\x88matroskaB\x87\x81\x01" + b"\0" * 40,
        (b"\x47" + b"\xff" * 187) * 4,
        (b"\0\0\0\0\x47" + b"\xff" * 187) * 4,
        b"caff\0\1\0\0",
    ],
)
def test_what_begins_as_media_is_media(head):
    assert is_media(head)


@pytest.mark.parametrize(
    "head",
    [b"", b"G", b"G" + b"x" * 1000, b"%PDF-1.7", b"PK\3\4", b"<svg>", b"{}", b"\xff\xfeh\0", CR3],
)
def test_what_does_not_is_none(head):
    assert not is_media(head)


def test_a_real_recording_in_a_transport_stream_is_media(tmp_path, make_video):
    path = make_video(tmp_path / "clip.ts")
    assert found(str(tmp_path)) == [str(path)]


# --- patterns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("./*.png", ["./a.png", "./b.png"]),
        ("[!b].png", ["a.png"]),
        ("?.png", ["a.png", "b.png"]),
        ("*/*.png", ["other/g.png", "sub/c.png", "sub/empty.png"]),
        ("*.txt", ["notes.txt"]),
        (".*.png", [".hidden.png"]),
        ("sub/.git/*.png", ["sub/.git/f.png"]),
        ("*/.git/*.png", ["sub/.git/f.png"]),
        ("**/*.jpg", ["sub/deep/e.jpg"]),
        ("**/deep/*.png", ["sub/deep/d.png"]),
        ("sub/**/[cd].png", ["sub/c.png", "sub/deep/d.png"]),
        ("sub/**/**/c.png", ["sub/c.png"]),
        ("**/sub/**/d.png", ["sub/deep/d.png"]),
        ("sub/../*.txt", ["sub/../notes.txt"]),
        ("s*", ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]),
        ("sub/*", ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]),
        ("**/deep", ["sub/deep/d.png", "sub/deep/e.jpg"]),
        ("**/sub/*", ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]),
        ("sub/**", ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]),
        ("sub/**/*", ["sub/c.png", "sub/deep/d.png", "sub/deep/e.jpg"]),
    ],
)
def test_a_pattern_is_the_files_it_matches(tree, pattern, paths):
    assert found(pattern) == paths


def test_a_pattern_may_begin_at_the_root(tree):
    assert found(f"{tree}/**/e.*") == [f"{tree}/sub/deep/e.jpg"]
    assert split_pattern("/*/x") == ("/", Pattern(("*", "x")))


def test_a_file_is_matched_once_however_many_ways_there_are(tree):
    folder = tree / "x" / "x" / "x"
    folder.mkdir(parents=True)
    (folder / "y.png").write_bytes(PNG)
    assert found("**/x/**/*.png") == ["x/x/x/y.png"]


def test_a_pattern_that_names_no_name_looks_into_files(tree):
    tally = Tally()
    assert found("*", tally=tally)[:2] == ["a.png", "b.png"]
    assert tally.left_out == 2


def test_a_pattern_follows_a_link_only_where_it_names_it(tree):
    (tree / "link").symlink_to("sub", target_is_directory=True)
    (tree / "sub" / "up").symlink_to("..", target_is_directory=True)
    assert found("l*/c.png") == ["link/c.png"]
    assert found("**/c.png") == ["sub/c.png"]
    assert found("**/link/c.png") == ["link/c.png"]


@pytest.mark.parametrize(
    "pattern", ["*.gif", "missing/*.png", "a.png/*", "**/[", "*\0", "**/nope/*"]
)
def test_a_pattern_that_matches_nothing_is_a_problem(tree, pattern):
    (item,) = find_items([pattern])
    assert item.problem.startswith("no file matches ")
    assert item.problem.isprintable()
    assert item.sources == (pattern,)
    assert len(item.id) == 16


def test_a_pattern_whose_files_are_left_out_matches_something(tree):
    (tree / "words").mkdir()
    (tree / "words" / "w.txt").write_text("words")
    assert found("words/*") == []


NAMES = st.sampled_from(["a", "b", "ab", ".a"])
PARTS = st.sampled_from(["a", "b", "*", "**", "?", "a*", ".*", "[ab]"])


def slow_match(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether a pattern matches a path: the rule, word for word."""
    import fnmatch

    if not parts:
        return not names
    if parts[0] == "**":
        stays = bool(names) and not names[0].startswith(".") and slow_match(parts, names[1:])
        return stays or slow_match(parts[1:], names)
    if not names or names[0].startswith(".") > parts[0].startswith("."):
        return False
    return fnmatch.fnmatchcase(names[0], parts[0]) and slow_match(parts[1:], names[1:])


@given(st.lists(PARTS, min_size=1, max_size=5), st.lists(NAMES, min_size=1, max_size=5))
def test_patterns_match_what_the_rule_says(parts, names):
    pattern = Pattern(tuple(parts))
    places = pattern.start
    for name in names:
        places = pattern.after(places, name)
    assert (pattern.end in places) == slow_match(tuple(parts), tuple(names))


# --- lists on standard input ---------------------------------------------------------------------


def test_a_list_names_a_source_on_each_line(tree):
    items = listed(b"\xef\xbb\xbfa.png\r\n\n  \nmissing [1].png\n*.png\nhttps://a.example/b")
    assert [item.sources[0] for item in items] == [
        "a.png",
        "missing [1].png",
        "*.png",
        "https://a.example/b",
    ]
    assert [item.problem for item in items] == [""] * 4
    assert items[0].id == item_id(("a.png",))


def test_folders_in_a_list_are_walked(tree):
    assert [item.sources[0] for item in listed(b"other\n")] == ["other/g.png"]


def test_a_line_of_a_list_may_be_a_row(tree):
    tally = Tally()
    row, bad = listed(b'{"source": "a.png", "prompt": "what?", "who": 1}\n{"a"\n', tally)
    assert (row.sources, row.prompt, row.row) == (("a.png",), "what?", 1)
    assert bad.problem.startswith("line 2: no JSON: ")
    assert tally.unused == ["who"]


def test_a_line_that_cannot_be_used_does_not_stop_the_rest(tree):
    items = listed(b"\xff.png\n-\n" + b"x" * 1_000_010 + b"\na.png\n")
    assert [item.problem for item in items] == [
        "line 1: not UTF-8 text",
        "line 2: standard input is no source in a list",
        "line 3: longer than 1 MB",
        "",
    ]
    assert [item.id for item in items[:3]] == ["line-1", "line-2", "line-3"]


def test_a_list_is_read_as_it_comes(tree):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", 0) as pipe:
        items = find_items(["a.png", "-"], stdin=stdin)
        assert next(items).sources == ("a.png",)
        pipe.write(b"b.png\n")
        assert next(items).sources == ("b.png",)


def test_without_standard_input_there_is_no_list():
    with pytest.raises(UsageError, match="nothing on standard input"):
        list(find_items(["-"]))


@given(st.binary(max_size=300))
def test_any_bytes_are_at_most_one_item_a_line_of_a_list(data):
    items = listed(data.replace(b"/", b"_").replace(b".", b"_"))
    assert len(items) <= len(data.split(b"\n"))


# --- Python --------------------------------------------------------------------------------------


def given_items(*sources: object) -> list[Item]:
    return list(items_of(sources))


def test_python_names_paths_links_and_bytes(tree):
    sources = ["a.png", Path("b.png"), PNG, "https://a.example/*", Path("missing")]
    assert [item.sources for item in items_of(sources)] == [(source,) for source in sources]


def test_nothing_is_a_pattern_in_python(tree):
    names = ["*.png", "~/a.png"]
    assert [item.sources[0] for item in items_of(names)] == names


@pytest.mark.parametrize("folder", ["other", Path("other"), os.fsencode("other")])
def test_a_folder_is_walked_in_python_too(tree, folder):
    (item,) = items_of([folder])
    assert item.sources == ((folder,) if isinstance(folder, bytes) else ("other/g.png",))


def test_a_sequence_is_several_images(tree):
    first, second = given_items(["a.png", PNG], ("other",))
    assert first.sources == ("a.png", PNG)
    assert second.sources == ("other",)


def test_a_mapping_is_a_row(tree):
    first, second = given_items(
        {"source": [Path("a.png"), PNG], "prompt": "what?", "schema": {"type": "object"}},
        {"source": "a.png", "start": 5, "end": 1},
    )
    assert (first.sources, first.prompt) == ((Path("a.png"), PNG), "what?")
    assert first.json_schema == '{"type": "object"}'
    assert second.problem == "item 2: start is not before end"


@pytest.mark.parametrize("source", ["other", "a.png", Path("a.png"), PNG, {"source": "a.png"}])
def test_one_source_alone_will_do(tree, source):
    assert len(list(items_of(source))) == 1


def test_the_kinds_of_bytes_are_one(tree):
    ids = {item.id for item in given_items(PNG, bytearray(PNG), memoryview(PNG), {"source": PNG})}
    assert len(ids) == 1


class Circle(dict):
    """A schema that holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self["a"] = self


@pytest.mark.parametrize(
    "source",
    [None, 5, 1.5, [], (), [5], {}, object(), "-", {"source": "a", "schema": Circle()}],
)
def test_what_is_no_source_is_a_problem_and_the_rest_goes_on(tree, source):
    bad, good = given_items(source, "a.png")
    assert bad.problem.startswith("item 1: ")
    assert bad.id == "item-1"
    assert good.sources == ("a.png",)


def test_sources_are_taken_one_by_one(tree):
    items = items_of(f"{number}.png" for number in itertools.count())
    assert [next(items).sources[0] for _ in range(3)] == ["0.png", "1.png", "2.png"]


def test_memory_stays_flat(tree):
    items = items_of(f"{number}.png" for number in range(30_000))
    assert sum(1 for _ in itertools.islice(items, 1000)) == 1000
    tracemalloc.start()
    try:
        assert sum(1 for _ in items) == 29_000
        assert (
            tracemalloc.get_traced_memory()[1] < 4_000_000
        )  # pathlib's table of names; all items are 9 MB
    finally:
        tracemalloc.stop()


# --- how many ------------------------------------------------------------------------------------


class Clock:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_count_is_that_of_the_items(tree):
    sources = [".", "*.png", "missing.png", "https://a.example/b", "*.gif"]
    count = estimate_count(sources, deadline=1000, clock=Clock())
    assert count == len(list(find_items(sources)))


def test_the_count_of_a_list_is_not_known(tree):
    assert estimate_count(["a.png", "-"], deadline=1000, clock=Clock()) is None


def test_a_walk_that_takes_too_long_is_given_up(tree):
    assert estimate_count(["."], deadline=5, clock=Clock()) is None


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("rows.jsonl", "{}\n{}\n{}", 3),
        ("rows.jsonl", "{}\n{}\n", 2),
        ("rows.jsonl", "", 0),
        ("rows.csv", "source\na\nb\n", 2),
        ("rows.csv", "", 0),
    ],
)
def test_the_rows_of_a_manifest_are_counted(tree, name, text, rows):
    path = tree / name
    path.write_text(text)
    assert estimate_count([], manifests=[path], deadline=1000, clock=Clock()) == rows
    assert estimate_count(["a.png"], manifests=[path], deadline=1000, clock=Clock()) == rows + 1


def test_a_long_manifest_is_estimated_by_its_size(tree):
    path = tree / "rows.jsonl"
    path.write_bytes(b"x" * 1023 + b"\n" * 1 + (b"x" * 1023 + b"\n") * 5000)
    assert estimate_count([], manifests=[path], deadline=0, clock=Clock()) == 5001


def test_a_pipe_is_left_to_the_batch(tree):
    os.mkfifo(tree / "rows.jsonl")
    assert estimate_count([], manifests=[tree / "rows.jsonl"], deadline=9, clock=Clock()) is None
    assert estimate_count([], manifests=[tree / "missing"], deadline=9, clock=Clock()) is None


def test_the_count_may_be_made_on_another_thread(tree):
    counts: list[int | None] = []
    thread = threading.Thread(
        target=lambda: counts.append(estimate_count(["."], deadline=1000, clock=Clock()))
    )
    items = find_items(["."])
    next(items)
    thread.start()
    thread.join(30)
    assert counts == [6]
