"""From what the user names to checked media: everything else is a known error, soon."""

from __future__ import annotations

import base64
import io
import os
import socket
import sys
import time
import wave
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediasense import (
    CorruptMedia,
    MediaError,
    MediaNotFound,
    MediaTooLarge,
    UnsafeEndpoint,
    UnsupportedMedia,
    UsageError,
)
from mediasense.media.inspecting import display_name
from mediasense.media.sniff import modality_of, sniff
from mediasense.media.source import Source, fetched, resolve, source_name, uri_kind
from mediasense.media.workspace import Workspace
from mediasense.names import MediaModality
from mediasense.types import Media, Question

NOT_UTF8 = b"caf\xe9.png".decode("utf-8", "surrogateescape")


def look(source: Source, expected: MediaModality | None = None, **asked) -> Media:
    """Look at a source; what is no file is kept no longer than that."""
    with Workspace() as workspace:
        return resolve(source, expected, Question(**asked), workspace)


@pytest.fixture(autouse=True)
def decode_here(monkeypatch):
    """A decoder's process is not used again after a failure, and failures are the subject here."""
    monkeypatch.setenv("MEDIASENSE_ISOLATION", "off")


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
        look("gone.png")


def test_a_folder_is_told(tmp_path):
    with pytest.raises(MediaNotFound, match="is a folder, not a file"):
        look(tmp_path)


@pytest.mark.parametrize("name", ["", "."])
def test_nothing_is_a_folder(name):
    with pytest.raises(MediaNotFound):
        look(name)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_not_read(device):
    with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
        look(device)


@pytest.mark.timeout(10)
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
        look(tmp_path / "pipe")


def test_a_socket_is_not_opened(empty_environment):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(MediaNotFound, match="is a device, a pipe or a socket"):
            look("s")


@pytest.mark.parametrize("path", ["a\0b.png", "a" * 5000, "a/" * 3000])
def test_what_is_no_path_is_told(path):
    with pytest.raises(MediaNotFound):
        look(path)


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(MediaNotFound, match="cannot be read"):
        look(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_told(store, make_image):
    path = store("a.png", make_image())
    path.chmod(0)
    with pytest.raises(MediaNotFound, match="cannot be read: Permission denied"):
        look(path)


def test_half_a_character_is_no_path():
    with pytest.raises(MediaNotFound):
        look("\ud800.png")


def test_an_empty_file_is_told(store):
    with pytest.raises(CorruptMedia, match="is empty"):
        look(store("a.png", b""))
    with pytest.raises(CorruptMedia, match="the data is empty"):
        look(b"")


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=30))
@example(text="\x1b[2J.png")
def test_any_text_is_a_file_or_a_known_error(text):
    with pytest.raises((MediaError, UsageError)) as caught:
        look(text)
    assert caught.value.message.isprintable() or "://" in text


# --- what the bytes are ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a", "a.wav", "a.heic"])
def test_a_picture_is_one_under_any_name(store, make_image, name):
    media = look(store(name, make_image()))
    assert (media.modality, media.mime_type, media.width, media.height) == (
        "image",
        "image/png",
        64,
        48,
    )


@pytest.mark.parametrize("name", ["a.png", "a.mp3", "a"])
def test_a_sound_is_one_under_any_name(store, make_wav, name):
    media = look(store(name, make_wav()))
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
        ("caf\u00e9 \u2013 ".encode() * 3000, "text"),
        (b"caf\xe9 " * 100, "unknown data"),
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
        look(store(name, data))
    with pytest.raises(UnsupportedMedia, match=f"the data is {what}"):
        look(data)


def test_what_is_no_media_is_named_under_the_name_of_a_picture(store):
    with pytest.raises(UnsupportedMedia, match="is text, not an image, a video or a sound"):
        look(store("a.png", b"just some words"))


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_media_or_a_known_error(data):
    try:
        media = look(data)
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
    media = look(path)
    path.unlink()
    assert media.path == path
    assert media.read() == media.data
    assert media.size == len(media.data)


def test_a_large_file_stays_on_disk(store):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(5_000_000))
    data = buffer.getvalue()
    media = look(store("a.wav", data))
    assert (media.data, media.size) == (None, len(data))


