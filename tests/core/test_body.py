"""Bodies made block by block are the bytes that ``json.dumps`` would make."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasense import Base64, Body, CorruptMedia, Media, json_body, new_slot, splice
from mediasense.body import _BLOCK, _JOIN_BELOW

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
SIZES = st.integers(0, 40) | st.sampled_from(
    [_BLOCK + shift for shift in (-3, -2, -1, 0, 1, 2, 3)] + [2 * _BLOCK - 1, 2 * _BLOCK + 1]
)


def media_of(data: bytes) -> Media:
    return Media(modality="image", mime_type="image/png", data=data, size=len(data))


def stored(path, data: bytes) -> Media:
    path.write_bytes(data)
    return Media(modality="image", mime_type="image/png", path=path, size=len(data))


def bytes_of(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def with_text(value: object) -> object:
    """The payload with every :class:`Base64` as the text it stands for."""
    if isinstance(value, Base64):
        return value.prefix + base64.b64encode(value.media.read()).decode()
    if isinstance(value, dict):
        return {name: with_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_text(item) for item in value]
    return value


def dumped(payload: object) -> bytes:
    return json.dumps(with_text(payload), separators=(",", ":")).encode()


MEDIA = st.builds(Base64, SIZES.map(bytes_of).map(media_of), st.text(max_size=10))
PAYLOADS = st.recursive(
    SCALARS | MEDIA,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(payload=PAYLOADS, chunk=st.sampled_from([1000, 4096, 8191, 16384, _BLOCK, 10_000_000]))
def test_a_body_is_what_json_would_be(payload, chunk):
    body = json_body(payload)
    read = b"".join(iter(lambda: body.read(chunk), b""))
    assert read == dumped(payload)
    assert len(body) == len(read)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(0, 100), chunks=st.lists(st.integers(1, 60), min_size=1))
def test_chunks_of_any_sizes_join_to_the_body(size, chunks):
    payload = {"a": [Base64.data_uri(media_of(bytes_of(size))), "é"]}
    body = json_body(payload)
    read = [body.read(count) for count in chunks]
    assert all(len(piece) <= count for piece, count in zip(read, chunks, strict=True))
    assert body.tell() == sum(map(len, read))
    assert b"".join(read) + body.read() == dumped(payload)


@pytest.mark.parametrize("read_before", [0, 1, 20, 10**9])
def test_a_rewound_body_gives_the_same_bytes(tmp_path, read_before):
    payload = {"a": Base64(stored(tmp_path / "a", bytes_of(1000)), "x")}
    body = json_body(payload)
    body.read(read_before)
    assert body.seek(0) == 0
    assert body.tell() == 0
    assert body.read() == dumped(payload)


def test_a_body_can_be_measured_by_seeking():
    body = json_body({"a": Base64(media_of(b"abc"))})
    assert body.seek(0, io.SEEK_END) == len(body)
    assert body.read() == b""
    body.seek(0)
    assert len(body.read()) == len(body)


def test_the_middle_of_a_body_is_out_of_reach():
    with pytest.raises(io.UnsupportedOperation):
        json_body({"a": 1}).seek(3)


def test_a_body_says_what_it_can():
    body = json_body({})
    assert (body.readable(), body.seekable(), body.writable()) == (True, True, False)


def test_one_media_may_stand_in_several_places():
    same = Base64(media_of(b"abc"))
    assert json_body([same, same]).read() == b'["YWJj","YWJj"]'


def test_a_data_uri_names_its_type():
    assert json_body(Base64.data_uri(media_of(b"abc"))).read() == b'"data:image/png;base64,YWJj"'


def test_what_has_no_json_form_is_named():
    with pytest.raises(TypeError, match="bytes has no JSON form"):
        json_body({"a": b"raw"})


def test_a_link_has_no_bytes_to_send():
    with pytest.raises(ValueError, match="no bytes to send"):
        json_body(Base64(Media(modality="image", mime_type="", uri="https://example.org/a")))


@pytest.mark.parametrize("changed", [b"", b"ab", b"abcd"])
def test_a_file_that_changed_between_is_not_sent(tmp_path, changed):
    media = stored(tmp_path / "a", b"abc")
    body = json_body(Base64(media))
    media.path.write_bytes(changed)
    with pytest.raises(CorruptMedia):
        body.read()


def test_a_file_that_shrinks_while_it_is_read_ends_in_an_error(tmp_path):
    """A body shorter than it said would leave the server waiting for the rest."""
    media = stored(tmp_path / "a", bytes_of(3 * _BLOCK))
    body = json_body(Base64(media))
    while body.tell() < 100:
        body.read(100)
    media.path.write_bytes(b"")
    with pytest.raises(CorruptMedia):
        _ = [*iter(lambda: body.read(65536), b"")]


def test_a_small_body_is_bytes_and_a_large_one_a_stream():
    assert json_body({"a": 1}).content() == b'{"a":1}'
    large = json_body(Base64(media_of(bytes(_JOIN_BELOW))))
    assert large.content() is large


def test_a_large_body_is_read_within_a_few_mebibytes(tmp_path):
    size = 64 * 1024 * 1024
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)
    media = Media(modality="video", mime_type="video/mp4", path=path, size=size)
    body = json_body({"clip": Base64(media)})
    tracemalloc.start()
    read = 0
    while block := body.read(65536):
        read += len(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == len(body) > size * 4 // 3
    assert peak < 3 * 1024 * 1024


@pytest.fixture
def opened(monkeypatch) -> list[io.BufferedIOBase]:
    """The files that media open."""
    files = []
    really_open = Media.open

    def open_and_remember(media: Media):
        files.append(really_open(media))
        return files[-1]

    monkeypatch.setattr(Media, "open", open_and_remember)
    return files


@pytest.mark.parametrize("leave", [Body.close, Body.read, lambda body: body.seek(0)])
def test_the_file_is_closed_when_the_body_is_left(tmp_path, opened, leave):
    body = json_body(Base64(stored(tmp_path / "a", bytes_of(5000))))
    while body.tell() < 100:
        body.read(100)
    assert [file.closed for file in opened] == [False]
    leave(body)
    assert [file.closed for file in opened] == [True]


# --- documents of other encoders ------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(), min_size=1, max_size=5), data=st.binary(max_size=50))
def test_media_are_put_where_their_slots_stand(texts, data):
    slots = {new_slot(): media_of(data + bytes([number])) for number in range(len(texts))}
    encoder = json.JSONEncoder(ensure_ascii=False)
    document = encoder.encode([*zip(texts, reversed(slots), strict=True)])
    texts_of = {slot: base64.b64encode(media.read()).decode() for slot, media in slots.items()}
    expected = encoder.encode(
        [(text, texts_of[slot]) for text, slot in zip(texts, reversed(slots), strict=True)]
    )
    assert splice(document.encode("utf-8", "surrogatepass"), slots).read() == expected.encode(
        "utf-8", "surrogatepass"
    )


def test_a_document_without_slots_stays_as_it_is():
    assert splice(b'{"a":1}', {}).read() == b'{"a":1}'


def test_slots_are_unguessable_and_plain():
    slots = {new_slot() for _ in range(100)}
    assert len(slots) == 100
    assert all(slot.isalnum() and slot.isascii() and len(slot) >= 32 for slot in slots)


def test_a_body_of_no_parts_is_empty():
    assert (Body(()).read(), len(Body(()))) == (b"", 0)
