"""From what the user names to checked media: everything else is a known error, soon."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediasense import (
    CorruptMedia,
    MediaError,
    MediaNotFound,
    UnsupportedMedia,
    UsageError,
)
from mediasense.media.sniff import modality_of, sniff
from mediasense.media.source import display_name, resolve, uri_kind

NOT_UTF8 = b"caf\xe9.png".decode("utf-8", "surrogateescape")


@pytest.fixture
def store(tmp_path):
    """Write bytes under a name and return the path."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


# --- files that are none --------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(MediaNotFound, match=r"^there is no file gone.png; check the path$"):
        resolve("gone.png")


def test_a_folder_is_told(tmp_path):
    with pytest.raises(MediaNotFound, match="is a folder, not a file"):
        resolve(tmp_path)


@pytest.mark.parametrize("name", ["", "."])
def test_nothing_is_a_folder(name):
    with pytest.raises(MediaNotFound):
        resolve(name)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_not_read(device):
    with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
        resolve(device)


@pytest.mark.timeout(10)
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
        resolve(tmp_path / "pipe")


def test_a_socket_is_not_opened(empty_environment):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
            resolve("s")


@pytest.mark.parametrize("path", ["a\0b.png", "a" * 5000, "a/" * 3000])
def test_what_is_no_path_is_told(path):
    with pytest.raises(MediaNotFound):
        resolve(path)


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(MediaNotFound, match="cannot be read"):
        resolve(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_told(store, make_image):
    path = store("a.png", make_image())
    path.chmod(0)
    with pytest.raises(MediaNotFound, match="cannot be read: Permission denied"):
        resolve(path)


def test_half_a_character_is_no_path():
    with pytest.raises(MediaNotFound):
        resolve("\ud800.png")


def test_an_empty_file_is_told(store):
    with pytest.raises(CorruptMedia, match="is empty"):
        resolve(store("a.png", b""))
    with pytest.raises(CorruptMedia, match="the data is empty"):
        resolve(b"")


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=30))
@example(text="\x1b[2J.png")
def test_any_text_is_a_file_or_a_known_error(text):
    with pytest.raises((MediaError, UsageError)) as caught:
        resolve(text)
    assert caught.value.message.isprintable() or "://" in text


# --- what the bytes are ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a", "a.wav", "a.heic"])
def test_a_picture_is_one_under_any_name(store, make_image, name):
    media = resolve(store(name, make_image()))
    assert (media.modality, media.mime_type, media.width, media.height) == (
        "image",
        "image/png",
        64,
        48,
    )


@pytest.mark.parametrize("name", ["a.png", "a.mp3", "a"])
def test_a_sound_is_one_under_any_name(store, make_wav, name):
    media = resolve(store(name, make_wav()))
    assert (media.modality, media.mime_type, media.seconds) == ("audio", "audio/wav", 0.5)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"just some words\n" * 100, "text"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"0" * 500, "application/pdf"),
        (b"PK\x03\x04" + bytes(100), "application/zip"),
        (b"\x7fELF" + bytes(200), "application/x-executable"),
        (b"<html><body>no</body></html>", "text"),
        (bytes(5000), "unknown data"),
        (b"MThd" + bytes(50), "unknown data"),
        (b"\0", "unknown data"),
        (b"a", "text"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "a.mp4",
        "a.pdf",
    ],
)
def test_what_is_no_media_is_named(store, data, what, name):
    with pytest.raises(UnsupportedMedia, match=f"is {what}, not an image, a video or a sound"):
        resolve(store(name, data))
    with pytest.raises(UnsupportedMedia, match=f"the data is {what}"):
        resolve(data)


def test_what_is_no_media_is_named_under_the_name_of_a_picture(store):
    with pytest.raises(UnsupportedMedia, match="is text, not an image, a video or a sound"):
        resolve(store("a.png", b"just some words"))


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_media_or_a_known_error(data):
    try:
        media = resolve(data)
    except MediaError:
        return
    assert media.modality in ("image", "video", "audio")


@settings(max_examples=200)
@given(head=st.binary(max_size=100))
def test_what_is_sniffed_is_a_type_or_nothing(head):
    found = sniff(head)
    assert found is None or "/" in found


@pytest.mark.parametrize(
    ("mime_type", "modality"),
    [("image/png", "image"), ("video/mp4", "video"), ("audio/wav", "audio"), ("text/html", None)],
)
def test_the_kind_is_told_by_the_type(mime_type, modality):
    assert modality_of(mime_type) == modality


# --- what is kept ---------------------------------------------------------------------------------


def test_a_small_file_is_read_once_and_kept(store, make_image):
    path = store("a.png", make_image())
    media = resolve(path)
    path.unlink()
    assert media.path == path
    assert media.read() == media.data
    assert media.size == len(media.data)


def test_a_large_file_stays_on_disk(store, make_wav):
    data = make_wav(seconds=140)
    media = resolve(store("a.wav", data))
    assert (media.data, media.size, media.seconds) == (None, len(data), 140)


def test_a_large_file_that_is_cut_is_told(store, make_wav):
    data = make_wav(seconds=140)
    with pytest.raises(CorruptMedia, match="is truncated"):
        resolve(store("a.wav", data[:-100_000]))


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [NOT_UTF8, "two\nlines.png", "\x1b[31mred.png", "-o.png", "a'b\"c.png", "写真.png", " .png"],
)
def test_a_picture_under_an_odd_name_is_read(store, make_image, name):
    path = store(name, make_image())
    assert resolve(path).path == path
    assert resolve(str(path)).width == 64