def test_a_sound_that_breaks_off_is_looked_at_and_its_damage_told(store, make_wav):
    data = make_wav(seconds=2)
    media = look(store("a.wav", data[:-1000]))
    assert media.seconds == pytest.approx(2 - 500 / 16000)
    assert media.facts.damage == f"it breaks off after {len(data) - 1000} of {len(data)} bytes"


def test_a_picture_that_breaks_off_is_told(store, make_image):
    with pytest.raises(CorruptMedia, match=r"a\.png"):
        look(store("a.png", make_image()[:-100]))


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [NOT_UTF8, "two\nlines.png", "\x1b[31mred.png", "-o.png", "a'b\"c.png", "写真.png", " .png"],
)
def test_a_picture_under_an_odd_name_is_read(store, make_image, name):
    path = store(name, make_image())
    assert look(path).path == path
    assert look(str(path)).width == 64


@pytest.mark.parametrize("name", [NOT_UTF8, "two\nlines.mp4", "a#b?c%d.mp4", "%d.mp4", "-i.mp4"])
def test_a_video_under_an_odd_name_is_read(tmp_path, make_video, name):
    path = make_video(tmp_path / "clip.mp4").rename(tmp_path / name)
    assert look(path).modality == "video"


@pytest.mark.parametrize(
    "name",
    ["12:30.mp4", "2026-01-02T12:30:00.mp4", "pipe:0", "file:a.mp4", "concat:a.mp4", "data:"],
)
def test_a_video_in_this_folder_with_a_colon_in_its_name_is_read(
    tmp_path, make_video, monkeypatch, name
):
    """FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4").rename(name)
    assert look(name).modality == "video"


def test_a_name_never_opens_another_file(tmp_path, make_video, make_wav, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(Path("clip.mp4"))
    Path("file:clip.mp4").write_bytes(make_wav())
    assert look("file:clip.mp4").modality == "audio"


@pytest.mark.parametrize("name", [NOT_UTF8, "two\nlines.png", "\x1b[31mred.png", "a\u202eb.png"])
def test_an_error_shows_an_odd_name_in_one_plain_line(name):
    with pytest.raises(MediaNotFound) as caught:
        look(name)
    assert caught.value.message.isprintable()
    caught.value.message.encode()


@settings(max_examples=100)
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_shown_name_is_one_printable_line(name):
    assert display_name(Path(name)).isprintable()


def test_a_plain_name_is_shown_as_it_is():
    assert display_name(Path("my shots/é 1.png")) == "my shots/é 1.png"


def test_media_are_called_what_the_user_called_them(store, make_image, make_wav):
    path = store("my shot.png", make_image())
    assert look(path).name == str(path)
    assert look(store("a\nb.wav", make_wav())).name.endswith("a\\nb.wav")
    assert look(make_image()).name == "the data"


# --- standard input and data: URIs ---------------------------------------------------------------


@pytest.fixture
def stdin(monkeypatch):
    """Put bytes on standard input; ``None`` is a terminal."""

    def put(data: bytes | None) -> None:
        stream = io.TextIOWrapper(io.BytesIO(data or b""))
        monkeypatch.setattr(stream, "isatty", lambda: data is None, raising=False)
        monkeypatch.setattr("sys.stdin", stream)

    return put


def test_a_dash_is_what_is_on_standard_input(stdin, make_image, make_wav, make_video, tmp_path):
    stdin(make_image())
    media = look("-")
    assert (media.modality, media.width, media.name) == ("image", 64, "standard input")
    stdin(make_wav())
    assert look("-").modality == "audio"
    stdin(make_video(tmp_path / "a.mp4").read_bytes())
    assert look("-").modality == "video"


def test_a_path_that_is_a_dash_is_a_file(store, make_image, monkeypatch, tmp_path):
    store("-", make_image())
    monkeypatch.chdir(tmp_path)
    assert look(Path("-")).name == "-"
    assert look("./-").modality == "image"


def test_nothing_on_standard_input_is_told(stdin, monkeypatch):
    stdin(None)
    with pytest.raises(UsageError, match="there is nothing on standard input; pipe a file"):
        look("-")
    stdin(b"")
    with pytest.raises(CorruptMedia, match="standard input is empty"):
        look("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="nothing on standard input"):
        look("-")


def test_standard_input_has_a_limit(stdin, make_image):
    stdin(make_image())
    with pytest.raises(MediaTooLarge, match="standard input"):
        look("-", max_download=1000)


def test_what_is_no_media_on_standard_input_is_told(stdin):
    stdin(b"just some words")
    with pytest.raises(UnsupportedMedia, match="standard input is text"):
        look("-")


@pytest.mark.parametrize(
    "head", ["data:image/png;base64,", "DATA:;base64,", " data:text/x;base64,"]
)
def test_a_data_uri_is_what_it_holds(make_image, head):
    data = make_image()
    media = look(head + base64.b64encode(data).decode())
    assert (media.mime_type, media.data, media.name) == ("image/png", data, "the data: URI")


def test_a_sound_in_a_data_uri_is_read(make_wav):
    uri = "data:audio/wav;base64," + base64.b64encode(make_wav()).decode()
    assert look(uri).seconds == 0.5


def test_a_data_uri_of_nothing_is_told():
    with pytest.raises(CorruptMedia, match="the data: URI is empty"):
        look("data:,")


def test_a_data_uri_has_a_limit(make_image):
    uri = "data:image/png;base64," + base64.b64encode(make_image()).decode()
    with pytest.raises(MediaTooLarge, match="the data: URI"):
        look(uri, max_download=1000)


def test_an_error_about_a_data_uri_never_shows_the_data():
    with pytest.raises(MediaError) as caught:
        look("data:text/plain,my secret words")
    assert "secret" not in str(caught.value)


# --- downloads -----------------------------------------------------------------------------------


@pytest.fixture
def link(httpserver, make_image):
    """A link on this machine: to the bytes, under a type."""

    def make(path: str, data: bytes | None = None, content_type: str = "image/png") -> str:
        body = make_image() if data is None else data
        httpserver.expect_request(path).respond_with_data(body, content_type=content_type)
        return httpserver.url_for(path)

    return make


def test_a_link_that_does_not_say_what_it_is_is_downloaded(link):
    url = link("/shot")
    media = look(url, allow_private=True)
    assert (media.modality, media.width, media.uri, media.name) == ("image", 64, None, url)


def fetch(url: str, expected: MediaModality | None = None, **asked) -> Media:
    question = Question(**asked)
    with Workspace() as workspace:
        media = resolve(url, expected, question, workspace)
        return fetched(media, expected, question, workspace)


def test_a_link_that_the_provider_does_not_fetch_is_downloaded(link):
    media = fetch(link("/a.png"), allow_private=True)
    assert (media.mime_type, media.uri) == ("image/png", None)


def test_what_arrives_is_looked_at_and_not_what_the_server_says(link, make_wav):
    url = link("/a.wav", make_wav(), content_type="image/png")
    assert fetch(url, allow_private=True).mime_type == "audio/wav"


def test_a_query_is_not_in_the_name(link):
    url = link("/shot")
    assert look(f"{url}?token=secret", allow_private=True).name == url


def test_a_link_to_this_machine_is_refused_unless_allowed(link, httpserver):
    with pytest.raises(UnsafeEndpoint):
        fetch(link("/a.png"))
    assert httpserver.log == []


def test_a_download_has_a_limit(link):
    with pytest.raises(MediaTooLarge):
        fetch(link("/a.png"), allow_private=True, max_download=1000)


def test_a_link_to_nothing_is_told(httpserver):
    httpserver.expect_request("/gone.png").respond_with_data(status=404)
    with pytest.raises(MediaNotFound):
        fetch(httpserver.url_for("/gone.png"), allow_private=True)


def test_a_download_of_another_kind_is_told(link, make_wav):
    with pytest.raises(UsageError, match="is an audio, not image"):
        fetch(link("/a.png", make_wav()), allow_private=True)


@pytest.mark.parametrize("uri", ["gs://bucket/a.mp4", "s3://bucket/a.mp4"])
def test_a_link_that_nobody_here_can_fetch_stays_one(uri):
    assert fetch(uri).uri == uri


def test_a_page_is_looked_through_for_its_video(httpserver, make_video, tmp_path):
    pytest.importorskip("yt_dlp", reason="the download extra is not installed")
    clip = make_video(tmp_path / "clip.mp4").read_bytes()
    httpserver.expect_request("/clip.mp4").respond_with_data(clip, content_type="video/mp4")
    page = f'<html><video src="{httpserver.url_for("/clip.mp4")}"></video></html>'
    httpserver.expect_request("/talk").respond_with_data(page, content_type="text/html; charset=x")
    media = look(httpserver.url_for("/talk"), allow_private=True)
    assert (media.modality, media.size) == ("video", len(clip))


def test_a_page_needs_what_looks_through_pages(link, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "yt_dlp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    url = link("/talk", b"<html></html>", content_type="text/html")
    with pytest.raises(UsageError, match="pip install"):
        look(url, allow_private=True)


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
    media = look(uri, expected)
    assert (media.uri, media.modality, media.mime_type) == (uri, modality, mime_type)
    assert (media.path, media.data, media.size) == (None, None, None)


@pytest.mark.parametrize("uri", ["gs://bucket/a", "ftp://example.org/a", "s3://bucket/a.pdf"])
def test_a_link_that_says_nothing_and_cannot_be_downloaded_is_told(uri):
    with pytest.raises(UsageError, match="does not say what it is; type: mediasense image, video"):
        look(uri)


def test_a_link_to_a_file_is_not_read(store, make_image):
    path = store("a.png", make_image())
    with pytest.raises(UsageError, match="file:// is not read; give the plain path"):
        look(f"file://{path}")


@pytest.mark.parametrize("uri", ["ftp://example.org/a.png", "HTTP://example.org/a.png"])
def test_a_link_of_any_scheme_is_left_to_the_provider(uri):
    assert look(uri).uri == uri


def test_nothing_is_fetched_before_it_is_known_who_fetches_it(raw_server):
    server = raw_server(b"")
    media = look(f"{server.url}/a.png", allow_private=True)
    assert server.received == []
    assert media.name == media.uri == f"{server.url}/a.png"


def test_a_path_is_never_a_link(tmp_path, monkeypatch):
    with pytest.raises(MediaNotFound):
        look(Path("https://example.org/a.png"))


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
        look(make_image(), expected)


def test_a_sound_is_no_picture(make_wav):
    with pytest.raises(UsageError, match="is an audio, not image; type: mediasense audio FILE"):
        look(make_wav(), "image")


def test_a_sound_is_no_video(make_wav):
    with pytest.raises(UnsupportedMedia, match="has sound and no pictures; type: mediasense audio"):
        look(make_wav(), "video")


def test_a_video_may_be_taken_for_its_sound(tmp_path, make_video):
    media = look(make_video(tmp_path / "a.mp4", sound=True), "audio")
    assert (media.modality, media.mime_type) == ("audio", "video/mp4")


def test_a_video_without_sound_is_no_sound(tmp_path, make_video):
    with pytest.raises(UnsupportedMedia, match="is a video without sound"):
        look(make_video(tmp_path / "a.mp4"), "audio")


def test_looking_at_nonsense_takes_no_time():
    started = time.perf_counter()
    for data in (os.urandom(100_000), b"\xff\xfb" * 50_000, b"OggS" * 20_000):
        with pytest.raises(MediaError):
            look(data)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("uri", ["https://me:secret@example.org/a.mp4", "gs://me@bucket/a.mp4"])
def test_a_link_with_a_password_is_refused_without_telling_it(uri):
    with pytest.raises(UnsafeEndpoint) as refused:
        look(uri)
    assert "secret" not in str(refused.value)


def test_what_a_link_asks_for_is_sent_and_not_shown():
    media = look("https://example.org/a.mp4?signature=secret")
    assert media.uri == "https://example.org/a.mp4?signature=secret"
    assert media.name == "https://example.org/a.mp4"


@pytest.mark.parametrize("source", [7, None, bytearray(b"x"), ["a.png"]])
def test_what_is_no_source_is_told(source):
    with pytest.raises(UsageError, match="is no source"):
        look(source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (b"bytes", "the data"),
        ("data:image/png;base64,AAAA", "the data: URI"),
        ("-", "standard input"),
        ("folder/a.png", "folder/a.png"),
    ],
)
def test_a_source_is_named_without_what_is_in_it(source, name):
    assert source_name(source) == name


def test_a_link_is_named_without_its_secrets():
    told = source_name("https://user:word@example.org/a.png?signature=secret")
    assert "example.org" in told
    assert "secret" not in told
    assert "word" not in told