@pytest.mark.parametrize("name", [NOT_UTF8, "two\nlines.mp4", "a#b?c%d.mp4", "%d.mp4", "-i.mp4"])
def test_a_video_under_an_odd_name_is_read(tmp_path, make_video, name):
    path = make_video(tmp_path / "clip.mp4").rename(tmp_path / name)
    assert resolve(path).modality == "video"


@pytest.mark.parametrize(
    "name",
    ["12:30.mp4", "2026-01-02T12:30:00.mp4", "pipe:0", "file:a.mp4", "concat:a.mp4", "data:,"],
)
def test_a_video_in_this_folder_with_a_colon_in_its_name_is_read(
    tmp_path, make_video, monkeypatch, name
):
    """FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4").rename(name)
    assert resolve(name).modality == "video"


def test_a_name_never_opens_another_file(tmp_path, make_video, make_wav, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(Path("clip.mp4"))
    Path("file:clip.mp4").write_bytes(make_wav())
    assert resolve("file:clip.mp4").modality == "audio"


@pytest.mark.parametrize("name", [NOT_UTF8, "two\nlines.png", "\x1b[31mred.png", "a\u202eb.png"])
def test_an_error_shows_an_odd_name_in_one_plain_line(name):
    with pytest.raises(MediaNotFound) as caught:
        resolve(name)
    assert caught.value.message.isprintable()
    caught.value.message.encode()


@settings(max_examples=100)
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_shown_name_is_one_printable_line(name):
    assert display_name(Path(name)).isprintable()


def test_a_plain_name_is_shown_as_it_is():
    assert display_name(Path("my shots/é 1.png")) == "my shots/é 1.png"


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "expected", "modality", "mime_type"),
    [
        ("https://example.org/a.png", None, "image", "image/png"),
        ("https://example.org/a.PNG?size=1#x", None, "image", "image/png"),
        ("https://example.org/a.mp4", None, "video", "video/mp4"),
        ("https://example.org/a.mp3", None, "audio", "audio/mpeg"),
        ("gs://bucket/a.mp4", None, "video", "video/mp4"),
        ("s3://bucket/a.png", None, "image", "image/png"),
        ("https://example.org/a", "image", "image", ""),
        ("https://example.org/a.pdf", "image", "image", ""),
        ("https://example.org/a.png", "video", "video", ""),
        ("https://youtu.be/abc", None, "video", ""),
        ("https://www.youtube.com/watch?v=abc", None, "video", ""),
        ("https://www.youtube.com/watch?v=a.png", None, "video", ""),
    ],
)
def test_a_link_is_what_is_asked_for_or_what_its_path_says(uri, expected, modality, mime_type):
    media = resolve(uri, expected)
    assert (media.uri, media.modality, media.mime_type) == (uri, modality, mime_type)
    assert (media.path, media.data, media.size) == (None, None, None)


def test_a_link_that_says_nothing_is_told():
    with pytest.raises(UsageError, match="does not say what it is; type: mediasense image, video"):
        resolve("https://example.org/a")


def test_a_link_to_a_file_is_not_read(store, make_image):
    path = store("a.png", make_image())
    with pytest.raises(UsageError, match="file:// is not read; give the plain path"):
        resolve(f"file://{path}")


@pytest.mark.parametrize("uri", ["ftp://example.org/a.png", "HTTP://example.org/a.png"])
def test_a_link_of_any_scheme_is_left_to_the_provider(uri):
    assert resolve(uri).uri == uri


def test_nothing_is_fetched(raw_server):
    server = raw_server(b"")
    resolve(f"{server.url}/a.png")
    assert server.received == []


def test_a_path_is_never_a_link(tmp_path, monkeypatch):
    with pytest.raises(MediaNotFound):
        resolve(Path("https://example.org/a.png"))


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("https://youtu.be/a", "youtube"),
        ("https://YouTube.com/a", "youtube"),
        ("https://m.youtube.com:443/a", "youtube"),
        ("https://user@youtube.com/a", "youtube"),
        ("http://youtu.be/a", "http"),
        ("https://youtube.com.evil.example/a", "https"),
        ("https://evil.example/youtube.com", "https"),
        ("https://evil.example?youtube.com/", "https"),
        ("https://evil.example#@youtube.com/", "https"),
        ("GS://b/a", "gs"),
    ],
)
def test_the_kind_of_a_link(uri, kind):
    assert uri_kind(uri) == kind


# --- another kind than expected -------------------------------------------------------------------


@pytest.mark.parametrize("expected", ["video", "audio"])
def test_a_picture_is_neither_video_nor_sound(make_image, expected):
    with pytest.raises(
        UsageError, match=f"is an image, not {expected}; type: mediasense image FILE"
    ):
        resolve(make_image(), expected)


def test_a_sound_is_no_picture(make_wav):
    with pytest.raises(UsageError, match="is an audio, not image; type: mediasense audio FILE"):
        resolve(make_wav(), "image")


def test_a_sound_is_no_video(make_wav):
    with pytest.raises(UnsupportedMedia, match="has sound and no pictures; type: mediasense audio"):
        resolve(make_wav(), "video")


def test_a_video_may_be_taken_for_its_sound(tmp_path, make_video):
    media = resolve(make_video(tmp_path / "a.mp4", sound=True), "audio")
    assert (media.modality, media.mime_type) == ("audio", "video/mp4")


def test_a_video_without_sound_is_no_sound(tmp_path, make_video):
    with pytest.raises(UnsupportedMedia, match="is a video without sound"):
        resolve(make_video(tmp_path / "a.mp4"), "audio")


def test_looking_at_nonsense_takes_no_time():
    started = time.perf_counter()
    for data in (os.urandom(100_000), b"\xff\xfb" * 50_000, b"OggS" * 20_000):
        with pytest.raises(MediaError):
            resolve(data)
    assert time.perf_counter() - started < 10
